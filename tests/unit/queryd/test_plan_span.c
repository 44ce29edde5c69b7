// SPDX-License-Identifier: Apache-2.0
#include "queryd/plan.h"

#include "proto/hour.h"
#include "tests/lib/plan_case.h"

static struct plan_store store;

static int empty_store(void **state)
{
	(void)state;
	plan_store_release(&store);
	return 0;
}

static void a_day_is_its_hours_and_all_of_them(void **state)
{
	int64_t day = PLAN_CASE_HOUR / 24 * 24;
	struct route_request request = { .route = ROUTE_DAY, .from_hour = day, .to_hour = day + 24,
					 .key = "k", .key_size = 1 };
	const struct plan_settings settings = { .now_second = (day + 30) * 3600,
						.retention_hours = PLAN_CASE_RETENTION };
	struct plan *plan;
	struct plan_result result;

	(void)state;
	plan_store_put(&store, day - 1, 1, plan_case_value(1000));
	plan_store_put(&store, day, 1, plan_case_value(1));
	plan_store_put(&store, day + 5, 1, plan_case_value(2));
	plan_store_put(&store, day + 5, 2, plan_case_value(3));
	plan_store_put(&store, day + 23, 1, plan_case_value(10));
	plan_store_put(&store, day + 24, 1, plan_case_value(2000));
	assert_true(stat_parse(slice_text("median"), &request.stat));
	assert_int_equal(plan_new(&request, &settings, &plan), 0);
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	assert_int_equal(store.rounds, 2);
	result = plan_result(plan);
	assert_true(result.total.value == 2.5 && result.total.count == 4);
	assert_int_equal(result.point_count, 3);
	assert_int_equal(result.points[1].from_hour, day + 5);
	assert_true(result.points[1].result.value == 2.5 && result.points[1].result.count == 2);
	assert_int_equal(result.points[2].from_hour, day + 23);
	plan_free(plan);
}

/* A range of 480 hours of so many partials, of so many different values each: how many rounds it
 * takes. */
static size_t rounds_of(uint64_t partials, size_t values)
{
	struct plan *plan;
	size_t hour, i;

	for (hour = 0; hour < 480 * partials; hour++) {
		struct cell *cell = cell_case_new(KIND_DISTRIBUTION);
		for (i = 0; i < values; i++)
			cell_case_value(cell, (double)(i * i * 7919 % 1000003));
		plan_store_put(&store, PLAN_CASE_HOUR - 480 + (int64_t)(hour / partials),
			       1 + hour % partials, cell);
	}
	plan = plan_case_open("/k/max", "from=-480h&to=-0h");
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	assert_int_equal(plan_result(plan).point_count, 480);
	plan_free(plan);
	return store.rounds;
}

static void light_hours_take_few_rounds_and_heavy_ones_little_memory(void **state)
{
	(void)state;
	/* 48, 240 and 192 hours. */
	assert_int_equal(rounds_of(1, 1), 2 * 3);
	assert_int_equal(store.most_commands, 2 * PLAN_WINDOW_MOST);
	plan_store_release(&store);
	/* Ten times 48 hours. */
	assert_int_equal(rounds_of(1, 2000), 2 * 10);
	assert_int_equal(store.most_commands, 2 * PLAN_WINDOW_HOURS);
	plan_store_release(&store);
	/* Small cells, but more of them than a round may ask for in 240 hours. */
	assert_int_equal(rounds_of(20, 1), 2 * 10);
	assert_int_equal(store.most_commands, 21 * PLAN_WINDOW_HOURS);
}

static void a_kind_found_later_wins_over_one_found_before(void **state)
{
	int64_t day = PLAN_CASE_HOUR / 24 * 24;
	char path[64], text[HOUR_TEXT_SIZE];
	struct plan *plan;
	struct plan_result result;

	(void)state;
	plan_store_put(&store, day + 1, 1, plan_case_total(5));
	plan_store_put(&store, day + 2, 1, plan_case_value(3));
	plan_store_put(&store, day + 3, 1, plan_case_total(7));
	(void)snprintf(path, sizeof(path), "/k/sum/%s", hour_format_day(day / 24, text));
	plan = plan_case_open(path, "");
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	result = plan_result(plan);
	assert_int_equal(result.kind, KIND_DISTRIBUTION);
	assert_int_equal(result.point_count, 1);
	assert_true(result.total.value == 3);
	plan_free(plan);
}

static void ranges_have_points_by_their_step(void **state)
{
	static const struct {
		const char *query;
		size_t points;
		double first, last;
	} cases[] = {
		{ "from=-100h", 4, 1, 8 },
		{ "from=-100h&step=total", 1, 15, 15 },
		{ "from=-10h", 2, 4, 8 },
		{ "from=-100h&to=-10h&step=hour", 2, 1, 2 },
		{ "from=-5000h&step=total", 1, 15, 15 },
		{ "from=-5h&to=-4h", 0, 0, 0 },
	};
	size_t i;

	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR - 100, 1, plan_case_total(1));
	plan_store_put(&store, PLAN_CASE_HOUR - 50, 1, plan_case_total(2));
	plan_store_put(&store, PLAN_CASE_HOUR - 1, 1, plan_case_total(4));
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_total(8));
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct plan *plan = plan_case_open("/k/sum", cases[i].query);
		struct plan_result result;
		assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
		assert_true(store.most_commands <= 2 * PLAN_WINDOW_MOST);
		result = plan_result(plan);
		assert_int_equal(result.outcome, PLAN_VALUE);
		assert_int_equal(result.point_count, cases[i].points);
		if (cases[i].points > 0) {
			assert_true(result.points[0].result.value == cases[i].first);
			assert_true(result.points[cases[i].points - 1].result.value ==
				    cases[i].last);
		}
		plan_free(plan);
	}
}

static void days_of_a_range_begin_with_the_day(void **state)
{
	int64_t day = PLAN_CASE_HOUR / 24 * 24;
	struct plan *plan;
	struct plan_result result;

	(void)state;
	plan_store_put(&store, day - 20, 1, plan_case_total(1));
	plan_store_put(&store, day - 1, 1, plan_case_total(2));
	plan_store_put(&store, day, 1, plan_case_total(4));
	plan = plan_case_open("/k/sum", "from=-2d&step=day");
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	result = plan_result(plan);
	assert_int_equal(result.point_count, 2);
	assert_int_equal(result.points[0].from_hour, day - 24);
	assert_true(result.points[0].result.value == 3);
	assert_int_equal(result.points[1].from_hour, day);
	assert_int_equal(result.points[1].to_hour, PLAN_CASE_HOUR + 1);
	plan_free(plan);
}

static void an_unknown_key_has_an_empty_range(void **state)
{
	struct plan *plan = plan_case_open("/k/sum", "from=-2d");
	struct plan_result result;

	(void)state;
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	result = plan_result(plan);
	assert_int_equal(result.outcome, PLAN_VALUE);
	assert_int_equal(result.point_count, 0);
	assert_int_equal(result.kind, 0);
	plan_free(plan);
}

static void a_gauge_that_only_changed_builds_on_what_was_before(void **state)
{
	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_gauge_change(-3));
	assert_true(plan_case_value_of(&store, plan_case_hour("last", PLAN_CASE_HOUR, NULL)) == -3);
	plan_store_put(&store, PLAN_CASE_HOUR - 24, 1, plan_case_gauge_set(100));
	plan_store_put(&store, PLAN_CASE_HOUR - 2, 1, plan_case_gauge_change(7));
	assert_true(plan_case_value_of(&store, plan_case_hour("last", PLAN_CASE_HOUR, NULL)) == 104);
	assert_true(plan_case_value_of(&store, plan_case_hour("last", PLAN_CASE_HOUR - 2, NULL)) == 107);
	assert_true(plan_case_value_of(&store, plan_case_hour("last", PLAN_CASE_HOUR - 24, NULL)) == 100);
	assert_int_equal(store.rounds, 2); /* an hour that was set asks for nothing else */
	assert_plan_nothing(&store, plan_case_hour("max", PLAN_CASE_HOUR, NULL), "empty");
	assert_true(plan_case_value_of(&store, plan_case_hour("samples", PLAN_CASE_HOUR, NULL)) == 1);
}

static void a_gauge_looks_back_a_day_and_no_further(void **state)
{
	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR - 25, 1, plan_case_gauge_set(100));
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_gauge_change(-3));
	assert_true(plan_case_value_of(&store, plan_case_hour("last", PLAN_CASE_HOUR, NULL)) == -3);
}

static void a_range_of_gauges_follows_the_trail(void **state)
{
	struct plan *plan;
	struct plan_result result;

	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR - 110, 1, plan_case_gauge_set(50));
	plan_store_put(&store, PLAN_CASE_HOUR - 99, 1, plan_case_gauge_change(1));
	plan_store_put(&store, PLAN_CASE_HOUR - 80, 1, plan_case_gauge_set(10));
	plan_store_put(&store, PLAN_CASE_HOUR - 60, 1, plan_case_gauge_change(2));
	plan_store_put(&store, PLAN_CASE_HOUR - 50, 1, plan_case_gauge_change(3));
	plan = plan_case_open("/k/last", "from=-100h");
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	result = plan_result(plan);
	assert_int_equal(result.point_count, 4);
	assert_true(result.points[0].result.value == 51);
	assert_true(result.points[1].result.value == 10);
	assert_true(result.points[2].result.value == 12);
	assert_true(result.points[3].result.value == 5); /* what was set is 30 hours old */
	plan_free(plan);
	plan = plan_case_open("/k/max", "from=-100h&step=total");
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	assert_true(plan_result(plan).points[0].result.value == 10);
	plan_free(plan);
}

static void an_overview_shows_the_last_hour(void **state)
{
	struct plan *plan;
	struct plan_result result;

	(void)state;
	assert_plan_nothing(&store, plan_case_open("/k", ""), "unknown_key");
	plan_store_put(&store, PLAN_CASE_HOUR - 9, 1, plan_case_value(1));
	plan_store_put(&store, PLAN_CASE_HOUR - 2, 1, plan_case_value(5));
	plan_store_put(&store, PLAN_CASE_HOUR - 3, 1, plan_case_total(2));
	plan = plan_case_open("/k", "");
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	result = plan_result(plan);
	assert_int_equal(result.known, 3);
	assert_int_equal(result.first_hour, PLAN_CASE_HOUR - 9);
	assert_int_equal(result.last_hour, PLAN_CASE_HOUR - 2);
	assert_non_null(result.last);
	assert_int_equal(result.last->kind, KIND_DISTRIBUTION);
	assert_int_equal(result.last->seconds, 3600);
	plan_free(plan);
	plan = plan_case_open("/k", "kind=counter");
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	assert_int_equal(plan_result(plan).last_hour, PLAN_CASE_HOUR - 3);
	plan_free(plan);
}

static void an_overview_survives_odd_scores(void **state)
{
	static const double scores[] = { -1, 1e300, 0.0 / 1.0, -1e300 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(scores) / sizeof(*scores); i++) {
		struct plan *plan = plan_case_open("/k", "");
		struct plan_result result;
		store.known[0] = true;
		store.first[0] = store.last[0] = scores[i];
		assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
		result = plan_result(plan);
		assert_int_equal(result.last_hour, 0);
		assert_null(result.last);
		plan_free(plan);
	}
}

/* What a plan has found is not found by one that comes after it. */
static void a_plan_from_the_stock_begins_anew(void **state)
{
	struct plan_stock stock = { .count = 0 };
	const struct plan_settings settings = { .now_second = PLAN_CASE_HOUR * 3600 + 1800,
						.retention_hours = PLAN_CASE_RETENTION,
						.stock = &stock };
	struct route_request request = { .route = ROUTE_HOUR, .key = "k", .key_size = 1 };
	struct plan *plans[PLAN_STOCK + 6];
	const size_t count = sizeof(plans) / sizeof(*plans);
	size_t round, i;

	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_value(3));
	assert_true(stat_parse(slice_text("median"), &request.stat));
	for (round = 0; round < 3; round++) {
		for (i = 0; i < count; i++) {
			request.from_hour = PLAN_CASE_HOUR - (i % 2 == 0);
			request.to_hour = request.from_hour + 1;
			assert_int_equal(plan_new(&request, &settings, &plans[i]), 0);
		}
		assert_int_equal(stock.count, 0);
		for (i = 0; i < count; i++) {
			assert_int_equal(plan_store_run(&store, plans[i]), PLAN_DONE);
			assert_int_equal(plan_result(plans[i]).outcome,
					 i % 2 ? PLAN_VALUE : PLAN_NO_DATA);
			plan_free(plans[i]);
		}
		assert_int_equal(stock.count, PLAN_STOCK);
	}
	plan_stock_release(&stock);
	assert_int_equal(stock.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_day_is_its_hours_and_all_of_them, empty_store),
		cmocka_unit_test_setup(light_hours_take_few_rounds_and_heavy_ones_little_memory, empty_store),
		cmocka_unit_test_setup(a_kind_found_later_wins_over_one_found_before, empty_store),
		cmocka_unit_test_setup(ranges_have_points_by_their_step, empty_store),
		cmocka_unit_test_setup(days_of_a_range_begin_with_the_day, empty_store),
		cmocka_unit_test_setup(an_unknown_key_has_an_empty_range, empty_store),
		cmocka_unit_test_setup(a_gauge_that_only_changed_builds_on_what_was_before, empty_store),
		cmocka_unit_test_setup(a_gauge_looks_back_a_day_and_no_further, empty_store),
		cmocka_unit_test_setup(a_range_of_gauges_follows_the_trail, empty_store),
		cmocka_unit_test_setup(an_overview_shows_the_last_hour, empty_store),
		cmocka_unit_test_setup_teardown(a_plan_from_the_stock_begins_anew, empty_store,
						empty_store),
		cmocka_unit_test_setup_teardown(an_overview_survives_odd_scores, empty_store, empty_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
