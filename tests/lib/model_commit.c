// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/model_private.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#define COMMIT_HOUR_ARGS  5
#define COMMIT_FIXED_ARGS 7
#define COMMIT_LOST_MAX   (INT64_C(1) << 53)

/* The parts of a commit's arguments, as proto/store/scripts/commit.lua says. */
struct model_commit {
	struct slice meta, streams_key, names_first, names_last, version;
	int64_t hours, streams, days, names, cells, lost;
	const struct slice *keys, *hour, *stream, *cell, *name;
};

static bool commit_bug(struct model_reply *r, const char *what)
{
	char text[64];

	snprintf(text, sizeof(text), "HOURGLASS commit: %s", what);
	r->count = 0;
	buf_reset(&r->bytes);
	model_error(r, text);
	return false;
}

/* Takes the fixed arguments. False: the reply has been said. */
static bool commit_read(struct model_commit *c, const struct model_call *call,
			struct model_reply *r)
{
	const struct slice *arg = call->args, *key = call->keys;

	if (call->arg_count < COMMIT_FIXED_ARGS || call->key_count < 4 ||
	    !model_is_number(arg[2], &c->hours) || !model_is_number(arg[3], &c->streams) ||
	    !model_is_number(arg[4], &c->days) || !model_is_number(arg[5], &c->names) ||
	    !model_is_number(arg[6], &c->lost) || c->streams < 1)
		return commit_bug(r, "counts");
	c->meta = key[0];
	c->streams_key = key[1];
	c->names_first = key[2];
	c->names_last = key[3];
	c->version = arg[1];
	c->keys = key + 4;
	c->hour = arg + COMMIT_FIXED_ARGS;
	return true;
}

/* Looks at the hours' arguments and the floor, then whether all arguments add up. */
static bool commit_check_floor(const struct model_store *m, struct model_commit *c,
			       const struct model_call *call, struct model_reply *r)
{
	int64_t floor = model_floor(m, c->meta), left = (int64_t)call->arg_count - COMMIT_FIXED_ARGS;

	c->cells = 0;
	for (int64_t i = 0; i < c->hours; i++) {
		const struct slice *about = c->hour + COMMIT_HOUR_ARGS * i;
		int64_t hour, count, expire;

		if (COMMIT_HOUR_ARGS * (i + 1) > left || !model_is_number(about[0], &hour) ||
		    !model_is_number(about[3], &expire) || !model_is_number(about[4], &count))
			return commit_bug(r, "hour");
		if (hour < floor) {
			model_say_text(r, "FLOOR");
			model_say_number(r, floor);
			return false;
		}
		c->cells += count;
	}
	if (left != COMMIT_HOUR_ARGS * c->hours + 3 * c->streams + 2 * c->cells + 2 * c->names ||
	    (int64_t)call->key_count != 4 + 2 * c->hours + c->days)
		return commit_bug(r, "arguments");
	c->stream = c->hour + COMMIT_HOUR_ARGS * c->hours;
	c->cell = c->stream + 3 * c->streams;
	c->name = c->cell + 2 * c->cells;
	for (int64_t i = 0; i < c->names; i++)
		if (!model_is_number(c->name[2 * i + 1], &(int64_t){ 0 }))
			return commit_bug(r, "name");
	return true;
}

/* MODEL_BY_WRITER: the one version of a relay lies beside its partials. */
static bool commit_check_writer(const struct model_store *m, const struct model_commit *c,
				struct model_reply *r)
{
	struct slice now = model_find(m, slice_text("writer"), c->hour[1]);

	if (slice_equal(now, c->version))
		model_say_text(r, "OK");
	else if (!slice_equal(now, m->writer))
		model_say_text(r, "LOST");
	return r->count == 0;
}

static bool commit_check_versions(const struct model_store *m, const struct model_commit *c,
				  struct model_reply *r)
{
	int64_t as_new = 0, as_expected = 0;

	if (m->flaws & MODEL_NO_VERSION)
		return true;
	if (m->flaws & MODEL_BY_WRITER && c->hours > 0)
		return commit_check_writer(m, c, r);
	for (int64_t i = 0; i < c->hours; i++) {
		const struct slice *about = c->hour + COMMIT_HOUR_ARGS * i;
		struct slice now = model_find(m, c->keys[2 * i], about[1]);

		as_new += slice_equal(now, c->version);
		as_expected += slice_equal(now, about[2]);
	}
	if (c->hours > 0 && as_new == c->hours)
		model_say_text(r, "OK");
	else if (as_expected != c->hours)
		model_say_text(r, "LOST");
	return r->count == 0;
}

static bool commit_check_streams(const struct model_store *m, const struct model_commit *c,
				 struct model_reply *r)
{
	int64_t moved = 0;

	for (int64_t i = 0; i < c->streams; i++) {
		const struct slice *arg = c->stream + 3 * i;
		struct slice state = model_state(model_find(m, c->streams_key, arg[0]));

		if (arg[1].size == 0 || arg[2].size == 0)
			return commit_bug(r, "state");
		moved += slice_equal(state, arg[2]);
		if (slice_equal(state, arg[1]) || (state.size == 0 && m->flaws & MODEL_NO_ABSENT))
			continue;
		if (r->count == 0)
			model_say_text(r, "CONFLICT");
		model_say(r, arg[0]);
		model_say(r, state);
	}
	if (c->hours == 0 && moved == c->streams) {
		r->count = 0;
		buf_reset(&r->bytes);
		model_say_text(r, "OK");
	}
	return r->count == 0;
}

static void commit_write_hours(struct model_store *m, const struct model_commit *c)
{
	const struct slice *cell = c->cell;

	for (int64_t i = 0; i < c->hours; i++) {
		const struct slice *about = c->hour + COMMIT_HOUR_ARGS * i;
		struct slice manifest = c->keys[2 * i], image = c->keys[2 * i + 1];

		model_put(m, manifest, about[1], c->version);
		model_expire(m, manifest);
		for (uint64_t left = model_number(about[4]); left > 0; left--, cell += 2)
			model_put(m, image, cell[0], cell[1]);
		if (model_number(about[4]) > 0)
			model_expire(m, image);
		if (m->flaws & MODEL_BY_WRITER)
			model_put(m, slice_text("writer"), about[1], c->version);
	}
}

/* nf keeps the first time, nl the greatest hour. */
static void commit_write_names(struct model_store *m, const struct model_commit *c)
{
	char now[MODEL_NUMBER_SIZE];

	snprintf(now, sizeof(now), "%" PRId64, m->now_ms / 1000);
	for (int64_t i = 0; i < c->names; i++) {
		struct slice name = c->name[2 * i], hour = c->name[2 * i + 1];
		struct slice last = model_find(m, c->names_last, name);

		if (model_find(m, c->names_first, name).size == 0)
			model_put(m, c->names_first, name, slice_text(now));
		if (last.size == 0 || model_number(last) < model_number(hour))
			model_put(m, c->names_last, name, hour);
	}
}

static void commit_write_lost(struct model_store *m, const struct model_commit *c)
{
	struct slice stored = model_find(m, c->meta, slice_text("lost"));
	char text[MODEL_NUMBER_SIZE];
	int64_t lost = c->lost + (stored.size > 0 ? (int64_t)model_number(stored) : 0);

	if (c->lost <= 0)
		return;
	snprintf(text, sizeof(text), "%" PRId64, lost < COMMIT_LOST_MAX ? lost : COMMIT_LOST_MAX);
	model_put(m, c->meta, slice_text("lost"), slice_text(text));
}

static void commit_write(struct model_store *m, const struct model_commit *c)
{
	commit_write_hours(m, c);
	if (m->flaws & MODEL_IN_PARTS)
		model_mark(m);
	for (int64_t i = 0; i < c->streams; i++) {
		model_put_state(m, c->streams_key, c->stream[3 * i], c->stream[3 * i + 2]);
		if (m->flaws & MODEL_BY_STREAMS && i == 0)
			model_mark(m);
	}
	commit_write_names(m, c);
	for (int64_t i = 0; i < c->days && !(m->flaws & MODEL_DAY_STAYS); i++)
		model_delete(m, c->keys[2 * c->hours + i]);
	commit_write_lost(m, c);
	model_mark(m);
}

void model_commit(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	struct model_commit c;

	if (!commit_read(&c, call, r) || !model_same_fleet(m, c.meta, call->args[0], r) ||
	    !commit_check_floor(m, &c, call, r) || !commit_check_versions(m, &c, r) ||
	    !commit_check_streams(m, &c, r))
		return;
	commit_write(m, &c);
	model_say_text(r, "OK");
}
