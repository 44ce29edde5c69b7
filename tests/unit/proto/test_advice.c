// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/advice.h"

#include "proto/err.h"
#include "tests/lib/capture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

static char text[4096];

static const char *told(const char *address, int status)
{
	struct capture c;

	capture_start(&c, STDERR_FILENO);
	advice_listen(address, status);
	return capture_stop(&c, text, sizeof(text));
}

static void assert_tells(const char *address, int status, const char *words)
{
	assert_non_null(strstr(told(address, status), words));
}

static void test_an_address_that_failed_is_named_with_what_to_do(void **state)
{
	(void)state;
	assert_string_equal(told("127.0.0.1:8125", -EADDRINUSE),
			    "<3>listen_failed address=127.0.0.1:8125 err=EADDRINUSE hint=\"another "
			    "process has that port (ss -lntup shows which): end it or take "
			    "another\"\n");
	assert_tells("127.0.0.1:53", -EACCES, "above 1023");
	assert_tells("nohost.invalid:1", -EADDRNOTAVAIL, "does not resolve");
	assert_tells("[::]:1", -EAFNOSUPPORT, "IPv6");
	assert_string_equal(told("127.0.0.1:1", -ENOMEM),
			    "<3>listen_failed address=127.0.0.1:1 err=ENOMEM\n");
}

static void test_a_path_has_other_troubles_than_a_port(void **state)
{
	(void)state;
	assert_tells("unix:///run/x", -EADDRINUSE, "no socket");
	assert_tells("unixgram:@name", -EADDRINUSE, "another process listens there");
	assert_tells("/run/none/x", -ENOENT, "make it first");
	assert_tells("unix:///run/x", -EACCES, "in that folder");
	assert_null(strstr(told("/run/x", -ENOMEM), "hint"));
	assert_tells("unix:///run/a b", -ENOENT, "\"unix:///run/a b\"");
}

static void test_a_folder_that_failed(void **state)
{
	static const struct {
		int status;
		const char *words;
	} cases[] = {
		{ -EBUSY, "another agent" }, { -ENOENT, "make it first" }, { -ENOTDIR, "a file" },
		{ -EACCES, "own it" },       { -EPERM, "own it" },         { -EROFS, "read-only" },
		{ -ENOSPC, "full" },         { -EDQUOT, "full" },          { -EIO, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_non_null(strstr(advice_folder(cases[i].status), cases[i].words));
	assert_string_equal(advice_folder(-EIO), "");
}

static void test_a_redis_that_refuses_or_is_not_there(void **state)
{
	(void)state;
	assert_non_null(strstr(advice_redis("NOAUTH Authentication required.", -1302),
			       "redis://:password@host"));
	assert_non_null(strstr(advice_redis("ERR DB index is out of range", -1302), "no database"));
	assert_non_null(strstr(advice_redis("WRONGPASS invalid username-password pair", -1302),
			       "not the one"));
	assert_non_null(strstr(advice_redis("NOPERM this user has no permissions", -1302), "ACL"));
	assert_non_null(strstr(advice_redis("", -ECONNREFUSED), "start Redis there"));
	assert_non_null(strstr(advice_redis("", -ENOENT), "start Redis there"));
	assert_non_null(strstr(advice_redis("", -EACCES), "unixsocketperm"));
	assert_non_null(strstr(advice_redis("", UV_EAI_NONAME), "resolve"));
	/* What Redis itself said is the reason, whatever the code beside it. */
	assert_string_equal(advice_redis("LOADING Redis is loading", -ECONNREFUSED), "");
	assert_non_null(strstr(advice_redis("", UV_EAI_AGAIN), "name server"));
	assert_non_null(strstr(advice_redis("", -ETIMEDOUT), "firewall"));
	assert_non_null(strstr(advice_redis("", -EHOSTUNREACH), "route"));
	assert_non_null(strstr(advice_redis("", ERR_MALFORMED), "speak as Redis"));
	assert_non_null(strstr(advice_redis("", UV_EOF), "hung up"));
	assert_string_equal(advice_redis("", -ENOMEM), "");
}

static void test_a_relay_that_is_not_reached(void **state)
{
	(void)state;
	assert_non_null(strstr(advice_relay(-ECONNREFUSED), "start a relay there"));
	assert_non_null(strstr(advice_relay(UV_EAI_NONAME), "does not resolve"));
	assert_non_null(strstr(advice_relay(-ETIMEDOUT), "firewall"));
	assert_non_null(strstr(advice_redis("", -ETIMEDOUT), "firewall"));
	assert_string_equal(advice_redis("LOADING", -ETIMEDOUT), "");
	assert_string_equal(advice_relay(-ENOMEM), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_address_that_failed_is_named_with_what_to_do),
		cmocka_unit_test(test_a_path_has_other_troubles_than_a_port),
		cmocka_unit_test(test_a_folder_that_failed),
		cmocka_unit_test(test_a_redis_that_refuses_or_is_not_there),
		cmocka_unit_test(test_a_relay_that_is_not_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
