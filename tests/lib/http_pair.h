/*
 * http_pair.h - an HTTP server of ours and raw clients of it on one loop.
 *
 * The handler records what it was asked and replies `hello`, or holds the request for the
 * test to reply to. A client sends text as it is and keeps what came back, so that also
 * what is not HTTP can be sent.
 */
#ifndef TESTS_LIB_HTTP_PAIR_H
#define TESTS_LIB_HTTP_PAIR_H

#include "proto/daemon/http.h"
#include "proto/net/stream.h"
#include "tests/lib/test_loop.h"

#define HELD_MAX 16

/* A client: what it got, as text. */
struct http_client {
	struct stream *s;
	const char *request; /* sent when connected */
	char got[131072];
	size_t size;
	bool closed;
};

struct http_pair {
	struct test_loop t;
	struct http_server *server;
	struct http_options options;
	struct http_client client;
	struct http_client second;
	bool hold;          /* do not reply in the handler */
	bool close_in_handler;
	unsigned calls;
	bool done;
	struct http_request *held[HELD_MAX];
	unsigned held_count;
	/* Of the last request. */
	char method[16];
	char path[256];
	char query[256];
	char body[262144];
	char agent[64];
};

/* Ends a request's headers and asks for the connection's end. */
#define HTTP_CLOSE "Host: x\r\nConnection: close\r\n\r\n"

/* A server on a free port; options may be NULL. */
struct http_pair *http_pair_start(const struct http_options *options);

/* Closes all, proves that nothing is left, frees f. */
void http_pair_finish(struct http_pair *f);

/* The handler and the done callback of the server; arg is the pair. */
void http_pair_request(void *arg, struct http_request *r);
void http_pair_done(void *arg); /* sets f->done */

/* Connects and sends the text. */
void http_pair_ask(struct http_pair *f, struct http_client *c, const char *request);

/* The same with f->client, and waits until the server has closed. */
void http_pair_get(struct http_pair *f, const char *request);

/* Runs the loop until the client's answer holds text. */
void http_pair_until(struct http_pair *f, const struct http_client *c, const char *text);

/* Fails unless the answer begins with HTTP/1.1 and the status. */
void assert_http_status(const struct http_client *c, const char *status);

#endif
