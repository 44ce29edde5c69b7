// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_cell.c - whatever bytes a Redis may hold: a cell decodes to something that encodes to
 * the same bytes, or is refused.
 *
 * The checksum is put right first, or the fuzzer would never get past it; version and kind
 * likewise, from few bits of the input. What was accepted is also read and merged.
 */
#include "proto/buf.h"
#include "proto/cell.h"
#include "proto/hash.h"
#include "proto/limits.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FUZZ_CRC_BYTES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_read_window(const struct cell *c)
{
	const struct window *w = cell_window(c);

	assert(window_count(w) <= window_capacity(w) && window_count(w) <= cell_samples(c));
	for (uint32_t i = 1; i < window_count(w); i++)
		assert(window_at(w, i - 1).position <= window_at(w, i).position);
	if (window_count(w) > 0)
		assert(isfinite(window_average(w, window_count(w))));
}

/* What readers ask of a cell must be finite and in order. */
static void fuzz_read(struct cell *c)
{
	struct cell_gauge gauge;
	bool exact;

	switch (cell_kind(c)) {
	case KIND_DISTRIBUTION:
		assert(sketch_quantile(cell_sketch(c), 0.5) >= sketch_min(cell_sketch(c)));
		assert(sketch_quantile(cell_sketch(c), 0.5) <= sketch_max(cell_sketch(c)));
		break;
	case KIND_COUNTER:
		assert(isfinite(cell_counter_sum(c)));
		break;
	case KIND_GAUGE:
		cell_gauge(c, &gauge);
		assert(isfinite(gauge.last) && isfinite(gauge.sum));
		assert(gauge.min <= gauge.max && gauge.sets <= cell_samples(c));
		break;
	case KIND_SET:
		assert(cell_set_unique(c, &exact) >= 0);
		assert(!exact || cell_set_unique(c, &exact) <= (double)cell_samples(c));
		break;
	case KIND_WINDOW:
		fuzz_read_window(c);
		break;
	}
}

static struct buf fuzz_encode(struct cell *c)
{
	struct buf out;

	buf_init(&out, LIMIT_CELL_BYTES);
	if (cell_encode(c, &out) < 0)
		abort();
	return out;
}

/* A cell and an empty one make the cell again, whichever is merged into which. */
static void fuzz_merge(struct cell *c, struct slice bytes)
{
	struct cell *empty = cell_new(cell_kind(c));
	struct buf out;

	assert(empty != NULL);
	if (cell_merge(empty, c) < 0)
		abort();
	out = fuzz_encode(empty);
	/* A digest may be compressed anew by a merge; all else is what it was. */
	assert(cell_kind(c) == KIND_DISTRIBUTION || slice_equal(buf_view(&out), bytes));
	assert(cell_samples(empty) == cell_samples(c));
	buf_release(&out);
	cell_free(empty);
}

static void fuzz_check(struct slice bytes)
{
	struct cell *c = NULL;
	struct buf out;

	if (cell_decode(bytes, &c) < 0)
		return;
	out = fuzz_encode(c);
	assert(slice_equal(buf_view(&out), bytes));
	buf_release(&out);
	fuzz_read(c);
	fuzz_merge(c, bytes);
	cell_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t kinds[8] = { KIND_COUNTER, KIND_DISTRIBUTION, KIND_GAUGE, KIND_SET,
					  KIND_WINDOW,	KIND_DISTRIBUTION, KIND_GAUGE, KIND_WINDOW };
	uint8_t *bytes;
	uint32_t crc;

	if (size < 2 || size > LIMIT_CELL_BYTES)
		return 0;
	bytes = malloc(size + FUZZ_CRC_BYTES);
	if (bytes == NULL)
		return 0;
	memcpy(bytes, data, size);
	fuzz_check(slice_of(bytes, size));
	bytes[0] = 1;
	bytes[1] = kinds[data[1] & 7];
	crc = hash_crc32c(0, slice_of(bytes, size));
	for (size_t i = 0; i < FUZZ_CRC_BYTES; i++)
		bytes[size + i] = (uint8_t)(crc >> (8 * i));
	fuzz_check(slice_of(bytes, size + FUZZ_CRC_BYTES));
	free(bytes);
	return 0;
}
