// SPDX-License-Identifier: Apache-2.0
#include "relay/resp.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_a_command_is_written_as_redis_reads_it(void **state)
{
	static const char expected[] = "*6\r\n$4\r\nHSET\r\n$3\r\na\0b\r\n$0\r\n\r\n"
				       "$20\r\n18446744073709551615\r\n"
				       "$20\r\n-9223372036854775808\r\n"
				       "$16\r\n00000000deadbeef\r\n";
	struct buf out;

	(void)state;
	buf_init(&out, SIZE_MAX);
	resp_array(&out, 6);
	resp_text(&out, "HSET");
	resp_bytes(&out, slice_of("a\0b", 3));
	resp_text(&out, "");
	resp_u64(&out, UINT64_MAX);
	resp_i64(&out, INT64_MIN);
	resp_hex(&out, 0xdeadbeef);
	assert_int_equal(buf_status(&out), 0);
	assert_int_equal(out.size, sizeof(expected) - 1);
	assert_memory_equal(out.data, expected, out.size);
	buf_release(&out);
}

static void test_small_numbers(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, SIZE_MAX);
	resp_u64(&out, 0);
	resp_i64(&out, 0);
	resp_i64(&out, -1);
	resp_u64(&out, 10);
	assert_memory_equal(out.data, "$1\r\n0\r\n$1\r\n0\r\n$2\r\n-1\r\n$2\r\n10\r\n", out.size);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_command_is_written_as_redis_reads_it),
		cmocka_unit_test(test_small_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
