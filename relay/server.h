/*
 * server.h - the sockets of agents.
 *
 * One connection is one session (session_fsm.h); this translates between it and proto/net's
 * streams, bounds their number, and pauses reading when told to. Loop thread.
 */
#ifndef RELAY_SERVER_H
#define RELAY_SERVER_H

#include "proto/net/stream.h"
#include "relay/list.h"
#include "relay/session_fsm.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct server {
	/* private */
	struct session_hub *hub;
	struct stream_listener *listener;
	struct list connections;
	size_t count;
	size_t max;
	bool paused;
};

/* Listens on `host:port`. hub is borrowed; its send and close effects must be server_send and
 * server_close_session. 0, a negative errno, -EINVAL. */
int server_start(struct server *s, uv_loop_t *loop, const char *address, size_t max,
		 struct session_hub *hub) __attribute__((warn_unused_result));

/* The address really listened on, host:port. Borrowed. */
const char *server_address(const struct server *s);

/* Stops accepting. May be called twice. */
void server_stop_accepting(struct server *s);

/* Calls fn for every session. fn may end it. */
void server_each(struct server *s, void (*fn)(struct session *session));

/* Whether nothing of any agent is on its way any more (session_quiet). */
bool server_quiet(const struct server *s);

/* Upkeep of all sessions; about once a second. */
void server_tick(struct server *s, int64_t now_ms);

/* Back-pressure: held bytes of batches wait for Redis. Over `most` agents are told to wait, until
 * half of it; over twice that nothing is read, until `most`. */
void server_weigh(struct server *s, int64_t held, int64_t most);

/* Ends all connections, giving what was written a second to leave. */
void server_close_all(struct server *s);

/* The hub's send effect: writes to the session's socket. */
void server_send(void *arg, struct session *session, struct slice bytes);

/* The hub's close effect: ends the session's connection once what was sent is out. */
void server_close_session(void *arg, struct session *session);

/* The agent's address, for logs. Borrowed. */
const char *server_peer(const struct session *session);

#endif
