// SPDX-License-Identifier: Apache-2.0
/*
 * metrics.c - rows of tallies, and a histogram that is added up when it is read.
 *
 * A request counts in one bucket; Prometheus' buckets hold all below them, and are made so
 * while they are printed.
 */
#include "queryd/metrics.h"

#include <inttypes.h>
#include <stddef.h>

#define REQUESTS(route, label)                                                                 \
	REQUEST(route, label, METRICS_2XX, "2xx"), REQUEST(route, label, METRICS_4XX, "4xx"),  \
		REQUEST(route, label, METRICS_5XX, "5xx")

#define REQUEST(route, label, class, code)                                                     \
	{ "hourglass_queryd_requests_total", "route=\"" label "\",code=\"" code "\"",         \
	  TALLY_COUNTER, "Requests answered, by route and class of status",                    \
	  offsetof(struct metrics, requests[route][class]) }

#define ROW(name, type, help, member)                                                          \
	{ "hourglass_queryd_" name, NULL, type, help, offsetof(struct metrics, member) }

static const struct tally_row rows[] = {
	REQUESTS(ROUTE_HOUR, "hour"),
	REQUESTS(ROUTE_DAY, "day"),
	REQUESTS(ROUTE_RANGE, "range"),
	REQUESTS(ROUTE_KEY, "key"),
	REQUESTS(ROUTE_MOVING, "moving"),
	REQUESTS(ROUTE_KEYS, "keys"),
	REQUESTS(ROUTE_QUERY, "query"),
	REQUESTS(ROUTE_TOP_KEYS, "top"),
	REQUESTS(ROUTE_LEDGER, "ledger"),
	REQUESTS(ROUTE_RENDER, "render"),
	REQUESTS(ROUTE_FIND, "find"),
	REQUESTS(ROUTE_EXPAND, "expand"),
	REQUESTS(ROUTE_VERSION, "version"),
	REQUESTS(ROUTE_FUNCTIONS, "functions"),
	REQUESTS(ROUTE_TAG_NAMES, "tags"),
	REQUESTS(ROUTE_TAG_VALUES, "tag_values"),
	REQUESTS(ROUTE_EVENTS, "events"),
	REQUESTS(ROUTE_PAGE, "page"),
	REQUESTS(ROUTE_METRICS, "metrics"),
	REQUESTS(ROUTE_HEALTH, "healthz"),
	REQUESTS(ROUTE_READY, "readyz"),
	REQUESTS(ROUTE_NONE, "none"),
	ROW("requests_in_flight", TALLY_GAUGE, "Requests waiting for Redis", in_flight),
	ROW("cells_read_total", TALLY_COUNTER, "Cells read from Redis", cells),
	ROW("cell_bytes_read_total", TALLY_COUNTER, "Bytes of the cells read", cell_bytes),
	ROW("hours_read_again_total", TALLY_COUNTER,
	    "Hours read again because their partials changed meanwhile", retries),
	ROW("manifests_shared_total", TALLY_COUNTER,
	    "Manifests not read because another answer was just reading them", shared),
	ROW("answers_stale_total", TALLY_COUNTER, "Answers read from a replica", stale),
	ROW("reads_again_total", TALLY_COUNTER,
	    "Answers begun again because another server took the place of the one that was read",
	    again),
	ROW("replica", TALLY_GAUGE, "Whether a replica is read (1) or a master (0)", replica),
	ROW("replica_age_seconds", TALLY_GAUGE,
	    "How old what the replica holds may be; 0 while a master is read", age_s),
	ROW("cache_hits_total", TALLY_COUNTER,
	    "Hours of a key whose cells were in the cache, and current by their manifest", cache_hits),
	ROW("cache_misses_total", TALLY_COUNTER, "Hours of a key that were not in the cache",
	    cache_misses),
	ROW("cache_stale_total", TALLY_COUNTER,
	    "Hours of a key that were in the cache, and had been written since", cache_stale),
	ROW("cache_evictions_total", TALLY_COUNTER, "Hours of a key taken out to make room",
	    cache_evictions),
	ROW("cache_passed_total", TALLY_COUNTER,
	    "Hours of a key not looked for in the cache: their question had taken its share of it",
	    cache_passed),
	ROW("cache_entries", TALLY_GAUGE, "Hours of a key in the cache", cache_entries),
	ROW("cache_bytes", TALLY_GAUGE, "Bytes of the cache, its table included", cache_bytes),
	ROW("redis_up", TALLY_GAUGE, "Whether Redis is connected (1) or not (0)", redis_up),
	ROW("partitions", TALLY_GAUGE, "Partitions of the fleet, 0 while unknown", partitions),
	ROW("kept_hours", TALLY_GAUGE,
	    "How long relays keep hours, as they say, 0 while one does not", kept_hours),
	ROW("names", TALLY_GAUGE, "Keys that /v1/keys knows", names),
	ROW("names_dropped_total", TALLY_COUNTER, "Keys left out for max_names", names_dropped),
	ROW("agents", TALLY_GAUGE, "Agents that have not left", agents),
};

static const uint64_t bounds_us[METRICS_BUCKETS - 1] = {
	500, 1000, 2500, 5000, 10000, 25000, 100000, 250000, 1000000,
};

static const char *const bounds_text[METRICS_BUCKETS] = {
	"0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.1", "0.25", "1", "+Inf",
};

void metrics_request(struct metrics *m, enum route route, unsigned status, uint64_t microseconds)
{
	enum metrics_class class = status < 400 ? METRICS_2XX :
				   status < 500 ? METRICS_4XX :
						  METRICS_5XX;
	size_t bucket = 0;

	while (bucket < METRICS_BUCKETS - 1 && microseconds > bounds_us[bucket])
		bucket++;
	tally_add(&m->requests[route][class], 1);
	tally_add(&m->seconds[bucket], 1);
	tally_add(&m->microseconds, microseconds);
}

void metrics_cache(struct metrics *m, struct cache_counts counts)
{
	tally_set(&m->cache_hits, counts.hits);
	tally_set(&m->cache_misses, counts.misses);
	tally_set(&m->cache_stale, counts.stale);
	tally_set(&m->cache_evictions, counts.evictions);
	tally_set(&m->cache_passed, counts.passed);
	tally_set(&m->cache_entries, counts.entries);
	tally_set(&m->cache_bytes, counts.bytes);
}

static void render_seconds(const struct metrics *m, struct buf *out)
{
	static const char name[] = "hourglass_queryd_request_seconds";
	uint64_t total = 0;
	size_t i;

	buf_printf(out, "# HELP %s Time from a request to its answer\n# TYPE %s histogram\n", name,
		   name);
	for (i = 0; i < METRICS_BUCKETS; i++) {
		total += tally_get(&m->seconds[i]);
		buf_printf(out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, bounds_text[i], total);
	}
	buf_printf(out, "%s_sum %.6f\n", name, (double)tally_get(&m->microseconds) / 1e6);
	buf_printf(out, "%s_count %" PRIu64 "\n", name, total);
}

void metrics_render(const struct metrics *m, struct buf *out)
{
	tally_render(rows, sizeof(rows) / sizeof(*rows), m, out);
	render_seconds(m, out);
	tally_render_process("hourglass-queryd", out);
}
