// SPDX-License-Identifier: Apache-2.0
#include "proto/cell_number.h"

#include "proto/hash.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static double value_of(struct cell_number sum)
{
	return cell_number_value(sum);
}

static uint64_t noise(uint64_t i)
{
	return hash64(slice_of(&i, sizeof(i)));
}

/* Any finite double, of any size. */
static double any_double(uint64_t i)
{
	uint64_t bits = noise(i);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return isfinite(value) ? value : (double)i;
}

static struct buf put(struct cell_number sum)
{
	struct buf out;

	buf_init(&out, 64);
	cell_number_put(sum, &out);
	assert_int_equal(buf_status(&out), 0);
	return out;
}

static bool get(struct slice bytes, struct cell_number *sum)
{
	struct reader in = reader_of(bytes);

	return cell_number_get(&in, sum) && reader_finish(&in) == 0;
}

static void whole_numbers_add_exactly(void **state)
{
	struct cell_number sum = cell_number_of(0);

	(void)state;
	/* 2^53 swallows ones as a plain double. */
	cell_number_add(&sum, 0x1p53, 1);
	for (int i = 0; i < 1001; i++)
		cell_number_add(&sum, 1, 1);
	cell_number_add(&sum, -0x1p53, 1);
	assert_true(value_of(sum) == 1001);
	cell_number_add(&sum, 0x1p99, 1);
	cell_number_add(&sum, -1000, 1);
	cell_number_add(&sum, -0x1p99, 1);
	assert_true(value_of(sum) == 1);
}

static void tenths_add_to_what_is_nearest(void **state)
{
	struct cell_number sum = cell_number_of(0);

	(void)state;
	for (int i = 0; i < 1000000; i++)
		cell_number_add(&sum, 0.1, 1);
	assert_true(value_of(sum) == 100000);
}

static void times_is_adding_one_by_one(void **state)
{
	static const uint64_t times[] = { 0, 1, 2, 3, 10, 999 };
	struct cell_number huge = cell_number_of(0);

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct cell_number at_once = cell_number_of(0);
		struct cell_number apart = cell_number_of(0);

		cell_number_add(&at_once, 1.7, times[i]);
		for (uint64_t k = 0; k < times[i]; k++)
			cell_number_add(&apart, 1.7, 1);
		assert_memory_equal(&at_once, &apart, sizeof(apart));
	}
	cell_number_add(&huge, 3, (UINT64_C(1) << 53) + 1);
	cell_number_add(&huge, -0x1p54, 1);
	assert_true(value_of(huge) == 0x1p53 + 4); /* 2^53 + 3, rounded to even */
	cell_number_add(&huge, -0x1p53, 1);
	assert_true(value_of(huge) == 3);
}

static void merging_commutes_to_the_bit(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 20000; i += 4) {
		struct cell_number a = cell_number_of(any_double(i));
		struct cell_number b = cell_number_of(any_double(i + 1));
		struct cell_number ab, ba;

		cell_number_add(&a, any_double(i + 2), 1);
		cell_number_add(&b, any_double(i + 3), 1);
		ab = a;
		cell_number_merge(&ab, b);
		ba = b;
		cell_number_merge(&ba, a);
		assert_memory_equal(&ab, &ba, sizeof(ab));
	}
}

static void order_does_not_matter_within_the_promise(void **state)
{
	struct cell_number up = cell_number_of(0);
	struct cell_number down = cell_number_of(0);
	const uint64_t count = 10000;

	(void)state;
	for (uint64_t i = 0; i < count; i++) {
		cell_number_add(&up, (double)noise(i) * 1e-7, 1);
		cell_number_add(&down, (double)noise(count - 1 - i) * 1e-7, 1);
	}
	assert_true(fabs(value_of(up) - value_of(down)) <= 1e-15 * value_of(up));
}

static void nothing_leaves_the_range(void **state)
{
	struct cell_number sum = cell_number_of(1e308);

	(void)state;
	cell_number_add(&sum, 1e308, 1);
	assert_true(value_of(sum) == DBL_MAX);
	cell_number_add(&sum, DBL_MAX, UINT64_MAX);
	assert_true(value_of(sum) == DBL_MAX);
	cell_number_add(&sum, -DBL_MAX, 2);
	assert_true(isfinite(value_of(sum)));
	cell_number_add(&sum, -DBL_MAX, UINT64_MAX);
	cell_number_add(&sum, -DBL_MAX, UINT64_MAX);
	assert_true(value_of(sum) == -DBL_MAX);
	for (uint64_t i = 0; i < 100000; i++) {
		cell_number_add(&sum, any_double(i), noise(~i));
		assert_true(isfinite(value_of(sum)));
	}
}

static void zero_has_no_sign(void **state)
{
	struct cell_number sum = cell_number_of(-0.0);

	(void)state;
	assert_false(signbit(value_of(sum)));
	cell_number_add(&sum, -0.0, 1);
	cell_number_add(&sum, -0.0, 7);
	assert_false(signbit(value_of(sum)));
	assert_true(cell_number_is_zero(sum));
	cell_number_add(&sum, 5e-324, 1);
	assert_false(cell_number_is_zero(sum));
	cell_number_add(&sum, -5e-324, 1);
	assert_false(signbit(value_of(sum)));
}

static void small_decimals_are_small(void **state)
{
	static const struct {
		double value;
		size_t size;
	} rows[] = {
		{ 0, 1 },       { 1, 1 },    { -1, 1 },          { 7, 1 },      { 8, 2 },
		{ 12.5, 2 },    { -0.25, 2 }, { 1e6, 4 },        { 0.000001, 1 }, { 1.0 / 3, 9 },
		{ 1e-7, 9 },    { DBL_MAX, 9 }, { 0x1p50 - 1, 8 }, { 0x1p50, 9 }, { 5e-324, 9 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = put(cell_number_of(rows[i].value));
		struct cell_number back;

		assert_int_equal(out.size, rows[i].size);
		assert_true(get(buf_view(&out), &back));
		assert_true(value_of(back) == rows[i].value);
		buf_release(&out);
	}
}

static void every_sum_reads_back_the_same(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 20000; i++) {
		struct cell_number sum = cell_number_of(any_double(i));
		struct cell_number back;
		struct buf out;

		if (i % 3 == 0)
			sum = cell_number_of((double)(int64_t)(noise(i) >> (14 + i % 50)) / 1e3);
		if (i % 2 == 0)
			cell_number_add(&sum, value_of(sum) / 3e17, 1);
		out = put(sum);
		assert_true(get(buf_view(&out), &back));
		assert_memory_equal(&sum, &back, sizeof(sum));
		for (size_t size = 0; size < out.size; size++)
			assert_false(get(slice_of(out.data, size), &back));
		buf_release(&out);
	}
}

/* Whatever bytes are accepted are what would be written. */
static void only_one_spelling_is_accepted(void **state)
{
	unsigned accepted = 0;

	(void)state;
	for (uint64_t i = 0; i < 200000; i++) {
		uint8_t bytes[17];
		uint64_t words[3] = { noise(3 * i), noise(3 * i + 1), noise(3 * i + 2) };
		struct reader in = reader_of(slice_of(bytes, sizeof(bytes)));
		struct cell_number sum;
		struct buf out;

		memcpy(bytes, words, sizeof(bytes));
		if (i % 4 == 0)
			bytes[0] = i % 8 ? 7 : 15;
		if (!cell_number_get(&in, &sum))
			continue;
		accepted++;
		out = put(sum);
		assert_int_equal(out.size, (size_t)(in.at - bytes));
		assert_memory_equal(out.data, bytes, out.size);
		buf_release(&out);
	}
	assert_true(accepted > 10000);
}

static void other_spellings_are_refused(void **state)
{
	static const struct {
		uint8_t head;
		double high, low;
	} rows[] = {
		{ 7, 1, 0 },          /* a whole number as a double */
		{ 7, 0.5, 0 },        /* a decimal as a double */
		{ 7, -0.0, 0 },       { 7, NAN, 0 },
		{ 7, INFINITY, 0 },   { 15, 1, 0 },
		{ 15, 1, -0.0 },      { 15, 1, 1 }, /* not normalised */
		{ 15, 0, 1e-30 },     { 15, INFINITY, 1 },
		{ 15, 1, NAN },       { 23, 1.0 / 3, 0 }, /* no such escape */
		{ 10 << 4 | 1, 0, 0 } /* 1 as 10 / 10 */
	};
	struct cell_number sum;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;
		struct reader in;

		buf_init(&out, 64);
		buf_put_varint(&out, rows[i].head);
		buf_put_f64(&out, rows[i].high);
		buf_put_f64(&out, rows[i].low);
		in = reader_of(buf_view(&out));
		assert_false(cell_number_get(&in, &sum));
		buf_release(&out);
	}
}

static void a_plain_double_has_no_rest(void **state)
{
	struct cell_number sum = cell_number_of(1);
	struct buf out;
	struct reader in;
	double value = 0;

	(void)state;
	cell_number_add(&sum, 1e-20, 1);
	out = put(sum);
	in = reader_of(buf_view(&out));
	assert_false(cell_number_get_double(&in, &value));
	buf_reset(&out);
	cell_number_put_double(-2.5, &out);
	in = reader_of(buf_view(&out));
	assert_true(cell_number_get_double(&in, &value));
	assert_true(value == -2.5);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_add_exactly),
		cmocka_unit_test(tenths_add_to_what_is_nearest),
		cmocka_unit_test(times_is_adding_one_by_one),
		cmocka_unit_test(merging_commutes_to_the_bit),
		cmocka_unit_test(order_does_not_matter_within_the_promise),
		cmocka_unit_test(nothing_leaves_the_range),
		cmocka_unit_test(zero_has_no_sign),
		cmocka_unit_test(small_decimals_are_small),
		cmocka_unit_test(every_sum_reads_back_the_same),
		cmocka_unit_test(only_one_spelling_is_accepted),
		cmocka_unit_test(other_spellings_are_refused),
		cmocka_unit_test(a_plain_double_has_no_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
