/*
 * http_private.h - what http.c (the server on the loop) and http_request.c (one request)
 * share. No other file includes it.
 *
 *     begin: the request line is read       the raw URI is copied; libmicrohttpd cuts its
 *       |                                   own at `?` and `&`
 *     serve, first call: headers are read   a body over the limit is refused here
 *     serve, more calls: body bytes         each takes its room, or the body is refused
 *     serve, last call: the handler runs    replied in it: queued at once;
 *       |                                   otherwise the connection is suspended
 *     http_reply                            resumed; serve is called again and queues
 *       |
 *     over: sent, failed or the client left; the request is freed
 *
 * A suspended connection is not polled and has no timeout, so nothing can end it before
 * the reply: that is why a request stays valid although its client has gone.
 */
#ifndef PROTO_DAEMON_HTTP_PRIVATE_H
#define PROTO_DAEMON_HTTP_PRIVATE_H

#include "proto/daemon/http.h"

#include <microhttpd.h>

/* Passes a whole request to the handler. */
void http_server_hand_over(struct http_server *s, struct http_request *r);

void http_server_replied(struct http_server *s); /* the handler has replied to one */
void http_server_resumed(struct http_server *s); /* libmicrohttpd must run soon */
void http_server_over(struct http_server *s);    /* one handed over has ended */
bool http_server_is_closing(const struct http_server *s); /* http_close was called */
size_t http_server_body_limit(const struct http_server *s); /* bytes; 0: no body */

/* A body is coming, and so many bytes of it (0: its headers) are here: it is to keep its pace. */
void http_server_body(struct http_server *s, struct MHD_Connection *connection, size_t bytes);

/* Whether there is room for so many bytes of bodies, or a small one. */
bool http_server_fits(const struct http_server *s, size_t bytes);

/* A body that holds *held bytes of the room is to grow to so many bytes in all; a small one holds
 * none. False, with nothing changed, when there is no room. */
bool http_server_reserve(struct http_server *s, size_t bytes, size_t *held);
void http_server_unreserve(struct http_server *s, size_t *held); /* gives it back */
void http_server_crowded(struct http_server *s); /* a body was refused for want of room */

/* How many bytes of answers are under way changes by this. */
void http_server_sending(struct http_server *s, size_t more, size_t less);
bool http_server_has_room(const struct http_server *s, size_t bytes); /* http_has_room */

/* ---- http_slow.c ---- */

#define HTTP_SLOW_GAP_MS 1000 /* a deadline may be missed by so much */

/* The deadlines of all connections. */
struct http_slow {
	struct http_link *links; /* newest first */
	int64_t slow_ms;
};

struct http_link;

/* A connection has begun; *link is libmicrohttpd's socket context. Without memory it has no
 * deadline. */
void http_slow_begin(struct http_slow *s, struct MHD_Connection *connection, void **link);

void http_slow_end(struct http_slow *s, void **link); /* a connection has ended */

/* The client is to send a request from now on. */
void http_slow_expect(struct http_slow *s, struct MHD_Connection *connection);

/* Until when the next piece of a body must be here, after one of so many bytes that was expected
 * until until_ms has come. All in ms of one clock. */
int64_t http_slow_put_off(const struct http_slow *s, int64_t until_ms, int64_t now_ms,
			  size_t bytes);

/* http_server_body's part of it. */
void http_slow_body(struct http_slow *s, struct MHD_Connection *connection, size_t bytes);

/* How long a body may keep us waiting beside its pace. */
int64_t http_slow_grace_ms(const struct http_slow *s);

void http_slow_pause(struct MHD_Connection *connection); /* the handler has the request */

/* An answer is on its way. */
void http_slow_send(struct http_slow *s, struct MHD_Connection *connection, size_t size_bytes);

/* Ends connections whose deadline has passed. How many. */
size_t http_slow_sweep(struct http_slow *s, int64_t now_ms);

/* In how many ms it is to be swept again, HTTP_SLOW_GAP_MS or more; negative: not before the next
 * connection. */
int64_t http_slow_wait_ms(const struct http_slow *s, int64_t now_ms);

/* The server's. */
struct http_slow *http_server_slow(struct http_server *s);

/* libmicrohttpd's callbacks: MHD_OPTION_URI_LOG_CALLBACK, MHD_AccessHandlerCallback,
 * MHD_OPTION_NOTIFY_COMPLETED, MHD_OPTION_UNESCAPE_CALLBACK. */
void *http_request_begin(void *server, const char *uri, struct MHD_Connection *connection);

/* The access handler, called as drawn above. */
enum MHD_Result http_request_serve(void *server, struct MHD_Connection *connection,
				   const char *url, const char *method, const char *version,
				   const char *upload, size_t *upload_size, void **request);

/* Frees the request. */
void http_request_over(void *server, struct MHD_Connection *connection, void **request,
		       enum MHD_RequestTerminationCode how);

/* Leaves the text as it is. */
size_t http_request_keep_escapes(void *nothing, struct MHD_Connection *connection, char *text);

#endif
