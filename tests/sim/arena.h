/*
 * arena.h - memory that lives as long as a run.
 *
 * Nothing in a run is large enough to be freed one by one; a run's end frees all. Out of memory ends the
 * simulator.
 */
#ifndef TESTS_SIM_ARENA_H
#define TESTS_SIM_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used;
	size_t size;
};

/* Zeroed memory for any type. */
void *arena_alloc(struct arena *a, size_t size);

/* A copy of bytes. */
void *arena_copy(struct arena *a, const void *bytes, size_t size);

/* Frees all of it. */
void arena_release(struct arena *a);

#endif
