// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/http.h"

#include "proto/daemon/http_private.h"
#include "proto/daemon/activation.h"
#include "proto/daemon/door.h"
#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/net/socket.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HTTP_CONNECTIONS  1000
#define HTTP_IDLE_SECONDS 30
#define HTTP_SLOW_SECONDS 60

/* A connection's memory in libmicrohttpd, of which half is for the request line and all headers, until
 * the request line grows beyond that. A request line that does not fit is answered 414, headers 431. The
 * library clears all of it after each request: at 32 KiB that took the first-level cache along. */
#define HTTP_CONNECTION_BYTES ((size_t)20480)

/* How long http_close lets replies that were given drain to their clients. */
#define HTTP_LINGER_MS 2000

/* An answer of so few bytes costs less than its connection's buffers in the kernel. */
#define HTTP_ALWAYS_SENT ((size_t)65536)

struct http_server {
	struct MHD_Daemon *mhd;
	struct door *door; /* when not all that comes is HTTP: it listens then; or NULL */
	uv_poll_t poll;    /* libmicrohttpd's epoll descriptor */
	uv_timer_t timer;  /* its next timeout */
	uv_timer_t linger; /* of closing */
	uv_timer_t sweep;  /* of slow clients */
	struct http_slow slow;
	struct http_options options;
	http_handler handler;
	void *arg;
	void (*done)(void *arg);
	void *done_arg;
	unsigned unreplied; /* requests the handler has and has not replied to */
	unsigned unsent;    /* requests the handler has had that are not over */
	unsigned handles;
	struct log_limit noise;
	size_t bodies_bytes; /* promised to requests */
	size_t unread_bytes; /* of answers under way */
	bool resumed; /* a connection was, and libmicrohttpd has not run since */
	bool ended;   /* a connection did, in this run */
	bool closing;
	bool lingered;
	bool stopped;
	char address[ADDR_TEXT_SIZE];
};

static void http_run(struct http_server *s);

/* ---- what http_request.c asks ---- */

void http_server_hand_over(struct http_server *s, struct http_request *r)
{
	s->unreplied++;
	s->unsent++;
	s->handler(s->arg, r);
}

static void http_on_timer(uv_timer_t *timer)
{
	http_run(timer->data);
}

static void http_on_linger(uv_timer_t *timer)
{
	struct http_server *s = timer->data;

	s->lingered = true;
	http_run(s);
}

/* The last reply after http_close starts the clock for those that read slowly. */
static void http_start_linger(struct http_server *s)
{
	if (s->closing && s->unreplied == 0 && !s->stopped)
		uv_timer_start(&s->linger, http_on_linger, HTTP_LINGER_MS, 0);
}

void http_server_replied(struct http_server *s)
{
	assert(s->unreplied > 0);
	s->unreplied--;
	http_start_linger(s);
}

void http_server_resumed(struct http_server *s)
{
	if (!s->resumed)
		uv_timer_start(&s->timer, http_on_timer, 0, 0);
	s->resumed = true;
}

void http_server_over(struct http_server *s)
{
	assert(s->unsent > 0);
	s->unsent--;
}

struct http_slow *http_server_slow(struct http_server *s)
{
	return &s->slow;
}

bool http_server_is_closing(const struct http_server *s)
{
	return s->closing;
}

bool http_server_fits(const struct http_server *s, size_t bytes)
{
	size_t most = s->options.max_bodies_bytes;

	return most == 0 || bytes <= HTTP_SMALL_BODY ||
	       (bytes <= most && s->bodies_bytes <= most - bytes);
}

bool http_server_reserve(struct http_server *s, size_t bytes, size_t *held)
{
	assert(bytes >= *held && s->bodies_bytes >= *held);
	if (bytes <= HTTP_SMALL_BODY)
		return true;
	s->bodies_bytes -= *held;
	if (!http_server_fits(s, bytes)) {
		s->bodies_bytes += *held;
		return false;
	}
	s->bodies_bytes += bytes;
	*held = bytes;
	return true;
}

void http_server_unreserve(struct http_server *s, size_t *held)
{
	assert(s->bodies_bytes >= *held);
	s->bodies_bytes -= *held;
	*held = 0;
}

static void http_count(tally_count *counter, size_t n)
{
	if (counter != NULL)
		tally_add(counter, n);
}

void http_server_crowded(struct http_server *s)
{
	http_count(s->options.crowded, 1);
}

void http_server_sending(struct http_server *s, size_t more, size_t less)
{
	assert(s->unread_bytes >= less);
	s->unread_bytes += more - less;
}

bool http_server_has_room(const struct http_server *s, size_t bytes)
{
	size_t most = s->options.max_unread_bytes;

	return most == 0 || bytes <= HTTP_ALWAYS_SENT || s->unread_bytes <= HTTP_ALWAYS_SENT ||
	       (bytes <= most && s->unread_bytes <= most - bytes);
}

size_t http_server_body_limit(const struct http_server *s)
{
	return s->options.max_body_bytes;
}

/* ---- libmicrohttpd on the loop ---- */

static void http_on_closed(uv_handle_t *handle)
{
	struct http_server *s = handle->data;

	if (--s->handles > 0)
		return;
	if (s->done != NULL)
		s->done(s->done_arg);
	free(s);
}

/* Every request was replied to, so no connection is suspended: MHD_stop_daemon would
 * otherwise panic. The poll handle goes first, while its descriptor is still open. */
static void http_stop(struct http_server *s)
{
	s->stopped = true;
	uv_close((uv_handle_t *)&s->poll, http_on_closed);
	uv_close((uv_handle_t *)&s->timer, http_on_closed);
	uv_close((uv_handle_t *)&s->linger, http_on_closed);
	uv_close((uv_handle_t *)&s->sweep, http_on_closed);
	MHD_stop_daemon(s->mhd);
}

/* At its connection limit the library stops polling the listening socket, and polls it again
 * only at the start of a run after one in which a connection ended (0.9.75): without that
 * other run a client waiting in the backlog would never be served. */
static void http_run_library(struct http_server *s)
{
	s->resumed = false;
	s->ended = false;
	MHD_run(s->mhd);
	if (s->ended)
		MHD_run(s->mhd);
}

/* Lets libmicrohttpd work, then follows its timeout: that changes with every run, and 0
 * means it has more to do now. */
static void http_run(struct http_server *s)
{
	MHD_UNSIGNED_LONG_LONG timeout_ms;

	if (s->stopped)
		return;
	http_run_library(s);
	if (s->closing && s->unreplied == 0 && (s->unsent == 0 || s->lingered))
		http_stop(s);
	else if (s->resumed)
		uv_timer_start(&s->timer, http_on_timer, 0, 0);
	else if (MHD_get_timeout(s->mhd, &timeout_ms) == MHD_YES)
		uv_timer_start(&s->timer, http_on_timer, timeout_ms, 0);
	else
		uv_timer_stop(&s->timer);
}

static void http_arm_sweep(struct http_server *s);

static void http_on_sweep(uv_timer_t *timer)
{
	struct http_server *s = timer->data;
	size_t ended;

	http_run(s); /* it may be us who were slow: what has come is read first */
	ended = http_slow_sweep(&s->slow, life_monotonic_ms());
	if (ended > 0)
		log_debug("http_slow", "connections=%zu", ended);
	http_count(s->options.slow, ended);
	http_arm_sweep(s);
}

/* Without connections nothing wakes the process. */
static void http_arm_sweep(struct http_server *s)
{
	int64_t wait_ms = http_slow_wait_ms(&s->slow, life_monotonic_ms());

	if (wait_ms < 0)
		uv_timer_stop(&s->sweep);
	else if (!s->stopped)
		uv_timer_start(&s->sweep, http_on_sweep, (uint64_t)wait_ms, 0);
}

void http_server_body(struct http_server *s, struct MHD_Connection *connection, size_t bytes)
{
	uint64_t grace_ms = (uint64_t)http_slow_grace_ms(&s->slow);

	http_slow_body(&s->slow, connection, bytes);
	if (bytes == 0 && !s->stopped && uv_timer_get_due_in(&s->sweep) > grace_ms)
		uv_timer_start(&s->sweep, http_on_sweep, grace_ms, 0);
}

static void http_on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	http_run(poll->data);
}

/* Clients cause most of what it says. */
__attribute__((format(printf, 2, 0)))
static void http_on_noise(void *arg, const char *format, va_list args)
{
	struct http_server *s = arg;
	char text[LOG_QUOTE_SIZE];
	char quoted[LOG_QUOTE_SIZE];

	if (!log_allowed(&s->noise, life_monotonic_ms(), NULL))
		return;
	vsnprintf(text, sizeof(text), format, args);
	log_debug("http_library", "text=%s", log_quote(slice_text(text), quoted));
}

static void http_on_connection(void *arg, struct MHD_Connection *connection, void **link,
			       enum MHD_ConnectionNotificationCode what)
{
	struct http_server *s = arg;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		http_slow_begin(&s->slow, connection, link);
		if (!uv_is_active((uv_handle_t *)&s->sweep))
			http_arm_sweep(s);
		return;
	}
	http_slow_end(&s->slow, link);
	if (s->slow.links == NULL)
		uv_timer_stop(&s->sweep);
	s->ended = true;
}

static struct MHD_Daemon *http_start_library(struct http_server *s, int fd)
{
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem listen[] = {
		{ .option = MHD_OPTION_LISTEN_SOCKET, .value = fd },
		{ .option = MHD_OPTION_END },
	};

	if (s->options.words != NULL) {
		flags |= MHD_USE_NO_LISTEN_SOCKET;
		listen[0].option = MHD_OPTION_END;
	}
	/* The logger comes first: what later options complain of must reach it. */
	return MHD_start_daemon(
		flags, 0, NULL, NULL, http_request_serve, s,
		MHD_OPTION_EXTERNAL_LOGGER, http_on_noise, s,
		MHD_OPTION_ARRAY, listen,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->options.max_connections,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)s->options.idle_seconds,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_CONNECTION_BYTES,
		MHD_OPTION_URI_LOG_CALLBACK, http_request_begin, s,
		MHD_OPTION_UNESCAPE_CALLBACK, http_request_keep_escapes, NULL,
		MHD_OPTION_NOTIFY_CONNECTION, http_on_connection, s,
		MHD_OPTION_NOTIFY_COMPLETED, http_request_over, s,
		MHD_OPTION_END);
}

/* The library takes the descriptor over, and closes it when it is over its limit. */
static void http_on_door(void *arg, int fd)
{
	struct http_server *s = arg;
	struct sockaddr_storage peer = { 0 };
	socklen_t size = sizeof(peer);

	getpeername(fd, (struct sockaddr *)&peer, &size);
	(void)MHD_add_connection(s->mhd, fd, (struct sockaddr *)&peer, size);
	http_run(s);
}

static void http_on_words(void *arg, int fd)
{
	struct http_server *s = arg;

	s->options.words(s->arg, fd);
}

static const struct door_events http_door_events = {
	.http = http_on_door,
	.words = http_on_words,
};

static int http_start(uv_loop_t *loop, struct http_server *s, int fd)
{
	const union MHD_DaemonInfo *info;
	int status;

	socket_local(fd, s->address);
	s->mhd = http_start_library(s, fd);
	/* When it fails it closes the descriptor in some cases and in some not; the daemon
	 * ends on this error, so the descriptor is left to that. */
	if (s->mhd == NULL)
		return -ENOMEM;
	info = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	status = info ? uv_poll_init(loop, &s->poll, info->epoll_fd) : -EINVAL;
	if (status == 0 && s->options.words != NULL)
		status = door_open(loop, fd, &http_door_events, s, &s->door);
	if (status < 0) {
		MHD_stop_daemon(s->mhd);
		return status;
	}
	uv_timer_init(loop, &s->timer);
	uv_timer_init(loop, &s->linger);
	uv_timer_init(loop, &s->sweep);
	s->poll.data = s;
	s->timer.data = s;
	s->linger.data = s;
	s->sweep.data = s;
	s->handles = 4;
	uv_poll_start(&s->poll, UV_READABLE, http_on_ready);
	return 0;
}

static int http_open_socket(const char *address, const char *name, bool reuse_port, int *fd)
{
	struct addr at;

	if (activation_find(name, fd) == 0)
		return 0;
	if (addr_parse(slice_text(address), &at) < 0)
		return -EINVAL;
	if (at.scheme != ADDR_NONE && at.scheme != ADDR_TCP)
		return -EINVAL;
	return socket_bind(&at, reuse_port ? SOCKET_REUSE_PORT : 0, fd);
}

int http_listen(uv_loop_t *loop, const char *address, const char *name,
		const struct http_options *options, http_handler handler, void *arg,
		struct http_server **out)
{
	struct http_server *s;
	int fd;
	int status = http_open_socket(address, name, options && options->reuse_port, &fd);

	if (status < 0)
		return status;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		close(fd);
		return -ENOMEM;
	}
	if (options != NULL)
		s->options = *options;
	if (s->options.max_connections == 0)
		s->options.max_connections = HTTP_CONNECTIONS;
	if (s->options.idle_seconds == 0)
		s->options.idle_seconds = HTTP_IDLE_SECONDS;
	if (s->options.slow_seconds == 0)
		s->options.slow_seconds = HTTP_SLOW_SECONDS;
	s->slow.slow_ms = (int64_t)s->options.slow_seconds * 1000;
	s->handler = handler;
	s->arg = arg;
	status = http_start(loop, s, fd);
	if (status < 0) {
		free(s);
		return status;
	}
	*out = s;
	return 0;
}

const char *http_address(const struct http_server *s)
{
	return s->address;
}

void http_close(struct http_server *s, void (*done)(void *arg), void *arg)
{
	MHD_socket fd;

	if (s->closing)
		return;
	s->closing = true;
	s->done = done;
	s->done_arg = arg;
	if (s->door != NULL) {
		door_close(s->door);
	} else {
		fd = MHD_quiesce_daemon(s->mhd);
		if (fd != MHD_INVALID_SOCKET)
			close(fd);
	}
	http_start_linger(s);
	/* Not now: the caller may be a handler, inside of MHD_run. */
	uv_timer_start(&s->timer, http_on_timer, 0, 0);
}
