// SPDX-License-Identifier: Apache-2.0
#include "proto/hash.h"

#include "proto/le.h"

#include <assert.h>
#include <isa-l/crc.h>
#include <limits.h>
/* A call costs as much as hashing a name; and the state lives on the stack. */
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash64(struct slice bytes)
{
	return XXH3_64bits(bytes.ptr, bytes.size);
}

uint64_t hash64_seeded(struct slice bytes, uint64_t seed)
{
	return XXH3_64bits_withSeed(bytes.ptr, bytes.size, seed);
}

uint32_t hash_crc32c(uint32_t crc, struct slice bytes)
{
	assert(bytes.size <= INT_MAX);
	if (bytes.size == 0)
		return crc;
	/* isa-l wants the raw register (no inversions) and a pointer it never writes to. */
	return ~crc32_iscsi((unsigned char *)(uintptr_t)bytes.ptr, (int)bytes.size, ~crc);
}

uint32_t hash_partition(struct slice series, uint32_t count)
{
	assert(count > 0);
	return (uint32_t)(hash64(series) % count);
}

uint64_t hash_chain_start(const struct stream_id *stream, uint32_t partition)
{
	uint8_t bytes[STREAM_ID_BYTES + 4];

	memcpy(bytes, stream->bytes, STREAM_ID_BYTES);
	le_put_u32(bytes + STREAM_ID_BYTES, partition);
	return hash64(slice_of(bytes, sizeof(bytes)));
}

uint64_t hash_chain_next(uint64_t chain, struct slice batch)
{
	XXH3_state_t state;
	uint8_t before[8];

	le_put_u64(before, chain);
	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, before, sizeof(before));
	XXH3_64bits_update(&state, batch.ptr, batch.size);
	return XXH3_64bits_digest(&state);
}
