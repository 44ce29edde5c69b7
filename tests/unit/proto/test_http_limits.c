// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/http.h"

#include "tests/lib/http_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_a_client_that_left_does_not_end_its_request(void **state)
{
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	f->hold = true;
	http_pair_ask(f, &f->client, "GET /a?b HTTP/1.1\r\nUser-Agent: gone\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	stream_close(f->client.s, false);
	test_loop_until(&f->t, &f->client.closed);
	for (int i = 0; i < 10; i++)
		test_loop_turn(&f->t);
	assert_true(slice_equal(http_path(f->held[0]), slice_text("/a")));
	assert_string_equal(http_header(f->held[0], "User-Agent"), "gone");
	http_reply_text(f->held[0], 200, "to nobody");
	http_pair_finish(f);
}

static void test_closing_waits_for_the_reply_and_delivers_it(void **state)
{
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	f->hold = true;
	http_pair_ask(f, &f->client, "GET /x HTTP/1.1\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	http_close(f->server, http_pair_done, f);
	http_close(f->server, http_pair_done, f);
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
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	f->close_in_handler = true;
	http_pair_ask(f, &f->client, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
	test_loop_until(&f->t, &f->done);
	test_loop_until(&f->t, &f->client.closed);
	assert_http_status(&f->client, "200");
	assert_non_null(strstr(f->client.got, "hello"));
	test_loop_finish(&f->t);
	free(f);
}

static void test_a_kept_connection_is_refused_while_closing(void **state)
{
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	http_pair_ask(f, &f->second, "GET /kept HTTP/1.1\r\nHost: x\r\n\r\n");
	http_pair_until(f, &f->second, "hello");
	f->hold = true;
	http_pair_ask(f, &f->client, "GET /held HTTP/1.1\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	http_close(f->server, http_pair_done, f);
	f->second.size = 0;
	assert_int_equal(stream_write(f->second.s, slice_text("GET /new HTTP/1.1\r\nHost: x\r\n\r\n")),
			 0);
	test_loop_until(&f->t, &f->second.closed);
	assert_http_status(&f->second, "503");
	assert_int_equal(f->calls, 2);
	http_reply_text(f->held[0], 200, "bye");
	test_loop_until(&f->t, &f->done);
	test_loop_until(&f->t, &f->client.closed);
	test_loop_finish(&f->t);
	free(f);
}

static void test_a_body_is_collected_whole(void **state)
{
	struct http_options options = { .max_body_bytes = 100 };
	struct http_pair *f = http_pair_start(&options);

	(void)state;
	http_pair_ask(f, &f->client, "POST /in HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
			   "Content-Length: 10\r\n\r\n01234");
	for (int i = 0; i < 20; i++)
		test_loop_turn(&f->t);
	assert_int_equal(f->calls, 0);
	assert_int_equal(stream_write(f->client.s, slice_text("56789")), 0);
	test_loop_until(&f->t, &f->client.closed);
	assert_http_status(&f->client, "200");
	assert_string_equal(f->method, "POST");
	assert_string_equal(f->body, "0123456789");
	http_pair_get(f, "POST /in HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n"
			"Connection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
	assert_string_equal(f->body, "abcde");
	http_pair_finish(f);
}

static void test_a_body_over_the_limit_is_413(void **state)
{
	static const char *const requests[] = {
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n01234567890",
		/* One less than the number that libmicrohttpd 1.0 refuses by itself (below). */
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551614\r\n\r\n",
		("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\nConnection: close\r\n"
		 "\r\n8\r\n01234567\r\n3\r\n890\r\n0\r\n\r\n"),
	};
	struct http_options options = { .max_body_bytes = 10 };
	struct http_pair *f = http_pair_start(&options);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		http_pair_get(f, requests[i]);
		assert_http_status(&f->client, "413");
		assert_non_null(strstr(f->client.got, "\r\nX-Content-Type-Options: nosniff\r\n"));
		assert_non_null(strstr(f->client.got, "\r\nContent-Security-Policy: default-src 'none'"));
		assert_non_null(strstr(f->client.got, "\r\nContent-Type: text/plain\r\n"));
	}
	http_pair_get(f, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n");
	assert_http_status(&f->client, "413");
	assert_int_equal(f->calls, 0);
	http_pair_finish(f);
	f = http_pair_start(NULL);
	http_pair_get(f, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n0");
	assert_http_status(&f->client, "413");
	http_pair_finish(f);
}

static void test_an_endless_body_is_cut_off(void **state)
{
	struct http_options options = { .max_body_bytes = 10 };
	struct http_pair *f = http_pair_start(&options);
	static char chunk[65536 + 10];
	size_t sent = 0;

	(void)state;
	snprintf(chunk, sizeof(chunk), "10000\r\n%065536d\r\n", 0);
	http_pair_ask(f, &f->client, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	while (!f->client.closed) {
		if (f->client.s != NULL && stream_queued(f->client.s) == 0 &&
		    stream_write(f->client.s, slice_of(chunk, 65536 + 9)) == 0)
			sent += 65536;
		uv_run(&f->t.loop, UV_RUN_ONCE);
	}
	assert_true(sent > 1 << 20);
	assert_int_equal(f->calls, 0);
	http_pair_finish(f);
}

static void test_a_url_too_long_is_414_and_headers_431(void **state)
{
	static char request[60000];
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	snprintf(request, sizeof(request), "GET /%050000d HTTP/1.1\r\n" HTTP_CLOSE, 0);
	http_pair_get(f, request);
	assert_http_status(&f->client, "414");
	snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nX-Long: %050000d\r\n" HTTP_CLOSE, 0);
	http_pair_get(f, request);
	assert_http_status(&f->client, "431");
	assert_int_equal(f->calls, 0);
	http_pair_finish(f);
}

/* Those answers are the library's own and have no headers of ours, so they must hold nothing that
 * came with the request. */
static void test_what_the_library_refuses_reflects_nothing(void **state)
{
	static const struct {
		const char *start;
		int more; /* digits behind it */
	} requests[] = {
		{ "GET /evil<script>", 50000 },
		{ "GET /evil<script> HTTP/1.1\r\nX-evil<script>: ", 50000 },
		{ "GET /evil<script> HTTP/1.1\r\nevil<script>", 1 }, /* no colon */
		{ "GET /evil<script> HTTP/1.1\r\n evil<script>: ", 1 },
		{ "GET /evil<script> HTTP/1.1\r\nContent-Length: evil<script>", 1 },
		{ "POST /evil<script> HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nevil<script>", 1 },
	};
	struct http_pair *f = http_pair_start(NULL);
	static char request[60000];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		snprintf(request, sizeof(request), "%s%0*d%s\r\n" HTTP_CLOSE, requests[i].start,
			 requests[i].more, 0, i == 0 ? " HTTP/1.1" : "");
		http_pair_get(f, request);
		assert_null(strstr(f->client.got, "evil"));
		assert_null(strstr(f->client.got, "script"));
	}
	http_pair_finish(f);
}

static void test_what_is_not_http_never_reaches_the_handler(void **state)
{
	static const char *const requests[] = {
		"hello\r\n\r\n",
		"GET\r\n\r\n",
		("GET / HTTP/9.9\r\n" HTTP_CLOSE),
		"GET / HTTP/1.1\r\nno colon\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
	};
	struct http_pair *f = http_pair_start(NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		http_pair_ask(f, &f->client, requests[i]);
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
	http_pair_finish(f);
}

static void test_an_idle_connection_ends(void **state)
{
	struct http_options options = { .idle_seconds = 1 };
	struct http_pair *f = http_pair_start(&options);

	(void)state;
	http_pair_get(f, "GET / HTTP/1.1\r\n");
	assert_int_equal(f->calls, 0);
	http_pair_finish(f);
}

/* The library's own timeout is far away. */
static void test_a_request_that_never_ends_is_cut_off(void **state)
{
	struct http_options options = { .idle_seconds = 600, .slow_seconds = 1 };
	struct http_pair *f = http_pair_start(&options);

	(void)state;
	http_pair_get(f, "GET / HTTP/1.1\r\nHost");
	assert_int_equal(f->calls, 0);
	assert_int_equal(f->client.size, 0);
	http_pair_finish(f);
}

/* The time that the handler takes is not the client's. */
static void test_a_request_that_waits_for_its_answer_is_not_cut_off(void **state)
{
	struct http_options options = { .idle_seconds = 600, .slow_seconds = 1 };
	struct http_pair *f = http_pair_start(&options);

	(void)state;
	f->hold = true;
	http_pair_ask(f, &f->client, "GET /1 HTTP/1.1\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	http_pair_ask(f, &f->second, "GET /2 HTTP/1.1\r\nHost");
	test_loop_until(&f->t, &f->second.closed);
	assert_false(f->client.closed);
	http_reply_text(f->held[0], 200, "one");
	test_loop_until(&f->t, &f->client.closed);
	assert_http_status(&f->client, "200");
	http_pair_finish(f);
}

/* When the loop of a server with nothing to do wakes by itself: never, in ms as of uv_backend_timeout. */
static void test_without_connections_nothing_wakes_the_loop(void **state)
{
	struct http_server *server;
	struct test_loop t;

	(void)state;
	test_loop_init(&t);
	assert_int_equal(http_listen(&t.loop, "127.0.0.1:0", "none", NULL, NULL, NULL, &server), 0);
	test_loop_turn(&t);
	uv_timer_stop(&t.deadline);
	assert_int_equal(uv_backend_timeout(&t.loop), -1);
	http_close(server, NULL, NULL);
	test_loop_finish(&t);
}

/* What a server waits for while a connection is open, and after it. */
static void test_a_connection_that_ends_leaves_nothing_to_wait_for(void **state)
{
	struct http_options options = { .idle_seconds = 600, .slow_seconds = 500 };
	struct http_pair *f = http_pair_start(&options);

	(void)state;
	f->hold = true;
	http_pair_ask(f, &f->client, "GET /1 HTTP/1.1\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	uv_timer_stop(&f->t.deadline);
	/* The handler takes its time: it will be looked at when the deadline of a new one could come. */
	assert_in_range(uv_backend_timeout(&f->t.loop), 400 * 1000, 500 * 1000);
	http_reply_text(f->held[0], 200, "one");
	while (!f->client.closed || uv_backend_timeout(&f->t.loop) == 0)
		uv_run(&f->t.loop, UV_RUN_ONCE);
	assert_int_equal(uv_backend_timeout(&f->t.loop), -1);
	http_pair_finish(f);
}

static void test_connections_over_the_limit_wait(void **state)
{
	struct http_options options = { .max_connections = 1 };
	struct http_pair *f = http_pair_start(&options);

	(void)state;
	f->hold = true;
	http_pair_ask(f, &f->client, "GET /1 HTTP/1.1\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	http_pair_ask(f, &f->second, "GET /2 HTTP/1.1\r\n" HTTP_CLOSE);
	for (int i = 0; i < 20; i++)
		test_loop_turn(&f->t);
	assert_int_equal(f->calls, 1);
	http_reply_text(f->held[0], 200, "one");
	test_loop_until_count(&f->t, &f->held_count, 2);
	http_reply_text(f->held[1], 200, "two");
	test_loop_until(&f->t, &f->second.closed);
	http_pair_finish(f);
}

/* What is on its way counts until its client has it; small ones and a lone one always find room. */
static void test_answers_under_way_take_room(void **state)
{
	struct http_options options = { .max_unread_bytes = 150000 };
	struct http_pair *f = http_pair_start(&options);
	static const uint8_t zeros[100000];
	struct buf body;

	(void)state;
	f->hold = true;
	http_pair_ask(f, &f->client, "GET /1 HTTP/1.1\r\n" HTTP_CLOSE);
	http_pair_ask(f, &f->second, "GET /2 HTTP/1.1\r\n" HTTP_CLOSE);
	test_loop_until_count(&f->t, &f->held_count, 2);
	assert_true(http_has_room(f->held[1], 1000000));
	buf_init(&body, sizeof(zeros));
	buf_put(&body, zeros, sizeof(zeros));
	http_reply(f->held[0], 200, "text/plain", &body, NULL, 0);
	assert_true(http_has_room(f->held[1], 65536));
	assert_false(http_has_room(f->held[1], 65537));
	assert_false(http_has_room(f->held[1], 1000000));
	test_loop_until(&f->t, &f->client.closed);
	assert_true(f->client.size > sizeof(zeros));
	assert_true(http_has_room(f->held[1], 150000));
	assert_true(http_has_room(f->held[1], 1000000));
	http_reply_text(f->held[1], 200, "two");
	test_loop_until(&f->t, &f->second.closed);
	http_pair_finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_client_that_left_does_not_end_its_request),
		cmocka_unit_test(test_closing_waits_for_the_reply_and_delivers_it),
		cmocka_unit_test(test_closing_from_within_a_handler_is_safe),
		cmocka_unit_test(test_a_kept_connection_is_refused_while_closing),
		cmocka_unit_test(test_a_body_is_collected_whole),
		cmocka_unit_test(test_a_body_over_the_limit_is_413),
		cmocka_unit_test(test_an_endless_body_is_cut_off),
		cmocka_unit_test(test_a_url_too_long_is_414_and_headers_431),
		cmocka_unit_test(test_what_the_library_refuses_reflects_nothing),
		cmocka_unit_test(test_what_is_not_http_never_reaches_the_handler),
		cmocka_unit_test(test_answers_under_way_take_room),
		cmocka_unit_test(test_an_idle_connection_ends),
		cmocka_unit_test(test_a_request_that_never_ends_is_cut_off),
		cmocka_unit_test(test_a_request_that_waits_for_its_answer_is_not_cut_off),
		cmocka_unit_test(test_without_connections_nothing_wakes_the_loop),
		cmocka_unit_test(test_a_connection_that_ends_leaves_nothing_to_wait_for),
		cmocka_unit_test(test_connections_over_the_limit_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
