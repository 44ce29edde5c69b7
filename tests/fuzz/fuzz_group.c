// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_group - any bytes as a group of any kind, and any bytes as values to encode.
 *
 * The first byte chooses the kind. Values read from an accepted group of few values are
 * encoded again, and must pass and hold as many samples.
 */
#include "proto/group.h"

#include <assert.h>
#include <math.h>

#define VALUES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static double fuzz_values[VALUES_MAX];

static void fuzz_encode(struct group_sampling sampling, size_t count)
{
	struct buf out;
	uint64_t samples;

	buf_init(&out, 16 * VALUES_MAX);
	group_put_values(&out, sampling, fuzz_values, count);
	assert(buf_status(&out) == 0);
	assert(group_check(KIND_DISTRIBUTION, buf_view(&out), &samples) == 0);
	assert(samples == count);
	buf_release(&out);
}

static void fuzz_decode(enum kind kind, struct slice bytes)
{
	struct group_reader r;
	uint64_t run, samples;
	size_t count = 0;
	double value;

	if (group_check(kind, bytes, &samples) != 0)
		return;
	if ((kind != KIND_DISTRIBUTION && kind != KIND_COUNTER) || samples > VALUES_MAX)
		return;
	assert(group_open(&r, kind, bytes) == 0);
	while (group_next(&r, &value, &run) == 1)
		for (; run > 0; run--)
			fuzz_values[count++] = value;
	if (r.codec == GROUP_SKETCH)
		return;
	assert(count == samples);
	fuzz_encode(r.sampling, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum kind kinds[] = { KIND_COUNTER, KIND_DISTRIBUTION, KIND_GAUGE, KIND_SET };
	size_t count = 0;

	if (size == 0)
		return 0;
	fuzz_decode(kinds[data[0] % 4], slice_of(data + 1, size - 1));
	for (size_t at = 1; at + 8 <= size && count < VALUES_MAX; at += 8) {
		memcpy(&fuzz_values[count], data + at, 8);
		count += isfinite(fuzz_values[count]) ? 1 : 0;
	}
	if (count > 0)
		fuzz_encode((struct group_sampling){ .rate = 1, .weight = 1 }, count);
	return 0;
}
