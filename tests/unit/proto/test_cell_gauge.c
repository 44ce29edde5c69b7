// SPDX-License-Identifier: Apache-2.0
#include "proto/cell_gauge.h"

#include "proto/err.h"
#include "proto/hash.h"
#include "tests/lib/bytes.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint64_t noise(uint64_t i)
{
	return hash64(slice_of(&i, sizeof(i)));
}

/* One value set in a second, then a delta. */
static void set(struct cell_gauge_state *g, uint32_t second, double value, double delta)
{
	struct group_gauge group = {
		.has_set = true,
		.last = value,
		.delta = delta,
		.min = value,
		.max = value,
		.sum = value,
		.sets = 1,
		.samples = 1 + (delta != 0),
	};

	assert_int_equal(cell_gauge_add(g, second, &group), 0);
}

static void change(struct cell_gauge_state *g, uint32_t second, double delta)
{
	struct group_gauge group = { .delta = delta, .samples = 1 };

	assert_int_equal(cell_gauge_add(g, second, &group), 0);
}

static struct cell_gauge read_of(const struct cell_gauge_state *g)
{
	struct cell_gauge out;

	cell_gauge_read(g, &out);
	return out;
}

static struct buf put(const struct cell_gauge_state *g)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	cell_gauge_put(g, &out);
	assert_int_equal(buf_status(&out), 0);
	return out;
}

static int get(struct slice bytes, struct cell_gauge_state *g)
{
	struct reader in = reader_of(bytes);
	int rc;

	*g = (struct cell_gauge_state){ 0 };
	rc = cell_gauge_get(&in, g);
	return rc == 0 ? reader_finish(&in) : rc;
}

static void assert_same(const struct cell_gauge_state *a, const struct cell_gauge_state *b)
{
	bytes_assert_same(put(a), put(b));
}

/* What happened in one second at one agent, from a seed: whole numbers, so that sums are exact. */
static void happen(struct cell_gauge_state *g, uint64_t seed)
{
	uint64_t dice = noise(seed);
	uint32_t second = (uint32_t)(dice >> 8) % 20;
	double value = (double)(dice >> 16 & 15) - 8;

	if (dice % 3 == 0)
		set(g, second, value, (double)(dice >> 20 & 3));
	else
		change(g, second, value);
}

static struct cell_gauge_state history(uint64_t from, uint64_t to)
{
	struct cell_gauge_state g = { 0 };

	while (from < to)
		happen(&g, from++);
	return g;
}

static void nothing_is_known_of_an_empty_one(void **state)
{
	struct cell_gauge_state g = { 0 };
	struct cell_gauge now = read_of(&g);

	(void)state;
	assert_false(now.has_last);
	assert_false(now.has_set);
	assert_true(now.last == 0);
	assert_true(cell_gauge_is_blank(&g));
	assert_int_equal(cell_gauge_memory(&g), 0);
}

static void the_last_second_holds_whatever_comes_later(void **state)
{
	struct cell_gauge_state g = { 0 };
	struct cell_gauge now;

	(void)state;
	set(&g, 30, 7, 0);
	set(&g, 10, 99, 0);
	set(&g, 20, -5, 0);
	now = read_of(&g);
	assert_true(now.has_last);
	assert_true(now.last == 7);
	assert_int_equal(now.last_second, 30);
	assert_true(now.min == -5);
	assert_true(now.max == 99);
	assert_true(now.sum == 101);
	assert_int_equal(now.sets, 3);
	cell_gauge_release(&g);
}

static void of_one_second_the_larger_value_holds(void **state)
{
	struct cell_gauge_state up = { 0 };
	struct cell_gauge_state down = { 0 };

	(void)state;
	set(&up, 5, 1, 0);
	set(&up, 5, 2, 0);
	set(&down, 5, 2, 0);
	set(&down, 5, 1, 0);
	assert_true(read_of(&up).last == 2);
	assert_same(&up, &down);
	cell_gauge_release(&up);
	cell_gauge_release(&down);
}

static void deltas_count_from_the_second_of_the_last_value(void **state)
{
	struct cell_gauge_state g = { 0 };

	(void)state;
	change(&g, 9, 100);
	change(&g, 10, 1);
	change(&g, 11, 2);
	assert_true(read_of(&g).last == 103);
	assert_false(read_of(&g).has_last);
	set(&g, 10, 50, 4);
	assert_true(read_of(&g).last == 57);
	change(&g, 9, 1000);
	assert_true(read_of(&g).last == 57);
	change(&g, 3599, -7);
	assert_true(read_of(&g).last == 50);
	set(&g, 3599, 1, 0);
	assert_true(read_of(&g).last == -6);
	cell_gauge_release(&g);
}

static void merging_commutes_and_associates(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 3000; seed += 30) {
		struct cell_gauge_state left = history(seed, seed + 10);
		struct cell_gauge_state b = history(seed + 10, seed + 13);
		struct cell_gauge_state c = history(seed + 13, seed + 30);
		struct cell_gauge_state right = history(seed + 13, seed + 30);
		struct cell_gauge_state bb = history(seed + 10, seed + 13);
		struct cell_gauge_state a = history(seed, seed + 10);
		struct cell_gauge_state all = history(seed, seed + 30);

		/* (a + b) + c against c + (b + a), and both against one that saw all. */
		assert_int_equal(cell_gauge_merge(&left, &b), 0);
		assert_int_equal(cell_gauge_merge(&left, &c), 0);
		assert_int_equal(cell_gauge_merge(&bb, &a), 0);
		assert_int_equal(cell_gauge_merge(&right, &bb), 0);
		assert_same(&left, &right);
		assert_same(&left, &all);
		cell_gauge_release(&left);
		cell_gauge_release(&right);
		cell_gauge_release(&a);
		cell_gauge_release(&b);
		cell_gauge_release(&bb);
		cell_gauge_release(&c);
		cell_gauge_release(&all);
	}
}

static void an_empty_one_changes_nothing(void **state)
{
	struct cell_gauge_state g = history(0, 20);
	struct cell_gauge_state same = history(0, 20);
	struct cell_gauge_state empty = { 0 };

	(void)state;
	assert_int_equal(cell_gauge_merge(&g, &empty), 0);
	assert_same(&g, &same);
	assert_int_equal(cell_gauge_merge(&empty, &g), 0);
	assert_same(&empty, &same);
	cell_gauge_release(&g);
	cell_gauge_release(&same);
	cell_gauge_release(&empty);
}

static void a_whole_hour_of_deltas_fits(void **state)
{
	struct cell_gauge_state even = { 0 };
	struct cell_gauge_state odd = { 0 };

	(void)state;
	for (uint32_t second = 3600; second-- > 0;)
		change(second % 2 ? &odd : &even, second, 1);
	assert_int_equal(cell_gauge_merge(&even, &odd), 0);
	assert_true(read_of(&even).last == 3600);
	assert_true(cell_gauge_memory(&even) <= 3600 * 24);
	assert_int_equal(cell_gauge_merge(&even, &odd), 0);
	assert_true(read_of(&even).last == 5400);
	set(&even, 3599, 0, 0);
	assert_true(read_of(&even).last == 2);
	cell_gauge_release(&even);
	cell_gauge_release(&odd);
}

static void deltas_that_cancel_are_not_written(void **state)
{
	struct cell_gauge_state g = { 0 };
	struct buf out;

	(void)state;
	change(&g, 5, 3);
	change(&g, 6, 4);
	change(&g, 5, -3);
	out = put(&g);
	assert_int_equal(out.size, 4); /* no set; one delta, second 6, 4 */
	buf_release(&out);
	change(&g, 6, -4);
	assert_true(cell_gauge_is_blank(&g));
	cell_gauge_release(&g);
}

static void what_is_not_finite_is_refused(void **state)
{
	struct cell_gauge_state g = { 0 };
	struct group_gauge bad[5];

	(void)state;
	for (size_t i = 0; i < 5; i++)
		bad[i] = (struct group_gauge){ .has_set = true, .sets = 2, .samples = 2 };
	bad[0].delta = NAN;
	bad[1].last = INFINITY;
	bad[2].min = -INFINITY;
	bad[3].max = NAN;
	bad[4].sum = INFINITY;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(cell_gauge_add(&g, 0, &bad[i]), ERR_BAD_VALUE);
	assert_true(cell_gauge_is_blank(&g));
}

static void contradictions_are_put_right(void **state)
{
	struct cell_gauge_state g = { 0 };
	struct cell_gauge_state back;
	struct group_gauge none = { .has_set = true, .last = 5, .sum = 9, .samples = 1 };
	struct group_gauge outside = { .has_set = true, .last = 50, .min = 1, .max = -0.0,
				       .sum = 9, .sets = 2, .samples = 2 };
	struct buf out;

	(void)state;
	assert_int_equal(cell_gauge_add(&g, 1, &none), 0);
	assert_int_equal(cell_gauge_sets(&g), 1);
	assert_true(read_of(&g).sum == 5);
	assert_int_equal(cell_gauge_add(&g, 2, &outside), 0);
	assert_true(read_of(&g).min == 1);
	assert_true(read_of(&g).max == 50);
	out = put(&g);
	assert_int_equal(get(buf_view(&out), &back), 0);
	cell_gauge_release(&back);
	cell_gauge_release(&g);
	buf_release(&out);
}

static void hostile_values_stay_finite(void **state)
{
	struct cell_gauge_state g = { 0 };
	struct cell_gauge_state back;
	struct buf out;

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		set(&g, 7, DBL_MAX, DBL_MAX);
		change(&g, 8 + i, DBL_MAX);
	}
	assert_true(read_of(&g).last == DBL_MAX);
	assert_true(read_of(&g).sum == DBL_MAX);
	out = put(&g);
	assert_int_equal(get(buf_view(&out), &back), 0);
	assert_same(&g, &back);
	cell_gauge_release(&back);
	cell_gauge_release(&g);
	buf_release(&out);
}

static void bytes_read_back_are_the_same(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 2000; seed++) {
		struct cell_gauge_state g = history(seed, seed + seed % 40);
		struct cell_gauge_state back;
		struct buf out = put(&g);

		assert_int_equal(get(buf_view(&out), &back), 0);
		assert_same(&g, &back);
		cell_gauge_release(&back);
		for (size_t size = 0; size < out.size; size++) {
			assert_int_not_equal(get(slice_of(out.data, size), &back), 0);
			cell_gauge_release(&back);
		}
		cell_gauge_release(&g);
		buf_release(&out);
	}
}

static void what_is_never_written_is_refused(void **state)
{
	/* Numbers: n as n * 16, for n >= 0 (zigzag, scale 0). */
	static const struct {
		uint8_t bytes[12];
		size_t size;
	} rows[] = {
		{ { 1, 0x90, 0x1c, 16, 0 }, 5 },          /* second 3,600 */
		{ { 2, 5, 32, 48, 48, 96, 0 }, 7 },       /* min above last */
		{ { 2, 5, 64, 16, 48, 96, 0 }, 7 },       /* max below last */
		{ { 0, 1, 5, 0 }, 4 },                    /* a delta of 0 */
		{ { 0, 2, 0x8f, 0x1c, 16, 0, 16 }, 7 },   /* a delta after second 3,599 */
		{ { 0, 2, 5, 16 }, 4 },                   /* fewer deltas than announced */
		{ { 0, 0x91, 0x1c, 0 }, 4 },              /* 3,601 deltas */
		{ { 1, 5, 16, 1, 0x8b, 0x1c, 16 }, 7 },   /* the delta in second 3,600 */
		{ { 0x80, 0, 0 }, 3 },                    /* a padded varint */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cell_gauge_state g;

		assert_int_equal(get(slice_of(rows[i].bytes, rows[i].size), &g), ERR_MALFORMED);
		cell_gauge_release(&g);
	}
}

/* The neighbours of the rows above, to show that these are refused for what they say. */
static void their_neighbours_are_accepted(void **state)
{
	static const struct {
		uint8_t bytes[12];
		size_t size;
	} rows[] = {
		{ { 1, 0x8f, 0x1c, 16, 0 }, 5 },        { { 2, 5, 48, 48, 48, 96, 0 }, 7 },
		{ { 2, 5, 32, 16, 48, 96, 0 }, 7 },     { { 0, 1, 5, 16 }, 4 },
		{ { 0, 2, 0x8e, 0x1c, 16, 0, 16 }, 7 }, { { 1, 5, 16, 1, 0x8a, 0x1c, 16 }, 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cell_gauge_state g;
		struct buf out;

		assert_int_equal(get(slice_of(rows[i].bytes, rows[i].size), &g), 0);
		out = put(&g);
		assert_int_equal(out.size, rows[i].size);
		assert_memory_equal(out.data, rows[i].bytes, out.size);
		buf_release(&out);
		cell_gauge_release(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_known_of_an_empty_one),
		cmocka_unit_test(the_last_second_holds_whatever_comes_later),
		cmocka_unit_test(of_one_second_the_larger_value_holds),
		cmocka_unit_test(deltas_count_from_the_second_of_the_last_value),
		cmocka_unit_test(merging_commutes_and_associates),
		cmocka_unit_test(an_empty_one_changes_nothing),
		cmocka_unit_test(a_whole_hour_of_deltas_fits),
		cmocka_unit_test(deltas_that_cancel_are_not_written),
		cmocka_unit_test(what_is_not_finite_is_refused),
		cmocka_unit_test(contradictions_are_put_right),
		cmocka_unit_test(hostile_values_stay_finite),
		cmocka_unit_test(bytes_read_back_are_the_same),
		cmocka_unit_test(what_is_never_written_is_refused),
		cmocka_unit_test(their_neighbours_are_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
