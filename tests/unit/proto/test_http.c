// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/http.h"

#include "proto/err.h"
#include "proto/net/socket.h"
#include "proto/net/stream.h"
#include "tests/lib/test_loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define HELD_MAX 16

/* A client: what it got, as text. */
struct client {
	struct stream *s;
	const char *request; /* sent when connected */
	char got[131072];
	size_t size;
	bool closed;
};

struct fixture {
	struct test_loop t;
	struct http_server *server;
	struct http_options options;
	struct client client;
	struct client second;
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
	char body[4096];
	char agent[64];
};

static void copy_slice(char *out, size_t room, struct slice bytes)
{
	assert_true(bytes.size < room);
	if (bytes.size > 0)
		memcpy(out, bytes.ptr, bytes.size);
	out[bytes.size] = '\0';
}

static void on_done(void *arg)
{
	struct fixture *f = arg;

	assert_false(f->done);
	f->done = true;
}

static void on_request(void *arg, struct http_request *r)
{
	struct fixture *f = arg;
	const char *agent = http_header(r, "user-agent");

	f->calls++;
	copy_slice(f->method, sizeof(f->method), slice_text(http_method(r)));
	copy_slice(f->path, sizeof(f->path), http_path(r));
	copy_slice(f->query, sizeof(f->query), http_query(r));
	copy_slice(f->body, sizeof(f->body), http_body(r));
	copy_slice(f->agent, sizeof(f->agent), slice_text(agent ? agent : ""));
	if (f->close_in_handler)
		http_close(f->server, on_done, f);
	if (f->hold && f->held_count < HELD_MAX)
		f->held[f->held_count++] = r;
	else
		http_reply_text(r, 200, "hello");
}

static void client_connected(void *arg)
{
	struct client *c = arg;

	if (c->request != NULL)
		assert_int_equal(stream_write(c->s, slice_text(c->request)), 0);
}

static void client_data(void *arg, struct slice bytes)
{
	struct client *c = arg;

	assert_true(c->size + bytes.size < sizeof(c->got));
	memcpy(c->got + c->size, bytes.ptr, bytes.size);
	c->size += bytes.size;
	c->got[c->size] = '\0';
}

static void client_closed(void *arg, int reason)
{
	struct client *c = arg;

	(void)reason;
	c->closed = true;
	c->s = NULL;
}

static const struct stream_events client_events = {
	.connected = client_connected,
	.data = client_data,
	.closed = client_closed,
};

static void ask(struct fixture *f, struct client *c, const char *request)
{
	struct addr to;

	assert_int_equal(addr_parse(slice_text(http_address(f->server)), &to), 0);
	c->request = request;
	c->size = 0;
	c->closed = false;
	assert_int_equal(stream_connect(&f->t.loop, &to, NULL, &client_events, c, &c->s), 0);
}

static struct fixture *start(const struct http_options *options)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	test_loop_init(&f->t);
	assert_int_equal(http_listen(&f->t.loop, "127.0.0.1:0", NULL, options, on_request, f,
				     &f->server), 0);
	return f;
}

static void finish(struct fixture *f)
{
	if (f->client.s != NULL)
		stream_close(f->client.s, false);
	if (f->second.s != NULL)
		stream_close(f->second.s, false);
	http_close(f->server, on_done, f);
	test_loop_until(&f->t, &f->done);
	test_loop_finish(&f->t);
	free(f);
}

static void until_text(struct fixture *f, const struct client *c, const char *text)
{
	while (strstr(c->got, text) == NULL)
		uv_run(&f->t.loop, UV_RUN_ONCE);
}

#define CLOSE "Host: x\r\nConnection: close\r\n\r\n"

static void ask_and_wait(struct fixture *f, const char *request)
{
	ask(f, &f->client, request);
	test_loop_until(&f->t, &f->client.closed);
}

static void assert_status(const struct client *c, const char *status)
{
	if (strncmp(c->got, "HTTP/1.1 ", 9) != 0 || strncmp(c->got + 9, status, 3) != 0)
		fail_msg("expected %s, got: %s", status, c->got);
}

static void test_the_handler_sees_the_path_and_query_as_sent(void **state)
{
	struct fixture *f = start(NULL);

	(void)state;
	ask_and_wait(f, "GET /a%2Fb%00c/+?from=1%2F2&x=a+b&y HTTP/1.1\r\nUser-Agent: me\r\n" CLOSE);
	assert_status(&f->client, "200");
	assert_non_null(strstr(f->client.got, "\r\nContent-Type: text/plain\r\n"));
	assert_non_null(strstr(f->client.got, "\r\n\r\nhello"));
	assert_string_equal(f->method, "GET");
	assert_string_equal(f->path, "/a%2Fb%00c/+");
	assert_string_equal(f->query, "from=1%2F2&x=a+b&y");
	assert_string_equal(f->agent, "me");
	finish(f);
}

static void test_a_path_without_a_query_has_an_empty_one(void **state)
{
	struct fixture *f = start(NULL);

	(void)state;
	ask_and_wait(f, "GET /x HTTP/1.1\r\n" CLOSE);
	assert_string_equal(f->path, "/x");
	assert_string_equal(f->query, "");
	ask_and_wait(f, "GET /y? HTTP/1.1\r\n" CLOSE);
	assert_string_equal(f->path, "/y");
	assert_string_equal(f->query, "");
	finish(f);
}

static void test_a_reply_may_come_later_with_type_and_headers(void **state)
{
	static const struct http_header headers[] = { { "ETag", "\"7\"" }, { "X-One", "1" } };
	struct fixture *f = start(NULL);
	struct buf body;

	(void)state;
	f->hold = true;
	ask(f, &f->client, "GET /later HTTP/1.1\r\n" CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	for (int i = 0; i < 10; i++)
		test_loop_turn(&f->t);
	assert_int_equal(f->client.size, 0);
	buf_init(&body, 100);
	buf_put_text(&body, "{\"value\":1}");
	http_reply(f->held[0], 404, "application/json", &body, headers, 2);
	assert_int_equal(body.size, 0);
	test_loop_until(&f->t, &f->client.closed);
	assert_status(&f->client, "404");
	assert_non_null(strstr(f->client.got, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(f->client.got, "\r\nETag: \"7\"\r\n"));
	assert_non_null(strstr(f->client.got, "\r\nX-One: 1\r\n"));
	assert_non_null(strstr(f->client.got, "\r\n\r\n{\"value\":1}"));
	assert_int_equal(f->calls, 1);
	finish(f);
}

static void test_an_empty_body_is_a_reply(void **state)
{
	struct fixture *f = start(NULL);
	struct buf body;

	(void)state;
	f->hold = true;
	ask(f, &f->client, "GET /empty HTTP/1.1\r\n" CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	buf_init(&body, 10);
	http_reply(f->held[0], 200, "text/plain", &body, NULL, 0);
	test_loop_until(&f->t, &f->client.closed);
	assert_status(&f->client, "200");
	assert_non_null(strstr(f->client.got, "Content-Length: 0\r\n"));
	finish(f);
}

static void test_a_body_that_could_not_be_built_is_500(void **state)
{
	struct fixture *f = start(NULL);
	struct buf body;

	(void)state;
	f->hold = true;
	ask(f, &f->client, "GET / HTTP/1.1\r\n" CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	buf_init(&body, 4);
	buf_put_text(&body, "half");
	buf_put_text(&body, " an answer");
	http_reply(f->held[0], 200, "text/plain", &body, NULL, 0);
	test_loop_until(&f->t, &f->client.closed);
	assert_status(&f->client, "500");
	assert_null(strstr(f->client.got, "half"));
	finish(f);
}

static void test_head_is_get_without_the_body(void **state)
{
	struct fixture *f = start(NULL);

	(void)state;
	ask_and_wait(f, "HEAD /x HTTP/1.1\r\n" CLOSE);
	assert_status(&f->client, "200");
	assert_string_equal(f->method, "HEAD");
	assert_non_null(strstr(f->client.got, "Content-Length: 5\r\n"));
	assert_null(strstr(f->client.got, "hello"));
	finish(f);
}

static void test_a_connection_serves_request_after_request(void **state)
{
	struct fixture *f = start(NULL);

	(void)state;
	ask(f, &f->client, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
	test_loop_until_count(&f->t, &f->calls, 2);
	until_text(f, &f->client, "hello");
	assert_string_equal(f->path, "/2");
	f->client.size = 0;
	assert_int_equal(stream_write(f->client.s, slice_text("GET /3 HTTP/1.1\r\n" CLOSE)), 0);
	test_loop_until(&f->t, &f->client.closed);
	assert_string_equal(f->path, "/3");
	assert_int_equal(f->calls, 3);
	finish(f);
}

static void test_a_body_is_collected_whole(void **state)
{
	struct http_options options = { .max_body_bytes = 100 };
	struct fixture *f = start(&options);

	(void)state;
	ask(f, &f->client, "POST /in HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			   "Content-Length: 10\r\n\r\n01234");
	for (int i = 0; i < 20; i++)
		test_loop_turn(&f->t);
	assert_int_equal(f->calls, 0);
	assert_int_equal(stream_write(f->client.s, slice_text("56789")), 0);
	test_loop_until(&f->t, &f->client.closed);
	assert_status(&f->client, "200");
	assert_string_equal(f->method, "POST");
	assert_string_equal(f->body, "0123456789");
	ask_and_wait(f, "POST /in HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n"
			"Connection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	assert_string_equal(f->body, "abcde");
	finish(f);
}

static void test_a_body_over_the_limit_is_413(void **state)
{
	static const char *const requests[] = {
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n01234567890",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n",
		("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\nConnection: close\r\n"
		 "\r\n8\r\n01234567\r\n3\r\n890\r\n0\r\n\r\n"),
	};
	struct http_options options = { .max_body_bytes = 10 };
	struct fixture *f = start(&options);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		ask_and_wait(f, requests[i]);
		assert_status(&f->client, "413");
	}
	assert_int_equal(f->calls, 0);
	finish(f);
	f = start(NULL);
	ask_and_wait(f, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n0");
	assert_status(&f->client, "413");
	finish(f);
}

static void test_an_endless_body_is_cut_off(void **state)
{
	struct http_options options = { .max_body_bytes = 10 };
	struct fixture *f = start(&options);
	static char chunk[65536 + 10];
	size_t sent = 0;

	(void)state;
	snprintf(chunk, sizeof(chunk), "10000\r\n%065536d\r\n", 0);
	ask(f, &f->client, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (!f->client.closed) {
		if (f->client.s != NULL && stream_queued(f->client.s) == 0 &&
		    stream_write(f->client.s, slice_of(chunk, 65536 + 9)) == 0)
			sent += 65536;
		uv_run(&f->t.loop, UV_RUN_ONCE);
	}
	assert_true(sent > 1 << 20);
	assert_int_equal(f->calls, 0);
	finish(f);
}

static void test_a_client_that_left_does_not_end_its_request(void **state)
{
	struct fixture *f = start(NULL);

	(void)state;
	f->hold = true;
	ask(f, &f->client, "GET /a?b HTTP/1.1\r\nUser-Agent: gone\r\n" CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	stream_close(f->client.s, false);
	test_loop_until(&f->t, &f->client.closed);
	for (int i = 0; i < 10; i++)
		test_loop_turn(&f->t);
	assert_true(slice_equal(http_path(f->held[0]), slice_text("/a")));
	assert_string_equal(http_header(f->held[0], "User-Agent"), "gone");
	http_reply_text(f->held[0], 200, "to nobody");
	finish(f);
}

static void test_requests_may_be_replied_to_in_any_order(void **state)
{
	struct fixture *f = start(NULL);

	(void)state;
	f->hold = true;
	ask(f, &f->client, "GET /first HTTP/1.1\r\n" CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	ask(f, &f->second, "GET /second HTTP/1.1\r\n" CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 2);
	http_reply_text(f->held[1], 200, "two");
	http_reply_text(f->held[0], 200, "one");
	test_loop_until(&f->t, &f->client.closed);
	test_loop_until(&f->t, &f->second.closed);
	assert_non_null(strstr(f->client.got, "\r\n\r\none"));
	assert_non_null(strstr(f->second.got, "\r\n\r\ntwo"));
	finish(f);
}

static void test_closing_waits_for_the_reply_and_delivers_it(void **state)
{
	struct fixture *f = start(NULL);

	(void)state;
	f->hold = true;
	ask(f, &f->client, "GET /x HTTP/1.1\r\n" CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	http_close(f->server, on_done, f);
	http_close(f->server, on_done, f);
	for (int i = 0; i < 10; i++)
		test_loop_turn(&f->t);
	assert_false(f->done);
	http_reply_text(f->held[0], 200, "last words");
	test_loop_until(&f->t, &f->done);
	test_loop_until(&f->t, &f->client.closed);
	assert_non_null(strstr(f->client.got, "last words"));
	test_loop_finish(&f->t);
	free(f);
}

static void test_closing_from_within_a_handler_is_safe(void **state)
{
	struct fixture *f = start(NULL);

	(void)state;
	f->close_in_handler = true;
	ask(f, &f->client, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
	test_loop_until(&f->t, &f->done);
	test_loop_until(&f->t, &f->client.closed);
	assert_status(&f->client, "200");
	assert_non_null(strstr(f->client.got, "hello"));
	test_loop_finish(&f->t);
	free(f);
}

static void test_a_kept_connection_is_refused_while_closing(void **state)
{
	struct fixture *f = start(NULL);

	(void)state;
	ask(f, &f->second, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
	until_text(f, &f->second, "hello");
	f->hold = true;
	ask(f, &f->client, "GET /held HTTP/1.1\r\n" CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	http_close(f->server, on_done, f);
	f->second.size = 0;
	assert_int_equal(stream_write(f->second.s, slice_text("GET /new HTTP/1.1\r\nHost: x\r\n\r\n")),
			 0);
	test_loop_until(&f->t, &f->second.closed);
	assert_status(&f->second, "503");
	assert_int_equal(f->calls, 2);
	http_reply_text(f->held[0], 200, "bye");
	test_loop_until(&f->t, &f->done);
	test_loop_until(&f->t, &f->client.closed);
	test_loop_finish(&f->t);
	free(f);
}

static void test_a_url_too_long_is_414_and_headers_431(void **state)
{
	static char request[60000];
	struct fixture *f = start(NULL);

	(void)state;
	snprintf(request, sizeof(request), "GET /%050000d HTTP/1.1\r\n" CLOSE, 0);
	ask_and_wait(f, request);
	assert_status(&f->client, "414");
	snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nX-Long: %050000d\r\n" CLOSE, 0);
	ask_and_wait(f, request);
	assert_status(&f->client, "431");
	assert_int_equal(f->calls, 0);
	finish(f);
}

static void test_what_is_not_http_never_reaches_the_handler(void **state)
{
	static const char *const requests[] = {
		"hello\r\n\r\n",
		"GET\r\n\r\n",
		("GET / HTTP/9.9\r\n" CLOSE),
		"GET / HTTP/1.1\r\nno colon\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
	};
	struct fixture *f = start(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		ask(f, &f->client, requests[i]);
		while (!f->client.closed && strstr(f->client.got, "\r\n\r\n") == NULL)
			uv_run(&f->t.loop, UV_RUN_ONCE);
		if (strstr(f->client.got, "HTTP/1.1 200") != NULL || f->calls > 0)
			fail_msg("was served: %s", requests[i]);
		if (f->client.s != NULL)
			stream_close(f->client.s, false);
		test_loop_until(&f->t, &f->client.closed);
		f->client.got[0] = '\0';
	}
	assert_int_equal(f->calls, 0);
	finish(f);
}

static void test_an_idle_connection_ends(void **state)
{
	struct http_options options = { .idle_seconds = 1 };
	struct fixture *f = start(&options);

	(void)state;
	ask_and_wait(f, "GET / HTTP/1.1\r\n");
	assert_int_equal(f->calls, 0);
	finish(f);
}

static void test_connections_over_the_limit_wait(void **state)
{
	struct http_options options = { .max_connections = 1 };
	struct fixture *f = start(&options);

	(void)state;
	f->hold = true;
	ask(f, &f->client, "GET /1 HTTP/1.1\r\n" CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	ask(f, &f->second, "GET /2 HTTP/1.1\r\n" CLOSE);
	for (int i = 0; i < 20; i++)
		test_loop_turn(&f->t);
	assert_int_equal(f->calls, 1);
	http_reply_text(f->held[0], 200, "one");
	test_loop_until_count(&f->t, &f->held_count, 2);
	http_reply_text(f->held[1], 200, "two");
	test_loop_until(&f->t, &f->second.closed);
	finish(f);
}

static void test_listening_reports_the_address_or_why_not(void **state)
{
	struct fixture *f = start(NULL);
	struct http_server *other;

	(void)state;
	assert_int_equal(strncmp(http_address(f->server), "127.0.0.1:", 10), 0);
	assert_int_equal(http_listen(&f->t.loop, http_address(f->server), NULL, NULL, on_request, f,
				     &other), -EADDRINUSE);
	assert_int_equal(http_listen(&f->t.loop, "nonsense", NULL, NULL, on_request, f, &other),
			 -EINVAL);
	assert_int_equal(http_listen(&f->t.loop, "unix:/x", NULL, NULL, on_request, f, &other),
			 -EINVAL);
	finish(f);
}

static void test_a_socket_of_systemd_s_is_used_by_name(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct addr at;
	char text[ADDR_TEXT_SIZE];
	char pid[32];
	int fd;

	(void)state;
	assert_int_equal(addr_parse(slice_text("127.0.0.1:0"), &at), 0);
	assert_int_equal(socket_bind(&at, false, &fd), 0);
	socket_local(fd, text);
	assert_int_equal(dup2(fd, 3), 3);
	if (fd != 3)
		close(fd);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "admin", 1);
	test_loop_init(&f->t);
	assert_int_equal(http_listen(&f->t.loop, "127.0.0.1:0", "admin", NULL, on_request, f,
				     &f->server), 0);
	assert_string_equal(http_address(f->server), text);
	unsetenv("LISTEN_FDS");
	ask_and_wait(f, "GET / HTTP/1.1\r\n" CLOSE);
	assert_status(&f->client, "200");
	finish(f);
}

static void assert_unescapes(const char *text, bool plus, const char *expected)
{
	uint8_t out[64];
	size_t size = 99;

	assert_int_equal(http_unescape(slice_text(text), plus, out, &size), 0);
	assert_true(slice_equal(slice_of(out, size), slice_text(expected)));
}

static void test_unescape_decodes_or_refuses(void **state)
{
	static const char *const bad[] = { "%", "%1", "%g0", "%0g", "a%", "%%41" };
	uint8_t out[64];
	size_t size;

	(void)state;
	assert_unescapes("", false, "");
	assert_unescapes("a%2Fb%2fc", false, "a/b/c");
	assert_unescapes("a+b%2B", false, "a+b+");
	assert_unescapes("a+b%2B", true, "a b+");
	assert_int_equal(http_unescape(slice_text("%00x"), false, out, &size), 0);
	assert_int_equal(size, 2);
	assert_int_equal(out[0], 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(http_unescape(slice_text(bad[i]), false, out, &size),
				 ERR_MALFORMED);
}

static void test_parameter_finds_the_first_of_a_name(void **state)
{
	struct slice query = slice_text("a=1&ab=2&b&&c=x=y&a=3&=z");
	struct slice value;

	(void)state;
	assert_true(http_parameter(query, "a", &value));
	assert_true(slice_equal(value, slice_text("1")));
	assert_true(http_parameter(query, "ab", &value));
	assert_true(slice_equal(value, slice_text("2")));
	assert_true(http_parameter(query, "b", &value));
	assert_int_equal(value.size, 0);
	assert_true(http_parameter(query, "c", &value));
	assert_true(slice_equal(value, slice_text("x=y")));
	assert_false(http_parameter(query, "z", &value));
	assert_false(http_parameter(query, "A", &value));
	assert_false(http_parameter(slice_of(NULL, 0), "a", &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First, while descriptor 3 is free. */
		cmocka_unit_test(test_a_socket_of_systemd_s_is_used_by_name),
		cmocka_unit_test(test_the_handler_sees_the_path_and_query_as_sent),
		cmocka_unit_test(test_a_path_without_a_query_has_an_empty_one),
		cmocka_unit_test(test_a_reply_may_come_later_with_type_and_headers),
		cmocka_unit_test(test_an_empty_body_is_a_reply),
		cmocka_unit_test(test_a_body_that_could_not_be_built_is_500),
		cmocka_unit_test(test_head_is_get_without_the_body),
		cmocka_unit_test(test_a_connection_serves_request_after_request),
		cmocka_unit_test(test_a_body_is_collected_whole),
		cmocka_unit_test(test_a_body_over_the_limit_is_413),
		cmocka_unit_test(test_an_endless_body_is_cut_off),
		cmocka_unit_test(test_a_client_that_left_does_not_end_its_request),
		cmocka_unit_test(test_requests_may_be_replied_to_in_any_order),
		cmocka_unit_test(test_closing_waits_for_the_reply_and_delivers_it),
		cmocka_unit_test(test_closing_from_within_a_handler_is_safe),
		cmocka_unit_test(test_a_kept_connection_is_refused_while_closing),
		cmocka_unit_test(test_a_url_too_long_is_414_and_headers_431),
		cmocka_unit_test(test_what_is_not_http_never_reaches_the_handler),
		cmocka_unit_test(test_an_idle_connection_ends),
		cmocka_unit_test(test_connections_over_the_limit_wait),
		cmocka_unit_test(test_listening_reports_the_address_or_why_not),
		cmocka_unit_test(test_unescape_decodes_or_refuses),
		cmocka_unit_test(test_parameter_finds_the_first_of_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
