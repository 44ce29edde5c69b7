/*
 * seal.h - a table becomes batches.
 *
 *     table -> groups sorted by (partition, second, series, kind, rate) -> batches
 *
 * A batch holds at most LIMIT_BATCH_SERIES series and LIMIT_BATCH_BYTES; a group too large for
 * one is split, which is lossless because a group is a multiset. The order is the same for the
 * same content, however the table was filled. Number and chain of a batch are not the seal's
 * business: it hands a filled batch_writer on (agent/outbox.h). Pure; the loop's thread.
 * Scratch memory is kept: 128 KiB and 8 bytes a group of the largest table yet.
 */
#ifndef AGENT_SEAL_H
#define AGENT_SEAL_H

#include "agent/table.h"
#include "proto/batch.h"
#include "proto/buf.h"

#include <stddef.h>
#include <stdint.h>

#define SEAL_PIECE_VALUES 16384 /* of a group: 128 KiB as float64, half a batch */

struct seal_counts {
	uint64_t batches;
	uint64_t samples;  /* users' samples handed on */
	uint64_t lost;     /* those for which there was no memory */
	uint64_t own;      /* samples of the agent's own counters, handed on */
	uint64_t own_lost;
};

/* Called with each batch; the writer is valid for the call. samples are the users' in it, while the
 * batch's header counts the agent's own too. Returns 0, or a negative error: then they are
 * lost. */
typedef int (*seal_emit_fn)(void *arg, uint32_t partition, const struct batch_writer *w,
			    uint64_t samples);

struct seal {
	/* private */
	void *values; /* doubles or hashes of the piece being collected */
	size_t value_count;
	struct table_group **groups;
	size_t groups_capacity;
	struct buf bytes; /* of one group */
	struct batch_writer writer;
	uint32_t mark;
	size_t series;    /* distinct ones in the writer */
	uint64_t samples; /* in the writer: users' */
	uint64_t own;     /* in the writer: the agent's */
	uint32_t partition;
	seal_emit_fn emit;
	void *arg;
	struct seal_counts counts;
};

/* Readies it. 0, -ENOMEM. */
int seal_init(struct seal *s) __attribute__((warn_unused_result));

/* Frees its memory. */
void seal_release(struct seal *s);

/* Hands all of a table on in batches of `partitions`. The table's content is used up (values are
 * sorted in place); the caller resets it. */
struct seal_counts seal_run(struct seal *s, struct table *t, uint32_t partitions,
			    seal_emit_fn emit, void *arg);

#endif
