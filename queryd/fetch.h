/*
 * fetch.h - runs plans against Redis.
 *
 * Sends a plan's commands as one pipeline, puts the answers in, and goes on round by round.
 * Each fetch has a deadline: when it passes, its owner is told at once, and what is still on its
 * way is dropped when it comes. Without a connection a fetch ends at once. Nothing is kept
 * between fetches; many run at the same time over one connection.
 */
#ifndef QUERYD_FETCH_H
#define QUERYD_FETCH_H

#include "proto/store/redis.h"
#include "queryd/fleet.h"
#include "queryd/plan.h"

#include <stdint.h>

struct fetch;

struct fetches {
	/* private */
	struct redis *redis;
	const struct fleet *fleet;
	struct fetch *open; /* newest first */
	uint64_t count;
};

/* Called once. status 0: the plan is done and lent for the call. ERR_STORE_DOWN: no connection, or
 * it was lost; ERR_STORE_ERROR: Redis answered with an error; -ETIMEDOUT; what plan_error() says;
 * then the plan is NULL. */
typedef void (*fetch_done)(void *arg, int status, struct plan *plan);

/* No fetch is open. Both are borrowed. */
void fetches_init(struct fetches *f, struct redis *redis, const struct fleet *fleet);

/* Takes the plan and starts. The fleet must be known. done may be called before it returns. */
void fetch_start(struct fetches *f, struct plan *plan, uint64_t deadline_ms, fetch_done done,
		 void *arg);

/* Ends those whose deadline has passed at now_ms. */
void fetches_sweep(struct fetches *f, uint64_t now_ms);

#endif
