// SPDX-License-Identifier: Apache-2.0
#include "proto/frame.h"

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/mpcheck.h"
#include "proto/series.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/*
 * Each type has a schema, and a function that reads a payload which has passed it. After
 * the schema only what it cannot say is left to check: texts that are shown or stored
 * have no control bytes, states are canonical, ranges that depend on each other.
 */

/* The end of the year 9999, as hour.h can spell it: times beyond would overflow somewhere. */
#define FRAME_MS_MAX   253402300799999
#define FRAME_HOUR_MAX 70389527

#define FRAME_ANY       { .types = MPCHECK_INT, .min = 0, .max = UINT64_MAX }
#define FRAME_UPTO(top) { .types = MPCHECK_INT, .min = 0, .max = (top) }
#define FRAME_MS        FRAME_UPTO(FRAME_MS_MAX)
#define FRAME_VERSION   { .types = MPCHECK_INT, .min = 1, .max = UINT8_MAX }
#define FRAME_FLAG      { .types = MPCHECK_BOOL }
#define FRAME_PARTITION FRAME_UPTO(LIMIT_PARTITIONS - 1)
#define FRAME_TEXT      { .types = MPCHECK_TEXT, .max = FRAME_TEXT_BYTES }
#define FRAME_STATUS    { .types = MPCHECK_TEXT, .max = STATE_TEXT_SIZE - 1 }
#define FRAME_AUTH      { .types = MPCHECK_BYTES, .max = FRAME_AUTH_BYTES }
#define FRAME_FIXED(n)  { .types = MPCHECK_BYTES, .min = (n), .max = (n) }

#define FRAME_COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))
#define FRAME_TUPLE(fields) \
	{ .types = MPCHECK_TUPLE, .max = FRAME_COUNT(fields), .of = (fields) }
#define FRAME_LIST(limit, element) \
	{ .types = MPCHECK_LIST, .max = (limit), .of = &(element) }

static const struct mpcheck_rule frame_hello_fields[] = {
	FRAME_VERSION, FRAME_VERSION, FRAME_ANY,  FRAME_FIXED(FRAME_AGENT_BYTES), FRAME_ANY,
	FRAME_MS,      FRAME_ANY,     FRAME_AUTH, FRAME_TEXT,
};
static const struct mpcheck_rule frame_welcome_fields[] = {
	FRAME_VERSION, FRAME_ANY,  { .types = MPCHECK_INT, .min = 1, .max = LIMIT_PARTITIONS },
	FRAME_MS,      FRAME_ANY,  FRAME_AUTH,
	FRAME_TEXT,    FRAME_MS,
};
static const struct mpcheck_rule frame_refused_fields[] = {
	{ .types = MPCHECK_INT, .min = INT32_MIN, .max = INT32_MAX },
	FRAME_TEXT,
};
static const struct mpcheck_rule frame_open_stream[] = {
	FRAME_FIXED(STREAM_ID_BYTES), FRAME_PARTITION, FRAME_ANY,
};
static const struct mpcheck_rule frame_state_stream[] = {
	FRAME_FIXED(STREAM_ID_BYTES), FRAME_PARTITION, FRAME_STATUS,
};
static const struct mpcheck_rule frame_confirm_stream[] = {
	FRAME_FIXED(STREAM_ID_BYTES), FRAME_PARTITION,
};
static const struct mpcheck_rule frame_open_element = FRAME_TUPLE(frame_open_stream);
static const struct mpcheck_rule frame_state_element = FRAME_TUPLE(frame_state_stream);
static const struct mpcheck_rule frame_confirm_element = FRAME_TUPLE(frame_confirm_stream);
static const struct mpcheck_rule frame_open_fields[] = {
	FRAME_LIST(LIMIT_FRAME_STREAMS, frame_open_element),
};
static const struct mpcheck_rule frame_state_fields[] = {
	FRAME_UPTO(FRAME_RESET),
	FRAME_LIST(LIMIT_FRAME_STREAMS, frame_state_element),
};
static const struct mpcheck_rule frame_states_fields[] = {
	FRAME_LIST(LIMIT_FRAME_STREAMS, frame_state_element),
};
static const struct mpcheck_rule frame_confirm_fields[] = {
	FRAME_ANY,
	FRAME_LIST(LIMIT_FRAME_STREAMS, frame_confirm_element),
};
static const struct mpcheck_rule frame_confirmed_fields[] = {
	FRAME_ANY,
	FRAME_FLAG,
	FRAME_LIST(LIMIT_FRAME_STREAMS, frame_state_element),
};
static const struct mpcheck_rule frame_batch_fields[] = {
	FRAME_FIXED(STREAM_ID_BYTES),
	{ .types = MPCHECK_NIL | MPCHECK_TEXT, .min = 1, .max = STATE_TEXT_SIZE - 1 },
	FRAME_ANY,
	{ .types = MPCHECK_BYTES, .min = 1, .max = LIMIT_BATCH_BYTES },
};
static const struct mpcheck_rule frame_watermark_fields[] = {
	FRAME_MS, FRAME_FLAG, FRAME_TEXT,
};
static const struct mpcheck_rule frame_address = {
	.types = MPCHECK_TEXT, .min = 1, .max = FRAME_TEXT_BYTES,
};
static const struct mpcheck_rule frame_relays_fields[] = {
	FRAME_UPTO(FRAME_HOUR_MAX),
	FRAME_MS,
	FRAME_LIST(LIMIT_FRAME_RELAYS, frame_address),
};
static const struct mpcheck_rule frame_ping_fields[] = { FRAME_ANY, FRAME_MS };
static const struct mpcheck_rule frame_flag_fields[] = { FRAME_FLAG };
static const struct mpcheck_rule frame_auth_fields[] = { FRAME_AUTH };

static const struct mpcheck_rule frame_rules[] = {
	[FRAME_HELLO] = FRAME_TUPLE(frame_hello_fields),
	[FRAME_WELCOME] = FRAME_TUPLE(frame_welcome_fields),
	[FRAME_REFUSED] = FRAME_TUPLE(frame_refused_fields),
	[FRAME_OPEN] = FRAME_TUPLE(frame_open_fields),
	[FRAME_STATE] = FRAME_TUPLE(frame_state_fields),
	[FRAME_BATCH] = FRAME_TUPLE(frame_batch_fields),
	[FRAME_COMMITTED] = FRAME_TUPLE(frame_states_fields),
	[FRAME_CONFIRM] = FRAME_TUPLE(frame_confirm_fields),
	[FRAME_CONFIRMED] = FRAME_TUPLE(frame_confirmed_fields),
	[FRAME_WATERMARK] = FRAME_TUPLE(frame_watermark_fields),
	[FRAME_RELAYS] = FRAME_TUPLE(frame_relays_fields),
	[FRAME_PING] = FRAME_TUPLE(frame_ping_fields),
	[FRAME_PONG] = FRAME_TUPLE(frame_ping_fields),
	[FRAME_BUSY] = FRAME_TUPLE(frame_flag_fields),
	[FRAME_GOAWAY] = { .types = MPCHECK_TUPLE },
	[FRAME_CLOSE] = FRAME_TUPLE(frame_states_fields),
	[FRAME_CHALLENGE] = FRAME_TUPLE(frame_auth_fields),
	[FRAME_PROOF] = FRAME_TUPLE(frame_auth_fields),
	[FRAME_STORE] = FRAME_TUPLE(frame_flag_fields),
};

/* A text that ends up in logs, in Redis or in an answer. */
static int frame_read_text(const msgpack_object *field, struct slice *out)
{
	*out = mpcheck_slice(field);
	return series_text_valid(*out) ? 0 : ERR_MALFORMED;
}

static void frame_read_stream_id(const msgpack_object *field, struct stream_id *out)
{
	memcpy(out->bytes, field->via.bin.ptr, STREAM_ID_BYTES);
}

static int frame_read_hello(const msgpack_object *fields, struct frame_hello *out)
{
	out->version_min = (uint8_t)fields[0].via.u64;
	out->version_max = (uint8_t)fields[1].via.u64;
	out->cfg = fields[2].via.u64;
	memcpy(out->agent_id, fields[3].via.bin.ptr, FRAME_AGENT_BYTES);
	out->incarnation = fields[4].via.u64;
	out->clock_ms = (int64_t)fields[5].via.u64;
	out->capabilities = fields[6].via.u64;
	out->auth = mpcheck_slice(&fields[7]);
	if (out->version_min > out->version_max)
		return ERR_OUT_OF_RANGE;
	return frame_read_text(&fields[8], &out->host);
}

static int frame_read_welcome(const msgpack_object *fields, struct frame_welcome *out)
{
	out->version = (uint8_t)fields[0].via.u64;
	out->cfg = fields[1].via.u64;
	out->partitions = (uint32_t)fields[2].via.u64;
	out->clock_ms = (int64_t)fields[3].via.u64;
	out->capabilities = fields[4].via.u64;
	out->auth = mpcheck_slice(&fields[5]);
	out->grace_ms = fields[7].via.u64;
	return frame_read_text(&fields[6], &out->name);
}

static int frame_read_refused(const msgpack_object *fields, struct frame_refused *out)
{
	out->code = fields[0].via.i64;
	return frame_read_text(&fields[1], &out->text);
}

static int frame_read_batch(const msgpack_object *fields, struct frame_batch *out)
{
	frame_read_stream_id(&fields[0], &out->id);
	out->has_predecessor = fields[1].type != MSGPACK_OBJECT_NIL;
	out->lost = fields[2].via.u64;
	out->bytes = mpcheck_slice(&fields[3]);
	if (!out->has_predecessor)
		return 0;
	return state_parse(mpcheck_slice(&fields[1]), &out->predecessor);
}

static int frame_read_watermark(const msgpack_object *fields, struct frame_watermark *out)
{
	out->committed_ms = (int64_t)fields[0].via.u64;
	out->left = fields[1].via.boolean;
	return frame_read_text(&fields[2], &out->host);
}

static int frame_read_relays(const msgpack_object *fields, struct frame_relays *out)
{
	const msgpack_object_array *list = &fields[2].via.array;

	out->floor_hour = (int64_t)fields[0].via.u64;
	out->seal_ms = fields[1].via.u64;
	if (list->size == 0)
		return 0;
	out->list = calloc(list->size, sizeof(*out->list));
	if (out->list == NULL)
		return -ENOMEM;
	for (; out->count < list->size; out->count++) {
		int err = frame_read_text(&list->ptr[out->count], &out->list[out->count]);

		if (err != 0)
			return err;
	}
	return 0;
}

static int frame_read_stream(enum frame_type type, const msgpack_object *fields,
			     struct frame_stream *out)
{
	frame_read_stream_id(&fields[0], &out->id);
	out->partition = (uint32_t)fields[1].via.u64;
	if (type == FRAME_CONFIRM)
		return 0;
	if (type != FRAME_OPEN)
		return state_parse(mpcheck_slice(&fields[2]), &out->state);
	out->base_seq = fields[2].via.u64;
	return 0;
}

static int frame_read_list(enum frame_type type, const msgpack_object_array *list,
			   struct frame_streams *out)
{
	if (list->size == 0)
		return 0;
	out->list = calloc(list->size, sizeof(*out->list));
	if (out->list == NULL)
		return -ENOMEM;
	for (; out->count < list->size; out->count++) {
		const msgpack_object *stream = &list->ptr[out->count];
		int err = frame_read_stream(type, stream->via.array.ptr, &out->list[out->count]);

		if (err != 0)
			return err;
	}
	return 0;
}

static int frame_read_streams(enum frame_type type, const msgpack_object_array *fields,
			      struct frame_streams *out)
{
	if (type == FRAME_STATE)
		out->cause = (enum frame_cause)fields->ptr[0].via.u64;
	else if (type == FRAME_CONFIRM || type == FRAME_CONFIRMED)
		out->token = fields->ptr[0].via.u64;
	if (type == FRAME_CONFIRMED)
		out->stable = fields->ptr[1].via.boolean;
	/* The list is the last field of every one of them. */
	return frame_read_list(type, &fields->ptr[fields->size - 1].via.array, out);
}

static int frame_read(const msgpack_object_array *fields, struct frame *out)
{
	switch (out->type) {
	case FRAME_HELLO:
		return frame_read_hello(fields->ptr, &out->hello);
	case FRAME_WELCOME:
		return frame_read_welcome(fields->ptr, &out->welcome);
	case FRAME_REFUSED:
		return frame_read_refused(fields->ptr, &out->refused);
	case FRAME_OPEN:
	case FRAME_STATE:
	case FRAME_COMMITTED:
	case FRAME_CONFIRM:
	case FRAME_CONFIRMED:
	case FRAME_CLOSE:
		return frame_read_streams(out->type, fields, &out->streams);
	case FRAME_BATCH:
		return frame_read_batch(fields->ptr, &out->batch);
	case FRAME_WATERMARK:
		return frame_read_watermark(fields->ptr, &out->watermark);
	case FRAME_RELAYS:
		return frame_read_relays(fields->ptr, &out->relays);
	case FRAME_PING:
	case FRAME_PONG:
		out->ping.token = fields->ptr[0].via.u64;
		out->ping.clock_ms = (int64_t)fields->ptr[1].via.u64;
		return 0;
	case FRAME_BUSY:
		out->busy = fields->ptr[0].via.boolean;
		return 0;
	case FRAME_STORE:
		out->full = fields->ptr[0].via.boolean;
		return 0;
	case FRAME_CHALLENGE:
	case FRAME_PROOF:
		out->auth = mpcheck_slice(&fields->ptr[0]);
		return 0;
	case FRAME_GOAWAY:
		return 0;
	}
	return ERR_UNKNOWN_TYPE;
}

int frame_decode(const struct frame_header *header, struct slice payload, struct frame *out)
{
	struct frame frame = { .type = header->type };
	msgpack_unpacked unpacked;
	int err;

	assert(header->type >= FRAME_HELLO && header->type <= FRAME_TYPE_LAST);
	err = mpcheck_unpack(payload, &frame_rules[header->type], &unpacked);
	if (err != 0)
		return err;
	err = frame_read(&unpacked.data.via.array, &frame);
	msgpack_unpacked_destroy(&unpacked);
	if (err == 0)
		*out = frame;
	else
		frame_release(&frame);
	return err;
}

void frame_release(struct frame *f)
{
	switch (f->type) {
	case FRAME_OPEN:
	case FRAME_STATE:
	case FRAME_COMMITTED:
	case FRAME_CONFIRM:
	case FRAME_CONFIRMED:
	case FRAME_CLOSE:
		free(f->streams.list);
		f->streams = (struct frame_streams){ 0 };
		return;
	case FRAME_RELAYS:
		free(f->relays.list);
		f->relays = (struct frame_relays){ 0 };
		return;
	default:
		return;
	}
}
