/*
 * cell_set.h - what a cell keeps of a set's hour: its members' hashes.
 *
 * Up to 1,024 distinct hashes are kept as they are, sorted: their number is exact. The
 * 1,025th turns them into a HyperLogLog (hll.h), which estimates. Which of the two it is
 * depends on the union alone, never on the order of adding or merging; and since
 * a HyperLogLog only remembers maxima, one made from the same members is the same to
 * the bit, whenever it was made.
 *
 * Memory: 8 bytes a member, then 12 KiB. The storage is the caller's; its insides are
 * allocated and freed by cell_set_release.
 */
#ifndef PROTO_CELL_SET_H
#define PROTO_CELL_SET_H

#include "proto/buf.h"
#include "proto/hll.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CELL_SET_EXACT 1024

/* All zero bytes is an empty one. */
struct cell_set {
	/* private */
	uint64_t *hashes; /* sorted, distinct; NULL once there is an hll */
	uint32_t count;
	uint32_t capacity;
	struct hll *hll; /* NULL while exact */
};

/* Frees the insides and makes it empty. */
void cell_set_release(struct cell_set *s);

/* Adds hashes given as 8 little-endian bytes each, strictly ascending (a codec 4 group's).
 * 0; -ENOMEM: nothing changed. */
int cell_set_add(struct cell_set *s, struct slice hashes) __attribute__((warn_unused_result));

/* Adds all of src to dst. 0; -ENOMEM: dst is unchanged. */
int cell_set_merge(struct cell_set *dst, const struct cell_set *src)
	__attribute__((warn_unused_result));

/* The number of distinct members; *exact whether it is that, or an estimate. An estimate is
 * whole, and never below 1,025, which is known. */
double cell_set_count(const struct cell_set *s, bool *exact);

/* The number of members that there must be at the least. */
uint64_t cell_set_floor(const struct cell_set *s);

/* Bytes held, without the struct. */
size_t cell_set_memory(const struct cell_set *s);

/* Appends the body (CELL.md). Errors by buf_status(out). */
void cell_set_put(const struct cell_set *s, struct buf *out);

/* Reads a body into an empty set, which must be released in any case. 0; ERR_MALFORMED (all
 * that cell_set_put would not write), -ENOMEM. */
int cell_set_get(struct reader *in, struct cell_set *s) __attribute__((warn_unused_result));

#endif
