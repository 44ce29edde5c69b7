// SPDX-License-Identifier: Apache-2.0
/*
 * bench_cell.c - what small cells cost: adding a group, merging, encoding, decoding, bytes.
 *
 *     bench_cell [ROUNDS]
 *
 * Prints one line a case. "small" is what most cells are: a few minutes of one agent.
 */
#include "proto/cell.h"
#include "proto/group.h"
#include "proto/hash.h"
#include "proto/limits.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

#define BENCH_GROUP_BYTES (64 * 1024)
#define BENCH_FILLS       20 /* cells filled to measure adding */

static void bench_need(int rc)
{
	if (rc < 0) {
		fprintf(stderr, "bench_cell: error %d\n", rc);
		exit(1);
	}
}

static void bench_values(struct buf *out, uint64_t seed, size_t count)
{
	double values[4096];

	for (size_t i = 0; i < count; i++) {
		uint64_t key = seed << 32 | i;

		values[i] = (double)(hash64(slice_of(&key, sizeof(key))) % 2000);
	}
	group_put_values(out, (struct group_sampling){ .rate = 1, .weight = 1 }, values, count);
}

static void bench_members(struct buf *out, uint64_t seed, size_t count)
{
	uint64_t hashes[4096];

	for (size_t i = 0; i < count; i++) {
		uint64_t key = seed << 32 | i;

		hashes[i] = hash64(slice_of(&key, sizeof(key)));
	}
	group_put_members(out, hashes, count, count);
}

/* A second of a gauge: two of three set it, if count is not 0; the others only change it. */
static void bench_gauge(struct buf *out, uint64_t seed, size_t count)
{
	double value = 20 + (double)(seed % 100) / 10;
	struct group_gauge gauge = { .delta = 0.5, .samples = 1 };

	if (count > 0 && seed % 3 != 0)
		gauge = (struct group_gauge){ .has_set = true, .last = value, .min = value,
					      .max = value, .sum = value, .sets = 1,
					      .samples = 1 };
	group_put_gauge(out, &gauge);
}

struct bench_case {
	const char *name;
	enum kind kind;
	size_t groups; /* seconds in a cell */
	size_t values; /* in a group */
};

static void bench_group(const struct bench_case *b, uint64_t seed, struct buf *out)
{
	buf_reset(out);
	if (b->kind == KIND_GAUGE)
		bench_gauge(out, seed, b->values);
	else if (b->kind == KIND_SET)
		bench_members(out, seed, b->values);
	else
		bench_values(out, seed, b->values);
	bench_need(buf_status(out));
}

static int bench_add(struct cell *c, uint32_t second, struct slice group)
{
	return cell_kind(c) == KIND_WINDOW ? cell_add_elements(c, second, second, group) :
					     cell_add_group(c, second, group);
}

/* A cell of the case; *add_ns grows by the time spent in bench_add. */
static struct cell *bench_fill(const struct bench_case *b, uint64_t seed, double *add_ns)
{
	struct cell *c = cell_new(b->kind);
	struct buf group;

	if (c == NULL)
		bench_need(-1);
	buf_init(&group, BENCH_GROUP_BYTES);
	for (size_t i = 0; i < b->groups; i++) {
		double start;

		bench_group(b, seed + i, &group);
		start = bench_now_ns();
		bench_need(bench_add(c, (uint32_t)i, buf_view(&group)));
		*add_ns += bench_now_ns() - start;
	}
	buf_release(&group);
	return c;
}

struct bench_times {
	double add, encode, decode, merge;
};

/* What queryd does with a partial: decode it, merge it into the answer; and the relay: encode. */
static void bench_round(struct cell *c, struct cell *total, struct buf *out, struct bench_times *t)
{
	struct cell *back;
	double at[4];

	buf_reset(out);
	at[0] = bench_now_ns();
	bench_need(cell_encode(c, out));
	at[1] = bench_now_ns();
	bench_need(cell_decode(buf_view(out), &back));
	at[2] = bench_now_ns();
	bench_need(cell_merge(total, back));
	at[3] = bench_now_ns();
	cell_free(back);
	t->encode += at[1] - at[0];
	t->decode += at[2] - at[1];
	t->merge += at[3] - at[2];
}

static void bench_run(const struct bench_case *b, size_t rounds)
{
	struct bench_times t = { 0 };
	struct cell *total;
	struct cell *c;
	struct buf out;
	double none = 0;

	buf_init(&out, LIMIT_CELL_BYTES);
	for (size_t i = 0; i < BENCH_FILLS; i++)
		cell_free(bench_fill(b, i, &t.add));
	c = bench_fill(b, 1, &none);
	total = bench_fill(b, 1, &none);
	for (size_t i = 0; i < rounds; i++)
		bench_round(c, total, &out, &t);
	printf("%-28s %6zu bytes  %6zu memory  add %7.0f  encode %7.0f  decode %7.0f  merge %7.0f"
	       " ns\n", b->name, out.size, cell_memory(c),
	       t.add / (double)(b->groups * BENCH_FILLS), t.encode / (double)rounds,
	       t.decode / (double)rounds, t.merge / (double)rounds);
	cell_free(c);
	cell_free(total);
	buf_release(&out);
}

int main(int argc, char **argv)
{
	static const struct bench_case cases[] = {
		{ "counter, 60 s", KIND_COUNTER, 60, 10 },
		{ "gauge, 60 s set and changed", KIND_GAUGE, 60, 1 },
		{ "gauge, 3,600 s only changed", KIND_GAUGE, 3600, 0 },
		{ "set, 10 members", KIND_SET, 10, 1 },
		{ "set, 1,000 members", KIND_SET, 100, 10 },
		{ "set, 5,000 members", KIND_SET, 50, 100 },
		{ "set, 100,000 members", KIND_SET, 100, 1000 },
		{ "distribution, 10 values", KIND_DISTRIBUTION, 10, 1 },
		{ "distribution, 100 values", KIND_DISTRIBUTION, 10, 10 },
		{ "distribution, 10,000 values", KIND_DISTRIBUTION, 100, 100 },
		{ "window, full, 1 a second", KIND_WINDOW, 2000, 1 },
		{ "window, full, 100 a second", KIND_WINDOW, 100, 100 },
	};
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 2000;

	if (rounds <= 0) {
		fprintf(stderr, "usage: bench_cell [ROUNDS]\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		bench_run(&cases[i], (size_t)rounds);
	return 0;
}
