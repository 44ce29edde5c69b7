// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/conf.h"

#include "tests/lib/capture.h"
#include "tests/lib/conf_case.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void test_without_arguments_the_defaults_hold(void **state)
{
	struct conf_case v;

	(void)state;
	assert_conf_runs(&v, ARGS(NULL));
	assert_int_equal(v.log_level, 2);
	assert_int_equal(v.seal_ms, 500);
	assert_int_equal(v.spool_max, 1 << 30);
	assert_int_equal(v.partitions, 32);
	assert_false(v.premerge);
	assert_string_equal(v.relays, "127.0.0.1:8127");
	assert_string_equal(v.redis_url, "");
	assert_false(v.explain);
	assert_null(v.input);
	conf_release(&conf_case_spec, &v);
	assert_null(v.relays);
}

static void test_a_file_sets_keys_whatever_its_blanks_and_comments(void **state)
{
	struct conf_case v;

	(void)state;
	conf_case_file("\xef\xbb\xbf# a comment\n"
		   "; another\n"
		   "\n"
		   "log_level=debug\r\n"
		   "  seal_ms   =   2s   # after a value\n"
		   "\tspool_max = 8MiB\t; also\n"
		   "premerge: on\n"
		   "relays = a:1, b;2:2 , c#3:3\n"
		   "[redis]\n"
		   "url = redis://x/0\n");
	assert_conf_runs(&v, ARGS("-c", "test.conf"));
	assert_int_equal(v.log_level, 3);
	assert_int_equal(v.seal_ms, 2000);
	assert_int_equal(v.spool_max, 8 << 20);
	assert_true(v.premerge);
	assert_string_equal(v.relays, "a:1, b;2:2 , c#3:3");
	assert_string_equal(v.redis_url, "redis://x/0");
	conf_release(&conf_case_spec, &v);
}

static void test_a_last_line_needs_no_newline(void **state)
{
	struct conf_case v;

	(void)state;
	conf_case_file("seal_ms = 1s");
	assert_conf_runs(&v, ARGS("-c", "test.conf"));
	assert_int_equal(v.seal_ms, 1000);
	conf_release(&conf_case_spec, &v);
}

static void test_options_win_over_the_file_and_the_last_over_the_first(void **state)
{
	struct conf_case v;

	(void)state;
	conf_case_file("seal_ms = 1s\npartitions = 8\n");
	assert_conf_runs(&v, ARGS("-o", "seal_ms=2s", "-c", "test.conf"));
	assert_int_equal(v.seal_ms, 2000);
	assert_int_equal(v.partitions, 8);
	conf_release(&conf_case_spec, &v);
	assert_conf_runs(&v, ARGS("-o", "seal_ms=2s", "-o", " seal_ms = 3s "));
	conf_release(&conf_case_spec, &v);
	assert_conf_runs(&v, ARGS("-o", "redis.url=a=b", "-o", "seal_ms = 3s "));
	assert_string_equal(v.redis_url, "a=b");
	assert_int_equal(v.seal_ms, 3000);
	conf_release(&conf_case_spec, &v);
}

static void test_units(void **state)
{
	static const struct {
		const char *pair;
		int64_t ms, bytes;
	} cases[] = {
		{ "seal_ms=10", 10, 1 << 30 },		 { "seal_ms=10ms", 10, 1 << 30 },
		{ "seal_ms=60s", 60000, 1 << 30 },	 { "seal_ms=1min", 60000, 1 << 30 },
		{ "spool_max=1048576", 500, 1 << 20 },	 { "spool_max=1024KiB", 500, 1 << 20 },
		{ "spool_max=3GiB", 500, 3LL << 30 },	 { "spool_max=2TiB", 500, 2LL << 40 },
	};
	struct conf_case v;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_conf_runs(&v, ARGS("-o", cases[i].pair));
		assert_int_equal(v.seal_ms, cases[i].ms);
		assert_int_equal(v.spool_max, cases[i].bytes);
		conf_release(&conf_case_spec, &v);
	}
}

static void test_every_word_for_yes_and_no(void **state)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };
	char pair[32];
	struct conf_case v;

	(void)state;
	for (int i = 0; i < 8; i++) {
		snprintf(pair, sizeof(pair), "premerge=%s", words[i]);
		assert_conf_runs(&v, ARGS("-o", pair));
		assert_int_equal(v.premerge, i % 2);
		conf_release(&conf_case_spec, &v);
	}
}

/* What `-o` refuses, and what it says then. */
static const struct {
	const char *pair, *says;
} refused_pairs[] = {
	{ "seal_ms=9", "seal_ms = 9: expected a duration from 10ms to 60s" },
	{ "seal_ms=2min", "seal_ms = 2min: expected a duration from 10ms to 60s" },
	{ "seal_ms=", "seal_ms = \"\": expected a duration from 10ms to 60s" },
	{ "partitions=1KiB", "partitions = 1KiB: expected a number from -1 to 1024" },
	{ "partitions=99999999999999999999",
	  "partitions = 99999999999999999999: expected a number from -1 to 1024" },
	{ "spool_max=99999999TiB",
	  "spool_max = 99999999TiB: expected a size from 1MiB to 9223372036854775807" },
	{ "premerge=maybe", "premerge = maybe: expected yes or no" },
	{ "log_level=warning", "log_level = warning: expected one of error, warn, info, debug" },
	{ "relays=nowhere", "relays = nowhere: expected host:port, comma-separated" },
	{ "redis.url=a\nb", "redis.url = ***: expected 0 to 4096 bytes of text" },
	{ "relays=a:1 # b",
	  "relays = \"a:1 # b\": expected no # or ; after a blank: it begins a comment" },
	{ "colour=blue", "unknown key colour" },
	{ "url=x", "unknown key url" },
	{ "seal_ms", "seal_ms: expected key=value" },
};

static void test_a_bad_pair_names_place_value_and_range(void **state)
{
	char says[256];

	(void)state;
	for (size_t i = 0; i < sizeof(refused_pairs) / sizeof(refused_pairs[0]); i++) {
		snprintf(says, sizeof(says), SAYS("-o", "%s"), refused_pairs[i].says);
		assert_conf_refused(ARGS("-o", refused_pairs[i].pair), says);
	}
}

static void test_a_bad_value_in_a_file_names_its_line(void **state)
{
	(void)state;
	assert_conf_file_refused("# one\n\nseal_ms = 5x\n",
			    SAYS("test.conf:3", "seal_ms = 5x: expected a duration from 10ms to 60s"));
}

static void test_a_text_longer_than_its_limit_is_refused(void **state)
{
	char pair[400] = "relays=";
	struct conf_case v;

	(void)state;
	memset(pair + 7, ':', 300);
	assert_conf_runs(&v, ARGS("-o", pair));
	conf_release(&conf_case_spec, &v);
	pair[307] = ':';
	assert_int_equal(conf_case_run(STDERR_FILENO, &v, ARGS("-o", pair)), CONF_REFUSED);
	assert_non_null(strstr(conf_case_out, ": expected 0 to 300 bytes of text\n"));
}

static void test_an_unknown_key_names_the_nearest(void **state)
{
	(void)state;
	assert_conf_file_refused("seal_mss = 1s\n",
			    SAYS("test.conf:1", "unknown key seal_mss, did you mean seal_ms?"));
	assert_conf_file_refused("[redis]\nurI = x\n",
			    SAYS("test.conf:2", "unknown key redis.urI, did you mean redis.url?"));
}

static void test_every_error_of_a_file_is_named(void **state)
{
	(void)state;
	assert_conf_file_refused("seal_ms = 1s\nseal_ms = 2s\npremerge = x\nno equals sign\n",
			    SAYS("test.conf:2", "seal_ms is set in line 1 already")
			    SAYS("test.conf:3", "premerge = x: expected yes or no")
			    SAYS("test.conf:4", "expected `key = value` or `[section]`"));
	assert_conf_file_refused("[redis\nurl = x\n",
			    SAYS("test.conf:2", "unknown key url")
			    SAYS("test.conf:1", "expected `key = value` or `[section]`"));
}

static void test_a_file_that_cannot_be_read_says_why(void **state)
{
	(void)state;
	assert_conf_refused(ARGS("-c", "nothing.conf"),
		       SAYS("nothing.conf", "cannot be read: No such file or directory"));
	assert_conf_refused(ARGS("-c", "."), SAYS(".", "cannot be read: Is a directory"));
}

static void test_a_long_line_is_read_whole_or_refused(void **state)
{
	static char line[6000];
	struct conf_case v;

	(void)state;
	snprintf(line, sizeof(line), "relays = %0280d:1\n", 0);
	conf_case_file(line);
	assert_conf_runs(&v, ARGS("-c", "test.conf"));
	assert_int_equal(strlen(v.relays), 282);
	conf_release(&conf_case_spec, &v);
	snprintf(line, sizeof(line), "\nrelays = %05000d:1\n", 0);
	assert_conf_file_refused(line, SAYS("test.conf:2", "the line is too long"));
	conf_case_write("seal_ms = 1s\0\n", 14);
	assert_conf_refused(ARGS("-c", "test.conf"), SAYS("test.conf:1", "the line holds a zero byte"));
}

static void test_bad_arguments_are_refused(void **state)
{
	(void)state;
	assert_conf_refused(ARGS("--chek"),
		       "hourglass-test: unknown option --chek, did you mean --check?\n");
	assert_conf_refused(ARGS("--explian"),
		       "hourglass-test: unknown option --explian, did you mean --explain?\n");
	assert_conf_refused(ARGS("file.conf"),
		       "hourglass-test: unknown option file.conf, did you mean --help?\n");
	assert_conf_refused(ARGS("-c"), "hourglass-test: -c: an argument is missing\n");
	assert_conf_refused(ARGS("-o"), "hourglass-test: -o: an argument is missing\n");
	assert_conf_refused(ARGS("--input"), "hourglass-test: --input: an argument is missing\n");
	assert_conf_refused(ARGS("-c", "a", "-c", "b"), "hourglass-test: -c was given twice\n");
}

static void test_flags_of_the_daemon_s_own(void **state)
{
	struct conf_case v;

	(void)state;
	assert_conf_runs(&v, ARGS("--explain", "--input", "lines.txt"));
	assert_true(v.explain);
	assert_string_equal(v.input, "lines.txt");
	conf_release(&conf_case_spec, &v);
	assert_null(v.input);
}

static const char *check_filled(const char *text)
{
	return text[0] != '\0' ? NULL : "redis://host:port";
}

static void test_a_default_that_its_check_refuses_must_be_set(void **state)
{
	struct conf_row row = conf_case_spec.rows[6];
	struct conf_spec one = conf_case_spec;
	struct conf_case v;
	struct capture c;
	char *argv[4] = { (char *)(uintptr_t)"x", (char *)(uintptr_t)"-o",
			  (char *)(uintptr_t)"redis.url=redis://y:1", NULL };
	enum conf_verdict verdict;

	(void)state;
	row.check = check_filled;
	one.rows = &row;
	one.row_count = 1;
	capture_start(&c, STDERR_FILENO);
	verdict = conf_parse(&one, 1, argv, &v);
	capture_stop(&c, conf_case_out, sizeof(conf_case_out));
	assert_int_equal(verdict, CONF_REFUSED);
	assert_string_equal(conf_case_out,
			    "hourglass-test: redis.url must be set: expected redis://host:port\n");
	assert_int_equal(conf_parse(&one, 3, argv, &v), CONF_RUN);
	conf_release(&one, &v);
}

static int conf_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_arguments_the_defaults_hold),
		cmocka_unit_test(test_a_file_sets_keys_whatever_its_blanks_and_comments),
		cmocka_unit_test(test_a_last_line_needs_no_newline),
		cmocka_unit_test(test_options_win_over_the_file_and_the_last_over_the_first),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_every_word_for_yes_and_no),
		cmocka_unit_test(test_a_bad_pair_names_place_value_and_range),
		cmocka_unit_test(test_a_bad_value_in_a_file_names_its_line),
		cmocka_unit_test(test_a_text_longer_than_its_limit_is_refused),
		cmocka_unit_test(test_an_unknown_key_names_the_nearest),
		cmocka_unit_test(test_every_error_of_a_file_is_named),
		cmocka_unit_test(test_a_file_that_cannot_be_read_says_why),
		cmocka_unit_test(test_a_long_line_is_read_whole_or_refused),
		cmocka_unit_test(test_bad_arguments_are_refused),
		cmocka_unit_test(test_flags_of_the_daemon_s_own),
		cmocka_unit_test(test_a_default_that_its_check_refuses_must_be_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return conf_case_main(conf_tests);
}
