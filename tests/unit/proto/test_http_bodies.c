// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/http.h"

#include "proto/daemon/http_private.h"
#include "tests/lib/http_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LARGE 150000

static tally_count slow, crowded;
static char zeros[LARGE + 1];

static struct http_pair *start(uint32_t slow_seconds)
{
	struct http_options options = { .max_body_bytes = 200000, .max_bodies_bytes = 200000,
					.idle_seconds = 600, .slow_seconds = slow_seconds,
					.slow = &slow, .crowded = &crowded };

	tally_set(&slow, 0);
	tally_set(&crowded, 0);
	memset(zeros, '0', LARGE);
	return http_pair_start(&options);
}

/* Announces a body, and waits until the server has read that. */
static void announce(struct http_pair *f, struct http_client *c, const char *how)
{
	static char requests[2][256];
	char *request = requests[c == &f->second];

	snprintf(request, sizeof(requests[0]), "POST /in HTTP/1.1\r\nExpect: 100-continue\r\n%s\r\n"
		 HTTP_CLOSE, how);
	c->got[0] = '\0';
	http_pair_ask(f, c, request);
	http_pair_until(f, c, "\r\n\r\n");
}

static void forget(struct http_client *c)
{
	c->size = 0;
	c->got[0] = '\0';
}

static void send_bytes(struct http_client *c, size_t size)
{
	forget(c);
	assert_int_equal(stream_write(c->s, slice_of(zeros, size)), 0);
}

static void assert_ends_with(struct http_pair *f, struct http_client *c, const char *status)
{
	test_loop_until(&f->t, &c->closed);
	assert_http_status(c, status);
}

static void test_who_only_announces_takes_no_room(void **state)
{
	struct http_pair *f = start(0);

	(void)state;
	announce(f, &f->client, "Content-Length: 200000");
	send_bytes(&f->client, 10);
	announce(f, &f->second, "Content-Length: 150000");
	assert_http_status(&f->second, "100");
	send_bytes(&f->second, LARGE);
	assert_ends_with(f, &f->second, "200");
	assert_int_equal(strlen(f->body), LARGE);
	assert_false(f->client.closed);
	assert_int_equal(tally_get(&crowded), 0);
	http_pair_finish(f);
}

static void test_a_body_that_has_come_takes_room_until_its_answer(void **state)
{
	struct http_pair *f = start(0);

	(void)state;
	f->hold = true;
	announce(f, &f->client, "Content-Length: 150000");
	send_bytes(&f->client, LARGE);
	test_loop_until_count(&f->t, &f->held_count, 1);
	/* Refused before any of it is sent. */
	announce(f, &f->second, "Content-Length: 65537");
	assert_ends_with(f, &f->second, "503");
	assert_non_null(strstr(f->second.got, "\r\nRetry-After: 1\r\n"));
	assert_int_equal(tally_get(&crowded), 1);
	/* There is always room for a small one. */
	announce(f, &f->second, "Content-Length: 65536");
	send_bytes(&f->second, 65536);
	test_loop_until_count(&f->t, &f->held_count, 2);
	http_reply_text(f->held[1], 200, "small");
	assert_ends_with(f, &f->second, "200");
	http_reply_text(f->held[0], 200, "large");
	assert_ends_with(f, &f->client, "200");
	announce(f, &f->second, "Content-Length: 150000");
	send_bytes(&f->second, LARGE);
	test_loop_until_count(&f->t, &f->held_count, 3);
	http_reply_text(f->held[2], 200, "large");
	assert_ends_with(f, &f->second, "200");
	assert_int_equal(tally_get(&crowded), 1);
	http_pair_finish(f);
}

/* It is read to its end, so that its sender reads the refusal, and holds nothing. */
static void test_a_body_that_finds_no_room_in_its_midst_is_503(void **state)
{
	static const char *const how[] = { "Content-Length: 150000", "Transfer-Encoding: chunked" };
	struct http_pair *f = start(0);

	(void)state;
	f->hold = true;
	for (unsigned i = 0; i < 2; i++) {
		f->held_count = 0;
		announce(f, &f->second, how[i]);
		announce(f, &f->client, how[0]);
		send_bytes(&f->client, LARGE);
		test_loop_until_count(&f->t, &f->held_count, 1);
		if (i == 1)
			assert_int_equal(stream_write(f->second.s, slice_text("249F0\r\n")), 0);
		send_bytes(&f->second, LARGE);
		if (i == 1)
			assert_int_equal(stream_write(f->second.s, slice_text("\r\n0\r\n\r\n")), 0);
		assert_ends_with(f, &f->second, "503");
		assert_int_equal(tally_get(&crowded), i + 1);
		assert_int_equal(f->held_count, 1);
		http_reply_text(f->held[0], 200, "first");
		assert_ends_with(f, &f->client, "200");
	}
	http_pair_finish(f);
}

/* Long before the request's own deadline, however much came at once. */
static void test_a_body_that_stalls_is_cut_off(void **state)
{
	struct http_pair *f = start(18);

	(void)state;
	http_pair_ask(f, &f->client, "GET / HTTP/1.1\r\nHost");
	announce(f, &f->second, "Content-Length: 200000");
	send_bytes(&f->second, LARGE);
	test_loop_until(&f->t, &f->second.closed);
	assert_false(f->client.closed);
	assert_int_equal(f->second.size, 0);
	assert_int_equal(f->calls, 0);
	assert_int_equal(tally_get(&slow), 1);
	http_pair_finish(f);
}

static void test_a_body_has_the_time_of_the_least_pace(void **state)
{
	struct http_slow s = { .slow_ms = 60000 };

	(void)state;
	assert_int_equal(http_slow_grace_ms(&s), 10000);
	/* Behind by 4 s at 8 KiB/s: 800 bytes are worth 100 ms. */
	assert_int_equal(http_slow_put_off(&s, 6000, 0, 800), 6100);
	assert_int_equal(http_slow_put_off(&s, 6000, 5999, 800), 6100);
	assert_int_equal(http_slow_put_off(&s, 6000, 0, 7), 6000);
	/* Headers, and what comes fast, give the grace and no more. */
	assert_int_equal(http_slow_put_off(&s, 60000, 0, 0), 10000);
	assert_int_equal(http_slow_put_off(&s, 10000, 3, SIZE_MAX / 2), 10003);
	/* What we were late to read has come in time. */
	assert_int_equal(http_slow_put_off(&s, 6000, 90000, 800), 90100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_only_announces_takes_no_room),
		cmocka_unit_test(test_a_body_that_has_come_takes_room_until_its_answer),
		cmocka_unit_test(test_a_body_that_finds_no_room_in_its_midst_is_503),
		cmocka_unit_test(test_a_body_that_stalls_is_cut_off),
		cmocka_unit_test(test_a_body_has_the_time_of_the_least_pace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
