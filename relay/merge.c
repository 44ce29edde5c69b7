// SPDX-License-Identifier: Apache-2.0
/*
 * merge.c - which batch fits, which is late, which is wrong.
 *
 * A batch fits when it builds on the last state that was received (track_tail), merged or waiting.
 * One that does not is a duplicate at or below that state, a leftover after a RESET or STATE
 * (`resync`, `lenient`), and otherwise its agent's mistake.
 */
#include "relay/merge.h"

#include "proto/err.h"
#include "relay/reads.h"

#include <assert.h>
#include <errno.h>

/* The most samples one batch may declare lost, so that sums of them cannot wrap. */
#define MERGE_LOST_MAX ((uint64_t)1 << 53)

bool merge_closed(const struct committer *c)
{
	return image_dirty_bytes(&c->image) >= LIMIT_COMMIT_BYTES ||
	       c->pending_count >= LIMIT_COMMIT_STREAMS ||
	       image_dirty_hours(&c->image) >= LIMIT_COMMIT_HOURS;
}

/* Whether a batch builds on a state. Its own chain may be cut by a named predecessor: the nonce
 * of an OPEN, or what is stored before a declared gap. */
static bool merge_fits(const struct stream_state *on, const struct frame_batch *batch,
		       const struct batch_header *header)
{
	if (!on->known || header->seq <= on->seq)
		return false;
	if (batch->has_predecessor)
		return state_equal(&batch->predecessor, on);
	return !on->nonce && header->seq == on->seq + 1 && header->chain_before == on->value;
}

/* Whether the gap that a batch declares spans a state: its agent went on from what is stored, and
 * does not have what is merged here and not yet stored (its machine lost power). */
static bool merge_spans(const struct stream_state *on, const struct frame_batch *batch,
			const struct batch_header *header)
{
	return on->known && batch->has_predecessor && batch->predecessor.known &&
	       batch->predecessor.seq < on->seq && header->seq > on->seq;
}

/* What a merged batch amounts to. */
struct merge_amount {
	size_t bytes;
	uint64_t samples; /* merged */
	uint64_t lost;    /* declared, or rejected here */
};

/* The stream moves on: its new state goes into the next commit together with the cells. */
static void merge_advance(struct committer *c, struct track *t, const struct stream_state *after,
			  const struct merge_amount *n)
{
	if (!t->pending) {
		t->pending = true;
		t->built_on = t->last;
		t->lost = 0;
		list_append(&c->pending, &t->pending_link);
		c->pending_count++;
	}
	t->last = *after;
	t->lost += n->lost;
	t->pending_samples += n->samples;
	t->pending_bytes += n->bytes;
	c->pending_bytes += n->bytes;
}

/* Counts a merged batch; its amount comes with what was declared lost, and leaves with what
 * was rejected too. */
static void merge_count(struct committer *c, const struct track *t,
			const struct image_rejects *rejects, struct merge_amount *amount)
{
	struct relay_counters *n = c->o.counters;
	uint64_t rejected = rejects->too_old + rejects->too_new;

	tally_add(&n->samples_declared, amount->lost);
	amount->samples -= rejected;
	amount->lost += rejected;
	tally_add(&n->batches_merged, 1);
	tally_add(&n->samples_merged, amount->samples);
	tally_add(&n->samples_too_old, rejects->too_old);
	tally_add(&n->samples_too_new, rejects->too_new);
	if (rejected > 0)
		c->o.effects->rejected(c->o.arg, &t->id, rejects);
}

/* Merges one batch. An error of batch_decode leaves all as it was; one of the image costs the
 * partition's memory, because half a batch is in it. */
static int merge_one(struct committer *c, struct track *t, struct slice bytes,
		     const struct stream_state *after, uint64_t lost, int64_t now_ms)
{
	int64_t second = (now_ms + *c->o.unix_offset_ms) / 1000;
	struct image_rules rules = { .floor_hour = c->floor_hour,
				     .latest_second = second + LIMIT_AHEAD_SECONDS,
				     .now_ms = now_ms };
	struct merge_amount amount = { .bytes = bytes.size, .lost = lost };
	struct image_rejects rejects;
	struct batch batch;
	int rc = batch_decode(bytes, c->o.partitions, &batch);

	if (rc < 0)
		return rc;
	rc = image_merge(&c->image, &batch, &rules, &rejects);
	if (rc == 0) {
		amount.samples = batch.header.samples;
		merge_count(c, t, &rejects, &amount);
		merge_advance(c, t, after, &amount);
	}
	batch_release(&batch);
	if (rc < 0)
		committer_discard(c, COMMITTER_MERGE, rc, now_ms);
	return rc;
}

static int merge_or_wait(struct committer *c, struct track *t, const struct frame_batch *batch,
			 const struct batch_header *header, int64_t now_ms)
{
	struct stream_state after = {
		.known = true,
		.seq = header->seq,
		.value = hash_chain_next(header->chain_before, batch->bytes),
	};
	uint64_t lost = batch->lost < MERGE_LOST_MAX ? batch->lost : MERGE_LOST_MAX;
	int rc;

	t->resync = false;
	if (list_empty(&t->batches) && !merge_closed(c))
		return merge_one(c, t, batch->bytes, &after, lost, now_ms);
	rc = track_wait(t, &after, lost, batch->bytes);
	if (rc < 0)
		return rc;
	if (!list_linked(&t->waiting_link))
		list_append(&c->waiting, &t->waiting_link);
	c->waiting_bytes += batch->bytes.size;
	return 0;
}

int merge_receive(struct committer *c, struct track *t, const struct frame_batch *batch,
		  const struct batch_header *header, int64_t now_ms)
{
	const struct stream_state *tail = track_tail(t);

	/* Nothing was promised to a session that has not been told a state since. */
	if (t->phase != TRACK_READY) {
		tally_add(&c->o.counters->batches_stale, 1);
		return 0;
	}
	if (merge_fits(tail, batch, header))
		return merge_or_wait(c, t, batch, header, now_ms);
	if (header->seq <= tail->seq) {
		tally_add(&c->o.counters->batches_duplicate, 1);
		return 0;
	}
	if (!t->resync && !t->lenient)
		return ERR_BAD_CHAIN;
	tally_add(&c->o.counters->batches_stale, 1);
	/* A second RESET may have told a state that what was sent on the first one fits: then more
	 * of that follows, and fits nothing. Or an agent that has lost what is merged here, and not
	 * yet stored, goes on from what is stored: no leftover, and it would not be sent again. */
	if (!t->resync || merge_spans(tail, batch, header)) {
		track_pause(t, now_ms);
		reads_again(c, t, now_ms);
	}
	return 0;
}

/* Merges the first waiting batch of a track. */
static int merge_next(struct committer *c, struct track *t, int64_t now_ms)
{
	struct track_batch *b = LIST_ENTRY(t->batches.next, struct track_batch, link);
	struct stream_state after = b->after;
	int rc = merge_one(c, t, slice_of(b->bytes, b->size), &after, b->lost, now_ms);

	if (rc == 0)
		c->waiting_bytes -= track_pop(t);
	return rc;
}

/* Tracks take turns: one whose agent has a backlog would be first for as long as that lasts, and
 * the fresh batches of all others would wait. */
void merge_waiting(struct committer *c, int64_t now_ms)
{
	while (!list_empty(&c->waiting) && !merge_closed(c)) {
		struct track *t = LIST_ENTRY(c->waiting.next, struct track, waiting_link);
		struct committer_peer *peer = t->peer;
		int rc = merge_next(c, t, now_ms);

		/* A session owns what waits: with it gone the batches are gone. */
		assert(peer != NULL);
		if (rc < 0) {
			merge_drop_waiting(c, t);
			c->o.effects->refuse(c->o.arg, peer, rc);
		} else if (list_empty(&t->batches)) {
			list_remove(&t->waiting_link);
		} else {
			list_move(&c->waiting, &t->waiting_link);
		}
	}
}

void merge_drop_waiting(struct committer *c, struct track *t)
{
	size_t count;

	c->waiting_bytes -= track_drop_waiting(t, &count);
	tally_add(&c->o.counters->batches_dropped, count);
}
