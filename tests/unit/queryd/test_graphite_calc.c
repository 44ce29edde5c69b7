// SPDX-License-Identifier: Apache-2.0
#include "queryd/graphite_calc.h"

#include "queryd/regex.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define STEP 3600

static struct graphite_list list;
static struct target target;
static char why[GRAPHITE_WHY_SIZE];
static uint64_t budget;

static int tear_down(void **state)
{
	(void)state;
	graphite_list_release(&list);
	return 0;
}

static void add(const char *name, int64_t start, int64_t step, const double *values, size_t count)
{
	struct graphite_series *s;

	assert_int_equal(graphite_list_add(&list, slice_text(name), slice_text(name),
					   slice_text(name), &s), 0);
	assert_int_equal(graphite_series_room(s, start, step, count), 0);
	memcpy(s->values, values, count * sizeof(*values));
}

/* Runs a call whose lists are what was added. */
static int run(const char *text)
{
	struct graphite_call call = {
		.grid = { 0, STEP, 3 }, .budget = &budget, .why = why,
	};
	const struct graphite_func *func;

	budget = REGEX_BUDGET;
	assert_null(target_parse(&target, slice_text(text)));
	func = graphite_func_find(target.nodes[0].text);
	assert_non_null(func);
	assert_int_equal(graphite_func_bind(func, &target.nodes[0], &call), 0);
	return func->run(&call, &list);
}

static void assert_values(size_t index, const double *want, size_t count)
{
	size_t i;

	assert_true(index < list.count);
	assert_int_equal(list.list[index].count, count);
	for (i = 0; i < count; i++) {
		assert_int_equal(isnan(list.list[index].values[i]), isnan(want[i]));
		if (!isnan(want[i]))
			assert_true(list.list[index].values[i] == want[i]);
	}
}

static void folds_leave_out_what_is_not_there(void **state)
{
	const double values[] = { NAN, 3, NAN, 1, 2 }, none[] = { NAN, NAN };

	(void)state;
	assert_float_equal(graphite_fold(GRAPHITE_SUM, values, 5), 6, 0);
	assert_float_equal(graphite_fold(GRAPHITE_AVERAGE, values, 5), 2, 0);
	assert_float_equal(graphite_fold(GRAPHITE_MAX, values, 5), 3, 0);
	assert_float_equal(graphite_fold(GRAPHITE_MIN, values, 5), 1, 0);
	assert_float_equal(graphite_fold(GRAPHITE_LAST, values, 5), 2, 0);
	assert_float_equal(graphite_fold(GRAPHITE_COUNT, values, 5), 3, 0);
	assert_true(isnan(graphite_fold(GRAPHITE_SUM, none, 2)));
	assert_true(isnan(graphite_fold(GRAPHITE_COUNT, none, 0)));
}

/* 1e18 leaves no trace in what comes after it. */
static void a_moving_average_does_not_drift(void **state)
{
	double values[200], want[190];
	size_t i;

	(void)state;
	for (i = 0; i < 200; i++)
		values[i] = i % 37 == 0 ? 1e18 : i % 5 == 0 ? NAN : 0.1 * (double)i;
	for (i = 0; i < 190; i++)
		want[i] = graphite_fold(GRAPHITE_AVERAGE, values + i + 1, 10);
	add("a", 0, STEP, values, 200);
	assert_int_equal(run("movingAverage(a,10)"), 0);
	assert_int_equal(list.list[0].count, 190);
	assert_int_equal(list.list[0].start, 10 * STEP);
	for (i = 0; i < 190; i++)
		assert_true(fabs(list.list[0].values[i] - want[i]) <= fabs(want[i]) * 1e-12);
}

static void a_window_wider_than_all_leaves_nothing(void **state)
{
	const double values[] = { 1, 2, 3 };

	(void)state;
	add("a", 0, STEP, values, 3);
	assert_int_equal(run("movingAverage(a,3)"), 0);
	assert_int_equal(list.list[0].count, 0);
}

static void buckets_begin_at_whole_intervals(void **state)
{
	const double values[] = { 1, 2, NAN, 4, 5 }, want[] = { 1, 6, 5 };

	(void)state;
	add("a", 2 * STEP, STEP, values, 5);
	assert_int_equal(run("summarize(a,'3h')"), 0);
	assert_int_equal(list.list[0].start, 0);
	assert_int_equal(list.list[0].step, 3 * STEP);
	assert_values(0, want, 3);
	assert_string_equal(list.list[0].name, "summarize(a, \"3h\", \"sum\")");
	assert_int_equal(run("summarize(a,'1min')"), 0);
	assert_values(0, want, 3);
}

/* Grafana's editor always says where buckets begin, if only that it does not care. */
static void buckets_begin_where_the_series_does_if_asked(void **state)
{
	const double values[] = { 1, 2, NAN, 4, 5 }, whole[] = { 1, 6, 5 }, aligned[] = { 3, 9 };

	(void)state;
	add("a", 2 * STEP, STEP, values, 5);
	assert_int_equal(run("summarize(a,'3h','sum',false)"), 0);
	assert_values(0, whole, 3);
	assert_string_equal(list.list[0].name, "summarize(a, \"3h\", \"sum\")");
	graphite_list_release(&list);
	add("b", 2 * STEP, STEP, values, 5);
	assert_int_equal(run("summarize(b,'3h','sum',true)"), 0);
	assert_int_equal(list.list[0].start, 2 * STEP);
	assert_values(0, aligned, 2);
	assert_string_equal(list.list[0].name, "summarize(b, \"3h\", \"sum\", true)");
}

static void different_steps_and_starts_combine(void **state)
{
	const double fine[] = { 1, 3, 5, NAN }, coarse[] = { 10, 20 }, late[] = { 100 };
	const double want[] = { 12, 25, 100 };

	(void)state;
	add("fine", 0, STEP, fine, 4);
	add("coarse", 0, 2 * STEP, coarse, 2);
	add("late", 4 * STEP, STEP, late, 1);
	assert_int_equal(run("sumSeries(a)"), 0);
	assert_int_equal(list.list[0].step, 2 * STEP);
	assert_values(0, want, 3);
	assert_string_equal(list.list[0].name, "sumSeries(fine,coarse,late)");
}

static void common_tags_stay(void **state)
{
	const double one[] = { 1 };

	(void)state;
	add("a.max;env=p;host=x", 0, STEP, one, 1);
	add("a.max;env=p;host=y", 0, STEP, one, 1);
	assert_int_equal(run("sumSeries(a)"), 0);
	/* What is common, behind the name, in which all semicolons are escaped. */
	assert_string_equal(strrchr(list.list[0].origin, ')'), ");env=p");
}

static void names_sort_by_bytes_or_by_numbers(void **state)
{
	const double one[] = { 1 };

	(void)state;
	add("a10", 0, STEP, one, 1);
	add("a2", 0, STEP, one, 1);
	add("a1", 0, STEP, one, 1);
	assert_int_equal(run("sortByName(a)"), 0);
	assert_string_equal(list.list[1].name, "a10");
	assert_int_equal(run("sortByName(a,true,true)"), 0);
	assert_string_equal(list.list[0].name, "a10");
	assert_string_equal(list.list[2].name, "a1");
}

static void the_highest_is_by_average_and_nothing_is_last(void **state)
{
	const double low[] = { 1, 1 }, high[] = { 5, NAN }, none[] = { NAN, NAN };

	(void)state;
	add("none", 0, STEP, none, 2);
	add("low", 0, STEP, low, 2);
	add("high", 0, STEP, high, 2);
	assert_int_equal(run("highestAverage(a,9)"), 0);
	assert_string_equal(list.list[0].name, "high");
	assert_string_equal(list.list[1].name, "low");
	assert_string_equal(list.list[2].name, "none");
	assert_int_equal(run("highestAverage(a,1)"), 0);
	assert_int_equal(list.count, 1);
}

static void functions_of_nothing_are_nothing(void **state)
{
	static const char *const calls[] = {
		"alias(a,'x')", "aliasByNode(a,0)", "aliasSub(a,'a','b')", "sumSeries(a)", "limit(a,1)",
		"averageSeries(a)", "maxSeries(a)", "minSeries(a)", "groupByNode(a,0)", "scale(a,1)",
		"movingAverage(a,2)", "summarize(a,'1d')", "offset(a,1)", "highestAverage(a,1)",
		"sortByName(a)",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		assert_int_equal(run(calls[i]), 0);
		assert_int_equal(list.count, 0);
	}
}

static void a_name_that_grows_too_long_is_refused(void **state)
{
	const double one[] = { 1 };
	char text[1200], name[200];

	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	add(name, 0, STEP, one, 1);
	(void)snprintf(text, sizeof(text), "aliasSub(a,'a','%s')", name);
	assert_true(run(text) < 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(folds_leave_out_what_is_not_there),
		TEST(a_moving_average_does_not_drift),
		TEST(a_window_wider_than_all_leaves_nothing),
		TEST(buckets_begin_at_whole_intervals),
		TEST(buckets_begin_where_the_series_does_if_asked),
		TEST(different_steps_and_starts_combine),
		TEST(common_tags_stay),
		TEST(names_sort_by_bytes_or_by_numbers),
		TEST(the_highest_is_by_average_and_nothing_is_last),
		TEST(functions_of_nothing_are_nothing),
		TEST(a_name_that_grows_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
