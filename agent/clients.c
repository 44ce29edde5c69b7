// SPDX-License-Identifier: Apache-2.0
/*
 * clients.c - one epoll, one thread, and a list of connections by when they last ended a line.
 *
 * The list makes idleness cheap: who has been silent for longest is its head, so a sweep looks at
 * those it closes and one more. An epoll event points at what it is about: a connection, a
 * listener, or, for the end, the clients themselves.
 */
#include "agent/clients.h"

#include "agent/framing.h"
#include "agent/ingest.h"
#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS_EVENTS      64
#define CLIENTS_ACCEPTS     64 /* a turn */
#define CLIENTS_READ_BYTES  (64 * 1024)
#define CLIENTS_STACK_BYTES (256 * 1024)
#define CLIENTS_ROUNDS_LAST 256   /* of a connection, at the end: 16 MiB */
#define CLIENTS_PAUSE_MS    100   /* without descriptors */

struct clients_one {
	struct clients_one *before, *after; /* by when they last ended a line */
	int fd;
	int64_t since_ms;
	struct framing framing;
};

/* What an epoll event is about: a connection, or one of these. */
struct clients_listener {
	int fd;
};

struct clients {
	struct ingest ingest;
	size_t max_connections;
	int64_t idle_ms;
	struct clients_listener listeners[LISTEN_ADDRESSES];
	size_t listener_count;
	int poll, stop;
	bool running, ending;
	pthread_t thread;
	/* the thread's */
	struct clients_one *oldest, *newest;
	size_t connections;
	bool paused; /* no descriptors left: nothing is accepted for a while */
	struct log_limit limit;
	uint8_t buffer[CLIENTS_READ_BYTES];
};

static struct ledger *clients_counts(struct clients *s)
{
	return &s->ingest.intake->counts;
}

/* ---- the order of connections ---- */

static void clients_unlink(struct clients *s, struct clients_one *c)
{
	*(c->before ? &c->before->after : &s->oldest) = c->after;
	*(c->after ? &c->after->before : &s->newest) = c->before;
	c->before = c->after = NULL;
}

static void clients_link(struct clients *s, struct clients_one *c, int64_t now_ms)
{
	c->since_ms = now_ms;
	c->before = s->newest;
	*(s->newest ? &s->newest->after : &s->oldest) = c;
	s->newest = c;
}

/* ---- lines ---- */

static void clients_line(void *arg, struct slice line)
{
	ingest_line(arg, line);
}

static void clients_refuse(void *arg, struct slice begin, int reason)
{
	ingest_refuse_line(arg, begin, reason);
}

static struct framing_sink clients_sink(struct clients *s)
{
	return (struct framing_sink){ .line = clients_line, .refuse = clients_refuse,
				      .arg = &s->ingest };
}

static void clients_end(struct clients *s, struct clients_one *c, bool in_order)
{
	struct framing_sink sink = clients_sink(s);

	ingest_begin(&s->ingest, false);
	framing_end(&c->framing, in_order, &sink);
	ingest_end(&s->ingest);
	clients_unlink(s, c);
	close(c->fd);
	free(c);
	s->connections--;
	tally_set(&clients_counts(s)->connections, s->connections);
}

/* Reads a connection once. False when there was nothing, or it is over and gone. */
static bool clients_read(struct clients *s, struct clients_one *c, int64_t now_ms)
{
	struct framing_sink sink = clients_sink(s);
	ssize_t got = recv(c->fd, s->buffer, sizeof(s->buffer), MSG_DONTWAIT);
	bool ended;

	if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOMEM))
		return false;
	if (got <= 0) {
		clients_end(s, c, got == 0);
		return false;
	}
	ingest_begin(&s->ingest, false);
	ended = framing_feed(&c->framing, slice_of(s->buffer, (size_t)got), &sink);
	tally_add(&clients_counts(s)->stream_bytes, (uint64_t)got);
	ingest_end(&s->ingest);
	if (ended) {
		clients_unlink(s, c);
		clients_link(s, c, now_ms);
	}
	return true;
}

/* ---- connections ---- */

/* Adds a connection; without room or memory it is closed. */
static void clients_add(struct clients *s, int fd, int64_t now_ms)
{
	struct clients_one *c = NULL;
	struct epoll_event event = { .events = EPOLLIN };
	uint64_t suppressed;

	if (s->connections < s->max_connections)
		c = calloc(1, sizeof(*c));
	event.data.ptr = c;
	if (c == NULL || epoll_ctl(s->poll, EPOLL_CTL_ADD, fd, &event) < 0) {
		free(c);
		close(fd);
		tally_add(&clients_counts(s)->connections_refused, 1);
		if (log_allowed(&s->limit, now_ms, &suppressed))
			log_warn("connection_refused", "connections=%zu suppressed=%" PRIu64
				 " hint=stream_connections", s->connections, suppressed);
		return;
	}
	c->fd = fd;
	framing_init(&c->framing);
	clients_link(s, c, now_ms);
	s->connections++;
	tally_set(&clients_counts(s)->connections, s->connections);
	tally_add(&clients_counts(s)->connections_accepted, 1);
}

static void clients_watch_listeners(struct clients *s, bool watch)
{
	for (size_t i = 0; i < s->listener_count; i++) {
		struct epoll_event event = { .events = watch ? EPOLLIN : 0,
					     .data.ptr = &s->listeners[i] };

		epoll_ctl(s->poll, EPOLL_CTL_MOD, s->listeners[i].fd, &event);
	}
	s->paused = !watch;
}

static void clients_accept(struct clients *s, struct clients_listener *l, int64_t now_ms)
{
	for (int i = 0; i < CLIENTS_ACCEPTS; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			clients_add(s, fd, now_ms);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			tally_add(&clients_counts(s)->receive_errors, 1);
			clients_watch_listeners(s, false);
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return;
	}
}

/* Closes those that have not ended a line for too long. */
static void clients_sweep(struct clients *s, int64_t now_ms)
{
	while (s->oldest != NULL && now_ms - s->oldest->since_ms >= s->idle_ms) {
		tally_add(&clients_counts(s)->connections_idle, 1);
		clients_end(s, s->oldest, false);
	}
}

static int clients_wait_ms(const struct clients *s, int64_t now_ms)
{
	int64_t wait_ms = INT32_MAX;

	if (s->paused)
		return CLIENTS_PAUSE_MS;
	if (s->oldest == NULL)
		return -1;
	if (s->oldest->since_ms + s->idle_ms - now_ms < wait_ms)
		wait_ms = s->oldest->since_ms + s->idle_ms - now_ms;
	return wait_ms > 0 ? (int)wait_ms : 0;
}

/* ---- the thread ---- */

static bool clients_is_listener(const struct clients *s, const void *what)
{
	const struct clients_listener *l = what;

	return l >= s->listeners && l < s->listeners + LISTEN_ADDRESSES;
}

static void clients_on_event(struct clients *s, const struct epoll_event *event, int64_t now_ms)
{
	if (event->data.ptr == s)
		s->ending = true;
	else if (clients_is_listener(s, event->data.ptr))
		clients_accept(s, event->data.ptr, now_ms);
	else
		(void)clients_read(s, event->data.ptr, now_ms);
}

/* What clients had sent until now is read; who sends on without end is cut off. */
static void clients_finish(struct clients *s)
{
	int64_t now_ms = life_monotonic_ms();

	while (s->oldest != NULL) {
		struct clients_one *c = s->oldest;
		size_t connections = s->connections;
		int rounds = CLIENTS_ROUNDS_LAST;

		while (rounds-- > 0 && clients_read(s, c, now_ms))
			;
		if (s->connections == connections)
			clients_end(s, c, false);
	}
}

static void *clients_main(void *arg)
{
	struct epoll_event events[CLIENTS_EVENTS];
	struct clients *s = arg;

	while (!s->ending) {
		int count = epoll_wait(s->poll, events, CLIENTS_EVENTS,
				       clients_wait_ms(s, life_monotonic_ms()));
		int64_t now_ms = life_monotonic_ms();

		if (s->paused)
			clients_watch_listeners(s, true);
		/* A connection that ends is in no later event of this turn: it has only one. */
		for (int i = 0; i < count; i++)
			clients_on_event(s, &events[i], now_ms);
		clients_sweep(s, now_ms);
	}
	clients_finish(s);
	return NULL;
}

int clients_start(struct clients *s)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int status;

	assert(!s->running);
	if (s->listener_count == 0)
		return 0;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, CLIENTS_STACK_BYTES);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	status = pthread_create(&s->thread, &attributes, clients_main, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (status != 0)
		return -status;
	pthread_setname_np(s->thread, "clients");
	s->running = true;
	return 0;
}

void clients_stop(struct clients *s)
{
	uint64_t one = 1;

	if (!s->running)
		return;
	if (write(s->stop, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_error("clients_stop", "err=%s", err_name(-errno));
	pthread_join(s->thread, NULL);
	s->running = false;
}

/* ---- sockets ---- */

static int clients_watch(struct clients *s, int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(s->poll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int clients_add_listener(struct clients *s, int fd)
{
	struct clients_listener *l = &s->listeners[s->listener_count++];

	l->fd = fd;
	/* systemd's may block, and then a client that has gone again would stop us. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return clients_watch(s, fd, l);
}

static int clients_bind(struct clients *s, const char *list)
{
	struct addr all[LISTEN_ADDRESSES];
	size_t count = listen_addresses(list, true, all);
	int fd, status = 0;

	for (size_t i = 0; i < count && status == 0; i++) {
		status = listen_bind(list, &all[i], false, &fd);
		if (status == 0)
			status = clients_add_listener(s, fd);
	}
	return status;
}

static int clients_inherit(struct clients *s)
{
	int fds[LISTEN_ADDRESSES], status = 0;
	size_t count = listen_inherited(true, fds, LISTEN_ADDRESSES);

	for (size_t i = 0; i < count && status == 0; i++)
		status = clients_add_listener(s, fds[i]);
	return status;
}

static int clients_open_sockets(struct clients *s, const char *list)
{
	int status;

	s->poll = epoll_create1(EPOLL_CLOEXEC);
	s->stop = eventfd(0, EFD_CLOEXEC);
	if (s->poll < 0 || s->stop < 0)
		return -errno;
	status = clients_watch(s, s->stop, s);
	if (status == 0)
		status = clients_inherit(s);
	if (status == 0 && s->listener_count == 0)
		status = clients_bind(s, list);
	return status;
}

int clients_open(const struct clients_options *options, struct intake *intake,
		 struct clients **out)
{
	struct clients *s = calloc(1, sizeof(*s));
	int status;

	if (s == NULL)
		return -ENOMEM;
	s->max_connections = options->max_connections;
	s->idle_ms = options->idle_ms;
	ingest_init(&s->ingest, intake, &options->lines, options->max_age_s);
	status = clients_open_sockets(s, options->listen);
	if (status < 0) {
		clients_close(s);
		return status;
	}
	*out = s;
	return 0;
}

struct ingest *clients_ingest(struct clients *s)
{
	return &s->ingest;
}

void clients_close(struct clients *s)
{
	if (s == NULL)
		return;
	clients_stop(s);
	for (size_t i = 0; i < s->listener_count; i++)
		close(s->listeners[i].fd);
	if (s->poll >= 0)
		close(s->poll);
	if (s->stop >= 0)
		close(s->stop);
	free(s);
}

void clients_addresses(const struct clients *s, char out[LISTEN_TEXT_SIZE])
{
	for (size_t i = 0; i < s->listener_count; i++)
		listen_show(s->listeners[i].fd, out);
}
