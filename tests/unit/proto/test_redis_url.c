// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_url.h"

#include "proto/store/redis.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct url_case {
	const char *text, *host, *user, *password, *endpoint;
	uint16_t port;
	uint32_t database;
};

static void reads_what_people_write(void **state)
{
	static const struct url_case cases[] = {
		{ "redis://127.0.0.1:6380", "127.0.0.1", "", "", "redis://127.0.0.1:6380/0", 6380, 0 },
		{ "redis://localhost", "localhost", "", "", "redis://localhost:6379/0", 6379, 0 },
		{ "redis://h:1/", "h", "", "", "redis://h:1/0", 1, 0 },
		{ "redis://h/15", "h", "", "", "redis://h:6379/15", 6379, 15 },
		{ "redis://:pw@h:7/3", "h", "", "pw", "redis://h:7/3", 7, 3 },
		{ "redis://me:p%40%2fw@h:7", "h", "me", "p@/w", "redis://h:7/0", 7, 0 },
		{ "redis://:a:b@h", "h", "", "a:b", "redis://h:6379/0", 6379, 0 },
		{ "redis://[::1]:7/2", "::1", "", "", "redis://[::1]:7/2", 7, 2 },
		{ "redis://[::1]", "::1", "", "", "redis://[::1]:6379/0", 6379, 0 },
		{ "unix:///run/r@x.sock", "/run/r@x.sock", "", "", "unix:///run/r@x.sock", 0, 0 },
		{ "unix://:pw@/run/r", "/run/r", "", "pw", "unix:///run/r", 0, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct redis_url url;
		assert_int_equal(redis_url_parse(cases[i].text, &url), 0);
		assert_null(redis_url_check(cases[i].text));
		assert_string_equal(url.address.host, cases[i].host);
		assert_string_equal(url.user, cases[i].user);
		assert_string_equal(url.password, cases[i].password);
		assert_string_equal(url.endpoint, cases[i].endpoint);
		assert_int_equal(url.address.port, cases[i].port);
		assert_int_equal(url.database, cases[i].database);
		assert_int_equal(url.address.scheme,
				 cases[i].text[0] == 'u' ? ADDR_UNIX : ADDR_TCP);
	}
}

static void refuses_everything_else(void **state)
{
	static const char *const cases[] = {
		"", "redis:", "redis://", "redis://:1", "redis://h:", "redis://h:0", "redis://h:65536",
		"redis://h:1x", "redis://h/x", "redis://h/-1", "redis://h/65536", "redis://h/1/2",
		"redis://pw@h", "redis://user:@h", "redis://:%4@h", "redis://:%00@h", "redis://:%zz@h",
		"redis://[::1", "redis://[::1]x", "redis://[]:1", "http://h", "127.0.0.1:6379",
		"unix://", "unix://run/x", "unix://:pw@", "REDIS://h", "sentinel://h:1/x",
	};
	char longest[512];
	struct redis_url url;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(redis_url_parse(cases[i], &url), -EINVAL);
		assert_non_null(redis_url_check(cases[i]));
	}
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "redis://", 8);
	longest[8 + 256] = '\0';
	assert_int_equal(redis_url_parse(longest, &url), -EINVAL);
	longest[8 + 255] = '\0';
	assert_int_equal(redis_url_parse(longest, &url), 0);
	memcpy(longest, "redis://:", 9);
	longest[9 + 256] = '@';
	longest[9 + 257] = 'h';
	longest[9 + 258] = '\0';
	assert_int_equal(redis_url_parse(longest, &url), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_people_write),
		cmocka_unit_test(refuses_everything_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
