// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/agent_spool.h"

#include "tests/sim/agent_node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define SPOOL_BYTES         ((size_t)64 * 1024 * 1024)
#define SPOOL_SEGMENT_BYTES ((size_t)64 * 1024)
#define SPOOL_SLOW_MS       150 /* a disk takes so long at most */

struct spool_joining {
	struct agent_node *agent;
	const struct outbox_options *options;
	const struct outbox_effects *effects;
	bool joined;
};

/* ---- a start ----------------------------------------------------------------------------------------- */

static void spool_join(struct spool_joining *j, struct spool *spool)
{
	struct agent_node *a = j->agent;

	if (!j->joined && outbox_init(&a->outbox, j->options, j->effects, a, spool, &a->stream) < 0)
		abort();
	j->joined = true;
}

static bool spool_on_restore(void *arg, struct spool *spool, const struct spool_record *record,
			     size_t size, uint64_t id)
{
	struct spool_joining *j = arg;

	spool_join(j, spool);
	if (j->agent->world->without == RULE_LEFTOVERS)
		return false;
	return outbox_restore(&j->agent->outbox, record, size, id);
}

static void spool_open_disk(struct spool_joining *j)
{
	struct agent_node *a = j->agent;
	struct spool_disk_options options = { .max_bytes = SPOOL_BYTES, .memory_max = SPOOL_BYTES,
					      .segment_bytes = SPOOL_SEGMENT_BYTES,
					      .io = &vdisk_io };
	struct world_stats *n = &a->world->stats;
	struct spool_found found;
	char path[8];

	snprintf(path, sizeof(path), "%u", a->index);
	if (spool_disk_new(path, &options, spool_on_restore, j, &found, &a->spool) < 0)
		abort();
	n->restored += found.records;
	n->torn_files += found.torn + found.holes;
	world_note(a->world, TRACE_SPOOL_FOUND, a->index, found.records, found.torn, found.holes);
}

/* What a sync at the start did not make safe no later round is asked about. */
static void spool_doubt(struct agent_node *a)
{
	struct book *book = &a->world->book;

	for (size_t i = a->durable; i < book->count; i++)
		if (book_agent(&book->batches[i]) == a->index)
			book->batches[i].may_lose = true;
}

void agent_spool_open(struct agent_node *a, const struct outbox_options *options,
		      const struct outbox_effects *effects)
{
	struct spool_joining j = { .agent = a, .options = options, .effects = effects };
	uint64_t failed = a->disk.failed_syncs;

	a->sync = NULL;
	a->sync_at_ms = a->world->now_ms + a->world->plan.sync_ms;
	if (!a->world->plan.disk) {
		a->sync_at_ms = INT64_MAX;
		if (spool_new(SPOOL_BYTES, &a->spool) < 0)
			abort();
	} else {
		spool_open_disk(&j);
	}
	spool_join(&j, a->spool);
	if (a->disk.failed_syncs != failed)
		spool_doubt(a);
}

/* ---- syncing --------------------------------------------------------------------------------------- */

static uint64_t spool_volatile(const struct agent_node *a)
{
	return spool_disk_state(a->spool).volatile_samples;
}

/* A round is over: batches that were sealed before it began are safe, if all went well. */
static void spool_note_round(struct agent_node *a, size_t sealed)
{
	if (a->disk.failed_syncs == a->sync_failed && spool_volatile(a) == 0 && a->sync_whole)
		a->durable = sealed;
}

/* A step of a round happens to a living process, of the life in which it was begun. */
static bool spool_skips(struct world *w, const struct event *event)
{
	const struct agent_node *a = event->subject;

	if (!a->alive || event->number != a->life)
		return true;
	if (w->now_ms >= a->paused_until_ms)
		return false;
	queue_put_back(&w->queue, event, a->paused_until_ms);
	return true;
}

static void spool_on_done(struct world *w, const struct event *event)
{
	struct agent_node *a = event->subject;
	struct spool_sync *sync = a->sync;

	if (spool_skips(w, event))
		return;
	a->sync = NULL;
	spool_sync_done(a->spool, sync);
	spool_note_round(a, a->sync_sealed);
	w->stats.degraded += spool_disk_state(a->spool).degraded;
	world_note(w, TRACE_SPOOL_SYNCED, a->index, a->durable, spool_volatile(a), 0);
}

static void spool_later(struct agent_node *a, event_fn run)
{
	struct world *w = a->world;
	struct event event = { .at_ms = w->now_ms + rng_between(&w->rng, 0, SPOOL_SLOW_MS),
			       .run = run, .subject = a, .number = a->life };

	queue_put(&w->queue, &event);
}

static void spool_on_run(struct world *w, const struct event *event)
{
	struct agent_node *a = event->subject;

	if (spool_skips(w, event))
		return;
	spool_sync_run(a->sync);
	spool_later(a, spool_on_done);
}

void agent_spool_run(struct agent_node *a)
{
	struct world *w = a->world;

	if (w->now_ms < a->sync_at_ms)
		return;
	a->sync_at_ms = w->now_ms + w->plan.sync_ms;
	if (a->sync != NULL)
		return;
	a->sync_failed = a->disk.failed_syncs;
	a->sync = spool_sync_begin(a->spool);
	a->sync_sealed = w->book.count;
	a->sync_whole = spool_volatile(a) == 0;
	if (a->sync != NULL)
		spool_later(a, spool_on_run);
	else
		spool_note_round(a, w->book.count);
}

/* ---- an end ------------------------------------------------------------------------------------------- */

/* Of what a stream held, that from a batch of the book on may be lost. */
static void spool_excuse(struct agent_node *a, const struct outbox_stream *s, size_t from)
{
	struct book *book = &a->world->book;

	for (size_t i = from; i < book->count; i++) {
		struct book_batch *b = &book->batches[i];

		if (memcmp(b->stream.bytes, s->id.bytes, STREAM_ID_BYTES) == 0 &&
		    b->seq > lane_base_seq(&s->lanes[b->partition]))
			b->may_lose = true;
	}
}

/* The stream will not be sent again: Redis may forget it. */
static void spool_bury(struct world *w, const struct stream_id *id)
{
	if (w->dead_count == w->dead_capacity) {
		w->dead_capacity = w->dead_capacity ? 2 * w->dead_capacity : 32;
		w->dead = realloc(w->dead, w->dead_capacity * sizeof(*w->dead));
		if (w->dead == NULL)
			abort();
	}
	w->dead[w->dead_count++] = *id;
}

void agent_spool_die(struct agent_node *a, bool machine)
{
	struct world *w = a->world;
	size_t from = w->book.count;

	if (!w->plan.disk)
		from = 0;
	else if (machine || spool_volatile(a) > 0)
		from = a->durable;
	for (struct outbox_stream *s = a->outbox.streams; s != NULL; s = s->next) {
		spool_excuse(a, s, from);
		if (!w->plan.disk && w->without != RULE_REUSE)
			spool_bury(w, &s->id);
	}
	a->disk.frozen = true;
	agent_spool_release(a);
	a->disk.frozen = false;
	if (!machine)
		return;
	w->stats.crashes++;
	vdisk_crash(&a->disk);
}

void agent_spool_release(struct agent_node *a)
{
	if (a->sync != NULL)
		spool_sync_done(NULL, a->sync);
	a->sync = NULL;
	outbox_release(&a->outbox);
	spool_free(a->spool);
}
