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
#define BOOK_DAYS        3 /* before and after */
#define BOOK_GROUP_BYTES 4096
/* Agents' clocks are less than 5 minutes ahead of Redis' (LIMIT_AHEAD_SECONDS), or hours. */
#define BOOK_AHEAD_SECONDS (4 * HOUR_SECONDS)

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

void book_init(struct book *b, uint32_t partitions, int64_t floor_hour)
{
	*b = (struct book){ .partitions = partitions, .floor_hour = floor_hour };
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
static void book_choose(const struct book *b, struct book_part *part, struct rng *rng,
			int64_t now_second, int64_t true_second)
{
	part->series = rng_below(rng, BOOK_SERIES);
	part->second = now_second;
	if (rng_chance(rng, 3000))
		part->second -= rng_between(rng, 1, BOOK_LATE_HOURS) * HOUR_SECONDS;
	part->outside = part->second > true_second + BOOK_AHEAD_SECONDS;
	if (rng_chance(rng, 100)) {
		part->outside = true;
		part->second = (b->floor_hour - 1) * HOUR_SECONDS;
	}
}

const struct batch_writer *book_write(struct book *b, struct rng *rng, uint32_t partition,
				      int64_t now_second, int64_t true_second)
{
	uint64_t name = b->count * BOOK_PARTS;
	struct book_batch *batch = book_add(b);

	batch->partition = partition;
	batch->part_count = 1 + rng_below(rng, BOOK_PARTS);
	batch_writer_reset(&b->writer, (b->floor_hour - 1) * HOUR_SECONDS);
	for (uint32_t i = 0; i < batch->part_count; i++) {
		struct book_part *part = &batch->parts[i];
		const char *series;

		book_choose(b, part, rng, now_second, true_second);
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
	int64_t day;       /* it is a day that is counted; 0: hours */
	double counters;   /* sum of the partition's counters */
	uint64_t values;   /* values of its distributions */
};

static void book_count_value(struct book_tally *t, double value, int64_t hour, struct slice series)
{
	uint64_t name = (uint64_t)llround(value);
	struct book_batch *batch;
	struct book_part *part;
	int64_t at;

	if (value < 0 || name / BOOK_PARTS >= t->book->count) {
		t->result->wrong++;
		return;
	}
	batch = &t->book->batches[name / BOOK_PARTS];
	part = &batch->parts[name % BOOK_PARTS];
	at = hour_of_second(part->second);
	if (t->day > 0)
		part->in_day++;
	else
		part->counted++;
	if (batch->partition != t->partition || name % BOOK_PARTS >= batch->part_count ||
	    (t->day > 0 ? hour_day(at) != t->day : at != hour) || part->outside ||
	    !slice_equal(series, slice_text(t->book->series[t->partition][part->series])))
		t->result->wrong++;
}

/* hour_text: "" in a day. */
static void book_count_cell(void *arg, struct slice hour_text, struct slice field,
			    struct slice blob)
{
	struct book_tally *t = arg;
	struct slice series = slice_of(field.ptr + 1, field.size - 1);
	struct cell *cell;
	uint64_t count;
	int64_t hour = 0;

	if ((t->day == 0 && hour_parse(hour_text, &hour) < 0) || cell_decode(blob, &cell) < 0) {
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

/* A day's cells, where there is one, say the same as its hours. Returns the day, or 0. */
static int64_t book_count_day(const struct model_store *store, const char *tag, int64_t day,
			      struct book_tally *t)
{
	const struct model_entry *cells[MODEL_FIELDS];
	char key[RKEY_SIZE];
	size_t count;

	if (model_store_fields(store, slice_text(rkey_day_manifest(tag, day, key)), cells) == 0)
		return 0;
	t->day = day;
	t->counters = 0;
	t->values = 0;
	count = model_store_fields(store, slice_text(rkey_day_cells(tag, day, key)), cells);
	for (size_t i = 0; i < count; i++)
		book_count_cell(t, slice_text(""), cells[i]->field, cells[i]->value);
	t->result->wrong += t->counters != (double)t->values;
	return day;
}

static void book_check_days(struct book *b, const struct model_store *store, const char *tag,
			    uint32_t partition, struct book_result *result)
{
	struct book_tally t = { .book = b, .result = result, .partition = partition };
	int64_t today = b->count ? hour_day(hour_of_second(b->batches[0].parts[0].second)) : 0;
	int64_t day = today - BOOK_DAYS;

	for (; b->count > 0 && day <= today + BOOK_DAYS; day++) {
		if (book_count_day(store, tag, day, &t) == 0)
			continue;
		for (size_t i = 0; i < b->count * BOOK_PARTS; i++) {
			const struct book_batch *batch = &b->batches[i / BOOK_PARTS];
			const struct book_part *part = &batch->parts[i % BOOK_PARTS];

			if (batch->partition == partition && i % BOOK_PARTS < batch->part_count &&
			    hour_day(hour_of_second(part->second)) == day)
				result->wrong += part->in_day != part->counted;
		}
	}
}

/* What the batch says, part by part. Returns whether anything of it was counted; *known whether
 * that can be told. */
static bool book_check_batch(const struct book_batch *batch, struct book_result *result,
			     bool *known)
{
	uint32_t counted = 0, countable = 0;

	for (uint32_t i = 0; i < batch->part_count; i++) {
		const struct book_part *part = &batch->parts[i];

		countable += !part->outside;
		counted += part->counted > 0;
		result->twice += part->counted > 1 ? part->counted - 1 : 0;
		result->lost += part->counted == 0 && !part->outside && !batch->may_lose;
		result->excused += part->counted == 0 && batch->may_lose;
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
		samples += batch->parts[i].outside ? 2 : 0;
	return samples;
}

struct book_result book_check(struct book *b, const struct model_store *stores,
			      const struct rkey_tags *tags)
{
	struct book_result result = { .first_bad = b->count };
	uint64_t declared[BOOK_PARTITIONS] = { 0 }, doubtful[BOOK_PARTITIONS] = { 0 };
	uint64_t excused[BOOK_PARTITIONS] = { 0 };

	for (uint32_t p = 0; p < b->partitions; p++) {
		book_count_partition(b, &stores[p], p, &result);
		book_check_days(b, &stores[p], tags->tag[p], p, &result);
	}
	for (size_t i = 0; i < b->count; i++) {
		const struct book_batch *batch = &b->batches[i];
		uint64_t before = result.lost + result.twice + result.torn;
		bool known, in = book_check_batch(batch, &result, &known);

		if (before != result.lost + result.twice + result.torn &&
		    result.first_bad == b->count)
			result.first_bad = i;
		excused[batch->partition] += batch->may_lose ? 2 * (uint64_t)batch->part_count : 0;
		result.doubted += batch->may_lose;
		if (in)
			declared[batch->partition] += book_declared(batch);
		else if (!known)
			doubtful[batch->partition] += book_declared(batch);
	}
	for (uint32_t p = 0; p < b->partitions; p++) {
		char key[RKEY_SIZE];
		uint64_t lost = model_store_number(&stores[p], rkey_meta(tags->tag[p], key), "lost");

		/* What died with a disk is declared by who has later batches of its stream; of a
		 * gap that Redis has in part, all of it. */
		result.wrong += lost < declared[p] ||
				lost > declared[p] + doubtful[p] + excused[p];
	}
	return result;
}
