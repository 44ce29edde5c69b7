// SPDX-License-Identifier: Apache-2.0
/*
 * names_seen.c - marks on the names that are known, and an index of those that are not.
 *
 * A byte for each place of each block of the base: the kinds with which the name was met, 0 for
 * not at all. At the end a block whose marks are the kinds that it has is shared, another is
 * written without what was not met. So a million names read anew are a megabyte of marks, and
 * not a second million. What the base lacks is merged in runs, each of which copies only the
 * blocks that it falls into.
 */
#include "queryd/names_seen.h"

#include "queryd/names_index_private.h"

#include <errno.h>
#include <stdlib.h>

#define RUN 65536 /* new names that are copied at a time */

void names_seen_init(struct names_seen *s, struct names_index *base)
{
	*s = (struct names_seen){ .base = names_index_hold(base) };
}

void names_seen_release(struct names_seen *s)
{
	names_index_drop(s->base);
	names_index_drop(s->fresh);
	free(s->kinds);
	*s = (struct names_seen){ 0 };
}

static uint8_t *block_marks(const struct names_seen *s, size_t block)
{
	return s->kinds + block * NAMES_BLOCK_MOST;
}

/* Whether the base has it; marks it then. */
static bool mark(struct names_seen *s, struct names_view view)
{
	size_t block = names_index_blocks_up_to(s->base, view.name);
	size_t place;

	if (block == 0)
		return false;
	block--;
	place = names_block_seek(s->base->blocks[block], view.name);
	if (place == s->base->blocks[block]->count ||
	    !slice_equal(names_block_at(s->base->blocks[block], place).name, view.name))
		return false;
	block_marks(s, block)[place] |= view.kinds;
	return true;
}

int names_seen_take(struct names_seen *s, struct names_batch *batch, size_t max, uint64_t *dropped)
{
	struct names_index *fresh = s->fresh;
	size_t kept = 0, i;

	if (!s->kinds && s->base && s->base->block_count > 0) {
		s->kinds = calloc(s->base->block_count, NAMES_BLOCK_MOST);
		if (!s->kinds)
			return -ENOMEM;
	}
	names_batch_sort(batch);
	for (i = 0; s->kinds && i < batch->count; i++) {
		if (!mark(s, names_batch_at(batch, i)))
			batch->items[kept++] = batch->items[i];
	}
	if (s->kinds)
		batch->count = kept;
	s->fresh = NULL;
	return names_index_merge(fresh, batch, max, &s->fresh, dropped);
}

/* A block without what was not met; shared if that is nothing. */
static int settle_block(const struct names_seen *s, size_t index, struct names_index *out)
{
	struct names_block *block = s->base->blocks[index];
	const uint8_t *marks = block_marks(s, index);
	struct names_view views[NAMES_BLOCK_MOST];
	size_t count = 0, place;

	if (memcmp(marks, names_block_kinds(block), block->count) == 0)
		return names_index_share(out, block);
	for (place = 0; place < block->count; place++) {
		if (marks[place] == 0)
			continue;
		views[count] = names_block_at(block, place);
		views[count++].kinds = marks[place];
	}
	return names_index_put_views(out, views, count);
}

static int settle_base(const struct names_seen *s, struct names_index *out)
{
	size_t i;
	int status = 0;

	for (i = 0; s->kinds && i < s->base->block_count && status == 0; i++)
		status = settle_block(s, i, out);
	return status;
}

/* Adds the next names of what is new, if there are any. 1, 0 at the end, -ENOMEM. */
static int settle_fresh(const struct names_seen *s, struct names_cursor *at, size_t max,
			struct names_index **out, uint64_t *dropped)
{
	struct names_batch batch = { 0 };
	struct names_index *before = *out;
	struct slice name;
	unsigned kinds;
	uint64_t more = 0;
	int status = 0;

	while (status == 0 && batch.count < RUN && names_index_step(s->fresh, at, &name, &kinds))
		status = names_batch_add(&batch, name, kinds);
	if (status == 0 && batch.count > 0) {
		*out = NULL;
		status = names_index_merge(before, &batch, max, out, &more);
		status = status < 0 ? status : 1;
		*dropped += more;
	}
	names_batch_release(&batch);
	return status;
}

int names_seen_settle(struct names_seen *s, size_t max, struct names_index **out, uint64_t *dropped)
{
	bool full = names_index_full(s->fresh);
	struct names_cursor at = { 0 };
	struct names_index *index = names_index_new();
	int status = index ? settle_base(s, index) : -ENOMEM;

	*dropped = 0;
	if (status == 0 && index->count == 0 && s->fresh) {
		names_index_drop(index);
		index = s->fresh;
		s->fresh = NULL;
	} else {
		do
			status = status < 0 ? status : settle_fresh(s, &at, max, &index, dropped);
		while (status > 0);
	}
	if (status < 0) {
		names_index_drop(index);
		return status;
	}
	index->full |= full;
	*out = index;
	return 0;
}
