// SPDX-License-Identifier: Apache-2.0
/*
 * cells.c - cells, manifests and names as relays would have written them, as commands for `redis-cli --pipe`.
 *
 *     cells PREFIX KEYS hour|day FIRST COUNT PARTIALS [names] | redis-cli --pipe
 *
 * Keys PREFIX0, PREFIX1..., each with VALUES samples in every one of COUNT hours (days) from FIRST on, a
 * number of hours (days) since 1970, in each of PARTIALS partials. By the project's own encodings; what
 * a million keys would take hours for through agents is there in seconds.
 */
#include "proto/cell.h"
#include "proto/group.h"
#include "proto/hash.h"
#include "proto/hour.h"
#include "proto/rkey.h"
#include "proto/store/redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTITIONS  32 /* relays' default */
#define VALUES      8
#define FLUSH_BYTES ((size_t)1 << 20)

static struct rkey_tags tags;
static struct buf out;
static bool days;

static void need(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "cells: %s\n", what);
	exit(1);
}

static void put(size_t argc, const struct slice *argv)
{
	redis_format(&out, argc, argv);
	if (out.size < FLUSH_BYTES)
		return;
	need(fwrite(out.data, 1, out.size, stdout) == out.size, "cannot write");
	buf_reset(&out);
}

/* A distribution of a few values that no two keys or hours share. */
static void make_cell(uint64_t key, int64_t when, uint64_t pid, struct buf *blob)
{
	struct cell *cell = cell_new(KIND_DISTRIBUTION);
	double values[VALUES];
	struct buf group;
	size_t i;

	buf_init(&group, 4096);
	for (i = 0; i < VALUES; i++) {
		const uint64_t seed[] = { key, (uint64_t)when, pid, i };
		values[i] = (double)(hash64(slice_of(seed, sizeof(seed))) % 100000) / 100;
	}
	group_put_values(&group, (struct group_sampling){ .rate = 1, .weight = 1 }, values, VALUES);
	buf_reset(blob);
	need(cell && cell_add_group(cell, 10, buf_view(&group)) == 0 &&
		     cell_encode(cell, blob) == 0, "no cell");
	buf_release(&group);
	cell_free(cell);
}

static const char *pid_text(uint64_t pid, char text[17])
{
	(void)snprintf(text, 17, "%016" PRIx64, pid);
	return text;
}

static void put_manifests(int64_t when, uint64_t pid)
{
	char key[RKEY_SIZE], text[17];
	uint32_t i;

	for (i = 0; i < PARTITIONS; i++) {
		const char *tag = tags.tag[i];
		const struct slice argv[] = {
			slice_text("HSET"),
			slice_text(days ? rkey_day_manifest(tag, when, key) :
					  rkey_manifest(tag, when, key)),
			slice_text(pid_text(pid, text)), slice_text("00000000000000c1"),
		};
		put(4, argv);
	}
}

static void put_cell(struct slice series, uint64_t number, int64_t when, uint64_t pid)
{
	static struct buf blob = { .ceiling = 4096 };
	const char *tag = tags.tag[hash_partition(series, PARTITIONS)];
	uint8_t field[RKEY_FIELD_SIZE];
	char key[RKEY_SIZE];
	struct slice argv[4] = { slice_text("HSET") };

	make_cell(number, when, pid, &blob);
	argv[1] = slice_text(days ? rkey_day_cells(tag, when, key) :
				    rkey_cells(tag, when, pid, key));
	argv[2] = rkey_field(KIND_DISTRIBUTION, series, field);
	argv[3] = buf_view(&blob);
	put(4, argv);
}

static void put_name(struct slice series, int64_t hour)
{
	const char *tag = tags.tag[hash_partition(series, PARTITIONS)];
	uint8_t field[RKEY_FIELD_SIZE];
	char key[RKEY_SIZE], number[24];
	struct slice argv[4] = { slice_text("ZADD") };

	argv[3] = rkey_field(KIND_DISTRIBUTION, series, field);
	(void)snprintf(number, sizeof(number), "%" PRId64, hour * HOUR_SECONDS);
	argv[1] = slice_text(rkey_names_first(tag, key));
	argv[2] = slice_text(number);
	put(4, argv);
	(void)snprintf(number, sizeof(number), "%" PRId64, hour);
	argv[1] = slice_text(rkey_names_last(tag, key));
	argv[2] = slice_text(number);
	put(4, argv);
}

static void put_key(const char *prefix, uint64_t number, int64_t first, int64_t count,
		    uint64_t partials, bool names)
{
	char series[256];
	int64_t when;
	uint64_t pid;

	(void)snprintf(series, sizeof(series), "%s%" PRIu64, prefix, number);
	for (when = first; when < first + count; when++) {
		for (pid = 1; pid <= partials; pid++)
			put_cell(slice_text(series), number, when, pid);
	}
	if (names)
		put_name(slice_text(series), first + count - 1);
}

int main(int argc, char **argv)
{
	uint64_t keys, partials, i;
	int64_t first, count, when;
	bool names = argc == 8 && strcmp(argv[7], "names") == 0;

	need(argc == 7 || names, "PREFIX KEYS hour|day FIRST COUNT PARTIALS [names]");
	keys = strtoull(argv[2], NULL, 10);
	days = strcmp(argv[3], "day") == 0;
	first = strtoll(argv[4], NULL, 10);
	count = strtoll(argv[5], NULL, 10);
	partials = strtoull(argv[6], NULL, 10);
	rkey_tags_init(&tags, PARTITIONS);
	buf_init(&out, FLUSH_BYTES * 2);
	for (when = first; when < first + count; when++) {
		for (i = 1; i <= partials; i++)
			put_manifests(when, i);
	}
	for (i = 0; i < keys; i++)
		put_key(argv[1], i, first, count, partials, names);
	need(buf_status(&out) == 0 && fwrite(out.data, 1, out.size, stdout) == out.size &&
		     fflush(stdout) == 0, "cannot write");
	return 0;
}
