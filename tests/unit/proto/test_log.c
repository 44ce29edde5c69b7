// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/log.h"

#include "tests/lib/capture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

static char text[16384];

static void test_a_line_is_priority_event_and_fields(void **state)
{
	struct capture c;

	(void)state;
	capture_start(&c, STDERR_FILENO);
	log_info("listening", "address=%s port=%d", "udp://127.0.0.1", 8125);
	log_error("gone", "");
	log_warn("lost", "n=1");
	capture_stop(&c, text, sizeof(text));
	assert_string_equal(text, "<6>listening address=udp://127.0.0.1 port=8125\n<3>gone\n"
				  "<4>lost n=1\n");
}

static void test_the_level_hides_what_is_less_grave(void **state)
{
	struct capture c;

	(void)state;
	capture_start(&c, STDERR_FILENO);
	log_debug("hidden", "");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("shown", "");
	log_set_level(LOG_LEVEL_ERROR);
	log_warn("hidden", "");
	log_error("shown", "");
	log_set_level(LOG_LEVEL_INFO);
	capture_stop(&c, text, sizeof(text));
	assert_string_equal(text, "<7>shown\n<3>shown\n");
}

static void test_level_names(void **state)
{
	static const struct {
		const char *name;
		enum log_level level;
	} rows[] = { { "error", LOG_LEVEL_ERROR }, { "warn", LOG_LEVEL_WARN },
		     { "info", LOG_LEVEL_INFO }, { "debug", LOG_LEVEL_DEBUG } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_string_equal(log_level_choices[i], rows[i].name);
		assert_int_equal(log_level_chosen((int64_t)i), rows[i].level);
	}
	assert_null(log_level_choices[sizeof(rows) / sizeof(rows[0])]);
}

static void test_an_event_stays_one_line_and_keeps_errno(void **state)
{
	struct capture c;

	(void)state;
	capture_start(&c, STDERR_FILENO);
	errno = ENOENT;
	log_info("odd", "value=a\nb\x1b[31m\x7f");
	int kept = errno;

	capture_stop(&c, text, sizeof(text));
	assert_int_equal(kept, ENOENT);
	assert_string_equal(text, "<6>odd value=a?b?[31m?\n");
}

static void test_a_line_is_cut_at_2000_bytes_between_characters(void **state)
{
	char long_value[4001] = "";
	struct capture c;
	size_t size;

	(void)state;
	for (int shift = 0; shift < 2; shift++) {
		long_value[0] = 'x';
		for (size_t i = (size_t)shift; i + 1 < sizeof(long_value); i += 2)
			memcpy(long_value + i, "\xc3\xa4", 2);
		capture_start(&c, STDERR_FILENO);
		log_info("cut", "v=%.4000s", long_value);
		capture_stop(&c, text, sizeof(text));
		size = strlen(text);
		assert_in_range(size, 1999, 2000);
		assert_string_equal(text + size - 6, "\xc3\xa4...\n");
	}
	memset(long_value, 'y', 4000);
	capture_start(&c, STDERR_FILENO);
	log_info("fits", "%.1991s", long_value);
	capture_stop(&c, text, sizeof(text));
	assert_int_equal(strlen(text), 2000);
	assert_string_equal(text + 1997, "yy\n");
}

static void assert_quotes(const char *from, const char *expected)
{
	char out[LOG_QUOTE_SIZE];

	assert_string_equal(log_quote(slice_text(from), out), expected);
}

static void test_quote_leaves_plain_values_alone(void **state)
{
	(void)state;
	assert_quotes("plain-1.2:3/4", "plain-1.2:3/4");
	assert_quotes("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
	assert_quotes("", "\"\"");
	assert_quotes("two words", "\"two words\"");
	assert_quotes("k=v", "\"k=v\"");
	assert_quotes("a\"b\\c", "\"a\\\"b\\\\c\"");
}

static void test_quote_escapes_control_bytes_and_bad_utf8(void **state)
{
	char out[LOG_QUOTE_SIZE];

	(void)state;
	assert_quotes("a\nb\x7f", "\"a\\x0Ab\\x7F\"");
	assert_quotes("\xff\xc3", "\"\\xFF\\xC3\"");
	assert_quotes("\xc0\x80", "\"\\xC0\\x80\"");
	assert_quotes("\xed\xa0\x80", "\"\\xED\\xA0\\x80\"");
	assert_quotes("\xf4\x90\x80\x80", "\"\\xF4\\x90\\x80\\x80\"");
	assert_quotes("\xc2\x85x", "\"\\xC2\\x85x\"");
	assert_string_equal(log_quote(slice_of("a\0b", 3), out), "\"a\\x00b\"");
}

static void test_quote_cuts_to_its_room(void **state)
{
	char from[1000];
	char out[LOG_QUOTE_SIZE];

	(void)state;
	memset(from, 'a', sizeof(from));
	assert_int_equal(strlen(log_quote(slice_of(from, 255), out)), 255);
	log_quote(slice_of(from, 256), out);
	assert_int_equal(strlen(out), 255);
	assert_string_equal(out + 251, "...\"");
	for (size_t size = 0; size < 300; size++) {
		memset(from, 1, sizeof(from));
		assert_true(strlen(log_quote(slice_of(from, size), out)) < LOG_QUOTE_SIZE);
	}
	assert_string_equal(out + strlen(out) - 8, "\\x01...\"");
}

static void test_a_limited_event_passes_once_a_second_and_counts(void **state)
{
	struct log_limit limit = { 0 };
	uint64_t held = 77;

	(void)state;
	assert_true(log_allowed(&limit, 5000, &held));
	assert_int_equal(held, 0);
	assert_false(log_allowed(&limit, 5000, &held));
	assert_false(log_allowed(&limit, 5999, NULL));
	assert_true(log_allowed(&limit, 6000, &held));
	assert_int_equal(held, 2);
	assert_true(log_allowed(&limit, 7000, &held));
	assert_int_equal(held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_is_priority_event_and_fields),
		cmocka_unit_test(test_the_level_hides_what_is_less_grave),
		cmocka_unit_test(test_level_names),
		cmocka_unit_test(test_an_event_stays_one_line_and_keeps_errno),
		cmocka_unit_test(test_a_line_is_cut_at_2000_bytes_between_characters),
		cmocka_unit_test(test_quote_leaves_plain_values_alone),
		cmocka_unit_test(test_quote_escapes_control_bytes_and_bad_utf8),
		cmocka_unit_test(test_quote_cuts_to_its_room),
		cmocka_unit_test(test_a_limited_event_passes_once_a_second_and_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
