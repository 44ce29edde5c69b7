/*
 * exact_sum.h - a sum of doubles without any rounding, from which values can be taken out again.
 *
 * A running sum that values enter and leave drifts: each rounding stays in it for ever, and one
 * large value that passes through wipes out what is small beside it. Here the sum is a whole number
 * of the smallest double's units, held in pieces of 32 bits (Kulisch's long accumulator in the
 * form of Neal, arXiv:1505.05571), so adding and removing are exact, in any order.
 *
 * Each piece is 64 bits wide and holds only what the values now in the sum put there. Nothing is
 * carried until the sum is read, and removing a value takes out just the bits it had brought: as
 * long as fewer than 2^31 values are in it, no piece can overflow, however many have passed.
 *
 * 544 bytes; adding touches three pieces. All zero bytes is an empty sum. Pure.
 */
#ifndef PROTO_EXACT_SUM_H
#define PROTO_EXACT_SUM_H

#include <stdint.h>

/* Doubles are multiples of 2^-1074 below 2^1024: 2,098 bits, and 32 more for 2^31 of them. */
#define EXACT_SUM_PIECES 68

struct exact_sum {
	/* private */
	int64_t piece[EXACT_SUM_PIECES];
};

/* Adds a finite value. At most 2^31 - 1 may be in the sum at a time. */
void exact_sum_add(struct exact_sum *s, double value);

/* Takes out a value that was added before. */
void exact_sum_remove(struct exact_sum *s, double value);

/* The sum divided by count (1 to 2^31), within one unit in the last place: rounded once by the sum
 * and once by the division. Finite even when the sum itself is beyond a double. */
double exact_sum_average(const struct exact_sum *s, uint32_t count);

#endif
