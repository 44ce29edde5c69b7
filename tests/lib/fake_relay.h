/*
 * fake_relay.h - a relay as an agent sees it, on a test's loop.
 *
 * Answers HELLO with WELCOME (and a RELAYS list, if there is one), OPEN with a nonce and PING with
 * PONG, and notes everything else; the rest a test sends by hand. What it noted of a frame is
 * good for its numbers, not for its slices.
 */
#ifndef TESTS_LIB_FAKE_RELAY_H
#define TESTS_LIB_FAKE_RELAY_H

#include "proto/batch.h"
#include "proto/frame.h"
#include "proto/net/stream.h"

#include <stdbool.h>
#include <uv.h>

struct fake_relay {
	struct stream_listener *listener;
	struct stream *s; /* the newest connection */
	struct buf in;
	uint32_t partitions;  /* what WELCOME says */
	const char *live;     /* what RELAYS says; NULL: not sent */
	bool silent;          /* answers nothing */
	bool mute_pings;
	unsigned connections, hellos, opens, batches, confirms, watermarks, pings;
	struct frame_hello hello;
	struct frame_watermark watermark;
	struct frame_batch batch;
	struct batch_header header;
	struct frame_stream stream;
	uint64_t token;
};

/* Listens on a free port of loopback. */
void fake_relay_start(struct fake_relay *f, uv_loop_t *loop, uint32_t partitions);

/* Closes the newest connection. */
void fake_relay_hang_up(struct fake_relay *f);

/* Closes it and listens no more. May be called twice. */
void fake_relay_stop(struct fake_relay *f);

/* Sends any frame on the newest connection. */
void fake_relay_send(struct fake_relay *f, const struct frame *frame);

/* Sends a STATE, COMMITTED or CONFIRMED (with the last token, stable) of the last stream opened. */
void fake_relay_state(struct fake_relay *f, enum frame_type type, enum frame_cause cause,
		      struct stream_state state);

/* Sends `live` as RELAYS, with floor hour 1,000 and seal_ms 700. */
void fake_relay_relays(struct fake_relay *f);

#endif
