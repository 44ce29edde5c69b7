/*
 * spool_case.h - what the tests of the spool on disk have in common: batches that are told apart
 * by their number, with chains as an outbox would make them.
 */
#ifndef TESTS_UNIT_AGENT_SPOOL_CASE_H
#define TESTS_UNIT_AGENT_SPOOL_CASE_H

#include "agent/spool.h"
#include "agent/spool_segment.h"
#include "proto/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define CASE_BATCH_MAX 4096

/* One lane that is being sealed. */
struct spool_case {
	struct stream_id stream;
	uint64_t seq, chain, samples, total;
	uint8_t batch[CASE_BATCH_MAX];
	size_t batch_size;
	struct spool_record record;
};

static inline void case_begin(struct spool_case *c, uint8_t incarnation)
{
	*c = (struct spool_case){ .seq = 0 };
	memset(c->stream.bytes, 0xa5, sizeof(c->stream.bytes));
	c->stream.bytes[STREAM_ID_BYTES - 1] = incarnation;
	c->chain = hash_chain_start(&c->stream, 0);
}

/* The bytes of batch `seq` of an incarnation. */
static inline struct slice case_batch(struct spool_case *c, uint64_t seq, size_t size)
{
	c->batch_size = size;
	for (size_t i = 0; i < size; i++)
		c->batch[i] = (uint8_t)(seq * 31 + i * 7 + c->stream.bytes[STREAM_ID_BYTES - 1]);
	return slice_of(c->batch, size);
}

/* The next batch of the lane, of `seq` samples, and its record. */
static inline struct slice case_next(struct spool_case *c, size_t size)
{
	struct slice batch = case_batch(c, ++c->seq, size);

	c->record = (struct spool_record){ .stream = c->stream, .partitions = 4, .seq = c->seq,
					   .chain_before = c->chain, .samples = c->seq,
					   .samples_before = c->samples, .since_ms = 1000,
					   .total = c->total + c->seq };
	c->chain = c->record.chain_after = hash_chain_next(c->chain, batch);
	c->samples += c->seq;
	c->total += c->seq;
	return batch;
}

#endif
