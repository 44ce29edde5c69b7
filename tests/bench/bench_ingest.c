// SPDX-License-Identifier: Apache-2.0
/*
 * bench_ingest - what a line costs the agent's receiver, without the kernel.
 *
 *     bench_ingest [KEYS TYPE [MILLIONS]]    without: 100 and 100,000 timers, 100 counters
 *
 * Datagrams of 46 lines, as blast.c sends them, are copied into a receiver's buffers 64 at a time and
 * read by ingest.h; every 2^21 lines (half a second of four million) the tables are swapped and the
 * old one emptied, and every other time a new second begins. Prints nanoseconds a line, best and middle
 * of the intervals. To be run beside `perf stat` or valgrind as well.
 */
#include "agent/ingest.h"
#include "proto/limits.h"
#include "tests/bench/bench.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BENCH_LINE      32
#define BENCH_LINES     46 /* a datagram */
#define BENCH_BURST     64
#define BENCH_STRIDE    (LIMIT_DATAGRAM_BYTES + 4096 + 64) /* as in receive.c */
#define BENCH_DATAGRAMS 16384
#define BENCH_INTERVAL  ((size_t)1 << 21) /* lines between seals */

static uint8_t *bench_prepare(uint32_t keys, const char *type)
{
	uint8_t *bytes = malloc((size_t)BENCH_DATAGRAMS * BENCH_LINES * BENCH_LINE);
	char line[2 * BENCH_LINE];

	assert(bytes != NULL);
	for (size_t i = 0; i < (size_t)BENCH_DATAGRAMS * BENCH_LINES; i++) {
		int size = snprintf(line, sizeof(line), "%.*s%06u:%03u|%s\n",
				    BENCH_LINE - 12 - (int)strlen(type), "bench.service.key...",
				    (unsigned)(bench_random() % keys),
				    (unsigned)(bench_random() % 1000), type);

		assert(size == BENCH_LINE);
		memcpy(bytes + i * BENCH_LINE, line, BENCH_LINE);
	}
	return bytes;
}

/* One burst from where *at is. */
static void bench_burst(struct ingest *ingest, const uint8_t *bytes, uint8_t *buffers, size_t *at)
{
	const size_t size = BENCH_LINES * BENCH_LINE - 1;

	for (size_t i = 0; i < BENCH_BURST; i++)
		memcpy(buffers + i * BENCH_STRIDE,
		       bytes + (*at + i) % BENCH_DATAGRAMS * (size + 1), size);
	*at += BENCH_BURST;
	ingest_begin(ingest, false);
	for (size_t i = 0; i < BENCH_BURST; i++)
		ingest_text(ingest, slice_of(buffers + i * BENCH_STRIDE, size));
	ingest_end(ingest);
}

static int bench_compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static void bench_run(uint32_t keys, const char *type, size_t intervals)
{
	static struct intake intake;
	static struct ingest ingest;
	struct limits_options limits = { .max_keys = 200000, .max_keys_per_prefix = 200000,
					 .max_new_keys_per_second = 10000000 };
	uint8_t *buffers = malloc((size_t)BENCH_BURST * BENCH_STRIDE);
	double *took = calloc(intervals, sizeof(*took));
	uint8_t *bytes = bench_prepare(keys, type);
	size_t at = 0, lines = 0;
	int64_t now_ms;
	double began;

	assert(buffers != NULL && took != NULL &&
	       intake_init(&intake, limits.max_keys, (size_t)512 << 20) == 0);
	intake_limit(&intake, &limits);
	ingest_init(&ingest, &intake, NULL, 86400);
	for (size_t i = 0; i < intervals; i++) {
		began = bench_now_ns();
		for (lines = 0; lines < BENCH_INTERVAL; lines += (size_t)BENCH_BURST * BENCH_LINES)
			bench_burst(&ingest, bytes, buffers, &at);
		took[i] = (bench_now_ns() - began) / (double)lines;
		intake_lock(&intake);
		assert(intake_swap(&intake, &now_ms)->samples == lines);
		intake_unlock(&intake);
		intake_done(&intake);
	}
	qsort(took, intervals, sizeof(*took), bench_compare);
	printf("%7u keys, %-2s  %6.1f ns a line at best, %6.1f in the middle\n", keys, type, took[0],
	       took[intervals / 2]);
	intake_done(&intake);
	intake_release(&intake);
	free(buffers);
	free(took);
	free(bytes);
}

int main(int argc, char **argv)
{
	if (argc > 2) {
		bench_run((uint32_t)strtoul(argv[1], NULL, 10), argv[2],
			  argc > 3 ? strtoul(argv[3], NULL, 10) * 1000000 / BENCH_INTERVAL + 1 : 15);
		return 0;
	}
	bench_run(100, "ms", 15);
	bench_run(100, "c", 15);
	bench_run(100000, "ms", 15);
	return 0;
}
