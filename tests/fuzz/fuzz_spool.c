// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_spool - any bytes as a file of the spool.
 *
 * Records that are found lie within the bytes, one after the other, and say the same when they are
 * read alone; written again they are the same bytes.
 */
#include "agent/spool_segment.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spool_scan scan = spool_scan_start(slice_of(data, size));
	struct spool_record record, again;
	uint8_t header[SPOOL_SEGMENT_HEADER];
	struct slice batch, same;
	size_t at, end = 0;

	while (spool_scan_next(&scan, &record, &batch, &at)) {
		assert(at >= end && at % SPOOL_SEGMENT_ALIGN == 0);
		end = at + SPOOL_SEGMENT_HEADER + batch.size;
		assert(end <= size && batch.ptr == data + at + SPOOL_SEGMENT_HEADER);
		assert(spool_segment_read(slice_of(data + at, end - at), &again, &same) == 0);
		assert(memcmp(&record, &again, sizeof(record)) == 0 && same.size == batch.size);
		spool_segment_put(header, &record, batch);
		assert(memcmp(header, data + at, sizeof(header)) == 0);
	}
	assert(scan.at >= end && scan.at <= size);
	assert(scan.at + scan.torn_bytes <= size);
	return 0;
}
