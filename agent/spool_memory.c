// SPDX-License-Identifier: Apache-2.0
/*
 * spool_memory.c - records packed into blocks, and slots that say where.
 *
 * A record's id is its slot; free slots are a list through the array. Records come and go in nearly
 * the same order, so a block is freed when its last record is dropped, and a block is large enough
 * for malloc to map it singly: memory goes back to the system.
 */
#include "agent/spool.h"

#include "agent/spool_kind.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* What a record costs beside its bytes: slot, and the outbox's note of it. */
#define MEMORY_RECORD_BYTES 192
#define MEMORY_FIRST_SLOTS  64

#define MEMORY_BLOCK_BYTES (256 * 1024)

struct memory_block {
	size_t used;
	size_t size;
	size_t records; /* not dropped yet */
	uint8_t bytes[];
};

struct memory_slot {
	struct memory_block *block; /* NULL: free */
	size_t at;                  /* in it; of a free slot: the next free one */
	size_t size;
};

struct memory {
	struct spool spool;
	struct memory_slot *slots;
	size_t capacity;
	size_t free; /* the first free slot; capacity: none */
	struct memory_block *filling; /* NULL: none */
	size_t records;
	size_t bytes;
	size_t max_bytes;
};

/* One record less in a block; it goes with its last one, unless it is being filled. */
static void memory_leave(struct memory *m, struct memory_block *block)
{
	block->records--;
	if (block->records > 0)
		return;
	if (block == m->filling)
		block->used = 0;
	else
		free(block);
}

static void memory_free(struct spool *s)
{
	struct memory *m = (struct memory *)s;

	for (size_t i = 0; i < m->capacity; i++)
		if (m->slots[i].block != NULL)
			memory_leave(m, m->slots[i].block);
	free(m->filling);
	free(m->slots);
	free(m);
}

static bool memory_has_room(const struct spool *s, size_t bytes)
{
	const struct memory *m = (const struct memory *)s;

	return m->bytes <= m->max_bytes && bytes <= m->max_bytes - m->bytes;
}

static int memory_grow(struct memory *m)
{
	size_t capacity = m->capacity ? 2 * m->capacity : MEMORY_FIRST_SLOTS;
	struct memory_slot *grown = realloc(m->slots, capacity * sizeof(*grown));

	if (grown == NULL)
		return -ENOMEM;
	for (size_t i = m->capacity; i < capacity; i++)
		grown[i] = (struct memory_slot){ .at = i + 1 };
	m->free = m->capacity;
	m->slots = grown;
	m->capacity = capacity;
	return 0;
}

/* The block with room for size more bytes. NULL without memory. */
static struct memory_block *memory_room(struct memory *m, size_t size)
{
	size_t bytes = size > MEMORY_BLOCK_BYTES ? size : MEMORY_BLOCK_BYTES;
	struct memory_block *block = m->filling;

	if (block != NULL && block->size - block->used >= size)
		return block;
	block = malloc(sizeof(*block) + bytes);
	if (block == NULL)
		return NULL;
	*block = (struct memory_block){ .size = bytes };
	if (m->filling != NULL && m->filling->records == 0)
		free(m->filling);
	m->filling = block;
	return block;
}

static int memory_append(struct spool *s, const struct spool_record *record, struct slice batch,
			 uint64_t *id)
{
	struct memory *m = (struct memory *)s;
	struct memory_block *block;
	struct memory_slot *slot;

	assert(batch.size > 0);
	(void)record; /* in memory the outbox knows all of it */
	if (m->free == m->capacity && memory_grow(m) < 0)
		return -ENOMEM;
	block = memory_room(m, batch.size);
	if (block == NULL)
		return -ENOMEM;
	memcpy(block->bytes + block->used, batch.ptr, batch.size);
	slot = &m->slots[m->free];
	*id = m->free;
	m->free = slot->at;
	*slot = (struct memory_slot){ .block = block, .at = block->used, .size = batch.size };
	block->used += batch.size;
	block->records++;
	m->records++;
	m->bytes += batch.size + MEMORY_RECORD_BYTES;
	return 0;
}

static int memory_view(struct spool *s, uint64_t id, struct slice *batch)
{
	struct memory *m = (struct memory *)s;
	const struct memory_slot *slot = &m->slots[id];

	assert(id < m->capacity && slot->block != NULL);
	*batch = slice_of(slot->block->bytes + slot->at, slot->size);
	return 0;
}

static void memory_drop(struct spool *s, uint64_t id)
{
	struct memory *m = (struct memory *)s;
	struct memory_slot *slot = &m->slots[id];

	assert(id < m->capacity && slot->block != NULL);
	memory_leave(m, slot->block);
	m->bytes -= slot->size + MEMORY_RECORD_BYTES;
	m->records--;
	*slot = (struct memory_slot){ .at = m->free };
	m->free = (size_t)id;
}

static unsigned memory_quarters(const struct spool *s)
{
	const struct memory *m = (const struct memory *)s;
	size_t quarter = m->max_bytes / 4 + 1, quarters = m->bytes / quarter;

	return quarters < 4 ? (unsigned)quarters : 4;
}

static size_t memory_bytes(const struct spool *s)
{
	return ((const struct memory *)s)->bytes;
}

static size_t memory_records(const struct spool *s)
{
	return ((const struct memory *)s)->records;
}

static const struct spool_kind memory_kind = {
	.free = memory_free,
	.has_room = memory_has_room,
	.append = memory_append,
	.view = memory_view,
	.drop = memory_drop,
	.quarters = memory_quarters,
	.bytes = memory_bytes,
	.records = memory_records,
};

int spool_new(size_t max_bytes, struct spool **out)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -ENOMEM;
	m->spool.kind = &memory_kind;
	m->max_bytes = max_bytes;
	*out = &m->spool;
	return 0;
}
