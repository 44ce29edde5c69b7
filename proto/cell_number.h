/*
 * cell_number.h - sums that do not drift, and numbers as cells write them.
 *
 * A cell's sum meets its parts in whatever order relays and batches bring them, so a plain
 * double would differ from one order to another. Here a sum is two doubles (high is the sum
 * rounded, low what the rounding left): whole numbers add exactly up to 2^100, anything
 * else within some 2^-104 of the largest intermediate sum, and a + b is b + a to the bit.
 *
 * Sums saturate at +-DBL_MAX: a hostile 1e308 sent twice must neither poison a cell
 * with Inf nor make merging fail half way. NaN and Inf never enter, -0 becomes +0.
 *
 * On the wire (CELL.md) 12.5 costs 2 bytes, any double 9 at most, a sum 17 at most.
 * Pure arithmetic on the caller's storage; nothing allocates.
 */
#ifndef PROTO_CELL_NUMBER_H
#define PROTO_CELL_NUMBER_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct cell_number {
	/* private */
	double high; /* the sum, rounded once: high == high + low */
	double low;  /* the rest, 0 as a rule */
};

/* A sum of one value, which must be finite; 0 to begin. */
struct cell_number cell_number_of(double value);

/* Adds a finite value, times over, as if one by one. */
void cell_number_add(struct cell_number *sum, double value, uint64_t times);

/* Adds src to dst. */
void cell_number_merge(struct cell_number *dst, struct cell_number src);

/* The sum as the nearest double. */
double cell_number_value(struct cell_number sum);

/* Whether it is exactly 0. */
bool cell_number_is_zero(struct cell_number sum);

/* Appends it in its only spelling. Errors by buf_status(out). */
void cell_number_put(struct cell_number sum, struct buf *out);

/* Reads one. False (or reader.failed) for all that cell_number_put would not write; *sum
 * is then not set. */
bool cell_number_get(struct reader *in, struct cell_number *sum);

/* The same for a finite double that is no sum. */
void cell_number_put_double(double value, struct buf *out);
bool cell_number_get_double(struct reader *in, double *value); /* false: as above */

#endif
