// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_sketch - any bytes as a sketch, and any doubles as samples of one.
 *
 * What is accepted must be what the encoder writes, must answer in order, and must still be
 * a sketch after a merge. Samples must come back from their encoding as many as they were.
 */
#include "proto/sketch.h"

#include <assert.h>
#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_answers(struct sketch *s)
{
	double previous = sketch_min(s);

	assert(sketch_quantile(s, 0) == sketch_min(s));
	for (int i = 0; i <= 64; i++) {
		double value = sketch_quantile(s, i / 64.0);

		assert(value >= previous);
		previous = value;
	}
	assert(previous == sketch_max(s));
	assert(sketch_mean(s) >= sketch_min(s) && sketch_mean(s) <= sketch_max(s));
	assert(sketch_stddev(s) >= 0 && isfinite(sketch_stddev(s)));
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

/* Each eight bytes are a sample. To leave the exact form with a short input, each is
 * followed by some near it: their number is the low bits of its own. */
static struct sketch *fuzz_samples(const uint8_t *data, size_t size)
{
	struct sketch *s = sketch_new();

	for (size_t at = 0; at + 8 <= size; at += 8) {
		uint64_t more = data[at];
		double value;
		int status;

		memcpy(&value, data + at, 8);
		for (; isfinite(value); value += fabs(value) / 1024) {
			status = sketch_add(s, value, 1 + more % 3);
			assert(status == 0);
			if (more-- == 0)
				break;
		}
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
