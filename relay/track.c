// SPDX-License-Identifier: Apache-2.0
#include "relay/track.h"

#include "relay/backoff.h"

#include <errno.h>
#include <stdlib.h>

/* The pause of a stream that caused a conflict: two relays that hold it take turns ever more slowly
 * instead of throwing each other's memory away. */
#define TRACK_PAUSE_MIN_MS 50
#define TRACK_PAUSE_MAX_MS 10000

static struct slice track_key(const struct stream_id *id)
{
	return slice_of(id->bytes, STREAM_ID_BYTES);
}

struct track *track_new(struct map *tracks, const struct stream_id *id)
{
	struct track *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->id = *id;
	list_init(&t->batches);
	if (map_put(tracks, track_key(id), t) < 0) {
		free(t);
		return NULL;
	}
	return t;
}

void track_free(struct map *tracks, struct track *t)
{
	size_t count;

	track_drop_waiting(t, &count);
	list_remove(&t->peer_link);
	list_remove(&t->read_link);
	list_remove(&t->pending_link);
	list_remove(&t->waiting_link);
	if (tracks != NULL)
		map_remove(tracks, track_key(&t->id));
	free(t);
}

struct track *track_find(const struct map *tracks, const struct stream_id *id)
{
	return map_get(tracks, track_key(id));
}

const struct stream_state *track_tail(const struct track *t)
{
	if (list_empty(&t->batches))
		return &t->last;
	return &LIST_ENTRY(t->batches.prev, struct track_batch, link)->after;
}

int track_wait(struct track *t, const struct stream_state *after, uint64_t lost,
	       struct slice bytes)
{
	struct track_batch *b = malloc(sizeof(*b) + bytes.size);

	if (b == NULL)
		return -ENOMEM;
	*b = (struct track_batch){ .after = *after, .lost = lost, .size = bytes.size };
	memcpy(b->bytes, bytes.ptr, bytes.size);
	list_append(&t->batches, &b->link);
	return 0;
}

size_t track_pop(struct track *t)
{
	struct track_batch *b = LIST_ENTRY(t->batches.next, struct track_batch, link);
	size_t size = b->size;

	list_remove(&b->link);
	free(b);
	return size;
}

size_t track_drop_waiting(struct track *t, size_t *count)
{
	size_t bytes = 0;

	for (*count = 0; !list_empty(&t->batches); ++*count)
		bytes += track_pop(t);
	list_remove(&t->waiting_link);
	return bytes;
}

void track_pause(struct track *t, int64_t now_ms)
{
	t->backoff_ms = backoff_next_ms(t->backoff_ms, TRACK_PAUSE_MIN_MS, TRACK_PAUSE_MAX_MS);
	t->delayed_until_ms = now_ms + t->backoff_ms;
}

bool track_behind(const struct track *t, const struct stream_state *stored)
{
	if (!t->mark.known || state_equal(stored, &t->mark))
		return false;
	/* At the same seq another chain, or another nonce, means that what we knew is gone too. */
	return !stored->known || stored->nonce || stored->seq <= t->mark.seq;
}
