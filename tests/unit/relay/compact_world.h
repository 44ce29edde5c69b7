/*
 * compact_world.h - compactors over one model store, for test_compactor.c.
 *
 * Partials are written straight into the store, one key each, as relays would have left them. A
 * compactor's command waits until the test lets it run, so that anything may happen in between.
 * Included, not linked: only relay's tests have a relay.
 */
#ifndef TESTS_UNIT_RELAY_COMPACT_WORLD_H
#define TESTS_UNIT_RELAY_COMPACT_WORLD_H

#include "relay/compactor.h"

#include "proto/hash.h"
#include "proto/store/script.h"
#include "tests/lib/cell_case.h"
#include "tests/lib/model_store.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CFG  hash_cfg(1)
#define TAG  "p0.0"
#define DAY  ((int64_t)20776)
#define HOUR (DAY * DAY_HOURS + 7)
#define NOW  ((DAY + 2) * DAY_HOURS * HOUR_SECONDS) /* unix seconds at 0 ms: all of it is closed */

struct compact_world {
	struct model_store store;
	struct rkey_tags tags;
	struct relay_counters n;
	struct compactor c;
	struct compactor_options options;
	int64_t now, unix_offset;
	uint64_t random;
	bool ours, connected;
	uint64_t held; /* a pid that is ours to write */
	/* the command under way */
	bool has;
	uint64_t serial;
	char tag[RKEY_TAG_SIZE];
	struct buf command;
	size_t commands;
	struct compactor_news last;
	size_t told;
};

static inline bool compact_world_run(void *arg, uint64_t serial, const char *tag, struct slice resp)
{
	struct compact_world *w = arg;

	assert_false(w->has);
	if (!w->connected)
		return false;
	w->has = true;
	w->serial = serial;
	snprintf(w->tag, sizeof(w->tag), "%s", tag);
	buf_reset(&w->command);
	buf_put_slice(&w->command, resp);
	w->commands++;
	return true;
}

static inline bool compact_world_ours(void *arg, uint32_t partition)
{
	assert_int_equal(partition, 0);
	return ((struct compact_world *)arg)->ours;
}

static inline bool compact_world_holds(void *arg, uint32_t partition, int64_t hour, uint64_t pid)
{
	(void)partition;
	(void)hour;
	return ((struct compact_world *)arg)->held == pid;
}

static inline uint64_t compact_world_random(void *arg)
{
	struct compact_world *w = arg;

	w->random++;
	return hash64(slice_of(&w->random, sizeof(w->random)));
}

static inline void compact_world_told(void *arg, const struct compactor_news *news)
{
	struct compact_world *w = arg;

	w->last = *news;
	w->told++;
}

static const struct compactor_effects compact_world_effects = {
	.run = compact_world_run,
	.ours = compact_world_ours,
	.holds = compact_world_holds,
	.random = compact_world_random,
	.told = compact_world_told,
};

/* A compactor over a store with its own random numbers. */
static inline struct compact_world *compact_world_new(uint64_t random)
{
	struct compact_world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->random = random << 32;
	w->ours = w->connected = true;
	w->unix_offset = NOW * 1000;
	rkey_tags_init(&w->tags, 1);
	buf_init(&w->command, SIZE_MAX);
	model_store_init(&w->store, CFG);
	w->store.floor_hour = HOUR - 30;
	w->options = (struct compactor_options){
		.cfg = CFG, .tags = &w->tags, .retention_hours = 840, .retention_days = 400,
		.partials = 8, .close_ms = 900000, .every_ms = 60000,
		.unix_offset_ms = &w->unix_offset, .counters = &w->n,
		.effects = &compact_world_effects, .arg = w,
	};
	compactor_init(&w->c, &w->options);
	return w;
}

static inline void compact_world_free(struct compact_world *w)
{
	compactor_release(&w->c);
	buf_release(&w->command);
	model_store_release(&w->store);
	free(w);
}

static inline int compact_world_setup(void **state)
{
	*state = compact_world_new(1);
	return 0;
}

static inline int compact_world_teardown(void **state)
{
	compact_world_free(*state);
	return 0;
}

/* Which script waits to be run; SCRIPT_COUNT: none. */
static inline enum script compact_world_waits(const struct compact_world *w)
{
	for (int s = 0; w->has && s < SCRIPT_COUNT; s++)
		if (memmem(w->command.data, 64, script_sha((enum script)s), SCRIPT_SHA_HEX) != NULL)
			return (enum script)s;
	return SCRIPT_COUNT;
}

static inline void compact_world_answer(struct compact_world *w, const struct answer *a)
{
	w->has = false;
	compactor_answer(&w->c, w->serial, a, w->now);
}

/* Runs the command that waits on a store, which may be another world's. */
static inline void compact_world_serve_on(struct compact_world *w, struct model_store *store)
{
	struct model_reply reply;
	struct answer a;

	model_store_run(store, buf_view(&w->command), &reply);
	a = answer_of_words(reply.words, reply.count);
	compact_world_answer(w, &a);
	model_reply_release(&reply);
}

/* Lets time pass until a command waits. */
static inline void compact_world_next(struct compact_world *w)
{
	assert_false(w->has);
	assert_int_not_equal(compactor_due(&w->c), INT64_MAX);
	if (compactor_due(&w->c) > w->now)
		w->now = compactor_due(&w->c);
	compactor_tick(&w->c, w->now);
}

/* Serves until a command of this script waits. */
static inline void compact_world_until(struct compact_world *w, enum script script)
{
	for (int i = 0; i < 10000; i++) {
		if (!w->has)
			compact_world_next(w);
		if (compact_world_waits(w) == script)
			return;
		compact_world_serve_on(w, &w->store);
	}
	fail_msg("%s is never run", script_name(script));
}

/* Serves until the pass is over. */
static inline void compact_world_pass(struct compact_world *w)
{
	do {
		if (!w->has)
			compact_world_next(w);
		if (w->has)
			compact_world_serve_on(w, &w->store);
	} while (w->has || w->c.state != COMPACTOR_IDLE);
}

/* ---- what is stored ---------------------------------------------------------------------------- */

static inline void compact_world_list(struct compact_world *w, int64_t hour, uint64_t pid,
				      const char *version)
{
	char key[RKEY_SIZE], text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, pid);
	model_store_set(&w->store, rkey_manifest(TAG, hour, key), slice_text(text),
			slice_text(version ? version : ""));
}

/* Writes a cell into a partial and frees it. */
static inline void compact_world_cell(struct compact_world *w, int64_t hour, uint64_t pid,
				      const char *series, struct cell *cell)
{
	uint8_t storage[RKEY_FIELD_SIZE];
	struct buf blob = cell_case_encode(cell);
	char key[RKEY_SIZE];

	model_store_set(&w->store, rkey_cells(TAG, hour, pid, key),
			rkey_field(cell_kind(cell), slice_text(series), storage), buf_view(&blob));
	buf_release(&blob);
	cell_free(cell);
}

/* A listed partial with a counter of one series. */
static inline void compact_world_count(struct compact_world *w, int64_t hour, uint64_t pid,
				       const char *series, double value)
{
	struct cell *cell = cell_case_new(KIND_COUNTER);

	cell_case_value(cell, value);
	compact_world_cell(w, hour, pid, series, cell);
	compact_world_list(w, hour, pid, "1111111111111111");
}

/* Partials 1..count of an hour: each counts `all` and a series of its own. */
static inline void compact_world_fill(struct compact_world *w, int64_t hour, uint64_t count)
{
	for (uint64_t pid = 1; pid <= count; pid++) {
		char own[32];

		snprintf(own, sizeof(own), "own%" PRIu64, pid);
		compact_world_count(w, hour, pid, "all", 1);
		compact_world_count(w, hour, pid, own, 1);
	}
}

/* How many fields a hash has. */
static inline size_t compact_world_size(const struct compact_world *w, const char *key)
{
	const struct model_entry *fields[MODEL_FIELDS];

	return model_store_fields(&w->store, slice_text(key), fields);
}

static inline size_t compact_world_partials(const struct compact_world *w, int64_t hour)
{
	char key[RKEY_SIZE];

	return compact_world_size(w, rkey_manifest(TAG, hour, key));
}

struct compact_world_sum {
	const char *series;
	double sum;
};

static inline void compact_world_add(void *arg, struct slice hour, struct slice field,
				     struct slice blob)
{
	struct compact_world_sum *s = arg;
	struct cell *cell;

	(void)hour;
	if (!slice_equal(slice_of(field.ptr + 1, field.size - 1), slice_text(s->series)))
		return;
	assert_int_equal(cell_decode(blob, &cell), 0);
	s->sum += cell_counter_sum(cell);
	cell_free(cell);
}

/* The sum of a counter over all partials that count. */
static inline double compact_world_total(const struct compact_world *w, const char *series)
{
	struct compact_world_sum s = { series, 0 };

	model_store_cells(&w->store, compact_world_add, &s);
	return s.sum;
}

/* A cell of a rolled-up day, to be freed; NULL when the day does not count, or has none of it. */
static inline struct cell *compact_world_day(const struct compact_world *w, enum kind kind,
					     const char *series)
{
	uint8_t storage[RKEY_FIELD_SIZE];
	struct slice blob;
	struct cell *cell;
	char key[RKEY_SIZE];

	if (compact_world_size(w, rkey_day_manifest(TAG, DAY, key)) != 1)
		return NULL;
	blob = model_store_get(&w->store, rkey_day_cells(TAG, DAY, key),
			       rkey_field(kind, slice_text(series), storage));
	if (blob.size == 0)
		return NULL;
	assert_int_equal(cell_decode(blob, &cell), 0);
	return cell;
}

#endif
