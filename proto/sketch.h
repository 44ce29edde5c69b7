/*
 * sketch.h - a distribution: exact while it can be, t-digest after (SKETCH.md).
 *
 * One structure for both: a sorted list of (value, weight, pure). While the number of
 * distinct values is within the limit (4,096 on a grid of at most one decimal, else
 * 1,024) it is the exact multiset, at any volume, and whether it is depends only on the
 * union of samples, not on the order of merging. Beyond, cells are merged by the
 * t-digest scale function, bounded as SKETCH.md states.
 *
 * Values are finite; -0 becomes +0. Weights are whole, total below 2^53. Memory grows
 * with what is held: an empty sketch is some 100 bytes, ten values some 300.
 * Functions on a sketch may reorganise it inside (sort, compress), never its meaning; a
 * sketch serves one thread at a time.
 */
#ifndef PROTO_SKETCH_H
#define PROTO_SKETCH_H

#include "proto/buf.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sketch;

/* An empty sketch, to be freed with sketch_free. NULL without memory. */
struct sketch *sketch_new(void);

/* Frees it. NULL is allowed. */
void sketch_free(struct sketch *s);

/* Adds weight samples of one value. weight > 0. 0; ERR_BAD_VALUE (not finite),
 * ERR_OUT_OF_RANGE (total weight would reach 2^53), -ENOMEM; then nothing changed. */
int sketch_add(struct sketch *s, double value, uint64_t weight)
	__attribute__((warn_unused_result));

/* Adds all of src to dst; src keeps its meaning. dst != src. As sketch_add; after
 * -ENOMEM dst may hold a part and must be thrown away. */
int sketch_merge(struct sketch *dst, struct sketch *src) __attribute__((warn_unused_result));

/* The value at rank q in 0..1: type 7 (order statistic h = q (n - 1), interpolated), so
 * the median of an even count is the mean of the two middle values. 0 when empty. */
double sketch_quantile(struct sketch *s, double q);

uint64_t sketch_count(const struct sketch *s); /* total weight */
double sketch_min(const struct sketch *s);     /* exact; 0 when empty */
double sketch_max(const struct sketch *s);     /* exact; 0 when empty */
double sketch_sum(struct sketch *s);           /* compensated; from the multiset while exact */
double sketch_mean(struct sketch *s);          /* sum / count; 0 when empty; finite even when
						* the sum is not */
double sketch_stddev(struct sketch *s);        /* population; 0 when empty */
bool sketch_exact(struct sketch *s);           /* whether it still is the multiset */
size_t sketch_memory(const struct sketch *s);  /* bytes held, the struct included */

/* The bound promised for the rank of any quantile asked of it: 0 while exact, the
 * README's figure otherwise. */
double sketch_rank_error(struct sketch *s);

/* Appends the encoding (SKETCH.md; no checksum of its own: the cell around it has one).
 * Equal multisets in exact form give equal bytes. 0, -ENOMEM, -ENOBUFS. */
int sketch_encode(struct sketch *s, struct buf *out) __attribute__((warn_unused_result));

/* Reads exactly one encoding. encode(decode(b)) == b, and nothing that encode would not
 * write is accepted. *out is the caller's. 0; ERR_TRUNCATED, ERR_TRAILING,
 * ERR_MALFORMED, ERR_VERSION, ERR_TOO_LARGE, -ENOMEM. */
int sketch_decode(struct slice bytes, struct sketch **out) __attribute__((warn_unused_result));

#endif
