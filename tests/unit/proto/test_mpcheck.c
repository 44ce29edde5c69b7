// SPDX-License-Identifier: Apache-2.0
#include "proto/mpcheck.h"

#include "proto/err.h"
#include "tests/lib/bytes.h"
#include "tests/lib/peak.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct mpcheck_rule any_int = {
	.types = MPCHECK_INT, .min = INT64_MIN, .max = UINT64_MAX,
};
static const struct mpcheck_rule small_int = { .types = MPCHECK_INT, .min = -5, .max = 1000 };
static const struct mpcheck_rule positive = { .types = MPCHECK_INT, .min = 1, .max = INT64_MAX };
static const struct mpcheck_rule text = { .types = MPCHECK_TEXT, .min = 1, .max = 40 };
static const struct mpcheck_rule bytes16 = { .types = MPCHECK_BYTES, .min = 16, .max = 16 };
static const struct mpcheck_rule ints = { .types = MPCHECK_LIST, .max = 70000, .of = &small_int };
static const struct mpcheck_rule two_ints = {
	.types = MPCHECK_LIST, .min = 2, .max = 2, .of = &small_int,
};
static const struct mpcheck_rule flag_or_nil = { .types = MPCHECK_BOOL | MPCHECK_NIL };
static const struct mpcheck_rule pair_fields[2] = {
	{ .types = MPCHECK_INT, .min = 0, .max = 10 },
	{ .types = MPCHECK_TEXT, .max = 3 },
};
static const struct mpcheck_rule pair = { .types = MPCHECK_TUPLE, .max = 2, .of = pair_fields };
static const struct mpcheck_rule pairs = { .types = MPCHECK_LIST, .max = 4, .of = &pair };

static int walk_hex(const char *hex, const struct mpcheck_rule *rule)
{
	uint8_t room[4096];
	struct slice bytes = bytes_of_hex(hex, room, sizeof(room));
	uint8_t *copy = bytes_copy(bytes);
	int err = mpcheck_walk(slice_of(copy, bytes.size), rule);

	free(copy);
	return err;
}

static void test_numbers_are_held_to_their_range_in_every_width(void **state)
{
	(void)state;
	assert_int_equal(walk_hex("00", &small_int), 0);
	assert_int_equal(walk_hex("7f", &small_int), 0);
	assert_int_equal(walk_hex("fb", &small_int), 0); /* -5 */
	assert_int_equal(walk_hex("fa", &small_int), ERR_OUT_OF_RANGE);
	assert_int_equal(walk_hex("cd03e8", &small_int), 0); /* 1000 */
	assert_int_equal(walk_hex("cd03e9", &small_int), ERR_OUT_OF_RANGE);
	assert_int_equal(walk_hex("cf00000000000003e8", &small_int), 0);
	assert_int_equal(walk_hex("d0fb", &small_int), 0);
	assert_int_equal(walk_hex("d1fffb", &small_int), 0);
	assert_int_equal(walk_hex("d2fffffffb", &small_int), 0);
	assert_int_equal(walk_hex("d3fffffffffffffffb", &small_int), 0);
	assert_int_equal(walk_hex("d3fffffffffffffffa", &small_int), ERR_OUT_OF_RANGE);
	assert_int_equal(walk_hex("d103e8", &small_int), 0); /* positive in a signed width */
	assert_int_equal(walk_hex("cfffffffffffffffff", &any_int), 0);
	assert_int_equal(walk_hex("d38000000000000000", &any_int), 0);
	assert_int_equal(walk_hex("00", &positive), ERR_OUT_OF_RANGE);
	assert_int_equal(walk_hex("ff", &positive), ERR_OUT_OF_RANGE);
	assert_int_equal(walk_hex("01", &positive), 0);
	assert_int_equal(walk_hex("cf8000000000000000", &positive), ERR_OUT_OF_RANGE);
}

static void test_texts_and_bytes_are_held_to_their_sizes(void **state)
{
	(void)state;
	assert_int_equal(walk_hex("a161", &text), 0);
	assert_int_equal(walk_hex("d90161", &text), 0);
	assert_int_equal(walk_hex("da000161", &text), 0);
	assert_int_equal(walk_hex("db0000000161", &text), 0);
	assert_int_equal(walk_hex("a0", &text), ERR_MALFORMED); /* below the least */
	assert_int_equal(walk_hex("d929", &text), ERR_TOO_LARGE);
	assert_int_equal(walk_hex("dbffffffff", &text), ERR_TOO_LARGE);
	assert_int_equal(walk_hex("a26162", &text), 0);
	assert_int_equal(walk_hex("a261", &text), ERR_TRUNCATED);
	assert_int_equal(walk_hex("c40161", &text), ERR_MALFORMED); /* a bin is no text */
	assert_int_equal(walk_hex("c410000102030405060708090a0b0c0d0e0f", &bytes16), 0);
	assert_int_equal(walk_hex("c50010000102030405060708090a0b0c0d0e0f", &bytes16), 0);
	assert_int_equal(walk_hex("c40f000102030405060708090a0b0c0d0e", &bytes16), ERR_MALFORMED);
	assert_int_equal(walk_hex("c411000102030405060708090a0b0c0d0e0f10", &bytes16),
			 ERR_TOO_LARGE);
	assert_int_equal(walk_hex("c6ffffffff", &bytes16), ERR_TOO_LARGE);
	assert_int_equal(walk_hex("b0000102030405060708090a0b0c0d0e0f", &bytes16), ERR_MALFORMED);
}

static void test_arrays_have_the_schema_s_shape(void **state)
{
	(void)state;
	assert_int_equal(walk_hex("9201a161", &pair), 0);
	assert_int_equal(walk_hex("dc000201a161", &pair), 0);
	assert_int_equal(walk_hex("dd0000000201a161", &pair), 0);
	assert_int_equal(walk_hex("9101", &pair), ERR_MALFORMED);       /* one too few */
	assert_int_equal(walk_hex("9301a16101", &pair), ERR_TOO_LARGE); /* one too many */
	assert_int_equal(walk_hex("92a16101", &pair), ERR_MALFORMED);   /* order */
	assert_int_equal(walk_hex("920ba0", &pair), ERR_OUT_OF_RANGE);
	assert_int_equal(walk_hex("90", &pairs), 0);
	assert_int_equal(walk_hex("9292" "01a0" "9202a0", &pairs), 0);
	assert_int_equal(walk_hex("95" "9201a0" "9201a0" "9201a0" "9201a0" "9201a0", &pairs),
			 ERR_TOO_LARGE);
	assert_int_equal(walk_hex("9101", &two_ints), ERR_MALFORMED);
	assert_int_equal(walk_hex("920101", &two_ints), 0);
	assert_int_equal(walk_hex("9101", &pairs), ERR_MALFORMED); /* a number where a pair goes */
	assert_int_equal(walk_hex("01", &pairs), ERR_MALFORMED);
}

static void test_only_the_schema_s_types_pass(void **state)
{
	static const char *const foreign[] = {
		"80", "81a16101", "de0000", "df00000000",       /* maps */
		"ca00000000", "cb0000000000000000",             /* floats */
		"d40100", "d5010000", "c7000100", "c80000", "c9", /* exts */
		"c1",                                           /* nothing at all */
	};
	static const struct mpcheck_rule all = {
		.types = MPCHECK_INT | MPCHECK_BOOL | MPCHECK_NIL | MPCHECK_TEXT | MPCHECK_BYTES |
			 MPCHECK_LIST,
		.max = 100, .of = &any_int,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (walk_hex(foreign[i], &all) != ERR_MALFORMED)
			fail_msg("not refused as malformed: %s", foreign[i]);
	assert_int_equal(walk_hex("c0", &flag_or_nil), 0);
	assert_int_equal(walk_hex("c2", &flag_or_nil), 0);
	assert_int_equal(walk_hex("c3", &flag_or_nil), 0);
	assert_int_equal(walk_hex("00", &flag_or_nil), ERR_MALFORMED);
	assert_int_equal(walk_hex("c0", &any_int), ERR_MALFORMED);
	assert_int_equal(walk_hex("90", &any_int), ERR_TOO_DEEP);
	assert_int_equal(walk_hex("9190", &ints), ERR_TOO_DEEP);
}

static void test_exactly_one_value_is_taken(void **state)
{
	(void)state;
	assert_int_equal(mpcheck_walk(slice_of(NULL, 0), &any_int), ERR_TRUNCATED);
	assert_int_equal(walk_hex("0000", &any_int), ERR_TRAILING);
	assert_int_equal(walk_hex("9201a16100", &pair), ERR_TRAILING);
	assert_int_equal(walk_hex("cd03", &any_int), ERR_TRUNCATED);
	assert_int_equal(walk_hex("cd", &any_int), ERR_TRUNCATED);
	assert_int_equal(walk_hex("9201", &pair), ERR_TRUNCATED);
}

/* Counts within the schema's limit but above the bytes left, and lists past the budget. */
static void test_counts_are_held_to_the_bytes_and_the_budget(void **state)
{
	size_t size = 3 + MPCHECK_ELEMENTS;
	uint8_t *zeros = calloc(1, size);

	(void)state;
	assert_int_equal(walk_hex("dcffff", &ints), ERR_TRUNCATED);
	assert_int_equal(walk_hex("dd00010000", &ints), ERR_TRUNCATED);
	assert_int_equal(walk_hex("ddffffffff", &ints), ERR_TOO_LARGE);
	zeros[0] = 0xdc;
	zeros[1] = MPCHECK_ELEMENTS >> 8;
	zeros[2] = MPCHECK_ELEMENTS & 0xff;
	assert_int_equal(mpcheck_walk(slice_of(zeros, size), &ints), ERR_TOO_LARGE);
	/* With the list itself that is exactly the budget. */
	zeros[2] -= 1;
	if (MPCHECK_ELEMENTS % 256 == 0) {
		zeros[1] -= 1;
		zeros[2] = 0xff;
	}
	assert_int_equal(mpcheck_walk(slice_of(zeros, size - 1), &ints), 0);
	free(zeros);
}

/* What makes msgpack-c 4 allocate 8.6 GB (one header) and 1 GB (nested ones). */
static void test_bombs_cost_no_memory(void **state)
{
	uint8_t nested[155];
	msgpack_unpacked out;
	uint8_t flat[5] = { 0xdd, 0x15, 0xff, 0xff, 0xff };
	long before = peak_kib();

	(void)state;
	for (size_t i = 0; i < sizeof(nested); i += 5)
		memcpy(nested + i, "\xdd\x00\x14\x00\x00", 5);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(mpcheck_unpack(slice_of(flat, 5), &ints, &out), ERR_TOO_LARGE);
		assert_int_equal(mpcheck_unpack(slice_of(flat, 5), &pairs, &out), ERR_TOO_LARGE);
		assert_int_equal(mpcheck_unpack(slice_of(nested, sizeof(nested)), &pairs, &out),
				 ERR_TOO_LARGE);
	}
	assert_true(peak_growth_kib(before) < 1024);
}

static void test_what_passes_is_unpacked_and_borrows(void **state)
{
	static const uint8_t bytes[] = { 0x92, 0x07, 0xa3, 'a', 'b', 'c' };
	msgpack_unpacked out;
	const msgpack_object *fields;

	(void)state;
	assert_int_equal(mpcheck_unpack(slice_of(bytes, sizeof(bytes)), &pair, &out), 0);
	fields = out.data.via.array.ptr;
	assert_int_equal(out.data.via.array.size, 2);
	assert_true(fields[0].via.u64 == 7);
	assert_true(mpcheck_slice(&fields[1]).ptr == bytes + 3);
	assert_int_equal(mpcheck_slice(&fields[1]).size, 3);
	msgpack_unpacked_destroy(&out);
}

/* The walk and msgpack-c must see the same value: whatever passes one must unpack. */
static void test_all_that_passes_unpacks(void **state)
{
	uint64_t random = 3;
	unsigned passed = 0;

	(void)state;
	for (int i = 0; i < 300000; i++) {
		uint8_t bytes[8];
		size_t size = 1 + bytes_random_below(&random, sizeof(bytes));
		uint64_t r = bytes_random(&random);
		msgpack_unpacked out;

		memcpy(bytes, &r, sizeof(bytes));
		bytes[0] = (uint8_t)(0x90 | (bytes[0] & 3));
		if (mpcheck_walk(slice_of(bytes, size), &ints) != 0)
			continue;
		assert_int_equal(mpcheck_unpack(slice_of(bytes, size), &ints, &out), 0);
		assert_int_equal(out.data.via.array.size, bytes[0] & 3);
		msgpack_unpacked_destroy(&out);
		passed++;
	}
	assert_true(passed > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: the peak of a process only ever grows. */
		cmocka_unit_test(test_bombs_cost_no_memory),
		cmocka_unit_test(test_numbers_are_held_to_their_range_in_every_width),
		cmocka_unit_test(test_texts_and_bytes_are_held_to_their_sizes),
		cmocka_unit_test(test_arrays_have_the_schema_s_shape),
		cmocka_unit_test(test_only_the_schema_s_types_pass),
		cmocka_unit_test(test_exactly_one_value_is_taken),
		cmocka_unit_test(test_counts_are_held_to_the_bytes_and_the_budget),
		cmocka_unit_test(test_what_passes_is_unpacked_and_borrows),
		cmocka_unit_test(test_all_that_passes_unpacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
