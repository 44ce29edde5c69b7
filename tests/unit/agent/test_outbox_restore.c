// SPDX-License-Identifier: Apache-2.0
/* Batches of earlier processes, as the spool finds them: sent under their old streams to their end. */
#include "agent/outbox.h"

#include "tests/unit/agent/outbox_world.h"

#define OLD 0x33

/* A lane of an earlier process, partition 0. */
struct earlier {
	struct stream_id id;
	uint64_t chain[32], samples[32]; /* after batch i */
};

static struct earlier earlier_of(uint8_t incarnation)
{
	struct earlier e = { .samples = { 0 } };

	memset(e.id.bytes, incarnation, sizeof(e.id.bytes));
	e.chain[0] = hash_chain_start(&e.id, 0);
	for (uint64_t seq = 1; seq < 32; seq++) {
		e.chain[seq] = e.chain[seq - 1] + 1000;
		e.samples[seq] = e.samples[seq - 1] + seq;
	}
	return e;
}

/* Batch `seq` of it holds `seq` samples. A batch of ours lends its bytes. */
static bool restore(struct world *w, const struct earlier *e, uint64_t seq)
{
	struct spool_record record = { .stream = e->id, .partitions = PARTITIONS, .seq = seq,
				       .chain_before = e->chain[seq - 1],
				       .chain_after = e->chain[seq], .samples = seq,
				       .samples_before = e->samples[seq - 1],
				       .since_ms = 100 * (int64_t)seq };
	struct batch_writer writer;
	struct batch_header header = { .seq = seq, .chain_before = record.chain_before };
	struct batch_group group = { .kind = KIND_COUNTER, .series = slice_text("a"),
				     .second = 1795179600, .bytes = slice_text("xx") };
	struct buf bytes;
	uint64_t id;
	bool wanted;

	buf_init(&bytes, 4096);
	batch_writer_init(&writer, group.second);
	batch_writer_add(&writer, &group, seq);
	assert_int_equal(batch_finish(&writer, &header, &bytes), 0);
	assert_int_equal(spool_append(w->spool, &record, buf_view(&bytes), &id), 0);
	wanted = outbox_restore(&w->o, &record, bytes.size, id);
	if (!wanted)
		spool_drop(w->spool, id);
	batch_writer_release(&writer);
	buf_release(&bytes);
	return wanted;
}

static struct stream_state after(const struct earlier *e, uint64_t seq)
{
	return (struct stream_state){ .known = true, .seq = seq, .value = e->chain[seq] };
}

static void earlier_told(struct world *w, const struct earlier *e, enum lane_cause cause,
			 struct stream_state state)
{
	struct frame_stream one = { .id = e->id, .state = state };
	struct frame_streams list = { .list = &one, .count = 1 };

	outbox_note_states(&w->o, 0, 1, cause, &list, w->now);
}

static void earlier_confirmed(struct world *w, const struct earlier *e, struct stream_state state)
{
	struct frame_stream one = { .id = e->id, .state = state };
	struct frame_streams list = { .stable = true, .list = &one, .count = 1 };

	w->now += GRACE;
	list.token = ask(w);
	outbox_note_confirmed(&w->o, 0, 1, &list, w->now);
}

static void test_leftovers_go_out_in_order_under_their_old_stream(void **state)
{
	struct world *w = *state;
	struct earlier e = earlier_of(OLD);

	for (uint64_t seq = 5; seq <= 8; seq++)
		assert_true(restore(w, &e, seq));
	assert_int_equal(outbox_undelivered(&w->o), 5 + 6 + 7 + 8);
	assert_int_equal(outbox_watermark(&w->o), 0); /* nothing of ours is sealed yet */
	outbox_sealed_until(&w->o, 900);
	assert_int_equal(outbox_watermark(&w->o), 500);
	up(w, 0, 1);
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].what, 'O');
	assert_memory_equal(w->sent[0].stream.id.bytes, e.id.bytes, STREAM_ID_BYTES);
	assert_int_equal(w->sent[0].stream.base_seq, 4);
	earlier_told(w, &e, LANE_OPENED, after(&e, 6));
	assert_int_equal(w->o.counts.committed, 11);
	run(w);
	assert_int_equal(w->sent_count, 2);
	assert_int_equal(w->sent[0].header.seq, 7);
	assert_false(w->sent[0].batch.has_predecessor);
	earlier_told(w, &e, LANE_COMMITTED, after(&e, 8));
	assert_int_equal(w->o.counts.committed, w->o.counts.restored);
	assert_int_equal(w->o.counts.sealed, 0);
	assert_true(outbox_done(&w->o));
	earlier_confirmed(w, &e, after(&e, 8));
	assert_int_equal(spool_records(w->spool), 0);
}

static void test_new_batches_do_not_continue_an_old_stream(void **state)
{
	struct world *w = *state;
	struct earlier e = earlier_of(OLD);

	assert_true(restore(w, &e, 1));
	seal(w, 0, 2, 900);
	up(w, 0, 1);
	run(w);
	assert_int_equal(w->sent[0].count, 2);
	told(w, 0, 1, LANE_OPENED, 0, nonce_at(0));
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_memory_equal(w->sent[0].batch.id.bytes, w->id.bytes, STREAM_ID_BYTES);
	assert_int_equal(w->sent[0].header.seq, 1);
}

static void test_a_batch_found_twice_goes_once_and_out_of_order_in_order(void **state)
{
	struct world *w = *state;
	struct earlier e = earlier_of(OLD);

	assert_true(restore(w, &e, 3));
	assert_true(restore(w, &e, 4));
	assert_false(restore(w, &e, 3));
	assert_true(restore(w, &e, 2));
	assert_false(restore(w, &e, 4));
	assert_int_equal(spool_records(w->spool), 3);
	up(w, 0, 1);
	run(w);
	assert_int_equal(w->sent[0].stream.base_seq, 1);
	earlier_told(w, &e, LANE_OPENED, after(&e, 1));
	run(w);
	assert_int_equal(w->sent_count, 3);
	for (uint64_t i = 0; i < 3; i++) {
		assert_int_equal(w->sent[i].header.seq, 2 + i);
		assert_false(w->sent[i].batch.has_predecessor);
	}
}

static void test_a_hole_is_declared_by_its_number(void **state)
{
	struct world *w = *state;
	struct earlier e = earlier_of(OLD);

	assert_true(restore(w, &e, 3));
	assert_true(restore(w, &e, 6));
	up(w, 0, 1);
	run(w);
	earlier_told(w, &e, LANE_OPENED, after(&e, 2));
	run(w);
	assert_int_equal(w->sent_count, 2);
	assert_int_equal(w->sent[0].batch.lost, 0);
	assert_true(w->sent[1].batch.has_predecessor);
	assert_int_equal(w->sent[1].batch.lost, 4 + 5);
	earlier_told(w, &e, LANE_COMMITTED, after(&e, 6));
	assert_int_equal(w->o.counts.lost, 9);
}

static void test_a_hole_that_redis_has_is_no_loss(void **state)
{
	struct world *w = *state;
	struct earlier e = earlier_of(OLD);

	assert_true(restore(w, &e, 3));
	assert_true(restore(w, &e, 6));
	up(w, 0, 1);
	run(w);
	earlier_told(w, &e, LANE_OPENED, after(&e, 5));
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_false(w->sent[0].batch.has_predecessor);
	assert_int_equal(w->o.counts.lost, 0);
	assert_int_equal(w->foreign, 0);
}

/* What was sent and committed may not have reached the disk before the power went. */
static void test_redis_may_have_more_of_an_old_stream_than_the_spool(void **state)
{
	struct world *w = *state;
	struct earlier e = earlier_of(OLD);

	assert_true(restore(w, &e, 3));
	up(w, 0, 1);
	run(w);
	earlier_told(w, &e, LANE_OPENED, after(&e, 9));
	assert_int_equal(w->foreign, 0);
	assert_int_equal(w->o.counts.lost, 0);
	assert_int_equal(outbox_undelivered(&w->o), 0);
	run(w);
	assert_int_equal(w->sent_count, 0);
	earlier_confirmed(w, &e, after(&e, 9));
	assert_int_equal(spool_records(w->spool), 0);
}

static void test_batches_for_another_fleet_are_not_wanted(void **state)
{
	struct world *w = *state;
	struct spool_record record = { .partition = 5, .partitions = 32, .seq = 1 };

	assert_false(outbox_restore(&w->o, &record, 100, 0));
}

static void test_a_stream_is_closed_when_no_copy_would_send_it_any_more(void **state)
{
	struct world *w = *state;
	struct earlier e = earlier_of(OLD);

	assert_true(restore(w, &e, 1));
	assert_true(restore(w, &e, 2));
	up(w, 0, 1);
	run(w);
	earlier_told(w, &e, LANE_OPENED, after(&e, 2));
	earlier_confirmed(w, &e, after(&e, 2));
	assert_int_equal(spool_records(w->spool), 0);
	outbox_expire(&w->o, 200);
	run(w);
	assert_int_equal(w->sent_count, 0);
	outbox_expire(&w->o, 201);
	down(w, 0); /* nobody can be told */
	run(w);
	assert_int_equal(w->sent_count, 0);
	up(w, 1, 7);
	run(w);
	assert_int_equal(w->sent_count, 1);
	assert_int_equal(w->sent[0].what, 'X');
	assert_int_equal(w->sent[0].peer, 1);
	assert_memory_equal(w->sent[0].stream.id.bytes, e.id.bytes, STREAM_ID_BYTES);
	assert_int_equal(w->sent[0].stream.state.seq, 2);
	assert_true(w->sent[0].stream.state.value == e.chain[2]);
	assert_null(w->o.streams->next);
	run(w);
	assert_int_equal(w->sent_count, 0);
}

static void test_only_so_many_streams_wait_to_be_closed(void **state)
{
	struct world *w = *state;
	size_t streams = 0;

	up(w, 0, 1);
	for (uint8_t i = 0; i < 40; i++) {
		struct earlier e = earlier_of((uint8_t)(100 + i));

		assert_true(restore(w, &e, 1));
		run(w);
		earlier_told(w, &e, LANE_OPENED, after(&e, 1));
		earlier_confirmed(w, &e, after(&e, 1));
	}
	run(w);
	for (const struct outbox_stream *s = w->o.streams; s != NULL; s = s->next)
		streams++;
	assert_int_equal(streams, 17);
}

static void test_a_cloned_stream_is_not_closed(void **state)
{
	struct world *w = *state;
	struct stream_state theirs = { .known = true, .seq = 1, .value = 1234 };

	begin(w, 2);
	told(w, 0, 1, LANE_RESET, 0, theirs);
	outbox_expire(&w->o, INT64_MAX);
	run(w);
	assert_int_equal(w->sent_count, 0);
	assert_null(w->o.streams->next);
}

/* ---- room ---- */

/* A Redis that is not trusted declares nothing stable; the agent must not stop for that. */
static void test_a_half_full_spool_lets_go_of_what_was_committed_an_hour_ago(void **state)
{
	struct world *w = *state;

	begin(w, 2);
	committed(w, 2);
	while (spool_quarters(w->spool) < 2)
		seal(w, 1, 16, 100);
	w->now += 60 * 60 * 1000 - 1;
	run(w);
	assert_int_equal(lane_kept(&w->o.streams->lanes[0]), 2);
	w->now++;
	run(w);
	assert_int_equal(lane_kept(&w->o.streams->lanes[0]), 0);
	assert_int_equal(w->o.counts.stable, 0);
	assert_true(spool_quarters(w->spool) >= 1); /* the others are not committed */
}

/* ---- age ---- */

static void test_old_batches_are_given_up_and_counted_once(void **state)
{
	struct world *w = *state;

	up(w, 0, 1);
	for (int i = 0; i < 4; i++)
		seal(w, 0, 3, 100 + i);
	outbox_expire(&w->o, 102);
	run(w);
	assert_int_equal(spool_records(w->spool), 2);
	told(w, 0, 1, LANE_OPENED, 0, nonce_at(0));
	run(w);
	assert_int_equal(spool_records(w->spool), 2);
	assert_int_equal(w->o.counts.expired, 6);
	assert_int_equal(w->sent[0].header.seq, 3);
	assert_int_equal(w->sent[0].batch.lost, 6); /* the store is told */
	committed(w, 4);
	assert_int_equal(w->o.counts.lost, 0); /* and it is in `expired` already */
	assert_int_equal(w->o.counts.committed, 6);
}

static void test_old_batches_that_redis_has_are_no_loss(void **state)
{
	struct world *w = *state;
	struct earlier e = earlier_of(OLD);

	for (uint64_t seq = 1; seq <= 3; seq++)
		assert_true(restore(w, &e, seq));
	outbox_expire(&w->o, 1000);
	up(w, 0, 1);
	run(w);
	assert_int_equal(spool_records(w->spool), 3); /* what Redis has is not known yet */
	earlier_told(w, &e, LANE_OPENED, after(&e, 3));
	run(w);
	assert_int_equal(spool_records(w->spool), 3); /* a commit must have stood for an hour */
	w->now += 60 * 60 * 1000;
	run(w);
	assert_int_equal(spool_records(w->spool), 0);
	assert_int_equal(w->o.counts.expired, 0);
	assert_int_equal(w->o.counts.committed, 6);
}

/* Its stream was forgotten: whether they were counted cannot be known, and twice is worse. */
static void test_old_batches_of_a_forgotten_stream_are_not_sent(void **state)
{
	struct world *w = *state;
	struct earlier e = earlier_of(OLD);

	for (uint64_t seq = 1; seq <= 3; seq++)
		assert_true(restore(w, &e, seq));
	outbox_expire(&w->o, 1000);
	up(w, 0, 1);
	run(w);
	earlier_told(w, &e, LANE_OPENED, nonce_at(0));
	run(w);
	assert_int_equal(w->sent_count, 0);
	assert_int_equal(spool_records(w->spool), 0);
	assert_int_equal(w->o.counts.expired, 6);
}

static void test_what_is_on_its_way_is_not_given_up(void **state)
{
	struct world *w = *state;

	begin(w, 2);
	outbox_expire(&w->o, 1000);
	run(w);
	assert_int_equal(spool_records(w->spool), 2);
	committed(w, 2);
	w->now += 60 * 60 * 1000;
	run(w);
	assert_int_equal(spool_records(w->spool), 0);
	assert_int_equal(w->o.counts.expired, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_leftovers_go_out_in_order_under_their_old_stream),
		T(test_new_batches_do_not_continue_an_old_stream),
		T(test_a_batch_found_twice_goes_once_and_out_of_order_in_order),
		T(test_a_hole_is_declared_by_its_number),
		T(test_a_hole_that_redis_has_is_no_loss),
		T(test_redis_may_have_more_of_an_old_stream_than_the_spool),
		T(test_batches_for_another_fleet_are_not_wanted),
		T(test_a_stream_is_closed_when_no_copy_would_send_it_any_more),
		T(test_only_so_many_streams_wait_to_be_closed),
		T(test_a_cloned_stream_is_not_closed),
		T(test_a_half_full_spool_lets_go_of_what_was_committed_an_hour_ago),
		T(test_old_batches_are_given_up_and_counted_once),
		T(test_old_batches_that_redis_has_are_no_loss),
		T(test_old_batches_of_a_forgotten_stream_are_not_sent),
		T(test_what_is_on_its_way_is_not_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
