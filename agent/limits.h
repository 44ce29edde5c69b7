/*
 * limits.h - how many series a sender may make, and where what is over goes.
 *
 * Asked once for a series and seal interval, when the table does not have it yet, so a line of
 * a known series costs nothing here. Four limits, in this order:
 *
 *     keys      series of one interval (max_keys)
 *     prefix    of them, those whose names begin with the same segment (max_keys_per_prefix)
 *     store     no new key at all while Redis is short of memory (limits_set_full)
 *     new keys  series that were not seen in the last minutes, a second (a token bucket)
 *
 * A series that is over any of them is not made: its samples count in
 * `hourglass.overflow;prefix=<first segment>` of the same kind, so that totals stay exact. Of those
 * at most LIMITS_OVERFLOWS prefixes an hour are told apart, the rest is `prefix=other`; prefixes
 * beyond LIMITS_PREFIXES in one interval share one count. At a start every series is new: the
 * bucket begins with max_keys tokens, or a second's. Pure: time is told (limits_pass). One
 * thread at a time (the receivers' mutex). 64 KiB and known.h's, on first use.
 */
#ifndef AGENT_LIMITS_H
#define AGENT_LIMITS_H

#include "agent/known.h"
#include "proto/limits.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITS_PREFIXES  3072
#define LIMITS_OVERFLOWS 256
#define LIMITS_SEGMENT   200 /* bytes; a longer first segment is `other` */

#define LIMITS_OVERFLOW_NAME "hourglass.overflow"
#define LIMITS_SERIES_SIZE   (LIMITS_SEGMENT + 64)

enum limits_verdict {
	LIMITS_ADMITTED,
	LIMITS_KEYS,
	LIMITS_PREFIX,
	LIMITS_STORE,
	LIMITS_NEW_KEYS,
	LIMITS_VERDICTS
};

struct limits_options {
	size_t max_keys;
	size_t max_keys_per_prefix;
	size_t max_new_keys_per_second;
};

struct limits_prefix {
	uint64_t hash;
	uint32_t keys;
	uint32_t interval; /* whose count it is; of another the slot is free */
};

struct limits {
	/* private */
	struct limits_options options;
	struct known known;
	int64_t now_ms;
	double tokens;
	int64_t filled_ms; /* when tokens were last added; INT64_MIN: never */
	struct limits_prefix *prefixes;
	size_t prefix_count;
	size_t other_keys; /* of prefixes that found no room */
	uint32_t interval;
	uint64_t overflows[LIMITS_OVERFLOWS]; /* hashes of prefixes with a series of their own */
	size_t overflow_count;
	bool full;
	int64_t overflows_until_ms;
};

/* Nothing was seen yet. Allocates nothing yet. */
void limits_init(struct limits *l, const struct limits_options *options);

/* Frees its memory. */
void limits_release(struct limits *l);

/* Other limits from now on. */
void limits_change(struct limits *l, const struct limits_options *options);

/* Redis is short of memory: what was not seen in the last minutes is not admitted, until it has
 * room again. */
void limits_set_full(struct limits *l, bool full);

/* It is now_ms (monotonic): holds until the next call. */
void limits_pass(struct limits *l, int64_t now_ms);

/* A new interval: no series has been made in it. */
void limits_begin_interval(struct limits *l);

/* Whether a series, canonical, of which `hash` is the hash, may be made in this interval, which
 * has `keys` of them; then it is counted. */
enum limits_verdict limits_admit(struct limits *l, struct slice series, uint64_t hash,
				 size_t keys);

/* The canonical series that takes the samples of one that was not admitted, in storage. */
struct slice limits_overflow(struct limits *l, struct slice series,
			     uint8_t storage[LIMITS_SERIES_SIZE]);

/* The first segment of a canonical series' name, up to `.` or the tags, escapes and all. */
struct slice limits_segment(struct slice series);

/* Whether limits_overflow made a series. */
bool limits_is_overflow(struct slice series);

/* What stands after `prefix=` in a series that limits_overflow made. */
struct slice limits_overflowed_segment(struct slice series);

#endif
