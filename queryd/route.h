/*
 * route.h - what a person asked for (API.md).
 *
 *     /<key>/<stat>/<date>/<hour>   /<key>/<stat>/<date>   /<key>/<stat>?from=&to=&step=   /<key>
 *     /<key>/moving_average/<n>?to=
 *     /v1/series?key=&stat=&date=&hour=&n=   (the same five)   /v1/keys?match=&limit=&after=
 *     /v1/query?match=&stat=&from=&to=&step=&by=   /v1/top?match=&stat=&n=&from=&to=
 *     /v1/ledger?from=&to=   /metrics  /healthz  /readyz   and Graphite's (graphite.h)
 *     /   /v1/page/NAME   (page.h)
 *
 * The raw path is cut at `/` first and each part decoded after, so `%2F` is a slash inside a
 * key. Fixed paths win for exactly the paths they name; four parts that end in a date and an
 * hour are always a key. A refusal carries a code of API.md's closed list and a sentence that
 * says what to do. Pure: no clock (now is an argument), nothing allocated.
 */
#ifndef QUERYD_ROUTE_H
#define QUERYD_ROUTE_H

#include "proto/glob.h"
#include "proto/kind.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "queryd/page.h"
#include "queryd/stat.h"

#include <stdbool.h>
#include <stdint.h>

#define ROUTE_URL_BYTES    8192 /* path and query together */
#define ROUTE_RANGE_HOURS  9600 /* 400 days */
#define ROUTE_LIMIT        100  /* of /v1/keys */
#define ROUTE_LIMIT_MAX    1000
#define ROUTE_TOP          10   /* keys of /v1/top */
#define ROUTE_BY_BYTES     256  /* of the name of a tag */
#define ROUTE_MESSAGE_SIZE 512

enum route {
	ROUTE_HOUR,
	ROUTE_DAY,
	ROUTE_RANGE,
	ROUTE_KEY,
	ROUTE_MOVING,
	ROUTE_KEYS,
	ROUTE_QUERY,
	ROUTE_TOP_KEYS,
	ROUTE_LEDGER,
	ROUTE_RENDER, /* Graphite's: graphite_request.h reads what they ask */
	ROUTE_FIND,
	ROUTE_EXPAND,
	ROUTE_VERSION,
	ROUTE_FUNCTIONS,
	ROUTE_TAG_NAMES,
	ROUTE_TAG_VALUES,
	ROUTE_EVENTS,
	ROUTE_PAGE, /* page.h */
	ROUTE_METRICS,
	ROUTE_HEALTH,
	ROUTE_READY,
	ROUTE_NONE, /* refused */
	ROUTE_COUNT,
};

enum route_step {
	ROUTE_STEP_HOUR,
	ROUTE_STEP_DAY,
	ROUTE_STEP_TOTAL,
};

struct route_request {
	enum route route;
	struct stat_asked stat;
	enum kind kind;          /* 0: any that has the stat */
	int64_t from_hour;       /* [from, to); of MOVING only to */
	int64_t to_hour;
	enum route_step step;
	uint32_t limit;          /* KEYS, TOP_KEYS; MOVING: n */
	const struct page_file *page; /* PAGE */
	size_t key_size;
	size_t by_size;
	/* From here on 16 KiB that mean nothing until they are written, and are not cleared for each request.
	 * key is canonical; of /v1/keys: `after`; of /v1/query and /v1/top: the text of `match`. */
	uint8_t key[LIMIT_SERIES_BYTES];
	uint8_t by[ROUTE_BY_BYTES]; /* QUERY: the tag to group by, if by_size > 0 */
	struct glob match;          /* KEYS, QUERY, TOP_KEYS */
};

struct route_refusal {
	unsigned status;
	const char *error;            /* of the closed list; static */
	char message[ROUTE_MESSAGE_SIZE];
	const char *reason;           /* of no_data, else NULL */
	const char *allow;            /* of bad_method the methods there are, else NULL; static */
	bool list_stats;              /* add `allowed`: the stats of allowed_kind (0: all) */
	enum kind allowed_kind;
	char nearest[STAT_NAME_SIZE]; /* "" when nothing is near */
};

/* Reads a request. 0 with *out, or -EINVAL with *why (out->route is then ROUTE_NONE). */
int route_parse(struct slice path, struct slice query, int64_t now_second,
		struct route_request *out, struct route_refusal *why)
	__attribute__((warn_unused_result));

/* Fills in a refusal; the message as printf makes it. Returns -EINVAL. */
int route_refuse(struct route_refusal *why, unsigned status, const char *error, const char *format,
		 ...) __attribute__((format(printf, 4, 5)));

/* The name of a route, as its counter is labelled. */
const char *route_name(enum route route);

#endif
