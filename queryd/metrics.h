/*
 * metrics.h - queryd's own counters, for /metrics.
 *
 * Requests by route and class of status, how long they took, what they cost Redis, and what
 * the caches hold. One struct, one table (tally.h); the durations are a Prometheus histogram.
 */
#ifndef QUERYD_METRICS_H
#define QUERYD_METRICS_H

#include "proto/buf.h"
#include "proto/daemon/tally.h"
#include "queryd/cache.h"
#include "queryd/route.h"

#include <stdint.h>

enum metrics_class {
	METRICS_2XX,
	METRICS_4XX,
	METRICS_5XX,
	METRICS_CLASSES,
};

#define METRICS_BUCKETS 10 /* the last is +Inf */

struct metrics {
	tally_count requests[ROUTE_COUNT][METRICS_CLASSES];
	tally_count seconds[METRICS_BUCKETS]; /* not cumulative */
	tally_count microseconds;             /* their sum */
	tally_count cells, cell_bytes, retries, shared;
	tally_count stale, again, replica, age_s;
	tally_count cache_hits, cache_misses, cache_stale, cache_evictions, cache_passed;
	tally_count cache_entries, cache_bytes;
	tally_count in_flight, redis_up, partitions, kept_hours, names, names_dropped, agents;
};

/* Counts one answered request. */
void metrics_request(struct metrics *m, enum route route, unsigned status, uint64_t microseconds);

/* Takes over what the cache has counted. */
void metrics_cache(struct metrics *m, struct cache_counts counts);

/* Appends all of it. Errors by buf_status(out). */
void metrics_render(const struct metrics *m, struct buf *out);

#endif
