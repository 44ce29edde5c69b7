// SPDX-License-Identifier: Apache-2.0
#include "queryd/survey.h"

#include "proto/hour.h"
#include "tests/lib/survey_case.h"

#define TODAY     (PLAN_CASE_HOUR / DAY_HOURS * DAY_HOURS)
#define AGO(days) (TODAY - (days) * DAY_HOURS)

static struct survey_store store;

static int teardown(void **state)
{
	(void)state;
	survey_store_release(&store);
	return 0;
}

static void run(struct survey *survey)
{
	assert_int_equal(survey_start(survey, SURVEY_STORE_PARTITIONS, PLAN_CASE_RETENTION), 0);
	assert_int_equal(survey_store_run(&store, survey), PLAN_DONE);
}

/* Runs it and frees it; the first stat's points have these values. */
static void check_points(struct survey *survey, const double *values, size_t count)
{
	const struct plan_point *points;
	size_t found, i;

	run(survey);
	points = survey_points(survey, 0, &found);
	assert_int_equal(found, count);
	for (i = 0; i < count; i++)
		assert_true(points[i].result.value == values[i]);
	survey_free(survey);
}

/* The sum of the counters `apple` and `pear`, which lie in different partitions. */
static struct survey *both(int64_t from, int64_t to, int64_t step)
{
	struct survey *survey = survey_case_open(from, to, step);

	assert_int_not_equal(hash_partition(slice_text("apple"), SURVEY_STORE_PARTITIONS),
			     hash_partition(slice_text("pear"), SURVEY_STORE_PARTITIONS));
	survey_case_group(survey, KIND_COUNTER, "sum");
	survey_case_key(survey, "apple");
	survey_case_key(survey, "pear");
	return survey;
}

static void days_rolled_up_are_read_in_place_of_hours(void **state)
{
	const double sums[] = { 11, 22, 33 };
	int64_t i;

	(void)state;
	for (i = 1; i <= 3; i++) {
		survey_store_put_day(&store, AGO(4 - i), 1, "apple", plan_case_total(10 * (double)i));
		survey_store_put_day(&store, AGO(4 - i), 2, "pear", plan_case_total((double)i));
	}
	check_points(both(AGO(3), TODAY, 24), sums, 3);
	assert_int_equal(store.manifests, 12);
	assert_int_equal(store.days, 12);
	assert_int_equal(store.rounds, 2);
}

static void a_day_rolled_up_in_one_partition_is_read_by_hours_in_another(void **state)
{
	const double sums[] = { 16, 7, 30 };

	(void)state;
	survey_store_put_day(&store, AGO(3), 1, "apple", plan_case_total(10));
	survey_store_put(&store, AGO(3) + 1, 2, "pear", plan_case_total(2));
	survey_store_put(&store, AGO(3) + 23, 3, "pear", plan_case_total(4));
	survey_store_put(&store, AGO(2), 4, "apple", plan_case_total(3));
	survey_store_put(&store, AGO(2) + 4, 5, "pear", plan_case_total(4));
	survey_store_put_day(&store, AGO(1), 6, "pear", plan_case_total(30));
	check_points(both(AGO(3), TODAY, 24), sums, 3);
}

static void a_total_adds_days_and_the_hours_at_both_ends(void **state)
{
	const double sum = 1 + 10 + 100;

	(void)state;
	survey_store_put(&store, AGO(2) - 1, 4, "apple", plan_case_total(1));
	survey_store_put_day(&store, AGO(2), 1, "pear", plan_case_total(10));
	survey_store_put(&store, AGO(1) + 2, 5, "pear", plan_case_total(100));
	survey_store_put(&store, AGO(1) + 3, 5, "pear", plan_case_total(1000));
	check_points(both(AGO(2) - 1, AGO(1) + 3, 0), &sum, 1);
}

static void hours_and_today_are_never_read_from_days(void **state)
{
	const double sum = 3, now = 4;

	(void)state;
	survey_store_put_day(&store, AGO(2), 1, "apple", plan_case_total(10));
	survey_store_put(&store, AGO(2) + 2, 5, "apple", plan_case_total(3));
	check_points(both(AGO(2), AGO(1), 1), &sum, 1);
	check_points(both(AGO(2), AGO(1), 6), &sum, 1);
	survey_store_put_day(&store, TODAY, 1, "apple", plan_case_total(10));
	survey_store_put(&store, TODAY + 1, 5, "apple", plan_case_total(4));
	check_points(both(TODAY, AGO(-1), 24), &now, 1);
}

/* The day's manifest is deleted by a commit between the two looks at it. */
static void drop_the_day(struct survey_store *s, unsigned round,
			 const struct survey_command *command)
{
	if (round == 1 && command->day && command->cells) {
		s->cells[0].hour = AGO(2) + 3;
		s->cells[0].pid = 77;
	}
}

static void a_day_that_gets_late_data_meanwhile_is_read_by_its_hours(void **state)
{
	const double sum = 15;

	(void)state;
	survey_store_put_day(&store, AGO(2), 1, "apple", plan_case_total(10));
	survey_store_put(&store, AGO(2) + 3, 9, "apple", plan_case_total(5));
	store.hook = drop_the_day;
	check_points(both(AGO(2), AGO(1), 24), &sum, 1);
}

static struct survey *gauges(const char *stat, int64_t from, int64_t to)
{
	struct survey *survey = survey_case_open(from, to, 24);

	survey_case_group(survey, KIND_GAUGE, stat);
	survey_case_key(survey, "apple");
	survey_case_key(survey, "pear");
	return survey;
}

static void what_a_gauge_stood_at_comes_from_hours_while_there_are_any(void **state)
{
	const double last = 8, old = 21;

	(void)state;
	survey_store_put(&store, AGO(3) + 20, 1, "apple", plan_case_gauge_set(5));
	survey_store_put(&store, AGO(2) + 2, 2, "apple", plan_case_gauge_change(3));
	survey_store_put_day(&store, AGO(2), 3, "apple", plan_case_gauge_change(3));
	check_points(gauges("last", AGO(2), AGO(1)), &last, 1);
	assert_int_equal(store.days, 0);
	survey_store_put_day(&store, AGO(100), 4, "apple", plan_case_gauge_set(21));
	check_points(gauges("last", AGO(100), AGO(99)), &old, 1);
}

static void other_stats_of_gauges_take_days_and_hours_alike(void **state)
{
	const double most[] = { 70, 90 };
	struct cell *low = cell_case_new(KIND_GAUGE);

	(void)state;
	cell_case_set_gauge(low, 5, -3, 0);
	survey_store_put_day(&store, AGO(2), 1, "apple", plan_case_gauge_set(70));
	survey_store_put(&store, AGO(2) + 2, 2, "pear", low);
	survey_store_put(&store, AGO(2) + 5, 2, "pear", plan_case_gauge_set(60));
	survey_store_put(&store, AGO(1) + 5, 3, "apple", plan_case_gauge_set(90));
	check_points(gauges("max", AGO(2), TODAY), most, 2);
	survey_store_release(&store);
}

/* ---- days and hours say the same ------------------------------------------------------------- */

#define WORLD_DAYS 9
#define WORLD_KEYS 7

static struct cell *random_cell(unsigned seed, unsigned key)
{
	const double values[] = { seed % 97, (seed >> 8) % 31, (seed >> 16) % 11 };

	return key < 4 ? plan_case_values(values, 1 + seed % 3) : plan_case_gauge_set(seed % 97);
}

/* Some hours of every key; of some days of a partition only the cells rolled up, if asked for. */
static void build_world(bool rolled)
{
	unsigned seed = 12345, key, hour;
	int64_t day;
	char name[8];

	for (day = WORLD_DAYS; day > 0; day--) {
		for (key = 0; key < WORLD_KEYS; key++) {
			struct cell *whole = NULL;
			(void)snprintf(name, sizeof(name), "k%u", key);
			bool roll = rolled &&
				    (hash_partition(slice_text(name), SURVEY_STORE_PARTITIONS) +
				     (uint32_t)day) % 3 != 0;
			for (hour = key % 5; hour < DAY_HOURS; hour += 5) {
				struct cell *cell;
				seed = seed * 1664525u + 1013904223u;
				cell = random_cell(seed >> 4, key);
				if (!roll) {
					survey_store_put(&store, AGO(day) + hour, 1, name, cell);
				} else if (!whole) {
					whole = cell;
				} else {
					assert_int_equal(cell_follow(whole, cell), 0);
					cell_free(cell);
				}
			}
			if (whole)
				survey_store_put_day(&store, AGO(day), 2, name, whole);
		}
	}
}

static struct survey *ask_world(int64_t step)
{
	struct survey *survey = survey_case_open(AGO(WORLD_DAYS), TODAY, step);
	char name[8];
	unsigned key;

	for (key = 0; key < WORLD_KEYS; key++) {
		if (key == 0) {
			survey_case_group(survey, KIND_DISTRIBUTION, "p90");
			survey_case_stat(survey, "sum");
		} else if (key == 4) {
			survey_case_group(survey, KIND_GAUGE, "max");
			survey_case_stat(survey, "average");
		}
		(void)snprintf(name, sizeof(name), "k%u", key);
		survey_case_key(survey, name);
	}
	run(survey);
	return survey;
}

static void compare(const struct survey *a, const struct survey *b)
{
	const struct plan_point *x, *y;
	size_t stat, count, others, i;

	for (stat = 0; stat < 4; stat++) {
		x = survey_points(a, stat, &count);
		y = survey_points(b, stat, &others);
		assert_int_equal(count, others);
		assert_true(count > 0);
		for (i = 0; i < count; i++) {
			assert_int_equal(x[i].from_hour, y[i].from_hour);
			assert_float_equal(x[i].result.value, y[i].result.value, 1e-9);
			assert_float_equal(x[i].result.count, y[i].result.count, 0);
		}
		assert_float_equal(survey_case_total(a, stat), survey_case_total(b, stat), 1e-9);
	}
}

static void rolled_up_or_not_makes_no_difference(void **state)
{
	const int64_t steps[] = { 24, 48, 0 };
	struct survey *by_hours, *by_days;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		build_world(false);
		by_hours = ask_world(steps[i]);
		survey_store_release(&store);
		build_world(true);
		by_days = ask_world(steps[i]);
		assert_true(store.days > 0);
		survey_store_release(&store);
		compare(by_hours, by_days);
		survey_free(by_hours);
		survey_free(by_days);
	}
}

/* ---- costs ----------------------------------------------------------------------------------- */

/* Rounds and commands of so many keys over a year of days, all of them rolled up. */
static unsigned year_of(unsigned keys, size_t *commands)
{
	struct survey *survey = survey_case_open(AGO(365), TODAY, 0);
	enum plan_status status = PLAN_MORE;
	unsigned rounds = 0, i;
	size_t count;
	char name[16];

	survey_case_group(survey, KIND_COUNTER, "sum");
	for (i = 0; i < keys; i++) {
		(void)snprintf(name, sizeof(name), "k%u", i);
		survey_case_key(survey, name);
	}
	assert_int_equal(survey_start(survey, 64, PLAN_CASE_RETENTION), 0);
	for (*commands = 0; status == PLAN_MORE; rounds++) {
		const struct survey_command *asked = survey_commands(survey, &count);
		*commands += count;
		for (i = 0; i < count; i++) {
			assert_true(asked[i].day);
			if (!asked[i].cells)
				survey_put_pid(survey, i, slice_text("0000000000000001"),
					       slice_text("0000000000000002"));
		}
		status = survey_step(survey);
	}
	assert_int_equal(status, PLAN_DONE);
	survey_free(survey);
	return rounds;
}

static void a_year_of_days_takes_few_rounds(void **state)
{
	size_t commands;

	(void)state;
	assert_int_equal(year_of(1, &commands), 2);
	assert_int_equal(commands, 3 * 365);
	assert_in_range(year_of(50, &commands), 2, 40);
	assert_in_range(commands, 3 * 365, 3 * 365 * 50);
}

/* A survey of both keys whose hours before a given one have gone. */
static struct survey *both_since(int64_t kept_from, int64_t from, int64_t to, int64_t step)
{
	const struct survey_settings settings = {
		.from_hour = from, .to_hour = to, .step_hours = step, .totals = true,
		.now_second = PLAN_CASE_HOUR * 3600 + 1800,
		.max_points = 10000, .max_bytes = 1 << 20, .kept_from = kept_from,
	};
	struct survey *survey;

	assert_int_equal(survey_new(&settings, &survey), 0);
	survey_case_group(survey, KIND_COUNTER, "sum");
	survey_case_key(survey, "apple");
	survey_case_key(survey, "pear");
	return survey;
}

/* Four hundred days with three rolled up: the hours of the others are not looked for where they
 * cannot be. */
static void hours_that_have_gone_are_not_looked_for(void **state)
{
	const double sums[] = { 10, 20, 3, 4 };

	(void)state;
	survey_store_put_day(&store, AGO(390), 1, "apple", plan_case_total(10));
	survey_store_put_day(&store, AGO(100), 2, "pear", plan_case_total(20));
	survey_store_put(&store, AGO(30), 3, "pear", plan_case_total(3));
	survey_store_put_day(&store, AGO(2), 4, "apple", plan_case_total(4));
	check_points(both_since(0, AGO(400), TODAY, 24), sums, 4);
	assert_in_range(store.manifests, 2 * 24 * 397, 2 * 26 * 400);
	store.manifests = 0;
	check_points(both_since(AGO(35), AGO(400), TODAY, 24), sums, 4);
	assert_in_range(store.manifests, 2 * 400, 2 * 400 + 2 * 26 * 35);
	/* A survey of hours begins where they do. */
	store.manifests = 0;
	check_points(both_since(AGO(35), AGO(400), AGO(20), 1), sums + 2, 1);
	assert_in_range(store.manifests, 2 * 24 * 15, 2 * 26 * 15);
	/* And ends at once when they have all gone. */
	store.manifests = 0;
	check_points(both_since(AGO(35), AGO(400), AGO(40), 1), NULL, 0);
	assert_int_equal(store.manifests, 0);
	/* Into a day, over days and into a day. */
	check_points(both_since(AGO(35), AGO(391) - 5, AGO(99) + 5, 24), sums, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		TEST(days_rolled_up_are_read_in_place_of_hours),
		TEST(a_day_rolled_up_in_one_partition_is_read_by_hours_in_another),
		TEST(a_total_adds_days_and_the_hours_at_both_ends),
		TEST(hours_and_today_are_never_read_from_days),
		TEST(a_day_that_gets_late_data_meanwhile_is_read_by_its_hours),
		TEST(what_a_gauge_stood_at_comes_from_hours_while_there_are_any),
		TEST(other_stats_of_gauges_take_days_and_hours_alike),
		TEST(rolled_up_or_not_makes_no_difference),
		TEST(a_year_of_days_takes_few_rounds),
		TEST(hours_that_have_gone_are_not_looked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
