/*
 * pace.h - how often partitions commit, so that we keep to our share of Redis.
 *
 *     share = time during which at least one commit was in flight / time that passed
 *
 *     interval:  commit_ms -> x2 -> x4 ... PACE_MAX_MS      share over store_share, twice in a row
 *                commit_ms <- /2 <- /4 ...                  share under two fifths of it
 *
 * Redis does one thing at a time, so the time in which it has a commit of ours to do bounds from
 * above what we cost it. A longer interval costs it less for the same samples: a stream is moved
 * once for many batches, a cell is written once for many changes. Stepping by two and going back at
 * two fifths keeps it from swinging: half the interval at most doubles the share. Where Redis
 * stands still nothing is learnt about shares, and the interval stays. While it is stretched,
 * agents are asked to seal as rarely.
 *
 * A commit that is full does not wait for the interval (committer.h): there is nothing to
 * save in it. Pure: time is an argument, in microseconds, and never jumps.
 */
#ifndef RELAY_PACE_H
#define RELAY_PACE_H

#include "relay/counters.h"

#include <stdbool.h>
#include <stdint.h>

#define PACE_MAX_MS    30000
#define PACE_WINDOW_US 1000000 /* the least that is measured at once; else two intervals */

struct pace {
	/* private */
	struct relay_counters *counters;
	int64_t commit_ms;
	unsigned percent;
	unsigned level; /* the interval is commit_ms x 2^level */
	unsigned over;  /* windows in a row in which we had more than our share */
	unsigned in_flight;
	unsigned answered; /* in this window */
	uint64_t busy_us;  /* of this window, without the commit that is in flight now */
	uint64_t busy_since_us;
	uint64_t window_us; /* when it began */
};

/* commit_ms: the interval that is not stretched. percent: our share of Redis, 100 for all. */
void pace_init(struct pace *p, int64_t commit_ms, unsigned percent,
	       struct relay_counters *counters, uint64_t now_us);

void pace_sent(struct pace *p, uint64_t now_us);     /* a commit went to Redis */
void pace_answered(struct pace *p, uint64_t now_us); /* and is answered, or given up */

/* Judges what has passed; about once a second. True: the interval is another one now. */
bool pace_tick(struct pace *p, uint64_t now_us);

/* The least time between two commits of a partition. */
int64_t pace_interval_ms(const struct pace *p);

/* What agents are asked for: the interval while it is stretched, else 0. */
int64_t pace_seal_ms(const struct pace *p);

#endif
