/*
 * redis_link_private.h - what redis_link.c and redis_greeting.c share.
 */
#ifndef PROTO_STORE_REDIS_LINK_PRIVATE_H
#define PROTO_STORE_REDIS_LINK_PRIVATE_H

#include "proto/daemon/log.h"
#include "proto/net/stream.h"
#include "proto/store/redis_codec.h"
#include "proto/store/redis_link.h"
#include "proto/store/redis_queue.h"

#define REDIS_LINK_REASON_SIZE 160

/*
 *            timer               connected             all answers good
 *   WAITING -------> CONNECTING -----------> GREETING -------------------> UP
 *      ^                 |                      |                           |
 *      |   closed        v                      v  error, timeout, EOF      |
 *      +------------------------------------ DROPPING <---------------------+
 *
 * CLOSING can follow any of them and ends with the last handle's close callback.
 */
enum redis_link_state {
	REDIS_LINK_WAITING,
	REDIS_LINK_CONNECTING,
	REDIS_LINK_GREETING,
	REDIS_LINK_UP,
	REDIS_LINK_DROPPING,
	REDIS_LINK_CLOSING,
};

struct redis_link {
	uv_loop_t *loop;
	struct redis_link_options o;
	struct redis_link_events events;
	void *arg;
	struct addr address;
	char endpoint[REDIS_URL_ENDPOINT_SIZE]; /* for logs */
	enum redis_link_state state;
	struct stream *stream; /* NULL while WAITING */
	struct redis_codec codec;
	struct redis_queue queue;
	struct buf scratch; /* one command being formatted */
	struct buf out;     /* commands of this turn of the loop, written before it polls */
	uv_timer_t timer;   /* the sweep while there is a stream, else the back-off */
	uv_prepare_t prepare;
	unsigned handles;
	uint64_t backoff_ms;
	bool was_up;              /* this connection has been UP */
	unsigned scripts_pending; /* replies of SCRIPT LOAD to come */
	struct redis_info info;
	char reason[REDIS_LINK_REASON_SIZE]; /* why the greeting failed */
	int drop_reason;
	struct log_limit log_limit;
	void (*done)(void *arg);
	void *done_arg;
};

/* Queues a command in any state that has a stream. */
int redis_link_send(struct redis_link *l, size_t argc, const struct slice *argv,
		    redis_reply_fn reply, void *arg) __attribute__((warn_unused_result));

/* The greeting was good. */
void redis_link_greeted(struct redis_link *l);

/* Begins the greeting: the stream is connected. */
void redis_greet(struct redis_link *l);

/* Loads the scripts again, unless that is under way. */
void redis_greet_scripts(struct redis_link *l);

#endif
