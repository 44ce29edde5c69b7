// SPDX-License-Identifier: Apache-2.0
#include "relay/compactor.h"

#include "tests/unit/relay/compact_world.h"

/* Days rolled up, and when what is looked at. */

/* ---- days ------------------------------------------------------------------------------------------ */

static void test_a_closed_day_becomes_one_cell_a_key(void **state)
{
	struct compact_world *w = *state;
	struct cell *sum;

	for (int64_t hour = 0; hour < DAY_HOURS; hour += 5)
		compact_world_fill(w, DAY * DAY_HOURS + hour, 2);
	compact_world_pass(w);
	assert_int_equal(tally_get(&w->n.compact_days), 1);
	sum = compact_world_day(w, KIND_COUNTER, "all");
	assert_non_null(sum);
	assert_true(cell_counter_sum(sum) == 10);
	cell_free(sum);
	assert_true(compact_world_total(w, "all") == 10);
	compact_world_pass(w);
	assert_int_equal(tally_get(&w->n.compact_days), 1);
}

static void test_a_day_is_rolled_up_only_when_it_is_over(void **state)
{
	struct compact_world *w = *state;

	compact_world_fill(w, HOUR, 2);
	w->unix_offset = ((DAY + 1) * DAY_HOURS * HOUR_SECONDS + 800) * 1000;
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
	assert_null(compact_world_day(w, KIND_COUNTER, "all"));
	w->unix_offset += 100000;
	compact_world_pass(w);
	assert_int_equal(tally_get(&w->n.compact_days), 1);
}

static void test_late_data_makes_the_day_anew(void **state)
{
	struct compact_world *w = *state;
	const struct model_entry *listed[MODEL_FIELDS];
	char key[RKEY_SIZE];
	struct cell *sum;

	compact_world_fill(w, HOUR, 2);
	compact_world_pass(w);
	/* As the commit script does. */
	compact_world_count(w, HOUR + 3, 77, "all", 5);
	assert_int_equal(model_store_fields(&w->store, slice_text(rkey_day_manifest(TAG, DAY, key)),
					    listed), 1);
	model_store_set(&w->store, key, listed[0]->field, slice_of(NULL, 0));
	assert_null(compact_world_day(w, KIND_COUNTER, "all"));
	compact_world_pass(w);
	sum = compact_world_day(w, KIND_COUNTER, "all");
	assert_true(cell_counter_sum(sum) == 7);
	cell_free(sum);
}

static void test_a_day_whose_hours_change_meanwhile_is_not_rolled_up(void **state)
{
	struct compact_world *w = *state;

	compact_world_fill(w, HOUR, 1);
	compact_world_until(w, SCRIPT_ROLL);
	compact_world_count(w, HOUR + 9, 5, "all", 1);
	compact_world_serve_on(w, &w->store);
	assert_int_equal(w->last.result, COMPACT_REFUSED);
	assert_null(compact_world_day(w, KIND_COUNTER, "all"));
}

static void test_a_days_gauge_follows_its_hours(void **state)
{
	struct compact_world *w = *state;
	struct cell *cells[3];
	struct cell_gauge gauge;

	for (size_t i = 0; i < 3; i++)
		cells[i] = cell_case_new(KIND_GAUGE);
	cell_case_set_gauge(cells[0], 3500, 18, 2);
	cell_case_set_gauge(cells[1], 5, 30, 0);
	cell_case_change_gauge(cells[1], 600, 0.25);
	cell_case_change_gauge(cells[2], 1, -4);
	for (uint64_t i = 0; i < 3; i++) {
		compact_world_cell(w, HOUR + (int64_t)i, i + 1, "g", cells[i]);
		compact_world_list(w, HOUR + (int64_t)i, i + 1, "1111111111111111");
	}
	compact_world_pass(w);
	cells[0] = compact_world_day(w, KIND_GAUGE, "g");
	cell_gauge(cells[0], &gauge);
	assert_true(gauge.has_last && gauge.last == 26.25);
	assert_true(gauge.min == 18 && gauge.max == 30 && gauge.sum == 48 && gauge.sets == 2);
	assert_int_equal(cell_samples(cells[0]), 5);
	cell_free(cells[0]);
}

/* Whatever else the day has stays complete. */
static void test_a_day_has_no_windows(void **state)
{
	struct compact_world *w = *state;
	struct cell *cell;

	for (uint64_t i = 0; i < 3; i++) {
		compact_world_cell(w, HOUR + (int64_t)i, i + 1, "d",
				   cell_case_history(KIND_DISTRIBUTION, 10 * i, 10 * i + 10));
		compact_world_cell(w, HOUR + (int64_t)i, i + 1, "d",
				   cell_case_history(KIND_WINDOW, 10 * i, 10 * i + 10));
		compact_world_list(w, HOUR + (int64_t)i, i + 1, "1111111111111111");
	}
	compact_world_pass(w);
	assert_int_equal(tally_get(&w->n.compact_days), 1);
	cell = compact_world_day(w, KIND_DISTRIBUTION, "d");
	assert_non_null(cell);
	cell_free(cell);
	assert_null(compact_world_day(w, KIND_WINDOW, "d"));
}

static void test_days_far_below_the_floor_are_left_alone(void **state)
{
	struct compact_world *w = *state;

	compact_world_fill(w, HOUR, 2);
	w->store.floor_hour = (DAY + 1) * DAY_HOURS + 13;
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 2);
	w->store.floor_hour--;
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
	assert_int_equal(tally_get(&w->n.compact_days), 1);
}

/* ---- passes ----------------------------------------------------------------------------------------- */

static void test_nothing_is_asked_about_partitions_that_are_not_ours(void **state)
{
	struct compact_world *w = *state;

	compact_world_fill(w, HOUR, 2);
	w->ours = false;
	for (int i = 0; i < 5; i++)
		compact_world_next(w);
	assert_int_equal(w->commands, 0);
}

static void test_it_sweeps_at_once_and_then_each_hour(void **state)
{
	struct compact_world *w = *state;

	w->ours = false;
	compact_world_next(w);
	w->ours = true;
	compact_world_until(w, SCRIPT_SWEEP);
	assert_true(w->now <= 60000);
	assert_string_equal(w->tag, TAG);
	compact_world_until(w, SCRIPT_FORGET);
	assert_string_equal(w->tag, "agents");
	compact_world_pass(w);
	compact_world_until(w, SCRIPT_SWEEP);
	assert_true(w->now >= 3600 * 1000);
}

static void test_a_sweep_goes_on_until_all_is_seen(void **state)
{
	static const struct slice words[] = { { (const uint8_t *)"OK", 2 }, { (const uint8_t *)"77", 2 },
					      { (const uint8_t *)"3", 1 }, { (const uint8_t *)"0", 1 } };
	struct compact_world *w = *state;
	struct answer more = answer_of_words(words, 4);

	compact_world_until(w, SCRIPT_SWEEP);
	compact_world_answer(w, &more);
	compact_world_next(w);
	assert_int_equal(compact_world_waits(w), SCRIPT_SWEEP);
	assert_non_null(memmem(w->command.data, w->command.size, "$2\r\n77\r\n", 8));
	assert_int_equal(tally_get(&w->n.swept_streams), 3);
}

static void test_it_rests_three_times_as_long_as_redis_worked(void **state)
{
	struct compact_world *w = *state;

	compact_world_next(w);
	w->now += 7;
	compact_world_serve_on(w, &w->store);
	assert_int_equal(compactor_due(&w->c), w->now + 21);
	compact_world_next(w);
	w->now += 900;
	compact_world_serve_on(w, &w->store);
	assert_int_equal(compactor_due(&w->c), w->now + 200);
}

static void test_switched_off_it_does_nothing(void **state)
{
	struct compact_world *w = *state;

	w->c.o.every_ms = 0;
	assert_int_equal(compactor_due(&w->c), INT64_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, compact_world_setup, \
						   compact_world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_closed_day_becomes_one_cell_a_key),
		TEST(a_day_is_rolled_up_only_when_it_is_over),
		TEST(late_data_makes_the_day_anew),
		TEST(a_day_whose_hours_change_meanwhile_is_not_rolled_up),
		TEST(a_days_gauge_follows_its_hours),
		TEST(a_day_has_no_windows),
		TEST(days_far_below_the_floor_are_left_alone),
		TEST(nothing_is_asked_about_partitions_that_are_not_ours),
		TEST(it_sweeps_at_once_and_then_each_hour),
		TEST(a_sweep_goes_on_until_all_is_seen),
		TEST(it_rests_three_times_as_long_as_redis_worked),
		TEST(switched_off_it_does_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
