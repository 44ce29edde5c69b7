// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/conf.h"

#include "tests/lib/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A section whose keys are the operator's. */

struct values {
	int64_t size;
	char *entries;
};

static const char *check(const char *line)
{
	return strstr(line, "bad") ? "something good" : NULL;
}

static const struct conf_row rows[] = {
	{ .key = "size", .type = CONF_INT, .offset = offsetof(struct values, size), .fallback = "5",
	  .max = 10, .help = "A number." },
	{ .key = "things.NAME", .type = CONF_ENTRIES, .offset = offsetof(struct values, entries),
	  .max = 4, .check = check, .help = "Things." },
};

static const struct conf_spec spec = {
	.program = "hourglass-test",
	.summary = "Tests.",
	.rows = rows,
	.row_count = 2,
	.struct_size = sizeof(struct values),
};

static char printed[8192];

/* Parses with up to two arguments; what it printed to fd is kept. */
static enum conf_verdict run(struct values *v, int fd, const char *one, const char *two)
{
	char *argv[4] = { (char *)(uintptr_t)"hourglass-test", (char *)(uintptr_t)one,
			  (char *)(uintptr_t)two, NULL };
	enum conf_verdict verdict;
	struct capture c;

	capture_start(&c, fd);
	verdict = conf_parse(&spec, two ? 3 : one ? 2 : 1, argv, v);
	capture_stop(&c, printed, sizeof(printed));
	return verdict;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void assert_entries(const char *text, const char *expected)
{
	char path[] = "/tmp/hourglass-entries-XXXXXX";
	struct values v;

	assert_true(close(mkstemp(path)) == 0);
	write_file(path, text);
	assert_int_equal(run(&v, STDERR_FILENO, "-c", path), CONF_RUN);
	assert_string_equal(v.entries, expected);
	conf_release(&spec, &v);
	assert_null(v.entries);
	unlink(path);
}

static void there_may_be_none(void **state)
{
	struct values v;

	(void)state;
	assert_int_equal(run(&v, STDERR_FILENO, NULL, NULL), CONF_RUN);
	assert_string_equal(v.entries, "");
	conf_release(&spec, &v);
	assert_entries("[things]\n", "");
}

static void lines_are_kept_in_order(void **state)
{
	(void)state;
	assert_entries("size = 7\n[things]\nz = 1\n a.*   =  2 # why\na.*=3\n",
		       "z = 1\na.* = 2\na.* = 3\n");
}

/* The last one parts key and value: keys have tags. */
static void a_key_may_hold_equals_signs(void **state)
{
	(void)state;
	assert_entries("[things]\na;k=v,x=y* =  2\nb;k= = 3\n", "a;k=v,x=y* = 2\nb;k= = 3\n");
}

static void an_option_adds_one(void **state)
{
	struct values v;

	(void)state;
	assert_int_equal(run(&v, STDERR_FILENO, "-o", "things.a;k=v = 9"), CONF_RUN);
	assert_string_equal(v.entries, "a;k=v = 9\n");
	conf_release(&spec, &v);
}

static void each_line_is_judged(void **state)
{
	struct values v;

	(void)state;
	assert_int_equal(run(&v, STDERR_FILENO, "-o", "things.x=bad"), CONF_REFUSED);
	assert_string_equal(printed, "hourglass-test: -o: things.NAME = \"x = bad\": expected "
				     "something good\n");
	assert_int_equal(run(&v, STDERR_FILENO, "-o", "thing.x=1"), CONF_REFUSED);
	assert_non_null(strstr(printed, "unknown key"));
	assert_int_equal(run(&v, STDERR_FILENO, "-o", "things.x=1 ;2"), CONF_REFUSED);
}

static void their_number_is_bounded(void **state)
{
	char path[] = "/tmp/hourglass-entries-XXXXXX";
	struct values v;

	(void)state;
	assert_true(close(mkstemp(path)) == 0);
	write_file(path, "[things]\na=1\nb=1\nc=1\nd=1\ne=1\n");
	assert_int_equal(run(&v, STDERR_FILENO, "-c", path), CONF_REFUSED);
	assert_non_null(strstr(printed, ":6: things.NAME = \"e = 1\": expected at most 4 lines"));
	unlink(path);
}

static void a_dump_is_a_section_that_reads_back(void **state)
{
	struct values v = { .size = 3, .entries = (char *)(uintptr_t)"a;k=v = 9\nb = 1\n" };
	char path[] = "/tmp/hourglass-entries-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	(void)state;
	assert_non_null(file);
	conf_dump(&spec, &v, file);
	fclose(file);
	assert_int_equal(run(&v, STDERR_FILENO, "-c", path), CONF_RUN);
	assert_int_equal(v.size, 3);
	assert_string_equal(v.entries, "a;k=v = 9\nb = 1\n");
	conf_release(&spec, &v);
	assert_int_equal(run(&v, STDOUT_FILENO, "--help", NULL), CONF_DONE);
	assert_non_null(strstr(printed, "[things]\n  NAME "));
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_may_be_none),
		cmocka_unit_test(lines_are_kept_in_order),
		cmocka_unit_test(a_key_may_hold_equals_signs),
		cmocka_unit_test(an_option_adds_one),
		cmocka_unit_test(each_line_is_judged),
		cmocka_unit_test(their_number_is_bounded),
		cmocka_unit_test(a_dump_is_a_section_that_reads_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
