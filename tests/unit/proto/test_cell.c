// SPDX-License-Identifier: Apache-2.0
#include "proto/cell.h"

#include "proto/err.h"
#include "proto/group.h"
#include "tests/lib/cell_case.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_new_cell_is_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < CELL_CASE_KINDS; i++) {
		struct cell *c = cell_case_new(cell_case_kinds[i]);

		assert_int_equal(cell_kind(c), cell_case_kinds[i]);
		assert_int_equal(cell_samples(c), 0);
		assert_false(cell_sampled(c));
		assert_in_range(cell_memory(c), 1, 700);
		cell_free(c);
	}
	cell_free(NULL);
}

static void a_counter_sums_value_over_rate(void **state)
{
	static const double values[] = { 1, 2, 2, 5 };
	struct cell *c = cell_case_new(KIND_COUNTER);

	(void)state;
	cell_case_values(c, cell_case_unsampled, values, 4);
	assert_true(cell_counter_sum(c) == 10);
	assert_false(cell_sampled(c));
	cell_case_values(c, (struct group_sampling){ .rate = 0.1, .weight = 1 }, values, 4);
	assert_true(cell_counter_sum(c) == 110);
	assert_true(cell_sampled(c));
	assert_int_equal(cell_samples(c), 8);
	cell_free(c);
}

static void counters_of_whole_numbers_are_exact(void **state)
{
	struct cell *c = cell_case_new(KIND_COUNTER);

	(void)state;
	cell_case_value(c, 0x1p53);
	for (int i = 0; i < 7; i++)
		cell_case_value(c, 1);
	cell_case_value(c, -0x1p53);
	assert_true(cell_counter_sum(c) == 7);
	cell_free(c);
}

static void a_counter_stays_in_range(void **state)
{
	struct cell *c = cell_case_new(KIND_COUNTER);
	struct cell *back;
	double huge = 1e308;
	struct buf out;

	(void)state;
	cell_case_values(c, (struct group_sampling){ .rate = 1e-9, .weight = 1 }, &huge, 1);
	assert_true(cell_counter_sum(c) == DBL_MAX);
	cell_case_value(c, 1e308);
	assert_true(cell_counter_sum(c) == DBL_MAX);
	out = cell_case_encode(c);
	assert_int_equal(cell_decode(buf_view(&out), &back), 0);
	assert_true(cell_counter_sum(back) == DBL_MAX);
	cell_free(back);
	cell_free(c);
	buf_release(&out);
}

static void a_distribution_weighs_by_rate(void **state)
{
	static const double values[] = { 1, 1, 5 };
	struct cell *c = cell_case_new(KIND_DISTRIBUTION);

	(void)state;
	cell_case_values(c, cell_case_unsampled, values, 3);
	cell_case_values(c, (struct group_sampling){ .rate = 0.1, .weight = 10 }, values, 3);
	assert_int_equal(sketch_count(cell_sketch(c)), 33);
	assert_true(sketch_sum(cell_sketch(c)) == 77);
	assert_int_equal(cell_samples(c), 6);
	assert_true(cell_sampled(c));
	cell_free(c);
}

/* 2^21 samples of the largest weight fill a sketch. What comes after must not fail: its batch
 * would be refused for ever. */
static void a_distribution_stays_in_range(void **state)
{
	struct cell *c = cell_case_new(KIND_DISTRIBUTION);
	struct group_sampling heaviest = { .rate = 1e-12, .weight = GROUP_WEIGHT_MAX };
	struct buf group;
	struct cell *back;

	(void)state;
	for (int i = 0; i < 3; i++) {
		buf_init(&group, 64);
		/* Codec 1, sampled, 2^20 + 5 times the value 7. */
		buf_put_u8(&group, 0x11);
		buf_put_f64(&group, heaviest.rate);
		buf_put_varint(&group, heaviest.weight);
		buf_put_u8(&group, 0);
		buf_put_varint(&group, 1);
		buf_put_varint(&group, zigzag_encode(7));
		buf_put_varint(&group, (1 << 20) + 4);
		cell_case_group(c, 0, &group);
	}
	assert_int_equal(sketch_count(cell_sketch(c)), (UINT64_C(1) << 53) - 1);
	assert_int_equal(cell_samples(c), 3 * ((1 << 20) + 5));
	group = cell_case_encode(c);
	assert_int_equal(cell_decode(buf_view(&group), &back), 0);
	cell_free(back);
	cell_free(c);
	buf_release(&group);
}

static void a_sketch_group_is_merged(void **state)
{
	struct cell *c = cell_case_new(KIND_DISTRIBUTION);
	struct sketch *sketch = sketch_new();
	struct buf group;

	(void)state;
	cell_case_value(c, 4);
	assert_non_null(sketch);
	assert_int_equal(sketch_add(sketch, 2, 3), 0);
	buf_init(&group, 4096);
	buf_put_u8(&group, GROUP_SKETCH);
	buf_put_varint(&group, 3);
	assert_int_equal(sketch_encode(sketch, &group), 0);
	cell_case_group(c, 0, &group);
	assert_int_equal(sketch_count(cell_sketch(c)), 4);
	assert_true(sketch_min(cell_sketch(c)) == 2);
	assert_int_equal(cell_samples(c), 4);
	sketch_free(sketch);
	cell_free(c);
}

static void a_gauge_keeps_the_last_value_and_what_followed(void **state)
{
	struct cell *c = cell_case_new(KIND_GAUGE);
	struct cell_gauge now;

	(void)state;
	cell_case_set_gauge(c, 100, 5, 1);
	cell_case_change_gauge(c, 99, 50);
	cell_case_change_gauge(c, 101, 2);
	cell_gauge(c, &now);
	assert_true(now.has_last);
	assert_true(now.last == 8);
	assert_int_equal(now.last_second, 100);
	assert_int_equal(now.sets, 1);
	assert_int_equal(cell_samples(c), 4);
	cell_free(c);
}

static void a_set_counts_distinct_members(void **state)
{
	struct cell *c = cell_case_new(KIND_SET);
	bool exact;

	(void)state;
	cell_case_members(c, 0, 600);
	cell_case_members(c, 500, 1024);
	assert_true(cell_set_unique(c, &exact) == 1024);
	assert_true(exact);
	assert_int_equal(cell_samples(c), 1124);
	cell_case_members(c, 1024, 10000);
	assert_true(fabs(cell_set_unique(c, &exact) - 10000) < 3 * 81);
	assert_false(exact);
	cell_free(c);
}

static void a_group_of_another_kind_is_refused(void **state)
{
	struct cell *c = cell_case_new(KIND_GAUGE);
	double value = 1;
	struct buf group;

	(void)state;
	buf_init(&group, 64);
	group_put_values(&group, cell_case_unsampled, &value, 1);
	assert_int_equal(cell_add_group(c, 0, buf_view(&group)), ERR_MALFORMED);
	assert_int_equal(cell_add_group(c, 0, slice_of(NULL, 0)), ERR_TRUNCATED);
	buf_release(&group);
	cell_free(c);
}

/* (a + b) + c against c + (b + a), and both against a cell that saw everything itself. */
static void assert_order_is_free(enum kind kind, uint64_t seed)
{
	struct cell *left = cell_case_history(kind, seed, seed + 8);
	struct cell *b = cell_case_history(kind, seed + 8, seed + 11);
	struct cell *c = cell_case_history(kind, seed + 11, seed + 30);
	struct cell *right = cell_case_history(kind, seed + 11, seed + 30);
	struct cell *ba = cell_case_history(kind, seed + 8, seed + 11);
	struct cell *a = cell_case_history(kind, seed, seed + 8);
	struct cell *all = cell_case_history(kind, seed, seed + 30);

	assert_int_equal(cell_merge(left, b), 0);
	assert_int_equal(cell_merge(left, c), 0);
	assert_int_equal(cell_merge(ba, a), 0);
	assert_int_equal(cell_merge(right, ba), 0);
	assert_same_cell(left, right);
	assert_same_cell(left, all);
	cell_free(left);
	cell_free(right);
	cell_free(a);
	cell_free(b);
	cell_free(ba);
	cell_free(c);
	cell_free(all);
}

static void merging_commutes_and_associates(void **state)
{
	(void)state;
	for (size_t i = 0; i < CELL_CASE_KINDS; i++)
		for (uint64_t seed = 0; seed < 600; seed += 30)
			assert_order_is_free(cell_case_kinds[i], seed);
}

static void an_empty_cell_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < CELL_CASE_KINDS; i++) {
		struct cell *c = cell_case_history(cell_case_kinds[i], 0, 9);
		struct cell *same = cell_case_history(cell_case_kinds[i], 0, 9);
		struct cell *empty = cell_case_new(cell_case_kinds[i]);

		assert_int_equal(cell_merge(c, empty), 0);
		assert_same_cell(c, same);
		assert_int_equal(cell_merge(empty, c), 0);
		assert_same_cell(empty, same);
		cell_free(c);
		cell_free(same);
		cell_free(empty);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_cell_is_empty),
		cmocka_unit_test(a_counter_sums_value_over_rate),
		cmocka_unit_test(counters_of_whole_numbers_are_exact),
		cmocka_unit_test(a_counter_stays_in_range),
		cmocka_unit_test(a_distribution_weighs_by_rate),
		cmocka_unit_test(a_distribution_stays_in_range),
		cmocka_unit_test(a_sketch_group_is_merged),
		cmocka_unit_test(a_gauge_keeps_the_last_value_and_what_followed),
		cmocka_unit_test(a_set_counts_distinct_members),
		cmocka_unit_test(a_group_of_another_kind_is_refused),
		cmocka_unit_test(merging_commutes_and_associates),
		cmocka_unit_test(an_empty_cell_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
