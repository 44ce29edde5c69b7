// SPDX-License-Identifier: Apache-2.0
#include "proto/net/stream_private.h"
#include "proto/net/socket.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STREAM_CONNECT_MS 1000

/* From the end of an attempt's time to the end of the attempt. */
#define STREAM_DOUBT_MS 1

/* What is needed until the connection stands. It is apart from the stream because a name
 * that is being resolved cannot be called back: the stream may end at its timeout while a
 * thread still waits for DNS, and then the dial is left to on_resolved alone. */
struct stream_dial {
	struct stream *s; /* NULL: abandoned */
	uv_getaddrinfo_t resolve;
	uv_connect_t connect;
	struct addrinfo *list; /* as libuv gave it */
	struct addrinfo *next; /* the address to try next */
	struct addr to;
	uint64_t deadline_ms; /* by uv_now */
	int error;            /* of the last attempt */
	bool resolving;
	bool doubted; /* the attempt's time is over; one look at the socket is still to come */
};

void stream_dial_free(struct stream *s)
{
	struct stream_dial *d = s->dial;

	if (d == NULL)
		return;
	s->dial = NULL;
	d->s = NULL;
	if (d->resolving) {
		/* Works while the request waits for a thread; on_resolved comes either way. */
		uv_cancel((uv_req_t *)&d->resolve);
		return;
	}
	uv_freeaddrinfo(d->list);
	free(d);
}

static uint64_t dial_left_ms(const struct stream *s)
{
	uint64_t now = uv_now(s->loop);

	return s->dial->deadline_ms > now ? s->dial->deadline_ms - now : 0;
}

static void dial_succeeded(struct stream *s)
{
	stream_dial_free(s);
	stream_opened(s);
	s->events.connected(s->arg);
	stream_start_reading(s);
}

static void dial_failed(struct stream *s, int error)
{
	s->dial->error = error;
	uv_timer_stop(&s->timer);
	uv_close(&s->io.handle, stream_handle_closed);
}

/* libuv looks at its timers before the sockets, so after a loop has stood still for long, a
 * connection may stand that looks late: an attempt ends one look at the sockets later. */
static void dial_on_timer(uv_timer_t *timer)
{
	struct stream *s = timer->data;

	if (!s->has_io || uv_is_closing(&s->io.handle)) {
		stream_end(s, UV_ETIMEDOUT);
	} else if (s->dial->doubted) {
		dial_failed(s, UV_ETIMEDOUT);
	} else {
		s->dial->doubted = true;
		uv_timer_start(timer, dial_on_timer, STREAM_DOUBT_MS, 0);
	}
}

static void dial_on_connect(uv_connect_t *request, int status)
{
	struct stream *s = request->data;

	/* An attempt given up reports itself as cancelled just before its handle is closed. */
	if (s->state != STREAM_CONNECTING || uv_is_closing(&s->io.handle))
		return;
	if (status < 0)
		dial_failed(s, status);
	else
		dial_succeeded(s);
}

/* The last address gets all the time that is left, the ones before it a fair share, so that
 * one address which swallows packets does not use up the whole. */
static uint64_t dial_share_ms(const struct stream *s)
{
	uint64_t addresses = 1;

	for (const struct addrinfo *ai = s->dial->next; ai != NULL; ai = ai->ai_next)
		addresses++;
	return dial_left_ms(s) / addresses;
}

static void dial_try(struct stream *s, const struct sockaddr *sa)
{
	struct stream_dial *d = s->dial;
	int status = uv_tcp_init(s->loop, &s->io.tcp);

	if (status < 0) {
		stream_end(s, status);
		return;
	}
	stream_own_io(s);
	d->doubted = false;
	d->connect.data = s;
	status = uv_tcp_connect(&d->connect, &s->io.tcp, sa, dial_on_connect);
	if (status < 0)
		dial_failed(s, status);
	else
		uv_timer_start(&s->timer, dial_on_timer, dial_share_ms(s), 0);
}

void stream_dial_next(struct stream *s)
{
	struct stream_dial *d = s->dial;
	struct addrinfo *ai = d->next;

	if (ai == NULL || dial_left_ms(s) == 0) {
		stream_end(s, d->error);
		return;
	}
	d->next = ai->ai_next;
	dial_try(s, ai->ai_addr);
}

static void dial_set_port(struct addrinfo *list, uint16_t port)
{
	for (struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
		if (ai->ai_family == AF_INET)
			((struct sockaddr_in *)(void *)ai->ai_addr)->sin_port = htons(port);
		else if (ai->ai_family == AF_INET6)
			((struct sockaddr_in6 *)(void *)ai->ai_addr)->sin6_port = htons(port);
	}
}

static void dial_on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct stream_dial *d = request->data;

	d->resolving = false;
	if (d->s == NULL) {
		uv_freeaddrinfo(list);
		free(d);
		return;
	}
	d->list = list;
	d->next = list;
	if (d->s->state != STREAM_CONNECTING)
		return;
	if (status < 0) {
		stream_end(d->s, status);
		return;
	}
	dial_set_port(list, d->to.port);
	uv_timer_stop(&d->s->timer);
	d->error = UV_ETIMEDOUT;
	stream_dial_next(d->s);
}

/* A Unix socket connects at once or not at all. */
static void dial_unix(struct stream *s)
{
	int fd;
	int status = socket_connect_unix(&s->dial->to, &fd);

	if (status == 0) {
		status = uv_pipe_init(s->loop, &s->io.pipe, 0);
		if (status == 0) {
			stream_own_io(s);
			status = uv_pipe_open(&s->io.pipe, fd);
		}
		if (status < 0)
			close(fd);
	}
	if (status < 0)
		stream_end(s, status);
	else
		dial_succeeded(s);
}

/* Runs from a timer of 0 ms, so that no event comes before stream_connect has returned. */
static void dial_start(uv_timer_t *timer)
{
	static const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct stream *s = timer->data;
	struct stream_dial *d = s->dial;
	struct sockaddr_storage sa;
	int status;

	if (d->to.scheme == ADDR_UNIX) {
		dial_unix(s);
	} else if (uv_ip4_addr(d->to.host, d->to.port, (struct sockaddr_in *)&sa) == 0 ||
		   uv_ip6_addr(d->to.host, d->to.port, (struct sockaddr_in6 *)&sa) == 0) {
		dial_try(s, (struct sockaddr *)&sa);
	} else {
		d->resolve.data = d;
		status = uv_getaddrinfo(s->loop, &d->resolve, dial_on_resolved, d->to.host, NULL,
					&hints);
		d->resolving = status == 0;
		if (status < 0)
			stream_end(s, status);
		else
			uv_timer_start(&s->timer, dial_on_timer, dial_left_ms(s), 0);
	}
}

int stream_connect(uv_loop_t *loop, const struct addr *to, const struct stream_options *options,
		   const struct stream_events *events, void *arg, struct stream **out)
{
	uint64_t timeout_ms = options ? options->connect_timeout_ms : 0;
	struct stream_dial *d;
	struct stream *s;

	if (to->scheme == ADDR_UDP || to->scheme == ADDR_UNIXGRAM)
		return -EINVAL;
	assert(events->connected != NULL && events->data != NULL && events->closed != NULL);
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	s = stream_new(loop, options, events, arg);
	if (s == NULL) {
		free(d);
		return -ENOMEM;
	}
	d->s = s;
	d->to = *to;
	d->error = UV_ETIMEDOUT;
	uv_update_time(loop);
	d->deadline_ms = uv_now(loop) + (timeout_ms ? timeout_ms : STREAM_CONNECT_MS);
	s->dial = d;
	addr_format(to, s->peer);
	uv_timer_start(&s->timer, dial_start, 0, 0);
	*out = s;
	return 0;
}
