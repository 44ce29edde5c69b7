// SPDX-License-Identifier: Apache-2.0
/*
 * http_slow.c - one deadline a connection, and one timer for all of them.
 *
 * libmicrohttpd's timeout begins anew with every byte, so who sends or reads one a second would
 * keep a connection for ever. Here a deadline is set once a request and once an answer. A body has
 * a nearer one, which each piece of it puts off by the time that it may take at the least pace, and
 * never beyond the request's own or beyond the grace from now: what came fast earns no long stall.
 *
 * The timer is set to the nearest deadline. No new one is nearer than slow_ms but a body's, and
 * that one sets the timer itself (http_server_body). Before anybody is cut off the library reads
 * what has come, so that a process that was stopped does not blame its clients.
 */
#include "proto/daemon/http_private.h"

#include "proto/daemon/life.h"

#include <stdlib.h>
#include <sys/socket.h>

/* Of slow_ms: how long a body may keep us waiting beside its pace. */
#define BODY_GRACE_PART 6

/* The least pace of a body: a line of 64 kbit/s. */
#define BODY_BYTES_A_MS 8

/* An answer may take as much longer as its bytes take at this pace. */
#define SEND_BYTES_A_MS 16

struct http_link {
	struct http_link *next, *prev;
	int fd;
	int64_t until_ms; /* INT64_MAX: no deadline */
	int64_t request_ms; /* the request's, while it comes */
};

void http_slow_begin(struct http_slow *s, struct MHD_Connection *connection, void **link)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct http_link *l = info ? calloc(1, sizeof(*l)) : NULL;

	*link = l;
	if (l == NULL)
		return;
	l->fd = info->connect_fd;
	l->until_ms = life_monotonic_ms() + s->slow_ms;
	l->request_ms = l->until_ms;
	l->next = s->links;
	if (l->next != NULL)
		l->next->prev = l;
	s->links = l;
}

void http_slow_end(struct http_slow *s, void **link)
{
	struct http_link *l = *link;

	if (l == NULL)
		return;
	if (l->next != NULL)
		l->next->prev = l->prev;
	if (l->prev != NULL)
		l->prev->next = l->next;
	else
		s->links = l->next;
	free(l);
	*link = NULL;
}

static struct http_link *slow_link(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void slow_set(struct MHD_Connection *connection, int64_t until_ms)
{
	struct http_link *l = slow_link(connection);

	if (l != NULL)
		l->until_ms = l->request_ms = until_ms;
}

void http_slow_expect(struct http_slow *s, struct MHD_Connection *connection)
{
	slow_set(connection, life_monotonic_ms() + s->slow_ms);
}

int64_t http_slow_grace_ms(const struct http_slow *s)
{
	return s->slow_ms / BODY_GRACE_PART;
}

int64_t http_slow_put_off(const struct http_slow *s, int64_t until_ms, int64_t now_ms,
			  size_t bytes)
{
	int64_t most_ms = now_ms + http_slow_grace_ms(s);
	int64_t more_ms = (int64_t)(bytes / BODY_BYTES_A_MS);

	if (until_ms < now_ms)
		until_ms = now_ms;
	return more_ms < most_ms - until_ms ? until_ms + more_ms : most_ms;
}

void http_slow_body(struct http_slow *s, struct MHD_Connection *connection, size_t bytes)
{
	struct http_link *l = slow_link(connection);

	if (l == NULL || l->until_ms == INT64_MAX)
		return;
	l->until_ms = http_slow_put_off(s, l->until_ms, life_monotonic_ms(), bytes);
	if (l->until_ms > l->request_ms)
		l->until_ms = l->request_ms;
}

void http_slow_pause(struct MHD_Connection *connection)
{
	slow_set(connection, INT64_MAX);
}

void http_slow_send(struct http_slow *s, struct MHD_Connection *connection, size_t size_bytes)
{
	slow_set(connection, life_monotonic_ms() + s->slow_ms +
				     (int64_t)(size_bytes / SEND_BYTES_A_MS));
}

/* Only the socket is shut: the library sees that and ends the connection itself. */
static void slow_shut(struct http_link *l)
{
	l->until_ms = INT64_MAX;
	(void)shutdown(l->fd, SHUT_RDWR);
}

size_t http_slow_sweep(struct http_slow *s, int64_t now_ms)
{
	size_t ended = 0;

	for (struct http_link *l = s->links; l != NULL; l = l->next) {
		if (l->until_ms > now_ms)
			continue;
		slow_shut(l);
		ended++;
	}
	return ended;
}

int64_t http_slow_wait_ms(const struct http_slow *s, int64_t now_ms)
{
	int64_t first_ms = now_ms + s->slow_ms;

	if (s->links == NULL)
		return -1;
	for (const struct http_link *l = s->links; l != NULL; l = l->next)
		first_ms = l->until_ms < first_ms ? l->until_ms : first_ms;
	return first_ms > now_ms + HTTP_SLOW_GAP_MS ? first_ms - now_ms : HTTP_SLOW_GAP_MS;
}
