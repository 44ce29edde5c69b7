// SPDX-License-Identifier: Apache-2.0
/* Counts, lists of several, limits met exactly, and peers that take nothing. */
#include "tests/unit/agent/outbox_world.h"

/* Two states in one message, of lanes 0 and 1. */
static void told_two(struct world *w, enum lane_cause cause, struct stream_state first,
		     struct stream_state second)
{
	struct frame_stream both[] = { about(0, first), about(1, second) };
	struct frame_streams list = { .list = both, .count = 2 };

	outbox_note_states(&w->o, 0, 1, cause, &list, w->now);
}

/* Lanes 0 and 1 have a batch of 2 and of 3 samples under way to peer 0. */
static void begin_two(struct world *w)
{
	up(w, 0, 1);
	seal(w, 0, 2, 100);
	seal(w, 1, 3, 100);
	run(w);
	told_two(w, LANE_OPENED, nonce_at(0), nonce_at(0));
	run(w);
}

/* Lane 0 has one batch, committed. */
static void begin_committed(struct world *w)
{
	begin(w, 1);
	committed(w, 1);
}

/* What was done of one sort, in this run. */
static size_t done(const struct world *w, char what)
{
	size_t count = 0;

	for (size_t i = 0; i < w->sent_count; i++)
		count += w->sent[i].what == what;
	return count;
}

static void test_what_was_done_is_counted(void **state)
{
	struct world *w = *state;

	begin_two(w);
	assert_int_equal(w->o.counts.opens, 2);
	assert_int_equal(w->o.counts.batches_sealed, 2);
	assert_int_equal(w->o.counts.batches_sent, 2);
	(void)ask(w);
	assert_int_equal(w->o.counts.confirms, 1);
	assert_int_equal(w->o.counts.failovers, 0);
}

static void test_only_lanes_that_keep_something_fail_over(void **state)
{
	struct world *w = *state;

	begin_two(w);
	committed(w, 1);
	w->now += 2 * GRACE;
	confirmed(w, ask(w), true, chain_at(w, 0, 1));
	assert_int_equal(spool_records(w->spool), 1);
	seal(w, 2, 1, 100);
	run(w);
	told(w, 0, 1, LANE_OPENED, 2, nonce_at(0));
	down(w, 0);
	assert_int_equal(w->o.counts.failovers, 2); /* not lane 0 */
}

static void test_a_message_may_be_about_several_lanes(void **state)
{
	struct world *w = *state;

	begin_two(w);
	assert_int_equal(w->sent_count, 2);
	told_two(w, LANE_COMMITTED, chain_at(w, 0, 1), chain_at(w, 1, 1));
	assert_int_equal(w->o.counts.committed, 5);
}

static void test_a_confirm_may_be_about_several_lanes(void **state)
{
	struct world *w = *state;
	struct frame_stream both[2];
	struct frame_streams list = { .stable = true, .list = both, .count = 2 };

	begin_two(w);
	told_two(w, LANE_COMMITTED, chain_at(w, 0, 1), chain_at(w, 1, 1));
	w->now += 2 * GRACE;
	list.token = ask(w);
	both[0] = about(0, chain_at(w, 0, 1));
	both[1] = about(1, chain_at(w, 1, 1));
	outbox_note_confirmed(&w->o, 0, 1, &list, w->now);
	assert_int_equal(spool_records(w->spool), 0);
	assert_int_equal(w->o.counts.stable, 5);
}

static void test_a_message_about_an_unknown_stream_is_ignored(void **state)
{
	struct world *w = *state;
	struct frame_stream one;
	struct frame_streams list = { .list = &one, .count = 1 };

	begin(w, 1);
	one = about(0, chain_at(w, 0, 1));
	one.id.bytes[3]++;
	outbox_note_states(&w->o, 0, 1, LANE_COMMITTED, &list, w->now);
	assert_int_equal(w->o.counts.committed, 0);
	assert_int_equal(w->foreign, 0);
}

static void test_a_confirm_of_a_nonce_drops_nothing(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = nonce_at(1);

	begin_committed(w);
	w->now += 2 * GRACE;
	confirmed(w, ask(w), true, nonce);
	assert_int_equal(spool_records(w->spool), 1);
}

static void test_a_confirm_that_shows_a_clone_drops_what_cannot_be_sent_as_lost(void **state)
{
	struct world *w = *state;
	struct stream_state other;

	begin(w, 2);
	committed(w, 1);
	w->now += 2 * GRACE;
	other = chain_at(w, 0, 2);
	other.value++;
	confirmed(w, ask(w), true, other);
	assert_int_equal(w->foreign, 1);
	assert_int_equal(w->o.counts.stable, 0);
	assert_int_equal(w->o.counts.lost, 2);
}

static void test_what_is_told_meanwhile_leaves_the_question_open(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin_committed(w);
	w->now += 2 * GRACE;
	token = ask(w);
	committed(w, 1);
	confirmed(w, token, true, chain_at(w, 0, 1));
	assert_int_equal(spool_records(w->spool), 0);
}

static void test_a_reset_lets_the_question_be_asked_again(void **state)
{
	struct world *w = *state;

	begin_committed(w);
	(void)ask(w);
	w->now += CONFIRM;
	run(w);
	assert_int_equal(done(w, 'C'), 0);
	told(w, 0, 1, LANE_RESET, 0, chain_at(w, 0, 1));
	(void)ask(w);
}

static void test_a_question_is_given_up_after_exactly_its_patience(void **state)
{
	struct world *w = *state;

	begin_committed(w);
	(void)ask(w);
	for (int i = 1; i < 6; i++) {
		w->now += CONFIRM;
		run(w);
		assert_int_equal(done(w, 'C'), 0);
	}
	w->now += CONFIRM;
	run(w);
	assert_int_equal(done(w, 'C'), 1);
}

static void test_a_peer_that_is_down_gets_no_lane(void **state)
{
	struct world *w = *state;

	w->healthy[1] = true; /* chosen, and not up */
	seal(w, 0, 1, 100);
	run(w);
	assert_int_equal(w->sent_count, 0);
	up(w, 1, 5);
	run(w);
	assert_int_equal(done(w, 'O'), 1);
}

static void test_a_lane_that_is_where_it_should_be_is_not_opened_again(void **state)
{
	struct world *w = *state;

	begin_committed(w);
	for (int i = 0; i < 3; i++) {
		run(w);
		assert_int_equal(w->sent_count, 0);
	}
}

static void test_a_peer_that_takes_no_open_is_asked_in_the_next_run(void **state)
{
	struct world *w = *state;

	up(w, 0, 1);
	seal(w, 0, 1, 100);
	w->refuse = true;
	run(w);
	assert_int_equal(w->o.counts.opens, 0);
	w->refuse = false;
	run(w);
	assert_int_equal(done(w, 'O'), 1);
	run(w);
	assert_int_equal(w->sent_count, 0);
}

static void test_what_is_in_flight_for_ten_minutes_is_asked_about(void **state)
{
	struct world *w = *state;

	begin(w, 2);
	w->now += 599999;
	run(w);
	committed(w, 1); /* it moves */
	run(w);
	w->now += 599999;
	run(w);
	assert_int_equal(done(w, 'O'), 0);
	w->now++;
	run(w);
	run(w);
	assert_int_equal(done(w, 'O'), 1);
	told(w, 0, 1, LANE_OPENED, 0, chain_at(w, 0, 1));
	run(w);
	assert_int_equal(done(w, 'B'), 1);
	assert_int_equal(w->sent[0].header.seq, 2);
}

static void test_a_confirm_that_was_not_taken_is_asked_again(void **state)
{
	struct world *w = *state;

	begin(w, 1);
	w->refuse = true;
	w->now += CONFIRM;
	run(w);
	assert_int_equal(w->o.counts.confirms, 0);
	w->refuse = false;
	(void)ask(w);
	assert_int_equal(w->o.counts.confirms, 1);
}

static void test_peers_are_asked_about_their_own_lanes_only(void **state)
{
	struct world *w = *state;

	begin(w, 1);
	up(w, 1, 9);
	w->now += CONFIRM;
	run(w);
	w->now += CONFIRM;
	run(w);
	assert_int_equal(w->o.counts.confirms, 1);
}

static void test_a_relay_is_not_asked_about_another_s_lanes(void **state)
{
	struct world *w = *state;

	up(w, 1, 9);
	seal(w, 0, 1, 100);
	run(w);
	told(w, 1, 9, LANE_OPENED, 0, nonce_at(0));
	up(w, 0, 1);
	w->order[0] = 1;
	w->order[1] = 0;
	run(w);
	w->now += CONFIRM;
	run(w);
	assert_int_equal(done(w, 'C'), 1);
	assert_int_equal(w->sent[0].peer, 1);
}

static void test_questions_are_an_interval_apart(void **state)
{
	struct world *w = *state;

	begin(w, 1);
	(void)ask(w);
	assert_true(outbox_next_ms(&w->o) == w->now + CONFIRM);
	seal(w, 1, 1, 100);
	run(w);
	told(w, 0, 1, LANE_OPENED, 1, nonce_at(0));
	w->now += CONFIRM - 1;
	run(w);
	assert_int_equal(done(w, 'C'), 0);
	w->now++;
	run(w);
	assert_int_equal(done(w, 'C'), 1);
	assert_int_equal(w->sent[0].stream.partition, 1);
}

static void test_bytes_in_flight_may_reach_the_window(void **state)
{
	struct world *w = *state;
	size_t size;

	up(w, 0, 1);
	for (int i = 0; i < 4; i++)
		seal(w, 0, 2, 100);
	size = w->o.streams->lanes[0].records[w->o.streams->lanes[0].head].size;
	w->o.options.window_bytes = 2 * size;
	run(w);
	told(w, 0, 1, LANE_OPENED, 0, nonce_at(0));
	run(w);
	assert_int_equal(done(w, 'B'), 2);
}

static void test_a_peer_is_idle_when_nothing_is_in_flight_to_it(void **state)
{
	struct world *w = *state;

	up(w, 1, 3);
	begin(w, 1);
	assert_false(outbox_peer_idle(&w->o, 0));
	assert_true(outbox_peer_idle(&w->o, 1));
	committed(w, 1);
	assert_true(outbox_peer_idle(&w->o, 0));
	assert_int_equal(spool_records(w->spool), 1);
}

/* ---- more lanes than one frame names ---- */

#define MANY_STREAMS 5

static void many_seal(struct world *w, uint32_t partitions)
{
	for (uint32_t p = 0; p < partitions; p++)
		seal(w, p, 1, 100);
}

static void many_opened(struct world *w)
{
	for (const struct outbox_stream *s = w->o.streams; s != NULL; s = s->next) {
		for (uint32_t p = 0; p < LIMIT_PARTITIONS; p++) {
			struct frame_stream one = { .id = s->id, .partition = p,
						    .state = nonce_at(0) };
			struct frame_streams list = { .list = &one, .count = 1 };

			outbox_note_states(&w->o, 0, 1, LANE_OPENED, &list, w->now);
		}
	}
}

static void test_more_lanes_than_a_frame_names_take_two(void **state)
{
	struct world *w = *state;
	size_t all = (size_t)MANY_STREAMS * LIMIT_PARTITIONS;

	outbox_release(&w->o);
	spool_free(w->spool);
	assert_int_equal(spool_new(1 << 24, &w->spool), 0);
	w->o.options.partitions = LIMIT_PARTITIONS;
	{
		struct outbox_options options = w->o.options;
		struct outbox_effects effects = w->o.effects;

		assert_int_equal(outbox_init(&w->o, &options, &effects, w, w->spool, &w->id), 0);
	}
	many_seal(w, LIMIT_PARTITIONS);
	for (int i = 1; i < MANY_STREAMS; i++) {
		w->id.bytes[20]++;
		assert_int_equal(outbox_begin_stream(&w->o, &w->id), 0);
		many_seal(w, LIMIT_PARTITIONS);
	}
	up(w, 0, 1);
	run(w);
	assert_int_equal(w->sent_count, 2);
	assert_int_equal(w->sent[0].count, LIMIT_FRAME_STREAMS);
	assert_int_equal(w->sent[0].count + w->sent[1].count, all);
	/* All are opened, none can be sent; one question an interval names as many. */
	w->refuse_from = 0;
	many_opened(w);
	w->now += CONFIRM;
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].count, LIMIT_FRAME_STREAMS);
	w->now += CONFIRM;
	run(w);
	assert_int_equal(w->sent[0].count, all - LIMIT_FRAME_STREAMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_what_was_done_is_counted),
		T(test_only_lanes_that_keep_something_fail_over),
		T(test_a_message_may_be_about_several_lanes),
		T(test_a_confirm_may_be_about_several_lanes),
		T(test_a_message_about_an_unknown_stream_is_ignored),
		T(test_a_confirm_of_a_nonce_drops_nothing),
		T(test_a_confirm_that_shows_a_clone_drops_what_cannot_be_sent_as_lost),
		T(test_what_is_told_meanwhile_leaves_the_question_open),
		T(test_a_reset_lets_the_question_be_asked_again),
		T(test_a_question_is_given_up_after_exactly_its_patience),
		T(test_a_peer_that_is_down_gets_no_lane),
		T(test_a_lane_that_is_where_it_should_be_is_not_opened_again),
		T(test_a_peer_that_takes_no_open_is_asked_in_the_next_run),
		T(test_what_is_in_flight_for_ten_minutes_is_asked_about),
		T(test_a_confirm_that_was_not_taken_is_asked_again),
		T(test_peers_are_asked_about_their_own_lanes_only),
		T(test_a_relay_is_not_asked_about_another_s_lanes),
		T(test_questions_are_an_interval_apart),
		T(test_bytes_in_flight_may_reach_the_window),
		T(test_a_peer_is_idle_when_nothing_is_in_flight_to_it),
		T(test_more_lanes_than_a_frame_names_take_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
