// SPDX-License-Identifier: Apache-2.0
/*
 * Deltas are an array sorted by second. Two of them merge from the end backwards into the room
 * made for the union, so neither a second array nor a shift is needed. After every change the ones
 * before the last value set are dropped; deltas that have come back to 0 stay in memory and are
 * left out when the gauge is written.
 */
#include "proto/cell_gauge.h"

#include "proto/err.h"
#include "proto/hour.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define CELL_GAUGE_FIRST_DELTAS 4

/* Least bytes of a delta on the wire: a varint and a number. */
#define CELL_GAUGE_DELTA_BYTES 2

void cell_gauge_release(struct cell_gauge_state *g)
{
	free(g->deltas);
	*g = (struct cell_gauge_state){ 0 };
}

/* Makes room for count deltas. Doubles, for seconds come one by one. */
static int cell_gauge_reserve(struct cell_gauge_state *g, uint32_t count)
{
	uint32_t capacity = g->delta_capacity ? g->delta_capacity : CELL_GAUGE_FIRST_DELTAS;
	struct cell_gauge_delta *deltas;

	assert(count <= HOUR_SECONDS);
	if (count <= g->delta_capacity)
		return 0;
	while (capacity < count)
		capacity *= 2;
	if (capacity > HOUR_SECONDS)
		capacity = HOUR_SECONDS;
	deltas = realloc(g->deltas, capacity * sizeof(*deltas));
	if (deltas == NULL)
		return -ENOMEM;
	g->deltas = deltas;
	g->delta_capacity = capacity;
	return 0;
}

/* The first delta at or after a second. */
static uint32_t cell_gauge_find(const struct cell_gauge_state *g, uint32_t second)
{
	uint32_t low = 0;
	uint32_t high = g->delta_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (g->deltas[middle].second < second)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Drops the deltas before the last value set. */
static void cell_gauge_drop_stale(struct cell_gauge_state *g)
{
	uint32_t stale = g->sets > 0 ? cell_gauge_find(g, g->last_second) : 0;

	if (stale == 0)
		return;
	g->delta_count -= stale;
	memmove(g->deltas, g->deltas + stale, g->delta_count * sizeof(*g->deltas));
}

static int cell_gauge_add_delta(struct cell_gauge_state *g, uint32_t second, double value)
{
	uint32_t at = cell_gauge_find(g, second);
	struct cell_gauge_delta *delta;
	int rc;

	if (value == 0 || (g->sets > 0 && second < g->last_second))
		return 0;
	if (at < g->delta_count && g->deltas[at].second == second) {
		cell_number_add(&g->deltas[at].sum, value, 1);
		return 0;
	}
	rc = cell_gauge_reserve(g, g->delta_count + 1);
	if (rc < 0)
		return rc;
	delta = g->deltas + at;
	memmove(delta + 1, delta, (g->delta_count - at) * sizeof(*delta));
	*delta = (struct cell_gauge_delta){ .second = second, .sum = cell_number_of(value) };
	g->delta_count++;
	return 0;
}

/* Seconds that have a delta in either. */
static uint32_t cell_gauge_union_count(const struct cell_gauge_state *a,
				       const struct cell_gauge_state *b)
{
	uint32_t count = 0;
	uint32_t i = 0;
	uint32_t j = 0;

	while (i < a->delta_count && j < b->delta_count) {
		uint32_t left = a->deltas[i].second;
		uint32_t right = b->deltas[j].second;

		i += left <= right;
		j += right <= left;
		count++;
	}
	return count + (a->delta_count - i) + (b->delta_count - j);
}

/* Merges src's deltas into dst's from the end backwards, so that no second array is needed. */
static int cell_gauge_merge_deltas(struct cell_gauge_state *dst, const struct cell_gauge_state *src)
{
	uint32_t total = cell_gauge_union_count(dst, src);
	uint32_t i = dst->delta_count;
	uint32_t j = src->delta_count;
	int rc = cell_gauge_reserve(dst, total);

	if (rc < 0)
		return rc;
	for (uint32_t k = total; j > 0; k--) {
		struct cell_gauge_delta *to = dst->deltas + k - 1;
		const struct cell_gauge_delta *from = src->deltas + j - 1;

		if (i > 0 && dst->deltas[i - 1].second >= from->second)
			*to = dst->deltas[--i];
		else
			*to = (struct cell_gauge_delta){ .second = from->second };
		if (to->second == from->second) {
			cell_number_merge(&to->sum, from->sum);
			j--;
		}
	}
	dst->delta_count = total;
	return 0;
}

/* Folds in values that were set, src's deltas aside. */
static void cell_gauge_merge_sets(struct cell_gauge_state *dst, const struct cell_gauge_state *src)
{
	bool first = dst->sets == 0;

	if (src->sets == 0)
		return;
	if (first || src->last_second > dst->last_second ||
	    (src->last_second == dst->last_second && src->last > dst->last)) {
		dst->last_second = src->last_second;
		dst->last = src->last;
	}
	if (first || src->min < dst->min)
		dst->min = src->min;
	if (first || src->max > dst->max)
		dst->max = src->max;
	cell_number_merge(&dst->sum, src->sum);
	dst->sets = src->sets > UINT64_MAX - dst->sets ? UINT64_MAX : dst->sets + src->sets;
}

int cell_gauge_merge(struct cell_gauge_state *dst, const struct cell_gauge_state *src)
{
	cell_gauge_merge_sets(dst, src);
	if (src->delta_count > 0) {
		int rc = cell_gauge_merge_deltas(dst, src);

		if (rc < 0)
			return rc;
	}
	cell_gauge_drop_stale(dst);
	return 0;
}

static void cell_gauge_sum_deltas(const struct cell_gauge_state *g, struct cell_number *sum)
{
	for (uint32_t i = 0; i < g->delta_count; i++)
		cell_number_merge(sum, g->deltas[i].sum);
}

int cell_gauge_follow(struct cell_gauge_state *dst, const struct cell_gauge_state *src)
{
	struct cell_number change = { 0 };
	int rc = cell_gauge_reserve(dst, 1);

	if (rc < 0)
		return rc;
	if (src->sets == 0)
		cell_gauge_sum_deltas(dst, &change);
	cell_gauge_sum_deltas(src, &change);
	cell_gauge_merge_sets(dst, src);
	if (src->sets > 0) {
		dst->last_second = src->last_second;
		dst->last = src->last;
	}
	dst->deltas[0] = (struct cell_gauge_delta){ .second = HOUR_SECONDS - 1, .sum = change };
	dst->delta_count = cell_number_is_zero(change) ? 0 : 1;
	return 0;
}

/* The values that a group set, made consistent: min <= last <= max, and one value is all four
 * figures. Adding 0.0 turns -0 into +0. */
static struct cell_gauge_state cell_gauge_of_group(uint32_t second, const struct group_gauge *group)
{
	struct cell_gauge_state g = {
		.sets = group->sets > 0 ? group->sets : 1,
		.last = group->last + 0.0,
		.last_second = second,
	};
	bool one = g.sets == 1;

	g.min = one ? g.last : fmin(group->min, g.last) + 0.0;
	g.max = one ? g.last : fmax(group->max, g.last) + 0.0;
	g.sum = cell_number_of(one ? g.last : group->sum);
	return g;
}

int cell_gauge_add(struct cell_gauge_state *g, uint32_t second, const struct group_gauge *group)
{
	struct cell_gauge_state sets = { 0 };
	int rc;

	assert(second < HOUR_SECONDS);
	if (!isfinite(group->delta))
		return ERR_BAD_VALUE;
	if (group->has_set) {
		if (!isfinite(group->last) || !isfinite(group->min) || !isfinite(group->max) ||
		    !isfinite(group->sum))
			return ERR_BAD_VALUE;
		sets = cell_gauge_of_group(second, group);
	}
	/* First what can fail. A delta that the new value overwrites is dropped below. */
	rc = cell_gauge_add_delta(g, second, group->delta);
	if (rc < 0)
		return rc;
	cell_gauge_merge_sets(g, &sets);
	cell_gauge_drop_stale(g);
	return 0;
}

void cell_gauge_read(const struct cell_gauge_state *g, struct cell_gauge *out)
{
	struct cell_number now = cell_number_of(g->last);

	for (uint32_t i = 0; i < g->delta_count; i++)
		cell_number_merge(&now, g->deltas[i].sum);
	*out = (struct cell_gauge){
		.has_last = g->sets > 0,
		.last = cell_number_value(now),
		.last_second = g->last_second,
		.has_set = g->sets > 0,
		.min = g->min,
		.max = g->max,
		.sum = cell_number_value(g->sum),
		.sets = g->sets,
	};
}

uint64_t cell_gauge_sets(const struct cell_gauge_state *g)
{
	return g->sets;
}

/* Deltas that are not 0: what is written, since +3 and -3 in a second are as good as nothing. */
static uint32_t cell_gauge_live_deltas(const struct cell_gauge_state *g)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < g->delta_count; i++)
		count += !cell_number_is_zero(g->deltas[i].sum);
	return count;
}

bool cell_gauge_is_blank(const struct cell_gauge_state *g)
{
	return g->sets == 0 && cell_gauge_live_deltas(g) == 0;
}

size_t cell_gauge_memory(const struct cell_gauge_state *g)
{
	return g->delta_capacity * sizeof(*g->deltas);
}

static void cell_gauge_put_sets(const struct cell_gauge_state *g, struct buf *out)
{
	buf_put_varint(out, g->sets);
	if (g->sets == 0)
		return;
	buf_put_varint(out, g->last_second);
	cell_number_put_double(g->last, out);
	if (g->sets == 1)
		return;
	cell_number_put_double(g->min, out);
	cell_number_put_double(g->max, out);
	cell_number_put(g->sum, out);
}

void cell_gauge_put(const struct cell_gauge_state *g, struct buf *out)
{
	uint32_t next = g->last_second;

	cell_gauge_put_sets(g, out);
	buf_put_varint(out, cell_gauge_live_deltas(g));
	for (uint32_t i = 0; i < g->delta_count; i++) {
		const struct cell_gauge_delta *delta = g->deltas + i;

		if (cell_number_is_zero(delta->sum))
			continue;
		buf_put_varint(out, delta->second - next);
		cell_number_put(delta->sum, out);
		next = delta->second + 1;
	}
}

static bool cell_gauge_get_sets(struct reader *in, struct cell_gauge_state *g)
{
	uint64_t second;

	g->sets = reader_varint(in);
	if (in->failed || g->sets == 0)
		return !in->failed;
	second = reader_varint(in);
	if (in->failed || second >= HOUR_SECONDS || !cell_number_get_double(in, &g->last))
		return false;
	g->last_second = (uint32_t)second;
	g->min = g->last;
	g->max = g->last;
	g->sum = cell_number_of(g->last);
	if (g->sets == 1)
		return true;
	return cell_number_get_double(in, &g->min) && cell_number_get_double(in, &g->max) &&
	       cell_number_get(in, &g->sum) && g->min <= g->last && g->last <= g->max;
}

/* One delta, `next` being the earliest second it may have. */
static bool cell_gauge_get_delta(struct reader *in, uint32_t next, struct cell_gauge_delta *delta)
{
	uint64_t gap = reader_varint(in);

	if (in->failed || gap >= HOUR_SECONDS - next)
		return false;
	delta->second = next + (uint32_t)gap;
	return cell_number_get(in, &delta->sum) && !cell_number_is_zero(delta->sum);
}

int cell_gauge_get(struct reader *in, struct cell_gauge_state *g)
{
	uint64_t count;
	uint32_t next;
	int rc;

	if (!cell_gauge_get_sets(in, g))
		return ERR_MALFORMED;
	next = g->last_second;
	count = reader_varint(in);
	if (in->failed || count > HOUR_SECONDS || count > reader_left(in) / CELL_GAUGE_DELTA_BYTES)
		return ERR_MALFORMED;
	rc = count > 0 ? cell_gauge_reserve(g, (uint32_t)count) : 0;
	if (rc < 0)
		return rc;
	for (; count > 0; count--) {
		struct cell_gauge_delta *delta = g->deltas + g->delta_count;

		if (!cell_gauge_get_delta(in, next, delta))
			return ERR_MALFORMED;
		next = delta->second + 1;
		g->delta_count++;
	}
	return 0;
}
