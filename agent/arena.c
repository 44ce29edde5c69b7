// SPDX-License-Identifier: Apache-2.0
/*
 * arena.c - chunks of one size: the newest is filled from its front, free ones wait in the pool.
 *
 * Several pools may count against one ceiling: `total` is taken before malloc and given back when
 * that fails, so the sum is never over it, whichever threads ask at once.
 */
#include "agent/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

/* A reset gives at most so many chunks back, because it is called under a mutex. */
#define ARENA_FREE_PER_RESET 8

struct arena_chunk {
	struct arena_chunk *next;
	uint64_t bytes[(ARENA_CHUNK_BYTES - 64) / sizeof(uint64_t)];
};

void arena_pool_init(struct arena_pool *p, size_t ceiling_bytes)
{
	*p = (struct arena_pool){
		.chunks_max = (ceiling_bytes + ARENA_CHUNK_BYTES - 1) / ARENA_CHUNK_BYTES,
	};
	p->total = &p->own;
}

void arena_pool_share(struct arena_pool *p, struct arena_pool *with)
{
	assert(p->chunks == 0);
	p->chunks_max = with->chunks_max;
	p->total = with->total;
}

static void arena_pool_shrink(struct arena_pool *p, size_t count)
{
	while (count-- > 0 && p->free != NULL) {
		struct arena_chunk *chunk = p->free;

		p->free = chunk->next;
		p->free_count--;
		p->chunks--;
		atomic_fetch_sub_explicit(p->total, 1, memory_order_relaxed);
		free(chunk);
	}
}

void arena_pool_release(struct arena_pool *p)
{
	assert(p->chunks == p->free_count);
	arena_pool_shrink(p, p->free_count);
}

size_t arena_pool_bytes(const struct arena_pool *p)
{
	return p->chunks * ARENA_CHUNK_BYTES;
}

void arena_init(struct arena *a, struct arena_pool *pool)
{
	*a = (struct arena){ .pool = pool };
}

static struct arena_chunk *arena_pool_take(struct arena_pool *p)
{
	struct arena_chunk *chunk = p->free;

	if (chunk != NULL) {
		p->free = chunk->next;
		p->free_count--;
		return chunk;
	}
	if (atomic_fetch_add_explicit(p->total, 1, memory_order_relaxed) < p->chunks_max)
		chunk = malloc(sizeof(*chunk));
	if (chunk != NULL)
		p->chunks++;
	else
		atomic_fetch_sub_explicit(p->total, 1, memory_order_relaxed);
	return chunk;
}

void *arena_take(struct arena *a, size_t size)
{
	size_t rounded = (size + 7) & ~(size_t)7;
	struct arena_chunk *chunk;
	void *piece;

	assert(size <= ARENA_PIECE_MAX);
	if (a->chunks == NULL || sizeof(a->chunks->bytes) - a->filled < rounded) {
		chunk = arena_pool_take(a->pool);
		if (chunk == NULL)
			return NULL;
		chunk->next = a->chunks;
		a->chunks = chunk;
		a->chunk_count++;
		a->filled = 0;
	}
	piece = (uint8_t *)a->chunks->bytes + a->filled;
	a->filled += rounded;
	return piece;
}

void arena_reset(struct arena *a)
{
	struct arena_pool *p = a->pool;

	/* What is wanted follows a rise at once and a fall by an eighth a reset: a steady load
	 * never allocates, and a burst is forgotten in some ten seconds. */
	p->wanted -= (p->wanted + 7) / 8;
	if (a->chunk_count > p->wanted)
		p->wanted = a->chunk_count;
	while (a->chunks != NULL) {
		struct arena_chunk *chunk = a->chunks;

		a->chunks = chunk->next;
		chunk->next = p->free;
		p->free = chunk;
		p->free_count++;
	}
	a->chunk_count = 0;
	a->filled = 0;
	for (int i = 0; i < ARENA_FREE_PER_RESET && p->chunks > p->wanted + 1; i++)
		arena_pool_shrink(p, 1);
}

size_t arena_bytes(const struct arena *a)
{
	return a->chunk_count ? (a->chunk_count - 1) * ARENA_CHUNK_BYTES + a->filled : 0;
}
