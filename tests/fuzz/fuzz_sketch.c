// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_sketch - any bytes as a sketch, and any doubles as samples of one.
 *
 * What is accepted must be what the encoder writes, must answer in order, and must still be
 * a sketch after a merge. Samples must come back from their encoding as many as they were.
 */
#include "proto/hash.h"
#include "proto/sketch.h"

#include <assert.h>
#include <math.h>

/* More than an exact sketch of real numbers holds (SKETCH.md). */
#define FUZZ_SAMPLES 1100
#define FUZZ_RARE    32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each rank is a walk over all cells: with 64 of them over a thousand cells nothing else had its turn. */
static void fuzz_answers(struct sketch *s)
{
	double previous = sketch_min(s), mean = sketch_mean(s), deviation = sketch_stddev(s);
	int ranks = sketch_count(s) <= 64 ? 64 : 8;

	assert(sketch_quantile(s, 0) == sketch_min(s));
	for (int i = 0; i <= ranks; i++) {
		double value = sketch_quantile(s, (double)i / ranks);

		assert(value >= previous);
		previous = value;
	}
	assert(previous == sketch_max(s));
	assert(mean >= sketch_min(s) && mean <= sketch_max(s));
	assert(deviation >= 0 && isfinite(deviation));
}

/* The encoding decodes, and encodes to itself. */
static struct sketch *fuzz_round_trip(struct sketch *s)
{
	struct sketch *back;
	struct buf first, second;

	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	assert(sketch_encode(s, &first) == 0);
	assert(sketch_decode(buf_view(&first), &back) == 0);
	assert(sketch_count(back) == sketch_count(s) && sketch_exact(back) == sketch_exact(s));
	assert(sketch_encode(back, &second) == 0);
	assert(slice_equal(buf_view(&first), buf_view(&second)));
	buf_release(&first);
	buf_release(&second);
	return back;
}

static void fuzz_decode(struct slice bytes, struct sketch *samples)
{
	struct sketch *s, *merged;
	struct buf again;

	if (sketch_decode(bytes, &s) != 0)
		return;
	fuzz_answers(s);
	buf_init(&again, 1 << 20);
	assert(sketch_encode(s, &again) == 0);
	assert(slice_equal(buf_view(&again), bytes));
	buf_release(&again);
	if (sketch_merge(s, samples) == 0) {
		merged = fuzz_round_trip(s);
		fuzz_answers(merged);
		sketch_free(merged);
	}
	sketch_free(s);
}

/* Adds a value, and more that are each a little larger. Returns how many are left to be had of all. */
static size_t fuzz_add(struct sketch *s, double value, size_t more, size_t left)
{
	for (more = more < left ? more : left; isfinite(value); more--, left--) {
		int status = sketch_add(s, value, 1 + more % 3);

		assert(status == 0);
		if (more == 0)
			break;
		value += fabs(value) / 1024;
	}
	return left;
}

/* Each eight bytes are a sample, followed by up to seven near it. One input in FUZZ_RARE gets more, enough
 * to leave the exact form: by its hash, not by what it says, or the fuzzer would try little else,
 * and that costs as much as a hundred inputs that do not. */
static struct sketch *fuzz_samples(const uint8_t *data, size_t size)
{
	struct sketch *s = sketch_new();
	bool many = hash64(slice_of(data, size)) % FUZZ_RARE == 0;
	size_t left = FUZZ_SAMPLES;

	for (size_t at = 0; at + 8 <= size; at += 8) {
		double value;

		memcpy(&value, data + at, 8);
		left = fuzz_add(s, value, many ? (size_t)data[at] * 4 : data[at] % 8, left);
	}
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sketch *samples = fuzz_samples(data, size), *back;

	fuzz_answers(samples);
	back = fuzz_round_trip(samples);
	fuzz_answers(back);
	sketch_free(back);
	fuzz_decode(slice_of(data, size), samples);
	sketch_free(samples);
	return 0;
}
