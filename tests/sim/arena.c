// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK_BYTES ((size_t)256 * 1024)

struct arena_block {
	struct arena_block *next;
	alignas(max_align_t) unsigned char bytes[];
};

static void arena_grow(struct arena *a, size_t size)
{
	struct arena_block *block = malloc(sizeof(*block) + size);

	if (block == NULL)
		abort();
	block->next = a->blocks;
	a->blocks = block;
	a->size = size;
	a->used = 0;
}

void *arena_alloc(struct arena *a, size_t size)
{
	unsigned char *at;

	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (a->blocks == NULL || size > a->size - a->used)
		arena_grow(a, size > ARENA_BLOCK_BYTES ? size : ARENA_BLOCK_BYTES);
	at = a->blocks->bytes + a->used;
	a->used += size;
	return memset(at, 0, size);
}

void *arena_copy(struct arena *a, const void *bytes, size_t size)
{
	void *copy = arena_alloc(a, size);

	if (size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

void arena_release(struct arena *a)
{
	while (a->blocks != NULL) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	*a = (struct arena){ 0 };
}
