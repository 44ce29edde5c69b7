// SPDX-License-Identifier: Apache-2.0
#include "proto/line_number.h"

#include "proto/err.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_reads(const char *text, double expected)
{
	double value = -777;

	if (line_number_parse(slice_text(text), &value) != 0 || value != expected)
		print_error("%s: %.17g, not %.17g\n", text, value, expected);
	assert_true(value == expected);
	assert_true(line_number_like(slice_text(text)));
}

static void decimals_are_read(void **state)
{
	(void)state;
	assert_reads("0", 0);
	assert_reads("1", 1);
	assert_reads("-1", -1);
	assert_reads("+1", 1);
	assert_reads("0012", 12);
	assert_reads("1.", 1);
	assert_reads(".5", .5);
	assert_reads("-.5", -.5);
	assert_reads("000.0100", .01);
	assert_reads("1e5", 1e5);
	assert_reads("1.E-5", 1e-5);
	assert_reads("3.0E05", 3e5);
	assert_reads("4.696e+5", 469600);
	assert_reads("0e999999999999", 0);
	assert_reads("0.000000000000000000000000000000000001", 1e-36);
	assert_reads("100000000000000000000000000000", 1e29);
	assert_reads("123456789012345678901234567890e-29", 1.2345678901234567890123456789);
}

static void the_edges_of_double_are_read(void **state)
{
	(void)state;
	assert_reads("1.7976931348623157e308", DBL_MAX);
	assert_reads("5e-324", 5e-324);
	assert_reads("1.964393875E-314", 1.964393875e-314);
	assert_reads("1e-400", 0);
	assert_reads("1e-999999999999", 0);
	assert_reads("9007199254740992", 9007199254740992.0);
	assert_reads("9007199254740993", 9007199254740992.0);
	assert_reads("9007199254740992e22", 9007199254740992e22);
	assert_reads("9007199254740992e-22", 9007199254740992e-22);
	assert_reads("9007199254740991e23", 9007199254740991e23);
	assert_reads("18446744073709551615", 18446744073709551615.0);
	assert_reads("2.2250738585072012e-308", DBL_MIN);
}

static void minus_zero_is_zero(void **state)
{
	static const char *const zeros[] = { "-0", "-0.0", "-0e5", "-1e-400" };
	double value;

	(void)state;
	for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++) {
		assert_int_equal(line_number_parse(slice_text(zeros[i]), &value), 0);
		assert_true(value == 0 && !signbit(value));
	}
}

static void all_else_is_refused(void **state)
{
	static const char *const bad[] = {
		"nan",  "NaN",  "inf", "-inf", "Infinity", "0x1p4", "0x10", "1_000", "1,000",
		"1d",   "1f",   "1e",  "1e+",  "e5",       "+-1",   "--1",  "1.2.3", ".",
		"+",    "-.",   ".e5", " 1",   "1 ",       "1e 5",  "1e5.", "abc",   "1e5e5",
		"\xd9\xa1", "1\xc2\xa0",
	};
	double value = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(line_number_parse(slice_text(bad[i]), &value), ERR_BAD_VALUE);
		assert_false(line_number_like(slice_text(bad[i])));
	}
	assert_int_equal(line_number_parse(slice_text(""), &value), ERR_EMPTY_VALUE);
	assert_int_equal(line_number_parse(slice_text("1e309"), &value), ERR_BAD_VALUE);
	assert_int_equal(line_number_parse(slice_text("-1e309"), &value), ERR_BAD_VALUE);
	assert_int_equal(line_number_parse(slice_of("1\0", 2), &value), ERR_BAD_VALUE);
	assert_true(value == 7);
}

static void a_number_has_at_most_400_bytes(void **state)
{
	char text[LINE_NUMBER_BYTES + 2];
	double value;

	(void)state;
	memset(text, '0', sizeof(text));
	text[LINE_NUMBER_BYTES - 1] = '7';
	assert_int_equal(line_number_parse(slice_of(text, LINE_NUMBER_BYTES), &value), 0);
	assert_true(value == 7);
	assert_int_equal(line_number_parse(slice_of(text, LINE_NUMBER_BYTES + 1), &value),
			 ERR_BAD_VALUE);
}

/* The nearest double, whatever the form: libc's own conversion is the judge. */
static void any_decimal_is_rounded_to_nearest(void **state)
{
	uint64_t seed = 99;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		char text[64];
		int digits, power;

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		digits = 1 + (int)(seed >> 59) % 19;
		power = (int)(seed >> 40) % 64 - 32;
		snprintf(text, sizeof(text), "%.*s.%llue%d", i % 3, "12",
			 (unsigned long long)(seed >> (64 - 3 * digits)), power);
		assert_reads(text, strtod(text, NULL));
	}
}

static void powers_of_ten_are_exact(void **state)
{
	double power = 1;

	(void)state;
	for (unsigned i = 0; i <= 22; i++, power *= 10)
		assert_true(line_number_power(i) == power);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decimals_are_read),
		cmocka_unit_test(the_edges_of_double_are_read),
		cmocka_unit_test(minus_zero_is_zero),
		cmocka_unit_test(all_else_is_refused),
		cmocka_unit_test(a_number_has_at_most_400_bytes),
		cmocka_unit_test(any_decimal_is_rounded_to_nearest),
		cmocka_unit_test(powers_of_ten_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
