/*
 * arena.h - memory that is taken in small pieces and given back all at once.
 *
 * Keys and values of one seal interval live and die together, so they are cut from chunks
 * of 128 KiB and nothing is freed singly: a piece costs its bytes and no header. Chunks come
 * from a pool that the open and the sealed table share, so memory is that of one load and a
 * bit, not of two. The pool has a ceiling, and after a burst it shrinks again. Pools may share a
 * ceiling (arena_pool_share), each in a thread of its own.
 *
 * A pool and its arenas serve one thread at a time: the receiver's mutex guards them.
 */
#ifndef AGENT_ARENA_H
#define AGENT_ARENA_H

#include <stdatomic.h>
#include <stddef.h>

#define ARENA_CHUNK_BYTES (128 * 1024)
#define ARENA_PIECE_MAX   (32 * 1024)

struct arena_chunk;

struct arena_pool {
	/* private */
	struct arena_chunk *free;
	size_t free_count;
	size_t chunks;     /* free and in use */
	size_t chunks_max;
	size_t wanted;     /* how many the last intervals needed */
	atomic_size_t own;    /* chunks under our ceiling: of this pool and those that share it */
	atomic_size_t *total; /* own, or another pool's */
};

struct arena {
	/* private */
	struct arena_pool *pool;
	struct arena_chunk *chunks; /* the newest first; it is the one being filled */
	size_t chunk_count;
	size_t filled; /* bytes of the newest chunk */
};

/* A pool that holds at most ceiling_bytes (rounded up to a chunk). Allocates nothing yet. */
void arena_pool_init(struct arena_pool *p, size_t ceiling_bytes);

/* The ceiling of `with` (which outlives p) holds for both together. Before p has any chunk. */
void arena_pool_share(struct arena_pool *p, struct arena_pool *with);

/* Frees the free chunks; every arena must have been reset before. */
void arena_pool_release(struct arena_pool *p);

/* Bytes of all chunks of the pool, free ones too. */
size_t arena_pool_bytes(const struct arena_pool *p);

/* An empty arena over a pool (borrowed). */
void arena_init(struct arena *a, struct arena_pool *pool);

/* size bytes (<= ARENA_PIECE_MAX), aligned to 8, uninitialised; valid until arena_reset. NULL
 * when the pool is at its ceiling or there is no memory. */
void *arena_take(struct arena *a, size_t size);

/* Gives all chunks back to the pool, and a few of the pool's to the system. */
void arena_reset(struct arena *a);

/* Bytes taken, with what was left over at the chunks' ends. */
size_t arena_bytes(const struct arena *a);

#endif
