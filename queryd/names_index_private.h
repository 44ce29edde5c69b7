/*
 * names_index_private.h - what an index is made of, for names_index.c and names_seen.c alone.
 */
#ifndef QUERYD_NAMES_INDEX_PRIVATE_H
#define QUERYD_NAMES_INDEX_PRIVATE_H

#include "queryd/names_index.h"

#include <stdatomic.h>

/* A block that grows beyond this is cut into smaller ones. */
#define NAMES_BLOCK_MOST 512

/* Name i lies between the end of the one before and its own; kinds and bytes follow. */
struct names_block {
	atomic_uint holders;
	uint32_t count;
	uint32_t ends[];
};

struct names_index {
	atomic_uint holders;
	bool full;
	size_t count;
	struct names_block **blocks; /* NULL: freed already, by a merge */
	size_t block_count, capacity;
};

struct names_item {
	size_t at; /* in the batch's bytes, which move while they grow */
	uint32_t size;
	uint8_t kinds;
};

/* A name of a block or of a batch, borrowed. */
struct names_view {
	struct slice name;
	uint8_t kinds;
};

/* Where a block keeps the kinds. */
static inline uint8_t *names_block_kinds(const struct names_block *block)
{
	return (uint8_t *)(block->ends + block->count);
}

/* One of a block's names. */
static inline struct names_view names_block_at(const struct names_block *block, size_t place)
{
	const uint8_t *kinds = names_block_kinds(block);
	uint32_t from = place > 0 ? block->ends[place - 1] : 0;

	return (struct names_view){
		.name = slice_of(kinds + block->count + from, block->ends[place] - from),
		.kinds = kinds[place],
	};
}

/* The first place of a block whose name is not below. */
size_t names_block_seek(const struct names_block *block, struct slice name);

/* Blocks whose first name is not above: the name is in the last of them, if anywhere. */
size_t names_index_blocks_up_to(const struct names_index *index, struct slice name);

struct names_index *names_index_new(void); /* an empty one, held once; NULL without memory */

/* Adds a block (NULL: there was no memory) behind the others; one hold of it is given away. 0, -ENOMEM. */
int names_index_put(struct names_index *out, struct names_block *block)
	__attribute__((warn_unused_result));

/* Adds a block that another index has as well. 0, -ENOMEM. */
int names_index_share(struct names_index *out, struct names_block *block)
	__attribute__((warn_unused_result));

/* Writes sorted names as one block, or cuts them into equal ones. 0, -ENOMEM. */
int names_index_put_views(struct names_index *out, const struct names_view *views, size_t count)
	__attribute__((warn_unused_result));

/* One of a batch's names. */
struct names_view names_batch_at(const struct names_batch *b, size_t index);

/* Sorts it; of repetitions one stays, with the kinds of all. */
void names_batch_sort(struct names_batch *b);

#endif
