// SPDX-License-Identifier: Apache-2.0
/*
 * The deal in place is American flag sort (McIlroy, Bostic and McIlroy, "Engineering Radix Sort",
 * Computing Systems 6(1), 1993): count the keys of each bucket, then follow cycles from one bucket
 * to the next until every key is home. Which bits are dealt by follows the range of the keys at
 * hand, not their 64 bits: keys of a narrow range far from 0 take one level.
 */
#include "proto/keysort.h"

#include <assert.h>
#include <string.h>

/* Below this insertion beats everything else. */
#define KEYSORT_SMALL 32

/* Counting is used for up to this many different values: 16 KiB of counters. */
#define KEYSORT_COUNTED 4096

/* At most 2^11 buckets a deal (two arrays of 4 bytes each: 16 KiB a level); a second level
 * has at most 2^6, so that the stack stays small. */
#define KEYSORT_BITS_MAX  11
#define KEYSORT_BITS_DEEP 6

struct keysort_range {
	uint64_t min;
	uint64_t max;
};

static void keysort_insertion(keysort_key *keys, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		uint64_t key = keys[i];
		size_t at = i;

		for (; at > 0 && keys[at - 1] > key; at--)
			keys[at] = keys[at - 1];
		keys[at] = key;
	}
}

static struct keysort_range keysort_measure(const keysort_key *keys, size_t count)
{
	struct keysort_range range = { .min = keys[0], .max = keys[0] };

	for (size_t i = 1; i < count; i++) {
		range.min = keys[i] < range.min ? keys[i] : range.min;
		range.max = keys[i] > range.max ? keys[i] : range.max;
	}
	return range;
}

/* Equal keys are indistinguishable, so counting them and writing them anew is sorting. */
static void keysort_count(keysort_key *keys, size_t count, struct keysort_range range)
{
	uint32_t counts[KEYSORT_COUNTED];
	size_t span = (size_t)(range.max - range.min) + 1;
	size_t at = 0;

	memset(counts, 0, span * sizeof(counts[0]));
	for (size_t i = 0; i < count; i++)
		counts[keys[i] - range.min]++;
	for (size_t v = 0; v < span; v++)
		for (uint32_t n = counts[v]; n > 0; n--)
			keys[at++] = range.min + v;
}

static unsigned keysort_width(uint64_t value)
{
	return value ? 64 - (unsigned)__builtin_clzll(value) : 0;
}

/* Buckets start where the ones below end. Each cycle takes a key out, puts it where it
 * belongs, takes out what was there, and so on until it is back: every key moves once. */
static void keysort_deal(keysort_key *keys, uint32_t *next, const uint32_t *end, size_t buckets,
			 uint64_t min, unsigned shift)
{
	for (size_t b = 0; b < buckets; b++) {
		while (next[b] < end[b]) {
			uint64_t key = keys[next[b]];
			size_t home = (key - min) >> shift;

			while (home != b) {
				uint64_t other = keys[next[home]];

				keys[next[home]++] = key;
				key = other;
				home = (key - min) >> shift;
			}
			keys[next[b]++] = key;
		}
	}
}

/* Fills next with where each bucket begins, and end with where it ends. */
static void keysort_bounds(const keysort_key *keys, size_t count, uint32_t *next, uint32_t *end,
			   size_t buckets, uint64_t min, unsigned shift)
{
	uint32_t sum = 0;

	memset(end, 0, buckets * sizeof(*end));
	for (size_t i = 0; i < count; i++)
		end[(keys[i] - min) >> shift]++;
	for (size_t b = 0; b < buckets; b++) {
		next[b] = sum;
		sum += end[b];
		end[b] = sum;
	}
}

/* How far to shift so that the range's width falls into at most 2^bits buckets. */
static unsigned keysort_shift(struct keysort_range range, unsigned bits)
{
	unsigned width = keysort_width(range.max - range.min);

	return width > bits ? width - bits : 0;
}

/* One deal by at most 2^6 buckets, then each bucket the same way. The smallest and the
 * largest key never share a bucket, so the recursion ends: after 64 bits / 6 levels. */
static void keysort_bucket(keysort_key *keys, size_t count)
{
	uint32_t next[1 << KEYSORT_BITS_DEEP], end[1 << KEYSORT_BITS_DEEP];
	struct keysort_range range;
	unsigned shift;

	if (count <= KEYSORT_SMALL) {
		keysort_insertion(keys, count);
		return;
	}
	range = keysort_measure(keys, count);
	if (range.min == range.max)
		return;
	shift = keysort_shift(range, KEYSORT_BITS_DEEP);
	keysort_bounds(keys, count, next, end, 1 << KEYSORT_BITS_DEEP, range.min, shift);
	keysort_deal(keys, next, end, 1 << KEYSORT_BITS_DEEP, range.min, shift);
	if (shift == 0)
		return;
	for (size_t b = 0, from = 0; b < 1 << KEYSORT_BITS_DEEP; from = end[b++])
		keysort_bucket(keys + from, end[b] - from);
}

/* The first deal: about four keys a bucket, as far as the arrays reach. */
static void keysort_wide(keysort_key *keys, size_t count, struct keysort_range range)
{
	uint32_t next[1 << KEYSORT_BITS_MAX], end[1 << KEYSORT_BITS_MAX];
	unsigned bits = keysort_width(count) - 2;
	unsigned shift;

	bits = bits < KEYSORT_BITS_MAX ? bits : KEYSORT_BITS_MAX;
	shift = keysort_shift(range, bits);
	keysort_bounds(keys, count, next, end, (size_t)1 << bits, range.min, shift);
	keysort_deal(keys, next, end, (size_t)1 << bits, range.min, shift);
	if (shift == 0)
		return;
	for (size_t b = 0, from = 0; b < (size_t)1 << bits; from = end[b++])
		keysort_bucket(keys + from, end[b] - from);
}

void keysort(keysort_key *keys, size_t count)
{
	struct keysort_range range;

	assert(count <= UINT32_MAX);
	if (count <= KEYSORT_SMALL) {
		keysort_insertion(keys, count);
		return;
	}
	range = keysort_measure(keys, count);
	if (range.max - range.min < KEYSORT_COUNTED && range.max - range.min < 4 * count)
		keysort_count(keys, count, range);
	else
		keysort_wide(keys, count, range);
}
