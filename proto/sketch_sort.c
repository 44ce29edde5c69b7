// SPDX-License-Identifier: Apache-2.0
/*
 * A radix sort on the top bits that vary: the range of keys is cut into about as many equal
 * parts as there are cells, one pass counts how many fall into each, a second puts each
 * where its part begins, and an insertion sort takes them from there, nearly in order. A
 * part that stays large is first sorted the same way over its own range, so that a far
 * outlier costs one more level, not a quadratic end.
 */
#include "proto/sketch_impl.h"

#include <stdlib.h>

#define SORT_BITS  9
#define SORT_SMALL 24

struct sort_range {
	uint64_t low;
	unsigned shift; /* (key - low) >> shift is the part */
	size_t parts;
};

static inline size_t sort_part(const struct sort_range *range, double value)
{
	return (size_t)((sketch_key(value) - range->low) >> range->shift);
}

/* Finds the range; false when all is in order already. */
static bool sort_find_range(const struct sketch_cell *cells, size_t count,
			    struct sort_range *range)
{
	double low = cells[0].value, high = low, previous = low;
	unsigned bits = 63 - (unsigned)__builtin_clzll(count), length;
	bool ordered = true;

	for (size_t i = 1; i < count; i++) {
		double value = cells[i].value;

		low = value < low ? value : low;
		high = value > high ? value : high;
		ordered &= previous <= value;
		previous = value;
	}
	if (ordered)
		return false;
	bits = bits < SORT_BITS ? bits : SORT_BITS;
	range->low = sketch_key(low);
	length = 64 - (unsigned)__builtin_clzll(sketch_key(high) - range->low);
	range->shift = length > bits ? length - bits : 0;
	range->parts = (size_t)1 << bits;
	return true;
}

/* Puts all of from, which is nearly in order, into to; both may be one. */
static void sort_insertion(const struct sketch_cell *from, size_t count, struct sketch_cell *to)
{
	for (size_t i = 0; i < count; i++) {
		struct sketch_cell cell = from[i];
		size_t at = i;

		for (; at > 0 && to[at - 1].value > cell.value; at--)
			to[at] = to[at - 1];
		to[at] = cell;
	}
}

/* Moves cells into their parts in scratch, and leaves in end where each part ends. */
static void sort_distribute(const struct sketch_cell *cells, size_t count,
			    const struct sort_range *range, struct sketch_cell *scratch,
			    uint32_t *end)
{
	uint32_t sum = 0;

	memset(end, 0, range->parts * sizeof(*end));
	for (size_t i = 0; i < count; i++)
		end[sort_part(range, cells[i].value)]++;
	for (size_t p = 0; p < range->parts; p++) {
		uint32_t size = end[p];

		end[p] = sum;
		sum += size;
	}
	for (size_t i = 0; i < count; i++)
		scratch[end[sort_part(range, cells[i].value)]++] = cells[i];
}

static void sort_radix(struct sketch_cell *cells, size_t count, struct sketch_cell *scratch)
{
	uint32_t end[1 << SORT_BITS], begin = 0;
	struct sort_range range;

	if (!sort_find_range(cells, count, &range))
		return;
	sort_distribute(cells, count, &range, scratch, end);
	for (size_t p = 0; p < range.parts; p++) {
		if (end[p] - begin > SORT_SMALL)
			sort_radix(scratch + begin, end[p] - begin, cells + begin);
		begin = end[p];
	}
	sort_insertion(scratch, count, cells);
}

static int sort_compare(const void *a, const void *b)
{
	const struct sketch_cell *x = a, *y = b;

	return (x->value > y->value) - (x->value < y->value);
}

void sketch_sort(struct sketch_cell *cells, size_t count, struct sketch_cell *scratch)
{
	if (scratch == NULL) {
		qsort(cells, count, sizeof(*cells), sort_compare);
		return;
	}
	if (count > SORT_SMALL)
		sort_radix(cells, count, scratch);
	else
		sort_insertion(cells, count, cells);
}
