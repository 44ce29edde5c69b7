// SPDX-License-Identifier: Apache-2.0
#include "queryd/survey.h"

#include "proto/err.h"
#include "tests/lib/survey_case.h"

#include <errno.h>

#define HOUR PLAN_CASE_HOUR

static struct survey_store store;

static int tear_down(void **state)
{
	(void)state;
	survey_store_release(&store);
	return 0;
}

static void run(struct survey *survey)
{
	assert_int_equal(survey_start(survey, SURVEY_STORE_PARTITIONS,
				      PLAN_CASE_RETENTION), 0);
	assert_int_equal(survey_store_run(&store, survey), PLAN_DONE);
}

static void a_percentile_is_that_of_the_union(void **state)
{
	const double many[] = { 1, 2, 3, 4, 5, 6, 7, 8 }, few[] = { 100 };
	struct survey *survey = survey_case_open(HOUR, HOUR + 1, 1);
	const struct plan_point *points;
	size_t count;

	(void)state;
	survey_store_put(&store, HOUR, 1, "a", plan_case_values(many, 8));
	survey_store_put(&store, HOUR, 2, "b", plan_case_values(few, 1));
	survey_case_group(survey, KIND_DISTRIBUTION, "median");
	survey_case_stat(survey, "max");
	survey_case_key(survey, "a");
	survey_case_key(survey, "b");
	run(survey);
	/* An average of the two medians would be 52.25. */
	assert_float_equal(survey_case_total(survey, 0), 5, 0);
	assert_float_equal(survey_case_total(survey, 1), 100, 0);
	assert_true(survey_total(survey, 0).exact);
	points = survey_points(survey, 0, &count);
	assert_int_equal(count, 1);
	assert_float_equal(points[0].result.value, 5, 0);
	assert_float_equal(points[0].result.count, 9, 0);
	survey_free(survey);
}

static void groups_do_not_mix_and_partials_of_a_key_do(void **state)
{
	struct survey *survey = survey_case_open(HOUR, HOUR + 1, 0);

	(void)state;
	survey_store_put(&store, HOUR, 1, "a", plan_case_total(1));
	survey_store_put(&store, HOUR, 2, "a", plan_case_total(2));
	survey_store_put(&store, HOUR, 2, "b", plan_case_total(40));
	survey_store_put(&store, HOUR, 2, "c", plan_case_total(500));
	survey_case_group(survey, KIND_COUNTER, "sum");
	survey_case_key(survey, "a");
	survey_case_key(survey, "b");
	survey_case_group(survey, KIND_COUNTER, "sum");
	survey_case_key(survey, "c");
	survey_case_group(survey, KIND_COUNTER, "sum");
	survey_case_key(survey, "nothing");
	run(survey);
	assert_float_equal(survey_case_total(survey, 0), 43, 0);
	assert_float_equal(survey_case_total(survey, 1), 500, 0);
	assert_false(survey_total(survey, 2).has);
	assert_int_equal(survey_keys(survey), 4);
	survey_free(survey);
}

static void spans_begin_at_whole_steps(void **state)
{
	struct survey *survey = survey_case_open(HOUR - 30, HOUR + 1, 24);
	int64_t day = HOUR - HOUR % 24;
	const struct plan_point *points;
	size_t count;
	int64_t hour;

	(void)state;
	for (hour = HOUR - 31; hour <= HOUR + 1; hour++)
		survey_store_put(&store, hour, 1, "a", plan_case_total(1));
	survey_case_group(survey, KIND_COUNTER, "sum");
	survey_case_key(survey, "a");
	run(survey);
	points = survey_points(survey, 0, &count);
	assert_true(count >= 2);
	assert_int_equal(points[0].from_hour, HOUR - 30);
	assert_int_equal(points[count - 1].from_hour, day);
	assert_int_equal(points[count - 1].to_hour, HOUR + 1);
	assert_float_equal(points[count - 1].result.value, (double)(HOUR + 1 - day), 0);
	assert_float_equal(survey_case_total(survey, 0), 31, 0);
	survey_free(survey);
}

static void swap_partial(struct survey_store *s, unsigned round,
			 const struct survey_command *command)
{
	if (round == 1 && command->cells)
		s->cells[0].pid = 9;
}

static void a_partial_swapped_in_between_is_read_again(void **state)
{
	struct survey *survey = survey_case_open(HOUR, HOUR + 1, 0);

	(void)state;
	survey_store_put(&store, HOUR, 1, "a", plan_case_total(7));
	store.hook = swap_partial;
	survey_case_group(survey, KIND_COUNTER, "sum");
	survey_case_key(survey, "a");
	run(survey);
	assert_float_equal(survey_case_total(survey, 0), 7, 0);
	assert_int_equal(survey_costs(survey).retries, 1);
	survey_free(survey);
}

static void swap_always(struct survey_store *s, unsigned round,
			const struct survey_command *command)
{
	(void)round;
	if (!command->cells)
		s->cells[0].pid++;
}

static void partials_that_never_rest_are_given_up(void **state)
{
	struct survey *survey = survey_case_open(HOUR, HOUR + 1, 0);

	(void)state;
	survey_store_put(&store, HOUR, 1, "a", plan_case_total(7));
	store.hook = swap_always;
	survey_case_group(survey, KIND_COUNTER, "sum");
	survey_case_key(survey, "a");
	assert_int_equal(survey_start(survey, SURVEY_STORE_PARTITIONS,
				      PLAN_CASE_RETENTION), 0);
	assert_int_equal(survey_store_run(&store, survey), PLAN_FAILED);
	assert_int_equal(survey_error(survey), -EAGAIN);
	survey_free(survey);
}

static void the_gauge_set_last_speaks_for_its_group(void **state)
{
	struct survey *survey = survey_case_open(HOUR - 1, HOUR + 1, 1);
	struct cell *early = cell_case_new(KIND_GAUGE), *late = cell_case_new(KIND_GAUGE);
	const struct plan_point *points;
	size_t count;

	(void)state;
	cell_case_set_gauge(early, 5, 10, 0);
	cell_case_set_gauge(late, 6, 3, 0);
	survey_store_put(&store, HOUR - 1, 1, "a", early);
	survey_store_put(&store, HOUR - 1, 1, "b", late);
	survey_store_put(&store, HOUR, 1, "a", plan_case_gauge_set(50));
	survey_case_group(survey, KIND_GAUGE, "last");
	survey_case_stat(survey, "max");
	survey_case_key(survey, "a");
	survey_case_key(survey, "b");
	run(survey);
	points = survey_points(survey, 0, &count);
	assert_int_equal(count, 2);
	assert_float_equal(points[0].result.value, 3, 0);
	assert_float_equal(points[1].result.value, 50, 0);
	assert_float_equal(survey_points(survey, 1, &count)[0].result.value, 10, 0);
	assert_float_equal(survey_case_total(survey, 0), 50, 0);
	assert_float_equal(survey_case_total(survey, 1), 50, 0);
	assert_float_equal(survey_total(survey, 1).count, 3, 0);
	survey_free(survey);
}

static void a_gauge_that_only_changes_is_followed_back(void **state)
{
	struct survey *survey = survey_case_open(HOUR, HOUR + 1, 1);
	size_t count;

	(void)state;
	survey_store_put(&store, HOUR - 20, 1, "a", plan_case_gauge_set(100));
	survey_store_put(&store, HOUR - 3, 1, "a", plan_case_gauge_change(5));
	survey_store_put(&store, HOUR, 1, "a", plan_case_gauge_change(-1));
	survey_store_put(&store, HOUR, 1, "other", plan_case_total(1));
	survey_case_group(survey, KIND_COUNTER, "sum");
	survey_case_key(survey, "other");
	survey_case_group(survey, KIND_GAUGE, "last");
	survey_case_key(survey, "a");
	run(survey);
	assert_float_equal(survey_points(survey, 1, &count)[0].result.value, 104, 0);
	assert_int_equal(count, 1);
	assert_float_equal(survey_case_total(survey, 0), 1, 0);
	survey_free(survey);
}

static void many_keys_and_hours_are_read_a_bounded_number_at_a_time(void **state)
{
	struct survey *survey = survey_case_open(HOUR - 1, HOUR + 1, 0);
	char key[16];
	unsigned i;

	(void)state;
	for (i = 0; i < 3000; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		if (i % 10 == 0)
			survey_store_put(&store, HOUR - i % 2, 1, key, plan_case_total(1));
	}
	survey_case_group(survey, KIND_COUNTER, "sum");
	for (i = 0; i < 3000; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		survey_case_key(survey, key);
	}
	run(survey);
	assert_float_equal(survey_case_total(survey, 0), 300, 0);
	assert_in_range(store.most_cells, 1, SURVEY_ROUND_KEYS + SURVEY_CHUNK);
	survey_free(survey);
}

static void what_is_too_much_is_refused(void **state)
{
	struct survey *points = survey_case_open(HOUR - 999, HOUR + 1, 1);
	struct survey_settings small = {
		.from_hour = HOUR, .to_hour = HOUR + 1, .max_points = 1, .max_bytes = 4,
	};
	struct survey *bytes;

	(void)state;
	survey_store_put(&store, HOUR, 1, "a", plan_case_total(7));
	survey_case_group(points, KIND_COUNTER, "sum");
	assert_int_equal(survey_start(points, SURVEY_STORE_PARTITIONS,
				      PLAN_CASE_RETENTION), 0);
	survey_free(points);
	points = survey_case_open(HOUR - 1000, HOUR + 1, 1);
	survey_case_group(points, KIND_COUNTER, "sum");
	assert_int_equal(survey_start(points, SURVEY_STORE_PARTITIONS,
				      PLAN_CASE_RETENTION), ERR_TOO_LARGE);
	survey_free(points);
	assert_int_equal(survey_new(&small, &bytes), 0);
	survey_case_group(bytes, KIND_COUNTER, "sum");
	survey_case_key(bytes, "a");
	assert_int_equal(survey_start(bytes, SURVEY_STORE_PARTITIONS,
				      PLAN_CASE_RETENTION), 0);
	assert_int_equal(survey_store_run(&store, bytes), PLAN_FAILED);
	assert_int_equal(survey_error(bytes), ERR_TOO_LARGE);
	survey_free(bytes);
}

static void rubbish_is_no_answer(void **state)
{
	struct survey *survey = survey_case_open(HOUR, HOUR + 1, 0);
	size_t count;

	(void)state;
	survey_case_group(survey, KIND_COUNTER, "sum");
	survey_case_key(survey, "a");
	assert_int_equal(survey_start(survey, SURVEY_STORE_PARTITIONS,
				      PLAN_CASE_RETENTION), 0);
	(void)survey_commands(survey, &count);
	assert_int_equal(count, 1);
	survey_put_pid(survey, 0, slice_text("0000000000000001"), slice_text("xyz"));
	assert_int_equal(survey_step(survey), PLAN_FAILED);
	assert_int_equal(survey_error(survey), ERR_MALFORMED);
	survey_free(survey);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_percentile_is_that_of_the_union, tear_down),
		cmocka_unit_test_teardown(groups_do_not_mix_and_partials_of_a_key_do, tear_down),
		cmocka_unit_test_teardown(spans_begin_at_whole_steps, tear_down),
		cmocka_unit_test_teardown(a_partial_swapped_in_between_is_read_again, tear_down),
		cmocka_unit_test_teardown(partials_that_never_rest_are_given_up, tear_down),
		cmocka_unit_test_teardown(the_gauge_set_last_speaks_for_its_group, tear_down),
		cmocka_unit_test_teardown(a_gauge_that_only_changes_is_followed_back, tear_down),
		cmocka_unit_test_teardown(many_keys_and_hours_are_read_a_bounded_number_at_a_time,
					  tear_down),
		cmocka_unit_test_teardown(what_is_too_much_is_refused, tear_down),
		cmocka_unit_test_teardown(rubbish_is_no_answer, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
