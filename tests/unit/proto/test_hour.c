// SPDX-License-Identifier: Apache-2.0
#include "proto/hour.h"

#include "proto/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <time.h>

#include <cmocka.h>

static void hours_and_days_are_spelt_as_the_keys_have_them(void **state)
{
	char out[HOUR_TEXT_SIZE];

	(void)state;
	assert_string_equal(hour_format(0, out), "1970-01-01T00");
	assert_string_equal(hour_format(498829, out), "2026-11-27T13");
	assert_string_equal(hour_format_day(0, out), "1970-01-01");
	assert_string_equal(hour_format_day(11016, out), "2000-02-29");
	assert_string_equal(hour_format_day(2932896, out), "9999-12-31");
	assert_string_equal(hour_format(2932896LL * 24 + 23, out), "9999-12-31T23");
	assert_string_equal(hour_format_second(1656581400, out), "2022-06-30T09:30:00Z");
	assert_string_equal(hour_format_second(59, out), "1970-01-01T00:00:59Z");
}

static void seconds_hours_and_days_nest(void **state)
{
	(void)state;
	assert_int_equal(hour_of_second(3599), 0);
	assert_int_equal(hour_of_second(3600), 1);
	assert_int_equal(hour_day(23), 0);
	assert_int_equal(hour_day(24), 1);
}

static void each_day_until_9999_comes_back_and_follows_the_one_before(void **state)
{
	char before[HOUR_TEXT_SIZE] = "1969-12-31";
	char out[HOUR_TEXT_SIZE];

	(void)state;
	for (int64_t day = 0; day <= 2932896; day++) {
		int64_t back;

		hour_format_day(day, out);
		assert_true(strcmp(before, out) < 0);
		assert_int_equal(hour_parse_day(slice_text(out), &back), 0);
		assert_int_equal(back, day);
		memcpy(before, out, sizeof(out));
	}
}

static void libc_agrees(void **state)
{
	(void)state;
	for (int64_t second = 0; second < 5000000000; second += 86400 * 13 + 3671) {
		time_t at = (time_t)second;
		char expected[HOUR_TEXT_SIZE];
		char out[HOUR_TEXT_SIZE];
		struct tm tm;

		gmtime_r(&at, &tm);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &tm);
		assert_string_equal(hour_format_second(second, out), expected);
	}
}

static void hours_are_read_back(void **state)
{
	int64_t hour = -1;

	(void)state;
	assert_int_equal(hour_parse(slice_text("1970-01-01T00"), &hour), 0);
	assert_int_equal(hour, 0);
	assert_int_equal(hour_parse(slice_text("2026-11-27T13"), &hour), 0);
	assert_int_equal(hour, 498829);
}

static void only_the_exact_form_of_a_real_date_is_read(void **state)
{
	static const char *const malformed[] = {
		"",           "2026-11-2",  "2026-11-200", "2026/11/20", "20261120",
		"2026-11-2x", " 026-11-20", "+026-11-20",  "2026-1-020",
	};
	static const char *const unreal[] = {
		"2026-02-29", "1900-02-29", "2100-02-29", "2026-13-01", "2026-00-10",
		"2026-01-00", "2026-04-31", "1969-12-31", "0000-01-01",
	};
	int64_t day = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		assert_int_equal(hour_parse_day(slice_text(malformed[i]), &day), ERR_MALFORMED);
	for (size_t i = 0; i < sizeof(unreal) / sizeof(unreal[0]); i++)
		assert_int_equal(hour_parse_day(slice_text(unreal[i]), &day), ERR_OUT_OF_RANGE);
	assert_int_equal(hour_parse_day(slice_text("2000-02-29"), &day), 0);
	assert_int_equal(hour_parse(slice_text("2026-11-20"), &day), ERR_MALFORMED);
	assert_int_equal(hour_parse(slice_text("2026-11-20 13"), &day), ERR_MALFORMED);
	assert_int_equal(hour_parse(slice_text("2026-11-20T1x"), &day), ERR_MALFORMED);
	assert_int_equal(hour_parse(slice_text("2026-11-20T24"), &day), ERR_OUT_OF_RANGE);
	assert_int_equal(hour_parse(slice_text("2026-02-30T10"), &day), ERR_OUT_OF_RANGE);
	assert_int_equal(day, 11016);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hours_and_days_are_spelt_as_the_keys_have_them),
		cmocka_unit_test(seconds_hours_and_days_nest),
		cmocka_unit_test(each_day_until_9999_comes_back_and_follows_the_one_before),
		cmocka_unit_test(libc_agrees),
		cmocka_unit_test(hours_are_read_back),
		cmocka_unit_test(only_the_exact_form_of_a_real_date_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
