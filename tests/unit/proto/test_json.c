// SPDX-License-Identifier: Apache-2.0
#include "proto/json.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Whether what was written is exactly `expected`. */
static void assert_written(struct buf *b, const char *expected)
{
	assert_int_equal(buf_status(b), 0);
	buf_put_u8(b, 0);
	assert_string_equal((const char *)b->data, expected);
	buf_reset(b);
}

static void elements_are_set_apart_by_commas(void **state)
{
	struct buf b;
	struct json j;

	(void)state;
	buf_init(&b, 1000);
	j = json_begin(&b);
	json_object_open(&j);
	json_key(&j, "a");
	json_array_open(&j);
	json_number(&j, 1);
	json_object_open(&j);
	json_object_close(&j);
	json_array_open(&j);
	json_array_close(&j);
	json_nothing(&j);
	json_array_close(&j);
	json_key_slice(&j, slice_text("b"));
	json_object_open(&j);
	json_key(&j, "c");
	json_bool(&j, true);
	json_key(&j, "d");
	json_bool(&j, false);
	json_object_close(&j);
	json_key(&j, "e");
	json_u64(&j, UINT64_MAX);
	json_key(&j, "f");
	json_i64(&j, INT64_MIN);
	json_key(&j, "g");
	json_text(&j, "x");
	json_object_close(&j);
	assert_written(&b, "{\"a\":[1,{},[],null],\"b\":{\"c\":true,\"d\":false},"
			   "\"e\":18446744073709551615,\"f\":-9223372036854775808,\"g\":\"x\"}");
	buf_release(&b);
}

static void text_is_escaped_for_json_and_for_a_page(void **state)
{
	static const struct {
		struct slice text;
		const char *expected;
	} cases[] = {
		{ { (const uint8_t *)"", 0 }, "\"\"" },
		{ { NULL, 0 }, "\"\"" },
		{ { (const uint8_t *)"a\"b\\c", 5 }, "\"a\\\"b\\\\c\"" },
		{ { (const uint8_t *)"\n\r\t\0\x1f\x7f", 6 },
		  "\"\\n\\r\\t\\u0000\\u001f\\u007f\"" },
		{ { (const uint8_t *)"</script>&", 10 }, "\"\\u003c/script\\u003e\\u0026\"" },
		{ { (const uint8_t *)"\xe6\xb5\x8b\xf0\x9f\x98\x80", 7 },
		  "\"\xe6\xb5\x8b\xf0\x9f\x98\x80\"" },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json j = json_begin(&b);

		json_text_slice(&j, cases[i].text);
		assert_written(&b, cases[i].expected);
	}
	buf_release(&b);
}

#define FFFD "\xef\xbf\xbd"

static void bytes_that_are_no_utf8_become_replacement_characters(void **state)
{
	static const char *const cases[][2] = {
		{ "a\xff"
		  "b",
		  "\"a" FFFD "b\"" },
		{ "\xe9", "\"" FFFD "\"" },
		{ "\xc0\x80", "\"" FFFD FFFD "\"" },
		{ "\xed\xa0\x80", "\"" FFFD FFFD FFFD "\"" },
		{ "\xe6\xb5|", "\"" FFFD "|\"" },
		{ "\xf0\x9f\x98", "\"" FFFD "\"" },
		{ "\xf4\x90\x80\x80", "\"" FFFD FFFD FFFD FFFD "\"" },
		{ "\xc3\"", "\"" FFFD "\\\"\"" },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json j = json_begin(&b);

		json_text(&j, cases[i][0]);
		assert_written(&b, cases[i][1]);
	}
	buf_release(&b);
}

static void integers_are_what_printf_makes_them(void **state)
{
	struct buf b;
	char expected[32];
	uint64_t power = 1;
	int shift, i;

	(void)state;
	buf_init(&b, 4096);
	for (i = 0; i < 20 * 3; i++, power *= i % 3 ? 1 : 10) {
		uint64_t value = power + (uint64_t)(i % 3) - 1;
		struct json j = json_begin(&b);
		json_u64(&j, value);
		(void)snprintf(expected, sizeof(expected), "%" PRIu64, value);
		assert_written(&b, expected);
	}
	for (shift = 0; shift < 63; shift++) {
		int64_t value = -(INT64_C(1) << shift);
		struct json j = json_begin(&b);
		json_i64(&j, value);
		(void)snprintf(expected, sizeof(expected), "%" PRId64, value);
		assert_written(&b, expected);
	}
	buf_release(&b);
}

static void numbers_take_their_shortest_form(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ -0.0, "0" },
		{ 1, "1" },
		{ -12, "-12" },
		{ 12.5, "12.5" },
		{ 0.1, "0.1" },
		{ 0.30000000000000004, "0.30000000000000004" },
		{ 1e15, "1000000000000000" },
		{ 9007199254740993.0, "9007199254740992" },
		{ 1e16, "1e+16" },
		{ 18446744073709551615.0, "1.8446744073709552e+19" },
		{ 123456789.125, "123456789.125" },
		{ 1e-6, "0.000001" },
		{ 1.25e-6, "0.00000125" },
		{ 1e-7, "1e-7" },
		{ -1.5e-7, "-1.5e-7" },
		{ 5e-324, "5e-324" },
		{ 2.2250738585072011e-308, "2.225073858507201e-308" },
		{ DBL_MIN, "2.2250738585072014e-308" },
		{ DBL_MAX, "1.7976931348623157e+308" },
		{ -DBL_MAX, "-1.7976931348623157e+308" },
	};
	char out[JSON_NUMBER_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(json_format_number(cases[i].value, out), cases[i].text);
}

static void a_few_decimals_are_shown_as_they_are(void **state)
{
	char text[JSON_NUMBER_SIZE], expected[32];
	uint64_t seed = 7;
	int i;

	(void)state;
	for (i = 0; i < 100000; i++) {
		uint64_t whole;
		double value;
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		whole = (seed >> 8) % (UINT64_C(1) << (1 + i % 53));
		value = (double)whole / (i % 2 ? 1e4 : 1e5);
		(void)snprintf(expected, sizeof(expected), "%.15g", value);
		if (strchr(expected, 'e') || strtod(expected, NULL) != value)
			continue;
		assert_string_equal(json_format_number(value, text), expected);
		assert_true(strtod(text, NULL) == value);
	}
}

static void any_double_reads_back_the_same(void **state)
{
	uint64_t seed = 42;
	char out[JSON_NUMBER_SIZE];

	(void)state;
	for (int i = 0; i < 30000; i++) {
		double value;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		memcpy(&value, &seed, sizeof(value));
		if (!isfinite(value))
			continue;
		/* Half of them of everyday size. */
		if (i % 2)
			value = (double)(int64_t)(seed >> 30) / 1000;
		assert_true(strtod(json_format_number(value, out), NULL) == value);
		assert_true(strlen(out) < JSON_NUMBER_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_are_set_apart_by_commas),
		cmocka_unit_test(text_is_escaped_for_json_and_for_a_page),
		cmocka_unit_test(bytes_that_are_no_utf8_become_replacement_characters),
		cmocka_unit_test(integers_are_what_printf_makes_them),
		cmocka_unit_test(numbers_take_their_shortest_form),
		cmocka_unit_test(a_few_decimals_are_shown_as_they_are),
		cmocka_unit_test(any_double_reads_back_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
