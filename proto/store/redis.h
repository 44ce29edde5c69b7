/*
 * redis.h - a connection to Redis on the uv loop.
 *
 * hiredis is used as the RESP codec only, over proto/net (its libuv adapter never reports
 * a refused connection and resolves names blocking). One connection; commands are
 * pipelined in order; it connects again by itself with jittered back-off up to 1 s. A command that
 * was written and not answered when the connection ends, or is not answered within the timeout,
 * is reported with ERR_STORE_DOWN: its outcome is *unknown*, and only its caller can say
 * what that means. On connecting it authenticates, selects the database, and asks for
 * version and role.
 *
 * The slot argument is for Redis Cluster (rkey_slot of the keys): a standalone store
 * ignores it. URL: redis://[:password@]host:port[/db], redis://user:password@..., unix:///path
 */
#ifndef PROTO_STORE_REDIS_H
#define PROTO_STORE_REDIS_H

#include "proto/buf.h"
#include "proto/slice.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct redis;

/* What a command came to. status 0: *reply is Redis' answer, error replies included (type
 * REDIS_REPLY_ERROR); ERR_STORE_DOWN: no answer, outcome unknown; reply is NULL. Borrowed
 * for the call. */
typedef void (*redis_reply_fn)(void *arg, int status, const redisReply *reply);

struct redis_events {
	void (*up)(void *arg);               /* connected and checked; may be NULL */
	void (*down)(void *arg, int reason); /* an `up` one was lost; pending replies were reported
					      * before; may be NULL */
};

struct redis_options {
	uint64_t timeout_ms;        /* of a command and of connecting; 0: 5,000 */
	size_t write_ceiling_bytes; /* queued bytes; 0: 64 MiB */
};

/* Whether a URL can be used; NULL when it can, else what is expected (conf.h's check). */
const char *redis_url_check(const char *url);

/* Starts a connection. events may be NULL. 0, -EINVAL (the URL), -ENOMEM. */
int redis_open(uv_loop_t *loop, const char *url, const struct redis_options *options,
	       const struct redis_events *events, void *arg, struct redis **out)
	__attribute__((warn_unused_result));

/* Queues a command. 0; ERR_STORE_DOWN when not connected, -ENOBUFS, -ENOMEM: then it was not
 * sent and reply is not called. reply may be NULL. */
int redis_command(struct redis *r, uint16_t slot, size_t argc, const struct slice *argv,
		  redis_reply_fn reply, void *arg) __attribute__((warn_unused_result));

/* The same with bytes that redis_format made: for commands that must be sent again as they are. */
int redis_command_raw(struct redis *r, uint16_t slot, struct slice resp, redis_reply_fn reply,
		      void *arg) __attribute__((warn_unused_result));

/* Appends a command in RESP. Errors by buf_status(out). */
void redis_format(struct buf *out, size_t argc, const struct slice *argv);

bool redis_is_up(const struct redis *r);            /* connected and checked */
const char *redis_endpoint(const struct redis *r);  /* without the password, for logs */
const char *redis_version(const struct redis *r);   /* "7.0.15", "" before the first `up` */
bool redis_is_master(const struct redis *r);        /* up, and INFO called it a master then */

/* Ends it: pending commands are reported with ERR_STORE_DOWN, later, from the loop; freed when
 * closed, then done (may be NULL). No `down` follows. May be called from any callback. */
void redis_close(struct redis *r, void (*done)(void *arg), void *arg);

#endif
