// SPDX-License-Identifier: Apache-2.0
#include "proto/hash.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void xxh3_gives_its_published_answers(void **state)
{
	(void)state;
	assert_true(hash64(slice_text("")) == UINT64_C(0x2d06800538d394c2));
	assert_true(hash64(slice_of(NULL, 0)) == UINT64_C(0x2d06800538d394c2));
	assert_true(hash64_seeded(slice_text("abc"), 0) == hash64(slice_text("abc")));
	assert_true(hash64_seeded(slice_text("abc"), 1) != hash64(slice_text("abc")));
}

static void crc32c_gives_its_published_answers(void **state)
{
	uint8_t zeros[32] = { 0 };

	(void)state;
	assert_int_equal(hash_crc32c(0, slice_text("123456789")), 0xe3069283);
	/* RFC 3720, B.4: 32 bytes of zeroes, and of ones. */
	assert_int_equal(hash_crc32c(0, slice_of(zeros, sizeof(zeros))), 0x8a9136aa);
	memset(zeros, 0xff, sizeof(zeros));
	assert_int_equal(hash_crc32c(0, slice_of(zeros, sizeof(zeros))), 0x62a8ab43);
	assert_int_equal(hash_crc32c(0, slice_text("")), 0);
}

static void crc32c_continues_where_it_stopped(void **state)
{
	uint32_t crc = hash_crc32c(0, slice_text("1234"));

	(void)state;
	crc = hash_crc32c(crc, slice_text(""));
	crc = hash_crc32c(crc, slice_text("56789"));
	assert_int_equal(crc, 0xe3069283);
}

static void a_partition_is_the_hash_modulo_the_count(void **state)
{
	struct slice series = slice_text("checkout.latency;host=a");

	(void)state;
	assert_int_equal(hash_partition(series, 1), 0);
	for (uint32_t count = 1; count < 100; count++)
		assert_int_equal(hash_partition(series, count), hash64(series) % count);
}

static void a_chain_hashes_what_the_contract_says(void **state)
{
	struct stream_id stream;
	uint8_t bytes[STREAM_ID_BYTES + 4] = { 0 };
	uint8_t next[8 + 5] = { 8, 7, 6, 5, 4, 3, 2, 1, 'b', 'a', 't', 'c', 'h' };

	(void)state;
	for (uint8_t i = 0; i < STREAM_ID_BYTES; i++)
		stream.bytes[i] = bytes[i] = (uint8_t)(i * 11);
	bytes[STREAM_ID_BYTES] = 0x04;
	bytes[STREAM_ID_BYTES + 1] = 0x03;
	assert_true(hash_chain_start(&stream, 0x0304) == hash64(slice_of(bytes, sizeof(bytes))));
	assert_true(hash_chain_next(UINT64_C(0x0102030405060708), slice_text("batch")) ==
		    hash64(slice_of(next, sizeof(next))));
}

static void a_fleets_cfg_holds_version_and_partitions(void **state)
{
	(void)state;
	assert_true(hash_cfg(32) == UINT64_C(0x100000020));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xxh3_gives_its_published_answers),
		cmocka_unit_test(crc32c_gives_its_published_answers),
		cmocka_unit_test(crc32c_continues_where_it_stopped),
		cmocka_unit_test(a_partition_is_the_hash_modulo_the_count),
		cmocka_unit_test(a_chain_hashes_what_the_contract_says),
		cmocka_unit_test(a_fleets_cfg_holds_version_and_partitions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
