// SPDX-License-Identifier: Apache-2.0
/*
 * A sketch as bytes: SKETCH.md, "Encoding", has the layout. Encoder and decoder are written
 * as pairs, in the order of the bytes.
 *
 * What makes encode(decode(b)) == b: every number has one code, a grid and a divisor are
 * only accepted when they are the ones the encoder would have found, and the cells of a
 * decoded digest are written as they are, not compressed once more.
 */
#include "proto/sketch_impl.h"

#include "proto/bits.h"
#include "proto/err.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#define WIRE_VERSION 1

/* The flags' byte: two bits, two reserved, the grid. */
#define WIRE_DIGEST     0x01
#define WIRE_ATOMS      0x02 /* a digest with a pure cell of weight 2 or more */
#define WIRE_RESERVED   0x0c
#define WIRE_GRID_SHIFT 4

/* Digest values keep so many bits of the range of keys. */
#define WIRE_KEY_BITS 24

/* A cell takes at least a bit of value and a bit of weight. */
#define WIRE_CELLS_PER_BYTE 4

/* ---- keys ---- */

/* Steps of the grid when there is one, else the order-preserving integer of the bits. */
static uint64_t wire_key(uint8_t grid, double value)
{
	if (grid == SKETCH_GRID_NONE)
		return sketch_key(value);
	return (uint64_t)sketch_grid_steps(grid, value) ^ UINT64_C(1) << 63;
}

static double wire_value(uint8_t grid, uint64_t key)
{
	if (grid == SKETCH_GRID_NONE)
		return sketch_key_value(key);
	return sketch_grid_value(grid, (int64_t)(key ^ UINT64_C(1) << 63));
}

static uint64_t wire_gcd(uint64_t a, uint64_t b)
{
	while (b != 0) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* ---- exact form ---- */

struct wire_contexts {
	struct bits_context value;
	struct bits_context weight;
};

/* The largest number all distances between neighbours are multiples of. */
static uint64_t wire_divisor(const struct sketch *s)
{
	uint64_t divisor = 0, previous = wire_key(s->grid, s->cells[0].value);

	for (size_t i = 1; i < s->count && divisor != 1; i++) {
		uint64_t key = wire_key(s->grid, s->cells[i].value);

		divisor = wire_gcd(key - previous, divisor);
		previous = key;
	}
	return divisor;
}

static void wire_put_exact(const struct sketch *s, struct bits_writer *w)
{
	struct wire_contexts c = { { 0 }, { 0 } };
	struct bits_context alone = { 0 };
	uint64_t divisor, previous;

	if (s->count == 0)
		return;
	divisor = wire_divisor(s);
	previous = wire_key(s->grid, s->cells[0].value);
	if (s->grid == SKETCH_GRID_NONE)
		bits_put(w, previous, 64);
	else
		bits_put_number(w, &alone, zigzag_encode((int64_t)(previous ^ UINT64_C(1) << 63)));
	if (s->count > 1)
		bits_put_number(w, &alone, divisor - 1);
	for (size_t i = 0; i < s->count; i++) {
		uint64_t key = wire_key(s->grid, s->cells[i].value);

		if (i > 0)
			bits_put_number(w, &c.value, (key - previous) / divisor - 1);
		bits_put_number(w, &c.weight, s->cells[i].weight - 1);
		previous = key;
	}
}

/* Whether a key is one that wire_key gives: of a finite value, within the grid. */
static bool wire_key_valid(uint8_t grid, uint64_t key)
{
	if (grid != SKETCH_GRID_NONE) {
		double value = wire_value(grid, key);

		return sketch_grid_fit(grid, value, value) == grid;
	}
	return key >= sketch_key(-DBL_MAX) && key <= sketch_key(DBL_MAX);
}

/* Adds a decoded weight to the total; false when it is out of range. */
static bool wire_count(struct sketch *s, uint64_t weight)
{
	if (weight >= SKETCH_TOTAL_LIMIT - s->total)
		return false;
	s->total += weight;
	return true;
}

static uint64_t wire_get_first_key(struct bits_reader *r, uint8_t grid, struct bits_context *alone)
{
	if (grid == SKETCH_GRID_NONE)
		return bits_get(r, 64);
	return (uint64_t)zigzag_decode(bits_get_number(r, alone)) ^ UINT64_C(1) << 63;
}

/* The next key, or one that is refused: 0 is no key of a finite value or of a grid. */
static uint64_t wire_next_key(uint64_t key, uint64_t steps, uint64_t divisor)
{
	uint64_t away;

	if (steps == UINT64_MAX || __builtin_mul_overflow(steps + 1, divisor, &away) ||
	    __builtin_add_overflow(key, away, &key))
		return 0;
	return key;
}

/* Makes s of the cells it was given, first to last key. */
static int wire_close_exact(struct sketch *s, uint8_t grid, uint64_t first, uint64_t last)
{
	s->count = s->sorted = s->capacity;
	s->min = s->cells[0].value;
	s->max = s->cells[s->count - 1].value;
	s->grid = grid;
	if (!wire_key_valid(grid, first) || !wire_key_valid(grid, last) ||
	    !sketch_grid_least(s, grid))
		return ERR_MALFORMED;
	return 0;
}

static int wire_get_exact(struct sketch *s, struct bits_reader *r, uint8_t grid)
{
	struct wire_contexts c = { { 0 }, { 0 } };
	struct bits_context alone = { 0 };
	uint64_t first = wire_get_first_key(r, grid, &alone), key = first;
	uint64_t divisor = s->capacity > 1 ? bits_get_number(r, &alone) + 1 : 0;
	uint64_t common = 0;

	for (uint32_t i = 0; i < s->capacity; i++) {
		uint64_t steps = i > 0 ? bits_get_number(r, &c.value) : 0;
		uint64_t weight = bits_get_number(r, &c.weight) + 1;

		if (i > 0) {
			key = wire_next_key(key, steps, divisor);
			common = common == 1 ? 1 : wire_gcd(steps + 1, common);
		}
		if (r->failed)
			return bits_finish(r);
		if (key == 0 || !wire_count(s, weight))
			return ERR_MALFORMED;
		s->cells[i] = (struct sketch_cell){ wire_value(grid, key), weight };
	}
	if ((s->capacity > 1 && common != 1) || wire_close_exact(s, grid, first, key) != 0)
		return ERR_MALFORMED;
	return bits_finish(r);
}

/* ---- digest form ---- */

/* How keys are quantised: key = low + (part << shift), and the last part is `high` itself,
 * so that minimum and maximum come back as they were. Steps of the grid are the keys where
 * all of them are within 2^24 (nothing is lost then); else bit patterns are, whose error is
 * relative, so that the small ones survive beside the large. */
struct wire_scale {
	uint8_t grid; /* of keys */
	uint8_t round; /* of the data */
	uint64_t low, high;
	unsigned shift;
	uint64_t last;
};

static struct wire_scale wire_scale_of(uint8_t grid, double min, double max)
{
	struct wire_scale q = { .grid = grid, .round = grid };
	uint64_t range, half;

	if (grid != SKETCH_GRID_NONE &&
	    (wire_key(grid, max) - wire_key(grid, min)) >> WIRE_KEY_BITS)
		q.grid = SKETCH_GRID_NONE;
	q.low = wire_key(q.grid, min);
	q.high = wire_key(q.grid, max);
	range = q.high - q.low;
	while (range >> q.shift >> WIRE_KEY_BITS)
		q.shift++;
	half = (UINT64_C(1) << q.shift) / 2;
	q.last = (range + half) >> q.shift;
	return q;
}

static uint64_t wire_part(const struct wire_scale *q, double value)
{
	return (wire_key(q->grid, value) - q->low + (UINT64_C(1) << q->shift) / 2) >> q->shift;
}

/* The value of a part, of which it is the part again. A single sample lies on the grid of
 * the data, so it is put there, but where that would be in another part. */
static double wire_part_value(const struct wire_scale *q, uint64_t part, bool single)
{
	uint64_t key = part == q->last ? q->high : q->low + (part << q->shift);
	double value = wire_value(q->grid, key), rounded;

	if (!single)
		return value;
	rounded = sketch_grid_round(q->round, value);
	return wire_part(q, rounded) == part ? rounded : value;
}

/* An atom keeps its whole key: what the part leaves over is stored too. */
static bool wire_atom(const struct sketch_cell *c)
{
	return c->weight > 1 && !sketch_mixed(c);
}

/* Gives cells the values they will have when decoded, in that order. Only cells within the
 * same 2^-24 of the range ever change places. Returns whether there are atoms. */
static bool wire_quantise(const struct wire_scale *q, struct sketch_cell *cells, size_t count)
{
	bool atoms = false;

	for (size_t i = 0; i < count; i++) {
		struct sketch_cell cell = cells[i];
		size_t at = i;

		if (wire_atom(&cell))
			atoms = true;
		else
			cell.value = wire_part_value(q, wire_part(q, cell.value), cell.weight == 1);
		for (; at > 0 && sketch_before(&cell, &cells[at - 1]); at--)
			cells[at] = cells[at - 1];
		cells[at] = cell;
	}
	return atoms;
}

/* What the part of an atom leaves over, from half a part below it on. */
static uint64_t wire_rest(const struct wire_scale *q, double value, uint64_t part)
{
	uint64_t half = (UINT64_C(1) << q->shift) / 2;

	return wire_key(q->grid, value) - q->low + half - (part << q->shift);
}

static double wire_rest_value(const struct wire_scale *q, uint64_t part, uint64_t rest)
{
	uint64_t half = (UINT64_C(1) << q->shift) / 2;

	return wire_value(q->grid, q->low + (part << q->shift) + rest - half);
}

static void wire_put_cells(const struct wire_scale *q, const struct sketch_cell *cells,
			   size_t count, bool atoms, struct bits_writer *w)
{
	struct wire_contexts c = { { 0 }, { 0 } };
	uint64_t previous = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t part = wire_part(q, cells[i].value);

		bits_put_number(w, &c.value, part - previous);
		bits_put_number(w, &c.weight, sketch_weight(&cells[i]) - 1);
		if (atoms && sketch_weight(&cells[i]) > 1)
			bits_put(w, sketch_mixed(&cells[i]), 1);
		if (wire_atom(&cells[i]))
			bits_put(w, wire_rest(q, cells[i].value, part), q->shift);
		previous = part;
	}
}

struct wire_digest_reader {
	struct bits_reader *bits;
	struct wire_scale scale;
	struct wire_contexts contexts;
	bool atoms; /* purity is stored */
	bool found; /* an atom was read */
	uint64_t part;
};

/* Reads a cell; false when it cannot be one. A failed read shows in bits. */
static bool wire_get_cell(struct wire_digest_reader *d, const struct sketch *s,
			  struct sketch_cell *cell)
{
	const struct wire_scale *q = &d->scale;
	uint64_t steps = bits_get_number(d->bits, &d->contexts.value);
	uint64_t weight = bits_get_number(d->bits, &d->contexts.weight) + 1;
	bool mixed = weight > 1 && (!d->atoms || bits_get(d->bits, 1));

	if (steps > q->last - d->part || weight >= SKETCH_TOTAL_LIMIT)
		return false;
	d->part += steps;
	cell->weight = weight | (mixed ? SKETCH_MIXED : 0);
	if (!wire_atom(cell)) {
		cell->value = wire_part_value(q, d->part, weight == 1);
		return true;
	}
	d->found = true;
	cell->value = wire_rest_value(q, d->part, bits_get(d->bits, q->shift));
	return cell->value >= s->min && cell->value <= s->max;
}

static int wire_get_cells(struct sketch *s, struct wire_digest_reader *d)
{
	for (; s->count < s->capacity; s->count++) {
		struct sketch_cell *cell = &s->cells[s->count];
		bool good = wire_get_cell(d, s, cell);

		if (d->bits->failed)
			return bits_finish(d->bits);
		if (!good || !wire_count(s, sketch_weight(cell)))
			return ERR_MALFORMED;
		if (s->count > 0 && sketch_before(cell, cell - 1))
			return ERR_MALFORMED;
	}
	if (d->found != d->atoms || s->total <= sketch_exact_limit(s->grid))
		return ERR_MALFORMED;
	return bits_finish(d->bits);
}

/* Whether sum and second moment can be those of total values within min..max. */
static bool wire_moments_valid(const struct sketch *s, double sum, double second)
{
	double unit = sketch_moments_unit(s->min, s->max);
	double min = s->min * unit, max = s->max * unit, n = (double)s->total;
	double slack = fmax(fabs(min), fabs(max)) * 1e-9;
	double half = (max - min) / 2 + slack;

	if (!isfinite(sum) || !isfinite(second) || signbit(second) || (sum == 0 && signbit(sum)))
		return false;
	return sum / n >= min - slack && sum / n <= max + slack && second / n <= half * half;
}

static void wire_put_digest(struct sketch *s, struct buf *out)
{
	struct sketch_cell cells[SKETCH_LIVE_CELLS];
	struct wire_scale q = wire_scale_of(s->grid, s->min, s->max);
	struct bits_writer w = bits_writer_of(out);
	size_t count = s->count;
	bool atoms;

	memcpy(cells, s->cells, count * sizeof(*cells));
	if (!s->settled)
		count = sketch_digest_compress(cells, count, s->total, SKETCH_STORED,
					       SKETCH_STORED_CELLS);
	atoms = wire_quantise(&q, cells, count);
	buf_put_u8(out, (uint8_t)(WIRE_DIGEST | (atoms ? WIRE_ATOMS : 0) |
				  s->grid << WIRE_GRID_SHIFT));
	buf_put_varint(out, count);
	buf_put_f64(out, s->min);
	buf_put_f64(out, s->max);
	buf_put_f64(out, s->moments.sum + s->moments.lost);
	buf_put_f64(out, s->moments.second);
	wire_put_cells(&q, cells, count, atoms, &w);
	bits_flush(&w);
}

/* Minimum and maximum: finite, in order, on their grid, and never -0. */
static bool wire_range_valid(uint8_t grid, double min, double max)
{
	if (!isfinite(min) || !isfinite(max) || !(min < max))
		return false;
	if ((min == 0 && signbit(min)) || (max == 0 && signbit(max)))
		return false;
	return grid == SKETCH_GRID_NONE ||
	       (sketch_grid_join(0, min) <= grid && sketch_grid_join(0, max) <= grid &&
		sketch_grid_fit(grid, min, max) == grid);
}

static int wire_get_digest(struct sketch *s, struct reader *in, uint8_t flags)
{
	struct bits_reader bits;
	struct wire_digest_reader d = { .bits = &bits, .atoms = flags & WIRE_ATOMS };
	double sum, second;
	int status;

	s->digest = s->settled = true;
	s->grid = flags >> WIRE_GRID_SHIFT;
	s->min = reader_f64(in);
	s->max = reader_f64(in);
	sum = reader_f64(in);
	second = reader_f64(in);
	if (in->failed)
		return ERR_TRUNCATED;
	if (!wire_range_valid(s->grid, s->min, s->max))
		return ERR_MALFORMED;
	d.scale = wire_scale_of(s->grid, s->min, s->max);
	bits = bits_reader_of(slice_of(in->at, reader_left(in)));
	status = wire_get_cells(s, &d);
	if (status != 0)
		return status;
	if (!wire_moments_valid(s, sum, second))
		return ERR_MALFORMED;
	s->moments = (struct sketch_moments){
		.sum = sum,
		.second = second,
		.unit = sketch_moments_unit(s->min, s->max),
		.weight = s->total,
	};
	return 0;
}

/* ---- both ---- */

int sketch_encode(struct sketch *s, struct buf *out)
{
	struct bits_writer w = bits_writer_of(out);

	sketch_settle(s);
	buf_put_u8(out, WIRE_VERSION);
	if (s->digest) {
		wire_put_digest(s, out);
		return buf_status(out);
	}
	buf_put_u8(out, (uint8_t)(s->grid << WIRE_GRID_SHIFT));
	buf_put_varint(out, s->count);
	wire_put_exact(s, &w);
	bits_flush(&w);
	return buf_status(out);
}

/* Reads what follows the version into the empty s. */
static int wire_get(struct sketch *s, struct reader *in)
{
	uint8_t flags = reader_u8(in), grid = flags >> WIRE_GRID_SHIFT;
	uint64_t count = reader_varint(in);
	bool digest = flags & WIRE_DIGEST;
	struct bits_reader bits = bits_reader_of(slice_of(in->at, reader_left(in)));

	if (in->failed)
		return ERR_TRUNCATED;
	if ((flags & WIRE_RESERVED) || (grid > SKETCH_GRID_MAX && grid != SKETCH_GRID_NONE) ||
	    (flags & (WIRE_DIGEST | WIRE_ATOMS)) == WIRE_ATOMS || (digest && count == 0))
		return ERR_MALFORMED;
	if (count > (digest ? SKETCH_STORED_CELLS : sketch_exact_limit(grid)))
		return ERR_TOO_LARGE;
	if (count > reader_left(in) * WIRE_CELLS_PER_BYTE)
		return ERR_TRUNCATED;
	if (count == 0)
		return grid == 0 ? reader_finish(in) : ERR_MALFORMED;
	s->cells = malloc(count * sizeof(*s->cells));
	if (s->cells == NULL)
		return -ENOMEM;
	s->capacity = (uint32_t)count;
	return digest ? wire_get_digest(s, in, flags) : wire_get_exact(s, &bits, grid);
}

int sketch_decode(struct slice bytes, struct sketch **out)
{
	struct reader in = reader_of(bytes);
	struct sketch *s;
	int status;

	if (reader_u8(&in) != WIRE_VERSION)
		return in.failed ? ERR_TRUNCATED : ERR_VERSION;
	s = sketch_new();
	if (s == NULL)
		return -ENOMEM;
	status = wire_get(s, &in);
	if (status != 0) {
		sketch_free(s);
		return status;
	}
	*out = s;
	return 0;
}
