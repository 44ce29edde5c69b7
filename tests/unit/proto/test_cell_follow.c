// SPDX-License-Identifier: Apache-2.0
#include "proto/cell.h"

#include "tests/lib/cell_case.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* cell_follow: a day's cell, made of its hours' cells in rising order (CELL.md). */

static struct cell_gauge read_and_free(struct cell *c)
{
	struct buf bytes = cell_case_encode(c);
	struct cell_gauge gauge;
	struct cell *again;

	/* What is folded is spelled as any cell is. */
	assert_int_equal(cell_decode(buf_view(&bytes), &again), 0);
	assert_same_cell(c, again);
	cell_gauge(again, &gauge);
	cell_free(again);
	cell_free(c);
	buf_release(&bytes);
	return gauge;
}

static void follow(struct cell *day, struct cell *hour)
{
	assert_int_equal(cell_follow(day, hour), 0);
	cell_free(hour);
}

static struct cell *set(uint32_t second, double value, double delta)
{
	struct cell *c = cell_case_new(KIND_GAUGE);

	cell_case_set_gauge(c, second, value, delta);
	return c;
}

static struct cell *change(uint32_t second, double delta)
{
	struct cell *c = cell_case_new(KIND_GAUGE);

	cell_case_change_gauge(c, second, delta);
	return c;
}

static void test_the_latest_hour_that_was_set_wins_whatever_its_second(void **state)
{
	struct cell *day = set(3599, 100, 7);
	struct cell_gauge gauge;

	(void)state;
	follow(day, set(0, 5, 0));
	gauge = read_and_free(day);
	assert_true(gauge.has_last && gauge.last == 5 && gauge.last_second == 0);
	assert_true(gauge.min == 5 && gauge.max == 100 && gauge.sum == 105 && gauge.sets == 2);
}

static void test_changes_of_later_hours_add_to_it(void **state)
{
	struct cell *day = set(3000, 10, 1);
	struct cell_gauge gauge;

	(void)state;
	follow(day, change(5, 2));
	follow(day, change(3599, -0.5));
	gauge = read_and_free(day);
	assert_true(gauge.has_last && gauge.last == 12.5 && gauge.sets == 1 && gauge.max == 10);
}

static void test_changes_before_a_set_are_void(void **state)
{
	struct cell *day = change(100, 40);
	struct cell_gauge gauge;

	(void)state;
	follow(day, change(200, 2));
	follow(day, set(50, 7, 0));
	follow(day, change(1, 1));
	gauge = read_and_free(day);
	assert_true(gauge.has_last && gauge.last == 8);
}

static void test_changes_alone_add_up_and_nothing_is_known_to_be_set(void **state)
{
	struct cell *day = change(100, 40);
	struct cell_gauge gauge;

	(void)state;
	follow(day, change(99, -40));
	follow(day, change(3, 1.5));
	gauge = read_and_free(day);
	assert_true(!gauge.has_last && !gauge.has_set && gauge.last == 1.5);
}

static void test_changes_that_cancel_leave_no_delta(void **state)
{
	struct cell *day = set(0, 3, 4), *whole = set(0, 3, 0);

	(void)state;
	follow(day, change(7, -4));
	assert_true(cell_memory(day) <= cell_memory(whole) + 256);
	cell_free(whole);
	assert_true(read_and_free(day).last == 3);
}

static void test_the_other_kinds_merge(void **state)
{
	(void)state;
	for (size_t k = 0; k < CELL_CASE_KINDS; k++) {
		enum kind kind = cell_case_kinds[k];
		struct cell *day, *hour, *merged, *other;

		if (kind == KIND_GAUGE || kind == KIND_WINDOW)
			continue;
		day = cell_case_history(kind, 0, 20);
		hour = cell_case_history(kind, 20, 40);
		merged = cell_case_history(kind, 0, 20);
		other = cell_case_history(kind, 20, 40);
		assert_int_equal(cell_merge(merged, other), 0);
		cell_free(other);
		follow(day, hour);
		assert_same_cell(day, merged);
		cell_free(day);
		cell_free(merged);
	}
}

static void test_samples_add_up(void **state)
{
	struct cell *day = set(1, 1, 1);

	(void)state;
	follow(day, set(1, 1, 0));
	assert_int_equal(cell_samples(day), 3);
	cell_free(day);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_latest_hour_that_was_set_wins_whatever_its_second),
		cmocka_unit_test(test_changes_of_later_hours_add_to_it),
		cmocka_unit_test(test_changes_before_a_set_are_void),
		cmocka_unit_test(test_changes_alone_add_up_and_nothing_is_known_to_be_set),
		cmocka_unit_test(test_changes_that_cancel_leave_no_delta),
		cmocka_unit_test(test_the_other_kinds_merge),
		cmocka_unit_test(test_samples_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
