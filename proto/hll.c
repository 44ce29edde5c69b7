// SPDX-License-Identifier: Apache-2.0
/*
 * The estimate is the improved raw one of Ertl (arXiv:1702.01284): a histogram of the ranks goes
 * through Horner's scheme, in which sigma stands for the registers that no hash has reached and
 * tau for those that are at their end: where the plain harmonic mean of HyperLogLog goes wrong.
 *
 * Four registers are three bytes, little-endian. Walks over all of them unpack first. On the wire
 * the form is decided by size alone, so the decoder can refuse the other one: of dense bytes it
 * writes the sparse form, to see that it is no shorter.
 */
#include "proto/hll.h"

#include <math.h>

#define HLL_RANK_BITS 50                  /* of a hash, below the register's number */
#define HLL_RANK_MAX  (HLL_RANK_BITS + 1) /* the rank of 50 zero bits */
#define HLL_QUADS     (HLL_REGISTERS / 4)
#define HLL_HASHES    0x1p64 /* that there are */

#define HLL_DENSE  0
#define HLL_SPARSE 1

/* Room to notice that the sparse form is not the shorter one: the last entry may begin
 * at the last byte, and takes three at most. */
#define HLL_SPARSE_ROOM (HLL_BYTES + 3)

/* Four registers as one number, six bits each. */
static uint32_t hll_quad(const struct hll *h, size_t quad)
{
	const uint8_t *at = h->packed + 3 * quad;

	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
}

static void hll_set_quad(struct hll *h, size_t quad, uint32_t bits)
{
	uint8_t *at = h->packed + 3 * quad;

	at[0] = (uint8_t)bits;
	at[1] = (uint8_t)(bits >> 8);
	at[2] = (uint8_t)(bits >> 16);
}

/* All registers, a byte each: what walks them all does it four times as fast this way. */
static void hll_unpack(const struct hll *h, uint8_t ranks[HLL_REGISTERS])
{
	for (size_t quad = 0; quad < HLL_QUADS; quad++) {
		uint32_t bits = hll_quad(h, quad);

		for (size_t i = 0; i < 4; i++)
			ranks[4 * quad + i] = (uint8_t)(bits >> 6 * i & 63);
	}
}

/* Raises a register to a rank. */
static void hll_raise(struct hll *h, size_t index, uint32_t rank)
{
	uint32_t quad = hll_quad(h, index / 4);
	unsigned shift = 6 * (unsigned)(index % 4);

	if (rank <= (quad >> shift & 63))
		return;
	hll_set_quad(h, index / 4, (quad & ~(UINT32_C(63) << shift)) | rank << shift);
}

void hll_add(struct hll *h, uint64_t hash)
{
	uint64_t low = hash << HLL_BITS;
	uint32_t rank = low ? (uint32_t)__builtin_clzll(low) + 1 : HLL_RANK_MAX;

	hll_raise(h, hash >> HLL_RANK_BITS, rank);
}

void hll_merge(struct hll *dst, const struct hll *src)
{
	for (size_t quad = 0; quad < HLL_QUADS; quad++) {
		uint32_t bits = hll_quad(src, quad);

		if (bits == 0 || bits == hll_quad(dst, quad))
			continue;
		for (size_t i = 0; i < 4; i++)
			hll_raise(dst, 4 * quad + i, bits >> 6 * i & 63);
	}
}

/* Ertl's sigma: x + sum of x^(2^k) 2^(k-1), for the registers still at 0. x < 1. */
static double hll_sigma(double x)
{
	double weight = 1;
	double sum = x;
	double before;

	do {
		x *= x;
		before = sum;
		sum += x * weight;
		weight += weight;
	} while (sum != before);
	return sum;
}

/* Ertl's tau: (1 - x - sum of (1 - x^(2^-k))^2 2^-k) / 3, for the registers at their end. */
static double hll_tau(double x)
{
	double weight = 1;
	double sum = 1 - x;
	double before;

	if (x == 0 || x == 1)
		return 0;
	do {
		x = sqrt(x);
		before = sum;
		weight *= 0.5;
		sum -= (1 - x) * (1 - x) * weight;
	} while (sum != before);
	return sum / 3;
}

double hll_estimate(const struct hll *h)
{
	const double registers = HLL_REGISTERS;
	const double alpha = 0.72134752044448170368; /* 1 / (2 ln 2) */
	uint32_t histogram[64] = { 0 };
	uint8_t ranks[HLL_REGISTERS];
	double z;

	hll_unpack(h, ranks);
	for (size_t i = 0; i < HLL_REGISTERS; i++)
		histogram[ranks[i]]++;
	if (histogram[0] == HLL_REGISTERS)
		return 0;
	z = registers * hll_tau(1 - histogram[HLL_RANK_MAX] / registers);
	for (size_t rank = HLL_RANK_BITS; rank >= 1; rank--)
		z = 0.5 * (z + histogram[rank]);
	z += registers * hll_sigma(histogram[0] / registers);
	/* With all registers at their end, as hostile hashes can have them, z is 0. */
	return fmin(alpha * registers * registers / z, HLL_HASHES);
}

static uint32_t hll_count_occupied(const uint8_t ranks[HLL_REGISTERS])
{
	uint32_t count = 0;

	for (size_t i = 0; i < HLL_REGISTERS; i++)
		count += ranks[i] != 0;
	return count;
}

uint32_t hll_occupied(const struct hll *h)
{
	uint8_t ranks[HLL_REGISTERS];

	hll_unpack(h, ranks);
	return hll_count_occupied(ranks);
}

static size_t hll_write_varint(uint8_t *at, uint32_t value)
{
	size_t size = 0;

	for (; value >= 0x80; value >>= 7)
		at[size++] = (uint8_t)(value | 0x80);
	at[size++] = (uint8_t)value;
	return size;
}

/* Writes the sparse form without its first byte, and returns its size; 0 if it is not
 * shorter than the dense one. */
static size_t hll_sparse(const struct hll *h, uint8_t out[HLL_SPARSE_ROOM])
{
	uint8_t ranks[HLL_REGISTERS];
	uint32_t skipped = 0;
	size_t size;

	hll_unpack(h, ranks);
	size = hll_write_varint(out, hll_count_occupied(ranks));
	for (size_t i = 0; i < HLL_REGISTERS && size < HLL_BYTES; i++) {
		if (ranks[i] == 0) {
			skipped++;
			continue;
		}
		size += hll_write_varint(out + size, skipped << 6 | ranks[i]);
		skipped = 0;
	}
	return size < HLL_BYTES ? size : 0;
}

void hll_put(const struct hll *h, struct buf *out)
{
	uint8_t sparse[HLL_SPARSE_ROOM];
	size_t size = hll_sparse(h, sparse);

	if (size > 0) {
		buf_put_u8(out, HLL_SPARSE);
		buf_put(out, sparse, size);
	} else {
		buf_put_u8(out, HLL_DENSE);
		buf_put(out, h->packed, HLL_BYTES);
	}
}

static bool hll_get_dense(struct reader *in, struct hll *h)
{
	struct slice bytes = reader_bytes(in, HLL_BYTES);
	uint8_t ranks[HLL_REGISTERS];
	uint8_t sparse[HLL_SPARSE_ROOM];
	uint8_t highest = 0;

	if (in->failed)
		return false;
	memcpy(h->packed, bytes.ptr, HLL_BYTES);
	hll_unpack(h, ranks);
	for (size_t i = 0; i < HLL_REGISTERS; i++)
		highest = ranks[i] > highest ? ranks[i] : highest;
	return highest <= HLL_RANK_MAX && hll_sparse(h, sparse) == 0;
}

static bool hll_get_sparse(struct reader *in, struct hll *h)
{
	const uint8_t *start = in->at;
	uint64_t count = reader_varint(in);
	uint64_t index = 0;

	for (uint64_t i = 0; i < count && !in->failed; i++) {
		uint64_t entry = reader_varint(in);
		uint32_t rank = entry & 63;

		if (in->failed || entry >> 6 >= HLL_REGISTERS - index)
			return false;
		if (rank == 0 || rank > HLL_RANK_MAX)
			return false;
		index += entry >> 6;
		hll_raise(h, index++, rank);
	}
	return !in->failed && (size_t)(in->at - start) < HLL_BYTES;
}

bool hll_get(struct reader *in, struct hll *h)
{
	uint8_t form = reader_u8(in);

	if (in->failed || form > HLL_SPARSE)
		return false;
	return form == HLL_SPARSE ? hll_get_sparse(in, h) : hll_get_dense(in, h);
}
