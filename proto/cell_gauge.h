/*
 * cell_gauge.h - what a cell keeps of a gauge's hour.
 *
 * Several agents and relays may write one gauge, and their parts meet in any order. So the
 * state is made of things that have an order of their own:
 *
 *     last     the greatest (second, value) that was set: of one second the larger value
 *     deltas   their sum for each second from the last one's second on; what is earlier was
 *              overwritten by the set and is dropped; all of them while nothing was set
 *     min, max, sum and number of the values set
 *
 * Each part merges by a maximum, a minimum or a sum, so merging commutes and associates; the
 * sums are cell_number's. A delta in the second of the last set value counts:
 * within one agent and second the agent folded them in order of arrival, and
 * between agents nobody knows.
 *
 * Memory: 72 bytes and 24 for each second with a delta, 3,600 at most. The storage is
 * the caller's; its insides are allocated and freed by cell_gauge_release.
 */
#ifndef PROTO_CELL_GAUGE_H
#define PROTO_CELL_GAUGE_H

#include "proto/buf.h"
#include "proto/cell.h"
#include "proto/cell_number.h"
#include "proto/group.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cell_gauge_delta {
	uint32_t second; /* in the hour */
	struct cell_number sum;
};

/* All zero bytes is one in which nothing was set and nothing changed. */
struct cell_gauge_state {
	/* private */
	uint64_t sets; /* values set; last, min, max and sum mean something from 1 on */
	double last, min, max;
	struct cell_number sum;
	uint32_t last_second;
	uint32_t delta_count;
	uint32_t delta_capacity;
	struct cell_gauge_delta *deltas; /* by second */
};

/* Frees the insides and makes it empty. */
void cell_gauge_release(struct cell_gauge_state *g);

/* Folds in what one agent saw in a second (0..3599). Numbers that contradict each other
 * (min above last, no room for them in `sets`) are put right, for a hostile group must not
 * make a cell that cannot be read back. 0; ERR_BAD_VALUE (not finite), -ENOMEM; then
 * nothing changed. */
int cell_gauge_add(struct cell_gauge_state *g, uint32_t second, const struct group_gauge *group)
	__attribute__((warn_unused_result));

/* Folds src into dst. 0; -ENOMEM: dst may hold a part of it. */
int cell_gauge_merge(struct cell_gauge_state *dst, const struct cell_gauge_state *src)
	__attribute__((warn_unused_result));

/* Folds src, a later hour, into dst, which stands for the hours before it: the last value set in
 * the latest hour, and all changes since as one, in second 3599. Seconds of different hours
 * have no order, so cell_gauge_merge cannot do this. 0; -ENOMEM, and nothing changed. */
int cell_gauge_follow(struct cell_gauge_state *dst, const struct cell_gauge_state *src)
	__attribute__((warn_unused_result));

/* What it says to readers. */
void cell_gauge_read(const struct cell_gauge_state *g, struct cell_gauge *out);

/* How many values were set. */
uint64_t cell_gauge_sets(const struct cell_gauge_state *g);

/* Whether nothing is left in it: nothing set, no delta but zeros. */
bool cell_gauge_is_blank(const struct cell_gauge_state *g);

/* Bytes held, without the struct. */
size_t cell_gauge_memory(const struct cell_gauge_state *g);

/* Appends the body (CELL.md). Errors by buf_status(out). */
void cell_gauge_put(const struct cell_gauge_state *g, struct buf *out);

/* Reads a body into an empty state, which must be released in any case. 0; ERR_MALFORMED
 * (all that cell_gauge_put would not write), -ENOMEM. */
int cell_gauge_get(struct reader *in, struct cell_gauge_state *g)
	__attribute__((warn_unused_result));

#endif
