// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/conf.h"

#include "tests/lib/capture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct values {
	int64_t log_level;
	int64_t seal_ms;
	int64_t spool_max;
	int64_t partitions;
	bool premerge;
	char *relays;
	char *redis_url;
	bool explain;
	char *input;
};

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

static const char *check_relays(const char *text)
{
	return strchr(text, ':') != NULL ? NULL : "host:port, comma-separated";
}

#define AT(member) .offset = offsetof(struct values, member)

static const struct conf_row rows[] = {
	{ .key = "log_level", .type = CONF_CHOICE, AT(log_level), .fallback = "info",
	  .choices = levels, .reloadable = true, .help = "What is logged." },
	{ .key = "seal_ms", .type = CONF_MS, AT(seal_ms), .fallback = "500ms", .min = 10,
	  .max = 60000, .reloadable = true, .help = "How long a batch stays open." },
	{ .key = "spool_max", .type = CONF_BYTES, AT(spool_max), .fallback = "1GiB",
	  .min = 1 << 20, .max = INT64_MAX, .help = "Ceiling of the spool." },
	{ .key = "partitions", .type = CONF_INT, AT(partitions), .fallback = "32", .min = -1,
	  .max = 1024, .help = "Partitions of the fleet." },
	{ .key = "premerge", .type = CONF_BOOL, AT(premerge), .fallback = "no",
	  .help = "Whether sketches are sent." },
	{ .key = "relays", .type = CONF_TEXT, AT(relays), .fallback = "127.0.0.1:8127",
	  .max = 300, .check = check_relays, .reloadable = true, .help = "Where batches go." },
	{ .key = "redis.url", .type = CONF_TEXT, AT(redis_url), .fallback = "", .secret = true,
	  .help = "Where it is." },
};

static const struct conf_flag flags[] = {
	{ "explain", NULL, offsetof(struct values, explain), "say how lines are read" },
	{ "input", "FILE", offsetof(struct values, input), "read lines from FILE" },
};

static const struct conf_spec spec = {
	.program = "hourglass-test",
	.summary = "Tests.",
	.rows = rows,
	.row_count = sizeof(rows) / sizeof(rows[0]),
	.flags = flags,
	.flag_count = 2,
	.struct_size = sizeof(struct values),
};

static char dir[] = "/tmp/hourglass-conf-XXXXXX";
static char out[32768];

/* Writes size bytes as test.conf in the working directory. */
static void write_bytes(const char *text, size_t size)
{
	FILE *file = fopen("test.conf", "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	fclose(file);
}

static void write_file(const char *text)
{
	write_bytes(text, strlen(text));
}

/* Parses up to four arguments; what was printed to fd is in `out`. */
static enum conf_verdict run(int fd, struct values *v, const char *const arguments[4])
{
	char *argv[6] = { (char *)(uintptr_t)"hourglass-test" };
	enum conf_verdict verdict;
	struct capture c;
	int argc = 1;

	for (; argc < 5 && arguments[argc - 1] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
	capture_start(&c, fd);
	verdict = conf_parse(&spec, argc, argv, v);
	capture_stop(&c, out, sizeof(out));
	return verdict;
}

#define ARGS(...) ((const char *const[5]){ __VA_ARGS__ })

static void assert_refused(const char *const arguments[4], const char *expected)
{
	struct values v;

	assert_int_equal(run(STDERR_FILENO, &v, arguments), CONF_REFUSED);
	assert_string_equal(out, expected);
	assert_null(v.relays);
}

static void assert_file_refused(const char *text, const char *expected)
{
	write_file(text);
	assert_refused(ARGS("-c", "test.conf"), expected);
}

static void assert_runs(struct values *v, const char *const arguments[4])
{
	enum conf_verdict verdict = run(STDERR_FILENO, v, arguments);

	assert_string_equal(out, "");
	assert_int_equal(verdict, CONF_RUN);
}

static void test_without_arguments_the_defaults_hold(void **state)
{
	struct values v;

	(void)state;
	assert_runs(&v, ARGS(NULL));
	assert_int_equal(v.log_level, 2);
	assert_int_equal(v.seal_ms, 500);
	assert_int_equal(v.spool_max, 1 << 30);
	assert_int_equal(v.partitions, 32);
	assert_false(v.premerge);
	assert_string_equal(v.relays, "127.0.0.1:8127");
	assert_string_equal(v.redis_url, "");
	assert_false(v.explain);
	assert_null(v.input);
	conf_release(&spec, &v);
	assert_null(v.relays);
}

static void test_a_file_sets_keys_whatever_its_blanks_and_comments(void **state)
{
	struct values v;

	(void)state;
	write_file("\xef\xbb\xbf# a comment\n"
		   "; another\n"
		   "\n"
		   "log_level=debug\r\n"
		   "  seal_ms   =   2s   # after a value\n"
		   "\tspool_max = 8MiB\t; also\n"
		   "premerge: on\n"
		   "relays = a:1, b;2:2 , c#3:3\n"
		   "[redis]\n"
		   "url = redis://x/0\n");
	assert_runs(&v, ARGS("-c", "test.conf"));
	assert_int_equal(v.log_level, 3);
	assert_int_equal(v.seal_ms, 2000);
	assert_int_equal(v.spool_max, 8 << 20);
	assert_true(v.premerge);
	assert_string_equal(v.relays, "a:1, b;2:2 , c#3:3");
	assert_string_equal(v.redis_url, "redis://x/0");
	conf_release(&spec, &v);
}

static void test_a_last_line_needs_no_newline(void **state)
{
	struct values v;

	(void)state;
	write_file("seal_ms = 1s");
	assert_runs(&v, ARGS("-c", "test.conf"));
	assert_int_equal(v.seal_ms, 1000);
	conf_release(&spec, &v);
}

static void test_options_win_over_the_file_and_the_last_over_the_first(void **state)
{
	struct values v;

	(void)state;
	write_file("seal_ms = 1s\npartitions = 8\n");
	assert_runs(&v, ARGS("-o", "seal_ms=2s", "-c", "test.conf"));
	assert_int_equal(v.seal_ms, 2000);
	assert_int_equal(v.partitions, 8);
	conf_release(&spec, &v);
	assert_runs(&v, ARGS("-o", "seal_ms=2s", "-o", " seal_ms = 3s "));
	conf_release(&spec, &v);
	assert_runs(&v, ARGS("-o", "redis.url=a=b", "-o", "seal_ms = 3s "));
	assert_string_equal(v.redis_url, "a=b");
	assert_int_equal(v.seal_ms, 3000);
	conf_release(&spec, &v);
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
	struct values v;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_runs(&v, ARGS("-o", cases[i].pair));
		assert_int_equal(v.seal_ms, cases[i].ms);
		assert_int_equal(v.spool_max, cases[i].bytes);
		conf_release(&spec, &v);
	}
}

static void test_every_word_for_yes_and_no(void **state)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };
	char pair[32];
	struct values v;

	(void)state;
	for (int i = 0; i < 8; i++) {
		snprintf(pair, sizeof(pair), "premerge=%s", words[i]);
		assert_runs(&v, ARGS("-o", pair));
		assert_int_equal(v.premerge, i % 2);
		conf_release(&spec, &v);
	}
}

#define SAYS(place, text) "hourglass-test: " place ": " text "\n"

static void test_a_bad_value_names_place_value_and_range(void **state)
{
	(void)state;
	assert_file_refused("# one\n\nseal_ms = 5x\n",
			    SAYS("test.conf:3", "seal_ms = 5x: expected a duration from 10ms to 60s"));
	assert_refused(ARGS("-o", "seal_ms=9"),
		       SAYS("-o", "seal_ms = 9: expected a duration from 10ms to 60s"));
	assert_refused(ARGS("-o", "seal_ms=2min"),
		       SAYS("-o", "seal_ms = 2min: expected a duration from 10ms to 60s"));
	assert_refused(ARGS("-o", "seal_ms="),
		       SAYS("-o", "seal_ms = \"\": expected a duration from 10ms to 60s"));
	assert_refused(ARGS("-o", "partitions=1KiB"),
		       SAYS("-o", "partitions = 1KiB: expected a number from -1 to 1024"));
	assert_refused(ARGS("-o", "partitions=99999999999999999999"),
		       SAYS("-o", "partitions = 99999999999999999999: "
			    "expected a number from -1 to 1024"));
	assert_refused(ARGS("-o", "spool_max=99999999TiB"),
		       SAYS("-o", "spool_max = 99999999TiB: "
			    "expected a size from 1MiB to 9223372036854775807"));
	assert_refused(ARGS("-o", "premerge=maybe"),
		       SAYS("-o", "premerge = maybe: expected yes or no"));
	assert_refused(ARGS("-o", "log_level=warning"),
		       SAYS("-o", "log_level = warning: expected one of error, warn, info, debug"));
	assert_refused(ARGS("-o", "relays=nowhere"),
		       SAYS("-o", "relays = nowhere: expected host:port, comma-separated"));
	assert_refused(ARGS("-o", "redis.url=a\nb"),
		       SAYS("-o", "redis.url = ***: expected 0 to 4096 bytes of text"));
	assert_refused(ARGS("-o", "relays=a:1 # b"),
		       SAYS("-o", "relays = \"a:1 # b\": expected no # or ; after a blank: "
			    "it begins a comment"));
}

static void test_a_text_longer_than_its_limit_is_refused(void **state)
{
	char pair[400] = "relays=";
	struct values v;

	(void)state;
	memset(pair + 7, ':', 300);
	assert_runs(&v, ARGS("-o", pair));
	conf_release(&spec, &v);
	pair[307] = ':';
	assert_int_equal(run(STDERR_FILENO, &v, ARGS("-o", pair)), CONF_REFUSED);
	assert_non_null(strstr(out, ": expected 0 to 300 bytes of text\n"));
}

static void test_an_unknown_key_names_the_nearest(void **state)
{
	(void)state;
	assert_file_refused("seal_mss = 1s\n",
			    SAYS("test.conf:1", "unknown key seal_mss, did you mean seal_ms?"));
	assert_file_refused("[redis]\nurI = x\n",
			    SAYS("test.conf:2", "unknown key redis.urI, did you mean redis.url?"));
	assert_refused(ARGS("-o", "colour=blue"), SAYS("-o", "unknown key colour"));
	assert_refused(ARGS("-o", "url=x"), SAYS("-o", "unknown key url"));
	assert_refused(ARGS("-o", "seal_ms"), SAYS("-o", "seal_ms: expected key=value"));
}

static void test_every_error_of_a_file_is_named(void **state)
{
	(void)state;
	assert_file_refused("seal_ms = 1s\nseal_ms = 2s\npremerge = x\nno equals sign\n",
			    SAYS("test.conf:2", "seal_ms is set in line 1 already")
			    SAYS("test.conf:3", "premerge = x: expected yes or no")
			    SAYS("test.conf:4", "expected `key = value` or `[section]`"));
	assert_file_refused("[redis\nurl = x\n",
			    SAYS("test.conf:2", "unknown key url")
			    SAYS("test.conf:1", "expected `key = value` or `[section]`"));
}

static void test_a_file_that_cannot_be_read_says_why(void **state)
{
	(void)state;
	assert_refused(ARGS("-c", "nothing.conf"),
		       SAYS("nothing.conf", "cannot be read: No such file or directory"));
	assert_refused(ARGS("-c", "."), SAYS(".", "cannot be read: Is a directory"));
}

static void test_a_long_line_is_read_whole_or_refused(void **state)
{
	static char line[6000];
	struct values v;

	(void)state;
	snprintf(line, sizeof(line), "relays = %0280d:1\n", 0);
	write_file(line);
	assert_runs(&v, ARGS("-c", "test.conf"));
	assert_int_equal(strlen(v.relays), 282);
	conf_release(&spec, &v);
	snprintf(line, sizeof(line), "\nrelays = %05000d:1\n", 0);
	assert_file_refused(line, SAYS("test.conf:2", "the line is too long"));
	write_bytes("seal_ms = 1s\0\n", 14);
	assert_refused(ARGS("-c", "test.conf"), SAYS("test.conf:1", "the line holds a zero byte"));
}

static void test_bad_arguments_are_refused(void **state)
{
	(void)state;
	assert_refused(ARGS("--chek"),
		       "hourglass-test: unknown option --chek, did you mean --check?\n");
	assert_refused(ARGS("--explian"),
		       "hourglass-test: unknown option --explian, did you mean --explain?\n");
	assert_refused(ARGS("file.conf"),
		       "hourglass-test: unknown option file.conf, did you mean --help?\n");
	assert_refused(ARGS("-c"), "hourglass-test: -c: an argument is missing\n");
	assert_refused(ARGS("-o"), "hourglass-test: -o: an argument is missing\n");
	assert_refused(ARGS("--input"), "hourglass-test: --input: an argument is missing\n");
	assert_refused(ARGS("-c", "a", "-c", "b"), "hourglass-test: -c was given twice\n");
}

static void test_flags_of_the_daemon_s_own(void **state)
{
	struct values v;

	(void)state;
	assert_runs(&v, ARGS("--explain", "--input", "lines.txt"));
	assert_true(v.explain);
	assert_string_equal(v.input, "lines.txt");
	conf_release(&spec, &v);
	assert_null(v.input);
}

static const char *check_filled(const char *text)
{
	return text[0] != '\0' ? NULL : "redis://host:port";
}

static void test_a_default_that_its_check_refuses_must_be_set(void **state)
{
	struct conf_row row = rows[6];
	struct conf_spec one = spec;
	struct values v;
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
	capture_stop(&c, out, sizeof(out));
	assert_int_equal(verdict, CONF_REFUSED);
	assert_string_equal(out, "hourglass-test: redis.url must be set: expected redis://host:port\n");
	assert_int_equal(conf_parse(&one, 3, argv, &v), CONF_RUN);
	conf_release(&one, &v);
}

static void test_check_and_version_answer_on_standard_output(void **state)
{
	struct values v;
	char version[128];

	(void)state;
	assert_int_equal(run(STDOUT_FILENO, &v, ARGS("--check")), CONF_DONE);
	assert_string_equal(out, "configuration ok\n");
	assert_int_equal(run(STDOUT_FILENO, &v, ARGS("--version")), CONF_DONE);
	snprintf(version, sizeof(version), "hourglass-test %s\n", conf_version());
	assert_string_equal(out, version);
	assert_true(strlen(conf_version()) > 0);
	assert_refused(ARGS("--check", "-o", "seal_ms=x"),
		       SAYS("-o", "seal_ms = x: expected a duration from 10ms to 60s"));
}

static void test_help_is_made_of_the_table(void **state)
{
	struct values v;

	(void)state;
	/* Help is given although the rest is wrong. */
	assert_int_equal(run(STDOUT_FILENO, &v, ARGS("-c", "nothing.conf", "--help")), CONF_DONE);
	assert_non_null(strstr(out, "Usage: hourglass-test [-c FILE] [-o KEY=VALUE]... [OPTION]"));
	assert_non_null(strstr(out, "\n  --input FILE            read lines from FILE\n"));
	assert_non_null(strstr(out, "\n  seal_ms                 500ms           "
				    "a duration from 10ms to 60s; SIGHUP changes it\n"
				    "                          How long a batch stays open.\n"));
	assert_non_null(strstr(out, "\n[redis]\n  url                     (empty)"));
	for (const char *line = out; *line != '\0'; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 100);
}

#define DUMP                                                                                   \
	"log_level = warn\nseal_ms = 1500ms\nspool_max = 3GiB\npartitions = -1\n"              \
	"premerge = yes\nrelays = a:1, b:2\n"

static void test_a_dump_reads_back_the_same(void **state)
{
	struct values v;

	(void)state;
	write_file(DUMP);
	assert_int_equal(run(STDOUT_FILENO, &v, ARGS("-c", "test.conf", "--dump")), CONF_DONE);
	assert_string_equal(out, DUMP "\n[redis]\nurl =\n");
	write_file(out);
	assert_int_equal(run(STDOUT_FILENO, &v, ARGS("-c", "test.conf", "--dump")), CONF_DONE);
	assert_string_equal(out, DUMP "\n[redis]\nurl =\n");
}

static void test_a_dump_prints_units_as_people_do_and_hides_secrets(void **state)
{
	struct values v;

	(void)state;
	assert_int_equal(run(STDOUT_FILENO, &v, ARGS("-o", "seal_ms=60000", "--dump")), CONF_DONE);
	assert_non_null(strstr(out, "\nseal_ms = 60s\n"));
	assert_int_equal(run(STDOUT_FILENO, &v, ARGS("-o", "spool_max=1048577", "--dump")),
			 CONF_DONE);
	assert_non_null(strstr(out, "\nspool_max = 1048577\n"));
	assert_int_equal(run(STDOUT_FILENO, &v, ARGS("-o", "redis.url=redis://:pw@h", "--dump")),
			 CONF_DONE);
	assert_non_null(strstr(out, "\nurl = ***\n"));
	assert_null(strstr(out, "pw"));
}

static char *reload_argv[] = { (char *)(uintptr_t)"x", (char *)(uintptr_t)"-c",
			       (char *)(uintptr_t)"test.conf", NULL };

static int reload(struct values *v)
{
	struct capture c;
	int status;

	capture_start(&c, STDERR_FILENO);
	status = conf_reload(&spec, 3, reload_argv, v);
	capture_stop(&c, out, sizeof(out));
	return status;
}

static void test_a_reload_changes_what_may_change_and_names_the_rest(void **state)
{
	struct values v;

	(void)state;
	write_file("seal_ms = 1s\nrelays = a:1\nspool_max = 2MiB\n");
	assert_int_equal(conf_parse(&spec, 3, reload_argv, &v), CONF_RUN);
	assert_int_equal(reload(&v), 0);
	assert_string_equal(out, "");
	write_file("seal_ms = 2s\nrelays = b:2\nspool_max = 4MiB\nlog_level = debug\n");
	assert_int_equal(reload(&v), 0);
	assert_string_equal(out, "<4>restart_needed key=spool_max\n");
	assert_int_equal(v.seal_ms, 2000);
	assert_string_equal(v.relays, "b:2");
	assert_int_equal(v.spool_max, 2 << 20);
	assert_int_equal(v.log_level, 3);
	conf_release(&spec, &v);
}

static void test_a_reload_with_an_error_changes_nothing(void **state)
{
	struct values v;

	(void)state;
	write_file("seal_ms = 1s\n");
	assert_int_equal(conf_parse(&spec, 3, reload_argv, &v), CONF_RUN);
	write_file("seal_ms = 2s\npremerge = perhaps\n");
	assert_int_equal(reload(&v), -EINVAL);
	assert_string_equal(out, "<3>configuration_refused error=\"test.conf:2: premerge = perhaps: "
				 "expected yes or no\"\n");
	assert_int_equal(v.seal_ms, 1000);
	unlink("test.conf");
	assert_int_equal(reload(&v), -EINVAL);
	assert_int_equal(v.seal_ms, 1000);
	conf_release(&spec, &v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_arguments_the_defaults_hold),
		cmocka_unit_test(test_a_file_sets_keys_whatever_its_blanks_and_comments),
		cmocka_unit_test(test_a_last_line_needs_no_newline),
		cmocka_unit_test(test_options_win_over_the_file_and_the_last_over_the_first),
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_every_word_for_yes_and_no),
		cmocka_unit_test(test_a_bad_value_names_place_value_and_range),
		cmocka_unit_test(test_a_text_longer_than_its_limit_is_refused),
		cmocka_unit_test(test_an_unknown_key_names_the_nearest),
		cmocka_unit_test(test_every_error_of_a_file_is_named),
		cmocka_unit_test(test_a_file_that_cannot_be_read_says_why),
		cmocka_unit_test(test_a_long_line_is_read_whole_or_refused),
		cmocka_unit_test(test_bad_arguments_are_refused),
		cmocka_unit_test(test_flags_of_the_daemon_s_own),
		cmocka_unit_test(test_a_default_that_its_check_refuses_must_be_set),
		cmocka_unit_test(test_check_and_version_answer_on_standard_output),
		cmocka_unit_test(test_help_is_made_of_the_table),
		cmocka_unit_test(test_a_dump_reads_back_the_same),
		cmocka_unit_test(test_a_dump_prints_units_as_people_do_and_hides_secrets),
		cmocka_unit_test(test_a_reload_changes_what_may_change_and_names_the_rest),
		cmocka_unit_test(test_a_reload_with_an_error_changes_nothing),
	};
	int failed;

	if (mkdtemp(dir) == NULL || chdir(dir) != 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink("test.conf");
	rmdir(dir);
	return failed;
}
