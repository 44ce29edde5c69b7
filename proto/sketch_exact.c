// SPDX-License-Identifier: Apache-2.0
/*
 * The exact form is a hash of values to weights that can be put in order. A known value
 * costs one look-up, so a million whole milliseconds take a few hundred cells and some
 * thirty instructions each. Cells grow by half, the index is at most two
 * thirds full.
 */
#include "proto/sketch_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define EXACT_FIRST_CELLS 4

static void exact_index_put(struct sketch *s, uint32_t place)
{
	size_t slot = sketch_exact_slot(s, s->cells[place].value);

	while (s->index[slot] != 0)
		slot = (slot + 1) & (s->index_size - 1);
	s->index[slot] = (uint16_t)(place + 1);
}

/* Indexes all cells with room for as many as there is capacity. 0, -ENOMEM. */
static int exact_index_build(struct sketch *s)
{
	uint32_t size = s->index_size ? s->index_size : 4 * SKETCH_SCAN;
	uint16_t *index;

	while (size < s->capacity + s->capacity / 2)
		size *= 2;
	if (size != s->index_size) {
		index = realloc(s->index, size * sizeof(*index));
		if (index == NULL)
			return -ENOMEM;
		s->index = index;
		s->index_size = size;
	}
	memset(s->index, 0, size * sizeof(*s->index));
	for (uint32_t i = 0; i < s->count; i++)
		exact_index_put(s, i);
	s->indexed = true;
	return 0;
}

static struct sketch_cell *exact_scan(const struct sketch *s, double value)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (s->cells[i].value == value)
			return &s->cells[i];
	return NULL;
}

struct sketch_cell *sketch_exact_find(struct sketch *s, double value)
{
	size_t place;

	if (!s->indexed)
		if (s->count <= SKETCH_SCAN || exact_index_build(s) != 0)
			return exact_scan(s, value);
	place = sketch_exact_look_up(s, value);
	return place != 0 ? &s->cells[place - 1] : NULL;
}

int sketch_exact_reserve(struct sketch *s)
{
	uint32_t capacity = s->capacity < EXACT_FIRST_CELLS ? EXACT_FIRST_CELLS
							    : s->capacity + s->capacity / 2;
	struct sketch_cell *cells;

	if (s->count < s->capacity)
		return 0;
	cells = realloc(s->cells, capacity * sizeof(*cells));
	if (cells == NULL)
		return -ENOMEM;
	s->cells = cells;
	s->capacity = capacity;
	/* The index has room for the old capacity only; the next find builds it anew. */
	s->indexed = false;
	return 0;
}

void sketch_exact_append(struct sketch *s, double value, uint64_t weight)
{
	bool in_order = s->sorted == s->count &&
			(s->count == 0 || s->cells[s->count - 1].value < value);

	assert(s->count < s->capacity);
	s->cells[s->count] = (struct sketch_cell){ .value = value, .weight = weight };
	if (s->indexed)
		exact_index_put(s, s->count);
	s->count++;
	if (in_order)
		s->sorted = s->count;
	s->total += weight;
	s->min = value < s->min ? value : s->min;
	s->max = value > s->max ? value : s->max;
	s->grid = sketch_grid_fit(sketch_grid_join(s->grid, value), s->min, s->max);
}

void sketch_exact_sort(struct sketch *s)
{
	struct sketch_cell *scratch;

	if (s->sorted == s->count)
		return;
	scratch = malloc(s->count * sizeof(*scratch));
	sketch_sort(s->cells, s->count, scratch);
	free(scratch);
	s->sorted = s->count;
	s->indexed = false;
}
