// SPDX-License-Identifier: Apache-2.0
#include "proto/hex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_bytes_are_two_digits_each(void **state)
{
	const uint8_t bytes[] = { 0x00, 0x0f, 0xa0, 0xff };
	char out[2 * sizeof(bytes) + 1];

	(void)state;
	assert_string_equal(hex_write(bytes, sizeof(bytes), out), "000fa0ff");
	assert_string_equal(hex_write(bytes, 0, out), "");
}

static void test_a_number_is_sixteen_small_digits(void **state)
{
	static const char *const bad[] = { "", "0", "00000000000000000", "00000000000000AB",
					   "000000000000000g", "0x00000000000000", " 000000000000000" };
	uint64_t value = 0;

	(void)state;
	assert_int_equal(hex_read_u64(slice_text("00000000deadbeef"), &value), 0);
	assert_int_equal(value, 0xdeadbeef);
	assert_int_equal(hex_read_u64(slice_text("ffffffffffffffff"), &value), 0);
	assert_int_equal(value, UINT64_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(hex_read_u64(slice_text(bad[i]), &value), ERR_MALFORMED);
	assert_int_equal(value, UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_are_two_digits_each),
		cmocka_unit_test(test_a_number_is_sixteen_small_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
