// SPDX-License-Identifier: Apache-2.0
/*
 * A frame is written with a size of 0, which is put right when the payload is there: msgpack does
 * not tell in advance how long it will be. frame.c cuts and names frames; frame_decode.c reads
 * payloads.
 */
#include "proto/frame.h"

#include "proto/le.h"
#include "proto/limits.h"
#include "proto/mpput.h"

#include <assert.h>

/* A text longer than its reader takes is cut, between characters: a host's long name must
 * not cost it its connection. */
static void frame_put_text(msgpack_packer *pk, struct slice text)
{
	size_t size = text.size;

	if (size > FRAME_TEXT_BYTES) {
		size = FRAME_TEXT_BYTES;
		while (size > 0 && (text.ptr[size] & 0xc0) == 0x80)
			size--;
	}
	mpput_text(pk, slice_of(text.ptr, size));
}

static void frame_put_agent_id(msgpack_packer *pk, const uint8_t id[FRAME_AGENT_BYTES])
{
	mpput_bytes(pk, slice_of(id, FRAME_AGENT_BYTES));
}

static void frame_put_stream_id(msgpack_packer *pk, const struct stream_id *id)
{
	mpput_bytes(pk, slice_of(id->bytes, STREAM_ID_BYTES));
}

static void frame_put_state(msgpack_packer *pk, const struct stream_state *state)
{
	char text[STATE_TEXT_SIZE];

	mpput_text(pk, state_format(state, text));
}

static void frame_put_hello(msgpack_packer *pk, const struct frame_hello *h)
{
	mpput_array(pk, 9);
	mpput_u64(pk, h->version_min);
	mpput_u64(pk, h->version_max);
	mpput_u64(pk, h->cfg);
	frame_put_agent_id(pk, h->agent_id);
	mpput_u64(pk, h->incarnation);
	mpput_i64(pk, h->clock_ms);
	mpput_u64(pk, h->capabilities);
	mpput_bytes(pk, h->auth);
	frame_put_text(pk, h->host);
}

static void frame_put_welcome(msgpack_packer *pk, const struct frame_welcome *w)
{
	mpput_array(pk, 8);
	mpput_u64(pk, w->version);
	mpput_u64(pk, w->cfg);
	mpput_u64(pk, w->partitions);
	mpput_i64(pk, w->clock_ms);
	mpput_u64(pk, w->capabilities);
	mpput_bytes(pk, w->auth);
	frame_put_text(pk, w->name);
	mpput_u64(pk, w->grace_ms);
}

static void frame_put_refused(msgpack_packer *pk, const struct frame_refused *r)
{
	mpput_array(pk, 2);
	mpput_i64(pk, r->code);
	frame_put_text(pk, r->text);
}

static void frame_put_batch(msgpack_packer *pk, const struct frame_batch *b)
{
	mpput_array(pk, 4);
	frame_put_stream_id(pk, &b->id);
	if (b->has_predecessor) {
		/* An absent state never matches, so nobody can build on one. */
		assert(b->predecessor.known);
		frame_put_state(pk, &b->predecessor);
	} else {
		mpput_nil(pk);
	}
	mpput_u64(pk, b->lost);
	mpput_bytes(pk, b->bytes);
}

static void frame_put_watermark(msgpack_packer *pk, const struct frame_watermark *w)
{
	mpput_array(pk, 3);
	mpput_i64(pk, w->committed_ms);
	mpput_bool(pk, w->left);
	frame_put_text(pk, w->host);
}

static void frame_put_relays(msgpack_packer *pk, const struct frame_relays *r)
{
	assert(r->count <= LIMIT_FRAME_RELAYS);
	mpput_array(pk, 3);
	mpput_i64(pk, r->floor_hour);
	mpput_u64(pk, r->seal_ms);
	mpput_array(pk, r->count);
	for (size_t i = 0; i < r->count; i++)
		frame_put_text(pk, r->list[i]);
}

static void frame_put_ping(msgpack_packer *pk, const struct frame_ping *p)
{
	mpput_array(pk, 2);
	mpput_u64(pk, p->token);
	mpput_i64(pk, p->clock_ms);
}

/* One stream, with what its type says of it. */
static void frame_put_stream(msgpack_packer *pk, enum frame_type type,
			     const struct frame_stream *stream)
{
	mpput_array(pk, type == FRAME_CONFIRM ? 2 : 3);
	frame_put_stream_id(pk, &stream->id);
	mpput_u64(pk, stream->partition);
	if (type == FRAME_OPEN)
		mpput_u64(pk, stream->base_seq);
	else if (type != FRAME_CONFIRM)
		frame_put_state(pk, &stream->state);
}

static void frame_put_list(msgpack_packer *pk, enum frame_type type, const struct frame_streams *s)
{
	assert(s->count <= LIMIT_FRAME_STREAMS);
	mpput_array(pk, s->count);
	for (size_t i = 0; i < s->count; i++)
		frame_put_stream(pk, type, &s->list[i]);
}

/* What stands before the list differs. */
static void frame_put_streams(msgpack_packer *pk, enum frame_type type,
			      const struct frame_streams *s)
{
	if (type == FRAME_STATE) {
		mpput_array(pk, 2);
		mpput_u64(pk, (uint64_t)s->cause);
	} else if (type == FRAME_CONFIRM) {
		mpput_array(pk, 2);
		mpput_u64(pk, s->token);
	} else if (type == FRAME_CONFIRMED) {
		mpput_array(pk, 3);
		mpput_u64(pk, s->token);
		mpput_bool(pk, s->stable);
	} else {
		mpput_array(pk, 1);
	}
	frame_put_list(pk, type, s);
}

static void frame_put_payload(msgpack_packer *pk, const struct frame *f)
{
	switch (f->type) {
	case FRAME_HELLO:
		frame_put_hello(pk, &f->hello);
		return;
	case FRAME_WELCOME:
		frame_put_welcome(pk, &f->welcome);
		return;
	case FRAME_REFUSED:
		frame_put_refused(pk, &f->refused);
		return;
	case FRAME_OPEN:
	case FRAME_STATE:
	case FRAME_COMMITTED:
	case FRAME_CONFIRM:
	case FRAME_CONFIRMED:
	case FRAME_CLOSE:
		frame_put_streams(pk, f->type, &f->streams);
		return;
	case FRAME_BATCH:
		frame_put_batch(pk, &f->batch);
		return;
	case FRAME_WATERMARK:
		frame_put_watermark(pk, &f->watermark);
		return;
	case FRAME_RELAYS:
		frame_put_relays(pk, &f->relays);
		return;
	case FRAME_PING:
	case FRAME_PONG:
		frame_put_ping(pk, &f->ping);
		return;
	case FRAME_BUSY:
		mpput_array(pk, 1);
		mpput_bool(pk, f->busy);
		return;
	case FRAME_STORE:
		mpput_array(pk, 1);
		mpput_bool(pk, f->full);
		return;
	case FRAME_GOAWAY:
		mpput_array(pk, 0);
		return;
	case FRAME_CHALLENGE:
	case FRAME_PROOF:
		mpput_array(pk, 1);
		mpput_bytes(pk, f->auth);
		return;
	}
	assert(false); /* a type that does not exist */
}

/* HELLO and REFUSED travel before a version is agreed (or because none could be), so they
 * go out in the oldest one that this program speaks. */
static uint8_t frame_version_of(enum frame_type type)
{
	return type == FRAME_HELLO || type == FRAME_REFUSED ? FRAME_VERSION_MIN :
							      FRAME_VERSION_MAX;
}

/* The payload's size goes where room was left for it. A frame that its reader would refuse
 * must not leave: the buf is made to fail as it does at its ceiling. (4,096 streams fit
 * while their sequence numbers have 14 digits or fewer.) */
static void frame_seal(struct buf *out, size_t start)
{
	size_t size = out->size - start - FRAME_HEADER_BYTES;

	if (size > LIMIT_FRAME_BYTES) {
		buf_extend(out, SIZE_MAX);
		buf_truncate(out, start);
		return;
	}
	le_put_u32(out->data + start, (uint32_t)size);
}

void frame_encode(struct buf *out, const struct frame *f)
{
	size_t start = out->size;
	msgpack_packer pk = mpput_begin(out);

	buf_put_u32(out, 0);
	buf_put_u8(out, frame_version_of(f->type));
	buf_put_u8(out, (uint8_t)f->type);
	buf_put_u16(out, 0);
	frame_put_payload(&pk, f);
	if (buf_status(out) == 0)
		frame_seal(out, start);
	else if (out->size > start)
		buf_truncate(out, start);
}
