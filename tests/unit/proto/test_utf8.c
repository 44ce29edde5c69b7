// SPDX-License-Identifier: Apache-2.0
#include "proto/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static bool is_text(const char *text)
{
	size_t size = strlen(text);
	uint8_t *copy = malloc(size ? size : 1);
	bool answer;

	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, text, size);
	answer = utf8_is_text(slice_of(copy, size));
	free(copy);
	return answer;
}

static void text_is_utf8_without_control_bytes(void **state)
{
	static const char *const good[] = {
		"", "a", "~", " ", "12345678", "123456789abcdef01", "\xc2\x80", "\xdf\xbf",
		"\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf", "1234567\xe6\xb5\x8b\x31", "\xef\xbb\xbfx",
	};
	static const char *const bad[] = {
		"\x01", "\x1f", "\x7f", "1234567\x7f", "12345678\n", "\x80", "\xbf", "\xc0\x80",
		"\xc1\xbf", "\xc2", "\xc2\x7f", "\xe0\x9f\xbf", "\xe6\xb5", "\xed\xa0\x80",
		"\xf0\x8f\xbf\xbf", "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
		"1234567\xe6", "\1771234567", "~~~~~~~\x1f",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(is_text(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(is_text(bad[i]));
	assert_false(utf8_is_text(slice_of("\0", 1)));
	assert_false(utf8_is_text(slice_of("1234\000567", 8)));
}

/* The word at a time says what the byte at a time says, for any byte at any place. */
static void any_byte_at_any_place_is_judged_alike(void **state)
{
	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		for (size_t at = 0; at < 8; at++) {
			uint8_t text[8] = { ' ', '~', 'a', ' ', '0', '~', 'Z', '!' };

			text[at] = (uint8_t)byte;
			assert_int_equal(utf8_is_text(slice_of(text, 8)),
					 byte >= 0x20 && byte < 0x7f);
		}
	}
}

static void a_broken_sequence_says_how_far_it_reached(void **state)
{
	static const struct {
		const char *text;
		size_t size;
		bool valid;
	} cases[] = {
		{ "a", 1, true },        { "\xc3\xa9x", 2, true }, { "\xf0\x9f\x98\x80", 4, true },
		{ "\x80", 1, false },    { "\xe6\xb5", 2, false }, { "\xe6\xb5x", 2, false },
		{ "\xed\xa0\x80", 1, false }, { "\xf0\x9f\x98x", 3, false }, { "\xffx", 1, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool valid;

		assert_int_equal(utf8_sequence(slice_text(cases[i].text), &valid), cases[i].size);
		assert_int_equal(valid, cases[i].valid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_utf8_without_control_bytes),
		cmocka_unit_test(any_byte_at_any_place_is_judged_alike),
		cmocka_unit_test(a_broken_sequence_says_how_far_it_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
