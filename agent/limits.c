// SPDX-License-Identifier: Apache-2.0
/*
 * limits.c - counts a prefix and interval, a bucket of tokens, and prefixes that overflow.
 *
 * A count bears the number of its interval, so that a new interval empties the table by one
 * increment. A series is counted for its prefix before a token is taken, and taken back where there
 * is none: the other way round tokens would be spent on series that their prefix refuses.
 */
#include "agent/limits.h"

#include "proto/hash.h"

#include <assert.h>
#include <stdlib.h>

#define LIMITS_SLOTS          4096 /* LIMITS_PREFIXES are 3/4 of it */
#define LIMITS_OVERFLOW_MS    (3600 * 1000)
#define LIMITS_OVERFLOW_BEGIN LIMITS_OVERFLOW_NAME ";prefix="

static_assert(4 * LIMITS_PREFIXES <= 3 * LIMITS_SLOTS, "a search finds a free slot");

/* More than max_keys, so that a flood of new series does not push the others out at once. */
static size_t limits_known_most(const struct limits_options *options)
{
	return options->max_keys + options->max_keys / 2;
}

void limits_init(struct limits *l, const struct limits_options *options)
{
	*l = (struct limits){ .options = *options, .filled_ms = INT64_MIN, .interval = 1,
			      .overflows_until_ms = INT64_MIN };
	known_init(&l->known, limits_known_most(options));
}

void limits_release(struct limits *l)
{
	known_release(&l->known);
	free(l->prefixes);
	l->prefixes = NULL;
}

void limits_change(struct limits *l, const struct limits_options *options)
{
	l->options = *options;
	known_resize(&l->known, limits_known_most(options));
}

void limits_set_full(struct limits *l, bool full)
{
	l->full = full;
}

void limits_pass(struct limits *l, int64_t now_ms)
{
	l->now_ms = now_ms;
}

void limits_begin_interval(struct limits *l)
{
	l->prefix_count = 0;
	l->other_keys = 0;
	l->interval++;
	/* A number that comes again would revive old counts. */
	if (l->interval == 0) {
		free(l->prefixes);
		l->prefixes = NULL;
		l->interval = 1;
	}
}

struct slice limits_segment(struct slice series)
{
	size_t size = 0;

	while (size < series.size && series.ptr[size] != '.' && series.ptr[size] != ';')
		size += series.ptr[size] == '\\' && size + 1 < series.size ? 2 : 1;
	return slice_of(series.ptr, size);
}

bool limits_is_overflow(struct slice series)
{
	size_t begin = sizeof(LIMITS_OVERFLOW_BEGIN) - 1;

	return series.size >= begin && memcmp(series.ptr, LIMITS_OVERFLOW_BEGIN, begin) == 0;
}

struct slice limits_overflowed_segment(struct slice series)
{
	size_t begin = sizeof(LIMITS_OVERFLOW_BEGIN) - 1;

	assert(limits_is_overflow(series));
	return slice_of(series.ptr + begin, series.size - begin);
}

/* ---- keys a prefix ---- */

/* The slot of a prefix in this interval, or a free one. */
static struct limits_prefix *limits_slot(struct limits *l, uint64_t hash)
{
	size_t at = hash & (LIMITS_SLOTS - 1);

	while (l->prefixes[at].interval == l->interval && l->prefixes[at].hash != hash)
		at = (at + 1) & (LIMITS_SLOTS - 1);
	return &l->prefixes[at];
}

/* Counts a key of a prefix, if there is room for it. */
static bool limits_count_prefix(struct limits *l, struct slice segment)
{
	uint64_t hash = hash64(segment);
	struct limits_prefix *p = NULL;

	if (l->prefixes == NULL)
		l->prefixes = calloc(LIMITS_SLOTS, sizeof(*l->prefixes));
	if (l->prefixes != NULL)
		p = limits_slot(l, hash);
	if (p == NULL || (p->interval != l->interval && l->prefix_count == LIMITS_PREFIXES)) {
		if (l->other_keys >= l->options.max_keys_per_prefix)
			return false;
		l->other_keys++;
		return true;
	}
	if (p->interval != l->interval) {
		*p = (struct limits_prefix){ .hash = hash, .interval = l->interval };
		l->prefix_count++;
	}
	if (p->keys >= l->options.max_keys_per_prefix)
		return false;
	p->keys++;
	return true;
}

static void limits_uncount_prefix(struct limits *l, struct slice segment)
{
	struct limits_prefix *p = l->prefixes ? limits_slot(l, hash64(segment)) : NULL;

	if (p != NULL && p->interval == l->interval)
		p->keys--;
	else
		l->other_keys--;
}

/* ---- new keys ---- */

/* Takes a token, if there is one. */
static bool limits_take_token(struct limits *l)
{
	int64_t now_ms = l->now_ms;
	double rate = (double)l->options.max_new_keys_per_second;

	if (l->filled_ms == INT64_MIN) {
		l->tokens = (double)l->options.max_keys;
		if (l->tokens < rate)
			l->tokens = rate;
		l->filled_ms = now_ms;
	}
	if (now_ms > l->filled_ms) {
		double filled = l->tokens + rate * (double)(now_ms - l->filled_ms) / 1000;

		/* What the start gave beyond a second's worth stays until it is used. */
		if (filled > rate)
			filled = l->tokens > rate ? l->tokens : rate;
		l->tokens = filled;
		l->filled_ms = now_ms;
	}
	if (l->tokens < 1)
		return false;
	l->tokens--;
	return true;
}

enum limits_verdict limits_admit(struct limits *l, struct slice series, uint64_t hash, size_t keys)
{
	struct slice segment = limits_segment(series);

	if (keys >= l->options.max_keys)
		return LIMITS_KEYS;
	if (!limits_count_prefix(l, segment))
		return LIMITS_PREFIX;
	if (known_has(&l->known, hash, l->now_ms))
		return LIMITS_ADMITTED;
	if (l->full || !limits_take_token(l)) {
		limits_uncount_prefix(l, segment);
		return l->full ? LIMITS_STORE : LIMITS_NEW_KEYS;
	}
	known_add(&l->known, hash, l->now_ms);
	return LIMITS_ADMITTED;
}

/* ---- overflow ---- */

/* Whether a prefix has, or now gets, an overflow series of its own. */
static bool limits_told_apart(struct limits *l, struct slice segment)
{
	uint64_t hash = hash64(segment);

	if (segment.size > LIMITS_SEGMENT)
		return false;
	if (l->now_ms >= l->overflows_until_ms) {
		l->overflow_count = 0;
		l->overflows_until_ms = l->now_ms + LIMITS_OVERFLOW_MS;
	}
	for (size_t i = 0; i < l->overflow_count; i++)
		if (l->overflows[i] == hash)
			return true;
	if (l->overflow_count == LIMITS_OVERFLOWS)
		return false;
	l->overflows[l->overflow_count++] = hash;
	return true;
}

struct slice limits_overflow(struct limits *l, struct slice series,
			     uint8_t storage[LIMITS_SERIES_SIZE])
{
	/* Names and values of tags are escaped alike (LINE.md), so it can be taken as it is. */
	struct slice segment = limits_segment(series);
	size_t begin = sizeof(LIMITS_OVERFLOW_BEGIN) - 1;

	static_assert(sizeof(LIMITS_OVERFLOW_BEGIN) + LIMITS_SEGMENT <= LIMITS_SERIES_SIZE,
		      "the longest segment fits");
	if (!limits_told_apart(l, segment))
		segment = slice_text("other");
	memcpy(storage, LIMITS_OVERFLOW_BEGIN, begin);
	if (segment.size > 0)
		memcpy(storage + begin, segment.ptr, segment.size);
	return slice_of(storage, begin + segment.size);
}
