// SPDX-License-Identifier: Apache-2.0
/*
 * Double-double arithmetic: a sum is high + low, where high is the sum rounded to a double. Adding
 * is AccurateDWPlusDW of Joldes, Muller and Popescu ("Tight and rigorous error bounds for basic
 * building blocks of double-word arithmetic", ACM TOMS 44(2), 2017), made of Knuth's 2Sum and
 * Dekker's Fast2Sum. It is only right with IEEE rounding: never to be compiled with -ffast-math.
 *
 * On the wire a number is mantissa / 10^scale in a varint where that gives the double back, with
 * the least such scale, else the double itself. The decoder computes what the encoder would have
 * written and refuses anything else.
 */
#include "proto/cell_number.h"

#include <assert.h>
#include <float.h>
#include <math.h>

/* The low bits of a number's first varint: a decimal scale, or an escape. */
#define CELL_NUMBER_SCALE_BITS 3
#define CELL_NUMBER_SCALES     7
#define CELL_NUMBER_DOUBLE     7  /* one float64 follows */
#define CELL_NUMBER_PAIR       15 /* two follow: high, low */

/* A decimal mantissa stays below this. Then the varint never is longer than the escape with
 * its float64, and rounding value * 10^scale always meets the mantissa: the two roundings
 * move it by a quarter at most. */
#define CELL_NUMBER_MANTISSA 0x1p50

static const double cell_number_powers[CELL_NUMBER_SCALES] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };

/* a + b as a rounded sum and its exact error (Knuth's 2Sum; the order of a and b is free). */
static struct cell_number cell_number_two_sum(double a, double b)
{
	double sum = a + b;
	double b_part = sum - a;
	double a_part = sum - b_part;

	return (struct cell_number){ .high = sum, .low = (a - a_part) + (b - b_part) };
}

/* The same where |a| >= |b| or a is 0 (Dekker's Fast2Sum). */
static struct cell_number cell_number_fast_two_sum(double a, double b)
{
	double sum = a + b;

	return (struct cell_number){ .high = sum, .low = b - (sum - a) };
}

static struct cell_number cell_number_saturated(double high)
{
	return (struct cell_number){ .high = copysign(DBL_MAX, high), .low = 0 };
}

struct cell_number cell_number_of(double value)
{
	assert(isfinite(value));
	return (struct cell_number){ .high = value + 0.0, .low = 0 };
}

/* AccurateDWPlusDW of Joldes, Muller & Popescu (2017): relative error below 3 * 2^-106 where
 * nothing cancels, and exact on whole numbers while every part stays below 2^53. Adding 0.0 turns
 * -0 into +0. */
void cell_number_merge(struct cell_number *dst, struct cell_number src)
{
	struct cell_number high = cell_number_two_sum(dst->high, src.high);
	struct cell_number low = cell_number_two_sum(dst->low, src.low);
	struct cell_number sum;

	if (!isfinite(high.high)) {
		*dst = cell_number_saturated(high.high);
		return;
	}
	sum = cell_number_fast_two_sum(high.high, high.low + low.high);
	sum = cell_number_fast_two_sum(sum.high, sum.low + low.low);
	/* At the edge of the range the errors themselves may overflow. */
	if (!isfinite(sum.high) || !isfinite(sum.low))
		sum = (struct cell_number){ .high = high.high, .low = 0 };
	dst->high = sum.high + 0.0;
	dst->low = sum.low + 0.0;
}

/* value * times without an error: times has at most 32 significant bits and value 53, so fma
 * gives the rest of the rounded product exactly. */
static void cell_number_add_product(struct cell_number *sum, double value, double times)
{
	double product = value * times;
	struct cell_number term = { .high = product, .low = 0 };

	if (!isfinite(product))
		term = cell_number_saturated(product);
	else
		term.low = fma(value, times, -product);
	cell_number_merge(sum, term);
}

void cell_number_add(struct cell_number *sum, double value, uint64_t times)
{
	assert(isfinite(value));
	if (times == 1) {
		cell_number_merge(sum, cell_number_of(value));
		return;
	}
	cell_number_add_product(sum, value, (double)(times & UINT32_MAX));
	if (times > UINT32_MAX)
		cell_number_add_product(sum, value, (double)(times >> 32) * 0x1p32);
}

double cell_number_value(struct cell_number sum)
{
	return sum.high;
}

bool cell_number_is_zero(struct cell_number sum)
{
	return sum.high == 0;
}

/* The least decimal scale on which the value lies exactly, with its mantissa; -1 if none. */
static int cell_number_scale(double value, int64_t *mantissa)
{
	for (int scale = 0; scale < CELL_NUMBER_SCALES; scale++) {
		double scaled = value * cell_number_powers[scale];
		int64_t whole;

		if (!(fabs(scaled) < 2 * CELL_NUMBER_MANTISSA))
			return -1;
		whole = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
		if (fabs((double)whole) < CELL_NUMBER_MANTISSA &&
		    (double)whole / cell_number_powers[scale] == value) {
			*mantissa = whole;
			return scale;
		}
	}
	return -1;
}

void cell_number_put(struct cell_number sum, struct buf *out)
{
	int64_t mantissa = 0;
	int scale;

	assert(isfinite(sum.high) && isfinite(sum.low));
	if (sum.low != 0) {
		buf_put_varint(out, CELL_NUMBER_PAIR);
		buf_put_f64(out, sum.high);
		buf_put_f64(out, sum.low);
		return;
	}
	scale = cell_number_scale(sum.high, &mantissa);
	if (scale < 0) {
		buf_put_varint(out, CELL_NUMBER_DOUBLE);
		buf_put_f64(out, sum.high);
		return;
	}
	buf_put_varint(out, zigzag_encode(mantissa) << CELL_NUMBER_SCALE_BITS | (unsigned)scale);
}

/* A decimal: refused unless this is the scale and mantissa that its value would get. */
static bool cell_number_get_decimal(uint64_t head, struct cell_number *sum)
{
	int scale = (int)(head & ((1 << CELL_NUMBER_SCALE_BITS) - 1));
	int64_t mantissa = zigzag_decode(head >> CELL_NUMBER_SCALE_BITS);
	int64_t expected = 0;
	double value;

	if (scale == CELL_NUMBER_DOUBLE)
		return false;
	value = (double)mantissa / cell_number_powers[scale];
	if (cell_number_scale(value, &expected) != scale || expected != mantissa)
		return false;
	*sum = (struct cell_number){ .high = value, .low = 0 };
	return true;
}

static bool cell_number_get_double_bits(struct reader *in, double *value)
{
	*value = reader_f64(in);
	return !in->failed && isfinite(*value) && !(*value == 0 && signbit(*value));
}

bool cell_number_get(struct reader *in, struct cell_number *sum)
{
	struct cell_number read = { 0 };
	uint64_t head = reader_varint(in);
	int64_t mantissa;

	if (in->failed)
		return false;
	if (head != CELL_NUMBER_DOUBLE && head != CELL_NUMBER_PAIR)
		return cell_number_get_decimal(head, sum);
	if (!cell_number_get_double_bits(in, &read.high))
		return false;
	if (head == CELL_NUMBER_DOUBLE && cell_number_scale(read.high, &mantissa) >= 0)
		return false;
	if (head == CELL_NUMBER_PAIR &&
	    (!cell_number_get_double_bits(in, &read.low) || read.low == 0 ||
	     read.high + read.low != read.high))
		return false;
	*sum = read;
	return true;
}

void cell_number_put_double(double value, struct buf *out)
{
	cell_number_put(cell_number_of(value), out);
}

bool cell_number_get_double(struct reader *in, double *value)
{
	struct cell_number number;

	if (!cell_number_get(in, &number) || number.low != 0)
		return false;
	*value = number.high;
	return true;
}
