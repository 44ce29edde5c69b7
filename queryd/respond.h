/*
 * respond.h - from a finished answer to HTTP.
 *
 * The headers that every answer has: JSON, `nosniff`, `no-cache`, a Content-Security-Policy that
 * allows nothing, Retry-After with 503, WWW-Authenticate with 401, Allow with 405, and Access-Control-Allow-Origin for an origin that the operator has listed.
 * Here, after all that makes an answer, it is compressed for who takes that (encoding.h); each form
 * has an entity tag of its own. What is longer than RESPOND_AT_ONCE is compressed beside the loop, one after the
 * other (aside.h); it goes out plain when it would wait too long or too many bytes wait already. Metrics
 * stay plain: whoever scrapes them is near.
 */
#ifndef QUERYD_RESPOND_H
#define QUERYD_RESPOND_H

#include "proto/buf.h"
#include "proto/daemon/http.h"
#include "queryd/aside.h"
#include "queryd/config.h"
#include "queryd/etag.h"
#include "queryd/route.h"

#define RESPOND_AT_ONCE (256u << 10) /* compressed on the loop: a millisecond */
#define RESPOND_WAITING (64u << 20)  /* bytes that wait to be compressed */

/* What all answers share. */
struct responder {
	/* private */
	const struct config *config;
	struct aside packing;
	size_t waiting_bytes;
};

/* Both are borrowed. */
void respond_init(struct responder *to, const struct config *config, uv_loop_t *loop);

/* Whether an answer is being compressed. */
bool respond_busy(const struct responder *to);

/* The form that a client gets of something tagged. */
struct respond_form {
	char etag[ETAG_FORM_SIZE];
	bool gzip;
};

/* Brings a short body into the form that the client takes; plain is the tag of the plain one. False, and the
 * body released, when the client has that form already (If-None-Match): the answer is 304. */
bool respond_form(struct http_request *request, const char *plain, struct buf *body,
		  struct respond_form *form);

/* Replies with JSON; the bytes leave *body. A body that failed becomes a plain 503. Returns the
 * status that was sent. */
unsigned respond_json(struct http_request *request, struct responder *to, unsigned status,
		      struct buf *body);

/* Replies with JSON that has an entity tag (etag.h); with 304 and no body if the client has it. */
unsigned respond_tagged(struct http_request *request, struct responder *to,
			const char *etag, struct buf *body);

/* Answers a browser that asks whether a page of another origin may send a request with headers of its
 * own (OPTIONS, Fetch 4.8): a listed origin may, with a token. False, and nothing sent, when it is no such
 * question or the origin is not listed. */
bool respond_preflight(struct http_request *request, struct responder *to);

/* Replies with an error of the closed list. Returns its status. */
unsigned respond_refusal(struct http_request *request, struct responder *to,
			 const struct route_refusal *why);

/* Replies 200 with text of another type than JSON; the bytes leave *body. Returns the status
 * sent. */
unsigned respond_text(struct http_request *request, struct responder *to, const char *type,
		      struct buf *body);

/* Replies with Prometheus' text format. Returns the status that was sent. */
unsigned respond_metrics(struct http_request *request, struct buf *body);

#endif
