// SPDX-License-Identifier: Apache-2.0
/*
 * A sketch's bytes: the worked examples of SKETCH.md, round trips, and that a decoder
 * takes nothing but what the encoder writes.
 */
#include "proto/err.h"
#include "proto/sketch.h"
#include "tests/lib/bytes.h"
#include "tests/lib/sketch_case.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what is encoded ---- */

static double make_nothing(size_t i)
{
	return (double)i;
}

static double make_whole(size_t i)
{
	(void)i;
	return floor(100 * case_lognormal());
}

static double make_tenths(size_t i)
{
	(void)i;
	return floor(2000 * case_unit() - 1000) / 10;
}

static double make_microseconds(size_t i)
{
	(void)i;
	return floor(1e6 * case_lognormal()) / 1000;
}

static double make_real(size_t i)
{
	(void)i;
	return case_lognormal();
}

static double make_signed(size_t i)
{
	(void)i;
	return case_lognormal() - case_lognormal();
}

static double make_wide(size_t i)
{
	double value = pow(10, 600 * case_unit() - 300);

	return i % 2 ? value : -value;
}

static double make_zipf(size_t i)
{
	(void)i;
	return floor(pow(case_unit(), -2.5));
}

static double make_atoms(size_t i)
{
	return i % 3 == 0 ? 0 : i % 7 == 0 ? 30000 : floor(1e6 * case_lognormal()) / 1000;
}

static double make_real_atoms(size_t i)
{
	return i % 3 == 0 ? 0.1234567890123 : i % 7 == 0 ? -2.7182818284 : case_unit();
}

static double make_denormal(size_t i)
{
	(void)i;
	return (double)(case_bits() % 5000) * 5e-324 - 1000 * 5e-324;
}

static double make_huge(size_t i)
{
	return (i % 2 ? 1 : -1) * DBL_MAX * case_unit();
}

static double make_decimals(size_t i)
{
	static const double scale[] = { 1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9 };

	return floor(1e9 * case_unit()) / scale[i % 10];
}

/* Whole numbers over such a range that the parts of keys lie between some of them. */
static double make_far(size_t i)
{
	if (i < 2)
		return i ? 970406695795873 : -18850;
	return i < 1000 ? 4097 + 7 * (double)(i % 500) : 1e6 + floor(1e9 * case_unit());
}

static const struct {
	double (*make)(size_t i);
	size_t count;
} samples[] = {
	{ make_nothing, 0 },        { make_nothing, 1 },         { make_nothing, 2 },
	{ make_nothing, 4096 },     { make_whole, 100000 },      { make_tenths, 20000 },
	{ make_microseconds, 900 }, { make_microseconds, 50000 }, { make_real, 1024 },
	{ make_real, 1025 },        { make_real, 30000 },        { make_signed, 1000 },
	{ make_signed, 30000 },     { make_wide, 500 },          { make_wide, 30000 },
	{ make_zipf, 50000 },       { make_atoms, 50000 },       { make_real_atoms, 50000 },
	{ make_denormal, 500 },     { make_denormal, 30000 },    { make_huge, 1000 },
	{ make_huge, 30000 },       { make_decimals, 1000 },     { make_decimals, 50000 },
	{ make_far, 10000 },
};

#define SAMPLES (sizeof(samples) / sizeof(samples[0]))

static struct sketch *make_sketch(size_t sample)
{
	struct sketch *s = sketch_new();

	case_seed(sample);
	for (size_t i = 0; i < samples[sample].count; i++)
		case_add(s, samples[sample].make(i), 1);
	return s;
}

/* The encodings of all samples, made once. */
static struct buf encoded[SAMPLES];

static int encode_samples(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct sketch *s = make_sketch(i);

		case_encode(s, &encoded[i]);
		sketch_free(s);
	}
	return 0;
}

static int release_samples(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SAMPLES; i++)
		buf_release(&encoded[i]);
	return 0;
}

static struct sketch *decode_sample(size_t i)
{
	struct sketch *s;

	assert_int_equal(sketch_decode(buf_view(&encoded[i]), &s), 0);
	return s;
}

/* What it decodes to, or NULL; an accepted one must be what encode writes. */
static struct sketch *decode_checked(struct slice bytes)
{
	struct sketch *s = NULL;
	struct buf again;

	if (sketch_decode(bytes, &s) != 0)
		return NULL;
	case_encode(s, &again);
	assert_true(slice_equal(bytes, buf_view(&again)));
	buf_release(&again);
	case_assert_monotone(s, 200);
	assert_true(sketch_mean(s) >= sketch_min(s) && sketch_mean(s) <= sketch_max(s));
	assert_true(isfinite(sketch_stddev(s)));
	return s;
}

/* ---- tests ---- */

static void assert_encodes(const double *values, size_t count, const char *bytes, size_t size)
{
	struct sketch *s = sketch_new();
	struct buf out;

	for (size_t i = 0; i < count; i++)
		case_add(s, values[i], 1);
	case_encode(s, &out);
	assert_int_equal(out.size, size);
	assert_memory_equal(out.data, bytes, size);
	sketch_free(s);
	s = decode_checked(buf_view(&out));
	assert_non_null(s);
	assert_int_equal(sketch_count(s), count);
	sketch_free(s);
	buf_release(&out);
}

static void the_worked_examples_hold(void **unused)
{
	const double few[] = { 12.5, 13, 12.5, 20 }, third = 1 / 3.0;

	(void)unused;
	assert_encodes(NULL, 0, "\x01\x00\x00", 3);
	assert_encodes(few, 4, "\x01\x10\x03\x01\xf7\x22\xc7\x40", 8);
	assert_encodes(&third, 1, "\x01\xf0\x01\xbf\xd5\x55\x55\x55\x55\x55\x55\x80", 12);
}

/* 0, 1/64 .. 16: the start of its bytes, as far as SKETCH.md takes them apart. */
static void the_head_of_a_digest_is_as_described(void **unused)
{
	struct sketch *s = case_steps(0, 1 / 64.0, 1025);
	struct buf out;

	(void)unused;
	case_encode(s, &out);
	assert_true(out.size > 42);
	bytes_assert_hex(slice_of(out.data, 42), "01 61 8a01 0000000000000000 0000000000003040 "
						 "000000000004c040 000000005865d540 "
						 "c001 e854 4509");
	sketch_free(s);
	buf_release(&out);
}

static void a_round_trip_is_identical(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct sketch *s = make_sketch(i), *back;
		struct buf out;

		case_encode(s, &out);
		back = decode_checked(buf_view(&out));
		assert_non_null(back);
		assert_int_equal(sketch_count(back), samples[i].count);
		assert_true(sketch_min(back) == sketch_min(s));
		assert_true(sketch_max(back) == sketch_max(s));
		assert_int_equal(sketch_exact(back), sketch_exact(s));
		assert_true(sketch_sum(back) == sketch_sum(s));
		assert_true(sketch_stddev(back) == sketch_stddev(s));
		for (int q = 0; sketch_exact(s) && q <= 100; q++)
			assert_true(sketch_quantile(back, q / 100.0) ==
				    sketch_quantile(s, q / 100.0));
		sketch_free(s);
		sketch_free(back);
		buf_release(&out);
	}
}

static void encoding_changes_nothing(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct sketch *s = make_sketch(i);
		double before = sketch_quantile(s, 0.37);
		struct buf first, second;

		case_encode(s, &first);
		assert_true(sketch_quantile(s, 0.37) == before);
		case_encode(s, &second);
		assert_true(slice_equal(buf_view(&first), buf_view(&second)));
		sketch_free(s);
		buf_release(&first);
		buf_release(&second);
	}
}

/* Merges decoded sketches pairwise, whatever they hold, and through bytes again. */
static void merges_of_decoded_sketches_can_be_encoded(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SAMPLES * SAMPLES; i++) {
		struct sketch *a = decode_sample(i / SAMPLES), *b = decode_sample(i % SAMPLES);
		uint64_t count = sketch_count(a) + sketch_count(b);
		struct buf out;

		case_merge(a, b);
		case_encode(a, &out);
		sketch_free(a);
		a = decode_checked(buf_view(&out));
		assert_non_null(a);
		assert_int_equal(sketch_count(a), count);
		sketch_free(a);
		sketch_free(b);
		buf_release(&out);
	}
}

/* Adds to a decoded sketch and encodes it again, as a relay that came back would. */
static void decoded_sketches_can_be_added_to(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct sketch *s = decode_sample(i);
		struct buf out;

		for (size_t k = 0; k < 2000; k++)
			case_add(s, make_microseconds(k), 1 + k % 3);
		case_encode(s, &out);
		sketch_free(s);
		s = decode_checked(buf_view(&out));
		assert_non_null(s);
		sketch_free(s);
		buf_release(&out);
	}
}

static void every_truncation_and_trailing_byte_is_refused(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct buf *out = &encoded[i];
		struct sketch *back;

		for (size_t size = 0; size < out->size; size++)
			assert_int_equal(sketch_decode(slice_of(out->data, size), &back),
					 ERR_TRUNCATED);
		for (int byte = 0; byte < 256; byte++) {
			buf_put_u8(out, (uint8_t)byte);
			assert_int_equal(sketch_decode(buf_view(out), &back), ERR_TRAILING);
			buf_truncate(out, out->size - 1);
		}
	}
}

static void padding_must_be_zero(void **unused)
{
	const double few[] = { 12.5, 13, 12.5, 20 };
	struct sketch *s = case_sketch(few, 4), *back;
	struct buf out;

	(void)unused;
	case_encode(s, &out);
	assert_int_equal(out.data[out.size - 1] & 1, 0);
	out.data[out.size - 1] |= 1;
	assert_int_equal(sketch_decode(buf_view(&out), &back), ERR_MALFORMED);
	sketch_free(s);
	buf_release(&out);
}

static void other_versions_and_reserved_flags_are_refused(void **unused)
{
	struct sketch *back;

	(void)unused;
	assert_int_equal(sketch_decode(slice_of("\x00\x00\x00", 3), &back), ERR_VERSION);
	assert_int_equal(sketch_decode(slice_of("\x02\x00\x00", 3), &back), ERR_VERSION);
	assert_int_equal(sketch_decode(slice_of("\x01\x04\x00", 3), &back), ERR_MALFORMED);
	assert_int_equal(sketch_decode(slice_of("\x01\x08\x00", 3), &back), ERR_MALFORMED);
	assert_int_equal(sketch_decode(slice_of("\x01\x02\x00", 3), &back), ERR_MALFORMED);
	assert_int_equal(sketch_decode(slice_of("\x01\x01\x00", 3), &back), ERR_MALFORMED);
	assert_int_equal(sketch_decode(slice_of("\x01\x10\x00", 3), &back), ERR_MALFORMED);
	assert_int_equal(sketch_decode(slice_of("\x01\xa0\x00", 3), &back), ERR_MALFORMED);
}

static void a_declared_count_is_bounded_before_memory_is_taken(void **unused)
{
	static const uint8_t many[4000] = { 1, 0, 0x81, 0x20 }; /* 4,097 */
	static const uint8_t fine[4000] = { 1, 0x20, 0x81, 0x08 }; /* 1,025 on hundredths */
	static const uint8_t digest[4000] = { 1, 1, 0x81, 0x02 };  /* 257 */
	static const uint8_t huge[12] = { 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f };
	static const uint8_t short_of_bytes[8] = { 1, 0, 0x80, 0x20 }; /* 4,096 in 4 bytes */
	struct sketch *back;

	(void)unused;
	assert_int_equal(sketch_decode(slice_of(many, 4000), &back), ERR_TOO_LARGE);
	assert_int_equal(sketch_decode(slice_of(fine, 4000), &back), ERR_TOO_LARGE);
	assert_int_equal(sketch_decode(slice_of(digest, 4000), &back), ERR_TOO_LARGE);
	assert_int_equal(sketch_decode(slice_of(huge, 12), &back), ERR_TOO_LARGE);
	assert_int_equal(sketch_decode(slice_of(short_of_bytes, 8), &back), ERR_TRUNCATED);
}

/* Flips up to four bits of valid encodings, so that some come through as other sketches. */
static void mutations_are_refused_or_are_sketches(void **unused)
{
	size_t accepted = 0;

	(void)unused;
	for (size_t i = 0; i < SAMPLES * 400; i++) {
		struct slice bytes = buf_view(&encoded[i % SAMPLES]);
		uint8_t *copy = bytes_copy(bytes);
		struct sketch *s;

		for (uint64_t flips = 1 + case_bits() % 4; flips > 0; flips--) {
			uint64_t at = case_bits() % (bytes.size * 8);

			copy[at / 8] ^= (uint8_t)(1 << at % 8);
		}
		s = decode_checked(slice_of(copy, bytes.size));
		accepted += s != NULL;
		sketch_free(s);
		free(copy);
	}
	assert_true(accepted > 100);
}

static void random_bytes_are_refused_or_are_sketches(void **unused)
{
	uint8_t bytes[300];

	(void)unused;
	for (int round = 0; round < 20000; round++) {
		size_t size = case_bits() % sizeof(bytes);
		struct sketch *s;

		for (size_t i = 0; i < size; i++)
			bytes[i] = (uint8_t)case_bits();
		bytes[0] = 1;
		bytes[1] &= 0xf3;
		bytes[2] &= 0x0f;
		s = decode_checked(slice_of(bytes, size));
		sketch_free(s);
	}
}

static void whole_milliseconds_take_less_than_a_byte_each(void **unused)
{
	struct sketch *s = sketch_new();
	struct buf out;

	(void)unused;
	case_seed(1);
	for (int i = 0; i < 10000; i++)
		case_add(s, floor(150 * case_lognormal()), 1);
	assert_true(sketch_exact(s));
	case_encode(s, &out);
	assert_true(out.size < 850);
	sketch_free(s);
	buf_release(&out);
}

static void a_digest_takes_less_than_700_bytes(void **unused)
{
	struct sketch *s = sketch_new();
	struct buf out;

	(void)unused;
	for (int i = 0; i < 100000; i++)
		case_add(s, case_lognormal(), 1);
	case_encode(s, &out);
	assert_true(out.size < 700);
	sketch_free(s);
	buf_release(&out);
}

static void a_full_buffer_is_reported(void **unused)
{
	struct sketch *s = make_sketch(4);
	struct buf out;

	(void)unused;
	buf_init(&out, 100);
	assert_int_equal(sketch_encode(s, &out), -ENOBUFS);
	buf_release(&out);
	sketch_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_worked_examples_hold),
		cmocka_unit_test(the_head_of_a_digest_is_as_described),
		cmocka_unit_test(a_round_trip_is_identical),
		cmocka_unit_test(encoding_changes_nothing),
		cmocka_unit_test(merges_of_decoded_sketches_can_be_encoded),
		cmocka_unit_test(decoded_sketches_can_be_added_to),
		cmocka_unit_test(every_truncation_and_trailing_byte_is_refused),
		cmocka_unit_test(padding_must_be_zero),
		cmocka_unit_test(other_versions_and_reserved_flags_are_refused),
		cmocka_unit_test(a_declared_count_is_bounded_before_memory_is_taken),
		cmocka_unit_test(mutations_are_refused_or_are_sketches),
		cmocka_unit_test(random_bytes_are_refused_or_are_sketches),
		cmocka_unit_test(whole_milliseconds_take_less_than_a_byte_each),
		cmocka_unit_test(a_digest_takes_less_than_700_bytes),
		cmocka_unit_test(a_full_buffer_is_reported),
	};

	return cmocka_run_group_tests(tests, encode_samples, release_samples);
}
