/*
 * spool.h - where sealed batches wait until they are stable.
 *
 *     append -> id      view(id) as often as needed      drop(id)
 *
 * A record is a sealed batch with what a later start needs to send it again: its stream, both
 * chains, how many samples. Records of all lanes are appended in the order of sealing and
 * dropped in any. The bytes never change. Bounded by max_bytes: whoever seals asks
 * spool_has_room first and otherwise lets the open table go on merging.
 *
 * Two kinds stand behind these functions: spool_memory.c, whose records die with the process, and
 * spool_disk.h, whose records a later start finds again. Not thread-safe.
 */
#ifndef AGENT_SPOOL_H
#define AGENT_SPOOL_H

#include "proto/hash.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spool;

struct spool_record {
	struct stream_id stream;
	uint32_t partition;
	uint32_t partitions; /* of the fleet it was sealed for */
	uint64_t seq;
	uint64_t chain_before;
	uint64_t chain_after;
	uint64_t samples;
	uint64_t samples_before; /* of all earlier batches of its stream and partition */
	uint64_t total;          /* samples that its process had sealed, with these */
	int64_t since_ms; /* unix: when the oldest of its samples may have been received */
};

/* An empty spool in memory of at most max_bytes. *out is the caller's: spool_free. 0, -ENOMEM. */
int spool_new(size_t max_bytes, struct spool **out) __attribute__((warn_unused_result));

/* Frees it; what is only in memory dies. NULL is allowed. */
void spool_free(struct spool *s);

/* Whether `bytes` more would be within max_bytes. */
bool spool_has_room(const struct spool *s, size_t bytes);

/* Appends a copy of the batch. *id names it until it is dropped. 0, -ENOMEM, ERR_SPOOL_FULL. */
int spool_append(struct spool *s, const struct spool_record *record, struct slice batch,
		 uint64_t *id) __attribute__((warn_unused_result));

/* The batch of a record, borrowed until the next call on the spool. 0; ERR_CHECKSUM when it
 * cannot be read back whole: it is then lost and must be dropped. */
int spool_view(struct spool *s, uint64_t id, struct slice *batch)
	__attribute__((warn_unused_result));

/* Forgets a record. */
void spool_drop(struct spool *s, uint64_t id);

/* How full it is, in quarters: 0 to 4. */
unsigned spool_quarters(const struct spool *s);

size_t spool_bytes(const struct spool *s);   /* held, with what a record itself costs */
size_t spool_records(const struct spool *s); /* held */

#endif
