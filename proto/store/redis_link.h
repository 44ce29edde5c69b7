/*
 * redis_link.h - one connection to one Redis.
 *
 * What redis.h promises of a connection, for a single server: greeting, pipelined commands,
 * time-outs, and connecting again with jittered back-off up to 1 s. Where it connects to is
 * its owner's affair: redis.c gives it the address of the URL, redis_sentinel.c asks the
 * sentinels each time, redis_cluster.c has a link a master. For proto/store alone.
 *
 * The greeting: AUTH, SELECT and INFO; a server that is loading, of another mode or (when
 * asked for) no master is refused; then the scripts, if wanted. A link that hears NOSCRIPT
 * loads them again, before anything its owner can send after it.
 */
#ifndef PROTO_STORE_REDIS_LINK_H
#define PROTO_STORE_REDIS_LINK_H

#include "proto/store/redis.h"
#include "proto/store/redis_info.h"
#include "proto/store/redis_url.h"

struct redis_link;

#define REDIS_TROUBLE_SIZE 1024

struct redis_link_events {
	/* The back-off is over: redis_link_connect, now or later. NULL: to the same address. */
	void (*wanted)(void *arg);
	void (*up)(void *arg);
	void (*down)(void *arg, int reason); /* an `up` one was lost; see redis.h */
	/* An error reply, before its waiter has it. May be NULL. */
	void (*error)(void *arg, const redisReply *reply);
};

struct redis_link_options {
	char *trouble; /* REDIS_TROUBLE_SIZE bytes that outlive the link: why it could not be used last */
	const struct redis_url *url; /* who we are; which database. Outlives the link */
	const char *mode;            /* INFO's redis_mode must be this. Static */
	uint64_t timeout_ms;
	size_t write_ceiling_bytes;
	bool master;  /* a replica is refused */
	bool scripts; /* loads all of script.h */
};

/* Makes one that waits for redis_link_connect. 0, -ENOMEM. */
int redis_link_open(uv_loop_t *loop, const struct redis_link_options *options,
		    const struct redis_link_events *events, void *arg, struct redis_link **out)
	__attribute__((warn_unused_result));

/* Connects; only when it waits (before the first time, after `wanted`, or to end a back-off). */
void redis_link_connect(struct redis_link *l, const struct addr *to);

/* Ends the connection under way, if there is one; `down` and `wanted` follow. Reason 0: as its
 * owner meant it; nothing is logged. */
void redis_link_drop(struct redis_link *l, int reason);

/* As redis_command. */
int redis_link_command(struct redis_link *l, size_t argc, const struct slice *argv,
		       redis_reply_fn reply, void *arg) __attribute__((warn_unused_result));

/* As redis_command_raw. */
int redis_link_command_raw(struct redis_link *l, struct slice resp, redis_reply_fn reply,
			   void *arg) __attribute__((warn_unused_result));

bool redis_link_is_up(const struct redis_link *l);      /* greeted */
bool redis_link_is_waiting(const struct redis_link *l); /* redis_link_connect may be called */
const struct addr *redis_link_address(const struct redis_link *l);    /* the last one */
const struct redis_info *redis_link_info(const struct redis_link *l); /* of the last greeting */

/* Keeps what redis_trouble tells; hint may be "". A long one is cut. */
void redis_link_tell(char *trouble, const char *endpoint, const char *reason, const char *hint);

/* As redis_close. */
void redis_link_close(struct redis_link *l, void (*done)(void *arg), void *arg);

#endif
