// SPDX-License-Identifier: Apache-2.0
/*
 * bench_batch - what encoding and decoding batches costs.
 *
 * One line a case: name, nanoseconds a unit, bytes a unit. Inputs are fixed by a seed; each
 * case is repeated for about a third of a second and the fastest of five rounds counts,
 * because on a shared machine the others measure the neighbours.
 */
#include "proto/batch.h"
#include "proto/group.h"
#include "tests/bench/bench.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS     5
#define ROUND_NS   60e6
#define VALUES_MAX 10000
#define PARTITIONS 32

/* The time one call of work takes: the best of some rounds. */
static double bench_best(void (*work)(void *), void *arg)
{
	double best = 1e18;

	for (int round = 0; round < ROUNDS; round++) {
		double start = bench_now_ns(), now = start;
		unsigned calls = 0;

		do {
			work(arg);
			calls++;
			now = bench_now_ns();
		} while (now - start < ROUND_NS);
		if ((now - start) / calls < best)
			best = (now - start) / calls;
	}
	return best;
}

struct bench_group {
	double values[VALUES_MAX];
	double scratch[VALUES_MAX];
	size_t count;
	struct buf out;
};

/* A copy is sorted, not the values: sorted input would be another case. The copy is part of
 * the time (well below 1 ns a value). Many small groups go in one call, for the clock's sake. */
static void bench_put(void *arg)
{
	static const struct group_sampling whole = { .rate = 1, .weight = 1 };
	struct bench_group *g = arg;
	size_t used = 0;

	buf_reset(&g->out);
	memcpy(g->scratch, g->values, sizeof(g->values));
	for (; used + g->count <= VALUES_MAX; used += g->count)
		group_put_values(&g->out, whole, g->scratch + used, g->count);
	assert(buf_status(&g->out) == 0);
}

static void bench_values(struct bench_group *g, const char *name, size_t count)
{
	size_t total = VALUES_MAX / count * count;
	double ns;

	g->count = count;
	ns = bench_best(bench_put, g) / (double)total;
	printf("put_values %-28s %8.1f ns/value %6.2f B/value\n", name, ns,
	       (double)g->out.size / (double)total);
}

static void bench_encoding(void)
{
	struct bench_group *g = calloc(1, sizeof(*g));

	buf_init(&g->out, 1 << 20);
	for (size_t i = 0; i < VALUES_MAX; i++)
		g->values[i] = (double)(bench_random() % 1000);
	bench_values(g, "10000 ints 0..999", 10000);
	bench_values(g, "100 ints 0..999", 100);
	bench_values(g, "10 ints 0..999", 10);
	bench_values(g, "1 int", 1);
	for (size_t i = 0; i < VALUES_MAX; i++)
		g->values[i] = (double)(bench_random() % 10000000);
	bench_values(g, "10000 ints 0..1e7", 10000);
	for (size_t i = 0; i < VALUES_MAX; i++)
		g->values[i] = (double)(bench_random() % 1000000) / 1000;
	bench_values(g, "10000 decimals 0..999.999", 10000);
	bench_values(g, "10 decimals 0..999.999", 10);
	for (size_t i = 0; i < VALUES_MAX; i++)
		g->values[i] = (double)(bench_random() >> 11) / 9007199254740992.0;
	bench_values(g, "10000 doubles in 0..1", 10000);
	buf_release(&g->out);
	free(g);
}

/* Makes one batch of as many groups as asked, each of count ints 0..999. */
static void bench_fill(struct buf *out, size_t groups, size_t count)
{
	static const struct group_sampling whole = { .rate = 1, .weight = 1 };
	struct batch_header header = { .cfg = hash_cfg(PARTITIONS), .seq = 1 };
	struct batch_group group = { .kind = KIND_DISTRIBUTION, .second = 1000 };
	struct batch_writer w;
	struct buf bytes;
	char series[64];
	double values[100];

	assert(count <= 100);
	buf_init(&bytes, 1 << 20);
	batch_writer_init(&w, 1000);
	for (size_t tried = 0; batch_writer_groups(&w) < groups; tried++) {
		snprintf(series, sizeof(series), "service.endpoint.%zu.latency", tried);
		group.series = slice_text(series);
		if (hash_partition(group.series, PARTITIONS) != header.partition)
			continue;
		for (size_t i = 0; i < count; i++)
			values[i] = (double)(bench_random() % 1000);
		buf_reset(&bytes);
		group_put_values(&bytes, whole, values, count);
		group.bytes = buf_view(&bytes);
		assert(batch_writer_fits(&w, group.series, group.bytes.size));
		batch_writer_add(&w, &group, count);
	}
	if (batch_finish(&w, &header, out) != 0)
		abort();
	batch_writer_release(&w);
	buf_release(&bytes);
}

static void bench_decode(void *arg)
{
	struct batch b;

	if (batch_decode(buf_view(arg), PARTITIONS, &b) != 0)
		abort();
	batch_release(&b);
}

static void bench_peek(void *arg)
{
	struct batch_header header;

	if (batch_peek(buf_view(arg), &header) != 0)
		abort();
}

static void bench_decoding(size_t groups, size_t count)
{
	struct buf bytes;
	double ns;

	buf_init(&bytes, LIMIT_BATCH_BYTES);
	bench_fill(&bytes, groups, count);
	ns = bench_best(bench_decode, &bytes);
	printf("batch_decode %zu x %-17zu %9.1f ns/group %8.1f ns/value %6.1f B/group\n", groups,
	       count, ns / (double)groups, ns / (double)(groups * count),
	       (double)bytes.size / (double)groups);
	printf("batch_peek   %zu x %-17zu %9.1f ns/group\n", groups, count,
	       bench_best(bench_peek, &bytes) / (double)groups);
	buf_release(&bytes);
}

int main(void)
{
	bench_encoding();
	bench_decoding(512, 1);
	bench_decoding(512, 10);
	bench_decoding(512, 100);
	return 0;
}
