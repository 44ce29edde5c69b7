// SPDX-License-Identifier: Apache-2.0
/*
 * server.c - connections in a list, each with its session in the same allocation.
 *
 * Walks over the list remember the next one first: what is called may end the connection it is
 * about, but no other. A connection leaves the list when its stream says closed, never before.
 */
#include "relay/server.h"

#include "proto/daemon/life.h"
#include "proto/daemon/log.h"

#include <errno.h>
#include <stdlib.h>

/* Acknowledgements an agent does not read: so many bytes, and it has to come again. */
#define SERVER_WRITE_CEILING (4 * 1024 * 1024)

struct connection {
	struct list link;
	struct server *server;
	struct stream *stream;
	struct session session;
};

static void server_on_data(void *arg, struct slice bytes)
{
	struct connection *c = arg;

	session_data(&c->session, bytes, life_monotonic_ms());
}

static void server_on_closed(void *arg, int reason)
{
	struct connection *c = arg;

	(void)reason;
	session_release(&c->session);
	list_remove(&c->link);
	c->server->count--;
	tally_set(&c->server->hub->counters->sessions, c->server->count);
	free(c);
}

static bool server_accept(void *arg, struct stream *stream, struct stream_events *events,
			  void **stream_arg)
{
	struct server *s = arg;
	struct connection *c = NULL;

	if (s->count < s->max)
		c = calloc(1, sizeof(*c));
	if (c == NULL) {
		tally_add(&s->hub->counters->sessions_over_limit, 1);
		return false;
	}
	c->server = s;
	c->stream = stream;
	session_init(&c->session, s->hub, c, life_monotonic_ms());
	list_append(&s->connections, &c->link);
	s->count++;
	tally_add(&s->hub->counters->sessions_accepted, 1);
	tally_set(&s->hub->counters->sessions, s->count);
	*events = (struct stream_events){ .data = server_on_data, .closed = server_on_closed };
	*stream_arg = c;
	if (s->paused)
		stream_pause(stream);
	return true;
}

int server_start(struct server *s, uv_loop_t *loop, const char *address, size_t max,
		 struct session_hub *hub)
{
	const struct stream_options options = { .write_ceiling_bytes = SERVER_WRITE_CEILING };
	struct addr at;

	*s = (struct server){ .hub = hub, .max = max };
	list_init(&s->connections);
	if (addr_parse(slice_text(address), &at) < 0)
		return -EINVAL;
	return stream_listen(loop, &at, &options, server_accept, s, &s->listener);
}

const char *server_address(const struct server *s)
{
	return stream_listener_address(s->listener);
}

void server_stop_accepting(struct server *s)
{
	if (s->listener != NULL)
		stream_listener_close(s->listener);
	s->listener = NULL;
}

void server_each(struct server *s, void (*fn)(struct session *session))
{
	struct list *at = s->connections.next;

	while (at != &s->connections) {
		struct connection *c = LIST_ENTRY(at, struct connection, link);

		at = at->next;
		fn(&c->session);
	}
}

bool server_quiet(const struct server *s)
{
	for (struct list *at = s->connections.next; at != &s->connections; at = at->next)
		if (!session_quiet(&LIST_ENTRY(at, struct connection, link)->session))
			return false;
	return true;
}

void server_tick(struct server *s, int64_t now_ms)
{
	struct list *at = s->connections.next;

	while (at != &s->connections) {
		struct connection *c = LIST_ENTRY(at, struct connection, link);

		at = at->next;
		/* Nobody is heard while we do not read: that is not their silence. */
		if (s->paused)
			session_heard(&c->session, now_ms);
		session_tick(&c->session, now_ms);
	}
}

static void server_pause(struct server *s, bool paused)
{
	for (struct list *at = s->connections.next; at != &s->connections; at = at->next) {
		struct connection *c = LIST_ENTRY(at, struct connection, link);

		if (paused)
			stream_pause(c->stream);
		else
			stream_resume(c->stream);
	}
	s->paused = paused;
}

void server_weigh(struct server *s, int64_t held, int64_t most)
{
	struct session_hub *hub = s->hub;
	bool busy = held > most || (hub->busy && held > most / 2);
	bool pause = held > 2 * most || (s->paused && held > most);

	if (busy != hub->busy) {
		hub->busy = busy;
		tally_set(&hub->counters->busy, busy);
		log_info("busy", "now=%s held_bytes=%lld", busy ? "yes" : "no", (long long)held);
		server_each(s, session_tell_busy);
	}
	if (pause != s->paused)
		server_pause(s, pause);
}

void server_close_all(struct server *s)
{
	struct list *at = s->connections.next;

	while (at != &s->connections) {
		struct connection *c = LIST_ENTRY(at, struct connection, link);

		at = at->next;
		stream_close(c->stream, true);
	}
}

void server_send(void *arg, struct session *session, struct slice bytes)
{
	struct connection *c = session->owner;

	(void)arg;
	if (stream_write(c->stream, bytes) < 0)
		stream_close(c->stream, false);
}

void server_close_session(void *arg, struct session *session)
{
	struct connection *c = session->owner;

	(void)arg;
	stream_close(c->stream, true);
}

const char *server_peer(const struct session *session)
{
	return stream_peer(((const struct connection *)session->owner)->stream);
}
