// SPDX-License-Identifier: Apache-2.0
#include "agent/seal.h"

#include "proto/group.h"
#include "proto/hash.h"
#include "proto/limits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define NOW        1795179600
#define PARTITIONS 8

struct world {
	struct arena_pool pool;
	struct carry carry;
	struct table t;
	struct seal s;
	/* What was emitted, decoded again. */
	size_t batches, groups, largest_groups, largest_bytes;
	size_t largest_series;
	uint64_t samples;
	double sum; /* of all values, weighted */
	uint64_t chain; /* of all bytes, in order */
	uint32_t last_partition;
	int refuse;   /* emit fails */
	uint64_t own; /* samples of the agent's own in each batch */
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	arena_pool_init(&w->pool, 256 << 20);
	carry_init(&w->carry);
	table_init(&w->t, &w->pool, &w->carry, 100000);
	assert_int_equal(seal_init(&w->s), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	seal_release(&w->s);
	table_release(&w->t);
	carry_release(&w->carry);
	arena_pool_release(&w->pool);
	free(w);
	return 0;
}

static void add(struct world *w, enum kind kind, const char *series, double value, double rate,
		int64_t second)
{
	char member[32];
	struct line_sample s = { .kind = kind, .series = slice_text(series), .value = value,
				 .rate = rate };

	snprintf(member, sizeof(member), "m%.0f", value);
	s.member = slice_text(member);
	assert_int_equal(table_add(&w->t, &s, second), 0);
}

static void take_group(struct world *w, const struct batch_group *group)
{
	struct group_reader r;
	double value;
	uint64_t run, samples;

	assert_int_equal(group_check(group->kind, group->bytes, &samples), 0);
	assert_int_equal(group_open(&r, group->kind, group->bytes), 0);
	if (group->kind == KIND_COUNTER || group->kind == KIND_DISTRIBUTION)
		while (group_next(&r, &value, &run) == 1)
			w->sum += value * (double)(run * r.sampling.weight);
	w->groups++;
}

static size_t distinct_series(const struct batch *b)
{
	size_t count = 0;

	for (size_t i = 0; i < b->group_count; i++) {
		bool seen = false;

		for (size_t j = 0; j < i && !seen; j++)
			seen = b->groups[i].kind == b->groups[j].kind &&
			       slice_equal(b->groups[i].series, b->groups[j].series);
		count += !seen;
	}
	return count;
}

static int emit(void *arg, uint32_t partition, const struct batch_writer *writer, uint64_t samples)
{
	struct world *w = arg;
	struct batch_header header = { .cfg = hash_cfg(PARTITIONS), .partition = partition,
				       .seq = 1 };
	struct batch b;
	struct buf out;
	size_t series;

	if (w->refuse)
		return w->refuse;
	buf_init(&out, LIMIT_BATCH_BYTES);
	assert_int_equal(batch_finish(writer, &header, &out), 0);
	/* The reader checks series, partitions, bounds and the sum of samples. */
	assert_int_equal(batch_decode(buf_view(&out), PARTITIONS, &b), 0);
	assert_int_equal(b.header.samples, samples + w->own);
	assert_true(partition >= w->last_partition);
	w->last_partition = partition;
	for (size_t i = 0; i < b.group_count; i++)
		take_group(w, &b.groups[i]);
	series = b.group_count < 3000 ? distinct_series(&b) : 0;
	w->batches++;
	w->samples += samples;
	w->largest_groups = b.group_count > w->largest_groups ? b.group_count : w->largest_groups;
	w->largest_series = series > w->largest_series ? series : w->largest_series;
	w->largest_bytes = out.size > w->largest_bytes ? out.size : w->largest_bytes;
	w->chain = hash_chain_next(w->chain, buf_view(&out));
	batch_release(&b);
	buf_release(&out);
	return 0;
}

static struct seal_counts run(struct world *w)
{
	w->last_partition = 0;
	return seal_run(&w->s, &w->t, PARTITIONS, emit, w);
}

static void test_an_empty_table_makes_no_batch(void **state)
{
	struct world *w = *state;
	struct seal_counts counts = run(w);

	assert_int_equal(counts.batches, 0);
	assert_int_equal(counts.samples, 0);
}

static void test_all_kinds_come_out_whole(void **state)
{
	struct world *w = *state;
	struct seal_counts counts;

	add(w, KIND_COUNTER, "c", 2, 1, NOW);
	add(w, KIND_COUNTER, "c", 2, 0.5, NOW);
	add(w, KIND_DISTRIBUTION, "d", 7.25, 1, NOW);
	add(w, KIND_DISTRIBUTION, "d", 1, 0.1, NOW);
	add(w, KIND_GAUGE, "g", 5, 1, NOW);
	add(w, KIND_SET, "s", 1, 1, NOW);
	add(w, KIND_SET, "s", 1, 1, NOW);
	counts = run(w);
	assert_int_equal(counts.samples, 7);
	assert_int_equal(w->samples, 7);
	assert_int_equal(w->groups, 6);
	assert_true(w->sum == 2 + 2 + 7.25 + 10);
}

static void test_a_batch_holds_at_most_512_series(void **state)
{
	struct world *w = *state;
	char name[32];

	for (int i = 0; i < 9000; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		add(w, KIND_COUNTER, name, 1, 1, NOW);
		add(w, KIND_COUNTER, name, 1, 1, NOW + 1);
	}
	assert_int_equal(run(w).samples, 18000);
	assert_int_equal(w->largest_series, LIMIT_BATCH_SERIES);
	assert_true(w->largest_groups <= LIMIT_BATCH_GROUPS);
}

static void test_a_batch_holds_at_most_256_kibibytes(void **state)
{
	struct world *w = *state;
	char name[32];

	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		for (int j = 0; j < 9000; j++)
			add(w, KIND_DISTRIBUTION, name, 1.0 / (i * 9000 + j + 1), 1, NOW);
	}
	assert_int_equal(run(w).samples, 50 * 9000);
	assert_true(w->largest_bytes <= LIMIT_BATCH_BYTES);
	assert_true(w->largest_bytes > LIMIT_BATCH_BYTES / 2);
}

static void test_a_group_too_large_is_split_without_loss(void **state)
{
	struct world *w = *state;
	double sum = 0;

	for (int i = 1; i <= 100000; i++) {
		add(w, KIND_DISTRIBUTION, "big", i, 1, NOW);
		add(w, KIND_SET, "big", i, 1, NOW);
		sum += i;
	}
	assert_int_equal(run(w).samples, 200000);
	assert_true(w->sum == sum);
	assert_true(w->groups >= 14);
}

static void test_a_long_run_of_a_counter_comes_out_whole(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 300000; i++)
		add(w, KIND_COUNTER, "hits", 1, 1, NOW);
	assert_int_equal(run(w).samples, 300000);
	assert_true(w->sum == 300000);
	assert_true(w->largest_bytes < 1024);
}

static void test_many_seconds_of_a_series_stay_within_the_groups_limit(void **state)
{
	struct world *w = *state;

	for (int64_t s = 0; s < 10000; s++)
		add(w, KIND_COUNTER, "x", 1, 1, NOW - s);
	assert_int_equal(run(w).samples, 10000);
	assert_true(w->batches >= 3);
}

static void test_the_same_samples_make_the_same_bytes(void **state)
{
	struct world *w = *state;
	char name[32];
	uint64_t first;

	for (int round = 0; round < 2; round++) {
		w->chain = 0;
		for (int i = 0; i < 2000; i++) {
			int n = round ? 1999 - i : i;

			snprintf(name, sizeof(name), "n%d", n);
			add(w, KIND_COUNTER, name, n, 1, NOW + n % 3);
		}
		run(w);
		table_reset(&w->t);
		if (round == 0)
			first = w->chain;
	}
	assert_true(first == w->chain);
}

static void test_an_emptied_group_is_left_out(void **state)
{
	struct world *w = *state;
	struct table_series *s;
	size_t cursor = 0;

	add(w, KIND_GAUGE, "g", 5, 1, NOW);
	s = table_next(&w->t, &cursor);
	s->groups->samples = 0;
	assert_int_equal(run(w).batches, 0);
}

static void test_what_cannot_be_appended_is_counted_as_lost(void **state)
{
	struct world *w = *state;
	struct seal_counts counts;

	add(w, KIND_COUNTER, "a", 1, 1, NOW);
	add(w, KIND_COUNTER, "b", 1, 1, NOW);
	w->refuse = -ENOMEM;
	counts = run(w);
	assert_int_equal(counts.samples, 0);
	assert_int_equal(counts.lost, 2);
}

static void test_the_agent_s_own_samples_are_counted_apart(void **state)
{
	struct world *w = *state;
	struct seal_counts counts;

	assert_int_equal(table_add_own(&w->t, slice_text("hourglass.x"), 5, NOW), 0);
	assert_int_equal(w->t.samples, 0);
	assert_int_equal(w->t.own_samples, 1);
	w->own = 1;
	counts = run(w);
	assert_int_equal(counts.batches, 1);
	assert_int_equal(counts.samples, 0);
	assert_int_equal(counts.own, 1);
	assert_int_equal(w->samples, 0);
	assert_true(w->sum == 5);
	w->refuse = -ENOMEM;
	counts = run(w);
	assert_int_equal(counts.lost, 0);
	assert_int_equal(counts.own_lost, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_an_empty_table_makes_no_batch),
		T(test_all_kinds_come_out_whole),
		T(test_a_batch_holds_at_most_512_series),
		T(test_a_batch_holds_at_most_256_kibibytes),
		T(test_a_group_too_large_is_split_without_loss),
		T(test_a_long_run_of_a_counter_comes_out_whole),
		T(test_many_seconds_of_a_series_stay_within_the_groups_limit),
		T(test_the_same_samples_make_the_same_bytes),
		T(test_an_emptied_group_is_left_out),
		T(test_what_cannot_be_appended_is_counted_as_lost),
		T(test_the_agent_s_own_samples_are_counted_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
