// SPDX-License-Identifier: Apache-2.0
/*
 * A radix sort on the top bits that vary: the range of keys is cut into about as many equal
 * parts as there are cells, one pass counts how many fall into each, a second puts each
 * where its part begins, and an insertion sort takes them from there, nearly in order. A
 * part that stays large is first sorted the same way over its own range, so that a far
 * outlier costs one more level, not a quadratic end.
 */
#include "proto/sketch_impl.h"

#include <math.h>
#include <stdlib.h>

#define SORT_BITS  9
#define SORT_SMALL 24

/* Equal parts of a range of keys. */
struct sort_parts {
	uint64_t low;
	uint64_t positive_low; /* the bits alone of a low that is no less than 0 */
	unsigned shift; /* (key - low) >> shift is the part */
	size_t count;
	struct sketch_cell *end[1 << SORT_BITS]; /* of each, when cells were put there */
};

/* positive: no value is below 0. Then the key is the bits alone, and cheaper. */
static inline size_t sort_part(const struct sort_parts *parts, double value, bool positive)
{
	uint64_t above = positive ? sketch_bits(value) - parts->positive_low
				  : sketch_key(value) - parts->low;

	return (size_t)(above >> parts->shift);
}

static bool sort_in_order(const struct sketch_cell *cells, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (cells[i - 1].value > cells[i].value)
			return false;
	return true;
}

/* Cuts the range of cells that are not in order. */
static void sort_cut(const struct sketch_cell *cells, size_t count, struct sort_parts *parts)
{
	unsigned bits = 63 - (unsigned)__builtin_clzll(count), length;
	double low = cells[0].value, high = low;

	for (size_t i = 1; i < count; i++) {
		low = low < cells[i].value ? low : cells[i].value;
		high = high > cells[i].value ? high : cells[i].value;
	}
	bits = bits < SORT_BITS ? bits : SORT_BITS;
	length = 64 - (unsigned)__builtin_clzll(sketch_key(high) - sketch_key(low));
	parts->low = sketch_key(low);
	parts->positive_low = parts->low - sketch_key(0);
	parts->shift = length > bits ? length - bits : 0;
	parts->count = (size_t)1 << bits;
}

/* Puts all of from, which is nearly in order, into to; both may be one. */
static void sort_insertion(const struct sketch_cell *from, size_t count, struct sketch_cell *to)
{
	const struct sketch_cell *end = from + count;
	double highest = -INFINITY; /* of what is in to */

	for (struct sketch_cell *next = to; from < end; from++, next++) {
		struct sketch_cell cell = *from, *at = next;

		if (cell.value >= highest) {
			highest = cell.value;
			*next = cell;
			continue;
		}
		do {
			*at = at[-1];
			at--;
		} while (at > to && at[-1].value > cell.value);
		*at = cell;
	}
}

/* Moves cells into their parts in scratch. Returns the size of the largest. */
static inline __attribute__((always_inline)) size_t
sort_distribute(const struct sketch_cell *cells, size_t count, struct sort_parts *parts,
		struct sketch_cell *scratch, bool positive)
{
	uint32_t sizes[1 << SORT_BITS], largest = 0;

	memset(sizes, 0, parts->count * sizeof(*sizes));
	for (size_t i = 0; i < count; i++)
		sizes[sort_part(parts, cells[i].value, positive)]++;
	for (size_t p = 0; p < parts->count; p++) {
		parts->end[p] = scratch;
		scratch += sizes[p];
		largest = sizes[p] > largest ? sizes[p] : largest;
	}
	for (size_t i = 0; i < count; i++)
		*parts->end[sort_part(parts, cells[i].value, positive)]++ = cells[i];
	return largest;
}

static void sort_radix(struct sketch_cell *cells, size_t count, struct sketch_cell *scratch)
{
	struct sketch_cell *begin = scratch;
	struct sort_parts parts;
	size_t largest;

	if (sort_in_order(cells, count))
		return;
	sort_cut(cells, count, &parts);
	if (parts.low >= sketch_key(0))
		largest = sort_distribute(cells, count, &parts, scratch, true);
	else
		largest = sort_distribute(cells, count, &parts, scratch, false);
	for (size_t p = 0; p < parts.count && largest > SORT_SMALL; p++) {
		size_t size = (size_t)(parts.end[p] - begin);

		if (size > SORT_SMALL)
			sort_radix(begin, size, cells + (begin - scratch));
		begin = parts.end[p];
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
