/*
 * book.h - every batch that was sealed, and the reckoning at the end.
 *
 * A part of a batch is one sample in one hour of one series: a distribution's value that names the part,
 * and a counter's 1 beside it. Cells of exact distributions give every value back, so what was
 * lost and what was counted twice is seen part by part, in series that many batches share. Only cells
 * of partials that a manifest names are read; days that were made of hours must say the same as they. Parts of an hour that is too old or far ahead are never counted: they must be in
 * the sum of declared losses, once.
 */
#ifndef TESTS_SIM_BOOK_H
#define TESTS_SIM_BOOK_H

#include "proto/batch.h"
#include "proto/hash.h"
#include "proto/rkey.h"
#include "tests/lib/model_store.h"
#include "tests/sim/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOK_PARTS      3
#define BOOK_SERIES     3 /* a partition */
#define BOOK_PARTITIONS 4
#define BOOK_NAME_SIZE  16

struct book_part {
	int64_t second;
	uint32_t series;
	uint32_t counted;
	uint32_t in_day; /* counted in the day that was made of its hour */
	bool outside;    /* in an hour that cannot be written */
};

struct book_batch {
	uint32_t partition;
	struct stream_id stream;
	uint64_t seq;
	bool may_lose; /* its agent died while only its memory, or an unsynced file, had it */
	uint32_t part_count;
	struct book_part parts[BOOK_PARTS];
};

struct book {
	uint32_t partitions;
	int64_t floor_hour; /* the oldest that can be written */
	char series[BOOK_PARTITIONS][BOOK_SERIES][BOOK_NAME_SIZE];
	struct book_batch *batches;
	size_t count;
	size_t capacity;
	struct batch_writer writer;
	struct buf group;
};

struct book_result {
	uint64_t lost;    /* parts that must be counted and are not */
	uint64_t twice;   /* parts counted more than once, the times over */
	uint64_t doubted; /* batches that may be lost */
	uint64_t excused; /* parts of them that are */
	uint64_t torn;    /* batches counted in part */
	uint64_t wrong;   /* cells that are not what was sent, counters that disagree */
	uint64_t first_bad; /* a batch of the first three; count: none */
};

/* An empty book. */
void book_init(struct book *b, uint32_t partitions, int64_t floor_hour);

/* Frees it. */
void book_release(struct book *b);

/* Writes a new batch of the partition: seconds at about the agent's now, which is not the true one,
 * and up to 3 hours earlier. Returns its writer, valid until the next call; the batch is the book's
 * last one. */
const struct batch_writer *book_write(struct book *b, struct rng *rng, uint32_t partition,
				      int64_t now_second, int64_t true_second);

/* The agent that sealed it. */
static inline uint32_t book_agent(const struct book_batch *b)
{
	return b->stream.bytes[0] - 1u;
}

/* The batch was not sealed after all. */
void book_unwrite(struct book *b);

/* Compares all batches with all that the stores of the partitions count. */
struct book_result book_check(struct book *b, const struct model_store *stores,
			      const struct rkey_tags *tags);

#endif
