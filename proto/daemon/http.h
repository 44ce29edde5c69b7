/*
 * http.h - an HTTP/1.1 server on the uv loop, by libmicrohttpd.
 *
 * MHD runs without a thread of its own: the loop polls its epoll descriptor and a timer
 * follows MHD_get_timeout. The path is handed on raw (percent escapes untouched) so that
 * `%2F` and `%00` can be judged by the handler. A handler may reply at once or later; until
 * then the connection is suspended. Bounded: connections, header bytes, idle seconds, the time that
 * a client may take over a request or an answer however it dribbles (http_slow.c), body bytes, and
 * the bytes of answers that clients leave unread (http_options). HEAD is answered as GET without the
 * body.
 */
#ifndef PROTO_DAEMON_HTTP_H
#define PROTO_DAEMON_HTTP_H

#include "proto/buf.h"
#include "proto/daemon/tally.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define HTTP_ADDED_SIZE 24 /* of a value, with its terminator */
#define HTTP_SMALL_BODY ((size_t)65536)

struct http_server;
struct http_request;

/* Called on the loop thread once the whole request is there. Every request must be
 * replied to exactly once, now or later; it is valid until then, even if the client has gone. */
typedef void (*http_handler)(void *arg, struct http_request *request);

struct http_options {
	uint32_t max_connections;  /* 0: 1,000 */
	uint32_t idle_seconds;     /* 0: 30 */
	/* For a request, and for an answer beside 16 KiB/s; 0: 60. A body may fall behind 8 KiB/s by a
	 * sixth of it. */
	uint32_t slow_seconds;
	size_t max_body_bytes;     /* 0: no body is accepted: 413 */
	/* Of all requests together, as they come: over it 503; 0: no limit. Bodies of up to
	 * HTTP_SMALL_BODY do not count, so that whoever sends slowly keeps none of those out. */
	size_t max_bodies_bytes;
	size_t max_unread_bytes;   /* of answers being sent, all together, for http_has_room; 0: no limit */
	bool reuse_port;
	tally_count *slow;    /* counts clients that were cut off as too slow; or NULL */
	tally_count *crowded; /* counts bodies that found no room; or NULL */
	/* Takes connections over that begin with a small letter and so are not HTTP (door.h), with
	 * http_listen's arg; NULL: everything is HTTP. Not after http_close. */
	void (*words)(void *arg, int fd);
};

/* Listens on `host:port` (port 0: any free one) or `[v6]:port`. A socket passed by systemd
 * under the name `name` (may be NULL) is used instead, if there is one. *out is closed by
 * http_close. 0, a negative errno, -EINVAL. */
int http_listen(uv_loop_t *loop, const char *address, const char *name,
		const struct http_options *options, http_handler handler, void *arg,
		struct http_server **out) __attribute__((warn_unused_result));

/* The address really listened on, `127.0.0.1:41234`. Borrowed. */
const char *http_address(const struct http_server *s);

/* Stops taking connections and frees the server once open requests have been replied to and
 * handles are closed; done (may be NULL) is called after that. Replies have 2 s to reach
 * slow readers; new requests on kept connections are answered 503. May be called twice, and
 * from a handler. */
void http_close(struct http_server *s, void (*done)(void *arg), void *arg);

const char *http_method(const struct http_request *r);      /* GET, HEAD, POST... */
struct slice http_path(const struct http_request *r);       /* raw, without the query */
struct slice http_query(const struct http_request *r);      /* raw, without the `?` */
const char *http_header(const struct http_request *r, const char *name); /* the first, or NULL */
struct slice http_body(const struct http_request *r);       /* borrowed */

/* Calls each() with the value of every line of a header: those of a list are one list (RFC 9110,
 * 5.3). */
void http_header_each(const struct http_request *r, const char *name,
		      void (*each)(void *arg, const char *value), void *arg);

/* A GET that no client has sent, for a handler of the same program: it answers as if one had,
 * without headers. replied gets what http_reply is given, the body borrowed, and the request is
 * over. NULL without memory. */
struct http_request *http_request_local(const char *uri,
					void (*replied)(void *arg, unsigned status,
							struct slice body),
					void *arg);

struct http_header {
	const char *name;
	const char *value;
};

/* Whether an answer of so many bytes may be sent beside those that clients have not read yet
 * (max_unread_bytes). An answer of 64 KiB or less always may, and so may any that would be alone. */
bool http_has_room(const struct http_request *r, size_t bytes);

/* Replies and ends the request. The body leaves *body (buf_take). headers may be NULL.
 * `Content-Type` is type. */
void http_reply(struct http_request *r, unsigned status, const char *type, struct buf *body,
		const struct http_header *headers, size_t header_count);

/* One header more that the reply will have, whoever replies. name is static, value shorter than
 * HTTP_ADDED_SIZE; both are replaced by a second one. */
void http_add_header(struct http_request *r, const char *name, const char *value);

/* http_reply with a constant text, as text/plain. */
void http_reply_text(struct http_request *r, unsigned status, const char *text);

/* Decodes %XX (and `+` when plus_is_space) of text into out (text.size bytes are always
 * enough). 0 with *written; ERR_MALFORMED for a bad escape. */
int http_unescape(struct slice text, bool plus_is_space, uint8_t *out, size_t *written)
	__attribute__((warn_unused_result));

/* Finds a raw parameter of a query. False when it is absent; the first of several. */
bool http_parameter(struct slice query, const char *name, struct slice *value);

#endif
