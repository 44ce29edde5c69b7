/*
 * outbox_world.h - an outbox, and a note of everything it does.
 *
 * What the tests of the outbox have in common: effects that only write down what they were asked
 * for, peers that a test raises and fells, batches of a counter, and states as a relay would tell
 * them. Time stands still unless a test moves it.
 */
#ifndef TESTS_UNIT_AGENT_OUTBOX_WORLD_H
#define TESTS_UNIT_AGENT_OUTBOX_WORLD_H

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
	char what; /* O, B, C, X (a CLOSE) */
	size_t peer;
	uint64_t token;
	struct frame_stream stream; /* O, C, X: the first of the list */
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
	bool refuse; /* send_open and send_confirm fail */
	struct stream_id id;
	size_t foreign;
	int64_t now;
};

static inline struct sent *note(struct world *w, char what, size_t peer)
{
	assert_true(w->sent_count < SENT_MAX);
	w->sent[w->sent_count] = (struct sent){ .what = what, .peer = peer };
	return &w->sent[w->sent_count++];
}

static inline int send_open(void *arg, size_t peer, struct frame_stream *list, size_t count)
{
	struct world *w = arg;
	struct sent *s;

	if (w->refuse)
		return -ENOBUFS;
	s = note(w, 'O', peer);
	s->stream = list[0];
	s->count = count;
	return 0;
}

static inline int send_batch(void *arg, size_t peer, const struct frame_batch *batch)
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

static inline int send_confirm(void *arg, size_t peer, uint64_t token, struct frame_stream *list,
			size_t count)
{
	struct world *w = arg;
	struct sent *s;

	if (w->refuse)
		return -ENOBUFS;
	s = note(w, 'C', peer);
	s->token = token;
	s->stream = list[0];
	s->count = count;
	return 0;
}

static inline int send_close(void *arg, size_t peer, struct frame_stream *list, size_t count)
{
	struct sent *s = note(arg, 'X', peer);

	s->stream = list[0];
	s->count = count;
	return 0;
}

static inline size_t choose(void *arg, uint32_t partition)
{
	struct world *w = arg;

	(void)partition;
	for (size_t i = 0; i < 3; i++)
		if (w->healthy[w->order[i]])
			return w->order[i];
	return OUTBOX_NO_PEER;
}

static inline void foreign(void *arg, const struct stream_id *id, uint32_t partition)
{
	struct world *w = arg;

	(void)id;
	(void)partition;
	w->foreign++;
	w->id.bytes[16]++;
	assert_int_equal(outbox_begin_stream(&w->o, &w->id), 0);
}

static inline int setup(void **state)
{
	static const struct outbox_effects effects = { .send_open = send_open,
						       .send_batch = send_batch,
						       .send_confirm = send_confirm,
						       .send_close = send_close,
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

static inline int teardown(void **state)
{
	struct world *w = *state;

	outbox_release(&w->o);
	spool_free(w->spool);
	free(w);
	return 0;
}

/* Seals a batch of a counter's samples. */
static inline void seal(struct world *w, uint32_t partition, uint64_t samples, int64_t since_ms)
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

static inline void run(struct world *w)
{
	w->sent_count = 0;
	outbox_run(&w->o, w->now);
}

static inline void up(struct world *w, size_t peer, uint64_t session)
{
	w->healthy[peer] = true;
	outbox_peer_up(&w->o, peer, session);
}

static inline void down(struct world *w, size_t peer)
{
	w->healthy[peer] = false;
	outbox_peer_down(&w->o, peer);
}

static inline struct stream_state nonce_at(uint64_t seq)
{
	return (struct stream_state){ .known = true, .nonce = true, .seq = seq, .value = 99 + seq };
}

/* The state after a batch of a partition of the first stream. */
static inline struct stream_state chain_at(const struct world *w, uint32_t partition, uint64_t seq)
{
	const struct outbox_stream *s = w->o.streams;
	const struct lane *l;

	while (s->next != NULL)
		s = s->next;
	l = &s->lanes[partition];
	for (size_t i = 0; i < l->count; i++) {
		const struct lane_record *r = &l->records[l->head + i];

		if (r->seq == seq)
			return (struct stream_state){ .known = true, .seq = seq,
						      .value = r->chain_after };
	}
	fail_msg("no such batch");
	return (struct stream_state){ 0 };
}

static inline struct frame_stream about(uint32_t partition, struct stream_state state)
{
	struct frame_stream one = { .partition = partition, .state = state };

	memset(one.id.bytes, 7, sizeof(one.id.bytes));
	return one;
}

static inline void told(struct world *w, size_t peer, uint64_t session, enum lane_cause cause,
			uint32_t partition, struct stream_state state)
{
	struct frame_stream one = about(partition, state);
	struct frame_streams list = { .list = &one, .count = 1 };

	outbox_note_states(&w->o, peer, session, cause, &list, w->now);
}

static inline void confirmed(struct world *w, uint64_t token, bool stable,
			     struct stream_state state)
{
	struct frame_stream one = about(0, state);
	struct frame_streams list = { .token = token, .stable = stable, .list = &one, .count = 1 };

	outbox_note_confirmed(&w->o, 0, 1, &list, w->now);
}

/* Peer 0 up, lane 0 opened at a nonce, `batches` batches of 2 samples sent. */
static inline void begin(struct world *w, uint64_t batches)
{
	up(w, 0, 1);
	for (uint64_t i = 0; i < batches; i++)
		seal(w, 0, 2, 100 + (int64_t)i);
	run(w);
	told(w, 0, 1, LANE_OPENED, 0, nonce_at(0));
	run(w);
	assert_int_equal(w->sent_count, batches);
}

static inline uint64_t ask(struct world *w)
{
	w->now += CONFIRM;
	run(w);
	for (size_t i = 0; i < w->sent_count; i++)
		if (w->sent[i].what == 'C')
			return w->sent[i].token;
	fail_msg("nothing was asked");
	return 0;
}

/* Peer 0 has committed lane 0 up to a batch. */
static inline void committed(struct world *w, uint64_t seq)
{
	told(w, 0, 1, LANE_COMMITTED, 0, chain_at(w, 0, seq));
}

/* Asks peer 0 about lane 0, which a Redis that may be trusted still has up to a batch. */
static inline void asked_and_shown(struct world *w, uint64_t seq)
{
	uint64_t token = ask(w);

	confirmed(w, token, true, chain_at(w, 0, seq));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
