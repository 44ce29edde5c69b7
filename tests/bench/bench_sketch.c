// SPDX-License-Identifier: Apache-2.0
/*
 * What a sketch costs: `bench_sketch LOOP [COUNT]` runs one loop, without arguments all of
 * them. One loop at a time so that `valgrind --tool=callgrind` can be pointed at it: divide
 * the instructions by the operations printed.
 */
#include "proto/sketch.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_VALUES 65536

static double bench_values[BENCH_VALUES];
static uint64_t bench_state = 42;

/* Uniform in (0, 1), xorshift64*. */
static double bench_uniform(void)
{
	bench_state ^= bench_state >> 12;
	bench_state ^= bench_state << 25;
	bench_state ^= bench_state >> 27;
	return ((double)(bench_state * UINT64_C(2685821657736338717) >> 11) + 0.5) * 0x1p-53;
}

static double bench_lognormal(void)
{
	double radius = sqrt(-2 * log(bench_uniform()));

	return exp(radius * cos(6.283185307179586 * bench_uniform()));
}

static void bench_check(int status)
{
	if (status != 0) {
		fprintf(stderr, "status %d\n", status);
		exit(1);
	}
}

/* The values of a loop: real numbers, or whole ones as latencies in ms are. */
static void bench_fill(bool whole)
{
	for (size_t i = 0; i < BENCH_VALUES; i++) {
		double value = bench_lognormal();

		bench_values[i] = whole ? floor(value * 100) : value;
	}
}

static struct sketch *bench_sketch(size_t count)
{
	struct sketch *s = sketch_new();

	for (size_t i = 0; i < count; i++)
		bench_check(sketch_add(s, bench_values[i % BENCH_VALUES], 1));
	return s;
}

static size_t bench_insert(size_t count)
{
	struct sketch *s = bench_sketch(count);
	size_t bytes = sketch_memory(s);

	sketch_free(s);
	return bytes;
}

static size_t bench_merge(size_t count)
{
	struct sketch *part = bench_sketch(10000), *all = sketch_new();
	size_t bytes;

	for (size_t i = 0; i < count; i++)
		bench_check(sketch_merge(all, part));
	bytes = sketch_memory(all);
	sketch_free(part);
	sketch_free(all);
	return bytes;
}

static size_t bench_encode(size_t count)
{
	struct sketch *s = bench_sketch(10000);
	struct buf out;
	size_t bytes;

	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < count; i++) {
		buf_reset(&out);
		bench_check(sketch_encode(s, &out));
	}
	bytes = out.size;
	buf_release(&out);
	sketch_free(s);
	return bytes;
}

static size_t bench_decode(size_t count)
{
	struct sketch *s = bench_sketch(10000);
	struct buf out;
	size_t bytes;

	buf_init(&out, 1 << 20);
	bench_check(sketch_encode(s, &out));
	sketch_free(s);
	for (size_t i = 0; i < count; i++) {
		bench_check(sketch_decode(buf_view(&out), &s));
		sketch_free(s);
	}
	bytes = out.size;
	buf_release(&out);
	return bytes;
}

/* A question over many keys: each blob is read and merged into one sketch. BENCH_KEYS different ones
 * of 1,000 samples in cents take turns, of 100,000 values there are. */
#define BENCH_KEYS 64

static size_t bench_fold(size_t count)
{
	struct sketch *all = sketch_new(), *key;
	struct buf blobs[BENCH_KEYS];
	size_t bytes;

	for (size_t k = 0; k < BENCH_KEYS; k++) {
		key = sketch_new();
		for (size_t i = 0; i < 1000; i++)
			bench_check(sketch_add(key, floor(bench_uniform() * 100000) / 100, 1));
		buf_init(&blobs[k], 1 << 20);
		bench_check(sketch_encode(key, &blobs[k]));
		sketch_free(key);
	}
	for (size_t i = 0; i < count; i++) {
		bench_check(sketch_decode(buf_view(&blobs[i % BENCH_KEYS]), &key));
		bench_check(sketch_merge(all, key));
		sketch_free(key);
	}
	for (size_t k = 0; k < BENCH_KEYS; k++)
		buf_release(&blobs[k]);
	bytes = sketch_memory(all);
	sketch_free(all);
	return bytes;
}

static const struct {
	const char *name;
	bool whole;
	size_t count;
	size_t (*run)(size_t count);
} bench_loops[] = {
	{ "none", false, 1, bench_insert }, /* what callgrind should take off */
	{ "insert-digest", false, 2000000, bench_insert },
	{ "insert-exact", true, 5000000, bench_insert },
	{ "merge-digest", false, 10000, bench_merge },
	{ "merge-exact", true, 10000, bench_merge },
	{ "encode-digest", false, 5000, bench_encode },
	{ "encode-exact", true, 5000, bench_encode },
	{ "decode-digest", false, 5000, bench_decode },
	{ "decode-exact", true, 5000, bench_decode },
	{ "fold", false, 10000, bench_fold },
};

static void bench_run(size_t i, size_t count)
{
	struct timespec from, to;
	size_t bytes;
	double ns;

	bench_fill(bench_loops[i].whole);
	clock_gettime(CLOCK_MONOTONIC, &from);
	bytes = bench_loops[i].run(count);
	clock_gettime(CLOCK_MONOTONIC, &to);
	ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
	printf("%-14s %8zu ops %10.1f ns/op %7zu bytes\n", bench_loops[i].name, count,
	       ns / (double)count, bytes);
}

int main(int argc, char **argv)
{
	bool found = false;

	for (size_t i = 0; i < sizeof(bench_loops) / sizeof(bench_loops[0]); i++) {
		if (argc > 1 && strcmp(argv[1], bench_loops[i].name) != 0)
			continue;
		bench_run(i, argc > 2 ? (size_t)atol(argv[2]) : bench_loops[i].count);
		found = true;
	}
	return found ? 0 : 2;
}
