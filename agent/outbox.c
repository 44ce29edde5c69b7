// SPDX-License-Identifier: Apache-2.0
/*
 * outbox.c - lanes to peers, and what peers say back to lanes.
 *
 * Events are noted on the peer and its lanes, and outbox_run does the rest in one order: place,
 * open, send, ask. It is linear in streams times partitions, whatever came; asking, once a
 * confirm_ms, is that once a peer. What must not be walked for nothing is counted beside (`opens`,
 * of lanes that wait for an OPEN).
 */
#include "agent/outbox.h"

#include "agent/outbox_private.h"
#include "proto/err.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define OUTBOX_WINDOW_BATCHES 32
#define OUTBOX_WINDOW_BYTES   (1024 * 1024)
/* What was committed so long ago may go, also when no Redis that is trusted to keep it has shown
 * it: when it is old, or when a half full spool needs the room for what is not committed. */
#define OUTBOX_DOUBT_MS       (60 * 60 * 1000)
/* What was sent and is not committed for so long is asked about: its stream is opened again. */
#define OUTBOX_STALL_MS       (10 * 60 * 1000)
#define OUTBOX_CONFIRM_PATIENCE 6 /* times confirm_ms; then a CONFIRM is taken for unanswered */

int outbox_init(struct outbox *o, const struct outbox_options *options,
		const struct outbox_effects *effects, void *arg, struct spool *spool,
		const struct stream_id *stream)
{
	assert(options->partitions > 0 && options->partitions <= LIMIT_PARTITIONS);
	*o = (struct outbox){ .options = *options, .effects = *effects, .arg = arg,
			      .spool = spool, .next_confirm_ms = INT64_MAX,
			      .expire_before_ms = INT64_MIN };
	if (o->options.window_batches == 0)
		o->options.window_batches = OUTBOX_WINDOW_BATCHES;
	if (o->options.window_bytes == 0)
		o->options.window_bytes = OUTBOX_WINDOW_BYTES;
	buf_init(&o->batch, LIMIT_BATCH_BYTES);
	o->list = malloc(LIMIT_FRAME_STREAMS * sizeof(*o->list));
	if (o->list == NULL || outbox_begin_stream(o, stream) < 0) {
		outbox_release(o);
		return -ENOMEM;
	}
	return 0;
}

void outbox_release(struct outbox *o)
{
	while (o->streams != NULL) {
		struct outbox_stream *stream = o->streams;

		o->streams = stream->next;
		outbox_free_stream(o, stream);
	}
	free(o->list);
	o->list = NULL;
	buf_release(&o->batch);
}

void outbox_set_grace(struct outbox *o, int64_t grace_ms)
{
	o->grace_ms = grace_ms;
}

int outbox_append(struct outbox *o, uint32_t partition, const struct batch_writer *w,
		  uint64_t samples, int64_t since_ms)
{
	struct lane *l = &o->streams->lanes[partition];
	struct batch_header header = { .cfg = hash_cfg(o->options.partitions),
				       .partition = partition, .seq = l->next_seq,
				       .chain_before = l->chain };
	struct lane_record note = { .samples = samples, .since_ms = since_ms };
	struct spool_record record = { .stream = o->streams->id, .partition = partition,
				       .partitions = o->options.partitions,
				       .seq = l->next_seq, .chain_before = l->chain,
				       .samples = samples, .samples_before = l->samples,
				       .total = o->counts.sealed + samples, .since_ms = since_ms };
	int status = lane_reserve(l);

	if (status < 0)
		return status;
	buf_reset(&o->batch);
	status = batch_finish(w, &header, &o->batch);
	if (status < 0)
		return status;
	record.chain_after = hash_chain_next(l->chain, buf_view(&o->batch));
	status = spool_append(o->spool, &record, buf_view(&o->batch), &note.spool_id);
	if (status < 0)
		return status;
	note.size = o->batch.size;
	lane_append(l, record.chain_after, &note);
	o->streams->since_ms = since_ms;
	o->counts.batches_sealed++;
	o->counts.sealed += samples;
	return 0;
}

void outbox_sealed_until(struct outbox *o, int64_t sealed_until_ms)
{
	o->sealed_until_ms = sealed_until_ms;
}

void outbox_peer_up(struct outbox *o, size_t peer, uint64_t session)
{
	assert(peer < OUTBOX_PEERS);
	outbox_peer_down(o, peer);
	o->peers[peer] = (struct outbox_peer){ .up = true, .session = session };
}

void outbox_detach(struct outbox *o, struct lane *l)
{
	if (l->peer == OUTBOX_NO_PEER)
		return;
	if (!l->opened && !l->open_sent)
		o->peers[l->peer].opens--;
	l->peer = OUTBOX_NO_PEER;
	lane_detach(l);
}

void outbox_peer_down(struct outbox *o, size_t peer)
{
	struct outbox_walk walk = outbox_walk_start(o);
	struct lane *l;

	while ((l = outbox_walk(o, &walk)) != NULL) {
		if (l->peer != peer)
			continue;
		o->counts.failovers += lane_kept(l) > 0;
		outbox_detach(o, l);
	}
	o->peers[peer] = (struct outbox_peer){ 0 };
}

void outbox_peer_leaving(struct outbox *o, size_t peer)
{
	o->peers[peer].leaving = true;
}

void outbox_peer_busy(struct outbox *o, size_t peer, bool busy)
{
	o->peers[peer].busy = busy;
}

void outbox_peer_drained(struct outbox *o, size_t peer)
{
	o->peers[peer].blocked = false;
}

static struct lane *outbox_find(struct outbox *o, const struct frame_stream *about)
{
	struct outbox_stream *stream = outbox_stream(o, &about->id);

	if (stream == NULL || about->partition >= o->options.partitions)
		return NULL;
	return &stream->lanes[about->partition];
}

/* The lane of a message, if the message comes from the session that serves it. */
static struct lane *outbox_served(struct outbox *o, size_t peer, uint64_t session,
				  const struct frame_stream *about)
{
	struct lane *l = outbox_find(o, about);

	return l != NULL && l->peer == peer && l->session == session ? l : NULL;
}

/* Somebody else wrote this stream. What we have of the lane cannot continue it, and whether the
 * other has counted it cannot be known: it is reported lost. */
static void outbox_abandon(struct outbox *o, struct lane *l, const struct frame_stream *about)
{
	outbox_stream(o, &about->id)->cloned = true;
	outbox_detach(o, l);
	o->counts.foreign++;
	o->counts.lost += lane_abandon(l, o->spool);
	if (memcmp(o->streams->id.bytes, about->id.bytes, STREAM_ID_BYTES) == 0)
		o->effects.foreign(o->arg, &about->id, about->partition);
}

/* Returns whether the lane goes on. */
static bool outbox_note(struct outbox *o, struct lane *l, const struct frame_stream *about,
			enum lane_cause cause, int64_t now_ms)
{
	bool waited = !l->opened && !l->open_sent;
	struct lane_change change = lane_note_state(l, &about->state, cause, now_ms);
	bool waits = !l->opened && !l->open_sent;

	o->counts.committed += change.committed;
	o->counts.lost += change.lost;
	o->peers[l->peer].opens += (size_t)waits - (size_t)waited;
	if (change.verdict == LANE_REWOUND)
		o->counts.rewinds++;
	if (change.verdict != LANE_FOREIGN)
		return true;
	outbox_abandon(o, l, about);
	return false;
}

void outbox_note_states(struct outbox *o, size_t peer, uint64_t session, enum lane_cause cause,
			const struct frame_streams *states, int64_t now_ms)
{
	for (size_t i = 0; i < states->count; i++) {
		struct lane *l = outbox_served(o, peer, session, &states->list[i]);

		if (l == NULL)
			continue;
		/* What was asked before a RESET is answered no more, or with what is old. */
		if (cause == LANE_RESET)
			l->confirm_token = 0;
		(void)outbox_note(o, l, &states->list[i], cause, now_ms);
	}
}

/* A token is the time of asking shifted, so the answer brings it along (outbox_confirm). */
#define OUTBOX_TOKEN_BITS 12

void outbox_note_confirmed(struct outbox *o, size_t peer, uint64_t session,
			   const struct frame_streams *states, int64_t now_ms)
{
	int64_t asked_ms = (int64_t)(states->token >> OUTBOX_TOKEN_BITS);

	for (size_t i = 0; i < states->count; i++) {
		const struct frame_stream *about = &states->list[i];
		struct lane *l = outbox_served(o, peer, session, about);
		bool shown = about->state.known && !about->state.nonce;

		if (l == NULL || l->confirm_token != states->token)
			continue;
		if (outbox_note(o, l, about, LANE_CONFIRMED, now_ms) && shown && states->stable)
			o->counts.stable += lane_drop_stable(l, about->state.seq,
							     asked_ms - o->grace_ms, o->spool);
		l->confirm_token = 0;
	}
}

static bool outbox_may_take(const struct outbox_peer *p)
{
	return p->up && !p->leaving;
}

/* Brings a lane to the peer it should be with. */
static void outbox_place(struct outbox *o, struct lane *l, uint32_t partition)
{
	size_t want;

	if (lane_kept(l) == 0 || lane_in_flight(l) > 0)
		return;
	want = o->effects.choose(o->arg, partition);
	if (want == l->peer || want == OUTBOX_NO_PEER || !outbox_may_take(&o->peers[want]))
		return;
	outbox_detach(o, l);
	l->peer = want;
	l->session = o->peers[want].session;
	o->peers[want].opens++;
}

/* Sends one OPEN for up to LIMIT_FRAME_STREAMS lanes that wait for it at a peer. False when the
 * peer took none. */
static bool outbox_open_some(struct outbox *o, size_t peer)
{
	struct outbox_walk walk = outbox_walk_start(o);
	struct outbox_peer *p = &o->peers[peer];
	struct lane *waiting[LIMIT_FRAME_STREAMS];
	struct lane *l;
	size_t count = 0;

	while (count < LIMIT_FRAME_STREAMS && (l = outbox_walk(o, &walk)) != NULL) {
		if (l->peer != peer || l->opened || l->open_sent)
			continue;
		o->list[count] = (struct frame_stream){ .id = walk.stream->id,
							.partition = walk.partition,
							.base_seq = lane_base_seq(l) };
		waiting[count++] = l;
	}
	assert(count > 0); /* as many wait as opens says */
	if (o->effects.send_open(o->arg, peer, o->list, count) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		waiting[i]->open_sent = true;
	p->opens -= count;
	o->counts.opens += count;
	return true;
}

static void outbox_open(struct outbox *o)
{
	for (size_t peer = 0; peer < OUTBOX_PEERS; peer++)
		while (o->peers[peer].opens > 0 && outbox_open_some(o, peer))
			;
}

/* Whether one more batch of a size may be in flight. */
static bool outbox_window_open(const struct outbox *o, const struct lane *l, size_t size)
{
	size_t in_flight = lane_in_flight(l);

	return in_flight == 0 || (in_flight < o->options.window_batches &&
				  lane_bytes_in_flight(l) + size <= o->options.window_bytes);
}

static void outbox_send(struct outbox *o, struct lane *l, const struct stream_id *id)
{
	struct outbox_peer *p = &o->peers[l->peer];
	struct frame_batch frame = { .id = *id };
	struct lane_record *record;
	int status;

	while (!p->busy && !p->blocked && !p->leaving &&
	       (record = lane_next(l, &frame.predecessor, &frame.has_predecessor,
				   &frame.lost)) != NULL) {
		if (!outbox_window_open(o, l, record->size))
			return;
		status = spool_view(o->spool, record->spool_id, &frame.bytes);
		if (status == ERR_CHECKSUM) {
			lane_lose(l, record, o->spool);
			continue;
		}
		if (status < 0)
			return; /* no descriptor or no memory: the next run may have it */
		if (o->effects.send_batch(o->arg, l->peer, &frame) < 0) {
			p->blocked = true;
			return;
		}
		lane_mark_sent(l, record, frame.lost);
		o->counts.batches_sent++;
	}
}

/* Whether what is in flight has stood still for long. A relay that waits for Redis has it and will
 * answer; should one have dropped it, only to open the stream again brings it there. */
static bool outbox_stalled(struct lane *l, int64_t now_ms)
{
	if (lane_in_flight(l) == 0 || l->committed != l->moved_seq) {
		l->moved_seq = l->committed;
		l->moved_ms = now_ms;
	}
	return now_ms >= l->moved_ms + OUTBOX_STALL_MS;
}

/* Another lane begins each time, so that one that fills its peer does not starve the rest. */
static void outbox_pump(struct outbox *o, int64_t now_ms)
{
	uint32_t partitions = o->options.partitions;
	bool crowded = spool_quarters(o->spool) >= 2;

	o->turn = (o->turn + 1) % partitions;
	for (struct outbox_stream *s = o->streams; s != NULL; s = s->next) {
		for (uint32_t i = 0; i < partitions; i++) {
			struct lane *l = &s->lanes[(o->turn + i) % partitions];

			o->counts.expired += lane_expire(l, o->expire_before_ms,
							 now_ms - OUTBOX_DOUBT_MS, o->spool);
			if (crowded)
				(void)lane_drop_stable(l, l->committed, now_ms - OUTBOX_DOUBT_MS,
						       o->spool);
			if (outbox_stalled(l, now_ms))
				outbox_detach(o, l);
			if (l->opened)
				outbox_send(o, l, &s->id);
		}
	}
}

/* Whether the lane's last question may still be answered: a relay whose Redis is slow takes longer
 * than confirm_ms, and one whose Redis is gone does not answer at all. */
static bool outbox_asked(const struct outbox *o, const struct lane *l, int64_t now_ms)
{
	int64_t asked_ms = (int64_t)(l->confirm_token >> OUTBOX_TOKEN_BITS);

	return l->confirm_token != 0 &&
	       now_ms < asked_ms + OUTBOX_CONFIRM_PATIENCE * o->options.confirm_ms;
}

/* The question was not taken: the next one is asked in time. */
static void outbox_unask(struct outbox *o, uint64_t token)
{
	struct outbox_walk walk = outbox_walk_start(o);
	struct lane *l;

	while ((l = outbox_walk(o, &walk)) != NULL)
		if (l->confirm_token == token)
			l->confirm_token = 0;
}

/* Asks one peer about the lanes with kept batches that it serves. */
static void outbox_confirm_peer(struct outbox *o, size_t peer, int64_t now_ms)
{
	uint64_t token = (uint64_t)now_ms << OUTBOX_TOKEN_BITS | o->last_token;
	struct outbox_walk walk = outbox_walk_start(o);
	struct lane *l;
	size_t count = 0;

	while (count < LIMIT_FRAME_STREAMS && (l = outbox_walk(o, &walk)) != NULL) {
		if (l->peer != peer || !l->opened || lane_kept(l) == 0 ||
		    outbox_asked(o, l, now_ms))
			continue;
		l->confirm_token = token;
		l->confirm_stored = l->stored;
		o->list[count++] = (struct frame_stream){ .id = walk.stream->id,
							  .partition = walk.partition };
	}
	if (count == 0)
		return;
	if (o->effects.send_confirm(o->arg, peer, token, o->list, count) == 0)
		o->counts.confirms++;
	else
		outbox_unask(o, token);
}

static void outbox_confirm(struct outbox *o, int64_t now_ms)
{
	if (spool_records(o->spool) == 0) {
		o->next_confirm_ms = INT64_MAX;
		return;
	}
	if (o->next_confirm_ms == INT64_MAX)
		o->next_confirm_ms = now_ms + o->options.confirm_ms;
	if (now_ms < o->next_confirm_ms)
		return;
	o->next_confirm_ms = now_ms + o->options.confirm_ms;
	o->last_token = (o->last_token + 1) % (1 << OUTBOX_TOKEN_BITS);
	for (size_t peer = 0; peer < OUTBOX_PEERS; peer++)
		if (o->peers[peer].up)
			outbox_confirm_peer(o, peer, now_ms);
}

void outbox_run(struct outbox *o, int64_t now_ms)
{
	struct outbox_walk walk = outbox_walk_start(o);
	struct lane *l;

	outbox_forget_streams(o);
	while ((l = outbox_walk(o, &walk)) != NULL)
		outbox_place(o, l, walk.partition);
	outbox_open(o);
	outbox_pump(o, now_ms);
	outbox_confirm(o, now_ms);
}

int64_t outbox_next_ms(const struct outbox *o)
{
	return o->next_confirm_ms;
}

bool outbox_peer_idle(const struct outbox *o, size_t peer)
{
	struct outbox_walk walk = outbox_walk_start(o);
	struct lane *l;

	while ((l = outbox_walk(o, &walk)) != NULL)
		if (l->peer == peer && lane_in_flight(l) > 0)
			return false;
	return true;
}
