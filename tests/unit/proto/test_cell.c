// SPDX-License-Identifier: Apache-2.0
#include "proto/cell.h"

#include "proto/err.h"
#include "proto/group.h"
#include "proto/hash.h"
#include "proto/limits.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const enum kind kinds[] = { KIND_DISTRIBUTION, KIND_COUNTER, KIND_GAUGE, KIND_SET };

static const struct group_sampling unsampled = { .rate = 1, .weight = 1 };

static uint64_t noise(uint64_t i)
{
	return hash64(slice_of(&i, sizeof(i)));
}

static struct cell *cell_make(enum kind kind)
{
	struct cell *c = cell_new(kind);

	assert_non_null(c);
	return c;
}

/* Adds a group that group_check has passed, as the contract asks for. */
static void add_group(struct cell *c, uint32_t second, struct buf *group)
{
	uint64_t samples = 0;

	assert_int_equal(buf_status(group), 0);
	assert_int_equal(group_check(cell_kind(c), buf_view(group), &samples), 0);
	assert_true(samples > 0);
	assert_int_equal(cell_add_group(c, second, buf_view(group)), 0);
	buf_release(group);
}

static void add_values(struct cell *c, struct group_sampling sampling, const double *values,
		       size_t count)
{
	double sorted[64];
	struct buf group;

	assert_true(count <= 64);
	memcpy(sorted, values, count * sizeof(*values));
	buf_init(&group, 4096);
	group_put_values(&group, sampling, sorted, count);
	add_group(c, 0, &group);
}

static void add_value(struct cell *c, double value)
{
	add_values(c, unsampled, &value, 1);
}

static void set_gauge(struct cell *c, uint32_t second, double value, double delta)
{
	struct group_gauge gauge = { .has_set = true, .last = value, .delta = delta,
				     .min = value,    .max = value,  .sum = value,
				     .sets = 1,       .samples = 1 + (delta != 0) };
	struct buf group;

	buf_init(&group, 4096);
	group_put_gauge(&group, &gauge);
	add_group(c, second, &group);
}

static void change_gauge(struct cell *c, uint32_t second, double delta)
{
	struct group_gauge gauge = { .delta = delta, .samples = 1 };
	struct buf group;

	buf_init(&group, 4096);
	group_put_gauge(&group, &gauge);
	add_group(c, second, &group);
}

static void add_members(struct cell *c, uint64_t from, uint64_t to)
{
	uint64_t *hashes = calloc(to - from, sizeof(*hashes));
	struct buf group;

	assert_non_null(hashes);
	for (uint64_t i = from; i < to; i++)
		hashes[i - from] = noise(i);
	buf_init(&group, 1 << 20);
	group_put_members(&group, hashes, to - from, to - from);
	add_group(c, 0, &group);
	free(hashes);
}

/* Something that may happen in an hour of a kind, from a seed. Whole numbers, so that
 * what is promised exactly is exact. */
static void happen(struct cell *c, uint64_t seed)
{
	uint64_t dice = noise(seed);
	struct group_sampling tenth = { .rate = 0.1, .weight = 10 };

	switch (cell_kind(c)) {
	case KIND_COUNTER:
		tenth.weight = 1;
		/* fall through */
	case KIND_DISTRIBUTION: {
		double values[3] = { (double)(dice & 255), (double)(dice >> 8 & 15), 3 };

		add_values(c, dice >> 60 ? unsampled : tenth, values, 1 + dice % 3);
		break;
	}
	case KIND_GAUGE:
		if (dice & 1)
			set_gauge(c, dice >> 8 & 31, (double)(dice >> 16 & 15), (double)(dice & 6));
		else
			change_gauge(c, dice >> 8 & 31, (double)(dice >> 16 & 15) - 7);
		break;
	case KIND_SET:
		add_members(c, dice & 255, (dice & 255) + 1 + (dice >> 8) % 60);
		break;
	}
}

static struct cell *history(enum kind kind, uint64_t from, uint64_t to)
{
	struct cell *c = cell_make(kind);

	while (from < to)
		happen(c, from++);
	return c;
}

static struct buf encode(struct cell *c)
{
	struct buf out;

	buf_init(&out, LIMIT_CELL_BYTES);
	assert_int_equal(cell_encode(c, &out), 0);
	return out;
}

static void assert_same(struct cell *a, struct cell *b)
{
	struct buf left = encode(a);
	struct buf right = encode(b);

	assert_int_equal(left.size, right.size);
	assert_memory_equal(left.data, right.data, left.size);
	buf_release(&left);
	buf_release(&right);
}

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

static void a_new_cell_is_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct cell *c = cell_make(kinds[i]);

		assert_int_equal(cell_kind(c), kinds[i]);
		assert_int_equal(cell_samples(c), 0);
		assert_false(cell_sampled(c));
		assert_in_range(cell_memory(c), 1, 400);
		cell_free(c);
	}
	cell_free(NULL);
}

static void a_counter_sums_value_over_rate(void **state)
{
	static const double values[] = { 1, 2, 2, 5 };
	struct cell *c = cell_make(KIND_COUNTER);

	(void)state;
	add_values(c, unsampled, values, 4);
	assert_true(cell_counter_sum(c) == 10);
	assert_false(cell_sampled(c));
	add_values(c, (struct group_sampling){ .rate = 0.1, .weight = 1 }, values, 4);
	assert_true(cell_counter_sum(c) == 110);
	assert_true(cell_sampled(c));
	assert_int_equal(cell_samples(c), 8);
	cell_free(c);
}

static void counters_of_whole_numbers_are_exact(void **state)
{
	struct cell *c = cell_make(KIND_COUNTER);

	(void)state;
	add_value(c, 0x1p53);
	for (int i = 0; i < 7; i++)
		add_value(c, 1);
	add_value(c, -0x1p53);
	assert_true(cell_counter_sum(c) == 7);
	cell_free(c);
}

static void a_counter_stays_in_range(void **state)
{
	struct cell *c = cell_make(KIND_COUNTER);
	struct cell *back;
	double huge = 1e308;
	struct buf out;

	(void)state;
	add_values(c, (struct group_sampling){ .rate = 1e-9, .weight = 1 }, &huge, 1);
	assert_true(cell_counter_sum(c) == DBL_MAX);
	add_value(c, 1e308);
	assert_true(cell_counter_sum(c) == DBL_MAX);
	out = encode(c);
	assert_int_equal(cell_decode(buf_view(&out), &back), 0);
	assert_true(cell_counter_sum(back) == DBL_MAX);
	cell_free(back);
	cell_free(c);
	buf_release(&out);
}

static void a_distribution_weighs_by_rate(void **state)
{
	static const double values[] = { 1, 1, 5 };
	struct cell *c = cell_make(KIND_DISTRIBUTION);

	(void)state;
	add_values(c, unsampled, values, 3);
	add_values(c, (struct group_sampling){ .rate = 0.1, .weight = 10 }, values, 3);
	assert_int_equal(sketch_count(cell_sketch(c)), 33);
	assert_true(sketch_sum(cell_sketch(c)) == 77);
	assert_int_equal(cell_samples(c), 6);
	assert_true(cell_sampled(c));
	cell_free(c);
}

/* 2^21 samples of the largest weight fill a sketch. What comes after must not fail: its batch
 * would be refused for ever. */
static void a_distribution_stays_in_range(void **state)
{
	struct cell *c = cell_make(KIND_DISTRIBUTION);
	struct group_sampling heaviest = { .rate = 1e-12, .weight = GROUP_WEIGHT_MAX };
	struct buf group;
	struct cell *back;

	(void)state;
	for (int i = 0; i < 3; i++) {
		buf_init(&group, 64);
		/* Codec 1, sampled, 2^20 + 5 times the value 7. */
		buf_put_u8(&group, 0x11);
		buf_put_f64(&group, heaviest.rate);
		buf_put_varint(&group, heaviest.weight);
		buf_put_u8(&group, 0);
		buf_put_varint(&group, 1);
		buf_put_varint(&group, zigzag_encode(7));
		buf_put_varint(&group, (1 << 20) + 4);
		add_group(c, 0, &group);
	}
	assert_int_equal(sketch_count(cell_sketch(c)), (UINT64_C(1) << 53) - 1);
	assert_int_equal(cell_samples(c), 3 * ((1 << 20) + 5));
	group = encode(c);
	assert_int_equal(cell_decode(buf_view(&group), &back), 0);
	cell_free(back);
	cell_free(c);
	buf_release(&group);
}

static void a_sketch_group_is_merged(void **state)
{
	struct cell *c = cell_make(KIND_DISTRIBUTION);
	struct sketch *sketch = sketch_new();
	struct buf group;

	(void)state;
	add_value(c, 4);
	assert_non_null(sketch);
	assert_int_equal(sketch_add(sketch, 2, 3), 0);
	buf_init(&group, 4096);
	buf_put_u8(&group, GROUP_SKETCH);
	buf_put_varint(&group, 3);
	assert_int_equal(sketch_encode(sketch, &group), 0);
	add_group(c, 0, &group);
	assert_int_equal(sketch_count(cell_sketch(c)), 4);
	assert_true(sketch_min(cell_sketch(c)) == 2);
	assert_int_equal(cell_samples(c), 4);
	sketch_free(sketch);
	cell_free(c);
}

static void a_gauge_keeps_the_last_value_and_what_followed(void **state)
{
	struct cell *c = cell_make(KIND_GAUGE);
	struct cell_gauge now;

	(void)state;
	set_gauge(c, 100, 5, 1);
	change_gauge(c, 99, 50);
	change_gauge(c, 101, 2);
	cell_gauge(c, &now);
	assert_true(now.has_last);
	assert_true(now.last == 8);
	assert_int_equal(now.last_second, 100);
	assert_int_equal(now.sets, 1);
	assert_int_equal(cell_samples(c), 4);
	cell_free(c);
}

static void a_set_counts_distinct_members(void **state)
{
	struct cell *c = cell_make(KIND_SET);
	bool exact;

	(void)state;
	add_members(c, 0, 600);
	add_members(c, 500, 1024);
	assert_true(cell_set_unique(c, &exact) == 1024);
	assert_true(exact);
	assert_int_equal(cell_samples(c), 1124);
	add_members(c, 1024, 10000);
	assert_true(fabs(cell_set_unique(c, &exact) - 10000) < 3 * 81);
	assert_false(exact);
	cell_free(c);
}

static void a_group_of_another_kind_is_refused(void **state)
{
	struct cell *c = cell_make(KIND_GAUGE);
	double value = 1;
	struct buf group;

	(void)state;
	buf_init(&group, 64);
	group_put_values(&group, unsampled, &value, 1);
	assert_int_equal(cell_add_group(c, 0, buf_view(&group)), ERR_MALFORMED);
	assert_int_equal(cell_add_group(c, 0, slice_of(NULL, 0)), ERR_TRUNCATED);
	buf_release(&group);
	cell_free(c);
}

/* (a + b) + c against c + (b + a), and both against a cell that saw everything itself. */
static void assert_order_is_free(enum kind kind, uint64_t seed)
{
	struct cell *left = history(kind, seed, seed + 8);
	struct cell *b = history(kind, seed + 8, seed + 11);
	struct cell *c = history(kind, seed + 11, seed + 30);
	struct cell *right = history(kind, seed + 11, seed + 30);
	struct cell *ba = history(kind, seed + 8, seed + 11);
	struct cell *a = history(kind, seed, seed + 8);
	struct cell *all = history(kind, seed, seed + 30);

	assert_int_equal(cell_merge(left, b), 0);
	assert_int_equal(cell_merge(left, c), 0);
	assert_int_equal(cell_merge(ba, a), 0);
	assert_int_equal(cell_merge(right, ba), 0);
	assert_same(left, right);
	assert_same(left, all);
	cell_free(left);
	cell_free(right);
	cell_free(a);
	cell_free(b);
	cell_free(ba);
	cell_free(c);
	cell_free(all);
}

static void merging_commutes_and_associates(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		for (uint64_t seed = 0; seed < 600; seed += 30)
			assert_order_is_free(kinds[i], seed);
}

static void an_empty_cell_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct cell *c = history(kinds[i], 0, 9);
		struct cell *same = history(kinds[i], 0, 9);
		struct cell *empty = cell_make(kinds[i]);

		assert_int_equal(cell_merge(c, empty), 0);
		assert_same(c, same);
		assert_int_equal(cell_merge(empty, c), 0);
		assert_same(empty, same);
		cell_free(c);
		cell_free(same);
		cell_free(empty);
	}
}

static void bytes_read_back_are_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		for (uint64_t seed = 0; seed < 300; seed++) {
			struct cell *c = history(kinds[i], seed, seed + seed % 50);
			struct cell *back = NULL;
			struct buf out = encode(c);

			assert_int_equal(cell_decode(buf_view(&out), &back), 0);
			assert_same(c, back);
			assert_int_equal(cell_kind(back), kinds[i]);
			assert_int_equal(cell_samples(back), cell_samples(c));
			assert_int_equal(cell_sampled(back), cell_sampled(c));
			cell_free(back);
			cell_free(c);
			buf_release(&out);
		}
	}
}

static void every_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct cell *c = history(kinds[i], 100, 120);
		struct buf out = encode(c);

		for (size_t size = 0; size < out.size; size++)
			assert_refused(slice_of(out.data, size));
		buf_put_u8(&out, 0);
		assert_refused(buf_view(&out));
		cell_free(c);
		buf_release(&out);
	}
}

/* With its checksum made good again: the body itself knows where it ends. */
static void every_sealed_truncation_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct cell *c = history(kinds[i], 100, 104);
		struct buf out = encode(c);
		uint8_t *copy = malloc(out.size + 1);

		assert_non_null(copy);
		for (size_t size = 4; size < out.size + 2; size++) {
			if (size == out.size)
				continue;
			memset(copy, 0, out.size + 1);
			memcpy(copy, out.data, size < out.size ? size : out.size - 4);
			seal(copy, size);
			assert_refused(slice_of(copy, size));
		}
		free(copy);
		cell_free(c);
		buf_release(&out);
	}
}

static void every_flipped_bit_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct cell *c = history(kinds[i], 200, 220);
		struct buf out = encode(c);

		for (size_t bit = 0; bit < 8 * out.size; bit++) {
			out.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
			assert_refused(buf_view(&out));
			out.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
		cell_free(c);
		buf_release(&out);
	}
}

static void why_it_is_refused_is_said(void **state)
{
	struct cell *c = history(KIND_COUNTER, 0, 1);
	struct cell *back = NULL;
	struct buf out = encode(c);
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
	struct buf out = encode(c);
	struct cell *back = NULL;
	char text[256] = { 0 };

	assert_true(2 * out.size < sizeof(text));
	for (size_t i = 0; i < out.size; i++)
		snprintf(text + 2 * i, 3, "%02x", out.data[i]);
	assert_string_equal(text, hex);
	assert_int_equal(cell_decode(buf_view(&out), &back), 0);
	assert_same(c, back);
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
	struct cell *c = cell_make(KIND_COUNTER);

	(void)state;
	add_values(c, (struct group_sampling){ .rate = 0.1, .weight = 1 }, values, 3);
	assert_hex(c, "01630103a08301b87b6e61");

	c = cell_make(KIND_COUNTER);
	add_values(c, unsampled, rests, 2);
	assert_hex(c, "016300020f000000000000f03f2342920ca19cc73b57dd554b");

	c = cell_make(KIND_GAUGE);
	set_gauge(c, 754, 21.5, 0);
	set_gauge(c, 700, 18, 0);
	change_gauge(c, 754, 2);
	change_gauge(c, 756, -0.25);
	assert_hex(c, "0167000402f205f11aa002f11ab131020020018a03ee14c1af");

	c = cell_make(KIND_SET);
	members[0] = hash64(slice_text("alice"));
	members[1] = hash64(slice_text("bob"));
	buf_init(&group, 64);
	group_put_members(&group, members, 2, 3);
	add_group(c, 0, &group);
	assert_hex(c, "0173000302e5b8490fc4c00314b016011ad60da14dff673480");
}

/* A distribution's body is what sketch_encode writes, and SKETCH.md's to say. */
static void a_distribution_is_a_sketch_in_the_envelope(void **state)
{
	static const double values[] = { 12.5, 12.5, 80 };
	struct cell *c = cell_make(KIND_DISTRIBUTION);
	struct buf expected, out;

	(void)state;
	add_values(c, unsampled, values, 3);
	out = encode(c);
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
	for (size_t i = 0; i < 4; i++) {
		struct cell *c = history(kinds[i], 0, 5);
		struct buf whole = encode(c);

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
		cmocka_unit_test(a_new_cell_is_empty),
		cmocka_unit_test(a_counter_sums_value_over_rate),
		cmocka_unit_test(counters_of_whole_numbers_are_exact),
		cmocka_unit_test(a_counter_stays_in_range),
		cmocka_unit_test(a_distribution_weighs_by_rate),
		cmocka_unit_test(a_distribution_stays_in_range),
		cmocka_unit_test(a_sketch_group_is_merged),
		cmocka_unit_test(a_gauge_keeps_the_last_value_and_what_followed),
		cmocka_unit_test(a_set_counts_distinct_members),
		cmocka_unit_test(a_group_of_another_kind_is_refused),
		cmocka_unit_test(merging_commutes_and_associates),
		cmocka_unit_test(an_empty_cell_changes_nothing),
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
