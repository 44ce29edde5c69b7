// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/http_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void copy_slice(char *out, size_t room, struct slice bytes)
{
	assert_true(bytes.size < room);
	if (bytes.size > 0)
		memcpy(out, bytes.ptr, bytes.size);
	out[bytes.size] = '\0';
}

void http_pair_done(void *arg)
{
	struct http_pair *f = arg;

	assert_false(f->done);
	f->done = true;
}

void http_pair_request(void *arg, struct http_request *r)
{
	struct http_pair *f = arg;
	const char *agent = http_header(r, "user-agent");

	f->calls++;
	copy_slice(f->method, sizeof(f->method), slice_text(http_method(r)));
	copy_slice(f->path, sizeof(f->path), http_path(r));
	copy_slice(f->query, sizeof(f->query), http_query(r));
	copy_slice(f->body, sizeof(f->body), http_body(r));
	copy_slice(f->agent, sizeof(f->agent), slice_text(agent ? agent : ""));
	if (f->close_in_handler)
		http_close(f->server, http_pair_done, f);
	if (f->hold && f->held_count < HELD_MAX)
		f->held[f->held_count++] = r;
	else
		http_reply_text(r, 200, "hello");
}

static void client_connected(void *arg)
{
	struct http_client *c = arg;

	if (c->request != NULL)
		assert_int_equal(stream_write(c->s, slice_text(c->request)), 0);
}

static void client_data(void *arg, struct slice bytes)
{
	struct http_client *c = arg;

	assert_true(c->size + bytes.size < sizeof(c->got));
	memcpy(c->got + c->size, bytes.ptr, bytes.size);
	c->size += bytes.size;
	c->got[c->size] = '\0';
}

static void client_closed(void *arg, int reason)
{
	struct http_client *c = arg;

	(void)reason;
	c->closed = true;
	c->s = NULL;
}

static const struct stream_events client_events = {
	.connected = client_connected,
	.data = client_data,
	.closed = client_closed,
};

void http_pair_ask(struct http_pair *f, struct http_client *c, const char *request)
{
	struct addr to;

	assert_int_equal(addr_parse(slice_text(http_address(f->server)), &to), 0);
	c->request = request;
	c->size = 0;
	c->closed = false;
	assert_int_equal(stream_connect(&f->t.loop, &to, NULL, &client_events, c, &c->s), 0);
}

struct http_pair *http_pair_start(const struct http_options *options)
{
	struct http_pair *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	test_loop_init(&f->t);
	assert_int_equal(http_listen(&f->t.loop, "127.0.0.1:0", NULL, options, http_pair_request, f,
				     &f->server), 0);
	return f;
}

void http_pair_finish(struct http_pair *f)
{
	if (f->client.s != NULL)
		stream_close(f->client.s, false);
	if (f->second.s != NULL)
		stream_close(f->second.s, false);
	http_close(f->server, http_pair_done, f);
	test_loop_until(&f->t, &f->done);
	test_loop_finish(&f->t);
	free(f);
}

void http_pair_until(struct http_pair *f, const struct http_client *c, const char *text)
{
	while (strstr(c->got, text) == NULL)
		uv_run(&f->t.loop, UV_RUN_ONCE);
}

void http_pair_get(struct http_pair *f, const char *request)
{
	http_pair_ask(f, &f->client, request);
	test_loop_until(&f->t, &f->client.closed);
}

void assert_http_status(const struct http_client *c, const char *status)
{
	if (strncmp(c->got, "HTTP/1.1 ", 9) != 0 || strncmp(c->got + 9, status, 3) != 0)
		fail_msg("expected %s, got: %s", status, c->got);
}
