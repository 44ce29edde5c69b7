/*
 * admin.h - the agent's own HTTP: /metrics, /healthz, /readyz, /top, and POST /v1/samples.
 *
 * Connections that begin with a small letter are statsd's management commands (commands.h).
 *
 * What only shows is open to whoever reaches the port. Who writes has to show the admin_secret
 * (`Authorization: Bearer ...`) when there is one; without one only a port on loopback takes
 * samples, unless allow_open says otherwise. A web page cannot: what has an Origin is refused.
 *
 * Alive is whoever answers; ready is an agent that listens and has a relay to send to. An agent
 * that is not ready still takes lines: that is what its spool is for. The loop's thread.
 */
#ifndef AGENT_ADMIN_H
#define AGENT_ADMIN_H

#include "agent/top.h"
#include "proto/buf.h"
#include "proto/daemon/tally.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <uv.h>

struct http_server;
struct http_request;

struct admin_source {
	/* Appends all metrics. */
	void (*metrics)(void *arg, struct buf *out);
	/* NULL when ready, else why not, as a sentence. */
	const char *(*unready)(void *arg);
	/* Appends the n prefixes that send most (top_render). */
	void (*top)(void *arg, enum top_by by, size_t n, struct buf *out);
	/* Takes POST /v1/samples and replies to it, now or later. */
	void (*post)(void *arg, struct http_request *request);
	/* Serves a connection that speaks statsd's commands (commands.h), and takes it over. */
	void (*words)(void *arg, int fd);
	void *arg;
	struct slice secret; /* empty: none */
	bool open;           /* without a secret: whoever reaches the port may write */
	tally_count *slow, *crowded; /* http_options' */
};

/* Serves source (borrowed) on an address. *out: http_close. 0, a negative errno. */
int admin_listen(uv_loop_t *loop, const char *address, const struct admin_source *source,
		 struct http_server **out) __attribute__((warn_unused_result));

#endif
