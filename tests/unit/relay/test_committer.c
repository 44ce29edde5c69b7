// SPDX-License-Identifier: Apache-2.0
#include "relay/committer.h"

#include "tests/unit/relay/world.h"

/* ---- opening and merging ------------------------------------------------------------------- */

static void test_an_unknown_stream_is_answered_with_a_nonce(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	assert_true(nonce.known && nonce.nonce);
	assert_int_equal(nonce.seq, 0);
}

static void test_opens_are_coalesced_into_one_call(void **state)
{
	struct world *w = *state;

	assert_int_equal(committer_open(&w->c, &w->peer, &w->a.id, 0), 0);
	assert_int_equal(committer_open(&w->c, &w->other, &w->b.id, 0), 0);
	committer_tick(&w->c, w->now);
	assert_int_equal(calls(w), 1);
	deliver(w);
	assert_int_equal(w->heard_count, 2);
	assert_ptr_not_equal(w->heard[0].peer, w->heard[1].peer);
}

static void test_the_first_batch_commits_at_once_and_the_next_after_commit_ms(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(committer_due(&w->c), NOW + 500);
	tick_after(w, 499);
	assert_int_equal(calls(w), 0);
	tick_after(w, 1);
	assert_int_equal(next_script(w), SCRIPT_COMMIT);
	deliver(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	assert_true(stored(w, "x") == 2);
	assert_true(committer_idle(&w->c));
	assert_int_equal(committer_due(&w->c), INT64_MAX);
}

static void test_nothing_is_acknowledged_before_redis_said_ok(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	tick_after(w, 60000);
	expect_nothing(w);
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
}

static void test_a_batch_without_the_nonce_is_out_of_chain(void **state)
{
	struct world *w = *state;

	open_stream(w, &w->peer, &w->a);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, NULL), ERR_BAD_CHAIN);
	tick_after(w, 1000);
	assert_int_equal(calls(w), 0);
}

static void test_a_duplicate_is_ignored_and_a_gap_refused(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, NULL), 0);
	assert_int_equal(tally_get(&w->n.batches_duplicate), 1);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), ERR_BAD_CHAIN);
	settle(w);
	assert_true(stored(w, "x") == 1);
}

static void test_a_changed_batch_breaks_the_chain_of_the_next(void **state)
{
	struct world *w = *state;
	struct source forged;

	commit_first(w);
	source_init(&forged, 'a', 1, 0);
	source_count(&forged, "x", SECOND + 1);
	source_count(&forged, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &forged, 2, NULL), ERR_BAD_CHAIN);
	source_release(&forged);
}

static void test_a_declared_gap_is_taken_and_its_loss_counted(void **state)
{
	struct world *w = *state;
	struct stream_state last;
	struct frame_batch f;

	commit_first(w);
	last = told(w);
	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	f = source_frame(&w->a, 3, &last);
	f.lost = 7;
	assert_int_equal(send_frame(w, &w->peer, &f), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 3, "c");
	assert_true(stored(w, "x") == 2);
	assert_int_equal(model_store_number(&w->store, META, "lost"), 7);
}

static void test_a_stream_of_another_session_is_a_protocol_error(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->other, &w->a, 1, &nonce), ERR_PROTOCOL);
	assert_int_equal(send_batch(w, &w->other, &w->a, 1, &nonce), ERR_PROTOCOL);
}

static void test_a_malformed_batch_is_refused_whole(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	struct frame_batch f;

	source_count(&w->a, "x", SECOND);
	w->a.bytes[1][w->a.size[1] - 1] ^= 0xff;
	f = source_frame(&w->a, 1, &nonce);
	assert_true(send_frame(w, &w->peer, &f) < 0);
	settle(w);
	assert_true(committer_idle(&w->c));
	assert_int_equal(image_cells(&w->c.image), 0);
}

static void test_hours_out_of_reach_are_rejected_and_counted_as_lost(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	struct source_group groups[] = {
		{ "x", (HOUR - 840) * 3600 + 3599 }, { "x", (HOUR - 839) * 3600 },
		{ "x", SECOND + 300 },		     { "x", SECOND + 301 },
	};

	source_seal(&w->a, groups, 4);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 1, "c");
	assert_true(stored(w, "x") == 2);
	assert_int_equal(model_store_number(&w->store, META, "lost"), 2);
	assert_int_equal(tally_get(&w->n.samples_too_old), 1);
	assert_int_equal(tally_get(&w->n.samples_too_new), 1);
}

static void test_a_batch_of_rejected_hours_alone_still_moves_its_stream(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", 3600);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	deliver_unheard(w);
	settle(w);
	expect(w, COMMITTED, &w->a, 1, "c");
	assert_int_equal(model_store_number(&w->store, META, "lost"), 1);
}

/* ---- unknown outcomes and pauses -------------------------------------------------------------- */

static void test_an_unknown_outcome_is_met_with_the_identical_bytes(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	uint8_t *first;
	size_t size;

	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	size = w->calls[w->first].size;
	first = malloc(size);
	memcpy(first, w->calls[w->first].resp, size);
	/* What is merged meanwhile belongs to the next commit. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	deliver_unheard(w);
	tick_after(w, 50);
	assert_int_equal(calls(w), 1);
	assert_int_equal(w->calls[w->first].size, size);
	assert_memory_equal(w->calls[w->first].resp, first, size);
	free(first);
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
	settle(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	assert_true(stored(w, "x") == 2);
	assert_int_equal(tally_get(&w->n.commit_retries), 1);
}

static void test_commits_turned_away_are_sent_again_ever_more_slowly(void **state)
{
	static const char *const errors[] = {
		"NOSCRIPT No matching script.", "OOM command not allowed", "READONLY You can't",
		"NOREPLICAS Not enough",	"LOADING Redis is",	   "MASTERDOWN Link",
		"BUSY Redis is busy",		"CLUSTERDOWN x",	   "MOVED 1 h:1",
		"ASK 1 h:1",			"TRYAGAIN x",
	};
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	int64_t pause = 50;

	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fail_call(w, errors[i]);
		assert_int_equal(committer_due(&w->c), w->now + pause);
		tick_after(w, pause - 1);
		assert_int_equal(calls(w), 0);
		tick_after(w, 1);
		assert_int_equal(calls(w), 1);
		pause = 2 * pause < 1000 ? 2 * pause : 1000;
	}
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
	assert_true(stored(w, "x") == 1);
	assert_int_equal(w->errors, 0);
}

static void test_an_unexpected_error_is_reported_and_the_commit_kept(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	fail_call(w, "WRONGTYPE Operation against a key");
	assert_int_equal(w->errors, 1);
	settle(w);
	expect(w, COMMITTED, &w->a, 1, "c");
}

static void test_while_redis_is_down_nothing_is_lost_and_up_sends_at_once(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", SECOND);
	w->down = true;
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	for (int i = 0; i < 20; i++)
		tick_after(w, 700);
	expect_nothing(w);
	w->down = false;
	committer_store_up(&w->c, w->now);
	tick_after(w, 0);
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
}

static void test_a_failed_open_is_asked_again(void **state)
{
	struct world *w = *state;

	ask_open(w, &w->peer, &w->a);
	fail_call(w, NULL);
	assert_int_equal(committer_due(&w->c), w->now + 50);
	tick_after(w, 50);
	fail_call(w, "LOADING x");
	tick_after(w, 100);
	deliver(w);
	expect(w, OPENED, &w->a, 0, "n");
}

/* ---- the closed commit ------------------------------------------------------------------------- */

static void test_a_closed_commit_lets_batches_wait_in_order(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	struct source_group groups[LIMIT_COMMIT_HOURS];

	for (int i = 0; i < LIMIT_COMMIT_HOURS; i++)
		groups[i] = (struct source_group){ "x", SECOND - i * 3600 };
	for (int i = LIMIT_COMMIT_HOURS; i-- > 0;)
		groups[LIMIT_COMMIT_HOURS - 1 - i].second = SECOND - (int64_t)i * 3600;
	source_seal(&w->a, groups, LIMIT_COMMIT_HOURS);
	source_count(&w->a, "y", SECOND);
	source_count(&w->a, "y", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	assert_int_equal(tally_get(&w->n.batches_merged), 1);
	assert_true(committer_held(&w->c) == w->a.size[1] + w->a.size[2] + w->a.size[3]);
	/* Duplicates of waiting batches are known as such. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(tally_get(&w->n.batches_duplicate), 1);
	committer_tick(&w->c, w->now);
	assert_int_equal(tally_get(&w->n.batches_merged), 3);
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
	assert_true(stored(w, "y") == 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 3, "c");
	assert_true(stored(w, "y") == 2);
	assert_int_equal(committer_held(&w->c), 0);
	assert_int_equal(tally_get(&w->n.held_bytes), 0);
}

static void test_a_closed_commit_does_not_wait_for_commit_ms(void **state)
{
	struct world *w = *state;
	struct source_group groups[LIMIT_COMMIT_HOURS];

	commit_first(w);
	for (int i = 0; i < LIMIT_COMMIT_HOURS; i++)
		groups[i] = (struct source_group){
			"x", SECOND - (int64_t)(LIMIT_COMMIT_HOURS - 1 - i) * 3600
		};
	source_seal(&w->a, groups, LIMIT_COMMIT_HOURS);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_true(committer_due(&w->c) <= w->now);
}

/* An agent whose every batch fills a commit, and another that has one small one. */
static void test_a_backlog_of_one_agent_does_not_hold_up_another(void **state)
{
	struct world *w = *state;
	struct stream_state a = open_stream(w, &w->peer, &w->a);
	struct stream_state b = open_stream(w, &w->other, &w->b);
	struct source_group groups[LIMIT_COMMIT_HOURS];

	for (int i = 0; i < LIMIT_COMMIT_HOURS; i++)
		groups[i] = (struct source_group){
			"x", SECOND - (int64_t)(LIMIT_COMMIT_HOURS - 1 - i) * 3600
		};
	for (uint64_t seq = 1; seq <= 6; seq++) {
		source_seal(&w->a, groups, LIMIT_COMMIT_HOURS);
		assert_int_equal(send_batch(w, &w->peer, &w->a, seq, seq == 1 ? &a : NULL), 0);
	}
	source_count(&w->b, "y", SECOND);
	assert_int_equal(send_batch(w, &w->other, &w->b, 1, &b), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 1, "c");
	expect(w, COMMITTED, &w->a, 2, "c");
	/* The turn after A's was B's; A's order is kept. */
	if (memcmp(w->heard[w->read].stream.id.bytes, w->b.id.bytes, STREAM_ID_BYTES) == 0) {
		expect(w, COMMITTED, &w->b, 1, "c");
		expect(w, COMMITTED, &w->a, 3, "c");
	} else {
		expect(w, COMMITTED, &w->a, 3, "c");
		expect(w, COMMITTED, &w->b, 1, "c");
	}
	for (uint64_t seq = 4; seq <= 6; seq++)
		expect(w, COMMITTED, &w->a, seq, "c");
	expect_nothing(w);
	assert_true(stored(w, "x") == 6 * LIMIT_COMMIT_HOURS && stored(w, "y") == 1);
}

static void test_a_malformed_waiting_batch_ends_its_session_only(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	struct source_group groups[LIMIT_COMMIT_HOURS];

	for (int i = 0; i < LIMIT_COMMIT_HOURS; i++)
		groups[i] = (struct source_group){
			"x", SECOND - (int64_t)(LIMIT_COMMIT_HOURS - 1 - i) * 3600
		};
	source_seal(&w->a, groups, LIMIT_COMMIT_HOURS);
	source_count(&w->a, "y", SECOND);
	w->a.bytes[2][w->a.size[2] - 1] ^= 0xff;
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	committer_tick(&w->c, w->now);
	assert_int_equal(w->heard[w->heard_count - 1].what, REFUSED);
	w->read++;
	committer_peer_gone(&w->peer);
	settle(w);
	assert_true(stored(w, "x") == LIMIT_COMMIT_HOURS);
	assert_int_equal(tally_get(&w->n.streams), 0);
	/* Counted once as refused would be twice: it was received once and dropped once. */
	assert_int_equal(tally_get(&w->n.batches_dropped), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_unknown_stream_is_answered_with_a_nonce),
		T(opens_are_coalesced_into_one_call),
		T(the_first_batch_commits_at_once_and_the_next_after_commit_ms),
		T(nothing_is_acknowledged_before_redis_said_ok),
		T(a_batch_without_the_nonce_is_out_of_chain),
		T(a_duplicate_is_ignored_and_a_gap_refused),
		T(a_changed_batch_breaks_the_chain_of_the_next),
		T(a_declared_gap_is_taken_and_its_loss_counted),
		T(a_stream_of_another_session_is_a_protocol_error),
		T(a_malformed_batch_is_refused_whole),
		T(hours_out_of_reach_are_rejected_and_counted_as_lost),
		T(a_batch_of_rejected_hours_alone_still_moves_its_stream),
		T(an_unknown_outcome_is_met_with_the_identical_bytes),
		T(commits_turned_away_are_sent_again_ever_more_slowly),
		T(an_unexpected_error_is_reported_and_the_commit_kept),
		T(while_redis_is_down_nothing_is_lost_and_up_sends_at_once),
		T(a_failed_open_is_asked_again),
		T(a_closed_commit_lets_batches_wait_in_order),
		T(a_closed_commit_does_not_wait_for_commit_ms),
		T(a_backlog_of_one_agent_does_not_hold_up_another),
		T(a_malformed_waiting_batch_ends_its_session_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
