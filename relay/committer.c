// SPDX-License-Identifier: Apache-2.0
/*
 * committer.c - what happens to a commit; merge.c takes batches in, reads.c asks for states.
 *
 *     pending --commit_build--> flight --OK--> marks of its streams, COMMITTED
 *                                  \--any refusal--> committer_discard: all of the partition
 *
 * `serial` is the order of calls and answers: by it the answer to a commit that was thrown away
 * meanwhile, or sent again, is known, and what a read says that is older than an OK. Committed is
 * what Redis said, so on OK a track's mark becomes the state that the commit held, not the one
 * merged since. A discard is one walk over all tracks: those with a session are read again, those
 * without are freed. Gauges that all partitions share are moved by the difference to what was last
 * shown.
 */
#include "relay/committer.h"

#include "proto/err.h"
#include "proto/hour.h"
#include "relay/acks.h"
#include "relay/backoff.h"
#include "relay/merge.h"
#include "relay/reads.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define COMMITTER_BACKOFF_MIN_MS 50
#define COMMITTER_BACKOFF_MAX_MS 1000

/* An hour that is over leaves memory when nothing was added to it for so long. */
#define COMMITTER_IDLE_MS (10 * 60 * 1000)

void committer_init(struct committer *c, const struct committer_options *options)
{
	*c = (struct committer){ .o = *options };
	image_init(&c->image, options->effects->random, options->arg, options->windows);
	map_init(&c->tracks);
	list_init(&c->reads);
	list_init(&c->delayed);
	list_init(&c->pending);
	list_init(&c->waiting);
}

void committer_release(struct committer *c)
{
	size_t cursor = 0;
	void *value;

	commit_release(&c->flight);
	while (map_next(&c->tracks, &cursor, NULL, &value))
		track_free(NULL, value);
	map_release(&c->tracks);
	image_reset(&c->image);
}

size_t committer_held(const struct committer *c)
{
	return c->pending_bytes + c->waiting_bytes + c->flight.held_bytes;
}

/* Adds what has changed since the last time to the gauges that all partitions share. */
static void committer_gauges(struct committer *c)
{
	struct relay_counters *n = c->o.counters;
	size_t held = committer_held(c), memory = image_memory(&c->image);
	size_t cells = image_cells(&c->image), tracks = map_count(&c->tracks);

	tally_add(&n->held_bytes, held - c->shown.held);
	tally_add(&n->image_bytes, memory - c->shown.memory);
	tally_add(&n->image_cells, cells - c->shown.cells);
	tally_add(&n->streams, tracks - c->shown.tracks);
	c->shown.held = held;
	c->shown.memory = memory;
	c->shown.cells = cells;
	c->shown.tracks = tracks;
}

void committer_set_floor(struct committer *c, int64_t floor_hour)
{
	if (floor_hour > c->floor_hour)
		c->floor_hour = floor_hour;
}

void committer_store_up(struct committer *c, int64_t now_ms)
{
	reads_all_again(c, now_ms);
	c->read_at_ms = now_ms;
	c->read_backoff_ms = 0;
	c->flight_at_ms = now_ms;
	c->flight_backoff_ms = 0;
}

void committer_set_interval(struct committer *c, int64_t commit_ms)
{
	c->next_commit_ms += commit_ms - c->o.commit_ms;
	c->o.commit_ms = commit_ms;
}

void committer_drain(struct committer *c)
{
	c->draining = true;
	while (!list_empty(&c->waiting))
		merge_drop_waiting(c, LIST_ENTRY(c->waiting.next, struct track, waiting_link));
	committer_gauges(c);
}

bool committer_idle(const struct committer *c)
{
	return c->pending_count == 0 && !c->has_flight && list_empty(&c->waiting);
}

/* ---- the commit under way ---- */

static void committer_flight_back_off(struct committer *c, int64_t now_ms)
{
	c->flight_backoff_ms = backoff_next_ms(c->flight_backoff_ms, COMMITTER_BACKOFF_MIN_MS,
					       COMMITTER_BACKOFF_MAX_MS);
	c->flight_at_ms = now_ms + c->flight_backoff_ms;
	c->flight_sent = false;
	tally_add(&c->o.counters->commit_retries, 1);
}

/* Sends the commit, for the first time or again: always the same bytes. */
static void committer_send(struct committer *c, int64_t now_ms)
{
	struct committer_call *call = reads_call_new(c, SCRIPT_COMMIT, 0);

	if (call != NULL && c->o.effects->run(c->o.arg, c, call, buf_view(&c->flight.resp))) {
		c->flight_sent = true;
		c->flight_serial = call->serial;
		return;
	}
	free(call);
	committer_flight_back_off(c, now_ms);
}

static void committer_commit(struct committer *c, int64_t now_ms)
{
	struct commit_target target = { .tag = c->o.tag, .cfg = c->o.cfg,
					.retention_hours = c->o.retention_hours };
	struct relay_counters *n = c->o.counters;
	int rc = commit_build(&c->flight, &target, &c->image, &c->pending, c->pending_count);

	if (rc < 0) {
		committer_discard(c, COMMITTER_MERGE, rc, now_ms);
		return;
	}
	c->has_flight = true;
	c->flight_backoff_ms = 0;
	c->flight_built_ms = now_ms;
	c->next_commit_ms = now_ms + c->o.commit_ms;
	c->pending_count = 0;
	c->pending_bytes = 0;
	tally_add(&n->commit_bytes, c->flight.resp.size);
	tally_add(&n->commit_cells, c->flight.cell_count);
	tally_add(&n->commit_streams, c->flight.stream_count);
	committer_send(c, now_ms);
}

static void committer_send_committed(void *arg, struct committer_peer *peer,
				     struct frame_stream *list, size_t count)
{
	struct committer *c = arg;

	c->o.effects->committed(c->o.arg, peer, list, count);
}

/* The commit is in: its streams' states are Redis' states, and their agents may know. */
static void committer_flight_ok(struct committer *c, int64_t now_ms)
{
	struct commit done = c->flight;
	struct acks acks;

	c->flight = (struct commit){ 0 };
	c->has_flight = c->flight_sent = false;
	c->serial++;
	tally_add(&c->o.counters->commits, 1);
	tally_add(&c->o.counters->samples_committed, done.samples);
	tally_add(&c->o.counters->commit_usec, (uint64_t)(now_ms - c->flight_built_ms) * 1000);
	for (size_t i = 0; i < done.hour_count; i++)
		image_set_version(&c->image, done.hours[i].hour, done.hours[i].pid, done.version);
	acks_init(&acks, done.stream_count, committer_send_committed, c);
	for (size_t i = 0; i < done.stream_count; i++) {
		struct track *t = done.streams[i].track;

		t->mark = done.streams[i].state;
		t->mark_serial = c->serial;
		t->backoff_ms = 0;
		if (t->peer != NULL)
			acks_add(&acks, t->peer,
				 &(struct frame_stream){ .id = t->id, .partition = c->o.partition,
							 .state = t->mark });
	}
	acks_finish(&acks);
	for (size_t i = 0; i < done.stream_count; i++) {
		done.streams[i].track->in_flight = false;
		if (done.streams[i].track->peer == NULL && !done.streams[i].track->pending)
			committer_forget(c, done.streams[i].track);
	}
	done.stream_count = 0;
	commit_release(&done);
}

static void committer_flight_conflict(struct committer *c, const struct answer *answer,
				      int64_t now_ms)
{
	struct stream_id id;

	for (size_t i = 0; i + 1 < answer->count; i += 2) {
		struct track *t = NULL;

		if (answer->items[i].size == sizeof(id.bytes)) {
			memcpy(id.bytes, answer->items[i].ptr, sizeof(id.bytes));
			t = track_find(&c->tracks, &id);
		}
		if (t != NULL)
			track_pause(t, now_ms);
	}
	committer_discard(c, COMMITTER_CONFLICT, 0, now_ms);
}

static void committer_flight_answer(struct committer *c, const struct answer *answer,
				    int64_t now_ms)
{
	if (answer->kind != ANSWER_OK)
		reads_complain(c, SCRIPT_COMMIT, answer);
	switch (answer->kind) {
	case ANSWER_OK:
		committer_flight_ok(c, now_ms);
		return;
	case ANSWER_CONFLICT:
		committer_flight_conflict(c, answer, now_ms);
		return;
	case ANSWER_LOST:
		committer_discard(c, COMMITTER_LOST, 0, now_ms);
		return;
	case ANSWER_FLOOR:
		committer_set_floor(c, answer_hour(answer, 0));
		committer_discard(c, COMMITTER_FLOOR, 0, now_ms);
		return;
	case ANSWER_CONFIG:
	case ANSWER_EMPTY:
		committer_discard(c, COMMITTER_CONFIG, 0, now_ms);
		return;
	case ANSWER_NO_SCRIPT:
	case ANSWER_NOT_APPLIED:
	case ANSWER_UNKNOWN:
	case ANSWER_ERROR:
		committer_flight_back_off(c, now_ms);
		return;
	}
}

void committer_answer(struct committer *c, struct committer_call *call,
		      const struct answer *answer, int64_t now_ms)
{
	switch (call->script) {
	case SCRIPT_COMMIT:
		/* The answer of a commit that was thrown away meanwhile means nothing any more. */
		if (c->has_flight && c->flight_sent && c->flight_serial == call->serial)
			committer_flight_answer(c, answer, now_ms);
		break;
	case SCRIPT_OPEN:
		reads_opened(c, call, answer, now_ms);
		break;
	case SCRIPT_CONFIRM:
		reads_confirmed(c, call, answer, now_ms);
		break;
	case SCRIPT_CLOSE:
		if (answer->kind != ANSWER_OK)
			reads_complain(c, SCRIPT_CLOSE, answer);
		break;
	default:
		assert(false && "a call no committer makes");
	}
	free(call);
	committer_gauges(c);
}

/* ---- refusals ---- */

static void committer_count_refusal(struct committer *c, enum committer_reason reason)
{
	struct relay_counters *n = c->o.counters;
	tally_count *const counters[] = {
		[COMMITTER_CONFLICT] = &n->refused_conflict,
		[COMMITTER_LOST] = &n->refused_lost,
		[COMMITTER_FLOOR] = &n->refused_floor,
		[COMMITTER_CONFIG] = &n->refused_config,
		[COMMITTER_ROLLBACK] = &n->refused_rollback,
		[COMMITTER_MERGE] = &n->refused_merge,
	};

	tally_add(counters[reason], 1);
}

/* Puts a track back to where nothing is known of its stream. */
static void committer_discard_track(struct committer *c, struct track *t, struct list *dead,
				    int64_t now_ms)
{
	merge_drop_waiting(c, t);
	list_remove(&t->pending_link);
	t->pending = t->in_flight = false;
	t->pending_bytes = 0;
	t->pending_samples = 0;
	t->lost = 0;
	t->mark = (struct stream_state){ 0 };
	if (t->peer == NULL) {
		list_append(dead, &t->pending_link);
		return;
	}
	if (t->phase == TRACK_READY)
		t->cause = FRAME_RESET;
	reads_add(c, t, now_ms);
}

void committer_discard(struct committer *c, enum committer_reason reason, int code,
		       int64_t now_ms)
{
	struct list dead;
	size_t cursor = 0;
	void *value;

	list_init(&dead);
	commit_release(&c->flight);
	c->has_flight = c->flight_sent = false;
	c->serial++;
	image_reset(&c->image);
	while (map_next(&c->tracks, &cursor, NULL, &value))
		committer_discard_track(c, value, &dead, now_ms);
	while (!list_empty(&dead))
		track_free(&c->tracks, LIST_ENTRY(dead.next, struct track, pending_link));
	assert(list_empty(&c->pending) && list_empty(&c->waiting) && c->waiting_bytes == 0);
	c->pending_count = 0;
	c->pending_bytes = 0;
	committer_count_refusal(c, reason);
	c->o.effects->discarded(c->o.arg, c->o.partition, reason, code);
}

void committer_evict(struct committer *c, int64_t now_ms, size_t memory_max)
{
	int64_t hour = hour_of_second((now_ms + *c->o.unix_offset_ms) / 1000);

	if (!c->has_flight)
		tally_add(&c->o.counters->image_evictions,
			  image_evict(&c->image, hour, now_ms - COMMITTER_IDLE_MS, memory_max));
	committer_gauges(c);
}

bool committer_holds(const struct committer *c, int64_t hour, uint64_t pid)
{
	return image_holds(&c->image, hour, pid);
}

/* ---- time ---- */

/* When the next commit may be built: at once when it is closed or we are leaving. */
static int64_t committer_commit_due(const struct committer *c)
{
	if (c->has_flight || c->pending_count == 0)
		return INT64_MAX;
	return c->draining || merge_closed(c) ? 0 : c->next_commit_ms;
}

int64_t committer_due(const struct committer *c)
{
	int64_t due = reads_due(c), commit = committer_commit_due(c);

	if (c->has_flight && !c->flight_sent && c->flight_at_ms < due)
		due = c->flight_at_ms;
	if (!list_empty(&c->waiting) && !merge_closed(c))
		due = 0;
	return commit < due ? commit : due;
}

void committer_tick(struct committer *c, int64_t now_ms)
{
	if (c->has_flight && !c->flight_sent && c->flight_at_ms <= now_ms)
		committer_send(c, now_ms);
	reads_tick(c, now_ms);
	merge_waiting(c, now_ms);
	if (committer_commit_due(c) <= now_ms) {
		committer_commit(c, now_ms);
		merge_waiting(c, now_ms);
	}
	committer_gauges(c);
}

/* ---- sessions ---- */

void committer_peer_init(struct committer_peer *peer, uint64_t born)
{
	peer->born = born;
	list_init(&peer->tracks);
	list_init(&peer->calls);
	peer->track_count = peer->call_count = 0;
}

/* Takes a track from its session, if it has one. */
static void committer_detach(struct track *t)
{
	if (t->peer == NULL)
		return;
	t->peer->track_count--;
	t->peer = NULL;
	list_remove(&t->peer_link);
	list_remove(&t->read_link);
	merge_drop_waiting(t->home, t);
}

void committer_forget(struct committer *c, struct track *t)
{
	assert(!track_owes(t));
	committer_detach(t);
	track_free(&c->tracks, t);
}

void committer_peer_gone(struct committer_peer *peer)
{
	while (!list_empty(&peer->calls)) {
		struct committer_call *call =
			LIST_ENTRY(peer->calls.next, struct committer_call, link);

		list_remove(&call->link);
		call->peer = NULL;
	}
	while (!list_empty(&peer->tracks)) {
		struct track *t = LIST_ENTRY(peer->tracks.next, struct track, peer_link);
		struct committer *home = t->home;

		committer_detach(t);
		if (!track_owes(t))
			track_free(&home->tracks, t);
		committer_gauges(home);
	}
}

int committer_open(struct committer *c, struct committer_peer *peer, const struct stream_id *id,
		   uint64_t base_seq)
{
	struct track *t = track_find(&c->tracks, id);

	if (t != NULL && t->peer != NULL && t->peer->born > peer->born)
		return ERR_PROTOCOL;
	if (t == NULL)
		t = track_new(&c->tracks, id);
	if (t == NULL)
		return -ENOMEM;
	t->home = c;
	merge_drop_waiting(c, t);
	t->reopened = t->peer == peer;
	t->lenient = t->lenient && t->peer == peer;
	if (t->peer != peer) {
		committer_detach(t);
		t->peer = peer;
		list_append(&peer->tracks, &t->peer_link);
		peer->track_count++;
	}
	t->base_seq = base_seq;
	t->cause = FRAME_OPENED;
	t->phase = TRACK_UNKNOWN;
	if (!list_linked(&t->read_link))
		list_append(&c->reads, &t->read_link);
	committer_gauges(c);
	return 0;
}

int committer_batch(struct committer *c, struct committer_peer *peer,
		    const struct frame_batch *batch, const struct batch_header *header,
		    int64_t now_ms)
{
	struct track *t = track_find(&c->tracks, &batch->id);
	int rc;

	tally_add(&c->o.counters->batches_received, 1);
	tally_add(&c->o.counters->batch_bytes, batch->bytes.size);
	if (c->draining) {
		tally_add(&c->o.counters->batches_dropped, 1);
		return 0;
	}
	if (t == NULL || t->peer != peer)
		rc = ERR_PROTOCOL;
	else
		rc = merge_receive(c, t, batch, header, now_ms);
	if (rc < 0)
		tally_add(&c->o.counters->batches_refused, 1);
	committer_gauges(c);
	return rc;
}
