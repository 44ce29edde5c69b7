/*
 * compact_watch.h - what open hours looked like a while ago.
 *
 * Partials of an hour that is still open may be taken only when they have not changed for
 * COMPACT_QUIET_MS. Nobody waits for that: the hour's list is kept here, the compactor goes on with
 * other work, and its next pass compares. Fixed memory (some 20 kB); what finds no place is looked
 * at later.
 */
#ifndef RELAY_COMPACT_WATCH_H
#define RELAY_COMPACT_WATCH_H

#include "relay/compact_job.h"

#define COMPACT_WATCHES 8

/* How long a partial of an open hour must not have changed. */
#define COMPACT_QUIET_MS 10000

struct compact_watch {
	bool used;
	uint32_t partition;
	int64_t hour;
	int64_t seen_ms;
	size_t count;
	struct compact_source sources[COMPACT_SOURCES];
};

struct compact_watches {
	/* private */
	struct compact_watch at[COMPACT_WATCHES];
};

/* What is known of an hour; NULL: nothing. */
struct compact_watch *compact_watches_find(struct compact_watches *w, uint32_t partition,
					   int64_t hour);

/* Keeps what a job listed (COMPACT_WATCH), if there is room. */
void compact_watches_keep(struct compact_watches *w, uint32_t partition,
			  const struct compact_job *job, int64_t now_ms);

/* Whether it is time to compare. */
bool compact_watch_due(const struct compact_watch *watch, int64_t now_ms);

/* Forgets what could have been compared in the whole of the pass that began at pass_ms and was
 * not: its hour has been closed meanwhile, or its partition is somebody else's. */
void compact_watches_tidy(struct compact_watches *w, int64_t pass_ms);

#endif
