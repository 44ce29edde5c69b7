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

static void lists_of_sentinels_and_nodes(void **state)
{
	struct redis_url url;

	(void)state;
	assert_int_equal(redis_url_parse("sentinel://:s%2cp@a,b:1,[::1]:2/main/3", &url), 0);
	assert_int_equal(url.kind, REDIS_SENTINEL);
	assert_int_equal(url.seed_count, 3);
	assert_string_equal(url.seeds[0].host, "a");
	assert_int_equal(url.seeds[0].port, 26379);
	assert_int_equal(url.seeds[1].port, 1);
	assert_string_equal(url.seeds[2].host, "::1");
	assert_string_equal(url.service, "main");
	assert_string_equal(url.password, "s,p");
	assert_int_equal(url.database, 3);
	assert_string_equal(url.endpoint, "sentinel://a:26379,b:1,[::1]:2/main/3");
	assert_int_equal(redis_url_parse("sentinel://a/m", &url), 0);
	assert_int_equal(url.database, 0);

	assert_int_equal(redis_url_parse("cluster://u:p@a,b:7001/", &url), 0);
	assert_int_equal(url.kind, REDIS_CLUSTER);
	assert_int_equal(url.seed_count, 2);
	assert_int_equal(url.seeds[0].port, 6379);
	assert_int_equal(url.seeds[1].port, 7001);
	assert_string_equal(url.user, "u");
	assert_string_equal(url.endpoint, "cluster://a:6379,b:7001");
	assert_int_equal(redis_url_kind("cluster://a"), REDIS_CLUSTER);
	assert_int_equal(redis_url_kind("sentinel://a/m"), REDIS_SENTINEL);
	assert_int_equal(redis_url_kind("unix:///x"), REDIS_SINGLE);
}

static void as_many_seeds_as_there_is_room(void **state)
{
	char text[8192] = "cluster://";
	struct redis_url url;
	size_t i, size = strlen(text);

	(void)state;
	for (i = 0; i < REDIS_URL_SEEDS_MAX; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%0100zu:7000",
					 i ? "," : "", i);
	assert_int_equal(redis_url_parse(text, &url), 0);
	assert_int_equal(url.seed_count, REDIS_URL_SEEDS_MAX);
	assert_true(strlen(url.endpoint) < REDIS_URL_ENDPOINT_SIZE);
	strcpy(text + size, ",h");
	assert_int_equal(redis_url_parse(text, &url), -EINVAL);
}

static void refuses_everything_else(void **state)
{
	static const char *const cases[] = {
		"", "redis:", "redis://", "redis://:1", "redis://h:", "redis://h:0", "redis://h:65536",
		"redis://h:1x", "redis://h/x", "redis://h/-1", "redis://h/65536", "redis://h/1/2",
		"redis://pw@h", "redis://user:@h", "redis://:%4@h", "redis://:%00@h", "redis://:%zz@h",
		"redis://[::1", "redis://[::1]x", "redis://[]:1", "http://h", "127.0.0.1:6379",
		"unix://", "unix://run/x", "unix://:pw@", "REDIS://h",
		"redis://a,b", "sentinel://", "sentinel://h", "sentinel://h/", "sentinel:///x",
		"sentinel://a,/x", "sentinel://,a/x", "sentinel://h/x/y", "sentinel://h/x/1/2",
		"cluster://", "cluster://a,,b", "cluster://a/1", "cluster://:@a",
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
		cmocka_unit_test(lists_of_sentinels_and_nodes),
		cmocka_unit_test(as_many_seeds_as_there_is_room),
		cmocka_unit_test(refuses_everything_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
