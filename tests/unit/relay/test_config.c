// SPDX-License-Identifier: Apache-2.0
#include "relay/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

/* Parses `-o` options; the struct is released by the caller when it may run. */
static enum conf_verdict parse(struct config *c, const char *first, const char *second)
{
	char *argv[] = { "hourglass-relay", "-o", (char *)(uintptr_t)first, "-o",
			 (char *)(uintptr_t)second, NULL };

	return conf_parse(config_spec(), first == NULL ? 1 : second == NULL ? 3 : 5, argv, c);
}

static void test_the_defaults_are_the_documented_ones(void **state)
{
	struct config c;

	(void)state;
	assert_int_equal(parse(&c, NULL, NULL), CONF_RUN);
	assert_string_equal(c.listen, "127.0.0.1:8127");
	assert_string_equal(c.admin, "127.0.0.1:8128");
	assert_int_equal(c.commit_ms, 500);
	assert_int_equal(c.partitions, 32);
	assert_int_equal(c.retention_hours, 840);
	assert_int_equal(c.grace_ms, 0);
	assert_false(c.auto_init);
	assert_false(c.allow_open);
	assert_string_equal(c.fleet_secret, "");
	assert_int_equal(c.store_share, 50);
	assert_int_equal(config_log_level(&c), LOG_LEVEL_INFO);
	conf_release(config_spec(), &c);
}

static void test_nonsense_is_refused(void **state)
{
	static const char *const wrong[] = {
		"listen=nowhere",     "listen=unix:///x", "listen=0.0.0.0:1", "store_share=0", "admin=x",	    "redis=http://x",
		"advertise=host",     "advertise=h:0",	  "name=two words", "partitions=0",
		"partitions=1025",    "commit_ms=0",	  "retention_hours=191", "auto_init=perhaps",
		"max_connections=0",  "log_level=loud",	  "fleet_secret=x",
	};
	struct config c;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(parse(&c, wrong[i], NULL), CONF_REFUSED);
}

static void test_beyond_loopback_there_is_a_secret_or_a_word_that_there_is_none(void **state)
{
	static const char *const inside[] = { "listen=127.0.0.1:1", "listen=127.3.2.1:1",
					      "listen=[::1]:1", "listen=localhost:1" };
	static const char *const outside[] = { "listen=0.0.0.0:1", "listen=[::]:1",
					       "listen=192.168.0.1:1", "listen=relay.example:1" };
	struct config c;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(parse(&c, inside[i], NULL), CONF_RUN);
		conf_release(config_spec(), &c);
		assert_int_equal(parse(&c, outside[i], NULL), CONF_REFUSED);
		assert_int_equal(parse(&c, outside[i], "allow_open=yes"), CONF_RUN);
		conf_release(config_spec(), &c);
		assert_int_equal(parse(&c, outside[i], "fleet_secret=0123456789abcdef"), CONF_RUN);
		assert_int_equal(config_read_secret(&c), 0);
		assert_true(slice_equal(secret_view(&c.secret), slice_text("0123456789abcdef")));
		conf_release(config_spec(), &c);
	}
}

static void test_what_is_advertised_can_be_connected_to(void **state)
{
	char out[ADDR_TEXT_SIZE], host[256] = "", wanted[ADDR_TEXT_SIZE + 8];
	struct config c;

	(void)state;
	gethostname(host, sizeof(host) - 1);
	assert_int_equal(parse(&c, NULL, NULL), CONF_RUN);
	assert_string_equal(config_advertise(&c, "10.1.2.3:41234", out), "10.1.2.3:41234");
	snprintf(wanted, sizeof(wanted), "%s:41234", host);
	assert_string_equal(config_advertise(&c, "0.0.0.0:41234", out), wanted);
	assert_string_equal(config_advertise(&c, "[::]:41234", out), wanted);
	conf_release(config_spec(), &c);
	assert_int_equal(parse(&c, "advertise=relay-1.example:9", NULL), CONF_RUN);
	assert_string_equal(config_advertise(&c, "0.0.0.0:41234", out), "relay-1.example:9");
	conf_release(config_spec(), &c);
}

static void test_the_name_is_the_hosts_unless_given(void **state)
{
	char host[256] = "";
	struct config c;

	(void)state;
	gethostname(host, sizeof(host) - 1);
	assert_int_equal(parse(&c, NULL, NULL), CONF_RUN);
	assert_string_equal(config_name(&c), host);
	conf_release(config_spec(), &c);
	assert_int_equal(parse(&c, "name=r7", "log_level=debug"), CONF_RUN);
	assert_string_equal(config_name(&c), "r7");
	assert_int_equal(config_log_level(&c), LOG_LEVEL_DEBUG);
	conf_release(config_spec(), &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_defaults_are_the_documented_ones),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(
			test_beyond_loopback_there_is_a_secret_or_a_word_that_there_is_none),
		cmocka_unit_test(test_what_is_advertised_can_be_connected_to),
		cmocka_unit_test(test_the_name_is_the_hosts_unless_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
