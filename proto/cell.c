// SPDX-License-Identifier: Apache-2.0
/*
 * The envelope that all kinds share - version, kind, flag, samples, checksum - and a switch over
 * the kinds wherever one has its own way. What a kind keeps and how it merges is in cell_number.c
 * (a counter is one), cell_gauge.c, cell_set.c, cell_window.c and sketch.c.
 *
 * A cell must never be driven to where it cannot be merged, written or read back, whatever is
 * added: a batch that fails half way fails at every relay and stops its stream for good. So
 * weights and sums are cut at their ends here, and cell_plausible() refuses only what adding
 * cannot have made.
 */
#include "proto/cell.h"

#include "proto/cell_gauge.h"
#include "proto/cell_number.h"
#include "proto/cell_set.h"
#include "proto/cell_window.h"
#include "proto/err.h"
#include "proto/group.h"
#include "proto/hash.h"
#include "proto/hour.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#define CELL_VERSION      1
#define CELL_FLAG_SAMPLED 0x01
#define CELL_CRC_BYTES    4
#define CELL_LEAST_BYTES  (3 + 1 + CELL_CRC_BYTES) /* of any encoding, its body empty */

/* A sketch counts below 2^53. */
#define CELL_WEIGHT_MAX ((UINT64_C(1) << 53) - 1)

struct cell {
	enum kind kind;
	bool sampled;
	uint64_t samples; /* received; stays at its largest value once there */
	union {
		struct sketch *sketch;
		struct cell_number counter;
		struct cell_gauge_state *gauge; /* apart, so that other kinds stay small */
		struct cell_set set;
		struct window *window; /* as gauge */
	} body;
};

/* The part of a cell that may fail to come up. */
static bool cell_new_body(struct cell *c)
{
	switch (c->kind) {
	case KIND_DISTRIBUTION:
		c->body.sketch = sketch_new();
		return c->body.sketch != NULL;
	case KIND_GAUGE:
		c->body.gauge = calloc(1, sizeof(*c->body.gauge));
		return c->body.gauge != NULL;
	case KIND_WINDOW:
		c->body.window = malloc(sizeof(*c->body.window));
		if (c->body.window != NULL)
			window_init(c->body.window, WINDOW_MAX);
		return c->body.window != NULL;
	case KIND_COUNTER:
	case KIND_SET:
		return true;
	}
	return false;
}

/* A cell whose sketch or gauge is still to come. */
static struct cell *cell_new_bare(enum kind kind)
{
	struct cell *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->kind = kind;
	return c;
}

struct cell *cell_new(enum kind kind)
{
	struct cell *c;

	assert(kind_of_cell((int)kind));
	c = cell_new_bare(kind);
	if (c != NULL && !cell_new_body(c)) {
		cell_free(c);
		return NULL;
	}
	return c;
}

struct cell *cell_new_window(uint32_t capacity)
{
	struct cell *c = cell_new(KIND_WINDOW);

	if (c != NULL)
		window_init(c->body.window, capacity);
	return c;
}

void cell_free(struct cell *c)
{
	if (c == NULL)
		return;
	if (c->kind == KIND_DISTRIBUTION)
		sketch_free(c->body.sketch);
	if (c->kind == KIND_SET)
		cell_set_release(&c->body.set);
	if (c->kind == KIND_GAUGE && c->body.gauge != NULL) {
		cell_gauge_release(c->body.gauge);
		free(c->body.gauge);
	}
	if (c->kind == KIND_WINDOW && c->body.window != NULL) {
		window_release(c->body.window);
		free(c->body.window);
	}
	free(c);
}

enum kind cell_kind(const struct cell *c)
{
	return c->kind;
}

size_t cell_memory(const struct cell *c)
{
	switch (c->kind) {
	case KIND_DISTRIBUTION:
		return sizeof(*c) + sketch_memory(c->body.sketch);
	case KIND_GAUGE:
		return sizeof(*c) + sizeof(*c->body.gauge) + cell_gauge_memory(c->body.gauge);
	case KIND_SET:
		return sizeof(*c) + cell_set_memory(&c->body.set);
	case KIND_WINDOW:
		return sizeof(*c) + sizeof(*c->body.window) + window_memory(c->body.window);
	case KIND_COUNTER:
		break;
	}
	return sizeof(*c);
}

bool cell_sampled(const struct cell *c)
{
	return c->sampled;
}

uint64_t cell_samples(const struct cell *c)
{
	return c->samples;
}

static void cell_count_samples(struct cell *c, uint64_t samples, bool sampled)
{
	c->samples = samples > UINT64_MAX - c->samples ? UINT64_MAX : c->samples + samples;
	c->sampled |= sampled;
}

/* A weight that would take the total to 2^53 is cut to what is left. A flood of lines with
 * absurd rates would otherwise make a batch that no relay can ever merge, and stop its
 * stream for good. */
static int cell_add_weight(struct sketch *sketch, double value, uint64_t run, uint64_t weight)
{
	uint64_t room = CELL_WEIGHT_MAX - sketch_count(sketch), total;

	if (__builtin_mul_overflow(run, weight, &total) || total > room)
		total = room;
	return total > 0 ? sketch_add(sketch, value, total) : 0;
}

static int cell_add_value(struct cell *c, const struct group_sampling *sampling, double value,
			  uint64_t run)
{
	if (c->kind == KIND_DISTRIBUTION)
		return cell_add_weight(c->body.sketch, value, run, sampling->weight);
	/* What a value stands for is rounded as a double once (1 at 0.1 is 10), the sum is not. */
	value /= sampling->rate;
	if (value > DBL_MAX || value < -DBL_MAX)
		value = copysign(DBL_MAX, value);
	cell_number_add(&c->body.counter, value, run);
	return 0;
}

static int cell_add_values(struct cell *c, struct group_reader *group)
{
	double value;
	uint64_t run;
	int rc;

	while ((rc = group_next(group, &value, &run)) == 1) {
		rc = cell_add_value(c, &group->sampling, value, run);
		if (rc < 0)
			return rc;
		cell_count_samples(c, run, group->sampled);
	}
	return rc;
}

/* A sketch that would take the total weight to 2^53 weighs nothing, as cell_add_weight. */
static int cell_add_sketch(struct cell *c, struct group_reader *group)
{
	struct sketch *sketch;
	struct slice bytes;
	uint64_t samples;
	int rc = group_read_sketch(group, &bytes, &samples);

	if (rc == 0)
		rc = sketch_decode(bytes, &sketch);
	if (rc < 0)
		return rc;
	rc = sketch_merge(c->body.sketch, sketch);
	sketch_free(sketch);
	if (rc < 0 && rc != ERR_OUT_OF_RANGE)
		return rc;
	cell_count_samples(c, samples, group->sampled);
	return 0;
}

static int cell_add_gauge(struct cell *c, uint32_t second, struct group_reader *group)
{
	struct group_gauge gauge;
	int rc = group_read_gauge(group, &gauge);

	if (rc == 0)
		rc = cell_gauge_add(c->body.gauge, second, &gauge);
	if (rc == 0)
		cell_count_samples(c, gauge.samples, false);
	return rc;
}

static int cell_add_members(struct cell *c, struct group_reader *group)
{
	struct slice hashes;
	uint64_t samples;
	int rc = group_read_members(group, &hashes, &samples);

	if (rc == 0)
		rc = cell_set_add(&c->body.set, hashes);
	if (rc == 0)
		cell_count_samples(c, samples, false);
	return rc;
}

int cell_add_group(struct cell *c, uint32_t second_in_hour, struct slice group)
{
	struct group_reader reader;
	int rc;

	assert(second_in_hour < HOUR_SECONDS && c->kind != KIND_WINDOW);
	rc = group_open(&reader, c->kind, group);
	if (rc < 0)
		return rc;
	switch (reader.codec) {
	case GROUP_FLOAT64:
	case GROUP_DECIMAL:
		return cell_add_values(c, &reader);
	case GROUP_SKETCH:
		return cell_add_sketch(c, &reader);
	case GROUP_GAUGE:
		return cell_add_gauge(c, second_in_hour, &reader);
	case GROUP_SET:
		return cell_add_members(c, &reader);
	}
	return ERR_UNKNOWN_TYPE;
}

int cell_add_elements(struct cell *c, uint32_t second_in_hour, uint64_t draw, struct slice group)
{
	uint64_t samples;
	bool sampled;
	int rc;

	assert(second_in_hour < HOUR_SECONDS && c->kind == KIND_WINDOW);
	rc = cell_window_add(c->body.window, second_in_hour, draw, group, &samples, &sampled);
	if (rc == 0 && samples > 0)
		cell_count_samples(c, samples, sampled);
	return rc;
}

int cell_merge(struct cell *dst, struct cell *src)
{
	int rc = 0;

	assert(dst != src && dst->kind == src->kind);
	switch (dst->kind) {
	case KIND_DISTRIBUTION:
		rc = sketch_merge(dst->body.sketch, src->body.sketch);
		break;
	case KIND_COUNTER:
		cell_number_merge(&dst->body.counter, src->body.counter);
		break;
	case KIND_GAUGE:
		rc = cell_gauge_merge(dst->body.gauge, src->body.gauge);
		break;
	case KIND_SET:
		rc = cell_set_merge(&dst->body.set, &src->body.set);
		break;
	case KIND_WINDOW:
		rc = window_merge(dst->body.window, src->body.window);
		break;
	}
	if (rc == 0)
		cell_count_samples(dst, src->samples, src->sampled);
	return rc;
}

int cell_follow(struct cell *dst, struct cell *src)
{
	int rc;

	assert(dst != src && dst->kind == src->kind && dst->kind != KIND_WINDOW);
	if (dst->kind != KIND_GAUGE)
		return cell_merge(dst, src);
	rc = cell_gauge_follow(dst->body.gauge, src->body.gauge);
	if (rc == 0)
		cell_count_samples(dst, src->samples, src->sampled);
	return rc;
}

static int cell_encode_body(struct cell *c, struct buf *out)
{
	switch (c->kind) {
	case KIND_DISTRIBUTION:
		return sketch_encode(c->body.sketch, out);
	case KIND_COUNTER:
		cell_number_put(c->body.counter, out);
		break;
	case KIND_GAUGE:
		cell_gauge_put(c->body.gauge, out);
		break;
	case KIND_SET:
		cell_set_put(&c->body.set, out);
		break;
	case KIND_WINDOW:
		cell_window_put(c->body.window, out);
		break;
	}
	return buf_status(out);
}

int cell_encode(struct cell *c, struct buf *out)
{
	size_t start = out->size;
	int rc;

	buf_put_u8(out, CELL_VERSION);
	buf_put_u8(out, (uint8_t)c->kind);
	buf_put_u8(out, c->sampled ? CELL_FLAG_SAMPLED : 0);
	buf_put_varint(out, c->samples);
	rc = cell_encode_body(c, out);
	if (rc == 0) {
		buf_put_u32(out, hash_crc32c(0, slice_of(out->data + start, out->size - start)));
		rc = buf_status(out);
	}
	if (rc < 0)
		buf_truncate(out, start);
	return rc;
}

/* Whether the samples can have made this body: a blank one has none, a set value or member
 * takes one each. Samples of a sketch are not compared with its weight, which a rate
 * makes larger and a full sketch smaller. */
static bool cell_plausible(const struct cell *c)
{
	if (c->sampled && (c->samples == 0 || c->kind == KIND_GAUGE || c->kind == KIND_SET))
		return false;
	switch (c->kind) {
	case KIND_DISTRIBUTION:
		return (c->samples == 0) == (sketch_count(c->body.sketch) == 0);
	case KIND_COUNTER:
		return c->samples > 0 || cell_number_is_zero(c->body.counter);
	case KIND_GAUGE:
		return c->samples >= cell_gauge_sets(c->body.gauge) &&
		       (c->samples > 0 || cell_gauge_is_blank(c->body.gauge));
	case KIND_SET:
		return c->samples >= cell_set_floor(&c->body.set) &&
		       (c->samples == 0) == (cell_set_floor(&c->body.set) == 0);
	case KIND_WINDOW:
		return true; /* the samples say how many elements were read */
	}
	return false;
}

static int cell_decode_body(struct cell *c, struct reader *in)
{
	if (c->kind == KIND_DISTRIBUTION)
		return sketch_decode(reader_bytes(in, reader_left(in)), &c->body.sketch);
	if (c->kind == KIND_COUNTER)
		return cell_number_get(in, &c->body.counter) ? 0 : ERR_MALFORMED;
	if (c->kind == KIND_SET)
		return cell_set_get(in, &c->body.set);
	if (!cell_new_body(c))
		return -ENOMEM;
	if (c->kind == KIND_WINDOW)
		return cell_window_get(in, c->samples, c->body.window);
	return cell_gauge_get(in, c->body.gauge);
}

/* Reads what stands between the kind byte and the checksum. */
static int cell_decode_rest(struct cell *c, struct reader *in)
{
	uint8_t flags = reader_u8(in);
	int rc;

	if (flags & ~CELL_FLAG_SAMPLED)
		return ERR_MALFORMED;
	c->sampled = flags & CELL_FLAG_SAMPLED;
	c->samples = reader_varint(in);
	if (in->failed)
		return ERR_TRUNCATED;
	rc = cell_decode_body(c, in);
	/* A body that ended too early says malformed; why is in the reader. */
	if (in->failed)
		return rc == -ENOMEM ? rc : ERR_TRUNCATED;
	if (rc == 0)
		rc = reader_finish(in);
	if (rc == 0 && !cell_plausible(c))
		rc = ERR_MALFORMED;
	return rc;
}

/* Checks version and checksum and leaves a reader over what lies between. */
static int cell_open(struct slice bytes, struct reader *in)
{
	struct slice content;
	struct reader crc;

	if (bytes.size > LIMIT_CELL_BYTES)
		return ERR_TOO_LARGE;
	if (bytes.size < CELL_LEAST_BYTES)
		return ERR_TRUNCATED;
	/* Before the checksum: another version may have another one. */
	if (bytes.ptr[0] != CELL_VERSION)
		return ERR_VERSION;
	content = slice_of(bytes.ptr, bytes.size - CELL_CRC_BYTES);
	crc = reader_of(slice_of(bytes.ptr + content.size, CELL_CRC_BYTES));
	if (hash_crc32c(0, content) != reader_u32(&crc))
		return ERR_CHECKSUM;
	*in = reader_of(slice_of(content.ptr + 1, content.size - 1));
	return 0;
}

int cell_decode(struct slice bytes, struct cell **out)
{
	struct reader in;
	struct cell *c;
	uint8_t kind;
	int rc = cell_open(bytes, &in);

	if (rc < 0)
		return rc;
	kind = reader_u8(&in);
	if (!kind_of_cell(kind))
		return ERR_MALFORMED;
	c = cell_new_bare(kind);
	if (c == NULL)
		return -ENOMEM;
	rc = cell_decode_rest(c, &in);
	if (rc < 0) {
		cell_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

struct sketch *cell_sketch(struct cell *c)
{
	assert(c->kind == KIND_DISTRIBUTION);
	return c->body.sketch;
}

double cell_counter_sum(const struct cell *c)
{
	assert(c->kind == KIND_COUNTER);
	return cell_number_value(c->body.counter);
}

void cell_gauge(const struct cell *c, struct cell_gauge *out)
{
	assert(c->kind == KIND_GAUGE);
	cell_gauge_read(c->body.gauge, out);
}

double cell_set_unique(const struct cell *c, bool *exact)
{
	assert(c->kind == KIND_SET);
	return cell_set_count(&c->body.set, exact);
}

const struct window *cell_window(const struct cell *c)
{
	assert(c->kind == KIND_WINDOW);
	return c->body.window;
}
