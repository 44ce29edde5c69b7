/*
 * respond.h - from a finished answer to HTTP.
 *
 * The headers that every answer has: JSON, `nosniff`, `no-cache`, a Content-Security-Policy that
 * allows nothing, Retry-After with 503, WWW-Authenticate with 401, Allow with 405, and Access-Control-Allow-Origin for an origin that the operator has listed.
 */
#ifndef QUERYD_RESPOND_H
#define QUERYD_RESPOND_H

#include "proto/buf.h"
#include "proto/daemon/http.h"
#include "queryd/config.h"
#include "queryd/route.h"

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
