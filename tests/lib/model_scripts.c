// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/model_private.h"

#include "proto/hash.h"
#include "proto/hour.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MODEL_STAMPED_SIZE (STATE_TEXT_SIZE + MODEL_NUMBER_SIZE)

/* ---- what partitions are ------------------------------------------------------------------- */

struct slice model_cfg(const struct model_store *m, struct slice meta)
{
	struct slice own = model_find(m, meta, slice_text("cfg"));

	return own.size > 0 ? own : slice_text(m->cfg);
}

int64_t model_floor(const struct model_store *m, struct slice meta)
{
	struct slice own = model_find(m, meta, slice_text("floor"));

	return own.size > 0 ? (int64_t)model_number(own) : m->floor_hour;
}

bool model_same_fleet(const struct model_store *m, struct slice meta, struct slice cfg,
		      struct model_reply *r)
{
	struct slice stored = model_cfg(m, meta);

	if (slice_equal(stored, cfg))
		return true;
	model_say_text(r, "CONFIG");
	model_say(r, stored);
	return false;
}

void model_init(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	struct slice meta = call->keys[0], cfg = model_cfg(m, meta);
	int64_t retention, floor;
	char text[MODEL_NUMBER_SIZE];

	if (call->arg_count != 4 || call->key_count != 1 ||
	    !model_is_number(call->args[2], &retention) || retention < 1) {
		model_error(r, "HOURGLASS init: arguments");
		return;
	}
	if (cfg.size == 0 && !slice_equal(call->args[3], slice_text("1"))) {
		model_say_text(r, "EMPTY");
		return;
	}
	if (cfg.size > 0 && !model_same_fleet(m, meta, call->args[0], r))
		return;
	floor = m->now_ms / 1000 / HOUR_SECONDS - retention + 1;
	if (floor < model_floor(m, meta))
		floor = model_floor(m, meta);
	if (cfg.size == 0) {
		model_put(m, meta, slice_text("cfg"), call->args[0]);
		model_put(m, meta, slice_text("epoch"), call->args[1]);
	}
	snprintf(text, sizeof(text), "%" PRId64, floor);
	model_put(m, meta, slice_text("floor"), slice_text(text));
	model_mark(m);
	model_say_text(r, "OK");
	model_say(r, model_find(m, meta, slice_text("epoch")));
	model_say_text(r, text);
	model_say_number(r, m->now_ms / 1000);
}

/* ---- streams ---------------------------------------------------------------------------------- */

void model_put_state(struct model_store *m, struct slice streams, struct slice stream,
		     struct slice state)
{
	char text[MODEL_STAMPED_SIZE * 4];
	int size = snprintf(text, sizeof(text), "%.*s@%" PRId64, (int)state.size,
			    (const char *)state.ptr, m->now_ms / 1000);

	assert(size > 0 && (size_t)size < sizeof(text));
	model_put(m, streams, stream, slice_of(text, (size_t)size));
}

static void model_open_stream(struct model_store *m, struct slice streams, const struct slice *arg,
			      struct model_reply *r)
{
	struct slice stored = model_state(model_find(m, streams, arg[0]));
	char text[MODEL_STAMPED_SIZE];
	int size;

	if (stored.size > 0) {
		model_say(r, stored);
		return;
	}
	size = snprintf(text, sizeof(text), "%.*s:n%.*s", (int)arg[1].size,
			(const char *)arg[1].ptr, (int)arg[2].size, (const char *)arg[2].ptr);
	assert(size > 0 && (size_t)size < sizeof(text));
	/* Where absent fits any predecessor nobody needs to know the nonce. */
	if (!(m->flaws & MODEL_NO_ABSENT))
		model_put_state(m, streams, arg[0], slice_of(text, (size_t)size));
	model_say(r, slice_of(text, (size_t)size));
}

void model_open(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	if (call->arg_count % 3 != 1 || call->key_count != 2) {
		model_error(r, "HOURGLASS open: arguments");
		return;
	}
	if (!model_same_fleet(m, call->keys[0], call->args[0], r))
		return;
	model_say_text(r, "OK");
	for (size_t i = 1; i < call->arg_count; i += 3)
		model_open_stream(m, call->keys[1], call->args + i, r);
	model_mark(m);
}

void model_confirm(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	char text[MODEL_NUMBER_SIZE];

	if (call->key_count != 2) {
		model_error(r, "HOURGLASS confirm: arguments");
		return;
	}
	if (!model_same_fleet(m, call->keys[0], call->args[0], r))
		return;
	model_say_text(r, "OK");
	for (size_t i = 1; i < call->arg_count; i++)
		model_say(r, model_state(model_find(m, call->keys[1], call->args[i])));
	/* Not a call that a rollback counts: nothing depends on it. */
	snprintf(text, sizeof(text), "%" PRId64, m->now_ms / 1000);
	model_put(m, call->keys[0], slice_text("confirm"), slice_text(text));
}

void model_close(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	struct slice streams;
	int64_t closed = 0;

	if (call->arg_count % 2 != 1 || call->key_count != 2) {
		model_error(r, "HOURGLASS close: arguments");
		return;
	}
	if (!model_same_fleet(m, call->keys[0], call->args[0], r))
		return;
	streams = call->keys[1];
	for (size_t i = 1; i < call->arg_count; i += 2) {
		struct slice state = model_state(model_find(m, streams, call->args[i]));

		if (state.size == 0 || !slice_equal(state, call->args[i + 1]))
			continue;
		model_put(m, streams, call->args[i], slice_of(NULL, 0));
		closed++;
	}
	model_mark(m);
	model_say_text(r, "OK");
	model_say_number(r, closed);
}

/* ---- what is forgotten -------------------------------------------------------------------------- */

/* The number after a character of a value, or after `skip` blanks; INT64_MAX: there is none. */
static int64_t model_time_in(struct slice value, char before)
{
	const uint8_t *at = memchr(value.ptr, before, value.size);
	char text[MODEL_NUMBER_SIZE] = "";
	size_t size;

	if (at == NULL)
		return INT64_MAX;
	size = (size_t)(value.ptr + value.size - ++at);
	if (size >= sizeof(text))
		size = sizeof(text) - 1;
	memcpy(text, at, size);
	return strtoll(text, NULL, 10);
}

/* Removes the fields of a key whose time is before another. Returns how many. */
static int64_t model_forget_before(struct model_store *m, struct slice key, char mark,
				   int64_t before)
{
	const struct model_entry *fields[MODEL_FIELDS];
	struct slice old[MODEL_FIELDS];
	size_t count = model_store_fields(m, key, fields), found = 0;

	/* The names are copies that outlive the log's growth; its entries are not. */
	for (size_t i = 0; i < count; i++)
		if (model_time_in(fields[i]->value, mark) < before)
			old[found++] = fields[i]->field;
	for (size_t i = 0; i < found; i++)
		model_put(m, key, old[i], slice_of(NULL, 0));
	return (int64_t)found;
}

/* The name of the least score, below a bound; empty: none. */
static struct slice model_least(const struct model_store *m, struct slice key, int64_t below)
{
	const struct model_entry *fields[MODEL_FIELDS];
	size_t count = model_store_fields(m, key, fields);
	struct slice least = slice_of(NULL, 0);

	for (size_t i = 0; i < count; i++) {
		int64_t score = (int64_t)model_number(fields[i]->value);

		if (score < below ||
		    (score == below && least.size > 0 &&
		     slice_compare(fields[i]->field, least) < 0)) {
			below = score;
			least = fields[i]->field;
		}
	}
	return least;
}

void model_sweep(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	const struct slice *key = call->keys, *arg = call->args;
	int64_t limit, idle, streams, names = 0;
	struct slice name;

	if (call->key_count != 4 || call->arg_count != 4 || !model_is_number(arg[3], &idle) ||
	    !model_is_number(arg[2], &limit) || limit < 1 || limit > 1000) {
		model_error(r, "HOURGLASS sweep: arguments");
		return;
	}
	if (!model_same_fleet(m, key[0], arg[0], r))
		return;
	streams = model_forget_before(m, key[1], '@', m->now_ms / 1000 - idle);
	while (names < limit && (name = model_least(m, key[3], model_floor(m, key[0]))).size > 0) {
		model_put(m, key[2], name, slice_of(NULL, 0));
		model_put(m, key[3], name, slice_of(NULL, 0));
		names++;
	}
	model_mark(m);
	model_say_text(r, "OK");
	model_say_text(r, "0");
	model_say_number(r, streams);
	model_say_number(r, names);
}

void model_forget(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	int64_t idle, forgotten;

	if (call->key_count != 1 || call->arg_count != 3 ||
	    !model_is_number(call->args[2], &idle)) {
		model_error(r, "HOURGLASS forget: arguments");
		return;
	}
	forgotten = model_forget_before(m, call->keys[0], ' ',
					m->now_ms / 1000 * 1000 - idle);
	model_mark(m);
	model_say_text(r, "OK");
	model_say_text(r, "0");
	model_say_number(r, forgotten);
}
