// SPDX-License-Identifier: Apache-2.0
/*
 * lane.c - notes of batches in one array, oldest first: past, committed, in flight, unsent.
 *
 * The array is a queue: notes leave at `head`, and the room before it is taken back when it is more
 * than half of all. A place is found by seq in O(log n), because a batch that could not be read
 * back leaves a gap. Once a lane is in use only what Redis says (lane_note_state) moves `committed`
 * back.
 */
#include "agent/lane.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define LANE_FIRST_RECORDS 16

void lane_init(struct lane *l, const struct stream_id *stream, uint32_t partition)
{
	*l = (struct lane){ .next_seq = 1, .chain = hash_chain_start(stream, partition) };
}

void lane_release(struct lane *l)
{
	free(l->records);
	l->records = NULL;
	l->capacity = l->head = l->count = l->past = 0;
}

static struct lane_record *lane_at(const struct lane *l, size_t index)
{
	assert(index < l->count);
	return &l->records[l->head + index];
}

/* How many notes have a seq at or below the given one. */
static size_t lane_index_after(const struct lane *l, uint64_t seq)
{
	size_t low = 0, high = l->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (lane_at(l, middle)->seq <= seq)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The index of the first kept batch after a seq. */
static size_t lane_kept_after(const struct lane *l, uint64_t seq)
{
	size_t index = lane_index_after(l, seq);

	return index > l->past ? index : l->past;
}

int lane_reserve(struct lane *l)
{
	size_t capacity = l->capacity ? 2 * l->capacity : LANE_FIRST_RECORDS;
	struct lane_record *grown;

	if (l->head + l->count < l->capacity)
		return 0;
	if (l->head > l->capacity / 2) {
		memmove(l->records, l->records + l->head, l->count * sizeof(*l->records));
		l->head = 0;
		return 0;
	}
	grown = realloc(l->records, capacity * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	l->records = grown;
	l->capacity = capacity;
	return 0;
}

void lane_append(struct lane *l, uint64_t chain_after, const struct lane_record *record)
{
	struct lane_record *note = &l->records[l->head + l->count];

	assert(l->head + l->count < l->capacity);
	*note = *record;
	note->seq = l->next_seq++;
	note->chain_before = l->chain;
	note->chain_after = chain_after;
	note->samples_before = l->samples;
	note->lost = 0;
	note->committed_ms = LANE_NOT_YET;
	note->counted = false;
	l->chain = chain_after;
	l->samples += note->samples;
	l->count++;
}

/* What a batch found in the spool is to its lane. */
static struct lane_record lane_found(const struct spool_record *record, size_t size,
				     uint64_t spool_id)
{
	return (struct lane_record){ .seq = record->seq, .chain_before = record->chain_before,
				     .chain_after = record->chain_after,
				     .samples = record->samples,
				     .samples_before = record->samples_before,
				     .spool_id = spool_id, .size = size,
				     .since_ms = record->since_ms,
				     .committed_ms = LANE_NOT_YET };
}

bool lane_restore(struct lane *l, const struct spool_record *record, size_t size,
		  uint64_t spool_id)
{
	size_t index = lane_index_after(l, record->seq);
	struct lane_record *at;

	assert(l->past == 0 && (l->count == 0 || l->ended));
	if (index > 0 && lane_at(l, index - 1)->seq == record->seq)
		return false;
	if (lane_reserve(l) < 0)
		return false;
	at = &l->records[l->head + index];
	memmove(at + 1, at, (l->count - index) * sizeof(*at));
	*at = lane_found(record, size, spool_id);
	l->count++;
	l->ended = true;
	if (index == 0) {
		l->base = l->committed = l->sent = record->seq - 1;
		l->forgotten_samples = record->samples_before;
	}
	if (index == l->count - 1) {
		l->next_seq = record->seq + 1;
		l->chain = record->chain_after;
		l->samples = record->samples_before + record->samples;
	}
	return true;
}

size_t lane_kept(const struct lane *l)
{
	return l->count - l->past;
}

uint64_t lane_base_seq(const struct lane *l)
{
	if (lane_kept(l) == 0)
		return l->next_seq - 1;
	return l->past > 0 ? lane_at(l, l->past - 1)->seq : l->base;
}

size_t lane_in_flight(const struct lane *l)
{
	return l->sent > l->committed ?
		       lane_kept_after(l, l->sent) - lane_kept_after(l, l->committed) :
		       0;
}

size_t lane_bytes_in_flight(const struct lane *l)
{
	size_t bytes = 0;

	for (size_t i = lane_kept_after(l, l->committed);
	     i < l->count && lane_at(l, i)->seq <= l->sent; i++)
		bytes += lane_at(l, i)->size;
	return bytes;
}

uint64_t lane_undelivered(const struct lane *l)
{
	uint64_t samples = 0;

	for (size_t i = lane_kept_after(l, l->committed); i < l->count; i++)
		samples += lane_at(l, i)->samples;
	return samples;
}

int64_t lane_since(const struct lane *l)
{
	size_t index = lane_kept_after(l, l->committed);

	return index < l->count ? lane_at(l, index)->since_ms : INT64_MAX;
}

void lane_detach(struct lane *l)
{
	l->opened = false;
	l->open_sent = false;
	l->confirm_token = 0;
	l->sent = l->committed;
}

/* Whether a stored chain can be ours. One from before all our notes cannot be checked and is
 * taken for ours: it is a Redis that went far back, which happens, where a clone of this
 * agent with our random incarnation does not. */
static bool lane_owns(const struct lane *l, const struct stream_state *stored)
{
	size_t index = lane_index_after(l, stored->seq);

	if (index > 0 && lane_at(l, index - 1)->seq == stored->seq)
		return lane_at(l, index - 1)->chain_after == stored->value;
	if (index < l->count && lane_at(l, index)->seq == stored->seq + 1)
		return lane_at(l, index)->chain_before == stored->value;
	return stored->seq + 1 < l->next_seq || l->ended || l->chain == stored->value;
}

/* The loss declared with a batch, without what was reported when it expired. */
static uint64_t lane_take_lost(struct lane *l, const struct lane_record *r)
{
	uint64_t known = r->lost < l->reported ? r->lost : l->reported;

	l->reported -= known;
	return r->lost - known;
}

/* Forgets when batches after a seq were committed; notes it for the others. `anew`: also for those
 * of which it was known: the state was looked up after a doubt, and what it shows may have been
 * forgotten since and committed again, by another relay, a moment ago. */
static void lane_stamp(struct lane *l, uint64_t seq, int64_t now_ms, bool anew,
		       struct lane_change *change)
{
	for (size_t i = l->past; i < l->count; i++) {
		struct lane_record *r = lane_at(l, i);

		if (r->seq > seq) {
			r->committed_ms = LANE_NOT_YET;
			continue;
		}
		if (anew || r->committed_ms == LANE_NOT_YET)
			r->committed_ms = now_ms;
		if (!r->counted) {
			r->counted = true;
			change->committed += r->samples;
			change->lost += lane_take_lost(l, r);
		}
	}
}

/* Redis knows nothing of the stream: it must be opened again before anything is sent. */
static void lane_note_forgotten(struct lane *l, struct lane_change *change)
{
	if (l->committed > lane_base_seq(l) || l->sent > l->committed)
		change->verdict = LANE_REWOUND;
	l->stored = (struct stream_state){ 0 };
	l->opened = false;
	l->open_sent = false;
	l->committed = l->sent = lane_base_seq(l);
	for (size_t i = l->past; i < l->count; i++)
		lane_at(l, i)->committed_ms = LANE_NOT_YET;
}

/* A nonce: nothing of ours is in since its seq. */
static void lane_note_nonce(struct lane *l, const struct stream_state *stored,
			    struct lane_change *change)
{
	if (stored->seq < l->committed)
		change->verdict = LANE_REWOUND;
	l->stored = *stored;
	l->opened = true;
	l->committed = l->sent = stored->seq;
	for (size_t i = l->past; i < l->count; i++)
		lane_at(l, i)->committed_ms = LANE_NOT_YET;
}

static void lane_note_chain(struct lane *l, const struct stream_state *stored,
			    enum lane_cause cause, int64_t now_ms, struct lane_change *change)
{
	bool behind = stored->seq < l->committed;
	bool looked_up = cause == LANE_OPENED || cause == LANE_RESET;

	if (!lane_owns(l, stored)) {
		change->verdict = LANE_FOREIGN;
		return;
	}
	if (behind)
		change->verdict = LANE_REWOUND;
	lane_stamp(l, stored->seq, now_ms, looked_up, change);
	l->stored = *stored;
	l->opened |= looked_up;
	l->committed = stored->seq;
	if (looked_up || behind || l->sent < stored->seq)
		l->sent = stored->seq;
}

/* A CONFIRM's answer may have been overtaken by a COMMITTED: only what lies behind that which
 * was known when it was asked shows that Redis went back. */
static bool lane_confirm_is_old(const struct lane *l, const struct stream_state *stored)
{
	if (!stored->known)
		return false;
	if (stored->nonce)
		return state_equal(stored, &l->confirm_stored);
	return stored->seq >= l->confirm_stored.seq && stored->seq < l->committed &&
	       lane_owns(l, stored);
}

struct lane_change lane_note_state(struct lane *l, const struct stream_state *stored,
				   enum lane_cause cause, int64_t now_ms)
{
	struct lane_change change = { .verdict = LANE_KEPT };

	if (cause == LANE_CONFIRMED && lane_confirm_is_old(l, stored))
		return change;
	if (stored->known && stored->seq >= l->next_seq && !l->ended)
		change.verdict = LANE_FOREIGN; /* a seq, even a nonce's, that we never used */
	else if (!stored->known)
		lane_note_forgotten(l, &change);
	else if (stored->nonce)
		lane_note_nonce(l, stored, &change);
	else
		lane_note_chain(l, stored, cause, now_ms, &change);
	return change;
}

/* Samples of the batches after a stored seq and before a record; of a seq from before our notes,
 * those that we know of. */
static uint64_t lane_lost_between(const struct lane *l, uint64_t seq,
				  const struct lane_record *record)
{
	size_t index = lane_index_after(l, seq);
	const struct lane_record *last;

	if (seq + 1 >= record->seq)
		return 0;
	if (index == 0)
		return record->samples_before - l->forgotten_samples;
	last = lane_at(l, index - 1);
	return record->samples_before - last->samples_before - last->samples;
}

struct lane_record *lane_next(struct lane *l, struct stream_state *predecessor, bool *named,
			      uint64_t *lost)
{
	uint64_t after = l->sent > l->committed ? l->sent : l->committed;
	size_t index = lane_kept_after(l, after);
	struct lane_record *record;

	if (!l->opened || index == l->count)
		return NULL;
	record = lane_at(l, index);
	*predecessor = l->stored;
	if (index > lane_kept_after(l, l->committed))
		*predecessor = (struct stream_state){ .known = true,
						      .seq = lane_at(l, index - 1)->seq,
						      .value = lane_at(l, index - 1)->chain_after };
	*named = predecessor->nonce || predecessor->seq + 1 != record->seq ||
		 predecessor->value != record->chain_before;
	*lost = lane_lost_between(l, predecessor->seq, record);
	return record;
}

void lane_mark_sent(struct lane *l, struct lane_record *record, uint64_t lost)
{
	assert(record->seq > l->sent);
	record->lost = lost;
	l->sent = record->seq;
}

void lane_lose(struct lane *l, struct lane_record *record, struct spool *spool)
{
	size_t index = (size_t)(record - lane_at(l, 0));

	spool_drop(spool, record->spool_id);
	memmove(record, record + 1, (l->count - index - 1) * sizeof(*record));
	l->count--;
}

/* One kept batch becomes a note of the past. */
static void lane_drop_first(struct lane *l, struct spool *spool)
{
	spool_drop(spool, lane_at(l, l->past)->spool_id);
	l->past++;
	if (l->past > LANE_PAST) {
		l->forgotten_samples = lane_at(l, 0)->samples_before + lane_at(l, 0)->samples;
		l->past--;
		l->head++;
		l->count--;
	}
}

uint64_t lane_drop_stable(struct lane *l, uint64_t seq, int64_t committed_before_ms,
			  struct spool *spool)
{
	uint64_t samples = 0;

	while (lane_kept(l) > 0) {
		const struct lane_record *first = lane_at(l, l->past);

		if (first->seq > seq || first->committed_ms == LANE_NOT_YET ||
		    first->committed_ms > committed_before_ms)
			break;
		samples += first->samples;
		lane_drop_first(l, spool);
	}
	return samples;
}

uint64_t lane_expire(struct lane *l, int64_t before_ms, int64_t committed_before_ms,
		     struct spool *spool)
{
	uint64_t lost = 0;

	while (lane_kept(l) > 0) {
		struct lane_record *first = lane_at(l, l->past);
		bool in_flight = first->seq > l->committed && first->seq <= l->sent;

		if (first->since_ms >= before_ms || in_flight || (l->ended && !l->opened))
			break;
		if (first->seq <= l->committed && first->committed_ms != LANE_NOT_YET) {
			if (first->committed_ms > committed_before_ms)
				break;
			lane_drop_first(l, spool);
			continue;
		}
		if (!first->counted) {
			lost += first->samples;
			l->reported += first->samples;
		}
		lane_lose(l, first, spool);
	}
	return lost;
}

uint64_t lane_abandon(struct lane *l, struct spool *spool)
{
	uint64_t samples = lane_undelivered(l);

	while (lane_kept(l) > 0)
		lane_drop_first(l, spool);
	l->committed = l->sent = l->next_seq - 1;
	return samples;
}
