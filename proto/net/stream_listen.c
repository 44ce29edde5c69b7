// SPDX-License-Identifier: Apache-2.0
#include "proto/net/stream_private.h"
#include "proto/net/socket.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Connections taken in one turn of the loop, so that a flood of them does not hold up the
 * streams there are. */
#define LISTEN_BURST 64

/* Out of descriptors or memory: the connections wait in the kernel's backlog, and the loop
 * must not spin on a socket that stays readable. */
#define LISTEN_PAUSE_MS 100

/* The descriptor is polled and accept4(2) called here, not by uv_listen: libuv takes a
 * connection before its callback and stops listening for good when the callback has no
 * memory to take it over. */
struct stream_listener {
	uv_poll_t poll;
	uv_timer_t timer; /* ends a pause */
	struct stream_options options;
	stream_accept_fn accept;
	void *arg;
	int fd;
	unsigned handles;
	bool closing;
	bool is_unix;
	char path[sizeof(((struct addr *)NULL)->host)]; /* unlinked at close; "" if not ours */
	char address[ADDR_TEXT_SIZE];
};

static int listen_open_io(struct stream *s, int fd, bool is_unix)
{
	int status = is_unix ? uv_pipe_init(s->loop, &s->io.pipe, 0)
			     : uv_tcp_init(s->loop, &s->io.tcp);

	if (status < 0)
		return status;
	stream_own_io(s);
	return is_unix ? uv_pipe_open(&s->io.pipe, fd) : uv_tcp_open(&s->io.tcp, fd);
}

static void listen_name_peer(const struct stream_listener *l, struct stream *s,
			     const struct sockaddr_storage *peer, socklen_t size)
{
	if (l->is_unix)
		memcpy(s->peer, l->address, sizeof(s->peer)); /* its clients have no names */
	else
		addr_format_socket((const struct sockaddr *)peer, size, s->peer);
}

/* Takes the descriptor over, whatever comes of it. */
static void listen_take(struct stream_listener *l, int fd, const struct sockaddr_storage *peer,
			socklen_t size)
{
	struct stream *s = stream_new(l->poll.loop, &l->options, NULL, NULL);
	struct stream_events events = { 0 };
	void *arg = NULL;
	int status;

	if (s == NULL) {
		close(fd);
		return;
	}
	status = listen_open_io(s, fd, l->is_unix);
	if (status < 0) {
		close(fd);
		stream_end(s, status);
		return;
	}
	listen_name_peer(l, s, peer, size);
	stream_opened(s);
	if (!l->accept(l->arg, s, &events, &arg)) {
		stream_end(s, 0);
		return;
	}
	assert(events.data != NULL && events.closed != NULL);
	s->events = events;
	s->arg = arg;
	stream_start_reading(s);
}

static void listen_on_ready(uv_poll_t *poll, int status, int events);

static void listen_unpause(uv_timer_t *timer)
{
	struct stream_listener *l = timer->data;

	uv_poll_start(&l->poll, UV_READABLE, listen_on_ready);
}

static void listen_pause(struct stream_listener *l)
{
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->timer, listen_unpause, LISTEN_PAUSE_MS, 0);
}

/* False when there is nothing more to accept now. */
static bool listen_accept(struct stream_listener *l)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t size = sizeof(peer);
	int fd = accept4(l->fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		listen_take(l, fd, &peer, size);
		return true;
	}
	switch (errno) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS:
		listen_pause(l);
		return false;
	default:
		/* The news of one connection that failed before we took it (accept(2)). */
		return true;
	}
}

static void listen_on_ready(uv_poll_t *poll, int status, int events)
{
	struct stream_listener *l = poll->data;

	(void)status;
	(void)events;
	for (int i = 0; i < LISTEN_BURST && !l->closing; i++)
		if (!listen_accept(l))
			return;
}

static void listen_on_closed(uv_handle_t *handle)
{
	struct stream_listener *l = handle->data;

	if (--l->handles == 0)
		free(l);
}

void stream_listener_close(struct stream_listener *l)
{
	if (l->closing)
		return;
	l->closing = true;
	uv_close((uv_handle_t *)&l->poll, listen_on_closed);
	uv_close((uv_handle_t *)&l->timer, listen_on_closed);
	close(l->fd);
	if (l->path[0] == '/')
		unlink(l->path);
}

const char *stream_listener_address(const struct stream_listener *l)
{
	return l->address;
}

static bool listen_is_unix(int fd)
{
	int family = 0;
	socklen_t size = sizeof(family);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX;
}

/* Whether a descriptor that was handed to us can be accepted on. */
static int listen_check(int fd)
{
	int listening = 0;
	socklen_t size = sizeof(listening);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0)
		return -errno;
	return listening ? 0 : -EINVAL;
}

int stream_listen_fd(uv_loop_t *loop, int fd, const struct stream_options *options,
		     stream_accept_fn accept, void *arg, struct stream_listener **out)
{
	struct stream_listener *l;
	int status = listen_check(fd);

	if (status < 0)
		return status;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	*l = (struct stream_listener){ .accept = accept, .arg = arg, .fd = fd, .handles = 2 };
	if (options != NULL)
		l->options = *options;
	l->is_unix = listen_is_unix(fd);
	socket_local(fd, l->address);
	status = uv_poll_init(loop, &l->poll, fd);
	if (status < 0) {
		free(l);
		return status;
	}
	uv_timer_init(loop, &l->timer);
	l->poll.data = l;
	l->timer.data = l;
	uv_poll_start(&l->poll, UV_READABLE, listen_on_ready);
	*out = l;
	return 0;
}

int stream_listen(uv_loop_t *loop, const struct addr *at, const struct stream_options *options,
		  stream_accept_fn accept, void *arg, struct stream_listener **out)
{
	struct stream_listener *l;
	int fd;
	int status;

	if (at->scheme == ADDR_UDP || at->scheme == ADDR_UNIXGRAM)
		return -EINVAL;
	status = socket_bind(at, 0, &fd);
	if (status < 0)
		return status;
	status = stream_listen_fd(loop, fd, options, accept, arg, &l);
	if (status < 0) {
		close(fd);
		return status;
	}
	if (at->scheme == ADDR_UNIX && at->host[0] == '/')
		memcpy(l->path, at->host, sizeof(l->path));
	*out = l;
	return 0;
}
