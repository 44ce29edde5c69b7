/*
 * bits.h - a stream of bits, and whole numbers in it that are mostly small.
 *
 * Bits fill bytes from the top. A number is an exp-Golomb code of order k: with y = x + 2^k
 * of b bits, b - 1 - k zeros and then the b bits of y. The order follows the numbers
 * themselves: a context keeps their running mean, and writer and reader move it alike, so
 * nothing about it is stored. A number below the mean costs about log2(mean) + 1 bits.
 *
 * The last byte is padded with zeros. Every number has one code and padding has one form,
 * so equal numbers are equal bytes. A read past the end sets `failed` and yields zeros.
 */
#ifndef PROTO_BITS_H
#define PROTO_BITS_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Orders stay below this so that x + 2^k does not leave 64 bits for x <= BITS_NUMBER_MAX. */
#define BITS_ORDER_MAX  40
#define BITS_NUMBER_MAX (UINT64_MAX - (UINT64_C(1) << BITS_ORDER_MAX))

struct bits_writer {
	/* private */
	struct buf *out;
	uint64_t hold; /* the last `held` bits, not yet in out */
	unsigned held; /* < 32 between calls */
};

/* The running mean of the numbers of one sort. */
struct bits_context {
	uint64_t mean; /* in eighths */
};

/* A writer that appends to out. Errors by buf_status(out). */
struct bits_writer bits_writer_of(struct buf *out);

/* Appends the low count (0..64) bits of value, which has no others. */
void bits_put(struct bits_writer *w, uint64_t value, unsigned count);

/* Appends a number (<= BITS_NUMBER_MAX) and moves the context. */
void bits_put_number(struct bits_writer *w, struct bits_context *c, uint64_t number);

/* Pads to a whole byte. */
void bits_flush(struct bits_writer *w);

struct bits_reader {
	/* private */
	const uint8_t *at;
	const uint8_t *end;
	uint64_t hold; /* the next bits, from the top; at least `held` are true, the rest
			* true or zero */
	unsigned held;
	bool failed;
	bool malformed; /* a code of more than 64 bits */
};

/* A reader over borrowed bytes. */
struct bits_reader bits_reader_of(struct slice bytes);

/* The next count (0..64) bits. */
uint64_t bits_get(struct bits_reader *r, unsigned count);

/* The next number; moves the context. */
uint64_t bits_get_number(struct bits_reader *r, struct bits_context *c);

/* 0 when all reads were good and only zero padding is left of the last byte;
 * ERR_TRUNCATED, ERR_TRAILING, ERR_MALFORMED. */
int bits_finish(const struct bits_reader *r) __attribute__((warn_unused_result));

#endif
