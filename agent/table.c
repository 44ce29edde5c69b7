// SPDX-License-Identifier: Apache-2.0
/*
 * table.c - two open-addressed tables of pointers, over structs in one arena.
 *
 * Slots of series are kept half empty; they outlive a reset, emptied, for the next interval is as
 * large as this one. A sample first tries its series' newest group, which stands in the series
 * itself and so is already in the cache; the second table, which holds older groups alone, is asked
 * when that does not fit and there are any. A group that is replaced is copied out to the arena, so
 * pointers to a series' newest group hold for one call only. Series over a limit get no slot: of
 * each of their samples limits.c is asked anew.
 */
#include "agent/table.h"

#include "proto/err.h"
#include "proto/hash.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define TABLE_FIRST_SLOTS 1024

void table_init(struct table *t, struct arena_pool *pool, struct carry *carry, size_t max_keys)
{
	*t = (struct table){ .carry = carry, .max_keys = max_keys };
	arena_init(&t->arena, pool);
}

void table_set_limits(struct table *t, struct limits *limits)
{
	t->limits = limits;
}

void table_release(struct table *t)
{
	arena_reset(&t->arena);
	free(t->series);
	free(t->groups);
	table_init(t, t->arena.pool, t->carry, t->max_keys);
}

uint64_t table_hash(enum kind kind, struct slice series)
{
	return hash64_seeded(series, (uint64_t)kind);
}

/* The slot of a series, or the free one where it would go. */
static struct table_series **table_find(const struct table *t, uint64_t hash, enum kind kind,
					struct slice bytes)
{
	size_t at = hash & (t->series_capacity - 1);

	for (;; at = (at + 1) & (t->series_capacity - 1)) {
		struct table_series *s = t->series[at];

		if (s == NULL || (s->hash == hash && s->kind == (uint8_t)kind &&
				  slice_equal(slice_of(s->bytes, s->size), bytes)))
			return &t->series[at];
	}
}

static bool table_grow_series(struct table *t)
{
	size_t capacity = t->series_capacity ? 2 * t->series_capacity : TABLE_FIRST_SLOTS;
	struct table_series **grown = calloc(capacity, sizeof(struct table_series *));

	if (grown == NULL)
		return false;
	for (size_t i = 0; i < t->series_capacity; i++) {
		struct table_series *s = t->series[i];
		size_t at;

		if (s == NULL)
			continue;
		for (at = s->hash & (capacity - 1); grown[at]; at = (at + 1) & (capacity - 1))
			;
		grown[at] = s;
	}
	free(t->series);
	t->series = grown;
	t->series_capacity = capacity;
	return true;
}

static struct table_series *table_make_series(struct table *t, uint64_t hash, enum kind kind,
					      struct slice bytes, enum table_role role)
{
	struct table_series *s = arena_take(&t->arena, sizeof(*s) + bytes.size);

	if (s == NULL)
		return NULL;
	*s = (struct table_series){ .hash = hash, .kind = (uint8_t)kind, .role = (uint8_t)role,
				    .size = (uint16_t)bytes.size };
	memcpy(s->bytes, bytes.ptr, bytes.size);
	t->series_count++;
	t->user_count += role == TABLE_USER;
	t->gauge_count += kind == KIND_GAUGE;
	return s;
}

/* The slot of a series whose hash is given, where it is or would go; NULL without memory. */
static struct table_series **table_slot(struct table *t, enum kind kind, struct slice bytes,
					uint64_t hash)
{
	assert(bytes.size <= LIMIT_SERIES_BYTES);
	if (2 * (t->series_count + 1) > t->series_capacity && !table_grow_series(t))
		return NULL;
	return table_find(t, hash, kind, bytes);
}

/* A series that no limit is asked about. */
static struct table_series *table_exempt_series(struct table *t, enum kind kind,
						struct slice bytes, enum table_role role)
{
	uint64_t hash = table_hash(kind, bytes);
	struct table_series **slot = table_slot(t, kind, bytes, hash);

	if (slot != NULL && *slot == NULL)
		*slot = table_make_series(t, hash, kind, bytes, role);
	return slot ? *slot : NULL;
}

/* The series for a new one's samples: that one, or where it overflows. *verdict says which. */
static struct table_series *table_new_series(struct table *t, uint64_t hash, enum kind kind,
					     struct slice bytes, enum limits_verdict *verdict)
{
	uint8_t storage[LIMITS_SERIES_SIZE];

	if (t->limits == NULL)
		return t->user_count < t->max_keys ?
			       table_make_series(t, hash, kind, bytes, TABLE_USER) :
			       NULL;
	*verdict = limits_admit(t->limits, bytes, hash, t->user_count);
	if (*verdict == LIMITS_ADMITTED)
		return table_make_series(t, hash, kind, bytes, TABLE_USER);
	return table_exempt_series(t, kind, limits_overflow(t->limits, bytes, storage),
				   TABLE_OVERFLOW);
}

static struct table_series *table_series(struct table *t, enum kind kind, struct slice bytes,
					 uint64_t hash, enum limits_verdict *verdict)
{
	struct table_series **slot = table_slot(t, kind, bytes, hash);
	struct table_series *s;

	if (slot == NULL || *slot != NULL)
		return slot ? *slot : NULL;
	s = table_new_series(t, hash, kind, bytes, verdict);
	/* Making the overflow series may have moved the slots. */
	if (s != NULL && s->role == TABLE_USER)
		*slot = s;
	return s;
}

static uint64_t table_group_hash(const struct table_series *s, int64_t second, double rate,
				 uint32_t weight)
{
	uint64_t bits, mixed;

	memcpy(&bits, &rate, sizeof(bits));
	mixed = s->hash ^ (uint64_t)second * 0x9e3779b97f4a7c15u ^ bits * 0xbf58476d1ce4e5b9u ^
		weight * 0x94d049bb133111ebu;
	return mixed ^ (mixed >> 32);
}

static bool table_group_is(const struct table_group *g, const struct table_series *s,
			   int64_t second, double rate, uint32_t weight)
{
	return g->series == s && g->second == second && g->rate == rate && g->weight == weight;
}

static struct table_group **table_group_slot(struct table_group **slots, size_t capacity,
					     const struct table_series *s, int64_t second,
					     double rate, uint32_t weight)
{
	size_t at = table_group_hash(s, second, rate, weight) & (capacity - 1);

	while (slots[at] != NULL && !table_group_is(slots[at], s, second, rate, weight))
		at = (at + 1) & (capacity - 1);
	return &slots[at];
}

static void table_group_put(struct table_group **slots, size_t capacity, struct table_group *g)
{
	*table_group_slot(slots, capacity, g->series, g->second, g->rate, g->weight) = g;
}

/* Indexes a group that is about to be no longer its series' newest. */
static bool table_index_group(struct table *t, struct table_group *g)
{
	size_t capacity = t->groups_capacity ? 2 * t->groups_capacity : TABLE_FIRST_SLOTS;
	struct table_group **grown;

	if (4 * (t->groups_count + 1) > 3 * t->groups_capacity) {
		grown = calloc(capacity, sizeof(struct table_group *));
		if (grown == NULL)
			return false;
		for (size_t i = 0; i < t->groups_capacity; i++)
			if (t->groups[i] != NULL)
				table_group_put(grown, capacity, t->groups[i]);
		free(t->groups);
		t->groups = grown;
		t->groups_capacity = capacity;
	}
	table_group_put(t->groups, t->groups_capacity, g);
	t->groups_count++;
	return true;
}

/* Moves a series' newest group out, where there is one, so that a newer one can have its place. */
static bool table_move_group(struct table *t, struct table_series *s)
{
	struct table_group *g = s->groups, *moved;

	if (g->samples == 0)
		return true;
	moved = arena_take(&t->arena, sizeof(*moved));
	if (moved == NULL)
		return false;
	*moved = *g;
	if (!table_index_group(t, moved))
		return false;
	g->next = moved;
	g->samples = 0;
	return true;
}

static struct table_group *table_make_group(struct table *t, struct table_series *s,
					    int64_t second, double rate, uint32_t weight)
{
	struct group_gauge *gauge = NULL;
	struct table_group *g = s->groups;

	if (s->kind == KIND_GAUGE) {
		gauge = arena_take(&t->arena, sizeof(*gauge));
		if (gauge == NULL)
			return NULL;
		*gauge = (struct group_gauge){ 0 };
	}
	if (!table_move_group(t, s))
		return NULL;
	*g = (struct table_group){ .next = g->next, .series = s, .second = second,
				   .rate = rate, .weight = weight };
	if (gauge != NULL)
		g->gauge = gauge;
	t->group_total++;
	return g;
}

static struct table_group *table_group(struct table *t, struct table_series *s, int64_t second,
				       double rate, uint32_t weight)
{
	struct table_group *g = s->groups;

	if (table_group_is(g, s, second, rate, weight))
		return g;
	if (t->groups_count > 0) {
		g = *table_group_slot(t->groups, t->groups_capacity, s, second, rate, weight);
		if (g != NULL)
			return g;
	}
	return table_make_group(t, s, second, rate, weight);
}

static void table_put_gauge(struct group_gauge *gauge, double value, bool delta)
{
	struct group_gauge one = { .samples = 1 };
	struct group_gauge before = *gauge;

	if (delta)
		one.delta = value;
	else
		one = (struct group_gauge){ .has_set = true, .last = value, .min = value,
					    .max = value, .sum = value, .sets = 1, .samples = 1 };
	*gauge = one;
	table_fold_gauge(&before, gauge);
}

/* Sums of finite values may overflow; a batch with an infinity would be refused. */
static double table_finite_sum(double a, double b)
{
	return fmax(-DBL_MAX, fmin(DBL_MAX, a + b));
}

void table_fold_gauge(const struct group_gauge *earlier, struct group_gauge *later)
{
	if (earlier->has_set && later->has_set) {
		later->min = fmin(earlier->min, later->min);
		later->max = fmax(earlier->max, later->max);
		later->sum = table_finite_sum(earlier->sum, later->sum);
	} else if (earlier->has_set) {
		later->has_set = true;
		later->last = earlier->last;
		later->min = earlier->min;
		later->max = earlier->max;
		later->sum = earlier->sum;
		later->delta = table_finite_sum(earlier->delta, later->delta);
	} else if (!later->has_set) {
		later->delta = table_finite_sum(earlier->delta, later->delta);
	}
	later->sets += earlier->sets;
	later->samples += earlier->samples;
}

/* Puts the sample into a group that fits it. */
static bool table_put(struct table *t, struct table_group *g, const struct line_sample *sample)
{
	switch (sample->kind) {
	case KIND_DISTRIBUTION:
		return values_add(&g->values, &t->arena, sample->value);
	case KIND_COUNTER:
		return values_add_run(&g->values, &t->arena, sample->value);
	case KIND_SET:
		return values_add_hash(&g->values, &t->arena, hash64(sample->member));
	case KIND_GAUGE:
		table_put_gauge(g->gauge, sample->value, sample->gauge_delta);
		return true;
	case KIND_WINDOW: /* of cells alone */
		break;
	}
	return false;
}

/* table_add, of a series whose hash is given. */
static int table_add_hashed(struct table *t, const struct line_sample *sample, uint64_t hash,
			    int64_t second)
{
	bool weighs = sample->kind == KIND_DISTRIBUTION || sample->kind == KIND_COUNTER;
	double rate = weighs ? sample->rate : 1;
	enum limits_verdict verdict = LIMITS_ADMITTED;
	struct table_series *s;
	struct table_group *g;
	uint32_t weight = 1;

	if (sample->kind == KIND_DISTRIBUTION && 1 / rate > CARRY_WEIGHT_MAX)
		return ERR_BAD_RATE;
	if (sample->kind == KIND_COUNTER && !isfinite(sample->value / rate))
		return ERR_BAD_VALUE;
	s = table_series(t, sample->kind, sample->series, hash, &verdict);
	if (s == NULL)
		return ERR_OVER_LIMIT;
	t->latest = s;
	if (sample->kind == KIND_DISTRIBUTION && rate < 1)
		weight = carry_weight(t->carry, s->hash, rate);
	g = table_group(t, s, second, rate, weight);
	if (g == NULL || !table_put(t, g, sample))
		return ERR_OVER_LIMIT;
	g->samples++;
	t->samples++;
	if (verdict != LIMITS_ADMITTED)
		t->overflowed[verdict]++;
	return 0;
}

int table_add(struct table *t, const struct line_sample *sample, int64_t second)
{
	return table_add_hashed(t, sample, table_hash(sample->kind, sample->series), second);
}

/* Whether a number was put into a group as most are: of this second, not sampled. */
static inline bool table_put_plain(struct table *t, struct table_series *s, double value,
				   int64_t second)
{
	struct table_group *g = s->groups;

	if (g->second != second || g->weight != 1 || g->rate != 1)
		return false;
	if (s->kind == KIND_DISTRIBUTION ? !values_add(&g->values, &t->arena, value) :
	    s->kind == KIND_COUNTER	 ? !values_add_run(&g->values, &t->arena, value) :
					   true)
		return false;
	g->samples++;
	return true;
}

/* table_add_plain of what is the first of its series, or of a second. */
static int table_add_first(struct table *t, const struct line_plain *line, uint64_t hash,
			   int64_t second)
{
	struct line_sample sample = { .kind = line->kind, .series = line->series,
				      .value = line->value, .rate = 1 };

	return table_add_hashed(t, &sample, hash, second);
}

int table_add_plain(struct table *t, const struct line_plain *line, uint64_t hash, int64_t second)
{
	struct table_series *s;

	/* A series that is there has been admitted, or its slot is free. */
	s = t->series_capacity > 0 ? *table_find(t, hash, line->kind, line->series) : NULL;
	if (s == NULL || !table_put_plain(t, s, line->value, second))
		return table_add_first(t, line, hash, second);
	t->latest = s;
	t->samples++;
	return 0;
}

int table_add_own(struct table *t, struct slice series, double value, int64_t second)
{
	struct table_series *s = table_exempt_series(t, KIND_COUNTER, series, TABLE_OWN);
	struct table_group *g = s ? table_group(t, s, second, 1, 1) : NULL;

	if (g == NULL || !values_add_run(&g->values, &t->arena, value))
		return ERR_OVER_LIMIT;
	g->samples++;
	t->own_samples++;
	return 0;
}

/* The series of what was held back. It has been admitted before, or is an overflow series:
 * only the number is asked about. */
static struct table_series *table_held_series(struct table *t, struct slice series)
{
	uint64_t hash = table_hash(KIND_GAUGE, series);
	struct table_series **slot = table_slot(t, KIND_GAUGE, series, hash);
	bool overflow = limits_is_overflow(series);

	if (slot == NULL || *slot != NULL)
		return slot ? *slot : NULL;
	if (!overflow && t->user_count >= t->max_keys)
		return NULL;
	*slot = table_make_series(t, hash, KIND_GAUGE, series,
				  overflow ? TABLE_OVERFLOW : TABLE_USER);
	return *slot;
}

int table_add_earlier(struct table *t, struct slice series, int64_t second,
		      const struct group_gauge *earlier)
{
	struct table_series *s = table_held_series(t, series);
	struct table_group *g = s ? table_group(t, s, second, 1, 1) : NULL;

	if (g == NULL)
		return ERR_OVER_LIMIT;
	table_fold_gauge(earlier, g->gauge);
	g->samples += earlier->samples;
	t->samples += earlier->samples;
	return 0;
}

/* Empties an index of pointers, or gives it up when less than 1/16 of it was used. */
static void *table_reset_index(void *slots, size_t *capacity, size_t used)
{
	if (*capacity > 16 * TABLE_FIRST_SLOTS && used < *capacity / 16) {
		free(slots);
		*capacity = 0;
		return NULL;
	}
	if (*capacity > 0)
		memset(slots, 0, *capacity * sizeof(void *));
	return slots;
}

void table_reset(struct table *t)
{
	t->series = table_reset_index(t->series, &t->series_capacity, t->series_count);
	t->groups = table_reset_index(t->groups, &t->groups_capacity, t->groups_count);
	t->series_count = 0;
	t->groups_count = 0;
	t->group_total = 0;
	t->gauge_count = 0;
	t->user_count = 0;
	t->latest = NULL;
	t->samples = 0;
	t->own_samples = 0;
	memset(t->overflowed, 0, sizeof(t->overflowed));
	arena_reset(&t->arena);
}

struct table_series *table_next(const struct table *t, size_t *cursor)
{
	while (*cursor < t->series_capacity) {
		struct table_series *s = t->series[(*cursor)++];

		if (s != NULL)
			return s;
	}
	return NULL;
}

size_t table_bytes(const struct table *t)
{
	return arena_bytes(&t->arena);
}
