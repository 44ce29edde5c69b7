// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/http.h"

#include "proto/err.h"
#include "proto/net/socket.h"
#include "tests/lib/http_pair.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static void test_the_handler_sees_the_path_and_query_as_sent(void **state)
{
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	http_pair_get(f, "GET /a%2Fb%00c/+?from=1%2F2&x=a+b&y HTTP/1.1\r\nUser-Agent: me\r\n" HTTP_CLOSE);
	assert_http_status(&f->client, "200");
	assert_non_null(strstr(f->client.got, "\r\nContent-Type: text/plain\r\n"));
	assert_non_null(strstr(f->client.got, "\r\n\r\nhello"));
	assert_string_equal(f->method, "GET");
	assert_string_equal(f->path, "/a%2Fb%00c/+");
	assert_string_equal(f->query, "from=1%2F2&x=a+b&y");
	assert_string_equal(f->agent, "me");
	http_pair_finish(f);
}

static void test_a_path_without_a_query_has_an_empty_one(void **state)
{
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	http_pair_get(f, "GET /x HTTP/1.1\r\n" HTTP_CLOSE);
	assert_string_equal(f->path, "/x");
	assert_string_equal(f->query, "");
	http_pair_get(f, "GET /y? HTTP/1.1\r\n" HTTP_CLOSE);
	assert_string_equal(f->path, "/y");
	assert_string_equal(f->query, "");
	http_pair_finish(f);
}

static void test_a_reply_may_come_later_with_type_and_headers(void **state)
{
	static const struct http_header headers[] = { { "ETag", "\"7\"" }, { "X-One", "1" } };
	struct http_pair *f = http_pair_start(NULL);
	struct buf body;

	(void)state;
	f->hold = true;
	http_pair_ask(f, &f->client, "GET /later HTTP/1.1\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	for (int i = 0; i < 10; i++)
		test_loop_turn(&f->t);
	assert_int_equal(f->client.size, 0);
	buf_init(&body, 100);
	buf_put_text(&body, "{\"value\":1}");
	http_add_header(f->held[0], "X-Two", "1");
	http_add_header(f->held[0], "X-Two", "2");
	http_reply(f->held[0], 404, "application/json", &body, headers, 2);
	assert_int_equal(body.size, 0);
	test_loop_until(&f->t, &f->client.closed);
	assert_http_status(&f->client, "404");
	assert_non_null(strstr(f->client.got, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(f->client.got, "\r\nETag: \"7\"\r\n"));
	assert_non_null(strstr(f->client.got, "\r\nX-One: 1\r\n"));
	assert_non_null(strstr(f->client.got, "\r\nX-Two: 2\r\n"));
	assert_null(strstr(f->client.got, "X-Two: 1"));
	assert_non_null(strstr(f->client.got, "\r\n\r\n{\"value\":1}"));
	assert_int_equal(f->calls, 1);
	http_pair_finish(f);
}

static void test_an_empty_body_is_a_reply(void **state)
{
	struct http_pair *f = http_pair_start(NULL);
	struct buf body;

	(void)state;
	f->hold = true;
	http_pair_ask(f, &f->client, "GET /empty HTTP/1.1\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	buf_init(&body, 10);
	http_reply(f->held[0], 200, "text/plain", &body, NULL, 0);
	test_loop_until(&f->t, &f->client.closed);
	assert_http_status(&f->client, "200");
	assert_non_null(strstr(f->client.got, "Content-Length: 0\r\n"));
	http_pair_finish(f);
}

static void test_a_body_that_could_not_be_built_is_500(void **state)
{
	struct http_pair *f = http_pair_start(NULL);
	struct buf body;

	(void)state;
	f->hold = true;
	http_pair_ask(f, &f->client, "GET / HTTP/1.1\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	buf_init(&body, 4);
	buf_put_text(&body, "half");
	buf_put_text(&body, " an answer");
	http_reply(f->held[0], 200, "text/plain", &body, NULL, 0);
	test_loop_until(&f->t, &f->client.closed);
	assert_http_status(&f->client, "500");
	assert_null(strstr(f->client.got, "half"));
	http_pair_finish(f);
}

static void test_head_is_get_without_the_body(void **state)
{
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	http_pair_get(f, "HEAD /x HTTP/1.1\r\n" HTTP_CLOSE);
	assert_http_status(&f->client, "200");
	assert_string_equal(f->method, "HEAD");
	assert_non_null(strstr(f->client.got, "Content-Length: 5\r\n"));
	assert_null(strstr(f->client.got, "hello"));
	http_pair_finish(f);
}

static void test_a_kept_connection_may_be_held_again_and_again(void **state)
{
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	f->hold = true;
	http_pair_ask(f, &f->client, "GET /0 HTTP/1.1\r\nHost: x\r\n\r\n");
	for (unsigned i = 0; i < 5; i++) {
		test_loop_until_count(&f->t, &f->held_count, i + 1);
		f->client.got[0] = '\0';
		f->client.size = 0;
		http_reply_text(f->held[i], 200, "again");
		http_pair_until(f, &f->client, "again");
		assert_int_equal(stream_write(f->client.s,
					      slice_text("GET /n HTTP/1.1\r\nHost: x\r\n\r\n")), 0);
	}
	test_loop_until_count(&f->t, &f->held_count, 6);
	http_reply_text(f->held[5], 200, "last");
	http_pair_finish(f);
}

static void test_a_connection_serves_request_after_request(void **state)
{
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	http_pair_ask(f, &f->client, "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
				     "GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
	test_loop_until_count(&f->t, &f->calls, 2);
	http_pair_until(f, &f->client, "hello");
	assert_string_equal(f->path, "/2");
	f->client.size = 0;
	assert_int_equal(stream_write(f->client.s, slice_text("GET /3 HTTP/1.1\r\n" HTTP_CLOSE)), 0);
	test_loop_until(&f->t, &f->client.closed);
	assert_string_equal(f->path, "/3");
	assert_int_equal(f->calls, 3);
	http_pair_finish(f);
}

static void test_requests_may_be_replied_to_in_any_order(void **state)
{
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	f->hold = true;
	http_pair_ask(f, &f->client, "GET /first HTTP/1.1\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	http_pair_ask(f, &f->second, "GET /second HTTP/1.1\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 2);
	http_reply_text(f->held[1], 200, "two");
	http_reply_text(f->held[0], 200, "one");
	test_loop_until(&f->t, &f->client.closed);
	test_loop_until(&f->t, &f->second.closed);
	assert_non_null(strstr(f->client.got, "\r\n\r\none"));
	assert_non_null(strstr(f->second.got, "\r\n\r\ntwo"));
	http_pair_finish(f);
}

static void test_listening_reports_the_address_or_why_not(void **state)
{
	struct http_pair *f = http_pair_start(NULL);
	struct http_server *other;

	(void)state;
	assert_int_equal(strncmp(http_address(f->server), "127.0.0.1:", 10), 0);
	assert_int_equal(http_listen(&f->t.loop, http_address(f->server), NULL, NULL, http_pair_request, f,
				     &other), -EADDRINUSE);
	assert_int_equal(http_listen(&f->t.loop, "nonsense", NULL, NULL, http_pair_request, f, &other),
			 -EINVAL);
	assert_int_equal(http_listen(&f->t.loop, "unix:/x", NULL, NULL, http_pair_request, f, &other),
			 -EINVAL);
	http_pair_finish(f);
}

static void test_a_socket_of_systemd_s_is_used_by_name(void **state)
{
	struct http_pair *f = calloc(1, sizeof(*f));
	struct addr at;
	char text[ADDR_TEXT_SIZE];
	char pid[32];
	int fd;

	(void)state;
	assert_int_equal(addr_parse(slice_text("127.0.0.1:0"), &at), 0);
	assert_int_equal(socket_bind(&at, 0, &fd), 0);
	socket_local(fd, text);
	assert_int_equal(dup2(fd, 3), 3);
	if (fd != 3)
		close(fd);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "admin", 1);
	test_loop_init(&f->t);
	assert_int_equal(http_listen(&f->t.loop, "127.0.0.1:0", "admin", NULL, http_pair_request, f,
				     &f->server), 0);
	assert_string_equal(http_address(f->server), text);
	unsetenv("LISTEN_FDS");
	http_pair_get(f, "GET / HTTP/1.1\r\n" HTTP_CLOSE);
	assert_http_status(&f->client, "200");
	http_pair_finish(f);
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
		cmocka_unit_test(test_a_kept_connection_may_be_held_again_and_again),
		cmocka_unit_test(test_a_connection_serves_request_after_request),
		cmocka_unit_test(test_requests_may_be_replied_to_in_any_order),
		cmocka_unit_test(test_listening_reports_the_address_or_why_not),
		cmocka_unit_test(test_unescape_decodes_or_refuses),
		cmocka_unit_test(test_parameter_finds_the_first_of_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
