// SPDX-License-Identifier: Apache-2.0
/*
 * seal.c - sort pointers to groups, then write them out in that order.
 *
 * A batch ends where the partition changes or the next piece does not fit. Values of a group are
 * collected into a scratch array and encoded piece by piece, so a group of any size needs the same
 * memory. `mark` counts batches: a series whose mark is another is new in this one.
 */
#include "agent/seal.h"

#include "proto/group.h"
#include "proto/hash.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define SEAL_KEEP_GROUPS 4096 /* a list up to so long is kept */

static_assert(sizeof(double) == sizeof(uint64_t), "values and hashes share their scratch");

int seal_init(struct seal *s)
{
	*s = (struct seal){ .values = malloc(SEAL_PIECE_VALUES * sizeof(uint64_t)) };
	if (s->values == NULL)
		return -ENOMEM;
	buf_init(&s->bytes, LIMIT_BATCH_BYTES);
	batch_writer_init(&s->writer, 0);
	return 0;
}

void seal_release(struct seal *s)
{
	free(s->values);
	free(s->groups);
	buf_release(&s->bytes);
	batch_writer_release(&s->writer);
	*s = (struct seal){ 0 };
}

static int seal_compare_numbers(double a, double b)
{
	return (a > b) - (a < b);
}

static int seal_compare(const void *left, const void *right)
{
	const struct table_group *a = *(struct table_group *const *)left;
	const struct table_group *b = *(struct table_group *const *)right;
	const struct table_series *x = a->series, *y = b->series;

	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	if (a->second != b->second)
		return a->second < b->second ? -1 : 1;
	if (x != y) {
		/* The hash first: it is at hand and nearly always decides. */
		int order = slice_compare(slice_of(x->bytes, x->size), slice_of(y->bytes, y->size));

		if (x->hash != y->hash)
			return x->hash < y->hash ? -1 : 1;
		return order ? order : (int)x->kind - (int)y->kind;
	}
	if (a->rate != b->rate)
		return seal_compare_numbers(a->rate, b->rate);
	return seal_compare_numbers(a->weight, b->weight);
}

/* Lists and sorts the table's groups. Returns how many, or -ENOMEM. */
static ssize_t seal_collect(struct seal *s, struct table *t, uint32_t partitions)
{
	struct table_series *series;
	size_t cursor = 0, count = 0;

	if (t->group_total > s->groups_capacity) {
		struct table_group **grown =
			realloc(s->groups, t->group_total * sizeof(struct table_group *));

		if (grown == NULL)
			return -ENOMEM;
		s->groups = grown;
		s->groups_capacity = t->group_total;
	}
	while ((series = table_next(t, &cursor)) != NULL) {
		series->partition = hash_partition(slice_of(series->bytes, series->size),
						   partitions);
		series->mark = s->mark;
		for (struct table_group *g = series->groups; g != NULL; g = g->next)
			if (g->samples > 0)
				s->groups[count++] = g;
	}
	if (count > 1)
		qsort(s->groups, count, sizeof(struct table_group *), seal_compare);
	return (ssize_t)count;
}

/* Hands the writer's batch on. */
static void seal_close_batch(struct seal *s)
{
	if (batch_writer_groups(&s->writer) == 0)
		return;
	if (s->emit(s->arg, s->partition, &s->writer, s->samples) == 0) {
		s->counts.batches++;
		s->counts.samples += s->samples;
		s->counts.own += s->own;
	} else {
		s->counts.lost += s->samples;
		s->counts.own_lost += s->own;
	}
	s->samples = 0;
	s->own = 0;
	s->series = 0;
}

/* Begins a batch whose first group, and so its smallest second, is this one's. */
static void seal_begin_batch(struct seal *s, const struct table_group *g)
{
	seal_close_batch(s);
	batch_writer_reset(&s->writer, g->second);
	s->mark++;
	s->partition = g->series->partition;
}

/* Puts the encoded piece of a group into a batch of its partition. */
static void seal_put(struct seal *s, const struct table_group *g, uint64_t samples)
{
	struct table_series *series = g->series;
	struct slice name = slice_of(series->bytes, series->size);
	bool own = series->role == TABLE_OWN;
	struct batch_group group = { .kind = (enum kind)series->kind, .series = name,
				     .second = g->second, .bytes = buf_view(&s->bytes) };

	if (buf_status(&s->bytes) < 0) {
		*(own ? &s->counts.own_lost : &s->counts.lost) += samples;
		return;
	}
	if (batch_writer_groups(&s->writer) == 0 || s->partition != series->partition ||
	    (series->mark != s->mark && s->series == LIMIT_BATCH_SERIES) ||
	    !batch_writer_fits(&s->writer, name, group.bytes.size))
		seal_begin_batch(s, g);
	if (series->mark != s->mark) {
		series->mark = s->mark;
		s->series++;
	}
	batch_writer_add(&s->writer, &group, samples);
	*(own ? &s->own : &s->samples) += samples;
}

/* Encodes the collected values as one piece of a group. */
static void seal_piece(struct seal *s, const struct table_group *g)
{
	struct group_sampling sampling = { .rate = g->rate, .weight = g->weight };
	size_t count = s->value_count;

	if (count == 0)
		return;
	s->value_count = 0;
	buf_reset(&s->bytes);
	if (g->series->kind == KIND_SET)
		group_put_members(&s->bytes, s->values, count, count);
	else
		group_put_values(&s->bytes, sampling, s->values, count);
	seal_put(s, g, count);
}

/* Values, or members' hashes: both are eight bytes. */
static void seal_values(struct seal *s, const struct table_group *g)
{
	struct values_reader reader = values_read(&g->values);
	double *values = s->values;
	double value;
	uint64_t run;

	while (values_next(&reader, &value, &run))
		for (; run > 0; run--) {
			values[s->value_count++] = value;
			if (s->value_count == SEAL_PIECE_VALUES)
				seal_piece(s, g);
		}
	seal_piece(s, g);
}

static void seal_group(struct seal *s, const struct table_group *g)
{
	switch ((enum kind)g->series->kind) {
	case KIND_GAUGE:
		buf_reset(&s->bytes);
		group_put_gauge(&s->bytes, g->gauge);
		seal_put(s, g, g->samples);
		break;
	case KIND_COUNTER:
	case KIND_DISTRIBUTION:
	case KIND_SET:
		seal_values(s, g);
		break;
	case KIND_WINDOW: /* of cells alone */
		break;
	}
}

/* After a burst the list is far too long: gives it up. */
static void seal_trim(struct seal *s, ssize_t count)
{
	if (s->groups_capacity < SEAL_KEEP_GROUPS || count > (ssize_t)s->groups_capacity / 16)
		return;
	free(s->groups);
	s->groups = NULL;
	s->groups_capacity = 0;
}

struct seal_counts seal_run(struct seal *s, struct table *t, uint32_t partitions,
			    seal_emit_fn emit, void *arg)
{
	ssize_t count;

	s->counts = (struct seal_counts){ 0 };
	s->emit = emit;
	s->arg = arg;
	s->samples = 0;
	s->own = 0;
	s->series = 0;
	s->value_count = 0;
	batch_writer_reset(&s->writer, 0);
	count = seal_collect(s, t, partitions);
	if (count < 0)
		s->counts = (struct seal_counts){ .lost = t->samples, .own_lost = t->own_samples };
	for (ssize_t i = 0; i < count; i++)
		seal_group(s, s->groups[i]);
	seal_close_batch(s);
	batch_writer_reset(&s->writer, 0);
	seal_trim(s, count);
	return s->counts;
}
