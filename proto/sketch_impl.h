/*
 * sketch_impl.h - the inside of a sketch, for sketch*.c alone.
 *
 * A sketch is in one of two forms and goes from the first to the second, never back:
 *
 *     exact    cells: one per distinct value, all pure. The first `sorted` of them are
 *              in order, the rest as they came. index: a hash of values to cells, there
 *              once more than SKETCH_SCAN cells are, void after a sort.
 *     digest   cells: sorted, compressed for SKETCH_LIVE; pending: samples that are not
 *              yet merged in. moments and weight_merged speak of cells alone.
 *
 * total always speaks of all samples; min, max and grid do but for those that are pending.
 * Which module does what:
 * sketch (the public face), _exact and _digest (the forms), _rank (quantiles), _moments
 * (sum and second moment), _grid (decimals and keys), _sort, _wire (bytes).
 */
#ifndef PROTO_SKETCH_IMPL_H
#define PROTO_SKETCH_IMPL_H

#include "proto/sketch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Distinct values an exact sketch may hold, on a grid of at most one decimal and else. */
#define SKETCH_EXACT_COARSE 4096
#define SKETCH_EXACT_FINE   1024

/* The t-digest's M at encode, and in memory: two levels, as in Dunning's MergingDigest.
 * A pass leaves fewer than 2 M cells but for heavy atoms; with those it is repeated with
 * a smaller M until they are no more than that. */
#define SKETCH_STORED       128
#define SKETCH_LIVE         (2 * SKETCH_STORED)
#define SKETCH_STORED_CELLS (2 * SKETCH_STORED)
#define SKETCH_LIVE_CELLS   (2 * SKETCH_LIVE)

#define SKETCH_PENDING_FIRST 64
#define SKETCH_PENDING       1024

/* Cells from which on an exact sketch is merged into a digest by a pass of its own: they are in
 * order already, which costs less than to wait among others and be sorted with them. */
#define SKETCH_MERGE_PASS 512

/* Below 2^53 a double counts exactly. */
#define SKETCH_TOTAL_LIMIT (UINT64_C(1) << 53)

/* Up to so many cells a scan is quicker than a hash. */
#define SKETCH_SCAN 16

/* Decimals a grid may have, and "no grid". */
#define SKETCH_GRID_MAX  9
#define SKETCH_GRID_NONE 15

/* Set in a weight: the samples are not all equal, the value is their mean. */
#define SKETCH_MIXED (UINT64_C(1) << 63)

struct sketch_cell {
	double value;
	uint64_t weight; /* samples, and SKETCH_MIXED */
};

/* Sum (with what rounding lost) and second moment about the mean, of value x unit. */
struct sketch_moments {
	double sum;
	double lost;
	double second;
	double unit; /* a power of two */
	uint64_t weight;
};

struct sketch {
	struct sketch_cell *cells;
	struct sketch_cell *pending;
	uint16_t *index; /* place of a cell + 1; 0: free */
	uint32_t count, capacity;
	uint32_t pending_count, pending_capacity;
	uint32_t index_size; /* a power of two, or 0 */
	uint32_t sorted;
	bool indexed; /* index speaks of all cells */
	bool digest;
	bool settled; /* cells are as an encoding had them: do not compress them again */
	uint8_t grid;
	uint64_t total;
	double min, max;
	struct sketch_moments moments;
};

static inline uint64_t sketch_weight(const struct sketch_cell *c)
{
	return c->weight & ~SKETCH_MIXED;
}

static inline bool sketch_mixed(const struct sketch_cell *c)
{
	return (c->weight & SKETCH_MIXED) != 0;
}

static inline uint64_t sketch_bits(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* An order-preserving integer of a finite double and back: 2^63 plus or minus the bits of
 * its magnitude, so both zeros are 2^63. */
static inline uint64_t sketch_key(double value)
{
	uint64_t bits = sketch_bits(value), negative = (uint64_t)((int64_t)bits >> 63);

	return (((bits & INT64_MAX) ^ negative) - negative) + (UINT64_C(1) << 63);
}

static inline double sketch_key_value(uint64_t key)
{
	uint64_t bits = key - (UINT64_C(1) << 63);
	uint64_t negative = (uint64_t)((int64_t)bits >> 63);
	double value;

	bits = ((bits ^ negative) - negative) | (negative & UINT64_C(1) << 63);
	memcpy(&value, &bits, sizeof(value));
	return value;
}

/* The order of cells: by value, pure before mixed, light before heavy. Total, so that a
 * merge does not depend on which side a cell came from. */
static inline bool sketch_before(const struct sketch_cell *a, const struct sketch_cell *b)
{
	return a->value < b->value || (a->value == b->value && a->weight < b->weight);
}

/* ---- sketch_grid.c ---- */

/* The smallest grid >= grid that holds value: 10^-grid, or SKETCH_GRID_NONE. */
uint8_t sketch_grid_join(uint8_t grid, double value);

/* grid, or SKETCH_GRID_NONE when a magnitude as large is out of its range. min <= max. */
uint8_t sketch_grid_fit(uint8_t grid, double min, double max);

/* Whether no smaller grid holds all cells of an exact sketch: they lie on this one, or it is
 * SKETCH_GRID_NONE. min and max are known. */
bool sketch_grid_least(const struct sketch *s, uint8_t grid);

int64_t sketch_grid_steps(uint8_t grid, double value);  /* the nearest value x 10^grid */
double sketch_grid_value(uint8_t grid, int64_t steps);  /* steps / 10^grid */
double sketch_grid_round(uint8_t grid, double value);   /* to the grid; as it is without */

/* ---- sketch_sort.c ---- */

/* Sorts pure cells by value. scratch has room for as many; without it (NULL) it takes longer. */
void sketch_sort(struct sketch_cell *cells, size_t count, struct sketch_cell *scratch);

/* ---- sketch_moments.c ---- */

/* The unit for values within min..max: keeps sums and squares inside a double's range. */
double sketch_moments_unit(double min, double max);

/* Of pure cells, which weigh so much together. They should come in order for equal multisets to
 * give equal results. */
struct sketch_moments sketch_moments_of(const struct sketch_cell *cells, size_t count,
					uint64_t weight, double unit);

/* Of the union (Chan); the result has the given unit. */
struct sketch_moments sketch_moments_join(struct sketch_moments a, struct sketch_moments b,
					  double unit);

/* ---- sketch_exact.c ---- */

/* Where the search for a value begins. */
static inline size_t sketch_exact_slot(const struct sketch *s, double value)
{
	uint64_t bits = sketch_bits(value);

	/* Whole numbers have nothing in their low half: fold the high one in. */
	bits = (bits ^ bits >> 32) * UINT64_C(0x9E3779B97F4A7C15);
	return (size_t)(bits >> 32) & (s->index_size - 1);
}

/* The place of a value's cell + 1 by the index, which there must be, or 0. Bits are compared,
 * not doubles: a value in a sketch has only one spelling, and it is a jump less. */
static inline size_t sketch_exact_look_up(const struct sketch *s, double value)
{
	size_t slot = sketch_exact_slot(s, value), place;

	while ((place = s->index[slot]) != 0) {
		if (sketch_bits(s->cells[place - 1].value) == sketch_bits(value))
			break;
		slot = (slot + 1) & (s->index_size - 1);
	}
	return place;
}

/* The cell of a value, or NULL; builds the index when it is missing and memory allows. */
struct sketch_cell *sketch_exact_find(struct sketch *s, double value);

/* Makes room for one more cell. 0, -ENOMEM. */
int sketch_exact_reserve(struct sketch *s) __attribute__((warn_unused_result));

/* Adds a value that find did not find, after reserve. Keeps total, min, max, grid. */
void sketch_exact_append(struct sketch *s, double value, uint64_t weight);

/* Puts cells in order. */
void sketch_exact_sort(struct sketch *s);

/* How many distinct values on a grid the exact form may have. */
static inline uint32_t sketch_exact_limit(uint8_t grid)
{
	return grid <= 1 ? SKETCH_EXACT_COARSE : SKETCH_EXACT_FINE;
}

/* ---- sketch_digest.c ---- */

/* Makes an exact sketch a digest. */
void sketch_digest_begin(struct sketch *s);

/* Makes room for one more pending sample. 0, -ENOMEM. */
int sketch_digest_reserve(struct sketch *s) __attribute__((warn_unused_result));

/* Merges what is pending into the cells. */
void sketch_digest_flush(struct sketch *s);

/* Merges src into dst, of which one at least is a digest. 0, -ENOMEM. */
int sketch_digest_merge(struct sketch *dst, struct sketch *src)
	__attribute__((warn_unused_result));

/* Compresses sorted cells in place for M = scale and leaves at most max_cells (< 2 M).
 * Returns how many. total is their weight. */
size_t sketch_digest_compress(struct sketch_cell *cells, size_t count, uint64_t total,
			      unsigned scale, size_t max_cells);

/* ---- sketch.c ---- */

/* Puts everything in order: an exact form sorted, a digest without pending samples. */
void sketch_settle(struct sketch *s);

/* Sum and second moment of all samples. */
struct sketch_moments sketch_moments_all(struct sketch *s);

#endif
