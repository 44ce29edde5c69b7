/*
 * hash.h - the hashes that are on the wire, and the chain of a stream.
 *
 * XXH3 (64 bit, seed 0) places a series in a partition, chains the batches of a
 * stream and hashes set members; CRC32C (Castagnoli, as in RFC 3720) guards cells
 * and spool records. Both are stable across machines: XXH3's output is frozen
 * since xxHash 0.8.0. HASH_VERSION is part of a fleet's `cfg`; it changes if any of
 * this ever does.
 */
#ifndef PROTO_HASH_H
#define PROTO_HASH_H

#include "proto/slice.h"

#include <stdint.h>

#define HASH_VERSION 1

/* A stream: agent_id (16 bytes) and incarnation (8 bytes, little-endian). */
#define STREAM_ID_BYTES 24

struct stream_id {
	uint8_t bytes[STREAM_ID_BYTES];
};

/* XXH3, 64 bit, seed 0. */
uint64_t hash64(struct slice bytes);

/* XXH3, 64 bit, with a seed. */
uint64_t hash64_seeded(struct slice bytes, uint64_t seed);

/* CRC32C of the bytes, continuing `crc` (0 to begin). */
uint32_t hash_crc32c(uint32_t crc, struct slice bytes);

/* The partition of a series: hash64(series) mod count; count > 0. */
uint32_t hash_partition(struct slice series, uint32_t count);

/* chain_0 of a stream in a partition: XXH3(stream || partition as u32 LE). */
uint64_t hash_chain_start(const struct stream_id *stream, uint32_t partition);

/* chain_n = XXH3(chain_{n-1} as u64 LE || batch bytes). */
uint64_t hash_chain_next(uint64_t chain, struct slice batch);

/* What a fleet has in common, as one number: HASH_VERSION << 32 | partitions. Kept in
 * Redis as `cfg`, sent in every hello, named by every batch. */
static inline uint64_t hash_cfg(uint32_t partitions)
{
	return (uint64_t)HASH_VERSION << 32 | partitions;
}

#endif
