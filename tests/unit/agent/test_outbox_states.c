// SPDX-License-Identifier: Apache-2.0
/* The two acknowledgements, a Redis that goes back, and clones. */
#include "tests/unit/agent/outbox_world.h"

/* ---- two acknowledgements ---- */

static void test_a_committed_batch_is_kept(void **state)
{
	struct world *w = *state;

	begin(w, 2);
	committed(w, 2);
	assert_int_equal(w->o.counts.committed, 4);
	assert_int_equal(spool_records(w->spool), 2);
	assert_int_equal(outbox_undelivered(&w->o), 0);
}

static void test_a_batch_is_dropped_when_asked_a_grace_after_its_commit(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 2);
	committed(w, 2);
	w->now += GRACE - CONFIRM - 1;
	token = ask(w); /* GRACE - 1 after */
	w->now += 10 * GRACE;
	confirmed(w, token, true, chain_at(w, 0, 2));
	assert_int_equal(spool_records(w->spool), 2);
	asked_and_shown(w, 2);
	assert_int_equal(spool_records(w->spool), 0);
	assert_int_equal(w->o.counts.stable, 4);
}

static void test_exactly_the_grace_is_enough(void **state)
{
	struct world *w = *state;

	begin(w, 1);
	committed(w, 1);
	w->now += GRACE - CONFIRM;
	asked_and_shown(w, 1);
	assert_int_equal(spool_records(w->spool), 0);
}

static void test_only_what_the_confirm_shows_is_dropped(void **state)
{
	struct world *w = *state;

	begin(w, 2);
	committed(w, 1);
	w->now += 2 * GRACE;
	asked_and_shown(w, 1);
	assert_int_equal(spool_records(w->spool), 1);
}

static void test_an_untrusted_store_drops_nothing(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 1);
	committed(w, 1);
	w->now += 2 * GRACE;
	token = ask(w);
	confirmed(w, token, false, chain_at(w, 0, 1));
	assert_int_equal(spool_records(w->spool), 1);
}

static void test_an_answer_to_no_question_drops_nothing(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 1);
	committed(w, 1);
	w->now += 2 * GRACE;
	token = ask(w);
	confirmed(w, token + 1, true, chain_at(w, 0, 1));
	confirmed(w, UINT64_MAX, true, chain_at(w, 0, 1));
	assert_int_equal(spool_records(w->spool), 1);
	confirmed(w, token, true, chain_at(w, 0, 1));
	assert_int_equal(spool_records(w->spool), 0);
	confirmed(w, token, true, chain_at(w, 0, 1)); /* twice */
	assert_int_equal(w->o.counts.stable, 2);
}

static void test_an_answer_that_takes_longer_than_the_interval_counts(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 1);
	committed(w, 1);
	w->now += 2 * GRACE;
	token = ask(w);
	for (int i = 0; i < 4; i++) {
		w->now += CONFIRM;
		run(w);
	}
	confirmed(w, token, true, chain_at(w, 0, 1));
	assert_int_equal(spool_records(w->spool), 0);
}

static void test_a_question_that_is_never_answered_is_asked_again(void **state)
{
	struct world *w = *state;

	begin(w, 1);
	committed(w, 1);
	w->now += 2 * GRACE;
	(void)ask(w);
	w->now += 10 * CONFIRM;
	asked_and_shown(w, 1);
	assert_int_equal(spool_records(w->spool), 0);
}

/* ---- Redis goes back ---- */

static void test_a_reset_sends_again_from_the_stored_state(void **state)
{
	struct world *w = *state;

	begin(w, 3);
	told(w, 0, 1, LANE_RESET, 0, chain_at(w, 0, 1));
	run(w);
	assert_int_equal(w->sent_count, 2);
	assert_int_equal(w->sent[0].header.seq, 2);
	assert_false(w->sent[0].batch.has_predecessor);
}

static void test_a_confirm_that_lies_behind_rewinds_and_lowers_the_watermark(void **state)
{
	struct world *w = *state;

	begin(w, 3);
	outbox_sealed_until(&w->o, 5000);
	committed(w, 3);
	assert_int_equal(outbox_watermark(&w->o), 5000);
	asked_and_shown(w, 1);
	assert_int_equal(w->o.counts.rewinds, 1);
	assert_int_equal(outbox_watermark(&w->o), 101);
	run(w);
	assert_int_equal(w->sent_count, 2);
	assert_int_equal(w->sent[0].header.seq, 2);
	committed(w, 3);
	assert_int_equal(w->o.counts.committed, 6); /* counted once */
}

static void test_a_rewound_batch_begins_its_grace_anew(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 1);
	committed(w, 1);
	w->now += 2 * GRACE;
	token = ask(w);
	told(w, 0, 1, LANE_RESET, 0, nonce_at(0));
	run(w);
	committed(w, 1);
	confirmed(w, token, true, chain_at(w, 0, 1)); /* asked before the reset */
	assert_int_equal(spool_records(w->spool), 1);
	asked_and_shown(w, 1);
	assert_int_equal(spool_records(w->spool), 1);
}

static void test_a_confirm_overtaken_by_a_commit_is_no_regression(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 3);
	committed(w, 1);
	token = ask(w);
	committed(w, 3);
	confirmed(w, token, true, chain_at(w, 0, 2));
	assert_int_equal(w->o.counts.rewinds, 0);
	run(w);
	assert_int_equal(w->sent_count, 0);
}

static void test_a_confirm_of_the_nonce_in_flight_sends_nothing_twice(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 2);
	token = ask(w);
	confirmed(w, token, true, nonce_at(0));
	run(w);
	assert_int_equal(w->sent_count, 0);
}

static void test_a_forgotten_stream_is_opened_again_and_sent_whole(void **state)
{
	struct world *w = *state;
	struct stream_state fresh = { .known = true, .nonce = true, .seq = 0, .value = 4711 };
	uint64_t token;

	begin(w, 2);
	committed(w, 2);
	token = ask(w);
	confirmed(w, token, true, (struct stream_state){ 0 });
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].what, 'O');
	assert_int_equal(w->sent[0].stream.base_seq, 0);
	told(w, 0, 1, LANE_OPENED, 0, fresh);
	run(w);
	assert_int_equal(w->sent_count, 2);
	assert_true(state_equal(&w->sent[0].batch.predecessor, &fresh));
	assert_int_equal(w->sent[0].header.seq, 1);
}

/* Four batches, two of them dropped as stable, the others committed. */
static void drop_two_of_four(struct world *w)
{

	begin(w, 2);
	committed(w, 2);
	w->now += 2 * GRACE;
	asked_and_shown(w, 2);
	assert_int_equal(spool_records(w->spool), 0);
	seal(w, 0, 3, 200);
	seal(w, 0, 3, 201);
	run(w);
	committed(w, 4);
}

static void test_an_open_names_the_seq_before_the_first_kept_batch(void **state)
{
	struct world *w = *state;

	drop_two_of_four(w);
	down(w, 0);
	up(w, 1, 5);
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].peer, 1);
	assert_int_equal(w->sent[0].stream.base_seq, 2);
}

static void test_a_store_from_before_the_kept_batches_is_a_declared_gap(void **state)
{
	struct world *w = *state;
	struct stream_state old;

	drop_two_of_four(w);
	old = chain_at(w, 0, 1);
	told(w, 0, 1, LANE_RESET, 0, old);
	run(w);
	assert_int_equal(w->sent_count, 2);
	assert_int_equal(w->sent[0].header.seq, 3);
	assert_true(w->sent[0].batch.has_predecessor);
	assert_true(state_equal(&w->sent[0].batch.predecessor, &old));
	assert_int_equal(w->sent[0].batch.lost, 2); /* batch 2 */
	assert_false(w->sent[1].batch.has_predecessor);
	assert_int_equal(w->sent[1].batch.lost, 0);
}

static void test_an_old_nonce_is_a_declared_gap_too(void **state)
{
	struct world *w = *state;

	drop_two_of_four(w);
	told(w, 0, 1, LANE_RESET, 0, nonce_at(0));
	run(w);
	assert_int_equal(w->sent[0].header.seq, 3);
	assert_int_equal(w->sent[0].batch.lost, 4); /* batches 1 and 2 */
}

static void test_a_nonce_past_kept_batches_sends_only_what_follows(void **state)
{
	struct world *w = *state;

	up(w, 0, 1);
	for (int i = 0; i < 3; i++)
		seal(w, 0, 1, 100);
	run(w);
	told(w, 0, 1, LANE_OPENED, 0, nonce_at(2));
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].header.seq, 3);
	assert_true(w->sent[0].batch.has_predecessor);
}

/* ---- clones ---- */

static void test_a_foreign_chain_begins_a_new_stream_and_counts_what_is_lost(void **state)
{
	struct world *w = *state;
	struct stream_state theirs = { .known = true, .seq = 2, .value = 1234567 };

	begin(w, 3);
	told(w, 0, 1, LANE_RESET, 0, theirs);
	assert_int_equal(w->foreign, 1);
	assert_int_equal(w->o.counts.foreign, 1);
	assert_int_equal(w->o.counts.lost, 6);
	assert_int_equal(outbox_undelivered(&w->o), 0);
	assert_int_equal(spool_records(w->spool), 0);
	seal(w, 0, 1, 100);
	run(w);
	assert_int_equal(w->sent[0].what, 'O');
	assert_memory_equal(w->sent[0].stream.id.bytes, w->id.bytes, STREAM_ID_BYTES);
	assert_int_equal(w->sent[0].stream.base_seq, 0);
}

static void test_a_seq_that_was_never_used_is_foreign(void **state)
{
	struct world *w = *state;

	begin(w, 1);
	told(w, 0, 1, LANE_RESET, 0, nonce_at(2));
	assert_int_equal(w->foreign, 1);
}

static void test_lanes_of_the_old_stream_are_sent_to_their_end(void **state)
{
	struct world *w = *state;
	struct stream_state theirs = { .known = true, .seq = 1, .value = 1 };

	begin(w, 1);
	seal(w, 1, 2, 100);
	run(w);
	told(w, 0, 1, LANE_RESET, 0, theirs);
	told(w, 0, 1, LANE_OPENED, 1, nonce_at(0));
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].header.partition, 1);
	told(w, 0, 1, LANE_COMMITTED, 1, chain_at(w, 1, 1));
	assert_int_equal(w->o.counts.committed, 2);
	assert_int_equal(w->foreign, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_committed_batch_is_kept),
		T(test_a_batch_is_dropped_when_asked_a_grace_after_its_commit),
		T(test_exactly_the_grace_is_enough),
		T(test_only_what_the_confirm_shows_is_dropped),
		T(test_an_answer_that_takes_longer_than_the_interval_counts),
		T(test_a_question_that_is_never_answered_is_asked_again),
		T(test_an_untrusted_store_drops_nothing),
		T(test_an_answer_to_no_question_drops_nothing),
		T(test_a_reset_sends_again_from_the_stored_state),
		T(test_a_confirm_that_lies_behind_rewinds_and_lowers_the_watermark),
		T(test_a_rewound_batch_begins_its_grace_anew),
		T(test_a_confirm_overtaken_by_a_commit_is_no_regression),
		T(test_a_confirm_of_the_nonce_in_flight_sends_nothing_twice),
		T(test_a_forgotten_stream_is_opened_again_and_sent_whole),
		T(test_an_open_names_the_seq_before_the_first_kept_batch),
		T(test_a_store_from_before_the_kept_batches_is_a_declared_gap),
		T(test_an_old_nonce_is_a_declared_gap_too),
		T(test_a_nonce_past_kept_batches_sends_only_what_follows),
		T(test_a_foreign_chain_begins_a_new_stream_and_counts_what_is_lost),
		T(test_a_seq_that_was_never_used_is_foreign),
		T(test_lanes_of_the_old_stream_are_sent_to_their_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
