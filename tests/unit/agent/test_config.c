// SPDX-License-Identifier: Apache-2.0
#include "agent/config.h"

#include "tests/lib/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char printed[8192];

/* Parses one `-o` (NULL: none); what was printed to standard error is kept. */
static enum conf_verdict parse(const char *option, struct config *out)
{
	char program[] = "hourglass-agent", flag[] = "-o", value[256];
	char *argv[] = { program, flag, value, NULL };
	struct capture c;
	enum conf_verdict verdict;

	snprintf(value, sizeof(value), "%s", option ? option : "");
	capture_start(&c, STDERR_FILENO);
	verdict = conf_parse(config_spec(), option ? 3 : 1, argv, out);
	capture_stop(&c, printed, sizeof(printed));
	return verdict;
}

static void accept(const char *option, struct config *out)
{
	if (parse(option, out) != CONF_RUN)
		fail_msg("%s was refused: %s", option ? option : "nothing", printed);
}

static void refuse(const char *option)
{
	const char *value = strchr(option, '=') + 1;
	char key[32];
	struct config c;

	snprintf(key, sizeof(key), "%.*s", (int)(value - option - 1), option);
	if (parse(option, &c) != CONF_REFUSED)
		fail_msg("%s was accepted", option);
	if (strstr(printed, key) == NULL || strstr(printed, value) == NULL)
		fail_msg("%s: key or value not named: %s", option, printed);
}

static void done(struct config *c)
{
	conf_release(config_spec(), c);
}

static void test_defaults_are_those_of_the_document(void **state)
{
	struct config c;

	(void)state;
	accept(NULL, &c);
	assert_string_equal(c.listen, "udp://127.0.0.1:8125");
	assert_string_equal(c.admin, "127.0.0.1:8126");
	assert_string_equal(c.relays, "127.0.0.1:8127");
	assert_int_equal(c.seal_ms, 500);
	assert_int_equal(c.confirm_ms, 10000);
	assert_int_equal(c.drain_ms, 5000);
	assert_int_equal(c.peer_timeout_ms, 1000);
	assert_int_equal(c.grace_ms, 0);
	assert_int_equal(c.spool_max, 1LL << 30);
	assert_int_equal(c.segment_bytes, 8 << 20);
	assert_int_equal(c.max_keys, 100000);
	assert_int_equal(c.max_keys_per_prefix, 50000);
	assert_int_equal(c.max_new_keys_per_second, 20000);
	assert_int_equal(c.max_tags, 32);
	assert_int_equal(c.max_series_bytes, 1024);
	assert_true(c.ledger);
	assert_int_equal(config_log_level(&c), LOG_LEVEL_INFO);
	done(&c);
}

static void test_relays_are_taken_apart(void **state)
{
	struct slice relays[CONFIG_RELAYS];
	struct config c;

	(void)state;
	accept("relays=a.example:1, [::1]:2,10.0.0.1:3", &c);
	assert_int_equal(config_relays(&c, relays), 3);
	assert_true(slice_equal(relays[0], slice_text("a.example:1")));
	assert_true(slice_equal(relays[1], slice_text("[::1]:2")));
	assert_true(slice_equal(relays[2], slice_text("10.0.0.1:3")));
	done(&c);
}

static void test_wrong_relays_are_refused(void **state)
{
	(void)state;
	refuse("relays=");
	refuse("relays=host");
	refuse("relays=host:0");
	refuse("relays=host:70000");
	refuse("relays=udp://host:1");
	refuse("relays=a:1,,b:1");
}

static void test_tags_are_taken_apart(void **state)
{
	struct series_tag tags[CONFIG_TAGS];
	struct config c;
	struct line_options options;

	(void)state;
	accept("add_tags=instance=web-3, zone=a=b,empty=", &c);
	assert_int_equal(config_tags(c.add_tags, tags), 3);
	assert_true(slice_equal(tags[0].key, slice_text("instance")));
	assert_true(slice_equal(tags[0].value, slice_text("web-3")));
	assert_true(slice_equal(tags[1].value, slice_text("a=b")));
	assert_int_equal(tags[2].value.size, 0);
	options = config_line_options(&c, tags, 3);
	assert_int_equal(options.add_tag_count, 3);
	assert_false(options.gauge_signed_sets);
	assert_false(options.sanitize_statsd);
	done(&c);
}

static void test_wrong_tags_are_refused(void **state)
{
	(void)state;
	refuse("add_tags=instance");
	refuse("add_tags==web");
	refuse("add_tags=a=1,b");
	refuse("add_tags=a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9,j=1,k=2,l=3,m=4,n=5,o=6,p=7,q=8");
}

static void test_limits_stay_within_the_format_s(void **state)
{
	struct config c;

	(void)state;
	accept("max_series_bytes=8192", &c);
	done(&c);
	refuse("max_series_bytes=8193");
	refuse("max_tags=65");
	refuse("max_tags=0");
	accept("max_keys_per_prefix=7", &c);
	assert_int_equal(config_limits(&c).max_keys_per_prefix, 7);
	assert_int_equal(config_limits(&c).max_keys, 100000);
	assert_int_equal(config_limits(&c).max_new_keys_per_second, 20000);
	done(&c);
	accept("ledger=no", &c);
	assert_false(c.ledger);
	done(&c);
}

static void test_choices_reach_the_line_parser(void **state)
{
	struct config c;

	(void)state;
	accept("gauge_signed=set", &c);
	assert_true(config_line_options(&c, NULL, 0).gauge_signed_sets);
	done(&c);
	accept("sanitize=statsd", &c);
	assert_true(config_line_options(&c, NULL, 0).sanitize_statsd);
	done(&c);
	refuse("gauge_signed=maybe");
	refuse("log_level=loud");
}

static void test_an_input_that_is_none_is_refused_aloud(void **state)
{
	(void)state;
	refuse("listen=http://127.0.0.1:8125");
	assert_non_null(strstr(printed, "tcp://host:port"));
	refuse("listen=unix:");
	refuse("receivers=17");
	refuse("stream_connections=0");
	refuse("admin=unix:///run/agent.sock");
}

static void test_the_admin_port_can_be_left_out(void **state)
{
	struct config c;

	(void)state;
	accept("admin=", &c);
	assert_string_equal(c.admin, "");
	done(&c);
}

static void test_the_state_folder_falls_back_to_systemd_s(void **state)
{
	struct config c;

	(void)state;
	unsetenv("STATE_DIRECTORY");
	accept(NULL, &c);
	assert_string_equal(config_state_dir(&c), "");
	setenv("STATE_DIRECTORY", "/var/lib/hourglass-agent", 1);
	assert_string_equal(config_state_dir(&c), "/var/lib/hourglass-agent");
	done(&c);
	accept("state_dir=/srv/x", &c);
	assert_string_equal(config_state_dir(&c), "/srv/x");
	done(&c);
	unsetenv("STATE_DIRECTORY");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_those_of_the_document),
		cmocka_unit_test(test_relays_are_taken_apart),
		cmocka_unit_test(test_wrong_relays_are_refused),
		cmocka_unit_test(test_tags_are_taken_apart),
		cmocka_unit_test(test_wrong_tags_are_refused),
		cmocka_unit_test(test_limits_stay_within_the_format_s),
		cmocka_unit_test(test_choices_reach_the_line_parser),
		cmocka_unit_test(test_an_input_that_is_none_is_refused_aloud),
		cmocka_unit_test(test_the_admin_port_can_be_left_out),
		cmocka_unit_test(test_the_state_folder_falls_back_to_systemd_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
