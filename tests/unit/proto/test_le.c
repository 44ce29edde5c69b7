// SPDX-License-Identifier: Apache-2.0
#include "proto/le.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_lowest_byte_comes_first(void **state)
{
	uint8_t bytes[13] = { 0 };
	const uint8_t wanted[13] = { 0,    4,    3,    2,    1,    0xf8, 0xf7,
				     0xf6, 0xf5, 0xf4, 0xf3, 0xf2, 0xf1 };

	(void)state;
	/* At an odd address, where no number lies by itself. */
	assert_ptr_equal(le_put_u32(bytes + 1, 0x01020304), bytes + 5);
	assert_ptr_equal(le_put_u64(bytes + 5, UINT64_C(0xf1f2f3f4f5f6f7f8)), bytes + 13);
	assert_memory_equal(bytes, wanted, sizeof(bytes));
	assert_true(le_get_u64(bytes + 5) == UINT64_C(0xf1f2f3f4f5f6f7f8));
	assert_true(le_get_u64(wanted + 4) == UINT64_C(0xf2f3f4f5f6f7f801));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_byte_comes_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
