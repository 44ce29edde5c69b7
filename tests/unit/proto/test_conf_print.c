// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/conf.h"

#include "tests/lib/capture.h"
#include "tests/lib/conf_case.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static void test_check_and_version_answer_on_standard_output(void **state)
{
	struct conf_case v;
	char version[128];

	(void)state;
	assert_int_equal(conf_case_run(STDOUT_FILENO, &v, ARGS("--check")), CONF_DONE);
	assert_string_equal(conf_case_out, "configuration ok\n");
	assert_int_equal(conf_case_run(STDOUT_FILENO, &v, ARGS("--version")), CONF_DONE);
	snprintf(version, sizeof(version), "hourglass-test %s\n", conf_version());
	assert_string_equal(conf_case_out, version);
	assert_true(strlen(conf_version()) > 0);
	assert_conf_refused(ARGS("--check", "-o", "seal_ms=x"),
		       SAYS("-o", "seal_ms = x: expected a duration from 10ms to 60s"));
}

static void test_help_is_made_of_the_table(void **state)
{
	struct conf_case v;

	(void)state;
	/* Help is given although the rest is wrong. */
	assert_int_equal(conf_case_run(STDOUT_FILENO, &v, ARGS("-c", "nothing.conf", "--help")),
			 CONF_DONE);
	assert_non_null(strstr(conf_case_out,
			       "Usage: hourglass-test [-c FILE] [-o KEY=VALUE]... [OPTION]"));
	assert_non_null(strstr(conf_case_out, "\n  --input FILE            read lines from FILE\n"));
	assert_non_null(strstr(conf_case_out, "\n  seal_ms                 500ms           "
				    "a duration from 10ms to 60s; SIGHUP changes it\n"
				    "                          How long a batch stays open.\n"));
	assert_non_null(strstr(conf_case_out, "\n[redis]\n  url                     (empty)"));
	for (const char *line = conf_case_out; *line != '\0'; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 100);
}

#define DUMP                                                                                   \
	"log_level = warn\nseal_ms = 1500ms\nspool_max = 3GiB\npartitions = -1\n"              \
	"premerge = yes\nrelays = a:1, b:2\n"

static void test_a_dump_reads_back_the_same(void **state)
{
	struct conf_case v;

	(void)state;
	conf_case_file(DUMP);
	assert_int_equal(conf_case_run(STDOUT_FILENO, &v, ARGS("-c", "test.conf", "--dump")), CONF_DONE);
	assert_string_equal(conf_case_out, DUMP "\n[redis]\nurl =\n");
	conf_case_file(conf_case_out);
	assert_int_equal(conf_case_run(STDOUT_FILENO, &v, ARGS("-c", "test.conf", "--dump")), CONF_DONE);
	assert_string_equal(conf_case_out, DUMP "\n[redis]\nurl =\n");
}

static void test_a_dump_prints_units_as_people_do_and_hides_secrets(void **state)
{
	struct conf_case v;

	(void)state;
	assert_int_equal(conf_case_run(STDOUT_FILENO, &v, ARGS("-o", "seal_ms=60000", "--dump")),
			 CONF_DONE);
	assert_non_null(strstr(conf_case_out, "\nseal_ms = 60s\n"));
	assert_int_equal(conf_case_run(STDOUT_FILENO, &v, ARGS("-o", "spool_max=1048577", "--dump")),
			 CONF_DONE);
	assert_non_null(strstr(conf_case_out, "\nspool_max = 1048577\n"));
	assert_int_equal(conf_case_run(STDOUT_FILENO, &v, ARGS("-o", "redis.url=redis://:pw@h", "--dump")),
			 CONF_DONE);
	assert_non_null(strstr(conf_case_out, "\nurl = ***\n"));
	assert_null(strstr(conf_case_out, "pw"));
}

/* Where a secret is read from is none; the dump of it reads back. */
static void test_a_dump_shows_where_a_secret_is_kept(void **state)
{
	struct conf_case v;

	(void)state;
	assert_int_equal(conf_case_run(STDOUT_FILENO, &v,
				       ARGS("-o", "redis.url=file:/etc/hourglass/s", "--dump")),
			 CONF_DONE);
	assert_non_null(strstr(conf_case_out, "\nurl = file:/etc/hourglass/s\n"));
}

static const char *no_premerge_with_relays(const void *values)
{
	const struct conf_case *v = values;

	return v->premerge && strcmp(v->relays, "a:1") == 0 ? "premerge and relays contradict" : NULL;
}

static void test_rows_are_judged_together_when_each_is_right(void **state)
{
	static const char *const right[] = { "x", "-o", "relays=b:2", "-o", "premerge=yes" };
	static const char *const wrong[] = { "x", "-o", "relays=a:1", "-o", "premerge=yes" };
	struct conf_spec spec = conf_case_spec;
	struct capture c;
	struct conf_case v;

	(void)state;
	spec.check = no_premerge_with_relays;
	assert_int_equal(conf_parse(&spec, 5, (char **)(uintptr_t)right, &v), CONF_RUN);
	conf_release(&spec, &v);
	capture_start(&c, STDERR_FILENO);
	assert_int_equal(conf_parse(&spec, 5, (char **)(uintptr_t)wrong, &v), CONF_REFUSED);
	capture_stop(&c, conf_case_out, sizeof(conf_case_out));
	assert_string_equal(conf_case_out, "hourglass-test: premerge and relays contradict\n");
}

static char *reload_argv[] = { (char *)(uintptr_t)"x", (char *)(uintptr_t)"-c",
			       (char *)(uintptr_t)"test.conf", NULL };

static int reload(struct conf_case *v)
{
	struct capture c;
	int status;

	capture_start(&c, STDERR_FILENO);
	status = conf_reload(&conf_case_spec, 3, reload_argv, v);
	capture_stop(&c, conf_case_out, sizeof(conf_case_out));
	return status;
}

static void test_a_reload_changes_what_may_change_and_names_the_rest(void **state)
{
	struct conf_case v;

	(void)state;
	conf_case_file("seal_ms = 1s\nrelays = a:1\nspool_max = 2MiB\n");
	assert_int_equal(conf_parse(&conf_case_spec, 3, reload_argv, &v), CONF_RUN);
	assert_int_equal(reload(&v), 0);
	assert_string_equal(conf_case_out, "");
	conf_case_file("seal_ms = 2s\nrelays = b:2\nspool_max = 4MiB\nlog_level = debug\n");
	assert_int_equal(reload(&v), 0);
	assert_string_equal(conf_case_out, "<4>restart_needed key=spool_max\n");
	assert_int_equal(v.seal_ms, 2000);
	assert_string_equal(v.relays, "b:2");
	assert_int_equal(v.spool_max, 2 << 20);
	assert_int_equal(v.log_level, 3);
	conf_release(&conf_case_spec, &v);
}

static void test_a_reload_with_an_error_changes_nothing(void **state)
{
	struct conf_case v;

	(void)state;
	conf_case_file("seal_ms = 1s\n");
	assert_int_equal(conf_parse(&conf_case_spec, 3, reload_argv, &v), CONF_RUN);
	conf_case_file("seal_ms = 2s\npremerge = perhaps\n");
	assert_int_equal(reload(&v), -EINVAL);
	assert_string_equal(conf_case_out, "<3>configuration_refused error=\"test.conf:2: "
					   "premerge = perhaps: expected yes or no\" "
					   "effect=\"all stays as it was\"\n");
	assert_int_equal(v.seal_ms, 1000);
	unlink("test.conf");
	assert_int_equal(reload(&v), -EINVAL);
	assert_int_equal(v.seal_ms, 1000);
	conf_release(&conf_case_spec, &v);
}

static int conf_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_and_version_answer_on_standard_output),
		cmocka_unit_test(test_help_is_made_of_the_table),
		cmocka_unit_test(test_a_dump_reads_back_the_same),
		cmocka_unit_test(test_a_dump_prints_units_as_people_do_and_hides_secrets),
		cmocka_unit_test(test_a_dump_shows_where_a_secret_is_kept),
		cmocka_unit_test(test_rows_are_judged_together_when_each_is_right),
		cmocka_unit_test(test_a_reload_changes_what_may_change_and_names_the_rest),
		cmocka_unit_test(test_a_reload_with_an_error_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return conf_case_main(conf_tests);
}
