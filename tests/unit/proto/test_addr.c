// SPDX-License-Identifier: Apache-2.0
#include "proto/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/un.h>
#include <cmocka.h>

static int parse(const char *text, struct addr *out)
{
	return addr_parse(slice_text(text), out);
}

static void assert_reads(const char *text, enum addr_scheme scheme, const char *host,
			 unsigned port)
{
	struct addr a;

	assert_int_equal(parse(text, &a), 0);
	assert_int_equal(a.scheme, scheme);
	assert_string_equal(a.host, host);
	assert_int_equal(a.port, port);
}

static void test_reads_every_form(void **state)
{
	(void)state;
	assert_reads("127.0.0.1:8127", ADDR_NONE, "127.0.0.1", 8127);
	assert_reads("[::1]:0", ADDR_NONE, "::1", 0);
	assert_reads("[fe80::1%eth0]:1", ADDR_NONE, "fe80::1%eth0", 1);
	assert_reads("relay-1.example:65535", ADDR_NONE, "relay-1.example", 65535);
	assert_reads("under_score:1", ADDR_NONE, "under_score", 1);
	assert_reads("udp://0.0.0.0:8125", ADDR_UDP, "0.0.0.0", 8125);
	assert_reads("tcp://[::]:8125", ADDR_TCP, "::", 8125);
	assert_reads("unix:///run/x.sock", ADDR_UNIX, "/run/x.sock", 0);
	assert_reads("unix:/run/x.sock", ADDR_UNIX, "/run/x.sock", 0);
	assert_reads("unix:@hourglass", ADDR_UNIX, "@hourglass", 0);
	assert_reads("unixgram:///run/y", ADDR_UNIXGRAM, "/run/y", 0);
}

static void test_refuses_what_is_no_address(void **state)
{
	static const char *const bad[] = {
		"", ":", "host", "host:", ":80", "host:65536", "host:123456", "host:-1", "host:8x",
		"::1:80", "[::1]", "[::1]80", "[host]:80", "[]:80", "[::1:80", "ho st:80", "a/b:80",
		"a@b:80", "http://x:80", "udp://", "udp://x", "unix:", "unix://", "unix:relative",
		"unix://run/x", "unix:/", "unix:@", "unix:///with space", "\xc3\xa4:80", "a,b:80",
	};
	struct addr a = { .port = 77 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i], &a) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
	assert_int_equal(addr_parse(slice_of("a\0b:80", 6), &a), -EINVAL);
	assert_int_equal(addr_parse(slice_of(NULL, 0), &a), -EINVAL);
	assert_int_equal(a.port, 77);
}

static void test_a_host_ends_at_255_bytes_and_a_path_at_107(void **state)
{
	char text[400];
	struct addr a;

	(void)state;
	memset(text, 'h', sizeof(text));
	snprintf(text + 255, 10, ":80");
	assert_int_equal(parse(text, &a), 0);
	assert_int_equal(strlen(a.host), 255);
	memset(text, 'h', sizeof(text));
	snprintf(text + 256, 10, ":80");
	assert_int_equal(parse(text, &a), -EINVAL);
	memset(text, 'p', sizeof(text));
	memcpy(text, "unix:/", 6);
	assert_int_equal(addr_parse(slice_of(text, 5 + 107), &a), 0);
	assert_int_equal(addr_parse(slice_of(text, 5 + 108), &a), -EINVAL);
}

static void test_a_list_gives_its_items_in_order(void **state)
{
	struct slice list = slice_text(" a:1 ,\tudp://b:2,unix:/c , ");
	struct addr a;

	(void)state;
	assert_int_equal(addr_next(&list, &a), 1);
	assert_string_equal(a.host, "a");
	assert_int_equal(addr_next(&list, &a), 1);
	assert_int_equal(a.scheme, ADDR_UDP);
	assert_int_equal(addr_next(&list, &a), 1);
	assert_string_equal(a.host, "/c");
	assert_int_equal(addr_next(&list, &a), 0);
	assert_int_equal(addr_next(&list, &a), 0);
}

static void test_a_list_with_a_hole_or_a_bad_item_is_refused(void **state)
{
	struct slice hole = slice_text("a:1,,b:2");
	struct slice bad = slice_text("b");
	struct slice empty = slice_of(NULL, 0);
	struct addr a;

	(void)state;
	assert_int_equal(addr_next(&hole, &a), 1);
	assert_int_equal(addr_next(&hole, &a), -EINVAL);
	assert_int_equal(addr_next(&bad, &a), -EINVAL);
	assert_int_equal(addr_next(&empty, &a), 0);
}

static void test_format_reads_back_the_same(void **state)
{
	static const char *const texts[] = { "127.0.0.1:8127", "[::1]:80", "unix:///run/x.sock",
					     "unix:@abstract", "unixgram:///y" };
	char out[ADDR_TEXT_SIZE];
	struct addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(parse(texts[i], &a), 0);
		assert_string_equal(addr_format(&a, out), texts[i]);
	}
	assert_int_equal(parse("udp://h:1", &a), 0);
	assert_string_equal(addr_format(&a, out), "h:1");
}

static void test_loopback_is_what_nobody_else_can_reach(void **state)
{
	static const char *const inside[] = { "127.0.0.1:1", "127.9.8.7:1", "[::1]:1", "localhost:1",
					      "unix:///run/x", "unixgram:///run/x" };
	static const char *const outside[] = { "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "host:1",
					       "128.0.0.1:1", "127.0.0.1.example:1" };
	struct addr a;

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		assert_int_equal(parse(inside[i], &a), 0);
		assert_true(addr_is_loopback(&a));
	}
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		assert_int_equal(parse(outside[i], &a), 0);
		assert_false(addr_is_loopback(&a));
	}
}

static void test_socket_addresses_are_shown_as_people_write_them(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(81),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/x" };
	socklen_t head = offsetof(struct sockaddr_un, sun_path);
	char out[ADDR_TEXT_SIZE];

	(void)state;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_string_equal(addr_format_socket((void *)&in, sizeof(in), out), "127.0.0.1:80");
	assert_string_equal(addr_format_socket((void *)&in6, sizeof(in6), out), "[::1]:81");
	assert_string_equal(addr_format_socket((void *)&un, sizeof(un), out), "unix:///run/x");
	assert_string_equal(addr_format_socket((void *)&un, head, out), "unix:");
	memcpy(un.sun_path, "\0a\nb", 4);
	assert_string_equal(addr_format_socket((void *)&un, head + 4, out), "unix:@a?b");
	in.sin_family = AF_UNSPEC;
	assert_string_equal(addr_format_socket((void *)&in, sizeof(in), out), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_every_form),
		cmocka_unit_test(test_refuses_what_is_no_address),
		cmocka_unit_test(test_a_host_ends_at_255_bytes_and_a_path_at_107),
		cmocka_unit_test(test_a_list_gives_its_items_in_order),
		cmocka_unit_test(test_a_list_with_a_hole_or_a_bad_item_is_refused),
		cmocka_unit_test(test_format_reads_back_the_same),
		cmocka_unit_test(test_loopback_is_what_nobody_else_can_reach),
		cmocka_unit_test(test_socket_addresses_are_shown_as_people_write_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
