// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/book.h"

#include "proto/cell.h"
#include "proto/group.h"
#include "proto/hour.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define BOOK_LATE_HOURS  3
#define BOOK_GROUP_BYTES 4096

/* Names that belong to the partition: the first ones that hash there. */
static void book_name(struct book *b, uint32_t partition, uint32_t series)
{
	char *name = b->series[partition][series];

	for (uint32_t n = series;; n += BOOK_SERIES) {
		snprintf(name, BOOK_NAME_SIZE, "s%u", n);
		if (hash_partition(slice_text(name), b->partitions) == partition)
			return;
	}
}

void book_init(struct book *b, uint32_t partitions)
{
	*b = (struct book){ .partitions = partitions };
	assert(partitions <= BOOK_PARTITIONS);
	for (uint32_t p = 0; p < partitions; p++)
		for (uint32_t s = 0; s < BOOK_SERIES; s++)
			book_name(b, p, s);
	batch_writer_init(&b->writer, 0);
	buf_init(&b->group, BOOK_GROUP_BYTES);
}

void book_release(struct book *b)
{
	free(b->batches);
	batch_writer_release(&b->writer);
	buf_release(&b->group);
}

static struct book_batch *book_add(struct book *b)
{
	if (b->count == b->capacity) {
		b->capacity = b->capacity ? 2 * b->capacity : 512;
		b->batches = realloc(b->batches, b->capacity * sizeof(*b->batches));
		if (b->batches == NULL)
			abort();
	}
	b->batches[b->count] = (struct book_batch){ 0 };
	return &b->batches[b->count++];
}

static void book_write_group(struct book *b, enum kind kind, const char *series, int64_t second,
			     double value)
{
	struct group_sampling sampling = { .rate = 1, .weight = 1 };
	struct batch_group group = { .kind = kind, .series = slice_text(series),
				     .second = second };

	buf_reset(&b->group);
	group_put_values(&b->group, sampling, &value, 1);
	group.bytes = buf_view(&b->group);
	batch_writer_add(&b->writer, &group, 1);
}

/* The parts' hours: mostly this one, now and then an earlier or a too old one. */
static void book_choose(struct book_part *part, struct rng *rng, int64_t now_second,
			int64_t floor_hour)
{
	part->series = rng_below(rng, BOOK_SERIES);
	part->second = now_second;
	if (rng_chance(rng, 3000))
		part->second -= rng_between(rng, 1, BOOK_LATE_HOURS) * HOUR_SECONDS;
	part->too_old = rng_chance(rng, 100);
	if (part->too_old)
		part->second = (floor_hour - 1) * HOUR_SECONDS;
}

const struct batch_writer *book_write(struct book *b, struct rng *rng, uint32_t partition,
				      int64_t now_second, int64_t floor_hour)
{
	uint64_t name = b->count * BOOK_PARTS;
	struct book_batch *batch = book_add(b);

	batch->partition = partition;
	batch->part_count = 1 + rng_below(rng, BOOK_PARTS);
	batch_writer_reset(&b->writer, (floor_hour - 1) * HOUR_SECONDS);
	for (uint32_t i = 0; i < batch->part_count; i++) {
		struct book_part *part = &batch->parts[i];
		const char *series;

		book_choose(part, rng, now_second, floor_hour);
		series = b->series[partition][part->series];
		book_write_group(b, KIND_COUNTER, series, part->second, 1);
		book_write_group(b, KIND_DISTRIBUTION, series, part->second, (double)(name + i));
	}
	return &b->writer;
}

void book_unwrite(struct book *b)
{
	b->count--;
}

/* ---- the reckoning ----------------------------------------------------------------------------- */

struct book_tally {
	struct book *book;
	struct book_result *result;
	uint32_t partition;
	double counters;   /* sum of the partition's counters */
	uint64_t values;   /* values of its distributions */
};

static void book_count_value(struct book_tally *t, double value, int64_t hour, struct slice series)
{
	uint64_t name = (uint64_t)llround(value);
	struct book_batch *batch;
	struct book_part *part;

	if (value < 0 || name / BOOK_PARTS >= t->book->count) {
		t->result->wrong++;
		return;
	}
	batch = &t->book->batches[name / BOOK_PARTS];
	part = &batch->parts[name % BOOK_PARTS];
	part->counted++;
	if (batch->partition != t->partition || name % BOOK_PARTS >= batch->part_count ||
	    hour_of_second(part->second) != hour || part->too_old ||
	    !slice_equal(series, slice_text(t->book->series[t->partition][part->series])))
		t->result->wrong++;
}

static void book_count_cell(void *arg, struct slice hour_text, struct slice field,
			    struct slice blob)
{
	struct book_tally *t = arg;
	struct slice series = slice_of(field.ptr + 1, field.size - 1);
	struct cell *cell;
	uint64_t count;
	int64_t hour;

	if (hour_parse(hour_text, &hour) < 0 || cell_decode(blob, &cell) < 0) {
		t->result->wrong++;
		return;
	}
	if ((uint8_t)cell_kind(cell) != field.ptr[0]) {
		cell_free(cell);
		t->result->wrong++;
		return;
	}
	if (cell_kind(cell) == KIND_COUNTER) {
		t->counters += cell_counter_sum(cell);
		cell_free(cell);
		return;
	}
	count = sketch_count(cell_sketch(cell));
	t->values += count;
	t->result->wrong += !sketch_exact(cell_sketch(cell));
	for (uint64_t i = 0; i < count; i++) {
		double rank = count > 1 ? (double)i / (double)(count - 1) : 0;

		book_count_value(t, sketch_quantile(cell_sketch(cell), rank), hour, series);
	}
	cell_free(cell);
}

static void book_count_partition(struct book *b, const struct model_store *store,
				 uint32_t partition, struct book_result *result)
{
	struct book_tally t = { .book = b, .result = result, .partition = partition };

	model_store_cells(store, book_count_cell, &t);
	result->wrong += t.counters != (double)t.values;
}

/* What the batch says, part by part. Returns whether anything of it was counted; *known whether
 * that can be told. */
static bool book_check_batch(const struct book_batch *batch, struct book_result *result,
			     bool *known)
{
	uint32_t counted = 0, countable = 0;

	for (uint32_t i = 0; i < batch->part_count; i++) {
		const struct book_part *part = &batch->parts[i];

		countable += !part->too_old;
		counted += part->counted > 0;
		result->twice += part->counted > 1 ? part->counted - 1 : 0;
		result->lost += part->counted == 0 && !part->too_old && !batch->may_lose;
	}
	result->torn += counted > 0 && counted < countable;
	*known = countable > 0 || !batch->may_lose;
	return countable > 0 ? counted > 0 : !batch->may_lose;
}

/* Both samples of a too old part are declared lost when its batch is committed. */
static uint64_t book_declared(const struct book_batch *batch)
{
	uint64_t samples = 0;

	for (uint32_t i = 0; i < batch->part_count; i++)
		samples += batch->parts[i].too_old ? 2 : 0;
	return samples;
}

struct book_result book_check(struct book *b, const struct model_store *stores,
			      const struct rkey_tags *tags)
{
	struct book_result result = { .first_bad = b->count };
	uint64_t declared[BOOK_PARTITIONS] = { 0 }, doubtful[BOOK_PARTITIONS] = { 0 };

	for (uint32_t p = 0; p < b->partitions; p++)
		book_count_partition(b, &stores[p], p, &result);
	for (size_t i = 0; i < b->count; i++) {
		const struct book_batch *batch = &b->batches[i];
		uint64_t before = result.lost + result.twice + result.torn;
		bool known, in = book_check_batch(batch, &result, &known);

		if (before != result.lost + result.twice + result.torn &&
		    result.first_bad == b->count)
			result.first_bad = i;
		if (in)
			declared[batch->partition] += book_declared(batch);
		else if (!known)
			doubtful[batch->partition] += book_declared(batch);
	}
	for (uint32_t p = 0; p < b->partitions; p++) {
		char key[RKEY_SIZE];
		uint64_t lost = model_store_number(&stores[p], rkey_meta(tags->tag[p], key), "lost");

		result.wrong += lost < declared[p] || lost > declared[p] + doubtful[p];
	}
	return result;
}
