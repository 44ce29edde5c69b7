// SPDX-License-Identifier: Apache-2.0
#include "agent/spool_segment.h"

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"

#include <assert.h>

#define SEGMENT_PREFIX 8 /* length and checksum */
/* Bytes that look like a length make the scan sum up to a batch each. A damaged file of the usual
 * size is summed a few dozen times at most, whatever was written into it. */
#define SEGMENT_BUDGET ((size_t)256 * 1024 * 1024)

size_t spool_segment_size(size_t batch_size)
{
	size_t size = SPOOL_SEGMENT_HEADER + batch_size;

	return (size + SPOOL_SEGMENT_ALIGN - 1) & ~(size_t)(SPOOL_SEGMENT_ALIGN - 1);
}

/* The length is summed too, before the rest. */
static uint32_t segment_crc(const uint8_t header[SPOOL_SEGMENT_HEADER], struct slice batch)
{
	uint32_t crc = hash_crc32c(0, slice_of(header, 4));

	crc = hash_crc32c(crc, slice_of(header + SEGMENT_PREFIX,
					SPOOL_SEGMENT_HEADER - SEGMENT_PREFIX));
	return hash_crc32c(crc, batch);
}

void spool_segment_put(uint8_t header[SPOOL_SEGMENT_HEADER], const struct spool_record *record,
		       struct slice batch)
{
	uint8_t *at = header + SEGMENT_PREFIX;

	assert(batch.size > 0 && batch.size <= LIMIT_BATCH_BYTES);
	le_put_u32(header, (uint32_t)(SPOOL_SEGMENT_HEADER - SEGMENT_PREFIX + batch.size));
	memcpy(at, record->stream.bytes, STREAM_ID_BYTES);
	at += STREAM_ID_BYTES;
	at = le_put_u32(at, record->partition);
	at = le_put_u32(at, record->partitions);
	at = le_put_u64(at, record->seq);
	at = le_put_u64(at, record->chain_before);
	at = le_put_u64(at, record->chain_after);
	at = le_put_u64(at, record->samples);
	at = le_put_u64(at, record->samples_before);
	at = le_put_u64(at, (uint64_t)record->since_ms);
	at = le_put_u64(at, record->total);
	assert(at == header + SPOOL_SEGMENT_HEADER);
	le_put_u32(header + 4, segment_crc(header, batch));
}

static void segment_get(struct slice bytes, struct spool_record *record)
{
	struct reader r = reader_of(bytes);

	memcpy(record->stream.bytes, reader_bytes(&r, STREAM_ID_BYTES).ptr, STREAM_ID_BYTES);
	record->partition = reader_u32(&r);
	record->partitions = reader_u32(&r);
	record->seq = reader_u64(&r);
	record->chain_before = reader_u64(&r);
	record->chain_after = reader_u64(&r);
	record->samples = reader_u64(&r);
	record->samples_before = reader_u64(&r);
	record->since_ms = (int64_t)reader_u64(&r);
	record->total = reader_u64(&r);
}

/* What no record of ours can say, whatever its checksum. Counts far below 2^64 keep sums whole. */
static bool segment_plausible(const struct spool_record *r)
{
	uint64_t limit = (uint64_t)1 << 62;

	return r->partitions > 0 && r->partitions <= LIMIT_PARTITIONS &&
	       r->partition < r->partitions && r->seq > 0 && r->seq < limit &&
	       r->samples < limit && r->samples_before < limit && r->total < limit &&
	       r->since_ms >= 0;
}

/* A record's length from its first bytes, or 0 when there is none. */
static size_t segment_length(struct slice bytes)
{
	struct reader r = reader_of(bytes);
	size_t length = reader_u32(&r);
	size_t header = SPOOL_SEGMENT_HEADER - SEGMENT_PREFIX;

	return r.failed || length <= header || length > header + LIMIT_BATCH_BYTES ? 0 : length;
}

int spool_segment_read(struct slice bytes, struct spool_record *record, struct slice *batch)
{
	size_t length = segment_length(bytes);
	struct spool_record read;
	struct slice rest;
	struct reader r;

	if (length == 0)
		return bytes.size < SEGMENT_PREFIX ? ERR_TRUNCATED : ERR_TOO_LARGE;
	if (bytes.size - 4 < length + 4)
		return ERR_TRUNCATED;
	segment_get(slice_of(bytes.ptr + SEGMENT_PREFIX, length), &read);
	if (!segment_plausible(&read))
		return ERR_OUT_OF_RANGE;
	r = reader_of(slice_of(bytes.ptr + 4, 4));
	rest = slice_of(bytes.ptr + SPOOL_SEGMENT_HEADER,
			length + SEGMENT_PREFIX - SPOOL_SEGMENT_HEADER);
	if (reader_u32(&r) != segment_crc(bytes.ptr, rest))
		return ERR_CHECKSUM;
	if (read.chain_after != hash_chain_next(read.chain_before, rest))
		return ERR_BAD_CHAIN;
	*record = read;
	*batch = rest;
	return 0;
}

struct spool_scan spool_scan_start(struct slice bytes)
{
	return (struct spool_scan){ .bytes = bytes, .budget = SEGMENT_BUDGET };
}

static struct slice scan_from(const struct spool_scan *scan, size_t at)
{
	return slice_of(scan->bytes.ptr + at, scan->bytes.size - at);
}

/* Whether a record stands at a place. Vain sums are paid for. */
static bool scan_is_record(struct spool_scan *scan, size_t at, struct spool_record *record,
			   struct slice *batch)
{
	struct slice bytes = scan_from(scan, at);
	size_t length = segment_length(bytes);
	int status;

	if (length == 0 || length > scan->budget)
		return false;
	status = spool_segment_read(bytes, record, batch);
	if (status == ERR_CHECKSUM || status == ERR_BAD_CHAIN)
		scan->budget -= length;
	return status == 0;
}

/* Nothing more is found: what follows the last record was being written, or is zeros. */
static void scan_end(struct spool_scan *scan)
{
	size_t end = scan->bytes.size;

	while (end > scan->at && scan->bytes.ptr[end - 1] == 0)
		end--;
	scan->torn_bytes = end - scan->at;
}

bool spool_scan_next(struct spool_scan *scan, struct spool_record *record, struct slice *batch,
		     size_t *at)
{
	size_t here = scan->at;

	while (here < scan->bytes.size && !scan_is_record(scan, here, record, batch))
		here += SPOOL_SEGMENT_ALIGN;
	if (here >= scan->bytes.size) {
		scan_end(scan);
		return false;
	}
	if (here > scan->at) {
		scan->holes++;
		scan->hole_bytes += here - scan->at;
	}
	*at = here;
	scan->at = here + spool_segment_size(batch->size);
	if (scan->at > scan->bytes.size)
		scan->at = scan->bytes.size; /* the padding was cut off */
	return true;
}
