// SPDX-License-Identifier: Apache-2.0
#include "agent/spool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* What a record costs beside its bytes: slot, and the outbox's note of it. */
#define SPOOL_RECORD_BYTES 192
#define SPOOL_FIRST_SLOTS  64

/* Records are packed into segments, one after the other, as they will be in files. A segment is
 * freed when its last record is dropped: records come and go in nearly the same order, and a
 * segment is large enough for malloc to map it singly, so memory goes back to the system. */
#define SPOOL_SEGMENT_BYTES (256 * 1024)

struct spool_segment {
	size_t used;
	size_t size;
	size_t records; /* not dropped yet */
	uint8_t bytes[];
};

struct spool_slot {
	struct spool_segment *segment; /* NULL: free */
	size_t at;                     /* in it; of a free slot: the next free one */
	size_t size;
};

struct spool {
	struct spool_slot *slots;
	size_t capacity;
	size_t free; /* the first free slot; capacity: none */
	struct spool_segment *filling; /* NULL: none */
	size_t records;
	size_t bytes;
	size_t max_bytes;
};

int spool_new(size_t max_bytes, struct spool **out)
{
	struct spool *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->max_bytes = max_bytes;
	*out = s;
	return 0;
}

/* One record less in a segment; it goes with its last one, unless it is being filled. */
static void spool_leave(struct spool *s, struct spool_segment *segment)
{
	segment->records--;
	if (segment->records > 0)
		return;
	if (segment == s->filling)
		segment->used = 0;
	else
		free(segment);
}

void spool_free(struct spool *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->capacity; i++)
		if (s->slots[i].segment != NULL)
			spool_leave(s, s->slots[i].segment);
	free(s->filling);
	free(s->slots);
	free(s);
}

bool spool_has_room(const struct spool *s, size_t bytes)
{
	return s->bytes <= s->max_bytes && bytes <= s->max_bytes - s->bytes;
}

static int spool_grow(struct spool *s)
{
	size_t capacity = s->capacity ? 2 * s->capacity : SPOOL_FIRST_SLOTS;
	struct spool_slot *grown = realloc(s->slots, capacity * sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	for (size_t i = s->capacity; i < capacity; i++)
		grown[i] = (struct spool_slot){ .at = i + 1 };
	s->free = s->capacity;
	s->slots = grown;
	s->capacity = capacity;
	return 0;
}

/* The segment with room for size more bytes. NULL without memory. */
static struct spool_segment *spool_room(struct spool *s, size_t size)
{
	size_t bytes = size > SPOOL_SEGMENT_BYTES ? size : SPOOL_SEGMENT_BYTES;
	struct spool_segment *segment = s->filling;

	if (segment != NULL && segment->size - segment->used >= size)
		return segment;
	segment = malloc(sizeof(*segment) + bytes);
	if (segment == NULL)
		return NULL;
	*segment = (struct spool_segment){ .size = bytes };
	if (s->filling != NULL && s->filling->records == 0)
		free(s->filling);
	s->filling = segment;
	return segment;
}

int spool_append(struct spool *s, const struct spool_record *record, struct slice batch,
		 uint64_t *id)
{
	struct spool_segment *segment;
	struct spool_slot *slot;

	assert(batch.size > 0);
	(void)record; /* in memory the outbox knows all of it */
	if (s->free == s->capacity && spool_grow(s) < 0)
		return -ENOMEM;
	segment = spool_room(s, batch.size);
	if (segment == NULL)
		return -ENOMEM;
	memcpy(segment->bytes + segment->used, batch.ptr, batch.size);
	slot = &s->slots[s->free];
	*id = s->free;
	s->free = slot->at;
	*slot = (struct spool_slot){ .segment = segment, .at = segment->used,
				     .size = batch.size };
	segment->used += batch.size;
	segment->records++;
	s->records++;
	s->bytes += batch.size + SPOOL_RECORD_BYTES;
	return 0;
}

int spool_view(struct spool *s, uint64_t id, struct slice *batch)
{
	const struct spool_slot *slot = &s->slots[id];

	assert(id < s->capacity && slot->segment != NULL);
	*batch = slice_of(slot->segment->bytes + slot->at, slot->size);
	return 0;
}

void spool_drop(struct spool *s, uint64_t id)
{
	struct spool_slot *slot = &s->slots[id];

	assert(id < s->capacity && slot->segment != NULL);
	spool_leave(s, slot->segment);
	s->bytes -= slot->size + SPOOL_RECORD_BYTES;
	s->records--;
	*slot = (struct spool_slot){ .at = s->free };
	s->free = (size_t)id;
}

size_t spool_bytes(const struct spool *s)
{
	return s->bytes;
}

size_t spool_records(const struct spool *s)
{
	return s->records;
}
