// SPDX-License-Identifier: Apache-2.0
#include "proto/bits.h"

#include "proto/err.h"

#include <assert.h>

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

void bits_put(struct bits_writer *w, uint64_t value, unsigned count)
{
	if (count > 32) {
		bits_put(w, value >> 32, count - 32);
		value &= UINT32_MAX;
		count = 32;
	}
	w->hold = w->hold << count | value;
	w->held += count;
	while (w->held >= 8) {
		w->held -= 8;
		buf_put_u8(w->out, (uint8_t)(w->hold >> w->held));
	}
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
	if (w->held > 0)
		bits_put(w, 0, 8 - w->held);
}

struct bits_reader bits_reader_of(struct reader *in)
{
	return (struct bits_reader){ .in = in };
}

uint64_t bits_get(struct bits_reader *r, unsigned count)
{
	uint64_t high = 0;

	if (count > 32) {
		high = bits_get(r, count - 32) << 32;
		count = 32;
	}
	while (r->held < count) {
		r->hold = r->hold << 8 | reader_u8(r->in);
		r->held += 8;
	}
	if (r->in->failed)
		r->failed = true;
	if (r->failed)
		return 0;
	r->held -= count;
	return high | (r->hold >> r->held & ((UINT64_C(1) << count) - 1));
}

uint64_t bits_get_number(struct bits_reader *r, struct bits_context *c)
{
	unsigned order = bits_order(c);
	unsigned zeros = 0;
	uint64_t shifted, number;

	while (zeros < 64 && !r->failed && bits_get(r, 1) == 0)
		zeros++;
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

int bits_finish(const struct bits_reader *r)
{
	uint64_t padding = r->hold & ((UINT64_C(1) << r->held) - 1);

	if (r->malformed)
		return ERR_MALFORMED;
	if (r->failed)
		return ERR_TRUNCATED;
	return padding == 0 && r->held < 8 ? 0 : ERR_MALFORMED;
}
