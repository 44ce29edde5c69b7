/*
 * route_private.h - one request being read: for route.c, route_many.c and route_moving.c.
 *
 * Readers take a parameter or a part of the path, put what it says into the request, and
 * refuse what they cannot read with a sentence that says what to do.
 */
#ifndef QUERYD_ROUTE_PRIVATE_H
#define QUERYD_ROUTE_PRIVATE_H

#include "queryd/route.h"

#define ROUTE_MOVING_STAT "moving_average"

struct router {
	struct slice query;
	int64_t now_second;
	struct route_request *out;
	struct route_refusal *why;
	uint8_t text[ROUTE_URL_BYTES]; /* the part or parameter decoded last */
};

/* A parameter of the query, decoded into r->text. 1; 0 when absent or empty; ERR_MALFORMED. */
int route_parameter(struct router *r, const char *name, struct slice *text);

/* Each reads what its name says into r->out. 0, or -EINVAL with r->why. */
int route_read_stat(struct router *r, struct slice text, bool decoded);
int route_read_kind(struct router *r, bool has_stat);  /* kind=, and whether it has the stat */
int route_read_ends(struct router *r);                 /* from= and to= */
int route_read_step(struct router *r);                 /* step= */
int route_read_match(struct router *r);                /* match= */
/* A count in a parameter, 1 to ROUTE_LIMIT_MAX, into r->out->limit. */
int route_read_limit(struct router *r, const char *name, uint32_t fallback);

/* Reads one end of a range, `from` or `to`, as an hour. 0, or -EINVAL with r->why. */
int route_read_end(struct router *r, const char *name, int64_t *hour);

/* Reads a number from 1 to most (at most 9999). False for another text; *out is then unchanged. */
bool route_count(struct slice text, uint32_t most, uint32_t *out);

/* The moving average of the last elements of r->out's key, text being how many. As above. */
int route_read_moving(struct router *r, struct slice text, bool decoded);

/* /v1/query, /v1/top, /v1/ledger. */
int route_read_query(struct router *r);
int route_read_top(struct router *r);    /* as above */
int route_read_ledger(struct router *r); /* as above */

/* Refuses for the stat; text is what was asked for. Returns -EINVAL. */
int route_bad_stat(struct router *r, struct slice text, const char *message);

#endif
