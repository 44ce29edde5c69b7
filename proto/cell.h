/*
 * cell.h - what one series keeps of one hour.
 *
 * A cell is of one kind: a distribution keeps a sketch; a counter the sum of value/rate
 * and the number of samples; a gauge the last absolute value with its second (of equal
 * seconds the larger value), the deltas summed by second from that second on, and min,
 * max, sum and count of what was set; a set the 64-bit hashes of its members up to 1,024
 * (exact), then a HyperLogLog of 2^14 registers (0.81 %). A window is kept beside a
 * distribution: the last elements of it (window.h).
 *
 * Merging is commutative and associative in what it promises: count, min, max, counters
 * of whole numbers and exact multisets exactly; sums within 1e-12 relative.
 *
 * What a hostile sender can drive to the end of its range stays there instead of failing
 * half way: sums at +-DBL_MAX, samples at 2^64 - 1, a distribution's weight, as groups are
 * added, below 2^53.
 *
 * Encoding (CELL.md): version, kind, flags, body, CRC32C. Memory: a counter 40 bytes, a
 * gauge 112 and 24 a second that has deltas, a set 8 a member and then 12 KiB, a
 * distribution as sketch.h says, a window as window.h does. One thread at a time.
 */
#ifndef PROTO_CELL_H
#define PROTO_CELL_H

#include "proto/buf.h"
#include "proto/kind.h"
#include "proto/sketch.h"
#include "proto/slice.h"
#include "proto/window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cell;

/* An empty cell, to be freed with cell_free. NULL without memory. */
struct cell *cell_new(enum kind kind);

/* An empty window of the last `capacity` elements, 1 to WINDOW_MAX (which cell_new takes). As
 * above. */
struct cell *cell_new_window(uint32_t capacity);

/* Frees it. NULL is allowed. */
void cell_free(struct cell *c);

enum kind cell_kind(const struct cell *c); /* its kind */
size_t cell_memory(const struct cell *c);  /* bytes held, the struct included */
bool cell_sampled(const struct cell *c);   /* whether any sample came with a rate below 1 */
uint64_t cell_samples(const struct cell *c); /* samples received, not weighted */

/* Adds a group (group.h) of the cell's kind that group_check() has passed.
 * second_in_hour is 0..3599. 0; -ENOMEM, or ERR_... for what group_check() would have
 * refused: the cell must then be thrown away. */
int cell_add_group(struct cell *c, uint32_t second_in_hour, struct slice group)
	__attribute__((warn_unused_result));

/* Adds to a window the values of a distribution's group that group_check() has passed. draw names
 * the group: the same group of the same batch has the same everywhere (cell_window.h). As above. */
int cell_add_elements(struct cell *c, uint32_t second_in_hour, uint64_t draw, struct slice group)
	__attribute__((warn_unused_result));

/* Adds all of src, a cell of the same kind and hour, to dst. 0; -ENOMEM or ERR_OUT_OF_RANGE:
 * dst must then be thrown away. */
int cell_merge(struct cell *dst, struct cell *src) __attribute__((warn_unused_result));

/* Adds all of src, a cell of the same kind and of a later hour, to dst, which stands for some hours
 * before it: a day's cell is its hours' cells, in rising order. But for gauges (whose seconds are
 * seconds of an hour) the same as cell_merge, and so are the codes. A day has no windows. */
int cell_follow(struct cell *dst, struct cell *src) __attribute__((warn_unused_result));

/* Appends the encoding. 0, -ENOMEM, -ENOBUFS. */
int cell_encode(struct cell *c, struct buf *out) __attribute__((warn_unused_result));

/* Reads exactly one encoding; *out is the caller's. encode(decode(b)) == b. 0;
 * ERR_TRUNCATED, ERR_TRAILING, ERR_MALFORMED, ERR_VERSION, ERR_CHECKSUM, ERR_TOO_LARGE,
 * -ENOMEM. */
int cell_decode(struct slice bytes, struct cell **out) __attribute__((warn_unused_result));

/* The sketch of a distribution, borrowed. */
struct sketch *cell_sketch(struct cell *c);

/* The total of a counter: the sum of value / rate. */
double cell_counter_sum(const struct cell *c);

/* What a gauge knows of its hour. */
struct cell_gauge {
	bool has_last;          /* an absolute value was set in this hour */
	double last;            /* has_last: it and the deltas since; else the deltas' sum */
	uint32_t last_second;   /* of the last absolute value, in the hour */
	bool has_set;           /* min, max, sum and sets below mean something */
	double min, max, sum;
	uint64_t sets;
};

/* Reads a gauge. */
void cell_gauge(const struct cell *c, struct cell_gauge *out);

/* The number of distinct members of a set; *exact whether it is counted, not estimated. */
double cell_set_unique(const struct cell *c, bool *exact);

/* The elements of a window, whose seconds are those of the hour. Borrowed. */
const struct window *cell_window(const struct cell *c);

#endif
