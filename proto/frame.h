/*
 * frame.h - what agents and relays say to each other over TCP (BATCH.md).
 *
 *     u32 length (LE, of what follows the 8 bytes), u8 version, u8 type, u16 flags (0)
 *     then one msgpack value
 *
 *     agent                                relay
 *     HELLO  ------------------------->            version range, cfg, who, clock, authentication
 *            <-------------------------  CHALLENGE  where the fleet has a secret (auth.h)
 *     PROOF  ------------------------->
 *            <-------------------------  WELCOME   (or REFUSED, and the end)
 *            <-------------------------  RELAYS    the live list, the floor; again on change
 *     OPEN   ------------------------->            streams it wants to send
 *            <-------------------------  STATE     what Redis has of them (cause OPENED)
 *     BATCH  ------------------------->            in order a stream, a bounded window
 *            <-------------------------  COMMITTED after the commit's OK
 *            <-------------------------  STATE     cause RESET: send again from here
 *     CONFIRM ------------------------>            are they still there?
 *            <-------------------------  CONFIRMED
 *     WATERMARK ---------------------->            all committed up to this time
 *     PING <------------------------> PONG         either side; also shows the clock
 *            <-------------------------  BUSY      stop / go on sending batches
 *            <-------------------------  STORE     begin no new series / begin them again
 *            <-------------------------  GOAWAY    it is about to stop
 *     CLOSE  ------------------------->            streams that are done for good
 *
 * frame_next() cuts a byte stream into frames without allocating; frame_decode() checks a
 * payload's bounds (each declared count against the bytes left and the schema's limit,
 * depth) before msgpack-c unpacks it. An unknown type or version is refused aloud.
 * Encoders append a whole frame to a buf; errors stay in the buf.
 */
#ifndef PROTO_FRAME_H
#define PROTO_FRAME_H

#include "proto/buf.h"
#include "proto/hash.h"
#include "proto/slice.h"
#include "proto/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 8
#define FRAME_VERSION_MIN  1
#define FRAME_VERSION_MAX  1
#define FRAME_AGENT_BYTES  16
#define FRAME_TEXT_BYTES   255 /* of host names, addresses, reasons */
#define FRAME_AUTH_BYTES   256

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_WELCOME = 2,
	FRAME_REFUSED = 3,
	FRAME_OPEN = 4,
	FRAME_STATE = 5,
	FRAME_BATCH = 6,
	FRAME_COMMITTED = 7,
	FRAME_CONFIRM = 8,
	FRAME_CONFIRMED = 9,
	FRAME_WATERMARK = 10,
	FRAME_RELAYS = 11,
	FRAME_PING = 12,
	FRAME_PONG = 13,
	FRAME_BUSY = 14,
	FRAME_GOAWAY = 15,
	FRAME_CLOSE = 16,
	FRAME_CHALLENGE = 17,
	FRAME_PROOF = 18,
	FRAME_STORE = 19,
};

#define FRAME_TYPE_LAST FRAME_STORE

/* Bits of HELLO's capabilities. */
#define FRAME_KNOWS_STORE 1u /* the agent understands STORE: nobody else is sent it */

/* [min, max, cfg (0: not known yet), agent id, incarnation, clock ms, capabilities, auth, host] */
struct frame_hello {
	uint8_t version_min, version_max;
	uint64_t cfg;
	uint8_t agent_id[FRAME_AGENT_BYTES];
	uint64_t incarnation;
	int64_t clock_ms;
	uint64_t capabilities;
	struct slice auth; /* an offer (auth.h); empty: this agent has no secret */
	struct slice host;
};

/* [version, cfg, partitions, clock ms, capabilities, auth, name, grace ms] */
struct frame_welcome {
	uint8_t version;
	uint64_t cfg;
	uint32_t partitions;
	int64_t clock_ms;
	uint64_t capabilities;
	struct slice auth; /* the relay's proof, to an agent that proved itself */
	struct slice name;
	uint64_t grace_ms; /* G of this fleet's Redis (CONTRACT.md) */
};

/* [code, text]; the sender closes after it. */
struct frame_refused {
	int64_t code; /* err.h */
	struct slice text;
};

/* One stream in one partition. What of it is used depends on the frame:
 * OPEN [stream, partition, base seq]; STATE, COMMITTED, CONFIRMED, CLOSE
 * [stream, partition, state text]; CONFIRM [stream, partition]. */
struct frame_stream {
	struct stream_id id;
	uint32_t partition;
	uint64_t base_seq;
	struct stream_state state;
};

enum frame_cause {
	FRAME_OPENED = 0,
	FRAME_RESET = 1,
};

/* STATE [cause, [[...]...]], CONFIRM [token, [...]], CONFIRMED [token, stable, [...]],
 * OPEN, COMMITTED, CLOSE [[...]...] */
struct frame_streams {
	enum frame_cause cause; /* STATE */
	uint64_t token;         /* CONFIRM, CONFIRMED: the agent's, echoed */
	bool stable;            /* CONFIRMED: this Redis may be trusted to keep (CONTRACT.md) */
	struct frame_stream *list;
	size_t count;
};

/* [stream, predecessor (text, or nil: the chain inside the batch), lost, batch]. A named
 * predecessor is the stored state the batch builds on although it is not its own chain:
 * the nonce of an OPEN, or the state before a declared loss of `lost` samples. */
struct frame_batch {
	struct stream_id id;
	bool has_predecessor;
	struct stream_state predecessor;
	uint64_t lost;
	struct slice bytes; /* batch.h */
};

/* [committed ms, left, host]. All samples received before committed_ms are COMMITTED. */
struct frame_watermark {
	int64_t committed_ms;
	bool left; /* the agent stopped in order and owes nothing */
	struct slice host;
};

/* [floor hour, seal ms (0: as configured), [address...]] */
struct frame_relays {
	int64_t floor_hour; /* samples of older hours cannot be written */
	uint64_t seal_ms;
	struct slice *list; /* advertised host:port */
	size_t count;
};

/* PING, PONG [token, clock ms]; BUSY [busy]; STORE [full]; GOAWAY []; CHALLENGE [relay nonce];
 * PROOF [proof]. */
struct frame_ping {
	uint64_t token;
	int64_t clock_ms;
};

struct frame {
	enum frame_type type;
	union {
		struct frame_hello hello;
		struct frame_welcome welcome;
		struct frame_refused refused;
		struct frame_streams streams;
		struct frame_batch batch;
		struct frame_watermark watermark;
		struct frame_relays relays;
		struct frame_ping ping;
		struct slice auth; /* CHALLENGE, PROOF */
		bool busy;
		bool full; /* STORE: Redis has little room left */
	};
};

struct frame_header {
	uint32_t size; /* of the payload */
	uint8_t version;
	enum frame_type type;
};

/* Takes one frame off *bytes. 1 with *header and *payload (borrowed) set and *bytes moved
 * on; 0 when more bytes are needed; ERR_TOO_LARGE, ERR_VERSION, ERR_UNKNOWN_TYPE,
 * ERR_MALFORMED (flags): seen as soon as the 8 bytes are there. */
int frame_next(struct slice *bytes, struct frame_header *header, struct slice *payload)
	__attribute__((warn_unused_result));

/* Reads a payload. Slices in *out borrow from it; lists are owned: frame_release. 0;
 * ERR_TRUNCATED, ERR_TRAILING, ERR_MALFORMED, ERR_TOO_LARGE, ERR_TOO_DEEP,
 * ERR_OUT_OF_RANGE, -ENOMEM. */
int frame_decode(const struct frame_header *header, struct slice payload, struct frame *out)
	__attribute__((warn_unused_result));

/* Frees what frame_decode allocated. */
void frame_release(struct frame *f);

/* Appends a whole frame. Only members that its type uses are read; lists longer than
 * LIMIT_FRAME_STREAMS or LIMIT_FRAME_RELAYS are the caller's bug, texts longer than
 * FRAME_TEXT_BYTES are cut. Times are 0 or later and before the year 10000: a reader takes
 * no others. Errors by buf_status(out), -ENOBUFS also for a payload over LIMIT_FRAME_BYTES;
 * out then ends where it ended before. */
void frame_encode(struct buf *out, const struct frame *f);

/* `HELLO`... for logs; "?" for an unknown one. */
const char *frame_type_name(enum frame_type type);

#endif
