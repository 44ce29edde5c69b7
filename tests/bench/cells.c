// SPDX-License-Identifier: Apache-2.0
/*
 * cells.c - cells, manifests and names as relays would have written them, as commands for `redis-cli --pipe`.
 *
 *     cells PREFIX KEYS hour|day FIRST COUNT PARTIALS STEP [names [VALUES]] | redis-cli --pipe
 *
 * Keys PREFIX0, PREFIX1... with VALUES (8) samples an hour (day), in each of PARTIALS partials, in those of
 * COUNT hours (days) from FIRST on, a number of hours (days) since 1970, where
 *
 *     (hour - FIRST) % STEP == key % STEP
 *
 * so with a STEP of 1 every key has every hour, and with one of 30 each hour has a thirtieth of the keys and
 * each key a thirtieth of the hours; who asks can tell which. By the project's own encodings; what a
 * million keys would take hours for through agents is there in seconds, for many cells go in one command.
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
#define VALUES_MOST 1000
#define FLUSH_BYTES ((size_t)1 << 20)
#define TOGETHER    64 /* cells of a partition in a command */

/* Cells of one partition and partial that wait for the others of their command. */
struct pending {
	struct buf bytes;
	size_t count;
	size_t ends[2 * TOGETHER]; /* of fields and cells in turn */
};

/* What is to be written. */
struct order {
	const char *prefix;
	uint64_t keys, partials, step;
	int64_t first, count;
};

static struct rkey_tags tags;
static struct pending pending[PARTITIONS];
static struct buf out;
static bool days;
static size_t samples = VALUES; /* of a cell */

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
	double values[VALUES_MOST];
	struct buf group;
	size_t i;

	buf_init(&group, 16 * VALUES_MOST);
	for (i = 0; i < samples; i++) {
		const uint64_t seed[] = { key, (uint64_t)when, pid, i };
		values[i] = (double)(hash64(slice_of(seed, sizeof(seed))) % 100000) / 100;
	}
	group_put_values(&group, (struct group_sampling){ .rate = 1, .weight = 1 }, values, samples);
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

static void flush_cells(uint32_t partition, int64_t when, uint64_t pid)
{
	struct pending *p = &pending[partition];
	const char *tag = tags.tag[partition];
	struct slice argv[2 + 2 * TOGETHER] = { slice_text("HSET") };
	char key[RKEY_SIZE];
	size_t from = 0, i;

	if (p->count == 0)
		return;
	argv[1] = slice_text(days ? rkey_day_cells(tag, when, key) :
				    rkey_cells(tag, when, pid, key));
	for (i = 0; i < 2 * p->count; i++) {
		argv[2 + i] = slice_of(p->bytes.data + from, p->ends[i] - from);
		from = p->ends[i];
	}
	put(2 + 2 * p->count, argv);
	buf_reset(&p->bytes);
	p->count = 0;
}

static void put_cell(struct slice series, uint64_t number, int64_t when, uint64_t pid)
{
	static struct buf blob = { .ceiling = 16 * VALUES_MOST };
	uint32_t partition = hash_partition(series, PARTITIONS);
	struct pending *p = &pending[partition];
	uint8_t field[RKEY_FIELD_SIZE];

	make_cell(number, when, pid, &blob);
	buf_put_slice(&p->bytes, rkey_field(KIND_DISTRIBUTION, series, field));
	p->ends[2 * p->count] = p->bytes.size;
	buf_put_slice(&p->bytes, buf_view(&blob));
	p->ends[2 * p->count + 1] = p->bytes.size;
	need(buf_status(&p->bytes) == 0, "no memory");
	if (++p->count == TOGETHER)
		flush_cells(partition, when, pid);
}

static struct slice series_of(const struct order *o, uint64_t key, char text[LIMIT_SERIES_BYTES])
{
	return slice_of(text, (size_t)snprintf(text, LIMIT_SERIES_BYTES, "%s%" PRIu64, o->prefix, key));
}

/* One hour (day) of one partial. */
static void put_cells(const struct order *o, int64_t when, uint64_t pid)
{
	char text[LIMIT_SERIES_BYTES];
	uint64_t key;
	uint32_t i;

	for (key = (uint64_t)(when - o->first) % o->step; key < o->keys; key += o->step)
		put_cell(series_of(o, key, text), key, when, pid);
	for (i = 0; i < PARTITIONS; i++)
		flush_cells(i, when, pid);
}

static void put_name(struct slice series, int64_t first_second, int64_t last_hour)
{
	const char *tag = tags.tag[hash_partition(series, PARTITIONS)];
	uint8_t field[RKEY_FIELD_SIZE];
	char key[RKEY_SIZE], number[24];
	struct slice argv[4] = { slice_text("ZADD") };

	argv[3] = rkey_field(KIND_DISTRIBUTION, series, field);
	(void)snprintf(number, sizeof(number), "%" PRId64, first_second);
	argv[1] = slice_text(rkey_names_first(tag, key));
	argv[2] = slice_text(number);
	put(4, argv);
	(void)snprintf(number, sizeof(number), "%" PRId64, last_hour);
	argv[1] = slice_text(rkey_names_last(tag, key));
	argv[2] = slice_text(number);
	put(4, argv);
}

/* Known in the first hour, at one second or another of it. */
static void put_names(const struct order *o)
{
	char text[LIMIT_SERIES_BYTES];
	uint64_t key;

	for (key = 0; key < o->keys; key++)
		put_name(series_of(o, key, text),
			 o->first * HOUR_SECONDS + (int64_t)(key % HOUR_SECONDS),
			 o->first + o->count - 1);
}

int main(int argc, char **argv)
{
	bool names = argc >= 9 && strcmp(argv[8], "names") == 0;
	struct order o;
	int64_t when;
	uint64_t pid;
	uint32_t i;

	need(argc == 8 || (names && argc <= 10),
	     "PREFIX KEYS hour|day FIRST COUNT PARTIALS STEP [names [VALUES]]");
	if (argc == 10)
		samples = strtoull(argv[9], NULL, 10);
	need(samples > 0 && samples <= VALUES_MOST, "VALUES is 1..1000");
	days = strcmp(argv[3], "day") == 0;
	o = (struct order){
		.prefix = argv[1],
		.keys = strtoull(argv[2], NULL, 10),
		.first = strtoll(argv[4], NULL, 10),
		.count = strtoll(argv[5], NULL, 10),
		.partials = strtoull(argv[6], NULL, 10),
		.step = strtoull(argv[7], NULL, 10),
	};
	need(o.step > 0 && strlen(o.prefix) < 200, "STEP is 1 or more, PREFIX short");
	rkey_tags_init(&tags, PARTITIONS);
	buf_init(&out, FLUSH_BYTES * 2);
	for (i = 0; i < PARTITIONS; i++)
		buf_init(&pending[i].bytes, FLUSH_BYTES);
	for (when = o.first; when < o.first + o.count; when++) {
		for (pid = 1; pid <= o.partials; pid++) {
			put_manifests(when, pid);
			put_cells(&o, when, pid);
		}
	}
	if (names)
		put_names(&o);
	need(buf_status(&out) == 0 && fwrite(out.data, 1, out.size, stdout) == out.size &&
		     fflush(stdout) == 0, "cannot write");
	return 0;
}
