// SPDX-License-Identifier: Apache-2.0
#include "agent/spool.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* What a record costs beside its bytes: slot, allocator, and the outbox's note of it. */
#define SPOOL_RECORD_BYTES 192
#define SPOOL_FIRST_SLOTS  64

struct spool_slot {
	uint8_t *bytes; /* NULL: free */
	size_t size;    /* of a free slot: the next free one */
};

struct spool {
	struct spool_slot *slots;
	size_t capacity;
	size_t free; /* the first free slot; capacity: none */
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

void spool_free(struct spool *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->capacity; i++)
		free(s->slots[i].bytes);
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
		grown[i] = (struct spool_slot){ .size = i + 1 };
	s->free = s->capacity;
	s->slots = grown;
	s->capacity = capacity;
	return 0;
}

int spool_append(struct spool *s, const struct spool_record *record, struct slice batch,
		 uint64_t *id)
{
	struct spool_slot *slot;
	uint8_t *copy;

	assert(batch.size > 0);
	(void)record; /* in memory the outbox knows all of it */
	if (s->free == s->capacity && spool_grow(s) < 0)
		return -ENOMEM;
	copy = malloc(batch.size);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, batch.ptr, batch.size);
	slot = &s->slots[s->free];
	*id = s->free;
	s->free = slot->size;
	*slot = (struct spool_slot){ .bytes = copy, .size = batch.size };
	s->records++;
	s->bytes += batch.size + SPOOL_RECORD_BYTES;
	return 0;
}

int spool_view(struct spool *s, uint64_t id, struct slice *batch)
{
	assert(id < s->capacity && s->slots[id].bytes != NULL);
	*batch = slice_of(s->slots[id].bytes, s->slots[id].size);
	return 0;
}

void spool_drop(struct spool *s, uint64_t id)
{
	struct spool_slot *slot = &s->slots[id];

	assert(id < s->capacity && slot->bytes != NULL);
	s->bytes -= slot->size + SPOOL_RECORD_BYTES;
	s->records--;
	free(slot->bytes);
	*slot = (struct spool_slot){ .size = s->free };
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
