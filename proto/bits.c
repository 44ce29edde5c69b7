// SPDX-License-Identifier: Apache-2.0
/*
 * Adaptive exp-Golomb codes (SKETCH.md, "Numbers"). A context holds eight times a running mean,
 * from which it forgets an eighth a step, all in whole numbers so that both sides agree on any
 * machine.
 *
 * The writer holds less than 32 bits between calls and spills four bytes at a time. The reader
 * keeps the next bits at the top of a word: a number is then a count of leading zeros and two
 * shifts. Where eight bytes can be read it fills the word with one load; some bits behind the
 * first `held` are then true as well, which does no harm: the next load puts the same ones there
 * again.
 */
#include "proto/bits.h"

#include "proto/err.h"

#include <assert.h>
#include <endian.h>

/* The mean forgets an eighth a step; one huge number moves it no further than this. */
#define BITS_MEAN_STEPS  8
#define BITS_NUMBER_KEPT (UINT64_C(1) << 46)

static unsigned bits_length(uint64_t value)
{
	return value ? 64 - (unsigned)__builtin_clzll(value) : 0;
}

/* The length of 7/8 of the mean: the shortest of those tried on latencies, by a little. */
static unsigned bits_order(const struct bits_context *c)
{
	unsigned length = bits_length(c->mean * 7 / 8 / BITS_MEAN_STEPS);

	return length < BITS_ORDER_MAX ? length : BITS_ORDER_MAX;
}

static void bits_learn(struct bits_context *c, uint64_t number)
{
	uint64_t kept = number < BITS_NUMBER_KEPT ? number : BITS_NUMBER_KEPT;

	c->mean = c->mean - c->mean / BITS_MEAN_STEPS + kept;
}

struct bits_writer bits_writer_of(struct buf *out)
{
	return (struct bits_writer){ .out = out };
}

/* Moves the first bytes of what is held to the output. */
static void bits_spill(struct bits_writer *w, unsigned bytes)
{
	uint8_t *at = buf_extend(w->out, bytes);

	w->held -= 8 * bytes;
	for (unsigned i = 0; at != NULL && i < bytes; i++)
		at[i] = (uint8_t)(w->hold >> w->held >> 8 * (bytes - 1 - i));
}

void bits_put(struct bits_writer *w, uint64_t value, unsigned count)
{
	if (count > 32) {
		bits_put(w, value >> 32, count - 32);
		value &= UINT32_MAX;
		count = 32;
	}
	w->hold = w->hold << count | value;
	w->held += count;
	if (w->held >= 32)
		bits_spill(w, 4);
}

void bits_put_number(struct bits_writer *w, struct bits_context *c, uint64_t number)
{
	unsigned order = bits_order(c);
	uint64_t shifted = number + (UINT64_C(1) << order);
	unsigned length = bits_length(shifted);

	assert(number <= BITS_NUMBER_MAX);
	bits_put(w, 0, length - 1 - order);
	bits_put(w, shifted, length);
	bits_learn(c, number);
}

void bits_flush(struct bits_writer *w)
{
	unsigned padding = (8 - w->held % 8) % 8;

	w->hold <<= padding;
	w->held += padding;
	bits_spill(w, w->held / 8);
}

struct bits_reader bits_reader_of(struct slice bytes)
{
	struct reader in = reader_of(bytes);

	return (struct bits_reader){ .at = in.at, .end = in.end };
}

/* Holds 56 bits or more, or all there are. */
static void bits_fill(struct bits_reader *r)
{
	uint64_t eight;

	if (r->end - r->at >= 8) {
		memcpy(&eight, r->at, sizeof(eight));
		r->hold |= be64toh(eight) >> r->held;
		r->at += (63 - r->held) / 8;
		r->held |= 56;
		return;
	}
	for (; r->held <= 56 && r->at < r->end; r->held += 8)
		r->hold |= (uint64_t)*r->at++ << (56 - r->held);
}

static void bits_skip(struct bits_reader *r, unsigned count)
{
	r->hold = count < 64 ? r->hold << count : 0;
	r->held -= count;
}

uint64_t bits_get(struct bits_reader *r, unsigned count)
{
	uint64_t high = 0, low;

	if (count > 32) {
		high = bits_get(r, count - 32) << 32;
		count = 32;
	}
	if (r->held < count)
		bits_fill(r);
	if (r->held < count)
		r->failed = true;
	if (r->failed || count == 0)
		return 0;
	low = r->hold >> (64 - count);
	bits_skip(r, count);
	return high | low;
}

/* How many zeros come before the next one, which is taken too; 64 when that is too many. */
static unsigned bits_get_zeros(struct bits_reader *r)
{
	unsigned zeros = 0, more;

	while (zeros < 64 && !r->failed) {
		bits_fill(r);
		more = r->hold ? (unsigned)__builtin_clzll(r->hold) : 64;
		if (more < r->held) {
			bits_skip(r, more + 1);
			return zeros + more;
		}
		r->failed = r->held == 0;
		zeros += r->held;
		bits_skip(r, r->held);
	}
	return 64;
}

/* What bits_get_number does with a number that is not wholly held, or cannot be. Kept apart so that
 * all others need no stack. */
static __attribute__((noinline)) uint64_t bits_get_long(struct bits_reader *r,
							 struct bits_context *c)
{
	unsigned order = bits_order(c), zeros = bits_get_zeros(r);
	uint64_t shifted, number;

	if (r->failed)
		return 0;
	if (zeros + order > 63) {
		r->failed = r->malformed = true;
		return 0;
	}
	shifted = UINT64_C(1) << (zeros + order) | bits_get(r, zeros + order);
	number = shifted - (UINT64_C(1) << order);
	if (number > BITS_NUMBER_MAX)
		r->failed = r->malformed = true;
	if (r->failed)
		return 0;
	bits_learn(c, number);
	return number;
}

uint64_t bits_get_number(struct bits_reader *r, struct bits_context *c)
{
	unsigned order, zeros, whole;
	uint64_t number;

	if (r->held < 48)
		bits_fill(r);
	/* A weight of 1 beside others like it: the bit 1 alone. */
	if (c->mean == 0 && (int64_t)r->hold < 0 && r->held > 0 && !r->failed) {
		r->hold <<= 1;
		r->held--;
		return 0;
	}
	order = bits_order(c);
	zeros = (unsigned)__builtin_clzll(r->hold | 1);
	whole = 2 * zeros + 1 + order;
	if (whole > r->held || whole > 63 || r->failed)
		return bits_get_long(r, c);
	number = (r->hold << zeros >> (63 - zeros - order)) - (UINT64_C(1) << order);
	r->hold <<= whole;
	r->held -= whole;
	bits_learn(c, number);
	return number;
}

int bits_finish(const struct bits_reader *r)
{
	if (r->malformed)
		return ERR_MALFORMED;
	if (r->failed)
		return ERR_TRUNCATED;
	if (r->at < r->end || r->held >= 8)
		return ERR_TRAILING;
	return r->held == 0 || r->hold >> (64 - r->held) == 0 ? 0 : ERR_MALFORMED;
}
