/*
 * store.h - the relay's Redis: from a connection to a store that may be committed to.
 *
 *     DOWN --up--> CHECKING --> FLEET --> PARTITIONS --> READY
 *       ^                                                 |
 *       +-------------- all connections lost -------------+
 *
 * CHECKING asks each master whether it is set up to keep what it takes (appendonly, noeviction, and
 * min-replicas-to-write where there are replicas); if not, commits go on but `fit` is false and
 * nothing is ever declared stable. FLEET reads hg:{fleet}, or writes it when auto_init allows.
 * PARTITIONS runs init for each, which also raises the floors. When READY, CHECKING and PARTITIONS
 * are done again each minute, and when a Cluster has another master. What fails is tried again each
 * second. The scripts are loaded by redis.h. When READY, script calls go through store_run. Loop
 * thread.
 */
#ifndef RELAY_STORE_H
#define RELAY_STORE_H

#include "proto/rkey.h"
#include "proto/store/redis.h"
#include "relay/answer.h"
#include "relay/committer.h"
#include "relay/counters.h"
#include "relay/fitness.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum store_state {
	STORE_DOWN,
	STORE_CHECKING,
	STORE_FLEET,
	STORE_PARTITIONS,
	STORE_READY,
};

struct store_events {
	void (*ready)(void *arg);   /* script calls are possible (again) */
	void (*changed)(void *arg); /* a Cluster's master can be used (again), while ready */
	void (*floor)(void *arg, uint32_t partition, int64_t hour);
	/* This Redis belongs to another fleet: nothing here can mend that. */
	void (*foreign)(void *arg, struct slice stored);
	/* The answer of a call given to store_run. */
	void (*answer)(void *arg, struct committer_call *call, const struct answer *answer);
};

struct store_options {
	const char *url;
	uint64_t cfg;
	const struct rkey_tags *tags; /* outlives the store */
	int64_t retention_hours;
	bool auto_init;
	struct relay_counters *counters;
	const struct store_events *events;
	void *arg;
};

struct store {
	/* private */
	struct store_options o;
	struct redis *redis;
	enum store_state state;
	struct fitness fitness;
	bool told_unfit;
	uint32_t looking;   /* masters whose INFO is still to come */
	const char *problem; /* why it is not READY; NULL when it is */
	uint32_t waiting; /* answers still to come in this state */
	bool failed;      /* one of them was not what it must be */
	int64_t refresh_at_ms;
};

/* Starts to connect. 0, -EINVAL, -ENOMEM. */
int store_open(struct store *s, uv_loop_t *loop, const struct store_options *options)
	__attribute__((warn_unused_result));

/* Ends the connection; calls under way are answered as unknown first. done follows. */
void store_close(struct store *s, void (*done)(void *arg), void *arg);

/* Upkeep; call it once a second. */
void store_tick(struct store *s, int64_t now_ms);

/* Somebody was told CONFIG: looks at the fleet again. */
void store_doubt(struct store *s);

/* Sends a script call of a committer; events.answer follows. False: not READY, or the
 * queue is full; nothing was sent. */
bool store_run(struct store *s, const char *tag, struct committer_call *call, struct slice resp);

/* The same for any other script call about keys of a tag: use follows with its answer. */
bool store_call(struct store *s, const char *tag, struct slice resp,
		void (*use)(void *arg, const struct answer *answer), void *arg);

/* G, the grace window, by the kind of Redis and how long it takes to replace a master: a
 * single one forgets what its append-only file had not; the others, what a replica had not.
 * It can rise once the store is ready. */
int64_t store_grace_ms(const struct store *s);

bool store_ready(const struct store *s);          /* whether script calls are possible */
bool store_fit(const struct store *s);            /* whether it may be trusted to keep */
const char *store_problem(const struct store *s); /* why not ready; NULL when it is */
struct redis *store_redis(struct store *s);       /* for what is outside partitions */

#endif
