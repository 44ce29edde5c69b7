// SPDX-License-Identifier: Apache-2.0
/*
 * session_fsm.c - frames out of bytes, then one switch by type.
 *
 * A frame that came whole is read in place, without a copy. One in parts is collected in `in`:
 * first its header, by which it is admitted or refused before any of its payload is kept, then as
 * many bytes as it still lacks, so `in` never holds a byte of the next frame. A handler returns why
 * the session must be refused, and whoever reads frames does that; SESSION_ENDED says that nothing
 * may be sent or read any more, also in the midst of a loop.
 */
#include "relay/session_fsm.h"

#include "proto/batch.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "relay/gate.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define SESSION_FRAME_BYTES (FRAME_HEADER_BYTES + LIMIT_FRAME_BYTES)

/* A frame buffer that has grown beyond this is freed after its frame: ten thousand idle
 * connections must not keep ten thousand batches' room. */
#define SESSION_KEEP_BYTES 16384

/* The token of the PING that follows GOAWAY; those of session_tick have 0. */
#define SESSION_LEAVE_TOKEN 1

/* CONFIRMs under way, in rounds over all partitions: an agent asks every ten seconds. */
#define SESSION_CONFIRM_ROUNDS 4

void session_init(struct session *s, struct session_hub *hub, void *owner, int64_t now_ms)
{
	*s = (struct session){ .hub = hub, .owner = owner, .state = SESSION_HELLO,
			       .born_ms = now_ms, .heard_ms = now_ms, .pinged_ms = now_ms };
	committer_peer_init(&s->peer, ++hub->sessions);
	buf_init(&s->in, SESSION_FRAME_BYTES);
}

void session_release(struct session *s)
{
	s->state = SESSION_ENDED;
	committer_peer_gone(&s->peer);
	buf_release(&s->in);
	gate_release(s);
}

const char *session_state_name(enum session_state state)
{
	static const char *const names[] = {
#define SESSION_NAME(name, text) [SESSION_##name] = #name,
		SESSION_STATES(SESSION_NAME)
#undef SESSION_NAME
	};

	return names[state];
}

/* ---- out ---- */

static void session_end(struct session *s)
{
	s->state = SESSION_ENDED;
	s->hub->effects->close(s->hub->arg, s);
}

void session_send(struct session *s, const struct frame *f)
{
	struct buf out;

	if (s->state == SESSION_ENDED)
		return;
	buf_init(&out, SIZE_MAX);
	frame_encode(&out, f);
	/* Without memory for a frame the agent would wait for ever: let it come again. */
	if (buf_status(&out) == 0) {
		s->hub->effects->send(s->hub->arg, s, buf_view(&out));
	} else {
		session_end(s);
	}
	buf_release(&out);
}

static void session_count_refusal(struct relay_counters *n, int code)
{
	switch (code) {
	case ERR_VERSION:
		tally_add(&n->refusals_version, 1);
		break;
	case ERR_FOREIGN_CONFIG:
		tally_add(&n->refusals_config, 1);
		break;
	case ERR_BAD_AUTH:
		tally_add(&n->refusals_auth, 1);
		break;
	case ERR_PROTOCOL:
	case ERR_BAD_CHAIN:
	case ERR_UNKNOWN_TYPE:
		tally_add(&n->refusals_protocol, 1);
		break;
	case ERR_TRUNCATED:
	case ERR_TRAILING:
	case ERR_MALFORMED:
	case ERR_TOO_LARGE:
	case ERR_TOO_DEEP:
	case ERR_OUT_OF_RANGE:
		tally_add(&n->refusals_malformed, 1);
		break;
	default:
		tally_add(&n->refusals_other, 1);
	}
}

void session_refuse(struct session *s, int code)
{
	const char *text = err_text(code);
	struct frame f = { .type = FRAME_REFUSED,
			   .refused = { .code = code, .text = slice_text(text) } };

	if (s->state == SESSION_ENDED)
		return;
	session_count_refusal(s->hub->counters, code);
	s->hub->effects->refused(s->hub->arg, s, code, text);
	session_send(s, &f);
	if (s->state != SESSION_ENDED)
		session_end(s);
}

void session_tell_busy(struct session *s)
{
	struct frame f = { .type = FRAME_BUSY, .busy = s->hub->busy };

	if (s->state != SESSION_OPEN || s->told_busy == s->hub->busy)
		return;
	s->told_busy = s->hub->busy;
	session_send(s, &f);
}

void session_tell_store(struct session *s)
{
	struct frame f = { .type = FRAME_STORE, .full = s->hub->full };

	if (s->state != SESSION_OPEN || !s->knows_store || s->told_full == s->hub->full)
		return;
	s->told_full = s->hub->full;
	session_send(s, &f);
}

void session_tell_relays(struct session *s)
{
	struct frame f = { .type = FRAME_RELAYS, .relays = s->hub->relays };

	if (s->state == SESSION_OPEN)
		session_send(s, &f);
}

static bool session_greets(const struct session *s)
{
	return s->state == SESSION_HELLO || s->state == SESSION_PROOF;
}

void session_leave(struct session *s)
{
	struct frame goaway = { .type = FRAME_GOAWAY };
	struct frame ping = { .type = FRAME_PING, .ping = { .token = SESSION_LEAVE_TOKEN } };

	if (session_greets(s))
		session_end(s);
	if (s->state != SESSION_OPEN)
		return;
	session_send(s, &goaway);
	session_send(s, &ping);
	if (s->state == SESSION_OPEN)
		s->state = SESSION_LEAVING;
}

bool session_quiet(const struct session *s)
{
	return s->state == SESSION_ENDED || (s->state == SESSION_LEAVING && s->quiet);
}

/* Lists are at most LIMIT_FRAME_STREAMS long; a frame of that many still fits its limit. */
static void session_send_streams(struct session *s, enum frame_type type,
				 struct frame_streams streams)
{
	struct frame f = { .type = type, .streams = streams };

	session_send(s, &f);
}

static struct session *session_of(struct committer_peer *peer)
{
	return LIST_ENTRY(peer, struct session, peer);
}

void session_state(struct committer_peer *peer, enum frame_cause cause, struct frame_stream *list,
		   size_t count)
{
	session_send_streams(session_of(peer), FRAME_STATE,
			     (struct frame_streams){ .cause = cause, .list = list,
						     .count = count });
}

void session_committed(struct committer_peer *peer, struct frame_stream *list, size_t count)
{
	session_send_streams(session_of(peer), FRAME_COMMITTED,
			     (struct frame_streams){ .list = list, .count = count });
}

void session_confirmed(struct committer_peer *peer, uint64_t token, struct frame_stream *list,
		       size_t count)
{
	struct session *s = session_of(peer);

	session_send_streams(s, FRAME_CONFIRMED,
			     (struct frame_streams){ .token = token, .stable = s->hub->stable,
						     .list = list, .count = count });
}

void session_refuse_peer(struct committer_peer *peer, int code)
{
	session_refuse(session_of(peer), code);
}

/* ---- in ---- */

/* Each handler returns 0, or why the session must be refused. */

/* An agent speaks of its own streams only. */
static bool session_owns(const struct session *s, const struct stream_id *id)
{
	return memcmp(id->bytes, s->agent_id, sizeof(s->agent_id)) == 0;
}

static int session_open(struct session *s, const struct frame_streams *streams)
{
	for (size_t i = 0; i < streams->count; i++) {
		const struct frame_stream *item = &streams->list[i];
		int rc;

		if (item->partition >= s->hub->partitions)
			return ERR_OUT_OF_RANGE;
		if (!session_owns(s, &item->id))
			return ERR_PROTOCOL;
		if (s->peer.track_count >= SESSION_STREAMS_MAX)
			return ERR_OVER_LIMIT;
		rc = committer_open(&s->hub->committers[item->partition], &s->peer, &item->id,
				    item->base_seq);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int session_batch(struct session *s, const struct frame_batch *batch, int64_t now_ms)
{
	struct batch_header header;
	int rc = batch_peek(batch->bytes, &header);

	if (rc == 0 && header.cfg != s->hub->cfg)
		rc = ERR_FOREIGN_CONFIG;
	if (rc == 0 && header.partition >= s->hub->partitions)
		rc = ERR_OUT_OF_RANGE;
	if (rc == 0 && !session_owns(s, &batch->id))
		rc = ERR_PROTOCOL;
	if (rc < 0)
		return rc;
	return committer_batch(&s->hub->committers[header.partition], &s->peer, batch, &header,
			       now_ms);
}

static int session_by_partition(const void *left, const void *right)
{
	uint32_t a = ((const struct frame_stream *)left)->partition;
	uint32_t b = ((const struct frame_stream *)right)->partition;

	return (a > b) - (a < b);
}

/* Hands each partition its part of a list. */
static int session_split(struct session *s, struct frame_streams *streams,
			 void (*part)(struct session *s, struct committer *c,
				      const struct frame_streams *streams,
				      const struct frame_stream *list, size_t count))
{
	struct frame_stream *list = streams->list;
	size_t from = 0;

	if (streams->count == 0)
		return 0;
	qsort(list, streams->count, sizeof(*list), session_by_partition);
	if (list[streams->count - 1].partition >= s->hub->partitions)
		return ERR_OUT_OF_RANGE;
	for (size_t i = 0; i < streams->count; i++)
		if (!session_owns(s, &list[i].id))
			return ERR_PROTOCOL;
	for (size_t i = 1; i <= streams->count; i++) {
		if (i < streams->count && list[i].partition == list[from].partition)
			continue;
		part(s, &s->hub->committers[list[from].partition], streams, list + from, i - from);
		from = i;
	}
	return 0;
}

static void session_confirm_part(struct session *s, struct committer *c,
				 const struct frame_streams *streams,
				 const struct frame_stream *list, size_t count)
{
	/* Who asks faster than Redis answers is not answered; it will ask again. */
	if (s->peer.call_count < (size_t)SESSION_CONFIRM_ROUNDS * s->hub->partitions)
		committer_confirm(c, &s->peer, streams->token, list, count);
}

static void session_close_part(struct session *s, struct committer *c,
			       const struct frame_streams *streams,
			       const struct frame_stream *list, size_t count)
{
	(void)streams;
	committer_close(c, &s->peer, list, count);
}

static int session_ping(struct session *s, const struct frame_ping *ping, int64_t now_ms)
{
	struct frame f = { .type = FRAME_PONG,
			   .ping = { .token = ping->token,
				     .clock_ms = now_ms + *s->hub->unix_offset_ms } };

	session_send(s, &f);
	return 0;
}

static int session_frame(struct session *s, struct frame *f, int64_t now_ms)
{
	switch (f->type) {
	case FRAME_HELLO:
		return gate_hello(s, &f->hello, now_ms);
	case FRAME_PROOF:
		return gate_proof(s, f->auth, now_ms);
	case FRAME_OPEN:
		return session_open(s, &f->streams);
	case FRAME_BATCH:
		return session_batch(s, &f->batch, now_ms);
	case FRAME_CONFIRM:
		return session_split(s, &f->streams, session_confirm_part);
	case FRAME_CLOSE:
		return session_split(s, &f->streams, session_close_part);
	case FRAME_WATERMARK:
		s->hub->effects->watermark(s->hub->arg, s->agent_id, &f->watermark);
		return 0;
	case FRAME_PING:
		return session_ping(s, &f->ping, now_ms);
	case FRAME_PONG:
		s->quiet = s->quiet || (s->state == SESSION_LEAVING &&
					f->ping.token == SESSION_LEAVE_TOKEN);
		return 0;
	default:
		return ERR_PROTOCOL;
	}
}

/* Whether a frame may come now, and be as large: judged by its first bytes. */
static int session_admits(const struct session *s, enum frame_type type, size_t size)
{
	if (session_greets(s) && size > SESSION_GREETING_BYTES)
		return ERR_TOO_LARGE;
	if ((s->state == SESSION_HELLO) != (type == FRAME_HELLO) ||
	    (s->state == SESSION_PROOF) != (type == FRAME_PROOF))
		return ERR_PROTOCOL;
	return 0;
}

/* Handles one whole frame. False: the session has ended. */
static bool session_take(struct session *s, const struct frame_header *header,
			 struct slice payload, int64_t now_ms)
{
	struct frame f;
	int rc = session_admits(s, header->type, header->size);

	if (rc == 0)
		rc = frame_decode(header, payload, &f);
	if (rc == 0) {
		rc = session_frame(s, &f, now_ms);
		frame_release(&f);
	}
	if (rc < 0)
		session_refuse(s, rc);
	return s->state != SESSION_ENDED;
}

/* How many bytes the frame in `in` still lacks, as far as it has told. */
static size_t session_lacks(const struct session *s)
{
	struct reader r = reader_of(buf_view(&s->in));

	if (s->in.size < FRAME_HEADER_BYTES)
		return FRAME_HEADER_BYTES - s->in.size;
	return FRAME_HEADER_BYTES + (size_t)reader_u32(&r) - s->in.size;
}

/* session_admits of the frame in `in`, whose header is there and in order. */
static int session_admits_begun(const struct session *s)
{
	struct reader r = reader_of(buf_view(&s->in));
	uint32_t size = reader_u32(&r);

	(void)reader_u8(&r); /* the version */
	return session_admits(s, (enum frame_type)reader_u8(&r), size);
}

/* Takes bytes of a frame that came in parts. False: the session has ended. */
static bool session_continue(struct session *s, struct slice *bytes, int64_t now_ms)
{
	size_t lacks = session_lacks(s), size = bytes->size < lacks ? bytes->size : lacks;
	struct frame_header header;
	struct slice view, payload;
	bool go_on;
	int rc;

	buf_put(&s->in, bytes->ptr, size);
	*bytes = slice_of(bytes->ptr + size, bytes->size - size);
	rc = buf_status(&s->in);
	view = buf_view(&s->in);
	if (rc == 0)
		rc = frame_next(&view, &header, &payload);
	if (rc == 0 && s->in.size >= FRAME_HEADER_BYTES)
		rc = session_admits_begun(s);
	if (rc < 0)
		session_refuse(s, rc);
	if (rc <= 0)
		return rc == 0;
	go_on = session_take(s, &header, payload, now_ms);
	if (s->in.capacity > SESSION_KEEP_BYTES)
		buf_release(&s->in);
	else
		buf_reset(&s->in);
	return go_on;
}

void session_data(struct session *s, struct slice bytes, int64_t now_ms)
{
	s->heard_ms = now_ms;
	while (bytes.size > 0 && s->state != SESSION_ENDED) {
		struct frame_header header;
		struct slice payload;
		int rc;

		if (s->in.size > 0) {
			if (!session_continue(s, &bytes, now_ms))
				return;
			continue;
		}
		rc = frame_next(&bytes, &header, &payload);
		if (rc < 0)
			session_refuse(s, rc);
		else if (rc > 0)
			session_take(s, &header, payload, now_ms);
		else if (!session_continue(s, &bytes, now_ms))
			return;
	}
}

void session_heard(struct session *s, int64_t now_ms)
{
	s->heard_ms = now_ms;
	if (session_greets(s))
		s->born_ms = now_ms;
}

void session_tick(struct session *s, int64_t now_ms)
{
	int64_t silent_ms = now_ms - s->heard_ms;
	struct frame f = { .type = FRAME_PING,
			   .ping = { .clock_ms = now_ms + *s->hub->unix_offset_ms } };

	if (session_greets(s) && now_ms - s->born_ms >= SESSION_HELLO_MS) {
		tally_add(&s->hub->counters->timeouts_hello, 1);
		session_refuse(s, -ETIMEDOUT);
	} else if (s->state != SESSION_ENDED && silent_ms >= SESSION_IDLE_MS) {
		tally_add(&s->hub->counters->timeouts_idle, 1);
		session_refuse(s, -ETIMEDOUT);
	} else if (!session_greets(s) && silent_ms >= SESSION_PING_MS &&
		   now_ms - s->pinged_ms >= SESSION_PING_MS) {
		s->pinged_ms = now_ms;
		session_send(s, &f);
	}
}
