// SPDX-License-Identifier: Apache-2.0
#include "proto/group.h"

#include "proto/err.h"
#include "proto/sketch.h"
#include "tests/lib/bytes.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define ROOM (1u << 20)

static const struct group_sampling whole = { .rate = 1, .weight = 1 };

static int compare_doubles(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* Encodes a copy of the values, reads them back and compares the multisets bit by bit
 * (with -0 as +0). Returns the codec that was chosen. */
static enum group_codec assert_survives(const double *values, size_t count,
					struct group_sampling sampling)
{
	const enum kind kind = KIND_DISTRIBUTION;
	double *sorted = malloc(count * sizeof(*sorted));
	double *scratch = malloc(count * sizeof(*scratch));
	double *back = malloc(count * sizeof(*back));
	struct group_reader r;
	struct buf out;
	uint64_t run, samples;
	size_t at = 0;
	double value;
	int more;

	buf_init(&out, ROOM);
	for (size_t i = 0; i < count; i++)
		sorted[i] = values[i] + 0.0;
	memcpy(scratch, values, count * sizeof(*scratch));
	qsort(sorted, count, sizeof(*sorted), compare_doubles);
	group_put_values(&out, sampling, scratch, count);
	assert_int_equal(buf_status(&out), 0);
	assert_memory_equal(scratch, sorted, count * sizeof(*sorted));

	assert_int_equal(group_check(kind, buf_view(&out), &samples), 0);
	assert_true(samples == count);
	assert_int_equal(group_open(&r, kind, buf_view(&out)), 0);
	while ((more = group_next(&r, &value, &run)) == 1)
		for (; run > 0; run--) {
			assert_true(at < count);
			back[at++] = value;
		}
	assert_int_equal(more, 0);
	assert_int_equal(at, count);
	assert_memory_equal(back, sorted, count * sizeof(*sorted));
	assert_true(out.size <= 1 + 8 * count + (sampling.rate < 1 ? 8 + 5 : 0));
	buf_release(&out);
	free(sorted);
	free(scratch);
	free(back);
	return r.codec;
}

static void assert_codec(double value, enum group_codec codec)
{
	double three[3] = { value, value, value };

	if (assert_survives(three, 3, whole) != codec)
		fail_msg("%a took the wrong codec", value);
}

static void test_every_double_survives_and_takes_its_codec(void **state)
{
	static const double decimal[] = {
		0, 1, -1, 0.1, -0.1, 12.5, 0.3, 1e-9, 123456.789, 9007199254740992,
		-9007199254740992, 9007199254740991, 1e15, 0.000000001, 1125899.906842624,
	};
	static const double binary[] = {
		1e22, 1e308, -1e308, DBL_MAX, DBL_MIN, 4.9406564584124654e-324,
		2.2250738585072009e-308, 9007199254740994, -9007199254740994, 1e-10,
		1.0 / 3, 0.1 + 0.2, M_PI,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(decimal) / sizeof(decimal[0]); i++)
		assert_codec(decimal[i], GROUP_DECIMAL);
	for (size_t i = 0; i < sizeof(binary) / sizeof(binary[0]); i++)
		assert_codec(binary[i], GROUP_FLOAT64);
}

static void test_minus_zero_becomes_zero_in_both_codecs(void **state)
{
	double decimal[2] = { -0.0, 0.0 };
	double binary[2] = { -0.0, 1e300 };
	struct buf out;

	(void)state;
	assert_int_equal(assert_survives(decimal, 2, whole), GROUP_DECIMAL);
	assert_int_equal(assert_survives(binary, 2, whole), GROUP_FLOAT64);
	buf_init(&out, ROOM);
	group_put_values(&out, whole, decimal, 2);
	bytes_assert_hex(buf_view(&out), "01 00 01 00 01");
	buf_reset(&out);
	group_put_values(&out, whole, binary, 2);
	bytes_assert_hex(buf_view(&out), "00 0000000000000000 9c7500883ce4377e");
	buf_release(&out);
}

/* Each of a pair has a decimal form, but the scale they share asks for too large a mantissa;
 * or, just below that, not. */
static void test_a_shared_scale_stays_within_the_mantissa(void **state)
{
	double above[2] = { 4503599627370496, 0.5 };
	double below[2] = { 112589990684262, 0.5 };
	double negative[2] = { -4503599627370496, 0.5 };

	(void)state;
	assert_int_equal(assert_survives(above, 2, whole), GROUP_FLOAT64);
	assert_int_equal(assert_survives(negative, 2, whole), GROUP_FLOAT64);
	assert_int_equal(assert_survives(below, 2, whole), GROUP_DECIMAL);
}

static void test_a_foreign_minus_zero_is_read_as_zero(void **state)
{
	uint8_t room[16];
	struct slice bytes = bytes_of_hex("00 0000000000000080", room, sizeof(room));
	struct group_reader r;
	uint64_t run;
	double value;

	(void)state;
	assert_int_equal(group_open(&r, KIND_DISTRIBUTION, bytes), 0);
	assert_int_equal(group_next(&r, &value, &run), 1);
	assert_true(value == 0 && !signbit(value));
	assert_int_equal(group_next(&r, &value, &run), 0);
}

/* A double of some shape that metrics have, and of some that they should not. */
static double shaped(unsigned shape, uint64_t *random)
{
	uint64_t r = bytes_random(random);
	double value;

	switch (shape) {
	case 0:
		return (double)(r % 1000);
	case 1:
		return (double)(r % 100000) / 10 - 5000;
	case 2:
		return (double)(int64_t)(r % 2000000000 - 1000000000) / 1e6;
	case 3:
		return (double)(r >> 11) * (r & 1 ? 1 : -1);
	case 4:
		return exp((double)(r % 1000) / 100);
	case 5:
		memcpy(&value, &r, sizeof(value));
		return isfinite(value) ? value : 0.5;
	case 6:
		return r & 1 ? 0.0 : -0.0;
	case 7: /* at the edge of 2^50, with a decimal */
		return (double)((1ull << 50) - 50 + r % 100) / 10;
	default: /* mixed scales: whole numbers among decimals */
		return r % 10 ? (double)(r % 500) : (double)(r % 500000) / 1000;
	}
}

static void test_the_multiset_survives_whatever_it_is(void **state)
{
	static double values[3000];
	uint64_t random = 4;

	(void)state;
	for (int round = 0; round < 900; round++) {
		size_t count = 1 + bytes_random_below(&random, round % 10 ? 60 : 3000);
		unsigned shape = (unsigned)bytes_random_below(&random, 10);
		struct group_sampling sampling = whole;

		if (round % 3 == 0)
			sampling = (struct group_sampling){ .rate = 0.25, .weight = 4 };
		for (size_t i = 0; i < count; i++)
			values[i] = shaped(shape < 9 ? shape : (unsigned)i % 9, &random);
		assert_survives(values, count, sampling);
	}
}

static void test_order_does_not_show_in_the_bytes(void **state)
{
	double up[4] = { 1, 2.5, 2.5, 300 };
	double mixed[4] = { 2.5, 300, 1, 2.5 };
	struct buf a, b;

	(void)state;
	buf_init(&a, ROOM);
	buf_init(&b, ROOM);
	group_put_values(&a, whole, up, 4);
	group_put_values(&b, whole, mixed, 4);
	assert_true(slice_equal(buf_view(&a), buf_view(&b)));
	/* scale 1; 3 runs; 10 (zigzag 20) once; +15 twice; +2975 once */
	bytes_assert_hex(buf_view(&a), "01 01 03 14 00 0f 01 9f17 00");
	buf_release(&a);
	buf_release(&b);
}

static void test_sampling_is_carried_before_the_values(void **state)
{
	double values[2] = { 7, 7 };
	struct group_reader r;
	struct buf out;

	(void)state;
	buf_init(&out, ROOM);
	group_put_values(&out, (struct group_sampling){ .rate = 0.1, .weight = 10 }, values, 2);
	bytes_assert_hex(buf_view(&out), "11 9a9999999999b93f 0a 00 01 0e 01");
	assert_int_equal(group_open(&r, KIND_DISTRIBUTION, buf_view(&out)), 0);
	assert_true(r.sampled);
	assert_true(r.sampling.rate == 0.1 && r.sampling.weight == 10);
	/* A counter divides by the rate itself; a weight would count twice. */
	assert_int_equal(group_open(&r, KIND_COUNTER, buf_view(&out)), ERR_OUT_OF_RANGE);
	buf_reset(&out);
	group_put_values(&out, (struct group_sampling){ .rate = 0.1, .weight = 1 }, values, 2);
	assert_int_equal(group_open(&r, KIND_COUNTER, buf_view(&out)), 0);
	buf_release(&out);
}

/* What the encoder writes every relay must take, or the stream would stop for good. */
static void test_an_absurd_weight_is_capped_not_refused(void **state)
{
	double value = 1;
	uint64_t samples;
	struct group_reader r;
	struct buf out;

	(void)state;
	buf_init(&out, ROOM);
	group_put_values(&out, (struct group_sampling){ .rate = 1e-300, .weight = UINT64_MAX },
			 &value, 1);
	assert_int_equal(group_check(KIND_DISTRIBUTION, buf_view(&out), &samples), 0);
	assert_int_equal(group_open(&r, KIND_DISTRIBUTION, buf_view(&out)), 0);
	assert_true(r.sampling.weight == GROUP_WEIGHT_MAX);
	buf_release(&out);
}

static void read_gauge(const struct buf *out, struct group_gauge *back)
{
	struct group_reader r;

	assert_int_equal(group_open(&r, KIND_GAUGE, buf_view(out)), 0);
	assert_int_equal(group_read_gauge(&r, back), 0);
}

static void test_a_gauge_second_survives(void **state)
{
	struct group_gauge set = { .has_set = true, .last = 3, .delta = 0.5, .min = -1, .max = 4,
				   .sum = 6, .sets = 3, .samples = 4 };
	struct group_gauge deltas = { .delta = -2.5, .samples = 2 };
	struct group_gauge back;
	struct buf out;

	(void)state;
	buf_init(&out, ROOM);
	group_put_gauge(&out, &set);
	bytes_assert_hex(buf_view(&out), "03 01 000000000000e03f 04 0000000000000840"
					 "000000000000f0bf 0000000000001040 0000000000001840 03");
	read_gauge(&out, &back);
	assert_true(back.has_set && back.last == 3 && back.delta == 0.5 && back.min == -1 &&
		    back.max == 4 && back.sum == 6 && back.sets == 3 && back.samples == 4);
	buf_reset(&out);
	group_put_gauge(&out, &deltas);
	bytes_assert_hex(buf_view(&out), "03 00 00000000000004c0 02");
	read_gauge(&out, &back);
	assert_true(!back.has_set && back.delta == -2.5 && back.samples == 2 && back.sets == 0);
	buf_release(&out);
}

static void test_a_gauge_that_overflowed_is_written_finite(void **state)
{
	struct group_gauge g = { .has_set = true, .last = 1e308, .delta = NAN, .min = 1e308,
				 .max = 1e308, .sum = INFINITY, .sets = 2, .samples = 2 };
	struct group_gauge back;
	struct buf out;

	(void)state;
	buf_init(&out, ROOM);
	group_put_gauge(&out, &g);
	read_gauge(&out, &back);
	assert_true(back.sum == DBL_MAX && back.delta == 0);
	buf_release(&out);
}

static void test_members_are_sorted_and_distinct(void **state)
{
	uint64_t hashes[5] = { 9, UINT64_MAX, 1, 9, 1 };
	struct group_reader r;
	struct slice words;
	uint64_t samples;
	struct buf out;

	(void)state;
	buf_init(&out, ROOM);
	group_put_members(&out, hashes, 5, 300);
	bytes_assert_hex(buf_view(&out), "04 ac02 03 0100000000000000 0900000000000000"
					 "ffffffffffffffff");
	assert_int_equal(group_open(&r, KIND_SET, buf_view(&out)), 0);
	assert_int_equal(group_read_members(&r, &words, &samples), 0);
	assert_true(samples == 300);
	assert_int_equal(words.size, 24);
	assert_int_equal(group_check(KIND_SET, buf_view(&out), &samples), 0);
	assert_true(samples == 300);
	buf_release(&out);
}

static void test_a_sketch_is_looked_into(void **state)
{
	struct sketch *sketch = sketch_new();
	struct slice inside;
	struct group_reader r;
	struct buf out;
	uint64_t samples;

	(void)state;
	buf_init(&out, ROOM);
	buf_put_u8(&out, GROUP_SKETCH);
	buf_put_varint(&out, 2);
	assert_int_equal(sketch_add(sketch, 1.5, 2), 0);
	assert_int_equal(sketch_add(sketch, 3, 1), 0);
	assert_int_equal(sketch_encode(sketch, &out), 0);
	assert_int_equal(group_check(KIND_DISTRIBUTION, buf_view(&out), &samples), 0);
	assert_true(samples == 2);
	assert_int_equal(group_open(&r, KIND_DISTRIBUTION, buf_view(&out)), 0);
	assert_int_equal(group_read_sketch(&r, &inside, &samples), 0);
	assert_int_equal(inside.size, out.size - 2);
	out.data[1] = 4; /* more samples than it counts */
	assert_int_equal(group_check(KIND_DISTRIBUTION, buf_view(&out), &samples), ERR_MALFORMED);
	out.data[1] = 2;
	assert_int_not_equal(group_check(KIND_DISTRIBUTION, slice_of(out.data, out.size - 1),
					 &samples), 0);
	buf_release(&out);
	sketch_free(sketch);
}

/* The size is known before a byte is written: a group that fits the ceiling is written. */
static void test_a_ceiling_is_met_exactly(void **state)
{
	double values[3] = { 1, 2, 3 };
	struct buf out;

	(void)state;
	buf_init(&out, 9);
	group_put_values(&out, whole, values, 3);
	assert_int_equal(buf_status(&out), 0);
	assert_int_equal(out.size, 9);
	buf_release(&out);
	buf_init(&out, 8);
	group_put_values(&out, whole, values, 3);
	assert_int_not_equal(buf_status(&out), 0);
	assert_true(values[0] == 1 && values[2] == 3);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_double_survives_and_takes_its_codec),
		cmocka_unit_test(test_minus_zero_becomes_zero_in_both_codecs),
		cmocka_unit_test(test_a_shared_scale_stays_within_the_mantissa),
		cmocka_unit_test(test_a_foreign_minus_zero_is_read_as_zero),
		cmocka_unit_test(test_the_multiset_survives_whatever_it_is),
		cmocka_unit_test(test_order_does_not_show_in_the_bytes),
		cmocka_unit_test(test_sampling_is_carried_before_the_values),
		cmocka_unit_test(test_an_absurd_weight_is_capped_not_refused),
		cmocka_unit_test(test_a_gauge_second_survives),
		cmocka_unit_test(test_a_gauge_that_overflowed_is_written_finite),
		cmocka_unit_test(test_members_are_sorted_and_distinct),
		cmocka_unit_test(test_a_sketch_is_looked_into),
		cmocka_unit_test(test_a_ceiling_is_met_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
