/*
 * source.h - a stream of sealed batches, as an agent would make them.
 *
 * Each batch counts one sample into each of some counters; the source numbers and chains
 * them. Bytes are kept until the source is released, so that any batch can be sent again.
 */
#ifndef TESTS_LIB_SOURCE_H
#define TESTS_LIB_SOURCE_H

#include "proto/batch.h"
#include "proto/frame.h"
#include "proto/hash.h"
#include "proto/state.h"

#include <stddef.h>
#include <stdint.h>

#define SOURCE_BATCHES 4096

struct source_group {
	const char *series;
	int64_t second;
};

struct source {
	struct stream_id id;
	uint32_t partitions;
	uint32_t partition;
	size_t count; /* batches made; the last has seq `count` */
	uint64_t chain[SOURCE_BATCHES + 1]; /* chain[n]: after batch n */
	uint8_t *bytes[SOURCE_BATCHES + 1];
	size_t size[SOURCE_BATCHES + 1];
};

/* A stream whose id is made of `name` (repeated), for one partition of a fleet. */
void source_init(struct source *s, uint8_t name, uint32_t partitions, uint32_t partition);

/* Frees its batches. */
void source_release(struct source *s);

/* Seals the next batch; returns its seq. */
uint64_t source_seal(struct source *s, const struct source_group *groups, size_t count);

/* source_seal of one group. */
uint64_t source_count(struct source *s, const char *series, int64_t second);

/* Batch seq as a frame; predecessor NULL: the chain inside the batch. */
struct frame_batch source_frame(const struct source *s, uint64_t seq,
				const struct stream_state *predecessor);

/* The stream's state after batch seq (> 0). */
struct stream_state source_state(const struct source *s, uint64_t seq);

#endif
