/*
 * group.h - the samples of one (series, kind, second) as bytes (BATCH.md).
 *
 * A group is the unit inside a batch: `byte 0: codec | flags, [rate], [weight], values`.
 * It is one msgpack bin, because unpacking an array of doubles would cost 24 bytes an
 * element. A group keeps the multiset: folding equal values is lossless, so the codecs
 * are free to sort.
 *
 *     codec 0  float64 LE, as many as fit the bytes
 *     codec 1  decimal scale, then sorted zigzag-varint deltas with run counts
 *     codec 2  a distribution cell's sketch (only with `premerge`)
 *     codec 3  a gauge's second: last set value, deltas after it, min max sum count
 *     codec 4  set members as sorted 64-bit hashes
 *
 * Pure; encoders write into a buf, the reader allocates nothing (group_check does for
 * codec 2, to look into the sketch). What the encoders write, group_check accepts.
 */
#ifndef PROTO_GROUP_H
#define PROTO_GROUP_H

#include "proto/buf.h"
#include "proto/kind.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum group_codec {
	GROUP_FLOAT64 = 0,
	GROUP_DECIMAL = 1,
	GROUP_SKETCH = 2,
	GROUP_GAUGE = 3,
	GROUP_SET = 4,
};

/* The largest weight a group may declare: a rate of 2e-10. Larger ones are written as this,
 * because a batch that every relay refuses would stop its stream for good. */
#define GROUP_WEIGHT_MAX ((uint64_t)1 << 32)

/* The most samples one group may declare, so that sums of them never wrap. */
#define GROUP_SAMPLES_MAX ((uint64_t)1 << 53)

/* How values were sampled. rate 1 means not sampled. For a distribution every value of
 * the group stands for `weight` samples: the whole part of 1/rate that the agent's carry
 * chose before the seal (1 when not sampled). For a counter weight is 1 and each value
 * counts value / rate. */
struct group_sampling {
	double rate;
	uint64_t weight;
};

/* One second of one gauge at one agent, folded in order of arrival: a multiset would
 * forget which value came last. */
struct group_gauge {
	bool has_set;     /* an absolute value was set in this second */
	double last;      /* the last absolute value */
	double delta;     /* sum of the deltas after it (all of them when !has_set) */
	double min, max;  /* of the absolute values; 0 when !has_set */
	double sum;       /* of the absolute values */
	uint64_t sets;    /* how many absolute values */
	uint64_t samples; /* sets and deltas */
};

/* Appends the values of a distribution or counter; sorts them in place (-0 becomes +0);
 * picks the shorter of codecs 0 and 1. Equal multisets give equal bytes. count > 0, all
 * finite. 5-8 ns a value for whole numbers. Errors by buf_status(out). */
void group_put_values(struct buf *out, struct group_sampling sampling, double *values,
		      size_t count);

/* Appends one gauge second. Sums that have left the range of a double are written as its
 * end, because a reader takes finite numbers only. */
void group_put_gauge(struct buf *out, const struct group_gauge *gauge);

/* Appends set members' hashes (hash64 of the member); sorts and de-duplicates in place.
 * samples is how many members were sent before that. count > 0. */
void group_put_members(struct buf *out, uint64_t *hashes, size_t count, uint64_t samples);

/* Reads a group of codec 0 or 1 as runs of equal values, ascending for codec 1. */
struct group_reader {
	enum group_codec codec;
	struct group_sampling sampling;
	bool sampled;
	/* private */
	struct reader in;
	double scale;
	int64_t mantissa;
	uint64_t runs; /* of codec 1: still to come */
	bool first;
};

/* Opens the bytes of a group of a known kind and checks that the codec fits the kind.
 * 0; ERR_MALFORMED, ERR_UNKNOWN_TYPE (codec), ERR_TRUNCATED, ERR_OUT_OF_RANGE (rate). */
int group_open(struct group_reader *r, enum kind kind, struct slice bytes)
	__attribute__((warn_unused_result));

/* The next run of codec 0 or 1. 1 with *value and *run set, 0 at the end, ERR_MALFORMED,
 * ERR_TRUNCATED, ERR_BAD_VALUE (not finite). */
int group_next(struct group_reader *r, double *value, uint64_t *run)
	__attribute__((warn_unused_result));

/* The whole of a codec 3 group. 0, ERR_... */
int group_read_gauge(struct group_reader *r, struct group_gauge *out)
	__attribute__((warn_unused_result));

/* A codec 4 group: the hashes as little-endian bytes (8 each, strictly ascending), borrowed,
 * and the samples behind them. 0, ERR_... */
int group_read_members(struct group_reader *r, struct slice *hashes, uint64_t *samples)
	__attribute__((warn_unused_result));

/* A codec 2 group: the sketch's encoding (SKETCH.md), borrowed and not yet checked, and the
 * samples behind it. 0, ERR_... */
int group_read_sketch(struct group_reader *r, struct slice *sketch, uint64_t *samples)
	__attribute__((warn_unused_result));

/* Walks a whole group without keeping anything: what a relay does before it merges.
 * *samples is how many lines' samples it holds (received, not weighted). 0, ERR_... */
int group_check(enum kind kind, struct slice bytes, uint64_t *samples)
	__attribute__((warn_unused_result));

#endif
