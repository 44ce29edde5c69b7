// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/outbox_world.h"

/* ---- opening and sending ---- */

static void test_nothing_is_sent_before_the_stored_state_is_known(void **state)
{
	struct world *w = *state;

	up(w, 0, 1);
	seal(w, 0, 2, 100);
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].what, 'O');
	assert_int_equal(w->sent[0].stream.base_seq, 0);
	run(w);
	assert_int_equal(w->sent_count, 0);
	told(w, 0, 1, LANE_OPENED, 0, nonce_at(0));
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].what, 'B');
}

static void test_an_idle_agent_opens_nothing(void **state)
{
	struct world *w = *state;

	up(w, 0, 1);
	run(w);
	w->now += 100 * CONFIRM;
	run(w);
	assert_int_equal(w->sent_count, 0);
	assert_true(outbox_next_ms(&w->o) == INT64_MAX);
}

static void test_lanes_are_opened_in_one_frame(void **state)
{
	struct world *w = *state;

	up(w, 0, 1);
	for (uint32_t p = 0; p < PARTITIONS; p++)
		seal(w, p, 1, 100);
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].count, PARTITIONS);
}

static void test_the_first_batch_builds_on_the_nonce_the_next_on_the_chain(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = nonce_at(0);

	begin(w, 2);
	assert_true(w->sent[0].batch.has_predecessor);
	assert_true(state_equal(&w->sent[0].batch.predecessor, &nonce));
	assert_int_equal(w->sent[0].batch.lost, 0);
	assert_int_equal(w->sent[0].header.seq, 1);
	assert_true(w->sent[0].header.chain_before == hash_chain_start(&w->id, 0));
	assert_false(w->sent[1].batch.has_predecessor);
	assert_int_equal(w->sent[1].header.seq, 2);
	assert_true(w->sent[1].header.chain_before == chain_at(w, 0, 1).value);
}

static void test_a_lane_has_a_bounded_window_in_flight(void **state)
{
	struct world *w = *state;

	up(w, 0, 1);
	for (int i = 0; i < 6; i++)
		seal(w, 0, 1, 100);
	run(w);
	told(w, 0, 1, LANE_OPENED, 0, nonce_at(0));
	run(w);
	assert_int_equal(w->sent_count, 4);
	committed(w, 2);
	run(w);
	assert_int_equal(w->sent_count, 2);
	assert_int_equal(w->sent[0].header.seq, 5);
	assert_int_equal(w->sent[1].header.seq, 6);
}

static void test_a_busy_or_full_relay_gets_no_batch_until_it_can_take_one(void **state)
{
	struct world *w = *state;

	begin(w, 1);
	outbox_peer_busy(&w->o, 0, true);
	seal(w, 0, 1, 100);
	run(w);
	assert_int_equal(w->sent_count, 0);
	outbox_peer_busy(&w->o, 0, false);
	w->refuse_from = 0;
	run(w);
	w->refuse_from = SIZE_MAX;
	run(w);
	assert_int_equal(w->sent_count, 0);
	outbox_peer_drained(&w->o, 0);
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].header.seq, 2);
}

/* ---- relays come and go ---- */

static void test_a_lost_relay_s_lanes_go_to_the_next_at_once(void **state)
{
	struct world *w = *state;

	begin(w, 2);
	up(w, 1, 7);
	run(w);
	assert_int_equal(w->sent_count, 0);
	down(w, 0);
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].what, 'O');
	assert_int_equal(w->sent[0].peer, 1);
	told(w, 1, 7, LANE_OPENED, 0, chain_at(w, 0, 1));
	assert_int_equal(w->o.counts.committed, 2);
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].header.seq, 2);
	assert_false(w->sent[0].batch.has_predecessor);
}

static void test_a_lane_returns_only_when_nothing_is_in_flight(void **state)
{
	struct world *w = *state;

	w->order[0] = 1;
	w->order[1] = 0;
	begin(w, 1); /* at 0, because the preferred 1 is away */
	up(w, 1, 7);
	run(w);
	assert_int_equal(w->sent_count, 0);
	committed(w, 1);
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].what, 'O');
	assert_int_equal(w->sent[0].peer, 1);
}

static void test_messages_of_another_session_or_peer_are_ignored(void **state)
{
	struct world *w = *state;

	begin(w, 1);
	told(w, 0, 2, LANE_COMMITTED, 0, chain_at(w, 0, 1));
	told(w, 1, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
	told(w, 0, 1, LANE_COMMITTED, PARTITIONS, chain_at(w, 0, 1));
	assert_int_equal(w->o.counts.committed, 0);
	down(w, 0);
	committed(w, 1);
	assert_int_equal(w->o.counts.committed, 0);
	up(w, 0, 3);
	run(w);
	told(w, 0, 1, LANE_OPENED, 0, nonce_at(0));
	run(w);
	assert_int_equal(w->sent_count, 0);
}

static void test_a_leaving_relay_keeps_what_it_has_and_gets_no_more(void **state)
{
	struct world *w = *state;

	begin(w, 1);
	up(w, 1, 7);
	w->healthy[0] = false;
	outbox_peer_leaving(&w->o, 0);
	seal(w, 0, 1, 100);
	run(w);
	assert_int_equal(w->sent_count, 0);
	committed(w, 1);
	assert_int_equal(w->o.counts.committed, 2);
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].peer, 1);
}

static void test_without_any_relay_batches_wait(void **state)
{
	struct world *w = *state;

	seal(w, 0, 1, 100);
	run(w);
	assert_int_equal(w->sent_count, 0);
	assert_int_equal(outbox_undelivered(&w->o), 1);
	assert_int_equal(outbox_watermark(&w->o), 0);
}

static void test_the_watermark_is_the_oldest_uncommitted_batch_s_beginning(void **state)
{
	struct world *w = *state;

	begin(w, 2);
	seal(w, 1, 1, 50);
	outbox_sealed_until(&w->o, 9000);
	assert_int_equal(outbox_watermark(&w->o), 50);
	run(w);
	told(w, 0, 1, LANE_OPENED, 1, nonce_at(0));
	run(w);
	told(w, 0, 1, LANE_COMMITTED, 1, chain_at(w, 1, 1));
	assert_int_equal(outbox_watermark(&w->o), 100);
	committed(w, 1);
	assert_int_equal(outbox_watermark(&w->o), 101);
	committed(w, 2);
	assert_int_equal(outbox_watermark(&w->o), 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing_is_sent_before_the_stored_state_is_known),
		T(test_an_idle_agent_opens_nothing),
		T(test_lanes_are_opened_in_one_frame),
		T(test_the_first_batch_builds_on_the_nonce_the_next_on_the_chain),
		T(test_a_lane_has_a_bounded_window_in_flight),
		T(test_a_busy_or_full_relay_gets_no_batch_until_it_can_take_one),
		T(test_a_lost_relay_s_lanes_go_to_the_next_at_once),
		T(test_a_lane_returns_only_when_nothing_is_in_flight),
		T(test_messages_of_another_session_or_peer_are_ignored),
		T(test_a_leaving_relay_keeps_what_it_has_and_gets_no_more),
		T(test_without_any_relay_batches_wait),
		T(test_the_watermark_is_the_oldest_uncommitted_batch_s_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
