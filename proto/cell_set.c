// SPDX-License-Identifier: Apache-2.0
/*
 * Exact hashes are a sorted array, to which others are merged from the end backwards. Before any
 * merge the union is counted: if it has more than 1,024 all of it goes into registers, so which
 * form a set has depends on its members alone.
 */
#include "proto/cell_set.h"

#include "proto/err.h"
#include "proto/le.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define CELL_SET_FIRST_HASHES 4
#define CELL_SET_HASH_BYTES   8

/* In the body, in the place of the count: a HyperLogLog follows. */
#define CELL_SET_MANY (CELL_SET_EXACT + 1)

/* Sorted, distinct hashes on their way into a set. */
struct cell_set_hashes {
	const uint64_t *at;
	uint32_t count;
};

void cell_set_release(struct cell_set *s)
{
	free(s->hashes);
	free(s->hll);
	*s = (struct cell_set){ 0 };
}

static int cell_set_reserve(struct cell_set *s, uint32_t count)
{
	uint32_t capacity = s->capacity ? s->capacity : CELL_SET_FIRST_HASHES;
	uint64_t *hashes;

	assert(count <= CELL_SET_EXACT);
	if (count <= s->capacity)
		return 0;
	while (capacity < count)
		capacity *= 2;
	hashes = realloc(s->hashes, capacity * sizeof(*hashes));
	if (hashes == NULL)
		return -ENOMEM;
	s->hashes = hashes;
	s->capacity = capacity;
	return 0;
}

/* From exact to estimated; the hashes are freed. */
static int cell_set_convert(struct cell_set *s)
{
	struct hll *hll = calloc(1, sizeof(*hll));

	if (hll == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->count; i++)
		hll_add(hll, s->hashes[i]);
	cell_set_release(s);
	s->hll = hll;
	return 0;
}

static uint32_t cell_set_union_count(const struct cell_set *s, struct cell_set_hashes more)
{
	uint32_t count = 0;
	uint32_t i = 0;
	uint32_t j = 0;

	while (i < s->count && j < more.count) {
		uint64_t left = s->hashes[i];
		uint64_t right = more.at[j];

		i += left <= right;
		j += right <= left;
		count++;
	}
	return count + (s->count - i) + (more.count - j);
}

/* Merges from the end backwards into the room made, so that no second array is needed. */
static int cell_set_merge_exact(struct cell_set *s, struct cell_set_hashes more, uint32_t total)
{
	uint32_t i = s->count;
	uint32_t j = more.count;
	int rc = cell_set_reserve(s, total);

	if (rc < 0)
		return rc;
	for (uint32_t k = total; j > 0; k--) {
		uint64_t hash = more.at[j - 1];

		if (i > 0 && s->hashes[i - 1] >= hash)
			s->hashes[k - 1] = s->hashes[--i];
		else
			s->hashes[k - 1] = hash;
		j -= s->hashes[k - 1] == hash;
	}
	s->count = total;
	return 0;
}

static int cell_set_add_hashes(struct cell_set *s, struct cell_set_hashes more)
{
	if (s->hll == NULL) {
		uint32_t total = cell_set_union_count(s, more);
		int rc;

		if (total <= CELL_SET_EXACT)
			return cell_set_merge_exact(s, more, total);
		rc = cell_set_convert(s);
		if (rc < 0)
			return rc;
	}
	for (uint32_t i = 0; i < more.count; i++)
		hll_add(s->hll, more.at[i]);
	return 0;
}

int cell_set_add(struct cell_set *s, struct slice hashes)
{
	uint64_t chunk[CELL_SET_EXACT];
	struct reader in = reader_of(hashes);

	assert(hashes.size % CELL_SET_HASH_BYTES == 0);
	/* More distinct ones than may be exact: no need to ask how many of them are new. */
	if (hashes.size / CELL_SET_HASH_BYTES > CELL_SET_EXACT && s->hll == NULL) {
		int rc = cell_set_convert(s);

		if (rc < 0)
			return rc;
	}
	while (reader_left(&in) > 0) {
		struct cell_set_hashes more = { .at = chunk };
		int rc;

		while (more.count < CELL_SET_EXACT && reader_left(&in) > 0)
			chunk[more.count++] = reader_u64(&in);
		rc = cell_set_add_hashes(s, more);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int cell_set_merge(struct cell_set *dst, const struct cell_set *src)
{
	int rc;

	if (src->hll == NULL)
		return cell_set_add_hashes(
			dst, (struct cell_set_hashes){ src->hashes, src->count });
	rc = dst->hll == NULL ? cell_set_convert(dst) : 0;
	if (rc < 0)
		return rc;
	hll_merge(dst->hll, src->hll);
	return 0;
}

double cell_set_count(const struct cell_set *s, bool *exact)
{
	double estimate;

	*exact = s->hll == NULL;
	if (*exact)
		return s->count;
	estimate = rint(hll_estimate(s->hll));
	return estimate < CELL_SET_MANY ? CELL_SET_MANY : estimate;
}

uint64_t cell_set_floor(const struct cell_set *s)
{
	uint32_t occupied;

	if (s->hll == NULL)
		return s->count;
	occupied = hll_occupied(s->hll);
	return occupied < CELL_SET_MANY ? CELL_SET_MANY : occupied;
}

size_t cell_set_memory(const struct cell_set *s)
{
	return s->capacity * sizeof(*s->hashes) + (s->hll ? sizeof(*s->hll) : 0);
}

void cell_set_put(const struct cell_set *s, struct buf *out)
{
	uint8_t *at;

	if (s->hll != NULL) {
		buf_put_varint(out, CELL_SET_MANY);
		hll_put(s->hll, out);
		return;
	}
	buf_put_varint(out, s->count);
	/* Put one by one they would take most of a commit's time. */
	at = buf_extend(out, CELL_SET_HASH_BYTES * s->count);
	for (uint32_t i = 0; at != NULL && i < s->count; i++)
		at = le_put_u64(at, s->hashes[i]);
}

static int cell_set_get_hll(struct reader *in, struct cell_set *s)
{
	s->hll = calloc(1, sizeof(*s->hll));
	if (s->hll == NULL)
		return -ENOMEM;
	return hll_get(in, s->hll) && hll_occupied(s->hll) > 0 ? 0 : ERR_MALFORMED;
}

int cell_set_get(struct reader *in, struct cell_set *s)
{
	uint64_t count = reader_varint(in);
	int rc;

	if (in->failed || count > CELL_SET_MANY)
		return ERR_MALFORMED;
	if (count == CELL_SET_MANY)
		return cell_set_get_hll(in, s);
	if (count == 0)
		return 0;
	if (count > reader_left(in) / CELL_SET_HASH_BYTES)
		return ERR_MALFORMED;
	rc = cell_set_reserve(s, (uint32_t)count);
	if (rc < 0)
		return rc;
	for (; count > 0; count--) {
		uint64_t hash = reader_u64(in);

		if (s->count > 0 && hash <= s->hashes[s->count - 1])
			return ERR_MALFORMED;
		s->hashes[s->count++] = hash;
	}
	return 0;
}
