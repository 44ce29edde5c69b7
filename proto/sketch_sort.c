// SPDX-License-Identifier: Apache-2.0
/*
 * An American flag sort (McIlroy, Bostic, McIlroy 1993): one pass counts how many cells
 * fall into each of as many equal parts of the range of keys
 * as there are cells, a second puts each where its
 * part begins, in place. Parts that stay large are sorted the same way, over their own
 * range, so a far outlier costs one more level, not a quadratic end; small ones are left
 * to one insertion sort over everything, which finds them nearly in order.
 */
#include "proto/sketch_impl.h"

#define SORT_BITS  9
#define SORT_SMALL 24

static void sort_insertion(struct sketch_cell *cells, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct sketch_cell cell = cells[i];
		size_t at = i;

		for (; at > 0 && cells[at - 1].value > cell.value; at--)
			cells[at] = cells[at - 1];
		cells[at] = cell;
	}
}

struct sort_range {
	uint64_t low;
	unsigned shift; /* (key - low) >> shift is the bucket */
	size_t buckets;
};

static inline size_t sort_bucket(const struct sort_range *range, double value)
{
	return (size_t)((sketch_key(value) - range->low) >> range->shift);
}

/* Finds the range; false when all is in order already. */
static bool sort_find_range(const struct sketch_cell *cells, size_t count,
			    struct sort_range *range)
{
	double low = cells[0].value, high = low, previous = low;
	unsigned bits;
	uint64_t span;
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
	range->low = sketch_key(low);
	span = sketch_key(high) - range->low;
	bits = 63 - (unsigned)__builtin_clzll(count);
	bits = bits < SORT_BITS ? bits : SORT_BITS;
	range->shift = 64 - (unsigned)__builtin_clzll(span);
	range->shift = range->shift > bits ? range->shift - bits : 0;
	range->buckets = (size_t)1 << bits;
	return true;
}

static void sort_parts(struct sketch_cell *cells, size_t count)
{
	uint32_t next[1 << SORT_BITS], end[1 << SORT_BITS];
	struct sort_range range;
	uint32_t sum = 0;

	if (!sort_find_range(cells, count, &range))
		return;
	memset(end, 0, range.buckets * sizeof(*end));
	for (size_t i = 0; i < count; i++)
		end[sort_bucket(&range, cells[i].value)]++;
	for (size_t b = 0; b < range.buckets; b++) {
		next[b] = sum;
		sum += end[b];
		end[b] = sum;
	}
	for (size_t b = 0; b < range.buckets; b++) {
		uint32_t begin = b ? end[b - 1] : 0;

		while (next[b] < end[b]) {
			struct sketch_cell cell = cells[next[b]];
			size_t home = sort_bucket(&range, cell.value);

			while (home != b) {
				struct sketch_cell other = cells[next[home]];

				cells[next[home]++] = cell;
				cell = other;
				home = sort_bucket(&range, cell.value);
			}
			cells[next[b]++] = cell;
		}
		if (end[b] - begin > SORT_SMALL)
			sort_parts(cells + begin, end[b] - begin);
	}
}

void sketch_sort(struct sketch_cell *cells, size_t count)
{
	if (count > SORT_SMALL)
		sort_parts(cells, count);
	sort_insertion(cells, count);
}
