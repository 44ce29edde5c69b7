/*
 * batch.h - a sealed batch: the unit of delivery (BATCH.md).
 *
 *     [version, cfg, partition, seq, chain before, base second, samples,
 *      [[kind, series, second - base, bin] ...]]            one msgpack array
 *
 * Its bytes never change once sealed: the chain of its stream hashes them. The writer
 * collects groups and writes the header when it knows the counts; the reader walks
 * untrusted bytes with a bounded check before msgpack-c sees them, and then checks every
 * group, so that a batch is merged whole or refused whole.
 */
#ifndef PROTO_BATCH_H
#define PROTO_BATCH_H

#include "proto/buf.h"
#include "proto/hash.h"
#include "proto/kind.h"
#include "proto/limits.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BATCH_VERSION 1

struct batch_header {
	uint64_t cfg;          /* hash_cfg of the fleet */
	uint32_t partition;
	uint64_t seq;          /* 1, 2, 3... in its stream and partition */
	uint64_t chain_before; /* chain_{seq-1} */
	int64_t base_second;   /* the smallest second of its groups, unix */
	uint64_t samples;      /* received samples it holds, not weighted */
};

struct batch_group {
	enum kind kind;
	struct slice series; /* borrowed */
	int64_t second;      /* unix */
	struct slice bytes;  /* group.h; borrowed */
};

struct batch_writer {
	/* private */
	struct buf groups;
	uint32_t group_count;
	int64_t base_second;
	uint64_t samples;
};

/* An empty writer whose seconds count from base_second. */
void batch_writer_init(struct batch_writer *w, int64_t base_second);

/* Frees what it holds. */
void batch_writer_release(struct batch_writer *w);

/* Empties it, keeping its storage. */
void batch_writer_reset(struct batch_writer *w, int64_t base_second);

/* Whether a group of `bytes` more would still leave a batch within LIMIT_BATCH_BYTES
 * and LIMIT_BATCH_GROUPS. (Distinct series are the caller's to count.) */
bool batch_writer_fits(const struct batch_writer *w, struct slice series, size_t bytes);

/* Adds a group. 0 <= base_second <= second; samples > 0: received samples in it. The caller
 * asked batch_writer_fits, and splits a group that would fit no batch. Errors by
 * batch_finish. */
void batch_writer_add(struct batch_writer *w, const struct batch_group *group, uint64_t samples);

uint32_t batch_writer_groups(const struct batch_writer *w); /* groups added so far */

/* Appends the sealed batch (at least one group) to out. header's base_second and samples
 * are taken from the writer. 0; -ENOMEM, -ENOBUFS (over a limit, or out's ceiling). */
int batch_finish(const struct batch_writer *w, const struct batch_header *header, struct buf *out)
	__attribute__((warn_unused_result));

/* A batch read back: header, and groups that borrow from the bytes. */
struct batch {
	struct batch_header header;
	struct batch_group *groups; /* owned */
	size_t group_count;
};

/* Reads and checks a whole batch: bounds first, then the schema, then every group, that
 * each series is canonical and belongs to the partition (of `partitions`), and that the sum
 * of samples is the header's. A (kind, series, second) may come twice: a sampled series has a
 * group a rate, a large group may be split. Distinct series are not counted again: that
 * limit is the sender's, and LIMIT_BATCH_GROUPS bounds the work here. Costs up to 168 bytes a
 * group while it reads and 48 after. *out is the caller's and borrows from bytes. 0;
 * ERR_TRUNCATED, ERR_TRAILING, ERR_MALFORMED, ERR_TOO_LARGE, ERR_TOO_DEEP,
 * ERR_OUT_OF_RANGE, ERR_VERSION, ERR_FOREIGN_CONFIG (cfg, partition), ERR_UNKNOWN_TYPE
 * (kind, codec), what series_parse, group_check and sketch_decode say, -ENOMEM. */
int batch_decode(struct slice bytes, uint32_t partitions, struct batch *out)
	__attribute__((warn_unused_result));

/* Reads only the header, with the same bounds, but looks into no group; does not know P
 * either, so cfg and partition are the caller's to compare. 0, ERR_..., -ENOMEM. */
int batch_peek(struct slice bytes, struct batch_header *out) __attribute__((warn_unused_result));

/* Frees the groups. */
void batch_release(struct batch *b);

#endif
