/*
 * random_commands.h - commands of all scripts on one small partition, mostly sensible.
 *
 * Few streams, hours, pids and fields, so that commands meet: most say what the model has just now,
 * others something stale, foreign or malformed. All chance comes from one state, so a seed is a run. For
 * test_model_store.c.
 */
#ifndef TESTS_UNIT_RELAY_RANDOM_COMMANDS_H
#define TESTS_UNIT_RELAY_RANDOM_COMMANDS_H

#include "proto/hash.h"
#include "proto/hour.h"
#include "proto/rkey.h"
#include "proto/store/script.h"
#include "relay/resp.h"
#include "tests/lib/bytes.h"
#include "tests/lib/model_store.h"

#include <stdio.h>

#define RANDOM_TAG     "p0.0"
#define RANDOM_STREAMS 8
#define RANDOM_PIDS    6
#define RANDOM_FIELDS  12
#define RANDOM_WORDS   8192
#define RANDOM_DAY     INT64_C(20800) /* 2026-12-13 */
#define RANDOM_AGENTS  10

struct random_commands {
	uint64_t random;
	const struct model_store *model;
	struct buf text; /* words, one after the other, each with its terminator */
	size_t at[RANDOM_WORDS], size[RANDOM_WORDS];
	size_t count, keys;
	struct buf resp;
};

static inline uint64_t rc_below(struct random_commands *c, uint64_t bound)
{
	return bytes_random_below(&c->random, bound);
}

/* True so often in 100. */
static inline bool rc_chance(struct random_commands *c, unsigned percent)
{
	return rc_below(c, 100) < percent;
}

/* ---- words ---- */

static inline void rc_bytes(struct random_commands *c, struct slice bytes)
{
	assert_true(c->count < RANDOM_WORDS);
	c->at[c->count] = c->text.size;
	c->size[c->count++] = bytes.size;
	buf_put_slice(&c->text, bytes);
}

static inline void rc_text(struct random_commands *c, const char *text)
{
	rc_bytes(c, slice_text(text));
}

static inline void rc_number(struct random_commands *c, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	rc_text(c, rc_below(c, 1000) == 0 ? "x" : text);
}

static inline void rc_key(struct random_commands *c, const char *key)
{
	rc_text(c, key);
	c->keys++;
}

static inline void rc_begin(struct random_commands *c)
{
	buf_reset(&c->text);
	c->count = c->keys = 0;
}

static inline void rc_meta(struct random_commands *c)
{
	char key[RKEY_SIZE];

	rc_key(c, rkey_meta(RANDOM_TAG, key));
}

static inline void rc_streams(struct random_commands *c)
{
	char key[RKEY_SIZE];

	rc_key(c, rkey_streams(RANDOM_TAG, key));
}

static inline void rc_cfg(struct random_commands *c)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)hash_cfg(1));
	rc_text(c, rc_chance(c, 1) ? "17" : text);
}

#define rc_manifest(hour, key) rkey_manifest(RANDOM_TAG, hour, key)

/* One of 8 hours of two days. */
static inline int64_t rc_hour(struct random_commands *c)
{
	return RANDOM_DAY * DAY_HOURS + (int64_t)(rc_below(c, 4) * 11 + 2);
}

static inline uint64_t rc_pid(struct random_commands *c)
{
	return 0x1000 + rc_below(c, RANDOM_PIDS);
}

static inline const char *rc_hex(uint64_t value, char text[20])
{
	snprintf(text, 20, "%016llx", (unsigned long long)value);
	return text;
}

/* A version: new, or one that was given before, or none such. */
static inline void rc_version(struct random_commands *c)
{
	char text[20];

	if (rc_chance(c, 3))
		rc_text(c, rc_chance(c, 50) ? "not hex, nor 16 long" : "0");
	else
		rc_text(c, rc_hex(rc_below(c, rc_chance(c, 30) ? 4 : UINT32_MAX), text));
}

static inline void rc_stream(struct random_commands *c, uint64_t which)
{
	uint8_t id[STREAM_ID_BYTES];

	memset(id, (int)('a' + which), sizeof(id));
	rc_bytes(c, slice_of(id, sizeof(id)));
}

/* What the model has of a word that follows, or something else. */
static inline void rc_known(struct random_commands *c, struct slice known, unsigned percent,
			    const char *other)
{
	if (rc_chance(c, percent))
		rc_bytes(c, known);
	else
		rc_text(c, other);
}

static inline struct slice rc_field(struct random_commands *c, uint8_t out[RKEY_FIELD_SIZE])
{
	char series[40];

	snprintf(series, sizeof(series), "s%llu;host=a", (unsigned long long)rc_below(c, RANDOM_FIELDS));
	return rkey_field(rc_chance(c, 50) ? KIND_COUNTER : KIND_DISTRIBUTION, slice_text(series), out);
}

static inline void rc_cell(struct random_commands *c, uint64_t serial)
{
	uint8_t field[RKEY_FIELD_SIZE];
	char text[100];
	int size = snprintf(text, sizeof(text), "%*llu%c", (int)rc_below(c, 90),
			    (unsigned long long)rc_below(c, 1000), '\0');

	if (serial >= RANDOM_FIELDS) {
		int length = snprintf((char *)field, sizeof(field), "cmany%llu", (unsigned long long)serial);

		rc_bytes(c, slice_of(field, (size_t)length));
	} else {
		rc_bytes(c, rc_field(c, field));
	}
	rc_bytes(c, slice_of(text, (size_t)size));
}

/* ---- streams ---- */

static inline struct slice rc_stored_state(struct random_commands *c, uint64_t which)
{
	uint8_t id[STREAM_ID_BYTES];
	char key[RKEY_SIZE];

	memset(id, (int)('a' + which), sizeof(id));
	return model_store_state(c->model, rkey_streams(RANDOM_TAG, key), slice_of(id, sizeof(id)));
}

static inline void rc_open(struct random_commands *c)
{
	uint64_t n = rc_below(c, 3) + 1;
	char text[20];

	rc_meta(c);
	rc_streams(c);
	rc_cfg(c);
	for (uint64_t i = 0; i < n; i++) {
		rc_stream(c, rc_below(c, RANDOM_STREAMS));
		rc_number(c, (int64_t)rc_below(c, 5));
		rc_text(c, rc_hex(rc_below(c, UINT32_MAX), text));
	}
}

static inline void rc_confirm(struct random_commands *c)
{
	uint64_t n = rc_below(c, 4);

	rc_meta(c);
	rc_streams(c);
	rc_cfg(c);
	for (uint64_t i = 0; i < n; i++)
		rc_stream(c, rc_below(c, RANDOM_STREAMS));
}

static inline void rc_close(struct random_commands *c)
{
	rc_meta(c);
	rc_streams(c);
	rc_cfg(c);
	for (uint64_t n = rc_below(c, 3); n > 0; n--) {
		uint64_t which = rc_below(c, RANDOM_STREAMS);

		rc_stream(c, which);
		rc_known(c, rc_stored_state(c, which), 40, "3:c0000000000000003");
	}
}

static inline void rc_init(struct random_commands *c)
{
	char text[20];

	rc_meta(c);
	rc_cfg(c);
	rc_text(c, rc_hex(rc_below(c, UINT32_MAX), text));
	rc_number(c, rc_chance(c, 5) ? 0 : 840);
	rc_text(c, rc_chance(c, 80) ? "1" : "0");
}

/* ---- commits ---- */

static inline void rc_put_commit_hour(struct random_commands *c, int64_t hour, uint64_t pid,
				      uint64_t cells)
{
	char key[RKEY_SIZE], text[20];

	rc_hex(pid, text);
	rc_number(c, rc_chance(c, 1) ? 7 : hour);
	rc_text(c, text);
	rc_known(c, model_store_get(c->model, rc_manifest(hour, key), slice_text(text)), 93,
		 rc_chance(c, 50) ? "" : "0000000000000001");
	rc_number(c, rc_chance(c, 50) ? 1 : 4000000000);
	rc_number(c, (int64_t)cells);
}

static inline void rc_put_commit_stream(struct random_commands *c, uint64_t which)
{
	char text[STATE_TEXT_SIZE];

	snprintf(text, sizeof(text), "%llu:c%016llx", (unsigned long long)rc_below(c, 20),
		 (unsigned long long)rc_below(c, 4));
	rc_stream(c, which);
	rc_known(c, rc_stored_state(c, which), 95, rc_chance(c, 90) ? "1:c0000000000000002" : "");
	rc_text(c, rc_below(c, 200) == 0 ? "" : text);
}

static inline void rc_commit(struct random_commands *c)
{
	uint64_t hours = rc_below(c, 4), streams = rc_below(c, 3) + !rc_chance(c, 1);
	uint64_t names = rc_below(c, 4), cells[4], first = rc_below(c, RANDOM_STREAMS);
	int64_t hour = rc_hour(c), lost = rc_chance(c, 10) ? (int64_t)rc_below(c, 100) : 0;
	uint64_t pid = rc_pid(c), days = rc_below(c, 3);
	char key[RKEY_SIZE];

	lost = rc_chance(c, 1) ? INT64_C(9007199254740000) : lost;
	rc_meta(c);
	rc_streams(c);
	rc_key(c, rkey_names_first(RANDOM_TAG, key));
	rc_key(c, rkey_names_last(RANDOM_TAG, key));
	for (uint64_t i = 0; i < hours; i++) {
		rc_key(c, rc_manifest(hour + (int64_t)i * 11, key));
		rc_key(c, rkey_cells(RANDOM_TAG, hour + (int64_t)i * 11, pid, key));
		cells[i] = rc_below(c, 200) == 0 ? 1100 + rc_below(c, 50) : rc_below(c, 5) + 1;
	}
	for (uint64_t i = 0; i < days; i++)
		rc_key(c, rkey_day_manifest(RANDOM_TAG, RANDOM_DAY + (int64_t)i, key));
	rc_cfg(c);
	rc_version(c);
	rc_number(c, (int64_t)hours);
	rc_number(c, (int64_t)streams);
	rc_number(c, (int64_t)days);
	rc_number(c, (int64_t)(names + (rc_below(c, 200) == 0)));
	rc_number(c, lost);
	for (uint64_t i = 0; i < hours; i++)
		rc_put_commit_hour(c, hour + (int64_t)i * 11, pid, cells[i]);
	for (uint64_t i = 0; i < streams; i++)
		rc_put_commit_stream(c, (first + i) % RANDOM_STREAMS);
	for (uint64_t i = 0; i < hours; i++)
		for (uint64_t cell = 0; cell < cells[i]; cell++)
			rc_cell(c, cells[i] > RANDOM_FIELDS ? RANDOM_FIELDS + cell : 0);
	for (uint64_t i = 0; i < names; i++) {
		uint8_t field[RKEY_FIELD_SIZE];

		rc_bytes(c, rc_field(c, field));
		/* Some are so old that a sweep takes them. */
		rc_number(c, rc_chance(c, 20) ? 5 + (int64_t)rc_below(c, 3) : rc_hour(c));
	}
}

/* ---- compaction ---- */

static inline void rc_survey(struct random_commands *c)
{
	char key[RKEY_SIZE];

	rc_meta(c);
	for (uint64_t n = rc_below(c, 5); n > 0; n--)
		rc_key(c, rc_chance(c, 70) ? rc_manifest(rc_hour(c), key) :
					     rkey_day_manifest(RANDOM_TAG, RANDOM_DAY, key));
	rc_cfg(c);
	rc_number(c, (int64_t)rc_below(c, 5));
}

/* Up to 4 partials that the hour's manifest lists. Returns how many. */
static inline size_t rc_listed(struct random_commands *c, int64_t hour,
			       const struct model_entry *out[MODEL_FIELDS])
{
	char key[RKEY_SIZE];
	size_t count = model_store_fields(c->model, slice_text(rc_manifest(hour, key)), out);
	size_t most = rc_below(c, 4) + 1;

	return count < most ? count : most;
}

static inline void rc_cells_key(struct random_commands *c, int64_t hour, struct slice pid)
{
	char text[RKEY_SIZE], at[HOUR_TEXT_SIZE];

	snprintf(text, sizeof(text), "hg:{" RANDOM_TAG "}:c:%s:%.*s", hour_format(hour, at),
		 (int)pid.size, (const char *)pid.ptr);
	rc_key(c, text);
}

static inline void rc_source(struct random_commands *c, const struct model_entry *partial)
{
	rc_bytes(c, partial->field);
	rc_known(c, partial->value, 96, "0000000000000009");
}

static inline void rc_gather(struct random_commands *c)
{
	const struct model_entry *listed[MODEL_FIELDS];
	int64_t hour = rc_hour(c);
	size_t n = rc_listed(c, hour, listed);
	char key[RKEY_SIZE];

	for (size_t i = 0; i < n; i++) {
		rc_key(c, rc_manifest(hour, key));
		rc_cells_key(c, hour, listed[i]->field);
	}
	rc_number(c, (int64_t)(1 + rc_below(c, n + rc_chance(c, 5) + 1)));
	rc_text(c, "0");
	rc_text(c, "100000"); /* all at once */
	for (size_t i = 0; i < n; i++)
		rc_source(c, listed[i]);
}

static inline const char *rc_temporary(struct random_commands *c, char key[RKEY_SIZE])
{
	return rkey_temporary(RANDOM_TAG, rc_below(c, 3), key);
}

static inline void rc_stage(struct random_commands *c)
{
	char key[RKEY_SIZE];

	rc_key(c, rc_temporary(c, key));
	rc_number(c, 300);
	for (uint64_t n = rc_below(c, 200) == 0 ? 0 : rc_below(c, 4) + 1; n > 0; n--)
		rc_cell(c, 0);
}

/* cfg, floor, pid, version, size, expiry: as swap and roll begin. */
static inline void rc_put_finish(struct random_commands *c, const char *temporary, uint64_t pid)
{
	const struct model_entry *fields[MODEL_FIELDS];
	char text[20];

	rc_cfg(c);
	rc_number(c, rc_chance(c, 3) ? 9 : RANDOM_DAY * DAY_HOURS);
	rc_text(c, rc_hex(pid, text));
	rc_version(c);
	rc_number(c, (int64_t)(model_store_fields(c->model, slice_text(temporary), fields) +
			       rc_chance(c, 5)));
	rc_number(c, rc_chance(c, 50) ? 1 : 4000000000);
}

static inline void rc_swap(struct random_commands *c)
{
	const struct model_entry *listed[MODEL_FIELDS];
	int64_t hour = rc_hour(c);
	size_t n = rc_listed(c, hour, listed);
	uint64_t pid = 0x2000 + rc_below(c, 40);
	char key[RKEY_SIZE], temporary[RKEY_SIZE];

	rc_meta(c);
	rc_key(c, rc_manifest(hour, key));
	rc_key(c, rkey_day_manifest(RANDOM_TAG, hour_day(hour), key));
	rc_key(c, rc_temporary(c, temporary));
	rc_key(c, rkey_cells(RANDOM_TAG, hour, pid, key));
	for (size_t i = 0; i < n; i++)
		rc_cells_key(c, hour, listed[i]->field);
	rc_put_finish(c, temporary, pid);
	for (size_t i = 0; i < n; i++)
		rc_source(c, listed[i]);
}

static inline void rc_roll(struct random_commands *c)
{
	const struct model_entry *listed[MODEL_FIELDS];
	int64_t day = RANDOM_DAY + (int64_t)rc_below(c, 2);
	char key[RKEY_SIZE], temporary[RKEY_SIZE];

	rc_meta(c);
	rc_key(c, rkey_day_manifest(RANDOM_TAG, day, key));
	rc_key(c, rc_temporary(c, temporary));
	rc_key(c, rkey_day_cells(RANDOM_TAG, day, key));
	for (int64_t i = 0; i < DAY_HOURS; i++)
		rc_key(c, rc_manifest(day * DAY_HOURS + i, key));
	rc_put_finish(c, temporary, rc_pid(c));
	for (int64_t i = 0; i < DAY_HOURS; i++) {
		if (rc_listed(c, day * DAY_HOURS + i, listed) > 0) {
			rc_source(c, listed[0]);
		} else {
			rc_text(c, "");
			rc_text(c, "");
		}
	}
}

/* ---- what is forgotten ---- */

static inline void rc_sweep(struct random_commands *c)
{
	char key[RKEY_SIZE];

	rc_meta(c);
	rc_streams(c);
	rc_key(c, rkey_names_first(RANDOM_TAG, key));
	rc_key(c, rkey_names_last(RANDOM_TAG, key));
	rc_cfg(c);
	rc_text(c, "0");
	rc_number(c, rc_chance(c, 10) ? 1 : rc_chance(c, 10) ? 0 : 1000);
	rc_number(c, rc_chance(c, 10) ? -100 : 1000000); /* all are idle, or none */
}

static inline void rc_forget(struct random_commands *c)
{
	rc_key(c, RKEY_AGENTS);
	rc_text(c, "0");
	rc_text(c, "1000");
	rc_number(c, 1000000);
}

/* ---- all of them ---- */

/* Makes the next command in c->resp. Returns its script. */
static inline enum script random_command(struct random_commands *c)
{
	static void (*const make[SCRIPT_COUNT])(struct random_commands *c) = {
		[SCRIPT_INIT] = rc_init,       [SCRIPT_OPEN] = rc_open,
		[SCRIPT_COMMIT] = rc_commit,   [SCRIPT_CONFIRM] = rc_confirm,
		[SCRIPT_CLOSE] = rc_close,     [SCRIPT_SURVEY] = rc_survey,
		[SCRIPT_GATHER] = rc_gather,   [SCRIPT_STAGE] = rc_stage,
		[SCRIPT_SWAP] = rc_swap,       [SCRIPT_ROLL] = rc_roll,
		[SCRIPT_SWEEP] = rc_sweep,     [SCRIPT_FORGET] = rc_forget,
	};
	enum script script = (enum script)rc_below(c, SCRIPT_COUNT);

	/* Commits are what the others live on. */
	if (rc_chance(c, 35))
		script = SCRIPT_COMMIT;
	if ((script == SCRIPT_SWEEP || script == SCRIPT_FORGET) && rc_chance(c, 70))
		script = SCRIPT_OPEN;
	rc_begin(c);
	make[script](c);
	/* Now and then an argument is missing, but never all. */
	if (rc_below(c, 200) == 0 && c->count > c->keys + 1)
		c->count--;
	buf_reset(&c->resp);
	resp_array(&c->resp, 3 + c->count);
	resp_text(&c->resp, "EVALSHA");
	resp_text(&c->resp, script_sha(script));
	resp_u64(&c->resp, c->keys);
	for (size_t i = 0; i < c->count; i++)
		resp_bytes(&c->resp, slice_of(c->text.data + c->at[i], c->size[i]));
	return script;
}

#endif
