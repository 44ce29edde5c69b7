// SPDX-License-Identifier: Apache-2.0
#include "agent/explain.h"

#include "proto/err.h"
#include "proto/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Explains `input`; what is written is the caller's to free. */
static int explain(const char *input, size_t size, bool datagram,
		   const struct line_options *options, char **output)
{
	FILE *in = tmpfile();
	size_t written;
	FILE *out = open_memstream(output, &written);
	int r;

	assert_non_null(in);
	assert_non_null(out);
	assert_int_equal(fwrite(input, 1, size, in), size);
	rewind(in);
	r = explain_run(in, out, datagram, options);
	fclose(in);
	fclose(out);
	return r;
}

static void assert_explains(const char *input, bool datagram, const char *expected)
{
	char *output;

	assert_int_equal(explain(input, strlen(input), datagram, NULL, &output), 0);
	assert_string_equal(output, expected);
	free(output);
}

static void an_answer_names_everything_that_was_understood(void **state)
{
	(void)state;
	assert_explains("a:1:2|ms|@0.5|#b:c\n", false,
			"{\"line\":\"a:1:2|ms|@0.5|#b:c\",\"accepted\":true,\"samples\":["
			"{\"series\":\"a;b=c\",\"name\":\"a\",\"type\":\"ms\",\"value\":1,"
			"\"rate\":0.5,\"tags\":{\"b\":\"c\"}},"
			"{\"series\":\"a;b=c\",\"name\":\"a\",\"type\":\"ms\",\"value\":2,"
			"\"rate\":0.5,\"tags\":{\"b\":\"c\"}}]}\n");
	assert_explains("x;y=\\:-3|g|T5", false,
			"{\"line\":\"x;y=\\\\:-3|g|T5\",\"accepted\":true,\"samples\":["
			"{\"series\":\"x;y=\\\\\\\\\",\"name\":\"x\",\"type\":\"g\",\"value\":-3,"
			"\"rate\":1,\"tags\":{\"y\":\"\\\\\"},\"gauge_delta\":true,\"ts\":5}]}\n");
	assert_explains("u:a:1|s", false,
			"{\"line\":\"u:a:1|s\",\"accepted\":true,\"samples\":["
			"{\"series\":\"u\",\"name\":\"u\",\"type\":\"s\",\"value\":\"a:1\","
			"\"rate\":1,\"tags\":{}}]}\n");
	assert_explains("(n,1.5)", false,
			"{\"line\":\"(n,1.5)\",\"accepted\":true,\"samples\":["
			"{\"series\":\"n\",\"name\":\"n\",\"type\":\"plain\",\"value\":1.5,"
			"\"rate\":1,\"tags\":{}}]}\n");
}

static void a_refusal_names_its_reason(void **state)
{
	(void)state;
	assert_explains("a:x|c", false,
			"{\"line\":\"a:x|c\",\"accepted\":false,\"reason\":\"bad_value\"}\n");
	assert_explains("_e{1,1}:a|b", false,
			"{\"line\":\"_e{1,1}:a|b\",\"accepted\":false,\"unsupported\":true,"
			"\"reason\":\"event\"}\n");
	assert_explains("_sc|a|0", false,
			"{\"line\":\"_sc|a|0\",\"accepted\":false,\"unsupported\":true,"
			"\"reason\":\"service_check\"}\n");
}

static void a_line_is_refused_whole(void **state)
{
	(void)state;
	assert_explains("a:1:x|c", false,
			"{\"line\":\"a:1:x|c\",\"accepted\":false,\"reason\":\"bad_value\"}\n");
}

static void each_line_has_an_answer_also_in_a_datagram(void **state)
{
	const char *expected = "{\"line\":\"a|c\",\"accepted\":false,\"reason\":\"no_value\"}\n"
			       "{\"line\":\"\",\"accepted\":true,\"samples\":[]}\n"
			       "{\"line\":\"b:1\\r\",\"accepted\":false,\"reason\":\"no_type\"}\n";

	(void)state;
	assert_explains("a|c\n\nb:1\r\n", false, expected);
	assert_explains("a|c\n\nb:1\r\n", true, expected);
	assert_explains("a|c\n\nb:1\r", true, expected);
	assert_explains("", false, "");
	assert_explains("", true, "");
}

static void bytes_that_are_no_text_still_give_json(void **state)
{
	char *output;

	(void)state;
	assert_int_equal(explain("a\0\xff\"\n:1|c", 9, false, NULL, &output), 0);
	assert_string_equal(output,
			    "{\"line\":\"a\\u0000\xef\xbf\xbd\\\"\",\"accepted\":false,"
			    "\"reason\":\"bad_bytes\"}\n"
			    "{\"line\":\":1|c\",\"accepted\":false,\"reason\":\"bad_name\"}\n");
	free(output);
}

static void the_operators_options_apply(void **state)
{
	const struct series_tag tag = { slice_text("h"), slice_text("1") };
	const struct line_options options = { .gauge_signed_sets = true,
					      .sanitize_statsd = true,
					      .add_tags = &tag,
					      .add_tag_count = 1 };
	char *output;

	(void)state;
	assert_int_equal(explain("a b:-1|g", 8, false, &options, &output), 0);
	assert_string_equal(output,
			    "{\"line\":\"a b:-1|g\",\"accepted\":true,\"samples\":["
			    "{\"series\":\"a_b;h=1\",\"name\":\"a_b\",\"type\":\"g\","
			    "\"value\":-1,\"rate\":1,\"tags\":{\"h\":\"1\"}}]}\n");
	free(output);
}

/* `size` bytes of a line of many values. */
static char *long_line(size_t size)
{
	char *line = malloc(size);

	assert_non_null(line);
	memcpy(line, "a:1", 3);
	for (size_t i = 3; i < size; i++)
		line[i] = i % 2 ? ':' : '1';
	memcpy(line + size - 2, "|c", 2);
	return line;
}

static size_t count_of(const char *text, const char *word)
{
	size_t count = 0;

	for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
		count++;
	return count;
}

static void the_largest_datagram_is_explained_and_no_larger_one(void **state)
{
	char *line = long_line(LIMIT_DATAGRAM_BYTES + 1);
	char *output;

	(void)state;
	memcpy(line + LIMIT_DATAGRAM_BYTES - 2, "|c\n", 3);
	assert_int_equal(explain(line, LIMIT_DATAGRAM_BYTES, true, NULL, &output), 0);
	assert_int_equal(count_of(output, "\"name\":\"a\""), (LIMIT_DATAGRAM_BYTES - 3) / 2);
	free(output);
	assert_int_equal(explain(line, LIMIT_DATAGRAM_BYTES + 1, true, NULL, &output),
			 ERR_TOO_LARGE);
	assert_string_equal(output, "");
	free(output);
	free(line);
}

static void a_line_that_is_too_long_does_not_hide_the_next(void **state)
{
	size_t size = LIMIT_DATAGRAM_BYTES + 1000;
	char *line = long_line(size);
	char *output;

	(void)state;
	line[size - 7] = '\n';
	memcpy(line + size - 6, "b:1|ms", 6);
	assert_int_equal(explain(line, size, false, NULL, &output), 0);
	assert_int_equal(count_of(output, "\"reason\":\"too_large\""), 1);
	assert_int_equal(count_of(output, "\"series\":\"b\""), 1);
	assert_int_equal(count_of(output, "\n"), 2);
	assert_true(strlen(output) < 1000);
	free(output);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_names_everything_that_was_understood),
		cmocka_unit_test(a_refusal_names_its_reason),
		cmocka_unit_test(a_line_is_refused_whole),
		cmocka_unit_test(each_line_has_an_answer_also_in_a_datagram),
		cmocka_unit_test(bytes_that_are_no_text_still_give_json),
		cmocka_unit_test(the_operators_options_apply),
		cmocka_unit_test(the_largest_datagram_is_explained_and_no_larger_one),
		cmocka_unit_test(a_line_that_is_too_long_does_not_hide_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
