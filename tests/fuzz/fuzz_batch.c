// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_batch - any bytes as a batch.
 *
 * What is read must be readable in its parts: the header alone says the same, and each group
 * of an accepted batch passes its check again.
 */
#include "proto/batch.h"
#include "proto/group.h"

#include <assert.h>

#define PARTITIONS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of(data, size);
	struct batch_header header;
	struct batch b;
	uint64_t samples, sum = 0;
	int peeked = batch_peek(bytes, &header);

	if (batch_decode(bytes, PARTITIONS, &b) != 0)
		return 0;
	assert(peeked == 0 && header.seq == b.header.seq && header.samples == b.header.samples);
	for (size_t i = 0; i < b.group_count; i++) {
		assert(group_check(b.groups[i].kind, b.groups[i].bytes, &samples) == 0);
		sum += samples;
	}
	assert(sum == b.header.samples);
	batch_release(&b);
	return 0;
}
