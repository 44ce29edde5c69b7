// SPDX-License-Identifier: Apache-2.0
#include "agent/values.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
	struct arena_pool pool;
	struct arena arena;
	struct values v;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	arena_pool_init(&w->pool, 4 << 20);
	arena_init(&w->arena, &w->pool);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	arena_reset(&w->arena);
	arena_pool_release(&w->pool);
	free(w);
	return 0;
}

/* How often a value, to the bit, is in there. */
static uint64_t times(const struct values *v, double wanted)
{
	struct values_reader r = values_read(v);
	uint64_t run, count = 0;
	double value;

	while (values_next(&r, &value, &run))
		if (memcmp(&value, &wanted, sizeof(value)) == 0)
			count += run;
	return count;
}

static uint64_t all(const struct values *v)
{
	struct values_reader r = values_read(v);
	uint64_t run, count = 0;
	double value;

	while (values_next(&r, &value, &run))
		count += run;
	return count;
}

static void test_nothing_is_in_what_is_zero(void **state)
{
	struct world *w = *state;

	assert_int_equal(all(&w->v), 0);
}

static void test_every_value_comes_back_to_the_bit(void **state)
{
	static const double list[] = { 0, 1, 65535, 65536, -1, 0.5, 1e300, -DBL_MAX, 4294967296.0, 65534.5 };
	size_t count = sizeof(list) / sizeof(*list);
	struct world *w = *state;

	for (size_t i = 0; i < count; i++) {
		struct values alone = { 0 };

		assert_true(values_add(&alone, &w->arena, list[i]));
		assert_int_equal(times(&alone, list[i]), 1);
		assert_true(values_add(&w->v, &w->arena, list[i]));
	}
	for (size_t i = 0; i < count; i++)
		assert_int_equal(times(&w->v, list[i]), 1);
	assert_int_equal(all(&w->v), count);
}

static void test_small_whole_numbers_take_two_bytes(void **state)
{
	struct world *w = *state;
	size_t before;

	for (int i = 0; i < 16000; i++)
		assert_true(values_add(&w->v, &w->arena, i % 1000));
	before = arena_bytes(&w->arena);
	assert_true(before < 16000 * 3);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(times(&w->v, i), 16);
}

static void test_after_a_wide_value_all_are_wide_and_none_is_lost(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3000; i++)
		assert_true(values_add(&w->v, &w->arena, i % 3 ? 7 : 7.25));
	assert_int_equal(times(&w->v, 7), 2000);
	assert_int_equal(times(&w->v, 7.25), 1000);
	/* Alternating values do not begin a chunk each. */
	assert_true(arena_bytes(&w->arena) < 3000 * 8 * 2);
}

static void test_runs_are_counted_beyond_two_bytes(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 200000; i++)
		assert_true(values_add_run(&w->v, &w->arena, 1));
	assert_true(values_add_run(&w->v, &w->arena, 2));
	assert_int_equal(times(&w->v, 1), 200000);
	assert_int_equal(times(&w->v, 2), 1);
	assert_true(arena_bytes(&w->arena) < 200);
}

/* Increments that are all different take two bytes each, as timers' values do. */
static void test_increments_that_differ_take_two_bytes(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 16000; i++)
		assert_true(values_add_run(&w->v, &w->arena, i * 7 % 1000));
	assert_true(arena_bytes(&w->arena) < 16000 * 3);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(times(&w->v, i), 16);
}

static void test_ones_after_what_differed_take_nothing_again(void **state)
{
	struct world *w = *state;
	size_t before;

	for (int i = 0; i < 1000; i++)
		assert_true(values_add_run(&w->v, &w->arena, i));
	before = arena_bytes(&w->arena);
	for (int i = 0; i < 1000000; i++)
		assert_true(values_add_run(&w->v, &w->arena, 1));
	assert_true(arena_bytes(&w->arena) < 4 * before + 1000);
	assert_int_equal(times(&w->v, 1), 1000001);
	assert_int_equal(all(&w->v), 1001000);
}

static void test_any_mixture_of_increments_comes_back(void **state)
{
	struct world *w = *state;
	uint64_t counts[8] = { 0 };
	static const double kinds[8] = { 0, 1, 2, 65535, 3, 65536, 0.5, -1 };
	uint32_t random = 1;

	for (int i = 0; i < 200000; i++) {
		int narrow = i < 100000 ? 5 : 8, steady = i / 1000 % 2;

		random = random * 1664525 + 1013904223;
		narrow = steady ? i / 1000 % narrow : (int)(random >> 16) % narrow;
		counts[narrow]++;
		assert_true(values_add_run(&w->v, &w->arena, kinds[narrow]));
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(times(&w->v, kinds[i]), counts[i]);
	assert_int_equal(all(&w->v), 200000);
}

static void test_runs_of_wide_values(void **state)
{
	struct world *w = *state;

	assert_true(values_add_run(&w->v, &w->arena, 3));
	for (int i = 0; i < 1000; i++)
		assert_true(values_add_run(&w->v, &w->arena, -0.5));
	for (int i = 0; i < 10; i++)
		assert_true(values_add_run(&w->v, &w->arena, i));
	assert_int_equal(times(&w->v, 3), 2);
	assert_int_equal(times(&w->v, -0.5), 1000);
	assert_int_equal(all(&w->v), 1011);
}

static void test_hashes_stay_as_they_are(void **state)
{
	struct world *w = *state;

	for (uint64_t i = 1; i <= 100; i++)
		assert_true(values_add_hash(&w->v, &w->arena, i * 0x9e3779b97f4a7c15u));
	for (uint64_t i = 1; i <= 100; i++) {
		uint64_t hash = i * 0x9e3779b97f4a7c15u;
		struct values_reader r = values_read(&w->v);
		uint64_t run, found = 0;
		double value;

		while (values_next(&r, &value, &run))
			found += memcmp(&value, &hash, sizeof(hash)) == 0;
		assert_int_equal(found, 1);
	}
}

static void test_a_full_arena_refuses_and_keeps_what_is_there(void **state)
{
	struct world *w = *state;
	uint64_t count = 0;

	while (values_add(&w->v, &w->arena, (double)(count % 60000)))
		count++;
	assert_true(count > 1000000);
	assert_int_equal(all(&w->v), count);
	assert_false(values_add_run(&(struct values){ 0 }, &w->arena, 1) &&
		     values_add_hash(&(struct values){ 0 }, &w->arena, 1) &&
		     arena_take(&w->arena, ARENA_PIECE_MAX) != NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_in_what_is_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_value_comes_back_to_the_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_small_whole_numbers_take_two_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_after_a_wide_value_all_are_wide_and_none_is_lost, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_runs_are_counted_beyond_two_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_increments_that_differ_take_two_bytes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_ones_after_what_differed_take_nothing_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_any_mixture_of_increments_comes_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_runs_of_wide_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hashes_stay_as_they_are, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_arena_refuses_and_keeps_what_is_there, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
