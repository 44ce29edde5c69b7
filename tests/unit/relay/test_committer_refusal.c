// SPDX-License-Identifier: Apache-2.0
#include "relay/committer.h"

#include "tests/unit/relay/world.h"

/* ---- refusals --------------------------------------------------------------------------------- */

static void test_lost_partial_throws_the_image_away_and_resets(void **state)
{
	struct world *w = *state;

	commit_first(w);
	merge_second(w);
	model_store_rollback(&w->store, 1);
	deliver(w);
	expect_recovery(w, COMMITTER_LOST, 0);
}

static void test_a_stream_moved_by_another_relay_is_a_conflict(void **state)
{
	struct world *w = *state;
	char moved[STATE_TEXT_SIZE];
	struct stream_state second;

	commit_first(w);
	merge_second(w);
	second = source_state(&w->a, 2);
	set_stored(w, &w->a, (const char *)state_format(&second, moved).ptr);
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_CONFLICT);
	settle(w);
	expect(w, RESET, &w->a, 2, "c");
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	settle(w);
	/* The second sample is the other relay's to store. */
	assert_true(stored(w, "x") == 2);
}

static void test_the_conflicting_stream_pauses_ever_longer_and_others_do_not(void **state)
{
	struct world *w = *state;
	struct stream_state nonce_b;
	int64_t pause = 50;

	commit_first(w);
	nonce_b = open_stream(w, &w->other, &w->b);
	(void)nonce_b;
	for (int round = 0; round < 4; round++) {
		uint64_t seq = source_count(&w->a, "x", SECOND);
		char moved[STATE_TEXT_SIZE];
		struct stream_state next = source_state(&w->a, seq);

		assert_int_equal(send_batch(w, &w->peer, &w->a, seq, NULL), 0);
		tick_after(w, 500);
		set_stored(w, &w->a, (const char *)state_format(&next, moved).ptr);
		deliver(w);
		tick_after(w, 0);
		deliver(w);
		expect(w, RESET, &w->b, 0, "n");
		tick_after(w, pause - 1);
		assert_int_equal(calls(w), 0);
		tick_after(w, 1);
		deliver(w);
		expect(w, RESET, &w->a, seq, "c");
		pause *= 2;
	}
}

static void test_floor_refusal_raises_the_floor_and_the_rest_recovers(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	w->store.floor_hour = HOUR - 10;
	source_count(&w->a, "x", SECOND - 20 * 3600);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_FLOOR);
	assert_int_equal(w->c.floor_hour, HOUR - 10);
	settle(w);
	expect(w, RESET, &w->a, 0, "n");
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	settle(w);
	assert_true(stored(w, "x") == 1);
	assert_int_equal(model_store_number(&w->store, META, "lost"), 1);
}

static void test_a_foreign_or_empty_redis_is_told_and_waited_for(void **state)
{
	struct world *w = *state;
	char cfg[24];

	commit_first(w);
	merge_second(w);
	memcpy(cfg, w->store.cfg, sizeof(cfg));
	w->store.cfg[0] = '\0';
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_CONFIG);
	assert_string_equal(w->foreign, "!");
	for (int i = 0; i < 5; i++) {
		tick_after(w, 1000);
		assert_int_equal(next_script(w), SCRIPT_OPEN);
		deliver(w);
	}
	memcpy(w->store.cfg, cfg, sizeof(cfg));
	settle(w);
	expect(w, RESET, &w->a, 1, "c");
}

static void test_after_a_refusal_new_partials_have_new_names(void **state)
{
	struct world *w = *state;
	uint64_t before;

	commit_first(w);
	before = w->c.image.hours[0]->pid;
	merge_second(w);
	model_store_rollback(&w->store, 1);
	deliver(w);
	expect_recovery(w, COMMITTER_LOST, 0);
	assert_int_not_equal(w->c.image.hours[0]->pid, before);
}

static void test_stale_batches_after_a_reset_are_ignored_until_one_fits(void **state)
{
	struct world *w = *state;

	commit_first(w);
	for (int i = 0; i < 3; i++)
		source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	tick_after(w, 500);
	model_store_rollback(&w->store, 1);
	deliver(w);
	/* Sent before the agent could know, read before the states are. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	settle(w);
	expect(w, RESET, &w->a, 0, "n");
	/* Sent before the agent saw RESET. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 4, NULL), 0);
	assert_int_equal(tally_get(&w->n.batches_stale), 2);
	struct stream_state nonce = told(w);

	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	/* It may have been sent on an earlier RESET's state: a gap has the state told once more. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 4, NULL), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(tally_get(&w->n.batches_stale), 4);
	settle(w);
	expect(w, RESET, &w->a, 0, "n"); /* the first is merged, and not yet committed */
	expect(w, COMMITTED, &w->a, 1, "c");
	for (uint64_t seq = 2; seq <= 4; seq++)
		assert_int_equal(send_batch(w, &w->peer, &w->a, seq, NULL), 0);
	settle(w);
	assert_true(stored(w, "x") == 4);
}

static void test_a_session_that_was_not_reset_has_no_excuse_for_a_gap(void **state)
{
	struct world *w = *state;

	commit_first(w);
	for (int i = 0; i < 2; i++)
		source_count(&w->a, "x", SECOND);
	committer_store_up(&w->c, w->now);
	settle(w);
	expect(w, RESET, &w->a, 1, "c");
	/* Another session of the agent begins anew. */
	ask_open(w, &w->other, &w->a);
	settle(w);
	assert_int_equal(send_batch(w, &w->other, &w->a, 3, NULL), ERR_BAD_CHAIN);
}

static void test_the_answer_of_a_commit_thrown_away_means_nothing(void **state)
{
	struct world *w = *state;

	commit_first(w);
	merge_second(w);
	committer_discard(&w->c, COMMITTER_MERGE, -ENOMEM, w->now);
	settle(w);
	/* The commit was in by then: the read says so, and nothing counts twice. */
	expect(w, RESET, &w->a, 2, "c");
	expect_nothing(w);
	assert_true(stored(w, "x") == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(lost_partial_throws_the_image_away_and_resets),
		T(a_stream_moved_by_another_relay_is_a_conflict),
		T(the_conflicting_stream_pauses_ever_longer_and_others_do_not),
		T(floor_refusal_raises_the_floor_and_the_rest_recovers),
		T(a_foreign_or_empty_redis_is_told_and_waited_for),
		T(after_a_refusal_new_partials_have_new_names),
		T(stale_batches_after_a_reset_are_ignored_until_one_fits),
		T(a_session_that_was_not_reset_has_no_excuse_for_a_gap),
		T(the_answer_of_a_commit_thrown_away_means_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
