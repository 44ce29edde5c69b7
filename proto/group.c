// SPDX-License-Identifier: Apache-2.0
/*
 * This file reads groups; group_encode.c writes them.
 *
 * A group is opened (codec, sampling, sizes) and then read as runs of equal values, whichever
 * codec it has. Reading is what a relay does most of all: the usual run of codec 1, two bytes, is
 * taken without a call. Everything is judged as it is read, so group_check is a reading whose
 * values nobody keeps.
 */
#include "proto/group.h"

#include "proto/err.h"
#include "proto/le.h"
#include "proto/sketch.h"

#include <math.h>

#define GROUP_CODEC_MASK   0x0f
#define GROUP_FLAG_SAMPLED 0x10
#define GROUP_FLAGS_FREE   0xe0
#define GROUP_FLAG_HAS_SET 0x01

#define GROUP_SCALE_MAX    9
#define GROUP_MANTISSA_MAX ((int64_t)1 << 53)

/* As reader_varint, with the one- and two-byte forms inline: they are nearly all there
 * are, and this is the relay's innermost loop. */
static inline uint64_t group_varint(struct reader *in)
{
	if (in->failed || in->end - in->at < 2)
		return reader_varint(in);
	if (in->at[0] < 0x80)
		return *in->at++;
	if (in->at[1] > 0 && in->at[1] < 0x80) {
		in->at += 2;
		return (uint64_t)(in->at[-2] & 0x7f) | (uint64_t)in->at[-1] << 7;
	}
	return reader_varint(in);
}

/* Why a read failed: the bytes ended, or a varint was padded or too long. */
static int group_why(const struct reader *in)
{
	return in->at == in->end ? ERR_TRUNCATED : ERR_MALFORMED;
}

static bool group_codec_fits(enum group_codec codec, enum kind kind)
{
	switch (codec) {
	case GROUP_FLOAT64:
	case GROUP_DECIMAL:
		return kind == KIND_DISTRIBUTION || kind == KIND_COUNTER;
	case GROUP_SKETCH:
		return kind == KIND_DISTRIBUTION;
	case GROUP_GAUGE:
		return kind == KIND_GAUGE;
	case GROUP_SET:
		return kind == KIND_SET;
	}
	return false;
}

static int group_open_sampling(struct group_reader *r, enum kind kind)
{
	r->sampling = (struct group_sampling){ .rate = 1, .weight = 1 };
	if (!r->sampled)
		return 0;
	if (r->codec != GROUP_FLOAT64 && r->codec != GROUP_DECIMAL)
		return ERR_MALFORMED;
	r->sampling.rate = reader_f64(&r->in);
	r->sampling.weight = group_varint(&r->in);
	if (r->in.failed)
		return group_why(&r->in);
	/* Written so that NaN is refused too. */
	if (!(r->sampling.rate > 0 && r->sampling.rate < 1))
		return ERR_OUT_OF_RANGE;
	if (r->sampling.weight < 1 || r->sampling.weight > GROUP_WEIGHT_MAX)
		return ERR_OUT_OF_RANGE;
	return kind == KIND_COUNTER && r->sampling.weight != 1 ? ERR_OUT_OF_RANGE : 0;
}

static int group_open_float64(struct group_reader *r)
{
	size_t left = reader_left(&r->in);

	return left == 0 || left % 8 != 0 ? ERR_TRUNCATED : 0;
}

/* The scale and the number of runs; each run takes two bytes at least. */
static int group_open_decimal(struct group_reader *r)
{
	static const double power[GROUP_SCALE_MAX + 1] = {
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
	};
	uint8_t scale = reader_u8(&r->in);

	r->runs = group_varint(&r->in);
	if (r->in.failed)
		return group_why(&r->in);
	if (scale > GROUP_SCALE_MAX || r->runs == 0)
		return ERR_MALFORMED;
	if (r->runs > reader_left(&r->in) / 2)
		return ERR_TRUNCATED;
	r->scale = power[scale];
	return 0;
}

int group_open(struct group_reader *r, enum kind kind, struct slice bytes)
{
	struct reader in = reader_of(bytes);
	uint8_t head = reader_u8(&in);
	int err;

	if (in.failed)
		return ERR_TRUNCATED;
	if (head & GROUP_FLAGS_FREE)
		return ERR_MALFORMED;
	if ((head & GROUP_CODEC_MASK) > GROUP_SET)
		return ERR_UNKNOWN_TYPE;
	*r = (struct group_reader){
		.codec = (enum group_codec)(head & GROUP_CODEC_MASK),
		.sampled = head & GROUP_FLAG_SAMPLED,
		.in = in,
		.first = true,
	};
	if (!group_codec_fits(r->codec, kind))
		return ERR_MALFORMED;
	err = group_open_sampling(r, kind);
	if (err == 0 && r->codec == GROUP_FLOAT64)
		err = group_open_float64(r);
	if (err == 0 && r->codec == GROUP_DECIMAL)
		err = group_open_decimal(r);
	return err;
}

/* Equal values that stand side by side are one run; an encoder has sorted them. */
static int group_next_float64(struct group_reader *r, double *value, uint64_t *run)
{
	struct reader *in = &r->in;
	const uint8_t *at = in->at;

	if (at == in->end)
		return 0;
	*value = reader_f64(in) + 0.0; /* -0 becomes +0 */
	if (!isfinite(*value))
		return ERR_BAD_VALUE;
	while (in->at < in->end && memcmp(in->at, at, 8) == 0)
		in->at += 8;
	*run = (uint64_t)(in->at - at) / 8;
	return 1;
}

/* The first mantissa is whole, the others grow from it. */
static int group_step(struct group_reader *r, uint64_t step)
{
	if (r->first) {
		r->first = false;
		r->mantissa = zigzag_decode(step);
		if (r->mantissa < -GROUP_MANTISSA_MAX || r->mantissa > GROUP_MANTISSA_MAX)
			return ERR_MALFORMED;
		return 0;
	}
	if (step == 0 || step > (uint64_t)(GROUP_MANTISSA_MAX - r->mantissa))
		return ERR_MALFORMED;
	r->mantissa += (int64_t)step;
	return 0;
}

static int group_next_decimal(struct group_reader *r, double *value, uint64_t *run)
{
	uint64_t step, more;

	if (r->runs == 0)
		return r->in.at == r->in.end ? 0 : ERR_MALFORMED;
	r->runs--;
	step = group_varint(&r->in);
	more = group_varint(&r->in);
	if (r->in.failed)
		return group_why(&r->in);
	if (more >= GROUP_SAMPLES_MAX || group_step(r, step) != 0)
		return ERR_MALFORMED;
	*value = (double)r->mantissa / r->scale;
	*run = more + 1;
	return 1;
}

/* Apart, so that the short way in group_next needs no stack. */
static __attribute__((noinline)) int group_next_any(struct group_reader *r, double *value,
						    uint64_t *run)
{
	if (r->codec == GROUP_DECIMAL)
		return group_next_decimal(r, value, run);
	if (r->codec == GROUP_FLOAT64)
		return group_next_float64(r, value, run);
	return ERR_MALFORMED;
}

/* A step and a count of one byte each, as in nearly all runs but the first of a group. */
static inline bool group_short_run(const struct group_reader *r)
{
	const uint8_t *at = r->in.at;

	return r->codec == GROUP_DECIMAL && r->runs > 0 && !r->first && r->in.end - at >= 2 &&
	       !((at[0] | at[1]) & 0x80) && at[0] != 0 &&
	       r->mantissa <= GROUP_MANTISSA_MAX - 0x7f;
}

int group_next(struct group_reader *r, double *value, uint64_t *run)
{
	if (!group_short_run(r))
		return group_next_any(r, value, run);
	r->runs--;
	r->mantissa += *r->in.at++;
	*run = (uint64_t)*r->in.at++ + 1;
	*value = (double)r->mantissa / r->scale;
	return 1;
}

/* 0 when the group has been read to its end and nothing is left over. */
static int group_end(const struct group_reader *r)
{
	if (r->in.failed)
		return group_why(&r->in);
	return r->in.at == r->in.end ? 0 : ERR_MALFORMED;
}

static bool group_gauge_sane(const struct group_gauge *g)
{
	if (!isfinite(g->delta) || g->samples == 0 || g->samples > GROUP_SAMPLES_MAX)
		return false;
	if (!g->has_set)
		return true;
	return isfinite(g->sum) && isfinite(g->min) && isfinite(g->max) && g->min <= g->last &&
	       g->last <= g->max && g->sets > 0 && g->sets <= g->samples;
}

int group_read_gauge(struct group_reader *r, struct group_gauge *out)
{
	struct group_gauge g = { 0 };
	uint8_t flags;
	int err;

	if (r->codec != GROUP_GAUGE)
		return ERR_MALFORMED;
	flags = reader_u8(&r->in);
	if (flags & ~GROUP_FLAG_HAS_SET)
		return ERR_MALFORMED;
	g.has_set = flags & GROUP_FLAG_HAS_SET;
	g.delta = reader_f64(&r->in);
	g.samples = group_varint(&r->in);
	if (g.has_set) {
		g.last = reader_f64(&r->in);
		g.min = reader_f64(&r->in);
		g.max = reader_f64(&r->in);
		g.sum = reader_f64(&r->in);
		g.sets = group_varint(&r->in);
	}
	err = group_end(r);
	if (err == 0 && !group_gauge_sane(&g))
		err = ERR_MALFORMED;
	if (err == 0)
		*out = g;
	return err;
}

static bool group_ascending(struct slice words)
{
	for (size_t at = 8; at < words.size; at += 8)
		if (le_get_u64(words.ptr + at - 8) >= le_get_u64(words.ptr + at))
			return false;
	return true;
}

int group_read_members(struct group_reader *r, struct slice *hashes, uint64_t *samples)
{
	uint64_t received, count;
	struct slice words;
	int err;

	if (r->codec != GROUP_SET)
		return ERR_MALFORMED;
	received = group_varint(&r->in);
	count = group_varint(&r->in);
	if (r->in.failed)
		return group_why(&r->in);
	if (count > reader_left(&r->in) / 8)
		return ERR_TRUNCATED;
	words = reader_bytes(&r->in, 8 * (size_t)count);
	err = group_end(r);
	if (err != 0)
		return err;
	if (count == 0 || received < count || received > GROUP_SAMPLES_MAX)
		return ERR_MALFORMED;
	if (!group_ascending(words))
		return ERR_MALFORMED;
	*hashes = words;
	*samples = received;
	return 0;
}

int group_read_sketch(struct group_reader *r, struct slice *sketch, uint64_t *samples)
{
	uint64_t received;

	if (r->codec != GROUP_SKETCH)
		return ERR_MALFORMED;
	received = group_varint(&r->in);
	if (r->in.failed)
		return group_why(&r->in);
	if (received == 0 || received > GROUP_SAMPLES_MAX)
		return ERR_MALFORMED;
	*sketch = reader_bytes(&r->in, reader_left(&r->in));
	*samples = received;
	return 0;
}

static int group_check_values(struct group_reader *r, uint64_t *samples)
{
	uint64_t sum = 0, run;
	double value;
	int more;

	while ((more = group_next(r, &value, &run)) == 1) {
		sum += run;
		if (sum > GROUP_SAMPLES_MAX)
			return ERR_OUT_OF_RANGE;
	}
	if (more == 0)
		*samples = sum;
	return more;
}

/* Each sample weighs one at least, so there cannot be more of them than the sketch counts. */
static int group_check_sketch(struct group_reader *r, uint64_t *samples)
{
	struct sketch *sketch;
	struct slice bytes;
	uint64_t received;
	int err = group_read_sketch(r, &bytes, &received);

	if (err == 0)
		err = sketch_decode(bytes, &sketch);
	if (err != 0)
		return err;
	if (received > sketch_count(sketch))
		err = ERR_MALFORMED;
	else
		*samples = received;
	sketch_free(sketch);
	return err;
}

int group_check(enum kind kind, struct slice bytes, uint64_t *samples)
{
	struct group_reader r;
	struct group_gauge gauge;
	struct slice hashes;
	int err = group_open(&r, kind, bytes);

	if (err != 0)
		return err;
	switch (r.codec) {
	case GROUP_FLOAT64:
	case GROUP_DECIMAL:
		return group_check_values(&r, samples);
	case GROUP_SKETCH:
		return group_check_sketch(&r, samples);
	case GROUP_GAUGE:
		err = group_read_gauge(&r, &gauge);
		if (err == 0)
			*samples = gauge.samples;
		return err;
	case GROUP_SET:
		return group_read_members(&r, &hashes, samples);
	}
	return ERR_UNKNOWN_TYPE;
}
