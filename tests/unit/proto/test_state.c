// SPDX-License-Identifier: Apache-2.0
#include "proto/state.h"

#include "proto/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void assert_both_ways(const char *text, struct stream_state want)
{
	struct stream_state got;
	char out[STATE_TEXT_SIZE];

	assert_int_equal(state_parse(slice_text(text), &got), 0);
	assert_true(got.known == want.known);
	assert_true(got.nonce == want.nonce);
	assert_true(got.seq == want.seq);
	assert_true(got.value == want.value);
	assert_int_equal(state_format(&want, out).size, strlen(text));
	assert_string_equal(out, text);
}

static void test_a_state_and_its_text_are_one(void **state)
{
	(void)state;
	assert_both_ways("", (struct stream_state){ .known = false });
	assert_both_ways("0:n0000000000000000",
			 (struct stream_state){ .known = true, .nonce = true });
	assert_both_ways("17:c00000000000000ff",
			 (struct stream_state){ .known = true, .seq = 17, .value = 0xff });
	assert_both_ways("1:n0123456789abcdef",
			 (struct stream_state){ .known = true, .nonce = true, .seq = 1,
						.value = 0x0123456789abcdef });
	assert_both_ways("18446744073709551615:cffffffffffffffff",
			 (struct stream_state){ .known = true, .seq = UINT64_MAX,
						.value = UINT64_MAX });
}

static void test_any_other_spelling_is_refused(void **state)
{
	static const char *const bad[] = {
		"1", "1:", "1:c", ":c0000000000000000", "1:x0000000000000000", "1c0000000000000000",
		"01:c0000000000000000", "00:c0000000000000000", "-1:c0000000000000000",
		"+1:c0000000000000000", " 1:c0000000000000000", "1:c0000000000000000 ",
		"1:c000000000000000", "1:c00000000000000000", "1:c00000000000000fF",
		"1:c00000000000000FF", "1:c000000000000000g", "1:C0000000000000000",
		"18446744073709551616:c0000000000000000", "99999999999999999999:c0000000000000000",
		"1:c0000000000000000@1700000000",
	};
	struct stream_state got = { .seq = 99 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (state_parse(slice_text(bad[i]), &got) != ERR_MALFORMED)
			fail_msg("accepted: %s", bad[i]);
	assert_true(got.seq == 99);
}

static void test_equal_means_the_same_string(void **state)
{
	struct stream_state chain = { .known = true, .seq = 3, .value = 9 };
	struct stream_state other = chain;
	struct stream_state unknown = { .known = false };

	(void)state;
	assert_true(state_equal(&chain, &other));
	other.nonce = true;
	assert_false(state_equal(&chain, &other));
	other = chain;
	other.seq = 4;
	assert_false(state_equal(&chain, &other));
	other = chain;
	other.value = 8;
	assert_false(state_equal(&chain, &other));
	assert_false(state_equal(&chain, &unknown));
	assert_false(state_equal(&unknown, &chain));
	assert_true(state_equal(&unknown, &unknown));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_state_and_its_text_are_one),
		cmocka_unit_test(test_any_other_spelling_is_refused),
		cmocka_unit_test(test_equal_means_the_same_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
