// SPDX-License-Identifier: Apache-2.0
/*
 * Values that all lie on a decimal grid become whole mantissas, sorted, as differences and run
 * counts in varints: codec 1, where a value often costs less than a byte. Others stay doubles:
 * codec 0. The smaller one wins.
 *
 * There is no second array. The caller's doubles are turned into keys where they lie, sorted there
 * by keysort, written, and turned back: keysort_key may alias, which makes that legal C.
 */
#include "proto/group.h"

#include "proto/keysort.h"
#include "proto/le.h"

#include <assert.h>
#include <float.h>
#include <math.h>

#define GROUP_FLAG_SAMPLED 0x10
#define GROUP_FLAG_HAS_SET 0x01

#define GROUP_SCALE_MAX 9

/* Whole numbers are exact up to 2^53. With decimals the limit is 2^50: v * 10^s is then off
 * by less than 1/4, so that rounding it gives the one mantissa that belongs to v; and a
 * value that was right at a smaller scale is right at a larger one. */
#define GROUP_WHOLE_MAX   9007199254740992.0
#define GROUP_DECIMAL_MAX 1125899906842624.0

static const double group_power[GROUP_SCALE_MAX + 1] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
};

/* What codec 1 needs to know of values; scale < 0: some value has no such form. */
struct group_decimal {
	int scale;
	int64_t min; /* the smallest mantissa */
	double power;
};

static int64_t group_mantissa(double value, double power)
{
	double scaled = value * power;

	return (int64_t)(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/* Whether value is exactly mantissa / 10^scale for some mantissa within the limit. */
static bool group_fits(double value, int scale)
{
	double power = group_power[scale];

	if (scale == 0)
		return fabs(value) <= GROUP_WHOLE_MAX && (double)(int64_t)value == value;
	return fabs(value * power) <= GROUP_DECIMAL_MAX &&
	       (double)group_mantissa(value, power) / power == value;
}

/* The smallest scale that all values have in common. Every value is tried at the scale
 * reached so far: the ones before it stay right at a larger scale, if the largest
 * mantissa stays within the limit, which is asked at the end. */
static struct group_decimal group_find_scale(const double *values, size_t count)
{
	struct group_decimal none = { .scale = -1 };
	double min = values[0], max = values[0];
	double power;
	int scale = 0;

	for (size_t i = 0; i < count; i++) {
		while (!group_fits(values[i], scale))
			if (++scale > GROUP_SCALE_MAX)
				return none;
		min = values[i] < min ? values[i] : min;
		max = values[i] > max ? values[i] : max;
	}
	power = group_power[scale];
	if (scale > 0 && fmax(fabs(min), fabs(max)) * power > GROUP_DECIMAL_MAX)
		return none;
	return (struct group_decimal){
		.scale = scale,
		.min = scale > 0 ? group_mantissa(min, power) : (int64_t)min,
		.power = power,
	};
}

/* From here on a value's eight bytes hold its key: mantissas count from the smallest. */
static void group_to_mantissas(double *values, size_t count, const struct group_decimal *d)
{
	keysort_key *keys = (keysort_key *)values;

	if (d->scale == 0) {
		for (size_t i = 0; i < count; i++)
			keys[i] = (uint64_t)((int64_t)values[i] - d->min);
		return;
	}
	for (size_t i = 0; i < count; i++)
		keys[i] = (uint64_t)(group_mantissa(values[i], d->power) - d->min);
}

/* The way back; now the values are sorted. */
static void group_from_mantissas(double *values, size_t count, const struct group_decimal *d)
{
	const keysort_key *keys = (const keysort_key *)values;

	if (d->scale == 0) {
		for (size_t i = 0; i < count; i++)
			values[i] = (double)(d->min + (int64_t)keys[i]);
		return;
	}
	for (size_t i = 0; i < count; i++)
		values[i] = (double)(d->min + (int64_t)keys[i]) / d->power;
}

static size_t group_varint_size(uint64_t value)
{
	/* Seven bits a byte: (width + 6) / 7 with a width of at least one. */
	return (size_t)(70 - __builtin_clzll(value | 1)) / 7;
}

static uint8_t *group_put_varint(uint8_t *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (uint8_t)(value | 0x80);
	*at++ = (uint8_t)value;
	return at;
}

/* The number of keys equal to the first. */
static size_t group_run(const keysort_key *keys, size_t left)
{
	size_t run = 1;

	while (run < left && keys[run] == keys[0])
		run++;
	return run;
}

/* Counts the runs of sorted keys and the bytes they take in codec 1. */
static size_t group_measure(const keysort_key *keys, size_t count, int64_t min, size_t *runs)
{
	size_t size = 1 + group_varint_size(zigzag_encode(min));
	uint64_t before = 0;

	*runs = 0;
	for (size_t i = 0, run; i < count; i += run) {
		run = group_run(keys + i, count - i);
		if (i > 0)
			size += group_varint_size(keys[i] - before);
		size += group_varint_size(run - 1);
		before = keys[i];
		(*runs)++;
	}
	return size + group_varint_size(*runs);
}

/* byte 0, and the rate and the weight if there is one. */
static void group_put_head(struct buf *out, enum group_codec codec, struct group_sampling sampling)
{
	bool sampled = sampling.rate < 1;

	assert(sampling.rate > 0 && sampling.rate <= 1 && sampling.weight > 0);
	buf_put_u8(out, (uint8_t)(codec | (sampled ? GROUP_FLAG_SAMPLED : 0)));
	if (!sampled)
		return;
	buf_put_f64(out, sampling.rate);
	buf_put_varint(out, sampling.weight < GROUP_WEIGHT_MAX ? sampling.weight :
								 GROUP_WEIGHT_MAX);
}

/* Codec 1's values. The size is known, so the bytes are written where they will lie. */
static void group_put_runs(struct buf *out, const keysort_key *keys, size_t count,
			   const struct group_decimal *d, size_t size, size_t runs)
{
	uint8_t *at = buf_extend(out, size);
	uint64_t before = 0;

	if (at == NULL)
		return;
	*at++ = (uint8_t)d->scale;
	at = group_put_varint(at, runs);
	for (size_t i = 0, run; i < count; i += run) {
		run = group_run(keys + i, count - i);
		at = group_put_varint(at, i > 0 ? keys[i] - before : zigzag_encode(d->min));
		at = group_put_varint(at, run - 1);
		before = keys[i];
	}
	assert(at == out->data + out->size);
}

static void group_put_u64s(struct buf *out, const keysort_key *words, size_t count)
{
	uint8_t *at = buf_extend(out, 8 * count);

	for (size_t i = 0; at != NULL && i < count; i++)
		at = le_put_u64(at, words[i]);
}

/* Sorts doubles by an order-preserving key of their bits. */
static void group_sort_doubles(double *values, size_t count)
{
	keysort_key *keys = (keysort_key *)values;

	for (size_t i = 0; i < count; i++) {
		values[i] += 0.0; /* -0 becomes +0 */
		keys[i] = keysort_of_bits(keys[i]);
	}
	keysort(keys, count);
	for (size_t i = 0; i < count; i++)
		keys[i] = keysort_to_bits(keys[i]);
}

/* Tries codec 1; false with nothing written when codec 0 is no longer. Either way the
 * values are sorted. */
static bool group_put_decimal(struct buf *out, struct group_sampling sampling, double *values,
			      size_t count, const struct group_decimal *d)
{
	keysort_key *keys = (keysort_key *)values;
	size_t runs, size;
	bool shorter;

	group_to_mantissas(values, count, d);
	keysort(keys, count);
	size = group_measure(keys, count, d->min, &runs);
	shorter = size < 8 * count;
	if (shorter) {
		group_put_head(out, GROUP_DECIMAL, sampling);
		group_put_runs(out, keys, count, d, size, runs);
	}
	group_from_mantissas(values, count, d);
	return shorter;
}

void group_put_values(struct buf *out, struct group_sampling sampling, double *values,
		      size_t count)
{
	struct group_decimal decimal;

	assert(count > 0);
	decimal = group_find_scale(values, count);
	if (decimal.scale < 0)
		group_sort_doubles(values, count);
	else if (group_put_decimal(out, sampling, values, count, &decimal))
		return;
	group_put_head(out, GROUP_FLOAT64, sampling);
	group_put_u64s(out, (const keysort_key *)values, count);
}

/* An overflowed sum as the nearest number there is; nothing at all as 0. */
static double group_finite(double value)
{
	if (isnan(value))
		return 0;
	return fmax(-DBL_MAX, fmin(value, DBL_MAX));
}

void group_put_gauge(struct buf *out, const struct group_gauge *gauge)
{
	assert(gauge->samples > 0 && gauge->samples >= gauge->sets);
	assert(gauge->has_set == (gauge->sets > 0));
	buf_put_u8(out, GROUP_GAUGE);
	buf_put_u8(out, gauge->has_set ? GROUP_FLAG_HAS_SET : 0);
	buf_put_f64(out, group_finite(gauge->delta));
	buf_put_varint(out, gauge->samples);
	if (!gauge->has_set)
		return;
	buf_put_f64(out, group_finite(gauge->last));
	buf_put_f64(out, group_finite(gauge->min));
	buf_put_f64(out, group_finite(gauge->max));
	buf_put_f64(out, group_finite(gauge->sum));
	buf_put_varint(out, gauge->sets);
}

void group_put_members(struct buf *out, uint64_t *hashes, size_t count, uint64_t samples)
{
	size_t distinct = 1;

	assert(count > 0 && samples >= count);
	keysort(hashes, count);
	for (size_t i = 1; i < count; i++)
		if (hashes[i] != hashes[i - 1])
			hashes[distinct++] = hashes[i];
	buf_put_u8(out, GROUP_SET);
	buf_put_varint(out, samples);
	buf_put_varint(out, distinct);
	group_put_u64s(out, hashes, distinct);
}
