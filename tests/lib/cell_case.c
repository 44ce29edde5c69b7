// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/cell_case.h"

#include "proto/hash.h"
#include "proto/limits.h"
#include "tests/lib/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const enum kind cell_case_kinds[CELL_CASE_KINDS] = {
	KIND_DISTRIBUTION,
	KIND_COUNTER,
	KIND_GAUGE,
	KIND_SET,
	KIND_WINDOW,
};

const struct group_sampling cell_case_unsampled = { .rate = 1, .weight = 1 };

uint64_t cell_case_noise(uint64_t i)
{
	return hash64(slice_of(&i, sizeof(i)));
}

struct cell *cell_case_new(enum kind kind)
{
	/* A small window, so that histories overflow it. */
	struct cell *c = kind == KIND_WINDOW ? cell_new_window(20) : cell_new(kind);

	assert_non_null(c);
	return c;
}

void cell_case_group(struct cell *c, uint32_t second, struct buf *group)
{
	uint64_t samples = 0;

	assert_int_equal(buf_status(group), 0);
	assert_int_equal(group_check(cell_kind(c), buf_view(group), &samples), 0);
	assert_true(samples > 0);
	assert_int_equal(cell_add_group(c, second, buf_view(group)), 0);
	buf_release(group);
}

void cell_case_values(struct cell *c, struct group_sampling sampling, const double *values,
		      size_t count)
{
	double sorted[64];
	struct buf group;

	assert_true(count <= 64);
	memcpy(sorted, values, count * sizeof(*values));
	buf_init(&group, 4096);
	group_put_values(&group, sampling, sorted, count);
	cell_case_group(c, 0, &group);
}

void cell_case_value(struct cell *c, double value)
{
	cell_case_values(c, cell_case_unsampled, &value, 1);
}

void cell_case_set_gauge(struct cell *c, uint32_t second, double value, double delta)
{
	struct group_gauge gauge = { .has_set = true, .last = value, .delta = delta,
				     .min = value,    .max = value,  .sum = value,
				     .sets = 1,       .samples = 1 + (delta != 0) };
	struct buf group;

	buf_init(&group, 4096);
	group_put_gauge(&group, &gauge);
	cell_case_group(c, second, &group);
}

void cell_case_change_gauge(struct cell *c, uint32_t second, double delta)
{
	struct group_gauge gauge = { .delta = delta, .samples = 1 };
	struct buf group;

	buf_init(&group, 4096);
	group_put_gauge(&group, &gauge);
	cell_case_group(c, second, &group);
}

void cell_case_members(struct cell *c, uint64_t from, uint64_t to)
{
	uint64_t *hashes = calloc(to - from, sizeof(*hashes));
	struct buf group;

	assert_non_null(hashes);
	for (uint64_t i = from; i < to; i++)
		hashes[i - from] = cell_case_noise(i);
	buf_init(&group, 1 << 20);
	group_put_members(&group, hashes, to - from, to - from);
	cell_case_group(c, 0, &group);
	free(hashes);
}

/* A group of one to four values with runs, from a die that names it too. */
static void cell_case_elements(struct cell *c, uint32_t second, uint64_t dice)
{
	struct group_sampling half = { .rate = 0.5, .weight = 2 };
	double values[4] = { (double)(dice & 7), (double)(dice >> 8 & 7) / 4, 3, 3 };
	struct buf group;

	buf_init(&group, 4096);
	group_put_values(&group, dice >> 60 ? cell_case_unsampled : half, values, 1 + dice % 4);
	assert_int_equal(cell_add_elements(c, second, dice, buf_view(&group)), 0);
	buf_release(&group);
}

/* Something that may cell_case_happen in an hour of a kind, from a seed. Whole numbers, so that
 * what is promised exactly is exact. */
static void cell_case_happen(struct cell *c, uint64_t seed)
{
	uint64_t dice = cell_case_noise(seed);
	struct group_sampling tenth = { .rate = 0.1, .weight = 10 };

	switch (cell_kind(c)) {
	case KIND_COUNTER:
		tenth.weight = 1;
		/* fall through */
	case KIND_DISTRIBUTION: {
		double values[3] = { (double)(dice & 255), (double)(dice >> 8 & 15), 3 };

		cell_case_values(c, dice >> 60 ? cell_case_unsampled : tenth, values, 1 + dice % 3);
		break;
	}
	case KIND_GAUGE:
		if (dice & 1)
			cell_case_set_gauge(c, dice >> 8 & 31, (double)(dice >> 16 & 15), (double)(dice & 6));
		else
			cell_case_change_gauge(c, dice >> 8 & 31, (double)(dice >> 16 & 15) - 7);
		break;
	case KIND_SET:
		cell_case_members(c, dice & 255, (dice & 255) + 1 + (dice >> 8) % 60);
		break;
	case KIND_WINDOW:
		cell_case_elements(c, dice >> 8 & 31, dice);
		break;
	}
}

struct cell *cell_case_history(enum kind kind, uint64_t from, uint64_t to)
{
	struct cell *c = cell_case_new(kind);

	while (from < to)
		cell_case_happen(c, from++);
	return c;
}

struct buf cell_case_encode(struct cell *c)
{
	struct buf out;

	buf_init(&out, LIMIT_CELL_BYTES);
	assert_int_equal(cell_encode(c, &out), 0);
	return out;
}

void assert_same_cell(struct cell *a, struct cell *b)
{
	bytes_assert_same(cell_case_encode(a), cell_case_encode(b));
}
