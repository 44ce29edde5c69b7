/*
 * stream.h - a byte stream (TCP, Unix) on the uv loop.
 *
 * Connecting resolves the name without blocking, tries each address in turn and gives up
 * after a timeout. Writes are queued up to a ceiling; what is over it is refused, so a slow
 * peer costs bounded memory. Reads go to one callback that consumes all; reading can be
 * paused. A stream reports its end exactly once through `closed`, after which it is freed;
 * stream_close may be called at any time, from any of its callbacks, and twice. No `data`
 * comes after stream_close. The process must ignore SIGPIPE (life.h does).
 */
#ifndef PROTO_NET_STREAM_H
#define PROTO_NET_STREAM_H

#include "proto/net/addr.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct stream;
struct stream_listener;

struct stream_events {
	void (*connected)(void *arg);                 /* of stream_connect only */
	void (*data)(void *arg, struct slice bytes);  /* borrowed for the call; all is consumed */
	void (*drained)(void *arg);                   /* the queue fell to zero; may be NULL */
	void (*closed)(void *arg, int reason);        /* 0: we closed; UV_EOF; a negative error.
						       * The stream is gone after it. */
};

struct stream_options {
	uint64_t connect_timeout_ms; /* 0: 1,000 */
	size_t write_ceiling_bytes;  /* 0: 16 MiB */
};

/* Starts to connect. Any failure, also of the name, comes through `closed`, never before this
 * has returned. 0; -ENOMEM, -EINVAL (a datagram address): then nothing was started. */
int stream_connect(uv_loop_t *loop, const struct addr *to, const struct stream_options *options,
		   const struct stream_events *events, void *arg, struct stream **out)
	__attribute__((warn_unused_result));

/* Queues a copy of the bytes. 0; -ENOBUFS (the ceiling: nothing was queued), -ENOTCONN (not
 * connected yet, closing, or found broken now), -ENOMEM (a part may be on the wire: the
 * stream is closing). A large write that the kernel takes at once is never queued, so no
 * `drained` follows it. */
int stream_write(struct stream *s, struct slice bytes) __attribute__((warn_unused_result));

size_t stream_queued(const struct stream *s); /* bytes written but not yet taken by the kernel */
void stream_pause(struct stream *s);          /* no `data` until stream_resume */
void stream_resume(struct stream *s);
const char *stream_peer(const struct stream *s); /* host:port, for logs; borrowed */

/* Ends it: queued writes are dropped unless flush, then they and the peer's end are given up
 * to 1 s. `closed` follows with reason 0 (or the error that came first). */
void stream_close(struct stream *s, bool flush);

/* Called for each connection: fill in *events and *arg for it, or return false to refuse it. */
typedef bool (*stream_accept_fn)(void *arg, struct stream *s, struct stream_events *events,
				 void **stream_arg);

/* Listens on an address (port 0: any free one). 0, negative errno. */
int stream_listen(uv_loop_t *loop, const struct addr *at, const struct stream_options *options,
		  stream_accept_fn accept, void *arg, struct stream_listener **out)
	__attribute__((warn_unused_result));

/* Listens on a bound descriptor (systemd's). 0, negative errno. */
int stream_listen_fd(uv_loop_t *loop, int fd, const struct stream_options *options,
		     stream_accept_fn accept, void *arg, struct stream_listener **out)
	__attribute__((warn_unused_result));

/* The address really listened on. Borrowed. */
const char *stream_listener_address(const struct stream_listener *l);

/* Stops accepting; frees the listener when its handle is closed. */
void stream_listener_close(struct stream_listener *l);

#endif
