/*
 * stream_private.h - what stream.c, stream_connect.c and stream_listen.c share.
 *
 *     stream_connect --> CONNECTING --> OPEN --> FLUSHING --> CLOSING --> freed
 *     accepted --------------------------^  '-----------------^
 *
 * Only stream_set_state assigns the state. Every way out leads through stream_end, which
 * closes the handles that exist; the callback of the last one reports `closed` and frees.
 * No other file includes this header.
 */
#ifndef PROTO_NET_STREAM_PRIVATE_H
#define PROTO_NET_STREAM_PRIVATE_H

#include "proto/buf.h"
#include "proto/net/stream.h"

enum stream_state {
	STREAM_CONNECTING, /* resolving and trying addresses */
	STREAM_OPEN,
	STREAM_FLUSHING, /* stream_close(flush): writing the rest, then waiting for the peer */
	STREAM_CLOSING,  /* handles are being closed */
};

struct stream_dial; /* of stream_connect.c: lives until connected */

struct stream {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} io;
	uv_timer_t timer; /* a connection attempt's time, later the flush's */
	uv_idle_t idle;   /* sends at the end of this turn of the loop */
	uv_write_t write;
	uv_shutdown_t shutdown;
	uv_loop_t *loop;
	struct stream_events events;
	void *arg;
	struct stream_dial *dial;
	struct buf pending;   /* written by the owner, not yet given to libuv */
	struct buf in_flight; /* being written by libuv while `writing` */
	size_t ceiling_bytes;
	enum stream_state state;
	unsigned handles; /* initialised and not yet closed */
	int reason;
	bool has_io; /* io is initialised (it may be closing) */
	bool writing;
	bool reading;
	bool paused;
	bool peer_ended; /* EOF came while flushing */
	char peer[ADDR_TEXT_SIZE];
};

/* A stream in state CONNECTING without an io handle, or NULL (no memory). events may be
 * NULL: an accepted stream gets them later. */
struct stream *stream_new(uv_loop_t *loop, const struct stream_options *options,
			  const struct stream_events *events, void *arg);

/* io is initialised: it counts as a handle from now on. */
void stream_own_io(struct stream *s);

/* io is connected: OPEN. Does not read yet. */
void stream_opened(struct stream *s);

/* Starts reading if it is open and not paused. */
void stream_start_reading(struct stream *s);

/* Closes all; `closed` follows with reason. The first reason stays. */
void stream_end(struct stream *s, int reason);

/* Close callback of each handle. */
void stream_handle_closed(uv_handle_t *handle);

/* Called by stream.c when io was closed while CONNECTING: the next address may be tried. */
void stream_dial_next(struct stream *s);

/* Frees what connecting needed; a resolution that still runs is abandoned. */
void stream_dial_free(struct stream *s);

#endif
