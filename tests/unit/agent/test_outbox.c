// SPDX-License-Identifier: Apache-2.0
#include "agent/outbox.h"

#include "proto/group.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define PARTITIONS 4
#define GRACE      10000
#define CONFIRM    1000
#define SENT_MAX   512

/* One thing that the outbox did. */
struct sent {
	char what; /* O, B, C */
	size_t peer;
	uint64_t token;
	struct frame_stream stream; /* O, C: the first of the list */
	size_t count;
	struct frame_batch batch; /* bytes are not kept */
	struct batch_header header;
};

struct world {
	struct outbox o;
	struct spool *spool;
	struct sent sent[SENT_MAX];
	size_t sent_count;
	size_t order[3];  /* peers by preference */
	bool healthy[3];
	size_t refuse_from; /* send_batch fails from this many on */
	struct stream_id id;
	size_t foreign;
	int64_t now;
};

static struct sent *note(struct world *w, char what, size_t peer)
{
	assert_true(w->sent_count < SENT_MAX);
	w->sent[w->sent_count] = (struct sent){ .what = what, .peer = peer };
	return &w->sent[w->sent_count++];
}

static int send_open(void *arg, size_t peer, struct frame_stream *list, size_t count)
{
	struct sent *s = note(arg, 'O', peer);

	s->stream = list[0];
	s->count = count;
	return 0;
}

static int send_batch(void *arg, size_t peer, const struct frame_batch *batch)
{
	struct world *w = arg;
	struct sent *s;

	if (w->sent_count >= w->refuse_from)
		return -ENOBUFS;
	s = note(w, 'B', peer);
	s->batch = *batch;
	assert_int_equal(batch_peek(batch->bytes, &s->header), 0);
	return 0;
}

static int send_confirm(void *arg, size_t peer, uint64_t token, struct frame_stream *list,
			size_t count)
{
	struct sent *s = note(arg, 'C', peer);

	s->token = token;
	s->stream = list[0];
	s->count = count;
	return 0;
}

static size_t choose(void *arg, uint32_t partition)
{
	struct world *w = arg;

	(void)partition;
	for (size_t i = 0; i < 3; i++)
		if (w->healthy[w->order[i]])
			return w->order[i];
	return OUTBOX_NO_PEER;
}

static void foreign(void *arg, const struct stream_id *id, uint32_t partition)
{
	struct world *w = arg;

	(void)id;
	(void)partition;
	w->foreign++;
	w->id.bytes[16]++;
	assert_int_equal(outbox_begin_stream(&w->o, &w->id), 0);
}

static int setup(void **state)
{
	static const struct outbox_effects effects = { .send_open = send_open,
						       .send_batch = send_batch,
						       .send_confirm = send_confirm,
						       .choose = choose,
						       .foreign = foreign };
	struct outbox_options options = { .partitions = PARTITIONS, .confirm_ms = CONFIRM,
					  .window_batches = 4 };
	struct world *w = calloc(1, sizeof(*w));

	*w = (struct world){ .order = { 0, 1, 2 }, .refuse_from = SIZE_MAX, .now = 1000000 };
	memset(w->id.bytes, 7, sizeof(w->id.bytes));
	assert_int_equal(spool_new(1 << 20, &w->spool), 0);
	assert_int_equal(outbox_init(&w->o, &options, &effects, w, w->spool, &w->id), 0);
	outbox_set_grace(&w->o, GRACE);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	outbox_release(&w->o);
	spool_free(w->spool);
	free(w);
	return 0;
}

/* Seals a batch of a counter's samples. */
static void seal(struct world *w, uint32_t partition, uint64_t samples, int64_t since_ms)
{
	struct batch_group group = { .kind = KIND_COUNTER, .series = slice_text("a"),
				     .second = 1795179600 };
	struct batch_writer writer;
	struct buf bytes;
	double values[16];

	for (size_t i = 0; i < samples; i++)
		values[i] = 1;
	buf_init(&bytes, 1024);
	group_put_values(&bytes, (struct group_sampling){ .rate = 1, .weight = 1 }, values,
			 samples);
	group.bytes = buf_view(&bytes);
	batch_writer_init(&writer, group.second);
	batch_writer_add(&writer, &group, samples);
	assert_int_equal(outbox_append(&w->o, partition, &writer, samples, since_ms), 0);
	batch_writer_release(&writer);
	buf_release(&bytes);
}

static void run(struct world *w)
{
	w->sent_count = 0;
	outbox_run(&w->o, w->now);
}

static void up(struct world *w, size_t peer, uint64_t session)
{
	w->healthy[peer] = true;
	outbox_peer_up(&w->o, peer, session);
}

static void down(struct world *w, size_t peer)
{
	w->healthy[peer] = false;
	outbox_peer_down(&w->o, peer);
}

static struct stream_state nonce_at(uint64_t seq)
{
	return (struct stream_state){ .known = true, .nonce = true, .seq = seq, .value = 99 + seq };
}

/* The state after a batch of a partition of the first stream. */
static struct stream_state chain_at(const struct world *w, uint32_t partition, uint64_t seq)
{
	const struct outbox_stream *s = w->o.streams;
	const struct lane *l;

	while (s->next != NULL)
		s = s->next;
	l = &s->lanes[partition];
	for (size_t i = 0; i < l->count; i++)
		if (l->records[l->head + i].seq == seq)
			return (struct stream_state){ .known = true, .seq = seq,
						      .value = l->records[l->head + i].chain_after };
	fail_msg("no such batch");
	return (struct stream_state){ 0 };
}

static struct frame_stream about(struct world *w, uint32_t partition, struct stream_state state)
{
	struct frame_stream one = { .partition = partition, .state = state };

	memset(one.id.bytes, 7, sizeof(one.id.bytes));
	(void)w;
	return one;
}

static void told(struct world *w, size_t peer, uint64_t session, enum lane_cause cause,
		 uint32_t partition, struct stream_state state)
{
	struct frame_stream one = about(w, partition, state);
	struct frame_streams list = { .list = &one, .count = 1 };

	outbox_note_states(&w->o, peer, session, cause, &list, w->now);
}

static void confirmed(struct world *w, uint64_t token, bool stable, struct stream_state state)
{
	struct frame_stream one = about(w, 0, state);
	struct frame_streams list = { .token = token, .stable = stable, .list = &one, .count = 1 };

	outbox_note_confirmed(&w->o, 0, 1, &list, w->now);
}

/* Peer 0 up, lane 0 opened at a nonce, `batches` batches of 2 samples sent. */
static void begin(struct world *w, uint64_t batches)
{
	up(w, 0, 1);
	for (uint64_t i = 0; i < batches; i++)
		seal(w, 0, 2, 100 + (int64_t)i);
	run(w);
	told(w, 0, 1, LANE_OPENED, 0, nonce_at(0));
	run(w);
	assert_int_equal(w->sent_count, batches);
}

static uint64_t ask(struct world *w)
{
	w->now += CONFIRM;
	run(w);
	for (size_t i = 0; i < w->sent_count; i++)
		if (w->sent[i].what == 'C')
			return w->sent[i].token;
	fail_msg("nothing was asked");
	return 0;
}

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
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 2));
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

/* ---- two acknowledgements ---- */

static void test_a_committed_batch_is_kept(void **state)
{
	struct world *w = *state;

	begin(w, 2);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 2));
	assert_int_equal(w->o.counts.committed, 4);
	assert_int_equal(spool_records(w->spool), 2);
	assert_int_equal(outbox_undelivered(&w->o), 0);
}

static void test_a_batch_is_dropped_when_asked_a_grace_after_its_commit(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 2);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 2));
	w->now += GRACE - CONFIRM - 1;
	token = ask(w); /* GRACE - 1 after */
	w->now += 10 * GRACE;
	confirmed(w, token, true, chain_at(w, 0, 2));
	assert_int_equal(spool_records(w->spool), 2);
	token = ask(w);
	confirmed(w, token, true, chain_at(w, 0, 2));
	assert_int_equal(spool_records(w->spool), 0);
	assert_int_equal(w->o.counts.stable, 4);
}

static void test_exactly_the_grace_is_enough(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 1);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
	w->now += GRACE - CONFIRM;
	token = ask(w);
	confirmed(w, token, true, chain_at(w, 0, 1));
	assert_int_equal(spool_records(w->spool), 0);
}

static void test_only_what_the_confirm_shows_is_dropped(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 2);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
	w->now += 2 * GRACE;
	token = ask(w);
	confirmed(w, token, true, chain_at(w, 0, 1));
	assert_int_equal(spool_records(w->spool), 1);
}

static void test_an_untrusted_store_drops_nothing(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 1);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
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
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
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
	uint64_t token;

	begin(w, 3);
	outbox_sealed_until(&w->o, 5000);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 3));
	assert_int_equal(outbox_watermark(&w->o), 5000);
	token = ask(w);
	confirmed(w, token, true, chain_at(w, 0, 1));
	assert_int_equal(w->o.counts.rewinds, 1);
	assert_int_equal(outbox_watermark(&w->o), 101);
	run(w);
	assert_int_equal(w->sent_count, 2);
	assert_int_equal(w->sent[0].header.seq, 2);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 3));
	assert_int_equal(w->o.counts.committed, 6); /* counted once */
}

static void test_a_rewound_batch_begins_its_grace_anew(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 1);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
	w->now += 2 * GRACE;
	told(w, 0, 1, LANE_RESET, 0, nonce_at(0));
	run(w);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
	token = ask(w);
	confirmed(w, token, true, chain_at(w, 0, 1));
	assert_int_equal(spool_records(w->spool), 1);
}

static void test_a_confirm_overtaken_by_a_commit_is_no_regression(void **state)
{
	struct world *w = *state;
	uint64_t token;

	begin(w, 3);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
	token = ask(w);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 3));
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
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 2));
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
	uint64_t token;

	begin(w, 2);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 2));
	w->now += 2 * GRACE;
	token = ask(w);
	confirmed(w, token, true, chain_at(w, 0, 2));
	assert_int_equal(spool_records(w->spool), 0);
	seal(w, 0, 3, 200);
	seal(w, 0, 3, 201);
	run(w);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 4));
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
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
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
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
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
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
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
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 1));
	assert_int_equal(outbox_watermark(&w->o), 101);
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, 2));
	assert_int_equal(outbox_watermark(&w->o), 9000);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing_is_sent_before_the_stored_state_is_known),
		T(test_an_idle_agent_opens_nothing),
		T(test_lanes_are_opened_in_one_frame),
		T(test_the_first_batch_builds_on_the_nonce_the_next_on_the_chain),
		T(test_a_lane_has_a_bounded_window_in_flight),
		T(test_a_busy_or_full_relay_gets_no_batch_until_it_can_take_one),
		T(test_a_committed_batch_is_kept),
		T(test_a_batch_is_dropped_when_asked_a_grace_after_its_commit),
		T(test_exactly_the_grace_is_enough),
		T(test_only_what_the_confirm_shows_is_dropped),
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
		T(test_a_lost_relay_s_lanes_go_to_the_next_at_once),
		T(test_a_lane_returns_only_when_nothing_is_in_flight),
		T(test_messages_of_another_session_or_peer_are_ignored),
		T(test_a_leaving_relay_keeps_what_it_has_and_gets_no_more),
		T(test_without_any_relay_batches_wait),
		T(test_the_watermark_is_the_oldest_uncommitted_batch_s_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
