// SPDX-License-Identifier: Apache-2.0
#include "proto/cell.h"

#include "proto/err.h"
#include "proto/group.h"
#include "proto/hash.h"
#include "proto/limits.h"
#include "tests/lib/bytes.h"
#include "tests/lib/cell_case.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_refused(struct slice bytes)
{
	struct cell *c = NULL;

	assert_true(cell_decode(bytes, &c) < 0);
	assert_null(c);
}

/* Writes the checksum that the bytes before it ask for. */
static void seal(uint8_t *bytes, size_t size)
{
	uint32_t crc = hash_crc32c(0, slice_of(bytes, size - 4));

	for (size_t i = 0; i < 4; i++)
		bytes[size - 4 + i] = (uint8_t)(crc >> (8 * i));
}

static void bytes_read_back_are_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < CELL_CASE_KINDS; i++) {
		for (uint64_t seed = 0; seed < 300; seed++) {
			struct cell *c = cell_case_history(cell_case_kinds[i], seed, seed + seed % 50);
			struct cell *back = NULL;
			struct buf out = cell_case_encode(c);

			assert_int_equal(cell_decode(buf_view(&out), &back), 0);
			assert_same_cell(c, back);
			assert_int_equal(cell_kind(back), cell_case_kinds[i]);
			assert_int_equal(cell_samples(back), cell_samples(c));
			assert_int_equal(cell_sampled(back), cell_sampled(c));
			cell_free(back);
			cell_free(c);
			buf_release(&out);
		}
	}
}

/* Calls try with the bytes of a cell of each kind that things happened to. */
static void each_encoding(uint64_t from, uint64_t to, void (*try)(struct slice bytes))
{
	for (size_t i = 0; i < CELL_CASE_KINDS; i++) {
		struct cell *c = cell_case_history(cell_case_kinds[i], from, to);
		struct buf out = cell_case_encode(c);

		try(buf_view(&out));
		cell_free(c);
		buf_release(&out);
	}
}

static void refuse(struct slice mutant, void *arg)
{
	(void)arg;
	assert_refused(mutant);
}

static void refuse_truncations(struct slice bytes)
{
	uint8_t *longer = calloc(1, bytes.size + 1);

	assert_non_null(longer);
	bytes_each_prefix(bytes, refuse, NULL);
	memcpy(longer, bytes.ptr, bytes.size);
	assert_refused(slice_of(longer, bytes.size + 1));
	free(longer);
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	each_encoding(100, 120, refuse_truncations);
}

/* With its checksum made good again: the body itself knows where it ends. */
static void refuse_sealed_truncations(struct slice bytes)
{
	uint8_t *copy = malloc(bytes.size + 1);

	assert_non_null(copy);
	for (size_t size = 4; size < bytes.size + 2; size++) {
		if (size == bytes.size)
			continue;
		memset(copy, 0, bytes.size + 1);
		memcpy(copy, bytes.ptr, size < bytes.size ? size : bytes.size - 4);
		seal(copy, size);
		assert_refused(slice_of(copy, size));
	}
	free(copy);
}

static void every_sealed_truncation_is_refused(void **state)
{
	(void)state;
	each_encoding(100, 104, refuse_sealed_truncations);
}

static void refuse_flips(struct slice bytes)
{
	bytes_each_flip(bytes, refuse, NULL);
}

static void every_flipped_bit_is_refused(void **state)
{
	(void)state;
	each_encoding(200, 220, refuse_flips);
}

static void why_it_is_refused_is_said(void **state)
{
	struct cell *c = cell_case_history(KIND_COUNTER, 0, 1);
	struct cell *back = NULL;
	struct buf out = cell_case_encode(c);
	static uint8_t large[LIMIT_CELL_BYTES + 1];

	(void)state;
	assert_int_equal(cell_decode(slice_of(large, sizeof(large)), &back), ERR_TOO_LARGE);
	assert_int_equal(cell_decode(slice_of(out.data, 3), &back), ERR_TRUNCATED);
	out.data[3]++;
	assert_int_equal(cell_decode(buf_view(&out), &back), ERR_CHECKSUM);
	out.data[3]--;
	out.data[0] = 2;
	assert_int_equal(cell_decode(buf_view(&out), &back), ERR_VERSION);
	out.data[0] = 1;
	out.data[1] = 'x';
	seal(out.data, out.size);
	assert_int_equal(cell_decode(buf_view(&out), &back), ERR_MALFORMED);
	cell_free(c);
	buf_release(&out);
}

/* Sealed cells that contradict themselves; the checksum is put in by the test. */
static void what_is_never_written_is_refused(void **state)
{
	static const struct {
		uint8_t bytes[32];
		size_t size; /* with the checksum */
	} rows[] = {
		{ { 1, 'c', 2, 1, 16 }, 9 },      /* an unknown flag */
		{ { 1, 'c', 0, 0, 16 }, 9 },      /* a sum of nothing */
		{ { 1, 'c', 1, 0, 0 }, 9 },       /* sampled, but no samples */
		{ { 1, 'c', 0, 0x81, 0, 16 }, 10 }, /* a padded varint */
		{ { 1, 'g', 1, 1, 0, 0 }, 10 },   /* a gauge is never sampled */
		{ { 1, 'g', 0, 0, 0, 1, 5, 16 }, 12 }, /* a delta of nothing */
		{ { 1, 'g', 0, 1, 2, 5, 16, 16, 16, 32, 0 }, 15 }, /* two sets of one sample */
		{ { 1, 's', 0, 1, 0 }, 9 },       /* a sample, but no member */
		{ { 1, 's', 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8 }, 17 }, /* a member of nothing */
		{ { 1, 's', 1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8 }, 17 }, /* a set is never sampled */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[32];

		memcpy(bytes, rows[i].bytes, sizeof(bytes));
		seal(bytes, rows[i].size);
		assert_refused(slice_of(bytes, rows[i].size));
	}
}

static void assert_hex(struct cell *c, const char *hex)
{
	struct buf out = cell_case_encode(c);
	struct cell *back = NULL;

	bytes_assert_hex(buf_view(&out), hex);
	assert_int_equal(cell_decode(buf_view(&out), &back), 0);
	assert_same_cell(c, back);
	cell_free(back);
	cell_free(c);
	buf_release(&out);
}

/* The bytes of CELL.md. They lie in somebody's Redis: they may never change. */
static void the_bytes_are_those_documented(void **state)
{
	static const double values[] = { 12.5, 12.5, 80 };
	static const double rests[] = { 1, 1e-20 };
	uint64_t members[2];
	struct buf group;
	struct cell *c = cell_case_new(KIND_COUNTER);

	(void)state;
	cell_case_values(c, (struct group_sampling){ .rate = 0.1, .weight = 1 }, values, 3);
	assert_hex(c, "01630103a08301b87b6e61");

	c = cell_case_new(KIND_COUNTER);
	cell_case_values(c, cell_case_unsampled, rests, 2);
	assert_hex(c, "016300020f000000000000f03f2342920ca19cc73b57dd554b");

	c = cell_case_new(KIND_GAUGE);
	cell_case_set_gauge(c, 754, 21.5, 0);
	cell_case_set_gauge(c, 700, 18, 0);
	cell_case_change_gauge(c, 754, 2);
	cell_case_change_gauge(c, 756, -0.25);
	assert_hex(c, "0167000402f205f11aa002f11ab131020020018a03ee14c1af");

	c = cell_case_new(KIND_SET);
	members[0] = hash64(slice_text("alice"));
	members[1] = hash64(slice_text("bob"));
	buf_init(&group, 64);
	group_put_members(&group, members, 2, 3);
	cell_case_group(c, 0, &group);
	assert_hex(c, "0173000302e5b8490fc4c00314b016011ad60da14dff673480");
}

/* A distribution's body is what sketch_encode writes, and SKETCH.md's to say. */
static void a_distribution_is_a_sketch_in_the_envelope(void **state)
{
	static const double values[] = { 12.5, 12.5, 80 };
	struct cell *c = cell_case_new(KIND_DISTRIBUTION);
	struct buf expected, out;

	(void)state;
	cell_case_values(c, cell_case_unsampled, values, 3);
	out = cell_case_encode(c);
	buf_init(&expected, 4096);
	buf_put(&expected, "\x01\x64\x00\x03", 4);
	assert_int_equal(sketch_encode(cell_sketch(c), &expected), 0);
	buf_put_u32(&expected, hash_crc32c(0, buf_view(&expected)));
	assert_true(slice_equal(buf_view(&out), buf_view(&expected)));
	buf_release(&expected);
	buf_release(&out);
	cell_free(c);
}

static void an_encoding_that_does_not_fit_leaves_the_buffer(void **state)
{
	(void)state;
	for (size_t i = 0; i < CELL_CASE_KINDS; i++) {
		struct cell *c = cell_case_history(cell_case_kinds[i], 0, 5);
		struct buf whole = cell_case_encode(c);

		for (size_t ceiling = 2; ceiling < whole.size + 2; ceiling++) {
			struct buf out;

			buf_init(&out, ceiling);
			buf_put_text(&out, "ab");
			assert_int_equal(cell_encode(c, &out), -ENOBUFS);
			assert_int_equal(out.size, 2);
			buf_release(&out);
		}
		buf_release(&whole);
		cell_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_read_back_are_the_same),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_sealed_truncation_is_refused),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(why_it_is_refused_is_said),
		cmocka_unit_test(what_is_never_written_is_refused),
		cmocka_unit_test(the_bytes_are_those_documented),
		cmocka_unit_test(a_distribution_is_a_sketch_in_the_envelope),
		cmocka_unit_test(an_encoding_that_does_not_fit_leaves_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
