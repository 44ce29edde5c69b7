// SPDX-License-Identifier: Apache-2.0
#include "proto/hll.h"

#include <math.h>

#define HLL_RANK_BITS 50                  /* of a hash, below the register's number */
#define HLL_RANK_MAX  (HLL_RANK_BITS + 1) /* the rank of 50 zero bits */
#define HLL_QUADS     (HLL_REGISTERS / 4)

#define HLL_DENSE  0
#define HLL_SPARSE 1

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

static uint32_t hll_register(const struct hll *h, size_t index)
{
	return hll_quad(h, index / 4) >> 6 * (index % 4) & 63;
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
	double z;

	for (size_t i = 0; i < HLL_REGISTERS; i++)
		histogram[hll_register(h, i)]++;
	if (histogram[0] == HLL_REGISTERS)
		return 0;
	z = registers * hll_tau(1 - histogram[HLL_RANK_MAX] / registers);
	for (size_t rank = HLL_RANK_BITS; rank >= 1; rank--)
		z = 0.5 * (z + histogram[rank]);
	z += registers * hll_sigma(histogram[0] / registers);
	return alpha * registers * registers / z;
}

uint32_t hll_occupied(const struct hll *h)
{
	uint32_t count = 0;

	for (size_t i = 0; i < HLL_REGISTERS; i++)
		count += hll_register(h, i) != 0;
	return count;
}

static size_t hll_varint_size(uint64_t value)
{
	size_t size = 1;

	while (value >>= 7)
		size++;
	return size;
}

/* Walks the registers that are not 0: the next one from *index on, as `zeros skipped << 6 |
 * rank`, and moves *index past it. 0 at the end. */
static uint32_t hll_next(const struct hll *h, size_t *index)
{
	uint32_t skipped = 0;

	while (*index < HLL_REGISTERS) {
		uint32_t rank = hll_register(h, (*index)++);

		if (rank != 0)
			return skipped << 6 | rank;
		skipped++;
	}
	return 0;
}

/* Bytes of the sparse form without its first one. */
static size_t hll_sparse_size(const struct hll *h)
{
	size_t size = hll_varint_size(hll_occupied(h));
	size_t index = 0;
	uint32_t entry;

	while ((entry = hll_next(h, &index)) != 0)
		size += hll_varint_size(entry);
	return size;
}

void hll_put(const struct hll *h, struct buf *out)
{
	size_t index = 0;
	uint32_t entry;

	if (hll_sparse_size(h) >= HLL_BYTES) {
		buf_put_u8(out, HLL_DENSE);
		buf_put(out, h->packed, HLL_BYTES);
		return;
	}
	buf_put_u8(out, HLL_SPARSE);
	buf_put_varint(out, hll_occupied(h));
	while ((entry = hll_next(h, &index)) != 0)
		buf_put_varint(out, entry);
}

static bool hll_get_dense(struct reader *in, struct hll *h)
{
	struct slice bytes = reader_bytes(in, HLL_BYTES);

	if (in->failed)
		return false;
	memcpy(h->packed, bytes.ptr, HLL_BYTES);
	for (size_t i = 0; i < HLL_REGISTERS; i++)
		if (hll_register(h, i) > HLL_RANK_MAX)
			return false;
	return hll_sparse_size(h) >= HLL_BYTES;
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
