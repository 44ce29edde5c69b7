// SPDX-License-Identifier: Apache-2.0
#include "relay/compactor.h"

#include "tests/unit/relay/compact_world.h"

#define MANY 300

/* ---- hours -------------------------------------------------------------------------------------- */

static void test_a_closed_hour_becomes_one_partial_with_the_same_cells(void **state)
{
	struct compact_world *w = *state;
	char key[RKEY_SIZE];

	compact_world_fill(w, HOUR, 3);
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
	assert_true(compact_world_total(w, "all") == 3);
	assert_true(compact_world_total(w, "own2") == 1);
	assert_int_equal(compact_world_size(w, rkey_cells(TAG, HOUR, 2, key)), 0);
	assert_int_equal(tally_get(&w->n.compact_hours), 1);
	assert_int_equal(tally_get(&w->n.compact_partials), 3);
	/* And that is the end of it. */
	compact_world_pass(w);
	assert_int_equal(tally_get(&w->n.compact_hours), 1);
}

static void test_cells_of_every_kind_merge_as_cells_do(void **state)
{
	struct compact_world *w = *state;

	for (size_t k = 0; k < CELL_CASE_KINDS; k++) {
		enum kind kind = cell_case_kinds[k];

		for (uint64_t pid = 1; pid <= 3; pid++)
			compact_world_cell(w, HOUR, pid, "x",
					   cell_case_history(kind, 10 * pid, 10 * pid + 10));
	}
	for (uint64_t pid = 1; pid <= 3; pid++)
		compact_world_list(w, HOUR, pid, "1111111111111111");
	compact_world_until(w, SCRIPT_SWAP);
	compact_world_serve_on(w, &w->store);
	for (size_t k = 0; k < CELL_CASE_KINDS; k++) {
		const struct model_entry *pids[MODEL_FIELDS];
		struct cell *whole = cell_case_history(cell_case_kinds[k], 10, 40), *got;
		uint8_t storage[RKEY_FIELD_SIZE];
		char key[RKEY_SIZE];
		uint64_t pid;

		assert_int_equal(model_store_fields(&w->store,
						    slice_text(rkey_manifest(TAG, HOUR, key)), pids), 1);
		snprintf(key, sizeof(key), "%.*s", 16, (const char *)pids[0]->field.ptr);
		pid = strtoull(key, NULL, 16);
		assert_int_equal(cell_decode(model_store_get(&w->store, rkey_cells(TAG, HOUR, pid, key),
							     rkey_field(cell_case_kinds[k],
									slice_text("x"), storage)),
					     &got), 0);
		assert_same_cell(got, whole);
		cell_free(got);
		cell_free(whole);
	}
}

static void test_a_large_partial_is_walked_in_pieces(void **state)
{
	struct compact_world *w = *state;
	size_t pieces = 0;

	for (uint64_t i = 0; i < MANY; i++) {
		char series[32];

		snprintf(series, sizeof(series), "s%" PRIu64, i);
		compact_world_count(w, HOUR, 1 + i % 2, series, 1);
		compact_world_count(w, HOUR, 3, series, 2);
	}
	compact_world_until(w, SCRIPT_STAGE);
	while (compact_world_waits(w) != SCRIPT_SWAP) {
		pieces += compact_world_waits(w) == SCRIPT_STAGE;
		compact_world_serve_on(w, &w->store);
		compact_world_next(w);
	}
	assert_true(pieces >= 2);
	compact_world_serve_on(w, &w->store);
	assert_int_equal(w->last.result, COMPACT_DONE);
	assert_int_equal(w->last.fields, MANY);
	assert_true(compact_world_total(w, "s7") == 3);
}

static void test_an_open_hour_is_left_alone_until_it_has_many_partials(void **state)
{
	struct compact_world *w = *state;

	w->unix_offset = (HOUR * HOUR_SECONDS + 60) * 1000;
	compact_world_fill(w, HOUR, 7);
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 7);
	compact_world_count(w, HOUR, 8, "all", 1);
	compact_world_pass(w); /* sees what there is */
	assert_int_equal(compact_world_partials(w, HOUR), 8);
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
	assert_true(compact_world_total(w, "all") == 8);
}

static void test_an_open_hour_does_not_keep_closed_ones_waiting(void **state)
{
	struct compact_world *w = *state;
	int64_t began;

	w->unix_offset = (HOUR * HOUR_SECONDS + 60) * 1000;
	compact_world_fill(w, HOUR, 9);
	compact_world_fill(w, HOUR - 5, 2);
	began = w->now;
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR - 5), 1);
	assert_int_equal(compact_world_partials(w, HOUR), 9);
	assert_true(w->now - began < COMPACT_QUIET_MS);
}

static void test_an_open_hour_is_not_compared_before_it_was_quiet_for_long(void **state)
{
	struct compact_world *w = *state;

	compactor_release(&w->c);
	w->options.every_ms = 1000;
	compactor_init(&w->c, &w->options);
	w->unix_offset = (HOUR * HOUR_SECONDS + 60) * 1000;
	compact_world_fill(w, HOUR, 9);
	for (int pass = 0; pass < COMPACT_QUIET_MS / 1000; pass++) {
		compact_world_pass(w);
		assert_int_equal(compact_world_partials(w, HOUR), 9);
	}
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
}

static void test_a_look_at_an_hour_that_was_closed_meanwhile_is_forgotten(void **state)
{
	struct compact_world *w = *state;

	w->unix_offset = (HOUR * HOUR_SECONDS + 60) * 1000;
	compact_world_fill(w, HOUR, 9);
	compact_world_pass(w);
	assert_non_null(compact_watches_find(&w->c.watches, 0, HOUR));
	w->ours = false;
	compact_world_pass(w);
	compact_world_pass(w);
	assert_null(compact_watches_find(&w->c.watches, 0, HOUR));
}

static void test_an_hour_is_closed_some_time_after_its_end(void **state)
{
	struct compact_world *w = *state;

	compact_world_fill(w, HOUR, 2);
	w->unix_offset = ((HOUR + 1) * HOUR_SECONDS + 899) * 1000;
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 2);
	w->unix_offset += 1000;
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
}

static void test_partials_of_an_open_hour_that_still_change_are_left_out(void **state)
{
	struct compact_world *w = *state;
	char key[RKEY_SIZE];

	w->unix_offset = (HOUR * HOUR_SECONDS + 60) * 1000;
	compact_world_fill(w, HOUR, 9);
	compact_world_pass(w);
	compact_world_count(w, HOUR, 3, "all", 5);
	compact_world_list(w, HOUR, 3, "2222222222222222");
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 2);
	assert_int_equal(compact_world_size(w, rkey_cells(TAG, HOUR, 3, key)), 2);
	assert_true(compact_world_total(w, "all") == 13);
}

static void test_a_partial_that_we_hold_ourselves_is_left_out(void **state)
{
	struct compact_world *w = *state;
	char key[RKEY_SIZE];

	w->held = 2;
	compact_world_fill(w, HOUR, 3);
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 2);
	assert_int_equal(compact_world_size(w, rkey_cells(TAG, HOUR, 2, key)), 2);
}

static void test_more_partials_than_one_job_takes(void **state)
{
	struct compact_world *w = *state;

	for (uint64_t pid = 1; pid <= COMPACT_SOURCES + 20; pid++)
		compact_world_count(w, HOUR, pid, "all", 1);
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
	assert_true(compact_world_total(w, "all") == COMPACT_SOURCES + 20);
	assert_int_equal(tally_get(&w->n.compact_hours), 2);
}

/* ---- what may come in between -------------------------------------------------------------------- */

static void check_refused(struct compact_world *w, size_t partials, double all)
{
	assert_int_equal(w->last.result, COMPACT_REFUSED);
	assert_int_equal(compact_world_partials(w, HOUR), partials);
	assert_true(compact_world_total(w, "all") == all);
	compact_world_pass(w);
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
	assert_true(compact_world_total(w, "all") == all);
}

static void test_a_source_that_changes_before_it_is_read_ends_the_job(void **state)
{
	struct compact_world *w = *state;

	compact_world_fill(w, HOUR, 3);
	compact_world_until(w, SCRIPT_GATHER);
	compact_world_count(w, HOUR, 2, "all", 4);
	compact_world_list(w, HOUR, 2, "2222222222222222");
	compact_world_serve_on(w, &w->store);
	check_refused(w, 3, 6);
}

static void test_a_source_that_changes_after_it_was_read_is_not_swapped(void **state)
{
	struct compact_world *w = *state;

	compact_world_fill(w, HOUR, 3);
	compact_world_until(w, SCRIPT_SWAP);
	compact_world_count(w, HOUR, 2, "all", 4);
	compact_world_list(w, HOUR, 2, "2222222222222222");
	compact_world_serve_on(w, &w->store);
	check_refused(w, 3, 6);
}

/* Loses a piece in the middle of what was written, as a failover may. */
static void lose_a_piece(struct compact_world *w)
{
	for (uint64_t i = 0; i < MANY; i++) {
		char series[32];

		snprintf(series, sizeof(series), "s%" PRIu64, i);
		compact_world_count(w, HOUR, 1, series, 1);
		compact_world_count(w, HOUR, 2, series, 2);
	}
	compact_world_fill(w, HOUR, 2);
	compact_world_until(w, SCRIPT_STAGE);
	compact_world_serve_on(w, &w->store);
	compact_world_until(w, SCRIPT_STAGE);
	compact_world_serve_on(w, &w->store);
	model_store_rollback(&w->store, 1);
	compact_world_until(w, SCRIPT_SWAP);
	compact_world_serve_on(w, &w->store);
}

static void test_a_result_that_lost_a_piece_is_not_swapped(void **state)
{
	struct compact_world *w = *state;

	lose_a_piece(w);
	check_refused(w, 2, 2);
	assert_true(compact_world_total(w, "s7") == 3);
}

static void test_without_the_look_at_its_size_a_torn_result_would_be_swapped(void **state)
{
	struct compact_world *w = *state;

	w->store.flaws = MODEL_NO_SIZE;
	lose_a_piece(w);
	assert_int_equal(w->last.result, COMPACT_DONE);
}

static void test_of_two_compactors_at_once_one_is_refused(void **state)
{
	struct compact_world *w = *state, *other = compact_world_new(2);

	compact_world_fill(w, HOUR, 3);
	compact_world_until(w, SCRIPT_SWAP);
	while (compact_world_waits(other) != SCRIPT_SWAP) {
		if (other->has)
			compact_world_serve_on(other, &w->store);
		compact_world_next(other);
	}
	compact_world_serve_on(w, &w->store);
	compact_world_serve_on(other, &w->store);
	assert_int_equal(w->last.result, COMPACT_DONE);
	assert_int_equal(other->last.result, COMPACT_REFUSED);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
	assert_true(compact_world_total(w, "all") == 3);
	compact_world_free(other);
}

static void test_a_new_connection_begins_a_new_job_under_a_new_name(void **state)
{
	struct compact_world *w = *state;
	struct answer late;
	uint64_t serial, temporary;

	compact_world_fill(w, HOUR, 3);
	compact_world_until(w, SCRIPT_STAGE);
	serial = w->serial;
	temporary = w->c.job.target.random[0];
	w->has = false;
	compactor_restart(&w->c, w->now);
	late = answer_of_words(&(struct slice){ (const uint8_t *)"OK", 2 }, 1);
	compactor_answer(&w->c, serial, &late, w->now);
	assert_int_equal(w->c.state, COMPACTOR_IDLE);
	compact_world_next(w);
	compactor_answer(&w->c, serial, &late, w->now);
	assert_true(w->c.waiting && compact_world_waits(w) == SCRIPT_SURVEY);
	compact_world_until(w, SCRIPT_SWAP);
	assert_true(w->c.job.target.random[0] != temporary);
	compact_world_serve_on(w, &w->store);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
	assert_true(compact_world_total(w, "all") == 3);
}

static void test_a_swap_without_an_answer_was_done_or_not(void **state)
{
	struct compact_world *w = *state;
	struct answer unknown = answer_unknown();
	struct model_reply reply;

	compact_world_fill(w, HOUR, 3);
	compact_world_until(w, SCRIPT_SWAP);
	compact_world_answer(w, &unknown); /* not run */
	assert_int_equal(w->last.result, COMPACT_DOUBT);
	assert_int_equal(w->c.state, COMPACTOR_IDLE);
	assert_true(compactor_due(&w->c) > w->now);
	compact_world_until(w, SCRIPT_SWAP);
	model_store_run(&w->store, buf_view(&w->command), &reply); /* run, unheard */
	model_reply_release(&reply);
	compact_world_answer(w, &unknown);
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
	assert_true(compact_world_total(w, "all") == 3);
}

static void test_a_swap_that_is_forgotten_is_done_again(void **state)
{
	struct compact_world *w = *state;

	compact_world_fill(w, HOUR, 3);
	compact_world_until(w, SCRIPT_SWAP);
	compact_world_serve_on(w, &w->store);
	model_store_rollback(&w->store, 1);
	assert_int_equal(compact_world_partials(w, HOUR), 3);
	compact_world_pass(w);
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
	assert_true(compact_world_total(w, "all") == 3);
}

static void test_a_cell_that_cannot_be_read_stays_where_it_is(void **state)
{
	struct compact_world *w = *state;
	char key[RKEY_SIZE];

	compact_world_fill(w, HOUR, 2);
	compact_world_fill(w, HOUR + 1, 2);
	model_store_set(&w->store, rkey_cells(TAG, HOUR, 1, key), slice_text("call"),
			slice_text("not a cell"));
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 2);
	assert_int_equal(compact_world_partials(w, HOUR + 1), 1);
	assert_int_equal(tally_get(&w->n.compact_broken), 1);
}

static void test_other_fleets_and_errors_end_the_pass(void **state)
{
	static const struct slice words[] = { { (const uint8_t *)"CONFIG", 6 },
					      { (const uint8_t *)"5", 1 } };
	struct compact_world *w = *state;
	struct answer foreign = answer_of_words(words, 2);
	struct answer full = answer_of_error(slice_text("OOM command not allowed"));

	compact_world_fill(w, HOUR, 2);
	compact_world_until(w, SCRIPT_STAGE);
	compact_world_answer(w, &full);
	assert_int_equal(w->c.state, COMPACTOR_IDLE);
	compact_world_until(w, SCRIPT_SURVEY);
	compact_world_answer(w, &foreign);
	assert_int_equal(w->c.state, COMPACTOR_IDLE);
	w->connected = false;
	compact_world_next(w);
	assert_int_equal(w->c.state, COMPACTOR_IDLE);
	w->connected = true;
	compact_world_pass(w);
	assert_int_equal(compact_world_partials(w, HOUR), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, compact_world_setup, \
						   compact_world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_closed_hour_becomes_one_partial_with_the_same_cells),
		TEST(cells_of_every_kind_merge_as_cells_do),
		TEST(a_large_partial_is_walked_in_pieces),
		TEST(an_open_hour_is_left_alone_until_it_has_many_partials),
		TEST(an_hour_is_closed_some_time_after_its_end),
		TEST(an_open_hour_does_not_keep_closed_ones_waiting),
		TEST(an_open_hour_is_not_compared_before_it_was_quiet_for_long),
		TEST(a_look_at_an_hour_that_was_closed_meanwhile_is_forgotten),
		TEST(partials_of_an_open_hour_that_still_change_are_left_out),
		TEST(a_partial_that_we_hold_ourselves_is_left_out),
		TEST(more_partials_than_one_job_takes),
		TEST(a_source_that_changes_before_it_is_read_ends_the_job),
		TEST(a_source_that_changes_after_it_was_read_is_not_swapped),
		TEST(a_result_that_lost_a_piece_is_not_swapped),
		TEST(without_the_look_at_its_size_a_torn_result_would_be_swapped),
		TEST(of_two_compactors_at_once_one_is_refused),
		TEST(a_new_connection_begins_a_new_job_under_a_new_name),
		TEST(a_swap_without_an_answer_was_done_or_not),
		TEST(a_swap_that_is_forgotten_is_done_again),
		TEST(a_cell_that_cannot_be_read_stays_where_it_is),
		TEST(other_fleets_and_errors_end_the_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
