/*
 * queryd_private.h - the daemon's parts, for its own shells.
 *
 * queryd.c wires them; serve_one.c, serve_keys.c, serve_many.c and serve_graphite.c serve one family
 * of requests each. Only these see the struct.
 */
#ifndef QUERYD_QUERYD_PRIVATE_H
#define QUERYD_QUERYD_PRIVATE_H

#include "proto/daemon/http.h"
#include "proto/daemon/life.h"
#include "queryd/agents_poll.h"
#include "queryd/aside.h"
#include "queryd/cache.h"
#include "queryd/fetch.h"
#include "queryd/metrics.h"
#include "queryd/names_poll.h"
#include "queryd/query.h"
#include "queryd/queryd.h"
#include "queryd/respond.h"
#include "queryd/scope.h"
#include "queryd/tokens.h"

#define QUERYD_FEW_NAMES 4096 /* looked through on the loop: a tenth of a millisecond or two */

struct queryd {
	struct config *config;
	int argc;
	char **argv;
	uv_loop_t loop;
	struct life life;
	struct http_server *http;
	struct redis *redis;
	struct fleet fleet;
	struct agents agents;
	struct agents_poll agents_poll;
	struct names names;
	struct names_poll names_poll;
	struct aside merging; /* names into the index */
	struct aside looking; /* through the names, for who asks */
	struct fetches fetches;
	struct cache *cache; /* or NULL */
	struct plan_stock plans;
	uv_timer_t timer;
	uv_prepare_t prepare; /* before a turn's commands leave */
	unsigned ticks;
	uint64_t generation; /* of redis_view: what watermarks are read for */
	int64_t drain_by_ms; /* 0: not draining */
	struct responder responder;
	struct metrics metrics;
	struct tokens tokens;
	struct http_request *local; /* of --get, until it is handed over */
	int64_t local_by_ms;        /* when it is, ready or not */
	int local_exit;             /* its exit status */
	bool local_done;
	char local_problem[ROUTE_MESSAGE_SIZE];
};

/* Counts an answer. */
void queryd_count(struct queryd *q, enum route route, unsigned status, uint64_t begun_ns);

/* Counts what an answer has cost Redis. */
void queryd_costs(struct queryd *q, struct plan_costs costs);

/* Answers that Redis or memory did not give what was needed; log says of what, or is NULL. Returns
 * the status that was sent. */
unsigned queryd_refuse_store(struct queryd *q, struct http_request *request, int status,
			     const struct slice *log);

/* Whether Redis can be asked and the names are known; else refuses, and *sent is the status. */
bool queryd_knows_names(struct queryd *q, struct http_request *request, unsigned *sent);

/* What watermarks say of a span, and of which server they are. */
struct queryd_vouch {
	struct agents_verdict verdict;
	uint64_t generation; /* of redis_view */
};

/* Judges a span; before its data is asked for, so that the watermarks are older than what they vouch
 * for. names: of an answer that chose its keys, names_poll_generation() at that time; else NULL. */
struct queryd_vouch queryd_vouch(struct queryd *q, int64_t to_hour, const uint64_t *names);

/* Within a fetch's `done`, before the answer: takes what vouches for another server's data back, says how
 * old the data may be, and counts that. vouch may be NULL. */
void queryd_read(struct queryd *q, struct http_request *request, struct queryd_vouch *vouch);

/* Before an answer of names alone: says how old they may be. */
void queryd_read_names(struct queryd *q, struct http_request *request);

/* What one answer may cost. */
struct query_limits queryd_limits(const struct queryd *q);

/* How long hours are kept, and the first that may be there (fleet.h). */
int64_t queryd_retention_hours(const struct queryd *q);
int64_t queryd_kept_from(const struct queryd *q); /* 0: any */

/* When a request's time to begin is over, by uv_hrtime(). */
uint64_t queryd_deadline_ns(const struct queryd *q, uint64_t begun_ns);

/* ---- families of requests -------------------------------------------------------------------- */

/* What is about one key: an hour, a day, a range, an overview, a moving average. 0 when the answer comes
 * later, else the status of a refusal that was sent. */
unsigned serve_one(struct queryd *q, struct http_request *request,
		   const struct route_request *asked, uint64_t begun_ns);

/* /v1/keys. The same. */
unsigned serve_keys(struct queryd *q, struct http_request *request,
		    const struct route_request *asked, const struct scope_keys *keys,
		    uint64_t begun_ns);

/* /v1/query, /v1/top, /v1/ledger. 0 when the answer comes later, else the status that was sent. */
unsigned serve_many(struct queryd *q, struct http_request *request,
		    const struct route_request *asked, const struct scope_keys *keys,
		    uint64_t begun_ns);

/* ---- who may ask ----------------------------------------------------------------------------- */

/* Whether a request may go on: its host, its token, its scope. 0 with *scope (NULL: everything;
 * borrowed until the next reload), or -EINVAL with *why. */
int queryd_admit(struct queryd *q, struct http_request *request, const struct route_request *asked,
		 const struct scope **scope, struct route_refusal *why)
	__attribute__((warn_unused_result));

/* ---- --get ----------------------------------------------------------------------------------- */

/* Makes the request that --get is about. 0, -ENOMEM. */
int local_start(struct queryd *q) __attribute__((warn_unused_result));

/* Answers it once all that it may need is known, or its time is over. Called every tick. */
void local_tick(struct queryd *q);

/* Redis cannot be reached: says where and why, for --get. Borrowed until the next one. */
const char *local_problem(struct queryd *q);

/* Serves a request, from a client or of --get. */
void queryd_serve(void *queryd, struct http_request *request);

/* Closes what start() has opened besides HTTP; the loop then ends. */
void queryd_close(struct queryd *q);

/* Graphite's routes, by GET or by a form. As above. */
unsigned serve_graphite(struct queryd *q, struct http_request *request, enum route route,
			const struct scope_keys *keys, uint64_t begun_ns);

#endif
