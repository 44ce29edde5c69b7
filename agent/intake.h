/*
 * intake.h - the table that a receiver fills and the seal takes away.
 *
 * Two tables share a pool of memory: a receiver fills the open one under the mutex, held for one
 * burst of datagrams; a seal swaps the two pointers and then reads the other one without any
 * lock, so it never stalls a receiver. Time is read under the mutex: what goes into the new
 * table was received after the swap, and the watermark may say so. Between bursts, that is to
 * whoever holds the mutex, what the receiver has counted and what the tables hold agree.
 *
 * Every thread that receives has an intake of its own, so they never wait for each other, and
 * the books add them up (accounts.h). Limits on series hold for each, the ceiling of memory for
 * all together (intake_share).
 */
#ifndef AGENT_INTAKE_H
#define AGENT_INTAKE_H

#include "agent/ledger.h"
#include "agent/limits.h"
#include "agent/table.h"
#include "agent/top.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct intake {
	/* private */
	pthread_mutex_t lock;
	struct arena_pool pool;
	struct carry carry;
	struct table tables[2];
	struct table *open;
	struct table *sealed;
	struct limits limits;
	struct top rejects;
	int64_t burst_ms; /* monotonic: when the burst at hand began */
	/* What its receiver has counted; the other members stay 0. */
	struct ledger counts;
	tally_count last_line_s; /* unix: when the last line came */
};

/* Empty tables of at most max_keys series each and max_bytes together. 0, a negative errno. */
int intake_init(struct intake *in, size_t max_keys, size_t max_bytes)
	__attribute__((warn_unused_result));

/* max_bytes of `with` holds for both together, and it outlives this one. Before anything is
 * added. */
void intake_share(struct intake *in, struct intake *with);

/* Frees all. No receiver may run any more. */
void intake_release(struct intake *in);

/* Series are judged by these limits from now on; until the first call by max_keys alone, and those
 * over it are refused. The caller has locked. */
void intake_limit(struct intake *in, const struct limits_options *options);

/* Whether Redis is short of memory, so that no new series begin. The caller has locked. */
void intake_set_full(struct intake *in, bool full);

void intake_lock(struct intake *in);   /* before intake_add: a burst's begin */
void intake_unlock(struct intake *in); /* a burst's end */

/* Adds a sample to the open table, which the caller has locked. As table_add. */
int intake_add(struct intake *in, const struct line_sample *sample, int64_t second)
	__attribute__((warn_unused_result));

/* The open table, for table_add_plain and what prepares it. The caller has locked. */
static inline struct table *intake_open(struct intake *in)
{
	return in->open;
}

/* A line is at its end, and its last sample was added: counts it. The caller has locked. */
static inline void intake_count_line(struct intake *in)
{
	table_count_line(in->open);
}

/* A line, or a sample of one, was refused: counts it for the line's prefix. The caller has
 * locked. */
void intake_count_reject(struct intake *in, struct slice line);

/* Adds the counts of rejects to out. 0, -ENOMEM. */
int intake_merge_rejects(struct intake *in, struct top *out) __attribute__((warn_unused_result));

/* Takes the open table away and puts the empty one in its place. *now_ms is the unix time of the
 * swap. The caller has locked. The result is the caller's until intake_done. */
struct table *intake_swap(struct intake *in, int64_t *now_ms);

/* Adds to one of the agent's own counters in the table that was taken. As table_add_own. */
int intake_add_own(struct intake *in, struct slice series, double value, int64_t second)
	__attribute__((warn_unused_result));

/* Puts a gauge's group of the table that was taken back before the open one's (gauges.h). False
 * when there is no room. */
bool intake_hold(struct intake *in, const struct table_group *group);

/* The table that was taken has been sealed: empties it. */
void intake_done(struct intake *in);

struct intake_level {
	uint64_t samples;
	size_t series;
	size_t bytes;
};

/* How full the open table is. */
struct intake_level intake_level(struct intake *in);

/* The same; the caller has locked. */
struct intake_level intake_level_locked(const struct intake *in);

#endif
