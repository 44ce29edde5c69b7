/*
 * respond.h - from a finished answer to HTTP.
 *
 * The headers that every answer has: JSON, `nosniff`, `no-cache`, a Content-Security-Policy that
 * allows nothing, Retry-After with 503, WWW-Authenticate with 401, Allow with 405, and Access-Control-Allow-Origin for an origin that the operator has listed.
 * Here, after all that makes an answer, it is compressed for who takes that (encoding.h); each form
 * has an entity tag of its own. Metrics stay plain: whoever scrapes them is near.
 */
#ifndef QUERYD_RESPOND_H
#define QUERYD_RESPOND_H

#include "proto/buf.h"
#include "proto/daemon/http.h"
#include "queryd/config.h"
#include "queryd/etag.h"
#include "queryd/route.h"

/* The form that a client gets of something tagged. */
struct respond_form {
	char etag[ETAG_FORM_SIZE];
	bool gzip;
};

/* Brings a body into the form that the client takes; plain is the tag of the plain one. False, and the
 * body released, when the client has that form already (If-None-Match): the answer is 304. */
bool respond_form(struct http_request *request, const char *plain, struct buf *body,
		  struct respond_form *form);

/* Replies with JSON; the bytes leave *body. A body that failed becomes a plain 503. Returns the
 * status that was sent. */
unsigned respond_json(struct http_request *request, const struct config *config, unsigned status,
		      struct buf *body);

/* Replies with JSON that has an entity tag (etag.h); with 304 and no body if the client has it. */
unsigned respond_tagged(struct http_request *request, const struct config *config,
			const char *etag, struct buf *body);

/* Replies with an error of the closed list. Returns its status. */
unsigned respond_refusal(struct http_request *request, const struct config *config,
			 const struct route_refusal *why);

/* Replies 200 with text of another type than JSON; the bytes leave *body. Returns the status
 * sent. */
unsigned respond_text(struct http_request *request, const struct config *config, const char *type,
		      struct buf *body);

/* Replies with Prometheus' text format. Returns the status that was sent. */
unsigned respond_metrics(struct http_request *request, struct buf *body);

#endif
