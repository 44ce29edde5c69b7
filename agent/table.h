/*
 * table.h - what was received since the last seal: (kind, series, second) -> values.
 *
 * Open addressing over XXH3 of kind and series; keys, groups and values are cut from an arena that
 * is emptied at the seal. A group holds the samples of one second (and, when sampled, of one rate
 * and weight): distributions every value, counters runs of equal values, sets the members' hashes
 * (values.h), gauges their fold in order of arrival. Adding costs one hash and one probe; a sample
 * of another second than the series' newest, one probe more. The newest group stands in its series;
 * the older ones are moved out.
 *
 * 100,000 keys of ten small whole values cost about 19 MB, of ten fractions 27. Series are bounded
 * by limits.h, whose overflow series takes the samples of those that are over (without it by
 * max_keys, and they are refused); all the rest by the arena's pool: what is over that is refused
 * with ERR_OVER_LIMIT. The agent's own counters are put in beside the users' samples and are in no
 * count but own_samples. Pure; one thread at a time (the receivers' mutex).
 */
#ifndef AGENT_TABLE_H
#define AGENT_TABLE_H

#include "agent/arena.h"
#include "agent/carry.h"
#include "agent/limits.h"
#include "agent/values.h"
#include "proto/group.h"
#include "proto/kind.h"
#include "proto/line.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_group {
	struct table_group *next;    /* the series' older groups */
	struct table_series *series; /* NULL: not begun */
	int64_t second;
	uint64_t samples; /* 0: not begun, or emptied; to be skipped */
	union {
		struct values values;
		struct group_gauge *gauge;
	};
	double rate;     /* 1 when not sampled */
	uint32_t weight; /* of a distribution's values; 0: not begun */
};

#define TABLE_AHEAD 64
#define TABLE_LARGE 2048 /* series: their slots, keys and values fill a second-level cache */

/* Whose a series is. */
enum table_role {
	TABLE_USER,
	TABLE_OVERFLOW, /* users' samples that were over a limit */
	TABLE_OWN,      /* the agent's own counters */
};

/* What a sample touches stands together: from the group's second to the name. */
struct table_series {
	uint32_t partition;           /* the seal's to fill in */
	uint32_t mark;                /* the seal's: the batch it was last put in */
	struct table_group groups[1]; /* the newest, maybe not begun; leads to the others */
	uint64_t hash;                /* of kind and series */
	uint32_t lines;               /* table_count_line */
	uint16_t size;
	uint8_t kind;
	uint8_t role;
	uint8_t bytes[]; /* the canonical series */
};

struct table {
	/* private, but for table_next's callers */
	struct arena arena;
	struct carry *carry;
	struct table_series **series;
	size_t series_capacity;
	size_t series_count;
	struct table_group **groups; /* those that are not their series' newest */
	size_t groups_capacity;
	size_t groups_count;
	size_t group_total;
	size_t gauge_count; /* series of that kind */
	size_t user_count;  /* series of users: what the limits bound */
	size_t max_keys;
	struct limits *limits;       /* NULL: max_keys alone */
	struct table_series *latest; /* the last sample's */
	uint64_t samples;     /* of users, in overflow series too */
	uint64_t own_samples; /* of the agent's own counters */
	uint64_t overflowed[LIMITS_VERDICTS]; /* samples in overflow series, by the limit */
};

/* An empty table of at most max_keys series over a pool and a carry (both borrowed; the
 * tables of an agent share them). Allocates nothing yet. */
void table_init(struct table *t, struct arena_pool *pool, struct carry *carry, size_t max_keys);

/* Frees all. */
void table_release(struct table *t);

/* New series are judged by these limits (borrowed; shared by the tables) from now on. */
void table_set_limits(struct table *t, struct limits *limits);

/* Adds one sample (line.h) to a second. 0; ERR_OVER_LIMIT; ERR_BAD_RATE (a distribution's rate
 * that no weight can express), ERR_BAD_VALUE (value / rate is not finite): then it was not
 * added. */
int table_add(struct table *t, const struct line_sample *sample, int64_t second)
	__attribute__((warn_unused_result));

/* Adds a plain line's sample, whose series has this hash (table_hash). As table_add. */
int table_add_plain(struct table *t, const struct line_plain *line, uint64_t hash, int64_t second)
	__attribute__((warn_unused_result));

/* What the table knows a series by. */
uint64_t table_hash(enum kind kind, struct slice series);

/* Has the processor fetch where a series of this hash is looked for. */
static inline void table_warm_slot(const struct table *t, uint64_t hash)
{
	__builtin_prefetch(&t->series[hash & (t->series_capacity - 1)]);
}

/* Then the rest of what adding to these series (at most TABLE_AHEAD) will touch, of all at the same
 * time; changes nothing. For large tables, where each sample would wait for memory three times. */
void table_warm(const struct table *t, const uint64_t *hashes, size_t count);

/* Whether that is worth its while. */
static inline bool table_is_large(const struct table *t)
{
	return t->series_count >= TABLE_LARGE;
}

/* Counts a line for the series of the last sample. */
static inline void table_count_line(struct table *t)
{
	if (t->latest != NULL)
		t->latest->lines++;
}

/* Adds to one of the agent's own counters. 0, ERR_OVER_LIMIT. */
int table_add_own(struct table *t, struct slice series, double value, int64_t second)
	__attribute__((warn_unused_result));

/* Puts a gauge's earlier fold before what the table has of the same second. 0,
 * ERR_OVER_LIMIT. */
int table_add_earlier(struct table *t, struct slice series, int64_t second,
		      const struct group_gauge *earlier) __attribute__((warn_unused_result));

/* Empties it, keeping the index unless it has become far too large. */
void table_reset(struct table *t);

/* Walks the series in no particular order: start with *cursor = 0; NULL at the end. */
struct table_series *table_next(const struct table *t, size_t *cursor);

/* Bytes of keys and values: an upper estimate of what sealing it will take (but for long runs). */
size_t table_bytes(const struct table *t);

/* later's fold becomes that of earlier and later, in that order. */
void table_fold_gauge(const struct group_gauge *earlier, struct group_gauge *later);

#endif
