// SPDX-License-Identifier: Apache-2.0
/*
 * names_index.c - sorted blocks that generations share.
 *
 * A block is some 400 names in one allocation, never changed once it is written; an index is an
 * array of them, found by their first names. A merge goes over the blocks with the sorted batch
 * beside them: a block that nothing falls into is held once more, one that takes names is
 * written anew, and cut when it has become too long. So a thousand new names among a million
 * cost a thousand blocks at most, and who holds the old index goes on seeing the old one. When
 * nobody else holds the base, its blocks are freed as they are replaced: then there is one
 * index in memory and not two.
 */
#include "queryd/names_index.h"

#include "queryd/grow.h"
#include "queryd/names_index_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Blocks are cut into some of about this: small enough that one name more is cheap, large enough that a
 * million names are few blocks. */
#define BLOCK_CUT 384

/* ---- blocks --------------------------------------------------------------------------------- */

static struct names_block *block_new(const struct names_view *views, size_t count)
{
	struct names_block *block;
	size_t size = 0, i;

	for (i = 0; i < count; i++)
		size += views[i].name.size;
	block = malloc(sizeof(*block) + count * (sizeof(*block->ends) + 1) + size);
	if (!block)
		return NULL;
	atomic_init(&block->holders, 1);
	block->count = (uint32_t)count;
	size = 0;
	for (i = 0; i < count; i++) {
		if (views[i].name.size > 0)
			memcpy(names_block_kinds(block) + count + size, views[i].name.ptr,
			       views[i].name.size);
		size += views[i].name.size;
		block->ends[i] = (uint32_t)size;
		names_block_kinds(block)[i] = views[i].kinds;
	}
	return block;
}

static void block_drop(struct names_block *block)
{
	if (atomic_fetch_sub(&block->holders, 1) == 1)
		free(block);
}

size_t names_block_seek(const struct names_block *block, struct slice name)
{
	size_t low = 0, high = block->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (slice_compare(names_block_at(block, middle).name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- an index ------------------------------------------------------------------------------- */

struct names_index *names_index_hold(struct names_index *index)
{
	if (index)
		atomic_fetch_add(&index->holders, 1);
	return index;
}

void names_index_drop(struct names_index *index)
{
	size_t i;

	if (!index || atomic_fetch_sub(&index->holders, 1) != 1)
		return;
	for (i = 0; i < index->block_count; i++)
		if (index->blocks[i])
			block_drop(index->blocks[i]);
	free(index->blocks);
	free(index);
}

size_t names_index_count(const struct names_index *index)
{
	return index ? index->count : 0;
}

bool names_index_full(const struct names_index *index)
{
	return index && index->full;
}

size_t names_index_blocks_up_to(const struct names_index *index, struct slice name)
{
	size_t low = 0, high = index->block_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (slice_compare(names_block_at(index->blocks[middle], 0).name, name) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct names_cursor names_index_seek(const struct names_index *index, struct slice name)
{
	struct names_cursor at = { 0 };
	size_t blocks = index ? names_index_blocks_up_to(index, name) : 0;

	if (blocks > 0) {
		at.block = blocks - 1;
		at.place = names_block_seek(index->blocks[at.block], name);
	}
	return at;
}

bool names_index_step(const struct names_index *index, struct names_cursor *at, struct slice *name,
		      unsigned *kinds)
{
	struct names_view view;

	if (!index || at->block == index->block_count)
		return false;
	if (at->place == index->blocks[at->block]->count) {
		at->place = 0;
		if (++at->block == index->block_count)
			return false;
	}
	view = names_block_at(index->blocks[at->block], at->place++);
	*name = view.name;
	*kinds = view.kinds;
	return true;
}

int names_index_share(struct names_index *out, struct names_block *block)
{
	atomic_fetch_add(&block->holders, 1);
	return names_index_put(out, block);
}

/* ---- batches -------------------------------------------------------------------------------- */

int names_batch_add(struct names_batch *b, struct slice name, unsigned kinds)
{
	struct names_item *items = grow(b->items, b->count, &b->capacity, sizeof(*items));
	size_t room = b->room ? b->room : 1024;

	if (!items)
		return -ENOMEM;
	b->items = items;
	while (room - b->size < name.size)
		room *= 2;
	if (room > b->room) {
		uint8_t *bytes = realloc(b->bytes, room);
		if (!bytes)
			return -ENOMEM;
		b->bytes = bytes;
		b->room = room;
	}
	if (name.size > 0)
		memcpy(b->bytes + b->size, name.ptr, name.size);
	items[b->count++] = (struct names_item){ b->size, (uint32_t)name.size, (uint8_t)kinds };
	b->size += name.size;
	b->sorted = false;
	return 0;
}

void names_batch_release(struct names_batch *b)
{
	free(b->items);
	free(b->bytes);
	*b = (struct names_batch){ 0 };
}

struct names_view names_batch_at(const struct names_batch *b, size_t index)
{
	const struct names_item *item = &b->items[index];

	return (struct names_view){ slice_of(b->bytes + item->at, item->size), item->kinds };
}

static int compare_items(const void *a, const void *b, void *bytes)
{
	const struct names_item *x = a, *y = b;

	return slice_compare(slice_of((uint8_t *)bytes + x->at, x->size),
			     slice_of((uint8_t *)bytes + y->at, y->size));
}

void names_batch_sort(struct names_batch *b)
{
	size_t kept = 0, i;

	if (b->sorted)
		return;
	b->sorted = true;
	if (b->count > 1)
		qsort_r(b->items, b->count, sizeof(*b->items), compare_items, b->bytes);
	for (i = 0; i < b->count; i++) {
		if (kept > 0 && compare_items(&b->items[kept - 1], &b->items[i], b->bytes) == 0)
			b->items[kept - 1].kinds |= b->items[i].kinds;
		else
			b->items[kept++] = b->items[i];
	}
	b->count = kept;
}

/* ---- merging -------------------------------------------------------------------------------- */

struct merge {
	struct names_index *base;
	bool alone; /* nobody else holds the base */
	const struct names_batch *batch;
	struct names_index *out;
	struct names_view *views; /* of the range that is merged; room for the largest */
	size_t count;
	size_t next;        /* of the batch */
	size_t room;        /* names that may still be added */
	uint64_t dropped;
	bool changed;
};

int names_index_put(struct names_index *out, struct names_block *block)
{
	struct names_block **blocks;

	if (!block)
		return -ENOMEM;
	blocks = grow(out->blocks, out->block_count, &out->capacity, sizeof(*blocks));
	if (!blocks) {
		block_drop(block);
		return -ENOMEM;
	}
	out->blocks = blocks;
	blocks[out->block_count++] = block;
	out->count += block->count;
	return 0;
}

int names_index_put_views(struct names_index *out, const struct names_view *views, size_t count)
{
	size_t pieces = count > NAMES_BLOCK_MOST ? (count + BLOCK_CUT - 1) / BLOCK_CUT : 1;
	size_t from = 0, i;
	int status = 0;

	for (i = 1; i <= pieces && count > 0 && status == 0; i++) {
		size_t to = count * i / pieces;
		status = names_index_put(out, block_new(views + from, to - from));
		from = to;
	}
	return status;
}

/* Takes the batch's next name, which the base does not have, if there is room. */
static void take_fresh(struct merge *m, struct names_view fresh)
{
	m->next++;
	if (m->room == 0) {
		m->dropped++;
		return;
	}
	m->room--;
	m->views[m->count++] = fresh;
	m->changed = true;
}

/* Merges a block (NULL: none) with the batch's names up to index `end`, all that belong there. */
static void merge_range(struct merge *m, const struct names_block *block, size_t end)
{
	size_t place;

	m->count = 0;
	m->changed = false;
	for (place = 0; block && place < block->count; place++) {
		struct names_view old = names_block_at(block, place);
		int order = -1;
		while (m->next < end) {
			order = slice_compare(names_batch_at(m->batch, m->next).name, old.name);
			if (order >= 0)
				break;
			take_fresh(m, names_batch_at(m->batch, m->next));
		}
		if (order == 0) {
			uint8_t kinds = names_batch_at(m->batch, m->next++).kinds | old.kinds;
			m->changed |= kinds != old.kinds;
			old.kinds = kinds;
		}
		m->views[m->count++] = old;
	}
	while (m->next < end)
		take_fresh(m, names_batch_at(m->batch, m->next));
}

/* Where the batch's names end that belong into a block: before the first name of the next one. */
static size_t range_end(const struct merge *m, size_t block)
{
	size_t low = m->next, high = m->batch->count;
	struct slice limit;

	if (!m->base || block + 1 >= m->base->block_count)
		return high;
	limit = names_block_at(m->base->blocks[block + 1], 0).name;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (slice_compare(names_batch_at(m->batch, middle).name, limit) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int merge_block(struct merge *m, size_t index)
{
	struct names_block *block = m->base ? m->base->blocks[index] : NULL;
	size_t end = range_end(m, index);
	int status;

	if (end > m->next || !block) {
		merge_range(m, block, end);
		if (m->changed) {
			status = names_index_put_views(m->out, m->views, m->count);
			if (block && m->alone) {
				block_drop(block);
				m->base->blocks[index] = NULL;
			}
			return status;
		}
	}
	return block ? names_index_share(m->out, block) : 0;
}

struct names_index *names_index_new(void)
{
	struct names_index *index = calloc(1, sizeof(*index));

	if (index)
		atomic_init(&index->holders, 1);
	return index;
}

int names_index_merge(struct names_index *base, struct names_batch *batch, size_t max,
		      struct names_index **out, uint64_t *dropped)
{
	struct names_index *from = names_index_count(base) > 0 ? base : NULL;
	struct merge m = {
		.base = from,
		.alone = from && atomic_load(&from->holders) == 1,
		.batch = batch,
		.room = max - names_index_count(base),
		.out = names_index_new(),
		.views = malloc((NAMES_BLOCK_MOST + batch->count) * sizeof(*m.views)),
	};
	size_t blocks = from ? from->block_count : 1, i;
	int status = m.out && m.views ? 0 : -ENOMEM;

	names_batch_sort(batch);
	for (i = 0; i < blocks && status == 0; i++)
		status = merge_block(&m, i);
	free(m.views);
	if (status == 0)
		m.out->full = names_index_full(base) || m.dropped > 0;
	names_index_drop(base);
	if (status < 0) {
		names_index_drop(m.out);
		return status;
	}
	*out = m.out;
	*dropped = m.dropped;
	return 0;
}
