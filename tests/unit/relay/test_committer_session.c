// SPDX-License-Identifier: Apache-2.0
#include "relay/committer.h"

#include "tests/unit/relay/world.h"

/* ---- sessions that come and go ----------------------------------------------------------------- */

static void test_the_newest_session_takes_a_stream_over(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	ask_open(w, &w->other, &w->a);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), ERR_PROTOCOL);
	deliver(w);
	assert_ptr_equal(w->heard[w->heard_count - 1].peer, &w->other);
	expect(w, OPENED, &w->a, 1, "c");
	assert_int_equal(send_batch(w, &w->other, &w->a, 2, NULL), 0);
	committer_peer_gone(&w->peer);
	settle(w);
	assert_ptr_equal(w->heard[w->heard_count - 1].peer, &w->other);
	expect(w, COMMITTED, &w->a, 2, "c");
}

static void test_an_old_sessions_late_open_does_not_take_a_stream_back(void **state)
{
	struct world *w = *state;

	open_stream(w, &w->other, &w->a);
	assert_int_equal(committer_open(&w->c, &w->peer, &w->a.id, 0), ERR_PROTOCOL);
	source_count(&w->a, "x", SECOND);
	struct stream_state nonce = told(w);

	assert_int_equal(send_batch(w, &w->other, &w->a, 1, &nonce), 0);
}

static void test_merged_batches_are_committed_after_their_session_has_gone(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	committer_peer_gone(&w->peer);
	assert_int_equal(tally_get(&w->n.streams), 1);
	settle(w);
	assert_true(stored(w, "x") == 2);
	expect_nothing(w);
	assert_int_equal(tally_get(&w->n.streams), 0);
}

static void test_a_stream_opened_again_keeps_what_is_merged(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	committer_peer_gone(&w->peer);
	committer_peer_init(&w->peer, 3);
	ask_open(w, &w->peer, &w->a);
	deliver(w);
	expect(w, OPENED, &w->a, 1, "c");
	/* The agent sends again from what it was told; the image holds the second already. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 3, "c");
	assert_true(stored(w, "x") == 3);
}

static void test_opened_again_while_its_commit_is_under_way(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	tick_after(w, 500);
	ask_open(w, &w->other, &w->a);
	assert_int_equal(calls(w), 2);
	deliver(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	deliver(w);
	expect(w, OPENED, &w->a, 2, "c");
	assert_int_equal(send_batch(w, &w->other, &w->a, 3, NULL), 0);
	settle(w);
	assert_true(stored(w, "x") == 3);
}

static void test_a_stream_opened_again_that_moved_elsewhere_is_a_conflict(void **state)
{
	struct world *w = *state;
	struct stream_state second;
	char moved[STATE_TEXT_SIZE];

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	second = source_state(&w->a, 2);
	set_stored(w, &w->a, (const char *)state_format(&second, moved).ptr);
	ask_open(w, &w->peer, &w->a);
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_CONFLICT);
	settle(w);
	assert_true(stored(w, "x") == 1);
}

/* The agent was told `absent` by a CONFIRM while a RESET was on its way: it opens again, and what
 * it sent on the RESET's state comes after the second answer was given and before it was heard. */
static void test_what_was_sent_before_a_stream_was_opened_again_is_stale_not_wrong(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	for (int i = 0; i < 3; i++)
		source_count(&w->a, "x", SECOND);
	ask_open(w, &w->peer, &w->a);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	deliver(w);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	expect(w, OPENED, &w->a, 0, "n");
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), ERR_BAD_CHAIN);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	settle(w);
	assert_true(stored(w, "x") == 2);
}

/* The agent's machine lost power, and with it a batch that is merged here and not yet stored. */
static void test_an_agent_that_lost_what_is_merged_is_told_of_it(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	for (int i = 0; i < 2; i++)
		source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_peer_gone(&w->peer);
	ask_open(w, &w->other, &w->a);
	deliver(w);
	expect(w, OPENED, &w->a, 0, "n");
	assert_int_equal(send_batch(w, &w->other, &w->a, 2, &nonce), 0);
	settle(w);
	assert_true(stored(w, "x") == 1);
	assert_int_equal(send_batch(w, &w->other, &w->a, 2, NULL), 0);
	settle(w);
	assert_true(stored(w, "x") == 2);
}

/* The same while its commit is under way, and that arrives only after the agent has gone on. */
static void test_an_agent_that_lost_what_is_in_flight_is_told_of_it(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	struct stream_state first, second;

	for (int i = 0; i < 4; i++)
		source_count(&w->a, "x", SECOND);
	first = source_state(&w->a, 1);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	tick_after(w, 500);
	fail_call(w, NULL);
	committer_peer_gone(&w->peer);
	ask_open(w, &w->other, &w->a);
	deliver(w);
	expect(w, OPENED, &w->a, 0, "n");
	/* 2 and 3 went with the machine. */
	assert_int_equal(send_batch(w, &w->other, &w->a, 1, &nonce), 0);
	assert_int_equal(send_batch(w, &w->other, &w->a, 4, &first), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	expect(w, RESET, &w->a, 2, "c");
	second = told(w);
	assert_int_equal(send_batch(w, &w->other, &w->a, 4, &second), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 4, "c");
	assert_true(stored(w, "x") == 3);
}

static void test_a_session_gone_while_its_open_is_asked_hears_nothing(void **state)
{
	struct world *w = *state;

	ask_open(w, &w->peer, &w->a);
	committer_peer_gone(&w->peer);
	deliver(w);
	expect_nothing(w);
	assert_int_equal(tally_get(&w->n.streams), 0);
}

/* ---- CONFIRM and CLOSE -------------------------------------------------------------------------- */

static void ask_confirm(struct world *w, struct committer_peer *peer, const struct source *s,
			uint64_t token)
{
	committer_confirm(&w->c, peer, token, &(struct frame_stream){ .id = s->id }, 1);
}

static void test_confirm_tells_what_is_stored(void **state)
{
	struct world *w = *state;

	commit_first(w);
	ask_confirm(w, &w->peer, &w->a, 77);
	deliver(w);
	assert_int_equal(w->heard[w->read].token, 77);
	expect(w, CONFIRMED, &w->a, 1, "c");
	ask_confirm(w, &w->peer, &w->b, 78);
	deliver(w);
	assert_false(w->heard[w->read].stream.state.known);
}

static void test_confirm_behind_our_mark_is_a_refusal(void **state)
{
	struct world *w = *state;

	commit_first(w);
	model_store_rollback(&w->store, 1);
	ask_confirm(w, &w->peer, &w->a, 1);
	deliver(w);
	expect(w, CONFIRMED, &w->a, 0, "n");
	expect_recovery(w, COMMITTER_ROLLBACK, 0);
}

static void test_confirm_asked_before_the_commit_was_in_is_no_refusal(void **state)
{
	struct world *w = *state;
	struct model_reply reply;
	struct answer early;
	struct queued question;

	commit_first(w);
	ask_confirm(w, &w->peer, &w->a, 1);
	question = w->calls[w->first];
	model_store_run(&w->store, slice_of(question.resp, question.size), &reply);
	early = answer_of_words(reply.words, reply.count);
	w->first++;
	merge_second(w);
	deliver(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	w->reason = COMMITTER_MERGE;
	committer_answer(&w->c, question.call, &early, w->now);
	free(question.resp);
	model_reply_release(&reply);
	expect(w, CONFIRMED, &w->a, 1, "c");
	assert_int_equal(w->reason, COMMITTER_MERGE);
}

static void test_confirm_of_a_stream_that_went_on_elsewhere_is_no_refusal(void **state)
{
	struct world *w = *state;

	commit_first(w);
	set_stored(w, &w->a, "5:c00000000000000ff");
	w->reason = COMMITTER_MERGE;
	ask_confirm(w, &w->peer, &w->a, 1);
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_MERGE);
	/* But the stream is followed there: its agent may send from what it was told. */
	expect(w, CONFIRMED, &w->a, 5, "c");
	settle(w);
	expect(w, RESET, &w->a, 5, "c");
	expect_nothing(w);
}

static void test_an_open_that_shows_redis_went_back_is_a_refusal(void **state)
{
	struct world *w = *state;

	commit_first(w);
	model_store_rollback(&w->store, 1);
	ask_open(w, &w->peer, &w->a);
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_ROLLBACK);
	settle(w);
	expect(w, OPENED, &w->a, 0, "n");
}

static void test_a_confirm_without_an_answer_is_forgotten(void **state)
{
	struct world *w = *state;

	commit_first(w);
	ask_confirm(w, &w->peer, &w->a, 1);
	assert_int_equal(w->peer.call_count, 1);
	fail_call(w, NULL);
	assert_int_equal(w->peer.call_count, 0);
	ask_confirm(w, &w->peer, &w->a, 2);
	committer_peer_gone(&w->peer);
	deliver(w);
	w->down = true;
	ask_confirm(w, &w->other, &w->a, 3);
	assert_int_equal(w->other.call_count, 0);
	expect_nothing(w);
}

/* A failover ends the connection, and what it forgot may have been committed again by another
 * relay: as young as that, it must not pass for what has lasted the grace window. */
static void test_a_new_connection_looks_all_streams_up_again(void **state)
{
	struct world *w = *state;

	commit_first(w);
	committer_store_up(&w->c, w->now);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	settle(w);
	expect(w, RESET, &w->a, 1, "c");
	expect_nothing(w);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	assert_true(stored(w, "x") == 2);
}

static void test_a_new_connection_keeps_what_is_merged(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	w->reason = COMMITTER_MERGE;
	committer_store_up(&w->c, w->now);
	settle(w);
	assert_int_equal(w->reason, COMMITTER_MERGE);
	assert_true(stored(w, "x") == 2);
}

static void test_confirmed_does_not_overtake_a_reset(void **state)
{
	struct world *w = *state;

	commit_first(w);
	ask_confirm(w, &w->peer, &w->a, 1);
	committer_discard(&w->c, COMMITTER_LOST, 0, w->now);
	deliver(w);
	expect_nothing(w);
	settle(w);
	expect(w, RESET, &w->a, 1, "c");
	ask_confirm(w, &w->peer, &w->a, 2);
	deliver(w);
	expect(w, CONFIRMED, &w->a, 1, "c");
}

static void test_close_forgets_a_stream_that_is_done(void **state)
{
	struct world *w = *state;
	struct frame_stream done = { .id = w->a.id };

	commit_first(w);
	done.state = told(w);
	committer_close(&w->c, &w->peer, &done, 1);
	assert_int_equal(tally_get(&w->n.streams), 1);
	deliver(w);
	assert_int_equal(tally_get(&w->n.streams), 0);
	assert_string_equal(stored_state(w, &w->a), "");
}

static void test_close_leaves_what_is_not_committed(void **state)
{
	struct world *w = *state;
	struct frame_stream done = { .id = w->a.id };

	commit_first(w);
	done.state = told(w);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	tick_after(w, 500);
	committer_close(&w->c, &w->peer, &done, 1);
	settle(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	assert_true(stored(w, "x") == 2);
}

/* ---- leaving, and memory ------------------------------------------------------------------------- */

static void test_drain_commits_what_is_merged_and_takes_no_more(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	committer_drain(&w->c);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	assert_false(committer_idle(&w->c));
	tick_after(w, 0);
	deliver(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	assert_true(committer_idle(&w->c));
	assert_true(stored(w, "x") == 2);
}

static void test_evicted_hours_are_born_again_under_new_names(void **state)
{
	struct world *w = *state;

	commit_first(w);
	committer_evict(&w->c, w->now, SIZE_MAX);
	assert_int_equal(image_cells(&w->c.image), 1);
	w->now += 2 * 3600 * 1000;
	committer_evict(&w->c, w->now, SIZE_MAX);
	assert_int_equal(image_cells(&w->c.image), 0);
	assert_int_equal(tally_get(&w->n.image_bytes), 0);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	assert_true(stored(w, "x") == 2);
}

static void test_dirty_hours_are_never_evicted(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	w->now += 2 * 3600 * 1000;
	committer_evict(&w->c, w->now, 0);
	assert_int_equal(image_cells(&w->c.image), 1);
	settle(w);
	assert_true(stored(w, "x") == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_newest_session_takes_a_stream_over),
		T(an_old_sessions_late_open_does_not_take_a_stream_back),
		T(merged_batches_are_committed_after_their_session_has_gone),
		T(a_stream_opened_again_keeps_what_is_merged),
		T(opened_again_while_its_commit_is_under_way),
		T(a_stream_opened_again_that_moved_elsewhere_is_a_conflict),
		T(what_was_sent_before_a_stream_was_opened_again_is_stale_not_wrong),
		T(an_agent_that_lost_what_is_merged_is_told_of_it),
		T(an_agent_that_lost_what_is_in_flight_is_told_of_it),
		T(a_session_gone_while_its_open_is_asked_hears_nothing),
		T(confirm_tells_what_is_stored),
		T(confirm_behind_our_mark_is_a_refusal),
		T(confirm_asked_before_the_commit_was_in_is_no_refusal),
		T(confirm_of_a_stream_that_went_on_elsewhere_is_no_refusal),
		T(an_open_that_shows_redis_went_back_is_a_refusal),
		T(a_confirm_without_an_answer_is_forgotten),
		T(a_new_connection_looks_all_streams_up_again),
		T(a_new_connection_keeps_what_is_merged),
		T(confirmed_does_not_overtake_a_reset),
		T(close_forgets_a_stream_that_is_done),
		T(close_leaves_what_is_not_committed),
		T(drain_commits_what_is_merged_and_takes_no_more),
		T(evicted_hours_are_born_again_under_new_names),
		T(dirty_hours_are_never_evicted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
