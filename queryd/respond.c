// SPDX-License-Identifier: Apache-2.0
/*
 * respond.c - one way out for every answer, in the form its client takes.
 *
 * What can go wrong with a body at the last moment is judged in one place (too long, no memory,
 * no room beside answers that are left unread), and becomes a refusal, which takes the same
 * way. Long bodies are compressed in a thread of their own, as many bytes as RESPOND_WAITING;
 * beyond that, and after PACK_WAIT_MS, they go out plain, for that costs the loop nothing. What
 * has a tag is compressed first, because the tag names the form.
 */
#include "queryd/respond.h"

#include "queryd/answer.h"
#include "queryd/encoding.h"
#include "queryd/etag.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_MAX    11
#define REFUSAL_BYTES  8192
#define PACK_WAIT_MS   2000 /* what has waited longer is sent plain */
#define JSON_TYPE      "application/json"
/* An answer is data: a browser that is made to show it runs and loads nothing of it. */
#define RESPOND_POLICY "default-src 'none'; frame-ancestors 'none'"
#define METRICS_TYPE   "text/plain; version=0.0.4; charset=utf-8"

static unsigned out_of_memory(struct http_request *request)
{
	http_reply_text(request, 503, "out of memory\n");
	return 503;
}

/* The answer outgrew its ceiling. */
static unsigned too_large(struct http_request *request, struct responder *to,
			  struct buf *body)
{
	struct route_refusal why;

	buf_release(body);
	(void)route_refuse(&why, 413, "too_large", "the answer would be too long (max_answer); ask for less");
	return respond_refusal(request, to, &why);
}

/* Others leave theirs unread: that is not Redis' fault. */
static unsigned no_room(struct http_request *request, struct responder *to, struct buf *body)
{
	struct route_refusal why;

	buf_release(body);
	(void)route_refuse(&why, 503, "busy",
			   "too many answers wait to be read by others (max_unread); ask again, or for less");
	return respond_refusal(request, to, &why);
}

/* What an answer says beside its body. */
struct reply {
	unsigned status;
	const char *type;
	const char *etag; /* or NULL */
	const char *allow; /* the methods there are, when it is about that; or NULL */
	bool gzip;        /* the body is, or would be */
};

static void send_reply(struct http_request *request, const struct responder *to,
		       const struct reply *reply, struct buf *body)
{
	const struct config *config = to->config;
	const char *origin = http_header(request, "Origin");
	struct http_header headers[HEADERS_MAX] = {
		{ "X-Content-Type-Options", "nosniff" },
		{ "Cache-Control", "no-cache" },
		{ "Content-Security-Policy", RESPOND_POLICY },
	};
	size_t count = 3;

	if (reply->etag)
		headers[count++] = (struct http_header){ "ETag", reply->etag };
	if (reply->status == 503)
		headers[count++] = (struct http_header){ "Retry-After", "1" };
	if (reply->status == 401)
		headers[count++] =
			(struct http_header){ "WWW-Authenticate", "Bearer realm=\"hourglass\"" };
	if (reply->allow)
		headers[count++] = (struct http_header){ "Allow", reply->allow };
	if (reply->gzip && reply->status != 304)
		headers[count++] = (struct http_header){ "Content-Encoding", "gzip" };
	headers[count++] = (struct http_header){
		"Vary", config->cors_origins[0] ? "Accept-Encoding, Origin" : "Accept-Encoding",
	};
	if (origin && config_allows_origin(config, origin)) {
		headers[count++] =
			(struct http_header){ "Access-Control-Allow-Origin", origin };
		headers[count++] =
			(struct http_header){ "Access-Control-Expose-Headers", "Hourglass-Stale" };
	}
	http_reply(request, reply->status, reply->type, body, headers, count);
}

/* ---- in which form ------------------------------------------------------------------------- */

static void on_accept(void *wishes, const char *line)
{
	encoding_accept(wishes, line);
}

static bool wants_gzip(const struct http_request *request, const struct buf *body)
{
	struct encoding_wishes wishes = ENCODING_NO_WISHES;

	if (buf_status(body) < 0)
		return false;
	http_header_each(request, "Accept-Encoding", on_accept, &wishes);
	return encoding_is_gzip(&wishes, body->size);
}

/* An answer that is compressed beside the loop. */
struct packed {
	struct aside_job job; /* first */
	struct responder *to;
	struct http_request *request;
	struct reply reply;
	struct buf body;
	size_t waiting_bytes;
};

static void pack(struct aside_job *job)
{
	struct packed *p = (struct packed *)job;

	p->reply.gzip = encoding_gzip(&p->body) == 0;
}

static void on_packed(struct aside_job *job, bool late)
{
	struct packed *p = (struct packed *)job;

	(void)late; /* then it is plain */
	p->to->waiting_bytes -= p->waiting_bytes;
	send_reply(p->request, p->to, &p->reply, &p->body);
	free(p);
}

/* Sends the body once it is compressed; false when it must go out as it is. */
static bool send_packed(struct http_request *request, struct responder *to,
			const struct reply *reply, struct buf *body)
{
	uint64_t deadline_ns = uv_hrtime() + PACK_WAIT_MS * UINT64_C(1000000);
	struct packed *p;

	if (body->size > RESPOND_WAITING - to->waiting_bytes)
		return false;
	p = malloc(sizeof(*p));
	if (!p)
		return false;
	*p = (struct packed){
		.job = { .run = pack, .done = on_packed },
		.to = to,
		.request = request,
		.reply = *reply,
		.body = *body,
		.waiting_bytes = body->size,
	};
	to->waiting_bytes += body->size;
	buf_init(body, body->ceiling);
	aside_start(&to->packing, &p->job, deadline_ns);
	return true;
}

/* Sends the body, in the form that the client takes, or why it failed. What has a tag is in its form
 * already. */
static unsigned respond(struct http_request *request, struct responder *to, struct reply *reply,
			struct buf *body)
{
	bool pack_it = !reply->etag && wants_gzip(request, body);

	if (buf_status(body) == -ENOBUFS)
		return too_large(request, to, body);
	if (buf_status(body) < 0) {
		buf_release(body);
		return out_of_memory(request);
	}
	if (!http_has_room(request, body->size))
		return no_room(request, to, body);
	if (pack_it && body->size <= RESPOND_AT_ONCE)
		reply->gzip = encoding_gzip(body) == 0;
	else if (pack_it && send_packed(request, to, reply, body))
		return reply->status;
	send_reply(request, to, reply, body);
	return reply->status;
}

void respond_init(struct responder *to, const struct config *config, uv_loop_t *loop)
{
	*to = (struct responder){ .config = config };
	aside_init(&to->packing, loop);
}

bool respond_busy(const struct responder *to)
{
	return aside_busy(&to->packing);
}

/* ---- answers -------------------------------------------------------------------------------- */

unsigned respond_json(struct http_request *request, struct responder *to, unsigned status,
		      struct buf *body)
{
	struct reply reply = { .status = status, .type = JSON_TYPE };

	return respond(request, to, &reply, body);
}

struct match {
	const char *etag;
	bool has;
};

static void on_match(void *arg, const char *line)
{
	struct match *match = arg;

	match->has |= etag_matches(line, match->etag);
}

/* Whether the client has that form already. */
static bool has_form(const struct http_request *request, const char *etag)
{
	struct match match = { .etag = etag };

	http_header_each(request, "If-None-Match", on_match, &match);
	return match.has;
}

bool respond_form(struct http_request *request, const char *plain, struct buf *body,
		  struct respond_form *form)
{
	*form = (struct respond_form){ .gzip = wants_gzip(request, body) };
	etag_form(plain, form->gzip, form->etag);
	if (has_form(request, form->etag)) {
		buf_release(body);
		return false;
	}
	if (form->gzip && encoding_gzip(body) < 0) {
		form->gzip = false;
		etag_form(plain, false, form->etag);
	}
	return true;
}

unsigned respond_tagged(struct http_request *request, struct responder *to,
			const char *etag, struct buf *body)
{
	struct respond_form form;
	struct reply reply = { .status = 200, .type = JSON_TYPE };

	if (!respond_form(request, etag, body, &form))
		reply.status = 304;
	reply.etag = form.etag;
	reply.gzip = form.gzip;
	return respond(request, to, &reply, body);
}

unsigned respond_text(struct http_request *request, struct responder *to, const char *type,
		      struct buf *body)
{
	struct reply reply = { .status = 200, .type = type };

	return respond(request, to, &reply, body);
}

unsigned respond_refusal(struct http_request *request, struct responder *to,
			 const struct route_refusal *why)
{
	struct reply reply = { .status = why->status, .type = JSON_TYPE, .allow = why->allow };
	struct buf body;

	buf_init(&body, REFUSAL_BYTES);
	answer_refusal(&body, why);
	return respond(request, to, &reply, &body);
}

bool respond_preflight(struct http_request *request, struct responder *to)
{
	const char *origin = http_header(request, "Origin");
	const struct http_header headers[] = {
		{ "Access-Control-Allow-Origin", origin },
		{ "Access-Control-Allow-Methods", "GET, HEAD, POST" },
		{ "Access-Control-Allow-Headers", "Authorization" },
		{ "Access-Control-Max-Age", "600" },
		{ "Vary", "Origin" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Content-Security-Policy", RESPOND_POLICY },
	};
	struct buf nothing;

	if (strcmp(http_method(request), "OPTIONS") != 0 || !origin ||
	    !http_header(request, "Access-Control-Request-Method") ||
	    !config_allows_origin(to->config, origin))
		return false;
	buf_init(&nothing, 1);
	http_reply(request, 204, "text/plain", &nothing, headers, sizeof(headers) / sizeof(*headers));
	return true;
}

unsigned respond_metrics(struct http_request *request, struct buf *body)
{
	const struct http_header headers[] = {
		{ "X-Content-Type-Options", "nosniff" },
		{ "Content-Security-Policy", RESPOND_POLICY },
	};

	if (buf_status(body) < 0) {
		buf_release(body);
		return out_of_memory(request);
	}
	http_reply(request, 200, METRICS_TYPE, body, headers, 2);
	return 200;
}
