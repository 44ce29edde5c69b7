// SPDX-License-Identifier: Apache-2.0
/*
 * A double is a whole number of 2^-1074 units below 2^2098. Its mantissa, shifted to its place,
 * touches three neighbouring pieces of 32 bits; each gets its part with the value's sign. Pieces
 * are signed and may grow past 32 bits, by what carries would have taken away; only reading the
 * sum carries.
 *
 * To divide, the sum is cut to its highest 64 bits, of which the last also stands for all below
 * it: so the conversion to a double rounds as that of the whole would.
 */
#include "proto/exact_sum.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define PIECE_BITS     32
#define PIECE_MASK     UINT64_C(0xffffffff)
#define LOWEST_BIT     (-1074) /* the place of the sum's last bit */
#define FRACTION_BITS  52
#define EXPONENT_FIELD 0x7ff

/* Adds sign * mantissa * 2^place units to the pieces that its 53 bits touch. */
static void exact_sum_put(struct exact_sum *s, uint64_t mantissa, unsigned place, int64_t sign)
{
	int64_t *piece = s->piece + place / PIECE_BITS;
	unsigned shift = place % PIECE_BITS;
	uint64_t low = mantissa & PIECE_MASK;
	uint64_t high = mantissa >> PIECE_BITS;
	uint64_t middle = (low << shift >> PIECE_BITS) + (high << shift & PIECE_MASK);

	piece[0] += sign * (int64_t)(low << shift & PIECE_MASK);
	piece[1] += sign * (int64_t)middle;
	piece[2] += sign * (int64_t)(high << shift >> PIECE_BITS);
}

static void exact_sum_enter(struct exact_sum *s, double value, int64_t sign)
{
	uint64_t bits;
	uint64_t mantissa;
	unsigned exponent;

	assert(isfinite(value));
	memcpy(&bits, &value, sizeof(bits));
	mantissa = bits & ((UINT64_C(1) << FRACTION_BITS) - 1);
	exponent = (unsigned)(bits >> FRACTION_BITS) & EXPONENT_FIELD;
	if (bits >> 63)
		sign = -sign;
	if (exponent == 0) /* subnormal: its last bit is the sum's */
		exact_sum_put(s, mantissa, 0, sign);
	else
		exact_sum_put(s, mantissa | UINT64_C(1) << FRACTION_BITS, exponent - 1, sign);
}

void exact_sum_add(struct exact_sum *s, double value)
{
	exact_sum_enter(s, value, 1);
}

void exact_sum_remove(struct exact_sum *s, double value)
{
	exact_sum_enter(s, value, -1);
}

/* Carries, so that every digit has 32 bits; returns whether the whole is negative. Then it is
 * turned round: digits are always of its absolute value. */
static bool exact_sum_digits(const struct exact_sum *s, uint32_t digits[EXACT_SUM_PIECES])
{
	int64_t carry = 0;
	uint64_t borrow = 1;

	for (size_t i = 0; i < EXACT_SUM_PIECES; i++) {
		int64_t sum = s->piece[i] + carry;

		digits[i] = (uint32_t)((uint64_t)sum & PIECE_MASK);
		carry = (sum - (int64_t)digits[i]) / ((int64_t)1 << PIECE_BITS);
	}
	if (carry >= 0)
		return false;
	for (size_t i = 0; i < EXACT_SUM_PIECES; i++) {
		borrow += (uint32_t)~digits[i];
		digits[i] = (uint32_t)(borrow & PIECE_MASK);
		borrow >>= PIECE_BITS;
	}
	return true;
}

/* The 64 bits from `place` on, which may be below 0. */
static uint64_t exact_sum_bits(const uint32_t *digits, int place)
{
	uint64_t out = 0;

	for (int bit = 0; bit < 64;) {
		int at = place + bit;
		int offset = at & (PIECE_BITS - 1);

		if (at >= 0 && at < EXACT_SUM_PIECES * PIECE_BITS)
			out |= (uint64_t)(digits[at / PIECE_BITS] >> offset) << bit;
		bit += PIECE_BITS - offset;
	}
	return out;
}

static bool exact_sum_any_below(const uint32_t *digits, int place)
{
	for (int i = 0; i * PIECE_BITS < place; i++) {
		uint64_t mask = place - i * PIECE_BITS >= PIECE_BITS ?
					PIECE_MASK :
					(UINT64_C(1) << (place - i * PIECE_BITS)) - 1;

		if (digits[i] & mask)
			return true;
	}
	return false;
}

double exact_sum_average(const struct exact_sum *s, uint32_t count)
{
	uint32_t digits[EXACT_SUM_PIECES];
	bool negative = exact_sum_digits(s, digits);
	int top = EXACT_SUM_PIECES - 1;
	uint64_t mantissa;
	double value;
	int place;

	assert(count > 0);
	while (top >= 0 && digits[top] == 0)
		top--;
	if (top < 0)
		return 0;
	place = top * PIECE_BITS + (PIECE_BITS - __builtin_clz(digits[top])) - 64;
	mantissa = exact_sum_bits(digits, place);
	/* A last bit that stands for all below it makes the conversion round as the whole would. */
	if (exact_sum_any_below(digits, place))
		mantissa |= 1;
	value = ldexp((double)mantissa / count, place + LOWEST_BIT);
	return negative ? -value : value;
}
