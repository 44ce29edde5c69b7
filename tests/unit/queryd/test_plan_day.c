// SPDX-License-Identifier: Apache-2.0
#include "queryd/plan.h"

#include "proto/hour.h"
#include "tests/lib/plan_case.h"

#define TODAY     (PLAN_CASE_HOUR / DAY_HOURS * DAY_HOURS)
#define AGO(days) (TODAY - (days) * DAY_HOURS)

static struct plan_store store;
static int64_t gone_before; /* hours */

static int teardown(void **state)
{
	(void)state;
	plan_store_release(&store);
	return 0;
}

/* A range of the key `k` over whole days. */
static struct plan *range(const char *stat, int64_t from, int64_t to, enum route_step step)
{
	struct route_request request = { .route = ROUTE_RANGE, .from_hour = from, .to_hour = to,
					 .step = step, .key = "k", .key_size = 1 };
	const struct plan_settings settings = { .now_second = PLAN_CASE_HOUR * 3600 + 1800,
						.retention_hours = PLAN_CASE_RETENTION,
						.kept_from = gone_before };
	struct plan *plan;

	assert_true(stat_parse(slice_text(stat), &request.stat));
	assert_int_equal(plan_new(&request, &settings, &plan), 0);
	return plan;
}

static struct plan *one_day(const char *stat, int64_t from)
{
	struct route_request request = { .route = ROUTE_DAY, .from_hour = from,
					 .to_hour = from + DAY_HOURS, .key = "k", .key_size = 1 };
	const struct plan_settings settings = { .now_second = PLAN_CASE_HOUR * 3600 + 1800,
						.retention_hours = PLAN_CASE_RETENTION };
	struct plan *plan;

	assert_true(stat_parse(slice_text(stat), &request.stat));
	assert_int_equal(plan_new(&request, &settings, &plan), 0);
	return plan;
}

static void check_points(struct plan *plan, const double *values, size_t count)
{
	struct plan_result result;

	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	result = plan_result(plan);
	assert_int_equal(result.outcome, PLAN_VALUE);
	assert_int_equal(result.point_count, count);
	for (size_t i = 0; i < count; i++)
		assert_true(result.points[i].result.value == values[i]);
	plan_free(plan);
}

static void test_a_day_rolled_up_is_read_in_place_of_its_hours(void **state)
{
	const double sums[] = { 10, 20, 30 };

	(void)state;
	plan_store_put_day(&store, AGO(3), 1, plan_case_total(10));
	plan_store_put_day(&store, AGO(2), 2, plan_case_total(20));
	plan_store_put_day(&store, AGO(1), 3, plan_case_total(30));
	check_points(range("sum", AGO(3), TODAY, ROUTE_STEP_DAY), sums, 3);
	assert_int_equal(store.manifests, 6);
}

static void test_a_day_that_is_not_rolled_up_is_read_by_its_hours_and_in_order(void **state)
{
	const double sums[] = { 10, 5, 7, 30, 9 };

	(void)state;
	plan_store_put_day(&store, AGO(4), 1, plan_case_total(10));
	plan_store_put(&store, AGO(3) + 1, 5, plan_case_total(2));
	plan_store_put(&store, AGO(3) + 23, 6, plan_case_total(3));
	plan_store_put(&store, AGO(2) + 4, 7, plan_case_total(7));
	plan_store_put_day(&store, AGO(1), 3, plan_case_total(30));
	plan_store_put(&store, AGO(0), 8, plan_case_total(9));
	check_points(range("sum", AGO(4), AGO(-1), ROUTE_STEP_DAY), sums, 5);
}

static void test_a_total_adds_days_and_the_hours_at_both_ends(void **state)
{
	const double sum = 1 + 10 + 100;

	(void)state;
	plan_store_put(&store, AGO(2) - 1, 4, plan_case_total(1));
	plan_store_put_day(&store, AGO(2), 1, plan_case_total(10));
	plan_store_put(&store, AGO(1) + 2, 5, plan_case_total(100));
	plan_store_put(&store, AGO(1) + 3, 5, plan_case_total(1000));
	check_points(range("sum", AGO(2) - 1, AGO(1) + 3, ROUTE_STEP_TOTAL), &sum, 1);
}

static void test_hours_are_never_read_from_days(void **state)
{
	const double sum = 3;

	(void)state;
	plan_store_put_day(&store, AGO(2), 1, plan_case_total(10));
	plan_store_put(&store, AGO(2) + 2, 5, plan_case_total(3));
	check_points(range("sum", AGO(2), AGO(1), ROUTE_STEP_HOUR), &sum, 1);
}

static void test_today_is_not_asked_for_rolled_up(void **state)
{
	const double sum = 4;

	(void)state;
	plan_store_put_day(&store, TODAY, 1, plan_case_total(10));
	plan_store_put(&store, TODAY + 1, 5, plan_case_total(4));
	check_points(range("sum", TODAY, AGO(-1), ROUTE_STEP_DAY), &sum, 1);
}

/* The day's manifest is deleted by a commit between the two looks at it. */
static void drop_the_day(struct plan_store *s, unsigned round, const struct plan_command *command)
{
	if (round == 1 && command->ask == PLAN_DAY_CELLS) {
		s->cells[0].hour = AGO(2) + 3;
		s->cells[0].pid = 77;
	}
}

static void test_a_day_that_gets_late_data_meanwhile_is_read_by_its_hours(void **state)
{
	const double sum = 15;

	(void)state;
	plan_store_put_day(&store, AGO(2), 1, plan_case_total(10));
	plan_store_put(&store, AGO(2) + 3, 9, plan_case_total(5));
	store.hook = drop_the_day;
	check_points(range("sum", AGO(2), AGO(1), ROUTE_STEP_DAY), &sum, 1);
	store.hook = NULL;
}

static void test_more_days_than_a_window(void **state)
{
	double sums[100];

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		sums[i] = (double)i + 1;
		plan_store_put_day(&store, AGO(100 - (int64_t)i), i + 1, plan_case_total(sums[i]));
	}
	check_points(range("sum", AGO(100), TODAY, ROUTE_STEP_DAY), sums, 100);
	assert_true(store.most_commands <= 2 * PLAN_WINDOW_MOST);
}

static void test_a_days_answer_lists_its_hours_while_there_are_any(void **state)
{
	struct plan *plan = one_day("sum", AGO(2));
	struct plan_result result;

	(void)state;
	plan_store_put_day(&store, AGO(2), 1, plan_case_total(12));
	plan_store_put(&store, AGO(2) + 3, 5, plan_case_total(5));
	plan_store_put(&store, AGO(2) + 9, 6, plan_case_total(7));
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	result = plan_result(plan);
	assert_true(result.total.value == 12);
	assert_int_equal(result.point_count, 2);
	plan_free(plan);
}

static void test_beyond_its_hours_a_day_is_still_known(void **state)
{
	struct plan *plan = one_day("sum", AGO(100));
	struct plan_result result;
	uint64_t digest;

	(void)state;
	plan_store_put_day(&store, AGO(100), 1, plan_case_total(12));
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	result = plan_result(plan);
	assert_int_equal(result.outcome, PLAN_VALUE);
	assert_true(result.total.value == 12);
	assert_int_equal(result.point_count, 0);
	digest = plan_digest(plan);
	plan_free(plan);
	plan_store_rename(&store, AGO(100) + PLAN_STORE_DAY, 1, 2);
	plan = one_day("sum", AGO(100));
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	assert_true(plan_digest(plan) != digest);
	plan_free(plan);
}

static void test_a_day_that_is_nowhere_has_no_data(void **state)
{
	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_total(12));
	assert_plan_nothing(&store, one_day("sum", AGO(2)), "empty");
	assert_plan_nothing(&store, one_day("sum", AGO(100)), "expired");
}

static void test_what_a_gauge_stood_at_comes_from_hours_while_there_are_any(void **state)
{
	const double last = 8, old = 21;

	(void)state;
	plan_store_put(&store, AGO(3) + 20, 1, plan_case_gauge_set(5));
	plan_store_put(&store, AGO(2) + 2, 2, plan_case_gauge_change(3));
	plan_store_put_day(&store, AGO(2), 3, plan_case_gauge_change(3));
	check_points(range("last", AGO(2), AGO(1), ROUTE_STEP_DAY), &last, 1);
	plan_store_put_day(&store, AGO(100), 4, plan_case_gauge_set(21));
	check_points(range("last", AGO(100), AGO(99), ROUTE_STEP_DAY), &old, 1);
}

static void test_the_first_kind_with_data_wins_over_days_and_hours(void **state)
{
	const double sum = 6;

	(void)state;
	plan_store_put_day(&store, AGO(3), 1, plan_case_total(10));
	plan_store_put(&store, AGO(2) + 1, 2, plan_case_value(6));
	plan_store_put_day(&store, AGO(1), 3, plan_case_total(30));
	check_points(range("sum", AGO(3), TODAY, ROUTE_STEP_DAY), &sum, 1);
}

/* Hours of a range that have gone are not looked for: its values are the same, its reads are few. */
static void test_hours_that_have_gone_are_not_looked_for(void **state)
{
	const double sums[] = { 10, 3 };
	const struct {
		int64_t kept_from;
		unsigned least, most;
	} cases[] = { { 0, 24 * 399, 26 * 400 }, { AGO(35), 400, 400 + 26 * 35 } };
	size_t i;

	(void)state;
	plan_store_put_day(&store, AGO(390), 1, plan_case_total(10));
	plan_store_put(&store, AGO(30), 3, plan_case_total(3));
	for (i = 0; i < 2; i++) {
		gone_before = cases[i].kept_from;
		store.manifests = 0;
		check_points(range("sum", AGO(400), TODAY, ROUTE_STEP_DAY), sums, 2);
		assert_in_range(store.manifests, cases[i].least, cases[i].most);
	}
	store.manifests = 0;
	check_points(range("sum", AGO(400), AGO(20), ROUTE_STEP_HOUR), sums + 1, 1);
	assert_in_range(store.manifests, 24 * 15, 26 * 15);
	store.manifests = 0;
	check_points(range("sum", AGO(400), AGO(40), ROUTE_STEP_HOUR), NULL, 0);
	assert_in_range(store.manifests, 1, 2);
	gone_before = 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(test_##name, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_day_rolled_up_is_read_in_place_of_its_hours),
		TEST(a_day_that_is_not_rolled_up_is_read_by_its_hours_and_in_order),
		TEST(a_total_adds_days_and_the_hours_at_both_ends),
		TEST(hours_are_never_read_from_days),
		TEST(today_is_not_asked_for_rolled_up),
		TEST(a_day_that_gets_late_data_meanwhile_is_read_by_its_hours),
		TEST(more_days_than_a_window),
		TEST(a_days_answer_lists_its_hours_while_there_are_any),
		TEST(beyond_its_hours_a_day_is_still_known),
		TEST(a_day_that_is_nowhere_has_no_data),
		TEST(what_a_gauge_stood_at_comes_from_hours_while_there_are_any),
		TEST(the_first_kind_with_data_wins_over_days_and_hours),
		TEST(hours_that_have_gone_are_not_looked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
