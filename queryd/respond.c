// SPDX-License-Identifier: Apache-2.0
#include "queryd/respond.h"

#include "queryd/answer.h"
#include "queryd/encoding.h"
#include "queryd/etag.h"

#include <errno.h>

#define HEADERS_MAX    10
#define REFUSAL_BYTES  8192
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
static unsigned too_large(struct http_request *request, const struct config *config,
			  struct buf *body)
{
	struct route_refusal why;

	buf_release(body);
	(void)route_refuse(&why, 413, "too_large", "the answer would be too long (max_answer); ask for less");
	return respond_refusal(request, config, &why);
}

/* What an answer says beside its body. */
struct reply {
	unsigned status;
	const char *type;
	const char *etag; /* or NULL */
	bool gzip;        /* the body is, or would be */
};

static void send_reply(struct http_request *request, const struct config *config,
		       const struct reply *reply, struct buf *body)
{
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
	if (reply->status == 405)
		headers[count++] = (struct http_header){ "Allow", "GET, HEAD" };
	if (reply->gzip && reply->status != 304)
		headers[count++] = (struct http_header){ "Content-Encoding", "gzip" };
	headers[count++] = (struct http_header){
		"Vary", config->cors_origins[0] ? "Accept-Encoding, Origin" : "Accept-Encoding",
	};
	if (origin && config_allows_origin(config, origin))
		headers[count++] =
			(struct http_header){ "Access-Control-Allow-Origin", origin };
	http_reply(request, reply->status, reply->type, body, headers, count);
}

static bool wants_gzip(const struct http_request *request, const struct buf *body)
{
	return buf_status(body) == 0 &&
	       encoding_is_gzip(http_header(request, "Accept-Encoding"), body->size);
}

/* Sends the body, in the form that the client takes, or why it failed. */
static unsigned respond(struct http_request *request, const struct config *config,
			struct reply *reply, struct buf *body)
{
	if (!reply->etag && wants_gzip(request, body))
		reply->gzip = encoding_gzip(body) == 0;
	if (buf_status(body) == -ENOBUFS)
		return too_large(request, config, body);
	if (buf_status(body) < 0) {
		buf_release(body);
		return out_of_memory(request);
	}
	send_reply(request, config, reply, body);
	return reply->status;
}

unsigned respond_json(struct http_request *request, const struct config *config, unsigned status,
		      struct buf *body)
{
	struct reply reply = { .status = status, .type = JSON_TYPE };

	return respond(request, config, &reply, body);
}

bool respond_form(struct http_request *request, const char *plain, struct buf *body,
		  struct respond_form *form)
{
	const char *has = http_header(request, "If-None-Match");

	*form = (struct respond_form){ .gzip = wants_gzip(request, body) };
	etag_form(plain, form->gzip, form->etag);
	if (etag_matches(has, form->etag)) {
		buf_release(body);
		return false;
	}
	if (form->gzip && encoding_gzip(body) < 0) {
		form->gzip = false;
		etag_form(plain, false, form->etag);
	}
	return true;
}

unsigned respond_tagged(struct http_request *request, const struct config *config,
			const char *etag, struct buf *body)
{
	struct respond_form form;
	struct reply reply = { .status = 200, .type = JSON_TYPE };

	if (!respond_form(request, etag, body, &form))
		reply.status = 304;
	reply.etag = form.etag;
	reply.gzip = form.gzip;
	return respond(request, config, &reply, body);
}

unsigned respond_text(struct http_request *request, const struct config *config, const char *type,
		      struct buf *body)
{
	struct reply reply = { .status = 200, .type = type };

	return respond(request, config, &reply, body);
}

unsigned respond_refusal(struct http_request *request, const struct config *config,
			 const struct route_refusal *why)
{
	struct buf body;

	buf_init(&body, REFUSAL_BYTES);
	answer_refusal(&body, why);
	return respond_json(request, config, why->status, &body);
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
