// SPDX-License-Identifier: Apache-2.0
#include "proto/ring.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RELAYS_MAX 17
#define NAME_SIZE  24

/* A fleet's relays; `list` points at `text`, or at some of it in another order. */
struct fleet {
	char text[RELAYS_MAX][NAME_SIZE];
	const char *list[RELAYS_MAX];
};

static void fleet_init(struct fleet *f, unsigned seed)
{
	for (unsigned i = 0; i < RELAYS_MAX; i++) {
		snprintf(f->text[i], NAME_SIZE, "10.%u.%u.%u:8127", seed / 256, seed % 256, i);
		f->list[i] = f->text[i];
	}
}

static struct ring *ring_make(const char *const *names, size_t count, uint32_t partitions)
{
	struct ring *r = NULL;

	assert_int_equal(ring_new(names, count, partitions, &r), 0);
	assert_non_null(r);
	return r;
}

static void a_name_twice_is_refused(void **state)
{
	const char *names[] = { "a:1", "b:1", "a:1" };
	struct ring *r = NULL;

	(void)state;
	assert_int_equal(ring_new(names, 3, 32, &r), -EINVAL);
	assert_null(r);
}

static void no_partitions_are_refused(void **state)
{
	const char *names[] = { "a:1" };
	struct ring *r = NULL;

	(void)state;
	assert_int_equal(ring_new(names, 1, 0, &r), -EINVAL);
	assert_null(r);
}

static void a_ring_may_be_empty(void **state)
{
	struct ring *r = ring_make(NULL, 0, 32);

	(void)state;
	assert_int_equal(ring_size(r), 0);
	ring_free(r);
	ring_free(NULL);
}

static void a_single_relay_is_first_everywhere(void **state)
{
	const char *names[] = { "only:1" };
	struct ring *r = ring_make(names, 1, 64);

	(void)state;
	for (uint32_t p = 0; p < 64; p++)
		assert_int_equal(ring_at(r, p, 0), 0);
	ring_free(r);
}

static void every_row_lists_every_relay_once(void **state)
{
	struct fleet f;
	struct ring *r;

	(void)state;
	fleet_init(&f, 1);
	r = ring_make(f.list, 7, 100);
	for (uint32_t p = 0; p < 100; p++) {
		unsigned seen = 0;

		for (size_t place = 0; place < ring_size(r); place++)
			seen |= 1U << ring_at(r, p, place);
		assert_int_equal(seen, 0x7f);
	}
	ring_free(r);
}

static void assert_even_shares(const struct fleet *f, size_t relays, uint32_t partitions)
{
	struct ring *r = ring_make(f->list, relays, partitions);
	size_t load[RELAYS_MAX] = { 0 };

	for (uint32_t p = 0; p < partitions; p++)
		load[ring_at(r, p, 0)]++;
	for (size_t i = 0; i < relays; i++)
		assert_in_range(load[i], partitions / relays, (partitions + relays - 1) / relays);
	ring_free(r);
}

static void every_relay_is_first_for_its_even_share(void **state)
{
	static const uint32_t partitions[] = { 1, 2, 3, 31, 32, 64, 255, 256, 1024 };
	struct fleet f;

	(void)state;
	for (unsigned seed = 0; seed < 10; seed++) {
		fleet_init(&f, seed);
		for (size_t i = 0; i < sizeof(partitions) / sizeof(partitions[0]); i++)
			for (size_t relays = 1; relays <= RELAYS_MAX; relays++)
				assert_even_shares(&f, relays, partitions[i]);
	}
}

static void the_order_of_the_list_does_not_matter(void **state)
{
	struct fleet f;
	const char *reversed[RELAYS_MAX];
	struct ring *a, *b;

	(void)state;
	fleet_init(&f, 3);
	for (size_t i = 0; i < RELAYS_MAX; i++)
		reversed[i] = f.list[RELAYS_MAX - 1 - i];
	a = ring_make(f.list, RELAYS_MAX, 64);
	b = ring_make(reversed, RELAYS_MAX, 64);
	for (uint32_t p = 0; p < 64; p++)
		for (size_t place = 0; place < RELAYS_MAX; place++)
			assert_string_equal(f.list[ring_at(a, p, place)],
					    reversed[ring_at(b, p, place)]);
	ring_free(a);
	ring_free(b);
}

/* Agents and relays of different versions should agree: a changed score moves everything. */
static void the_ring_is_the_same_in_every_version(void **state)
{
	static const char *const names[] = { "relay-a:8127", "relay-b:8127", "relay-c:8127" };
	char first[33] = { 0 };
	struct ring *r = ring_make(names, 3, 32);

	(void)state;
	for (uint32_t p = 0; p < 32; p++)
		first[p] = (char)('a' + ring_at(r, p, 0));
	ring_free(r);
	assert_string_equal(first, "cbcacbcbaaabcacaaabccacbbbccbabb");
}

/* What one relay's leaving moves. Its joining again moves the same partitions back. */
struct movement {
	size_t own;   /* partitions it was first for: these must move */
	size_t other; /* partitions that moved besides */
};

static void movement_count(const struct fleet *f, size_t relays, uint32_t partitions, size_t gone,
			   struct movement *m)
{
	const char *left[RELAYS_MAX];
	size_t count = 0;
	struct ring *before = ring_make(f->list, relays, partitions);
	struct ring *after;

	for (size_t i = 0; i < relays; i++)
		if (i != gone)
			left[count++] = f->list[i];
	after = ring_make(left, count, partitions);
	for (uint32_t p = 0; p < partitions; p++) {
		size_t was = ring_at(before, p, 0);

		if (was == gone)
			m->own++;
		else if (f->list[was] != left[ring_at(after, p, 0)])
			m->other++;
	}
	ring_free(before);
	ring_free(after);
}

/* The figures of ring.h: in `HOURGLASS_LONG=1` they are printed for every n. */
static double movement_measure(uint32_t partitions, size_t relays)
{
	const unsigned fleets = 40;
	struct movement m = { 0 };
	struct fleet f;

	for (unsigned seed = 0; seed < fleets; seed++) {
		fleet_init(&f, seed);
		movement_count(&f, relays, partitions, seed % relays, &m);
	}
	if (getenv("HOURGLASS_LONG") != NULL)
		printf("P=%u n=%zu->%zu: own %.2f%%, others %.2f%%\n", partitions, relays,
		       relays - 1, 100.0 * (double)m.own / (partitions * fleets),
		       100.0 * (double)m.other / (partitions * fleets));
	return (double)m.other / (partitions * fleets);
}

static void a_leaving_relay_moves_little_besides_its_own(void **state)
{
	static const struct {
		uint32_t partitions;
		double mean, worst; /* over n = 2..16, as ring.h states them */
	} rows[] = { { 32, 0.07, 0.13 }, { 64, 0.06, 0.11 }, { 256, 0.035, 0.06 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		double sum = 0;

		for (size_t relays = 2; relays <= 16; relays++) {
			double other = movement_measure(rows[i].partitions, relays);

			assert_true(other < rows[i].worst);
			sum += other;
		}
		assert_true(sum / 15 < rows[i].mean);
	}
}

/* Without a bound in the way the second of a row is the first once the first has left. */
static void the_second_takes_over_when_its_share_allows(void **state)
{
	struct fleet f;
	struct ring *before, *after;

	(void)state;
	fleet_init(&f, 9);
	before = ring_make(f.list, 2, 50);
	after = ring_make(f.list, 1, 50);
	for (uint32_t p = 0; p < 50; p++)
		if (ring_at(before, p, 0) == 1)
			assert_int_equal(ring_at(before, p, 1), ring_at(after, p, 0));
	ring_free(before);
	ring_free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_twice_is_refused),
		cmocka_unit_test(no_partitions_are_refused),
		cmocka_unit_test(a_ring_may_be_empty),
		cmocka_unit_test(a_single_relay_is_first_everywhere),
		cmocka_unit_test(every_row_lists_every_relay_once),
		cmocka_unit_test(every_relay_is_first_for_its_even_share),
		cmocka_unit_test(the_order_of_the_list_does_not_matter),
		cmocka_unit_test(the_ring_is_the_same_in_every_version),
		cmocka_unit_test(a_leaving_relay_moves_little_besides_its_own),
		cmocka_unit_test(the_second_takes_over_when_its_share_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
