// SPDX-License-Identifier: Apache-2.0
#include "queryd/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum conf_verdict parse(struct config *c, const char *assignment)
{
	char program[] = "hourglass-queryd", option[] = "-o", text[300] = "";
	char *argv[] = { program, option, text, NULL };

	if (assignment)
		(void)strncat(text, assignment, sizeof(text) - 1);
	return conf_parse(config_spec(), assignment ? 3 : 1, argv, c);
}

static void the_defaults_are_those_of_the_api(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(parse(&c, NULL), CONF_RUN);
	assert_string_equal(c.listen, "127.0.0.1:8129");
	assert_string_equal(c.redis, "redis://127.0.0.1:6379/0");
	assert_int_equal(c.max_connections, 4000);
	assert_int_equal(c.agent_gone_after_ms, 3600000);
	assert_int_equal(c.retention_hours, 840);
	assert_int_equal(c.max_series, 10000);
	assert_int_equal(c.max_points, 200000);
	assert_int_equal(c.max_read, 256 << 20);
	assert_int_equal(c.max_answer, 32 << 20);
	assert_int_equal(c.read_timeout_ms, 1000);
	assert_int_equal(c.query_timeout_ms, 5000);
	assert_string_equal(c.cors_origins, "");
	conf_release(config_spec(), &c);
}

static void good_values_are_taken(void **state)
{
	static const char *const cases[] = {
		"listen=[::1]:0", "listen=localhost:1", "redis=unix:///run/redis.sock",
		"redis=redis://:pw@h:1/2", "agent_gone_after=5min", "max_names=1", "log_level=debug",
		"max_answer=4KiB", "max_answer=1GiB", "read_timeout=10ms",
		"cors_origins=https://a.example", "cors_origins=http://a:1, https://b", "cors_origins=",
	};
	struct config c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(parse(&c, cases[i]), CONF_RUN);
		conf_release(config_spec(), &c);
	}
}

static void bad_values_are_refused(void **state)
{
	static const char *const cases[] = {
		"listen=udp://127.0.0.1:1", "listen=nowhere", "redis=http://x", "redis=", "listen=",
		"agent_gone_after=5", "max_names=0", "max_answer=4095", "max_answer=2GiB", "read_timeout=9ms", "max_connections=0", "log_level=loud",
		"retention_hours=0", "cors_origins=*", "cors_origins=a.example",
		"cors_origins=https://a/", "cors_origins=https://", "cors_origins=https://a https://b",
	};
	struct config c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(parse(&c, cases[i]), CONF_REFUSED);
}

static void only_listed_origins_are_allowed(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(parse(&c, NULL), CONF_RUN);
	assert_false(config_allows_origin(&c, "https://a.example"));
	assert_false(config_allows_origin(&c, ""));
	conf_release(config_spec(), &c);
	assert_int_equal(parse(&c, "cors_origins=https://a.example , http://b:80,"), CONF_RUN);
	assert_true(config_allows_origin(&c, "https://a.example"));
	assert_true(config_allows_origin(&c, "http://b:80"));
	assert_false(config_allows_origin(&c, "http://b"));
	assert_false(config_allows_origin(&c, "http://a.example"));
	assert_false(config_allows_origin(&c, "https://a.example.evil"));
	assert_false(config_allows_origin(&c, "null"));
	conf_release(config_spec(), &c);
}

static void every_row_has_its_prose(void **state)
{
	const struct conf_spec *spec = config_spec();
	size_t i;

	(void)state;
	assert_true(spec->row_count >= 8);
	for (i = 0; i < spec->row_count; i++)
		assert_true(strlen(spec->rows[i].help) > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults_are_those_of_the_api),
		cmocka_unit_test(good_values_are_taken),
		cmocka_unit_test(bad_values_are_refused),
		cmocka_unit_test(only_listed_origins_are_allowed),
		cmocka_unit_test(every_row_has_its_prose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
