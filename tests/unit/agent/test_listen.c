// SPDX-License-Identifier: Apache-2.0
#include "agent/listen.h"

#include "proto/daemon/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

static void test_lists_are_checked(void **state)
{
	(void)state;
	assert_null(listen_check("udp://127.0.0.1:8125"));
	assert_null(listen_check("udp://127.0.0.1:8125,udp://[::1]:8125 , unixgram:///run/x"));
	assert_null(listen_check("127.0.0.1:8125"));
	assert_null(listen_check("tcp://127.0.0.1:8125,unix:///run/x,unix:@x,unixgram:@y"));
	assert_non_null(listen_check(""));
	assert_non_null(listen_check("udp://127.0.0.1"));
	assert_non_null(listen_check("http://127.0.0.1:8125"));
	assert_non_null(listen_check("a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9,a:10,a:11,a:12,a:13,"
				     "a:14,a:15,a:16,a:17"));
}

static void test_streams_and_datagrams_are_told_apart(void **state)
{
	static const char list[] = "127.0.0.1:1,tcp://127.0.0.1:2,unixgram:@a,unix:@b,udp://[::1]:3";
	struct addr all[LISTEN_ADDRESSES];

	(void)state;
	assert_int_equal(listen_addresses(list, false, all), 3);
	assert_int_equal(all[0].scheme, ADDR_UDP);
	assert_int_equal(all[1].scheme, ADDR_UNIXGRAM);
	assert_int_equal(all[2].port, 3);
	assert_int_equal(listen_addresses(list, true, all), 2);
	assert_int_equal(all[0].scheme, ADDR_TCP);
	assert_string_equal(all[1].host, "@b");
}

static void test_what_is_bound_is_shown_as_it_would_be_asked_for(void **state)
{
	static const char list[] = "unix:@hourglass-listen,unixgram:@hourglass-listen,tcp://[::1]:0";
	struct addr all[LISTEN_ADDRESSES];
	char text[LISTEN_TEXT_SIZE] = "";
	int fds[3];

	(void)state;
	assert_int_equal(listen_addresses(list, true, all), 2);
	assert_int_equal(listen_bind(list, &all[0], false, &fds[0]), 0);
	assert_int_equal(listen_bind(list, &all[1], false, &fds[1]), 0);
	assert_int_equal(listen_addresses(list, false, all), 1);
	assert_int_equal(listen_bind(list, &all[0], false, &fds[2]), 0);
	for (int i = 0; i < 3; i++) {
		listen_show(fds[i], text);
		close(fds[i]);
	}
	assert_null(listen_check(text));
	assert_non_null(strstr(text, "unix:@hourglass-listen,tcp://[::1]:"));
	assert_non_null(strstr(text, ",unixgram:@hourglass-listen"));
}

static void test_nothing_was_passed(void **state)
{
	int fds[4];

	(void)state;
	assert_int_equal(listen_inherited(false, fds, 4), 0);
	assert_int_equal(listen_inherited(true, fds, 4), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_are_checked),
		cmocka_unit_test(test_streams_and_datagrams_are_told_apart),
		cmocka_unit_test(test_what_is_bound_is_shown_as_it_would_be_asked_for),
		cmocka_unit_test(test_nothing_was_passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
