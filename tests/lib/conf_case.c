// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/conf_case.h"

#include "tests/lib/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

static const char *check_relays(const char *text)
{
	return strchr(text, ':') != NULL ? NULL : "host:port, comma-separated";
}

#define AT(member) .offset = offsetof(struct conf_case, member)

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
	{ "explain", NULL, offsetof(struct conf_case, explain), "say how lines are read" },
	{ "input", "FILE", offsetof(struct conf_case, input), "read lines from FILE" },
};

const struct conf_spec conf_case_spec = {
	.program = "hourglass-test",
	.summary = "Tests.",
	.rows = rows,
	.row_count = sizeof(rows) / sizeof(rows[0]),
	.flags = flags,
	.flag_count = 2,
	.struct_size = sizeof(struct conf_case),
};

static char conf_case_dir[] = "/tmp/hourglass-conf-XXXXXX";
char conf_case_out[32768];

/* Writes size bytes as test.conf in the working directory. */
void conf_case_write(const char *text, size_t size)
{
	FILE *file = fopen("test.conf", "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	fclose(file);
}

void conf_case_file(const char *text)
{
	conf_case_write(text, strlen(text));
}

/* Parses up to four arguments; what was printed to fd is in conf_case_out. */
enum conf_verdict conf_case_run(int fd, struct conf_case *v, const char *const arguments[4])
{
	char *argv[6] = { (char *)(uintptr_t)"hourglass-test" };
	enum conf_verdict verdict;
	struct capture c;
	int argc = 1;

	for (; argc < 5 && arguments[argc - 1] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)arguments[argc - 1];
	capture_start(&c, fd);
	verdict = conf_parse(&conf_case_spec, argc, argv, v);
	capture_stop(&c, conf_case_out, sizeof(conf_case_out));
	return verdict;
}

void assert_conf_refused(const char *const arguments[4], const char *expected)
{
	struct conf_case v;

	assert_int_equal(conf_case_run(STDERR_FILENO, &v, arguments), CONF_REFUSED);
	assert_string_equal(conf_case_out, expected);
	assert_null(v.relays);
}

void assert_conf_file_refused(const char *text, const char *expected)
{
	conf_case_file(text);
	assert_conf_refused(ARGS("-c", "test.conf"), expected);
}

void assert_conf_runs(struct conf_case *v, const char *const arguments[4])
{
	enum conf_verdict verdict = conf_case_run(STDERR_FILENO, v, arguments);

	assert_string_equal(conf_case_out, "");
	assert_int_equal(verdict, CONF_RUN);
}

int conf_case_main(int (*tests)(void))
{
	int failed;

	if (mkdtemp(conf_case_dir) == NULL || chdir(conf_case_dir) != 0)
		return 1;
	failed = tests();
	unlink("test.conf");
	rmdir(conf_case_dir);
	return failed;
}
