// SPDX-License-Identifier: Apache-2.0
/*
 * peer.c - events in, peer_fsm_step, actions out; links that outlive their peer's interest.
 *
 * A stream may still call back after it was told to close. So the connection is a struct of its
 * own: to let it go, its `peer` is set to NULL, and the last callback frees it. Every loop over
 * frames asks that pointer again, because a frame may end the connection that it came by. At the
 * end of a callback that may have changed something the owner is told `settled`, and works on it.
 */
#include "agent/peer.h"

#include "agent/handshake.h"
#include "proto/daemon/advice.h"
#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/net/addr.h"
#include "proto/net/stream.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define PEER_FRAME_BYTES   (FRAME_HEADER_BYTES + LIMIT_FRAME_BYTES)
/* A SYN that was lost comes again after 1 s. */
#define PEER_CONNECT_MS    3000
#define PEER_CEILING_BYTES (PEER_QUEUE_BYTES + 4 * PEER_FRAME_BYTES)
#define PEER_LOG_MS        60000

/* One connection. It outlives its peer's interest in it until the stream says `closed`. */
struct peer_link {
	struct peer *peer; /* NULL: nobody listens any more */
	struct stream *stream;
	struct buf in; /* the begin of a frame that is not whole yet */
};

struct peer {
	struct peer_fsm fsm;
	struct peer_link *link; /* NULL when there is no connection */
	uv_loop_t *loop;
	struct addr address;
	char name[ADDR_TEXT_SIZE];
	size_t slot;
	uint64_t session;
	int reason; /* why the last connection ended */
	int64_t hello_ms; /* when HELLO was sent */
	struct handshake handshake;
	int refusal; /* why the last connection was refused; 0 once there is a session */
	const struct peer_events *events;
	void *arg;
	struct log_limit limit;
	int logged_reason; /* of the last failure to connect */
	int64_t logged_ms;
};

static void peer_step(struct peer *p, enum peer_event event);

/* ---- out ---- */

int peer_send(struct peer *p, const struct frame *f)
{
	struct buf out;
	int status;

	if (p->link == NULL)
		return -ENOTCONN;
	if (f->type == FRAME_BATCH && stream_queued(p->link->stream) > PEER_QUEUE_BYTES)
		return -ENOBUFS;
	buf_init(&out, PEER_FRAME_BYTES);
	frame_encode(&out, f);
	status = buf_status(&out);
	if (status == 0)
		status = stream_write(p->link->stream, buf_view(&out));
	buf_release(&out);
	return status;
}

/* What must go out or the connection is of no use. */
static void peer_must_send(struct peer *p, const struct frame *f)
{
	int status = peer_send(p, f);

	if (status < 0)
		log_debug("peer_send", "peer=%s frame=%s err=%s", p->name,
			  frame_type_name(f->type), err_name(status));
}

static void peer_say_hello(struct peer *p)
{
	struct frame f = { .type = FRAME_HELLO,
			   .hello = { .version_min = FRAME_VERSION_MIN,
				      .version_max = FRAME_VERSION_MAX,
				      .clock_ms = life_wall_ms() } };

	uint8_t nonce[AUTH_NONCE_BYTES];
	struct slice secret = slice_of(NULL, 0);

	p->hello_ms = life_monotonic_ms();
	p->events->hello(p->arg, &f.hello, &secret);
	life_random(nonce, sizeof(nonce));
	handshake_begin(&p->handshake, secret, &f.hello, nonce);
	peer_must_send(p, &f);
}

static void peer_ping(struct peer *p, enum frame_type type, uint64_t token)
{
	struct frame f = { .type = type,
			   .ping = { .token = token, .clock_ms = life_wall_ms() } };

	peer_must_send(p, &f);
}

/* ---- in ---- */

/* It is tried again every few seconds for as long as it takes: each reason is said once, and then
 * once a minute. */
static bool peer_may_log(struct peer *p, int reason)
{
	int64_t now_ms = life_monotonic_ms();

	if (reason == p->logged_reason && now_ms < p->logged_ms + PEER_LOG_MS)
		return false;
	p->logged_reason = reason;
	p->logged_ms = now_ms;
	return true;
}

/* by_us: it is we who want nothing of the relay. */
static void peer_refuse(struct peer *p, int code, struct slice text, bool by_us)
{
	char quoted[LOG_QUOTE_SIZE];

	p->refusal = code;
	if (peer_may_log(p, code))
		log_error("relay_refused", "peer=%s by=%s reason=%s text=%s%s%s%s", p->name,
			  by_us ? "us" : "relay", err_name(code), log_quote(text, quoted),
			  code == ERR_BAD_AUTH ? " hint=\"" : "",
			  code == ERR_BAD_AUTH ? handshake_hint(&p->handshake, by_us) : "",
			  code == ERR_BAD_AUTH ? "\"" : "");
	peer_step(p, PEER_EVENT_REFUSED);
}

static void peer_challenged(struct peer *p, struct slice nonce)
{
	struct frame f = { .type = FRAME_PROOF };
	int status = ERR_PROTOCOL;

	if (p->fsm.state == PEER_HELLO_SENT)
		status = handshake_challenge(&p->handshake, nonce, &f.auth);
	if (status == 0)
		peer_must_send(p, &f);
	else
		peer_refuse(p, status, slice_text(frame_type_name(FRAME_CHALLENGE)), true);
}

static void peer_welcomed(struct peer *p, const struct frame_welcome *welcome)
{
	int status = 0;

	if (welcome->version < FRAME_VERSION_MIN || welcome->version > FRAME_VERSION_MAX)
		status = ERR_VERSION;
	if (status == 0)
		status = handshake_welcome(&p->handshake, welcome);
	if (status == 0)
		status = p->events->welcome(p->arg, p->slot, welcome);
	if (status < 0) {
		peer_refuse(p, status, slice_text(err_text(status)), true);
		return;
	}
	p->events->clock(p->arg, p->slot, welcome->clock_ms, life_monotonic_ms() - p->hello_ms);
	peer_step(p, PEER_EVENT_WELCOME);
}

/* A PING's token is the time at which it was sent; one that cannot be ours says nothing. */
static void peer_ponged(struct peer *p, const struct frame_ping *pong)
{
	int64_t asked_ms = (int64_t)pong->token, now_ms = life_monotonic_ms();

	if (asked_ms >= p->hello_ms && asked_ms <= now_ms)
		p->events->clock(p->arg, p->slot, pong->clock_ms, now_ms - asked_ms);
}

static void peer_frame(struct peer *p, const struct frame *f)
{
	bool serves = p->fsm.state == PEER_READY || p->fsm.state == PEER_DRAINING;

	switch (f->type) {
	case FRAME_WELCOME:
		if (p->fsm.state == PEER_HELLO_SENT)
			peer_welcomed(p, &f->welcome);
		return;
	case FRAME_CHALLENGE:
		peer_challenged(p, f->auth);
		return;
	case FRAME_REFUSED:
		peer_refuse(p, (int)f->refused.code, f->refused.text, false);
		return;
	case FRAME_PING:
		peer_ping(p, FRAME_PONG, f->ping.token);
		return;
	case FRAME_PONG:
		peer_ponged(p, &f->ping);
		return;
	case FRAME_GOAWAY:
		log_info("relay_leaving", "peer=%s", p->name);
		peer_step(p, PEER_EVENT_GOAWAY);
		return;
	case FRAME_STATE:
	case FRAME_COMMITTED:
	case FRAME_CONFIRMED:
	case FRAME_RELAYS:
	case FRAME_BUSY:
	case FRAME_STORE:
		if (serves) {
			p->events->frame(p->arg, p->slot, p->session, f);
			return;
		}
		break;
	default:
		break;
	}
	peer_refuse(p, ERR_PROTOCOL, slice_text(frame_type_name(f->type)), true);
}

/* Handles the whole frames of *bytes and moves it on to what is left. */
static int peer_frames(struct peer_link *link, struct slice *bytes)
{
	struct frame_header header;
	struct slice payload;
	struct frame f;
	int status = 0;

	while (link->peer != NULL) {
		status = frame_next(bytes, &header, &payload);
		if (status != 1)
			break;
		status = frame_decode(&header, payload, &f);
		if (status < 0)
			break;
		peer_frame(link->peer, &f);
		frame_release(&f);
	}
	return status < 0 ? status : 0;
}

static void peer_on_data(void *arg, struct slice bytes)
{
	struct peer_link *link = arg;
	struct peer *p = link->peer;
	struct slice left = bytes;
	struct buf rest;
	int status;

	if (p == NULL)
		return;
	peer_step(p, PEER_EVENT_BYTES);
	if (link->in.size > 0) {
		buf_put_slice(&link->in, bytes);
		left = buf_view(&link->in);
	}
	status = buf_status(&link->in);
	if (status == 0)
		status = peer_frames(link, &left);
	buf_init(&rest, link->in.ceiling);
	buf_put_slice(&rest, left);
	buf_release(&link->in);
	link->in = rest;
	if (status == 0)
		status = buf_status(&link->in);
	if (status < 0 && link->peer != NULL)
		peer_refuse(link->peer, status, slice_text("what the relay sent"), true);
	p->events->settled(p->arg);
}

static void peer_on_connected(void *arg)
{
	struct peer_link *link = arg;

	if (link->peer != NULL)
		peer_step(link->peer, PEER_EVENT_CONNECTED);
}

static void peer_on_drained(void *arg)
{
	struct peer_link *link = arg;
	struct peer *p = link->peer;

	if (p == NULL)
		return;
	p->events->drained(p->arg, p->slot);
	p->events->settled(p->arg);
}

static void peer_on_closed(void *arg, int reason)
{
	struct peer_link *link = arg;
	struct peer *p = link->peer;

	buf_release(&link->in);
	free(link);
	if (p == NULL)
		return;
	p->link = NULL;
	p->reason = reason;
	peer_step(p, PEER_EVENT_CLOSED);
	p->events->settled(p->arg);
}

/* ---- actions ---- */

static int peer_connect(struct peer *p)
{
	static const struct stream_events events = {
		.connected = peer_on_connected,
		.data = peer_on_data,
		.drained = peer_on_drained,
		.closed = peer_on_closed,
	};
	struct stream_options options = { .connect_timeout_ms = PEER_CONNECT_MS,
					  .write_ceiling_bytes = PEER_CEILING_BYTES };
	struct peer_link *link = calloc(1, sizeof(*link));
	int status;

	if (link == NULL)
		return -ENOMEM;
	link->peer = p;
	/* One read may bring the end of a frame and all of the next. */
	buf_init(&link->in, 2 * PEER_FRAME_BYTES);
	status = stream_connect(p->loop, &p->address, &options, &events, link, &link->stream);
	if (status < 0) {
		free(link);
		return status;
	}
	p->link = link;
	return 0;
}

/* Lets go of the connection; what it still reports is for nobody. */
static void peer_unlink(struct peer *p, bool flush)
{
	struct peer_link *link = p->link;

	if (link == NULL)
		return;
	p->link = NULL;
	link->peer = NULL;
	stream_close(link->stream, flush);
}

static const char *peer_reason(const struct peer *p)
{
	if (p->reason == 0)
		return "closed";
	if (p->reason == UV_EOF)
		return "eof";
	return p->reason <= UV_EAI_ADDRFAMILY ? uv_err_name(p->reason) : err_name(p->reason);
}

static void peer_log_failure(struct peer *p)
{
	const char *hint = advice_relay(p->reason);

	if (p->refusal == 0 && peer_may_log(p, p->reason))
		log_warn("relay_unreachable", "peer=%s err=%s%s%s%s", p->name, peer_reason(p),
			 *hint ? " hint=\"" : "", hint, *hint ? "\"" : "");
}

static void peer_log_down(struct peer *p, int64_t now_ms)
{
	uint64_t suppressed;

	if (log_allowed(&p->limit, now_ms, &suppressed))
		log_info("peer_down", "peer=%s err=%s retry_ms=%" PRId64, p->name,
			 peer_reason(p), p->fsm.retry_ms - now_ms);
}

static void peer_act(struct peer *p, unsigned actions, enum peer_event event, int64_t now_ms)
{
	if (actions & PEER_DO_CLOSE) {
		p->reason = event == PEER_EVENT_JUDGE ? -ETIMEDOUT : 0;
		peer_unlink(p, false);
	}
	if (actions & PEER_DO_DOWN) {
		peer_log_down(p, now_ms);
		p->events->down(p->arg, p->slot);
	} else if (event == PEER_EVENT_CLOSED || (actions & PEER_DO_CLOSE)) {
		peer_log_failure(p);
	}
	if (actions & PEER_DO_CONNECT) {
		p->reason = peer_connect(p);
		if (p->reason < 0)
			peer_step(p, PEER_EVENT_CLOSED);
	}
	if (actions & PEER_DO_HELLO)
		peer_say_hello(p);
	if (actions & PEER_DO_UP) {
		p->session++;
		p->refusal = 0;
		log_info("peer_up", "peer=%s", p->name);
		p->events->up(p->arg, p->slot, p->session);
	}
	if (actions & PEER_DO_LEAVING)
		p->events->leaving(p->arg, p->slot);
	if (actions & PEER_DO_PING)
		peer_ping(p, FRAME_PING, (uint64_t)now_ms);
}

static void peer_step(struct peer *p, enum peer_event event)
{
	int64_t now_ms = life_monotonic_ms();
	uint32_t random = 0;

	if (event != PEER_EVENT_BYTES && event != PEER_EVENT_TICK)
		life_random(&random, sizeof(random));
	peer_act(p, peer_fsm_step(&p->fsm, event, now_ms, random), event, now_ms);
}

/* ---- life ---- */

int peer_new(uv_loop_t *loop, const char *name, size_t slot, int64_t timeout_ms,
	     const struct peer_events *events, void *arg, struct peer **out)
{
	struct peer *p = calloc(1, sizeof(*p));
	int status;

	if (p == NULL)
		return -ENOMEM;
	p->loop = loop;
	p->slot = slot;
	p->events = events;
	p->arg = arg;
	/* Sessions of all peers, also of later ones in this slot, must differ. */
	life_random(&p->session, sizeof(p->session));
	status = addr_parse(slice_text(name), &p->address);
	if (status < 0) {
		free(p);
		return status;
	}
	addr_format(&p->address, p->name);
	peer_fsm_init(&p->fsm, timeout_ms);
	*out = p;
	peer_step(p, PEER_EVENT_START);
	return 0;
}

void peer_close(struct peer *p, bool flush)
{
	bool serves = p->fsm.state == PEER_READY || p->fsm.state == PEER_DRAINING;

	peer_unlink(p, flush);
	if (serves)
		p->events->down(p->arg, p->slot);
	free(p);
}

void peer_tick(struct peer *p, int64_t now_ms)
{
	if (peer_fsm_may_tick(&p->fsm, now_ms))
		peer_step(p, PEER_EVENT_TICK);
}

void peer_judge(struct peer *p, int64_t now_ms)
{
	if (peer_fsm_is_late(&p->fsm, now_ms))
		peer_step(p, PEER_EVENT_JUDGE);
}

void peer_set_quiet(struct peer *p, bool quiet, int64_t now_ms)
{
	peer_fsm_set_quiet(&p->fsm, quiet, now_ms);
}

int64_t peer_next_ms(const struct peer *p)
{
	return peer_fsm_next_ms(&p->fsm);
}

enum peer_state peer_state(const struct peer *p)
{
	return p->fsm.state;
}

const char *peer_name(const struct peer *p)
{
	return p->name;
}

int peer_refusal(const struct peer *p)
{
	return p->refusal;
}

size_t peer_queued(const struct peer *p)
{
	return p->link ? stream_queued(p->link->stream) : 0;
}
