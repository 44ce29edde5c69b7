// SPDX-License-Identifier: Apache-2.0
#include "proto/store/script.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SHA "0123456789abcdef0123456789abcdef01234567"

static void test_every_script_has_its_name_and_text(void **state)
{
	(void)state;
	for (int i = 0; i < SCRIPT_COUNT; i++) {
		const char *name = script_name((enum script)i);
		struct slice text = script_text((enum script)i);
		const uint8_t *line = memchr(text.ptr, '\n', text.size);

		assert_memory_equal(text.ptr, "#!lua", 5);
		assert_non_null(line);
		assert_memory_equal(line + 1, "-- ", 3);
		assert_memory_equal(line + 4, name, strlen(name));
		assert_int_equal(text.ptr[text.size - 1], '\n');
	}
}

static void test_a_sha_is_kept_and_never_changes(void **state)
{
	(void)state;
	assert_string_equal(script_sha(SCRIPT_COMMIT), "");
	assert_true(script_set_sha(SCRIPT_COMMIT, slice_text(SHA)));
	assert_string_equal(script_sha(SCRIPT_COMMIT), SHA);
	assert_true(script_set_sha(SCRIPT_COMMIT, slice_text(SHA)));
	assert_false(script_set_sha(SCRIPT_COMMIT,
				    slice_text("1123456789abcdef0123456789abcdef01234567")));
	assert_string_equal(script_sha(SCRIPT_COMMIT), SHA);
	assert_string_equal(script_sha(SCRIPT_OPEN), "");
}

static void test_what_is_no_sha_is_refused(void **state)
{
	(void)state;
	assert_false(script_set_sha(SCRIPT_OPEN, slice_text("")));
	assert_false(script_set_sha(SCRIPT_OPEN, slice_text(SHA "0")));
	assert_false(script_set_sha(SCRIPT_OPEN,
				    slice_text("0123456789ABCDEF0123456789abcdef01234567")));
	assert_string_equal(script_sha(SCRIPT_OPEN), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_script_has_its_name_and_text),
		cmocka_unit_test(test_a_sha_is_kept_and_never_changes),
		cmocka_unit_test(test_what_is_no_sha_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
