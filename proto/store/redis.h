/*
 * redis.h - the Redis of a fleet, on the uv loop: one, one behind sentinels, or a Cluster.
 *
 * hiredis is used as the RESP codec only, over proto/net (its libuv adapter never reports a refused
 * connection and resolves names blocking). One connection a master; commands are pipelined in order
 * on it; it connects again by itself with jittered back-off up to 1 s. A command that was written
 * and not answered when the connection ends, or is not answered within the timeout, is reported
 * with ERR_STORE_DOWN: its outcome is *unknown*, and only its caller can say what that means.
 *
 *     redis://[[user]:password@]host[:port][/db]      unix://[[user]:password@]/path
 *     sentinel://[[user]:password@]host[:port],.../name[/db]
 *     cluster://[[user]:password@]host[:port],...
 *
 * Behind sentinels it is the one master that they name, asked for again whenever the connection
 * ends and each second; a replica is refused, a master that became one is dropped. In a Cluster a
 * command goes to the master of its slot (rkey_slot of its keys; other kinds ignore it). It is `up`
 * once the slots are known and their masters were tried; from then on a slot whose master cannot be
 * reached gives ERR_STORE_DOWN while the others work. A command that a Cluster's node redirects
 * (MOVED, ASK) was not applied: redis_command sends it to where it is told to, so commands may
 * overtake each other (redis_may_reorder); redis_command_raw hands the error to its caller, who
 * keeps the bytes and sends them again.
 *
 * Who only reads may take what is up to stale_max_ms old: then a replica of the master is read where one is
 * in step (reading.h says which), the master else, and goes over from one to the other without being
 * `down`. Replicas are those that the master lists in INFO replication, and the server that the URL names
 * may be one itself.
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

enum redis_kind {
	REDIS_SINGLE, /* redis://, unix:// */
	REDIS_SENTINEL,
	REDIS_CLUSTER,
};

/* What a command came to. status 0: *reply is Redis' answer, error replies included (type
 * REDIS_REPLY_ERROR); ERR_STORE_DOWN: no answer, outcome unknown; reply is NULL. Borrowed
 * for the call. */
typedef void (*redis_reply_fn)(void *arg, int status, const redisReply *reply);

struct redis_events {
	void (*up)(void *arg);               /* connected and checked; may be NULL */
	void (*down)(void *arg, int reason); /* an `up` one was lost; pending replies were reported
					      * before; may be NULL */
	void (*changed)(void *arg);          /* while up: a master of a Cluster can be used that
					      * could not, or was none; may be NULL */
};

struct redis_options {
	uint64_t timeout_ms;        /* of a command and of connecting; 0: 5,000 */
	size_t write_ceiling_bytes; /* queued bytes a connection; 0: 64 MiB */
	int64_t stale_max_ms;       /* > 0: for who only reads, of a replica that is at most so old where
				     * there is one (redis_view); of a Cluster the masters all the same */
	uint64_t stale_timeout_ms;  /* timeout_ms of a replica; 0: the same */
	bool scripts;               /* script.h's are loaded before it is `up`, and again when a
				     * master has lost them; needs Redis >= 7.0 */
};

/* What kind of Redis a URL that can be used names. */
enum redis_kind redis_url_kind(const char *url);

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

/* Queues a command at every master that is connected; reply is called for each. Returns how
 * many. */
size_t redis_command_all(struct redis *r, size_t argc, const struct slice *argv,
			 redis_reply_fn reply, void *arg);

/* Appends a command in RESP. Errors by buf_status(out). */
void redis_format(struct buf *out, size_t argc, const struct slice *argv);

bool redis_is_up(const struct redis *r);            /* connected and checked */
bool redis_may_reorder(const struct redis *r);      /* commands of one slot may overtake */
const char *redis_endpoint(const struct redis *r);  /* without the password, for logs */
const char *redis_trouble(const struct redis *r);   /* why it was not reached last: where, the reason,
						     * what to do; "" while it is up, and before it
						     * was tried. Until the loop goes on */
const char *redis_version(const struct redis *r);   /* "7.0.15", "" before the first `up` */

/* What commands are executed by. */
struct redis_view {
	/* While it is the same, so is the server, and it has lost nothing: what was read is as it was or
	 * newer. 0 for ever without stale_max_ms, whatever happens. */
	uint64_t generation;
	bool replica;
	int64_t fresh_ms; /* of the loop's clock: all that the master held then is there; else now */
};

/* What a command that is sent now is executed by. */
struct redis_view redis_view(struct redis *r);

/* How long its servers are not heard of before others take their place: sentinels' down-after-
 * milliseconds, a Cluster's node timeout. 0: not known (yet), or nobody would. */
int64_t redis_detection_ms(const struct redis *r);

/* Ends it: pending commands are reported with ERR_STORE_DOWN, later, from the loop; freed when
 * closed, then done (may be NULL). No `down` follows. May be called from any callback. */
void redis_close(struct redis *r, void (*done)(void *arg), void *arg);

#endif
