// SPDX-License-Identifier: Apache-2.0
#include "proto/net/stream.h"

#include "proto/net/stream_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define STREAM_CEILING_BYTES ((size_t)16 << 20)
#define STREAM_READ_BYTES    65536
#define STREAM_FLUSH_MS      1000
#define STREAM_KEEPALIVE_S   30

/* From here on a write goes straight to the socket: the copy would cost more than the call. */
#define STREAM_DIRECT_BYTES 16384

/* This much queued is sent without waiting for the end of the loop's turn. */
#define STREAM_EAGER_BYTES 65536

/* A queue that once grew larger gives its memory back when it is empty. */
#define STREAM_KEEP_BYTES ((size_t)256 << 10)

static void stream_set_state(struct stream *s, enum stream_state state)
{
	assert(state > s->state);
	s->state = state;
}

static void stream_free(struct stream *s)
{
	void (*closed)(void *arg, int reason) = s->events.closed;

	stream_dial_free(s);
	buf_release(&s->pending);
	buf_release(&s->in_flight);
	if (closed != NULL)
		closed(s->arg, s->reason);
	free(s);
}

void stream_handle_closed(uv_handle_t *handle)
{
	struct stream *s = handle->data;

	assert(s->handles > 0);
	s->handles--;
	if (handle == &s->io.handle)
		s->has_io = false;
	if (s->state == STREAM_CLOSING && s->handles == 0)
		stream_free(s);
	else if (s->state == STREAM_CONNECTING)
		stream_dial_next(s);
}

static void stream_close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, stream_handle_closed);
}

void stream_end(struct stream *s, int reason)
{
	if (s->state == STREAM_CLOSING)
		return;
	s->reason = reason;
	stream_set_state(s, STREAM_CLOSING);
	if (s->has_io)
		stream_close_handle(&s->io.handle);
	stream_close_handle((uv_handle_t *)&s->timer);
	stream_close_handle((uv_handle_t *)&s->idle);
}

struct stream *stream_new(uv_loop_t *loop, const struct stream_options *options,
			  const struct stream_events *events, void *arg)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->loop = loop;
	s->arg = arg;
	if (events != NULL)
		s->events = *events;
	s->ceiling_bytes = options ? options->write_ceiling_bytes : 0;
	if (s->ceiling_bytes == 0)
		s->ceiling_bytes = STREAM_CEILING_BYTES;
	buf_init(&s->pending, s->ceiling_bytes);
	buf_init(&s->in_flight, s->ceiling_bytes);
	uv_timer_init(loop, &s->timer);
	uv_idle_init(loop, &s->idle);
	s->timer.data = s;
	s->idle.data = s;
	s->handles = 2;
	return s;
}

void stream_own_io(struct stream *s)
{
	s->io.handle.data = s;
	s->has_io = true;
	s->handles++;
}

void stream_opened(struct stream *s)
{
	stream_set_state(s, STREAM_OPEN);
	uv_timer_stop(&s->timer);
	if (s->io.handle.type == UV_TCP) {
		/* Batches and commands are whole when written, so Nagle only delays them. A
		 * failure of either costs speed, not truth. */
		uv_tcp_nodelay(&s->io.tcp, 1);
		uv_tcp_keepalive(&s->io.tcp, 1, STREAM_KEEPALIVE_S);
	}
}

/* ---- reading ---- */

/* One buffer serves every stream of a thread: libuv asks for it just before read(2) and
 * the owner consumes all within the callback, so no two reads overlap. */
static void stream_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static _Thread_local char bytes[STREAM_READ_BYTES];

	(void)handle;
	(void)suggested;
	*buf = uv_buf_init(bytes, sizeof(bytes));
}

/* What still comes in while flushing is thrown away, but it must be read: closing a socket
 * with unread bytes sends a reset, which can destroy what the peer has not read yet. */
static void stream_read_flushing(struct stream *s, ssize_t size)
{
	if (size >= 0)
		return;
	uv_read_stop(&s->io.stream);
	s->peer_ended = true;
	if (stream_queued(s) == 0)
		stream_end(s, 0);
	else if (size != UV_EOF)
		stream_end(s, (int)size);
}

static void stream_on_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buf)
{
	struct stream *s = handle->data;

	if (s->state == STREAM_FLUSHING)
		stream_read_flushing(s, size);
	else if (size < 0)
		stream_end(s, (int)size);
	else if (size > 0)
		s->events.data(s->arg, slice_of(buf->base, (size_t)size));
}

void stream_start_reading(struct stream *s)
{
	int status;

	if (s->state != STREAM_OPEN || s->paused || s->reading)
		return;
	s->reading = true;
	status = uv_read_start(&s->io.stream, stream_alloc, stream_on_read);
	if (status < 0)
		stream_end(s, status);
}

void stream_pause(struct stream *s)
{
	s->paused = true;
	if (s->state != STREAM_OPEN || !s->reading)
		return;
	s->reading = false;
	uv_read_stop(&s->io.stream);
}

void stream_resume(struct stream *s)
{
	s->paused = false;
	stream_start_reading(s);
}

/* ---- writing ----
 *
 * Small writes are copied into `pending` and sent together when the loop's turn ends (the
 * idle handle runs before the loop polls again, and keeps it from sleeping until then): a
 * hundred replies cost one write(2). What the socket does not take moves to `in_flight`,
 * which libuv writes on while `pending` fills again; so memory is at most twice the ceiling. */

static void stream_empty(struct buf *b)
{
	buf_reset(b);
	if (b->capacity > STREAM_KEEP_BYTES)
		buf_release(b);
}

static void stream_on_shutdown(uv_shutdown_t *request, int status)
{
	struct stream *s = request->data;

	if (s->state == STREAM_FLUSHING && (status < 0 || s->peer_ended))
		stream_end(s, 0);
}

static void stream_drained(struct stream *s)
{
	if (s->state == STREAM_FLUSHING) {
		s->shutdown.data = s;
		if (uv_shutdown(&s->shutdown, &s->io.stream, stream_on_shutdown) < 0)
			stream_end(s, 0);
	} else if (s->events.drained != NULL) {
		s->events.drained(s->arg);
	}
}

static void stream_pump(struct stream *s);

/* Goes on with what is pending, or says that nothing is. */
static void stream_go_on(struct stream *s)
{
	if (s->pending.size > 0)
		stream_pump(s);
	else
		stream_drained(s);
}

static void stream_on_written(uv_write_t *request, int status)
{
	struct stream *s = request->data;

	s->writing = false;
	stream_empty(&s->in_flight);
	if (s->state == STREAM_CLOSING)
		return;
	if (status < 0)
		stream_end(s, status);
	else
		stream_go_on(s);
}

/* Hands all of pending but its first `sent` bytes to libuv. */
static void stream_queue(struct stream *s, size_t sent)
{
	struct buf swap = s->in_flight;
	uv_buf_t rest;
	int status;

	s->in_flight = s->pending;
	s->pending = swap;
	rest.base = (char *)s->in_flight.data + sent;
	rest.len = s->in_flight.size - sent;
	s->write.data = s;
	s->writing = true;
	status = uv_write(&s->write, &s->io.stream, &rest, 1, stream_on_written);
	if (status < 0) {
		s->writing = false;
		stream_end(s, status);
	}
}

/* Takes what the socket takes at once: the number of bytes (0: it is full), or an error. */
static int stream_try(struct stream *s, struct slice bytes)
{
	uv_buf_t buf = { .base = (char *)(uintptr_t)bytes.ptr, .len = bytes.size };
	int sent = uv_try_write(&s->io.stream, &buf, 1);

	return sent == UV_EAGAIN ? 0 : sent;
}

static void stream_pump(struct stream *s)
{
	int sent = stream_try(s, buf_view(&s->pending));

	if (sent < 0) {
		stream_end(s, sent);
	} else if ((size_t)sent < s->pending.size) {
		stream_queue(s, (size_t)sent);
	} else {
		stream_empty(&s->pending);
		stream_drained(s);
	}
}

static void stream_on_idle(uv_idle_t *idle)
{
	struct stream *s = idle->data;

	uv_idle_stop(idle);
	if (!s->writing)
		stream_go_on(s);
}

/* As stream_pump, but leaves `drained` to the idle handle: the owner is in the midst of
 * writing and does not expect a callback. */
static int stream_send_early(struct stream *s)
{
	int sent = stream_try(s, buf_view(&s->pending));

	if (sent < 0) {
		stream_end(s, sent);
		return -ENOTCONN;
	}
	if ((size_t)sent == s->pending.size)
		stream_empty(&s->pending);
	else
		stream_queue(s, (size_t)sent);
	return 0;
}

int stream_write(struct stream *s, struct slice bytes)
{
	size_t queued = stream_queued(s);
	int sent;

	if (s->state != STREAM_OPEN)
		return -ENOTCONN;
	if (bytes.size > s->ceiling_bytes - queued)
		return -ENOBUFS;
	if (queued == 0 && bytes.size >= STREAM_DIRECT_BYTES) {
		sent = stream_try(s, bytes);
		if (sent < 0) {
			stream_end(s, sent);
			return -ENOTCONN;
		}
		bytes = slice_of(bytes.ptr + sent, bytes.size - (size_t)sent);
	}
	if (bytes.size == 0)
		return 0;
	buf_put_slice(&s->pending, bytes);
	if (buf_status(&s->pending) < 0) {
		/* A part may be on the wire already: the stream cannot go on. */
		stream_end(s, -ENOMEM);
		return -ENOMEM;
	}
	if (!s->writing)
		uv_idle_start(&s->idle, stream_on_idle);
	if (!s->writing && s->pending.size >= STREAM_EAGER_BYTES)
		return stream_send_early(s);
	return 0;
}

size_t stream_queued(const struct stream *s)
{
	return s->pending.size + (s->writing ? uv_stream_get_write_queue_size(&s->io.stream) : 0);
}

const char *stream_peer(const struct stream *s)
{
	return s->peer;
}

/* ---- closing ---- */

static void stream_flush_expired(uv_timer_t *timer)
{
	struct stream *s = timer->data;

	stream_end(s, 0);
}

static void stream_flush(struct stream *s)
{
	bool reading = s->reading;
	int status = 0;

	stream_set_state(s, STREAM_FLUSHING);
	uv_idle_stop(&s->idle);
	if (!reading)
		status = uv_read_start(&s->io.stream, stream_alloc, stream_on_read);
	if (status < 0) {
		stream_end(s, status);
		return;
	}
	uv_timer_start(&s->timer, stream_flush_expired, STREAM_FLUSH_MS, 0);
	if (!s->writing)
		stream_go_on(s);
}

void stream_close(struct stream *s, bool flush)
{
	if (flush && s->state == STREAM_OPEN)
		stream_flush(s);
	else if (!flush || s->state == STREAM_CONNECTING)
		stream_end(s, 0);
}
