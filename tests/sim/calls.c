// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/calls.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define CALLS_WORDS_MAX 65536
#define CALLS_KEYS_AT   3
#define CALLS_KEYS_FIXED 4
#define CALLS_ARGS_FIXED 7
#define CALLS_HOUR_ARGS  5
#define CALLS_NO_HOUR    (-1)

/* A command taken apart. One thread: the words are kept for the call only. */
static struct slice calls_words[CALLS_WORDS_MAX];

struct calls_command {
	struct model *model;
	struct model_partition *home;
	const struct call_origin *origin;
	const char *tag;
	const struct slice *keys, *args;
	size_t key_count, arg_count;
	struct call_reply reply;
	size_t reply_max;
};

/* A name of 40 hex digits for each script; stands in for proto/store/script.c. */
const char *script_sha(enum script s)
{
	static const char *const names[SCRIPT_COUNT] = {
		[SCRIPT_INIT] = "1000000000000000000000000000000000000000",
		[SCRIPT_OPEN] = "2000000000000000000000000000000000000000",
		[SCRIPT_COMMIT] = "3000000000000000000000000000000000000000",
		[SCRIPT_CONFIRM] = "4000000000000000000000000000000000000000",
		[SCRIPT_CLOSE] = "5000000000000000000000000000000000000000",
	};

	return names[s];
}

static uint64_t calls_number(struct slice text)
{
	uint64_t value = 0;

	assert(text.size > 0 && text.size <= 20);
	for (size_t i = 0; i < text.size; i++) {
		assert(text.ptr[i] >= '0' && text.ptr[i] <= '9');
		value = 10 * value + text.ptr[i] - '0';
	}
	return value;
}

/* Takes `<type><digits>\r\n` off the bytes. */
static size_t calls_length(struct slice *bytes, uint8_t type)
{
	const uint8_t *end = memchr(bytes->ptr, '\r', bytes->size);
	size_t size;

	assert(end != NULL && bytes->ptr[0] == type && end[1] == '\n');
	size = (size_t)(end - bytes->ptr);
	*bytes = slice_of(end + 2, bytes->size - size - 2);
	return (size_t)calls_number(slice_of(end - size + 1, size - 1));
}

static struct slice calls_word(struct slice *bytes)
{
	size_t size = calls_length(bytes, '$');
	struct slice word = slice_of(bytes->ptr, size);

	assert(bytes->size >= size + 2 && memcmp(bytes->ptr + size, "\r\n", 2) == 0);
	*bytes = slice_of(bytes->ptr + size + 2, bytes->size - size - 2);
	return word;
}

static size_t calls_parse(struct slice resp)
{
	size_t count = calls_length(&resp, '*');

	assert(count > CALLS_KEYS_AT && count <= CALLS_WORDS_MAX);
	for (size_t i = 0; i < count; i++)
		calls_words[i] = calls_word(&resp);
	assert(resp.size == 0);
	return count;
}

static void calls_say(struct calls_command *c, struct slice word)
{
	struct arena *arena = c->model->arena;

	assert(c->reply.count < c->reply_max);
	c->reply.words[c->reply.count++] =
		slice_of(arena_copy(arena, word.ptr, word.size), word.size);
}

static void calls_say_text(struct calls_command *c, const char *text)
{
	calls_say(c, slice_text(text));
}

/* ---- open, confirm, close ------------------------------------------------------------------- */

/* Absent is taken for any predecessor: then OPEN answers a nonce that nobody stores. */
static void calls_open_stream(struct calls_command *c, const struct slice *arg)
{
	struct model_stream *s = model_stream(c->model, c->home, arg[0]);
	char state[MODEL_STATE_SIZE];
	int size;

	if (s->state.size > 0) {
		calls_say(c, model_view(&s->state));
		return;
	}
	assert(arg[2].size == 16);
	size = snprintf(state, sizeof(state), "%.*s:n%.*s", (int)arg[1].size,
			(const char *)arg[1].ptr, (int)arg[2].size, (const char *)arg[2].ptr);
	if (c->origin->without != RULE_ABSENT)
		model_set(c->model, c->home, &s->state, slice_of(state, (size_t)size));
	calls_say(c, slice_of(state, (size_t)size));
}

static void calls_open(struct calls_command *c)
{
	assert(c->arg_count % 3 == 1 && c->key_count == 2);
	model_begin(c->model, c->home, c->origin->now_ms);
	calls_say_text(c, "OK");
	for (size_t i = 1; i < c->arg_count; i += 3)
		calls_open_stream(c, c->args + i);
}

static void calls_confirm(struct calls_command *c)
{
	assert(c->arg_count >= 1 && c->key_count == 2);
	calls_say_text(c, "OK");
	for (size_t i = 1; i < c->arg_count; i++)
		calls_say(c, model_view(&model_stream(c->model, c->home, c->args[i])->state));
}

static void calls_close(struct calls_command *c)
{
	assert(c->arg_count % 2 == 1 && c->key_count == 2);
	model_begin(c->model, c->home, c->origin->now_ms);
	for (size_t i = 1; i < c->arg_count; i += 2) {
		struct model_stream *s = model_stream(c->model, c->home, c->args[i]);

		if (s->state.size > 0 && slice_equal(model_view(&s->state), c->args[i + 1]))
			model_set(c->model, c->home, &s->state, slice_of("", 0));
	}
	calls_say_text(c, "OK");
	calls_say_text(c, "0");
}

/* ---- commit ----------------------------------------------------------------------------------- */

struct calls_commit {
	struct slice version;
	size_t hours, streams, days, names, cells;
	uint64_t lost;
	const struct slice *hour, *stream, *cell;
};

/* A partial is written where readers look for it. */
static void calls_check_keys(const struct calls_command *c, const struct calls_commit *commit)
{
	char key[RKEY_SIZE], pid[MODEL_VERSION_SIZE + 1] = "";

	for (size_t i = 0; i < commit->hours; i++) {
		const struct slice *about = commit->hour + CALLS_HOUR_ARGS * i;
		const struct slice *keys = c->keys + CALLS_KEYS_FIXED + 2 * i;
		int64_t hour = (int64_t)calls_number(about[0]);

		assert(about[1].size == MODEL_VERSION_SIZE);
		memcpy(pid, about[1].ptr, MODEL_VERSION_SIZE);
		assert(slice_equal(keys[0], slice_text(rkey_manifest(c->tag, hour, key))));
		rkey_cells(c->tag, hour, strtoull(pid, NULL, 16), key);
		assert(slice_equal(keys[1], slice_text(key)));
	}
}

static struct calls_commit calls_read_commit(const struct calls_command *c)
{
	const struct slice *arg = c->args;
	struct calls_commit commit = { .version = arg[1] };

	assert(c->arg_count >= CALLS_ARGS_FIXED && arg[1].size == MODEL_VERSION_SIZE);
	commit.hours = (size_t)calls_number(arg[2]);
	commit.streams = (size_t)calls_number(arg[3]);
	commit.days = (size_t)calls_number(arg[4]);
	commit.names = (size_t)calls_number(arg[5]);
	commit.lost = calls_number(arg[6]);
	commit.hour = arg + CALLS_ARGS_FIXED;
	commit.stream = commit.hour + CALLS_HOUR_ARGS * commit.hours;
	commit.cell = commit.stream + 3 * commit.streams;
	for (size_t i = 0; i < commit.hours; i++)
		commit.cells += (size_t)calls_number(commit.hour[CALLS_HOUR_ARGS * i + 4]);
	assert(commit.streams > 0);
	assert(c->key_count == CALLS_KEYS_FIXED + 2 * commit.hours + commit.days);
	assert(c->arg_count == CALLS_ARGS_FIXED + CALLS_HOUR_ARGS * commit.hours +
				       3 * commit.streams + 2 * commit.cells + 2 * commit.names);
	calls_check_keys(c, &commit);
	return commit;
}

static struct model_partial *calls_partial(const struct calls_command *c,
					   const struct calls_commit *commit, size_t i)
{
	const struct slice *about = commit->hour + CALLS_HOUR_ARGS * i;

	return model_partial(c->model, c->home, (int64_t)calls_number(about[0]), about[1]);
}

/* RULE_WRITER: the one version of a relay lies beside its partials, in an hour that never was. */
static struct model_text *calls_writer(const struct calls_command *c,
				       const struct calls_commit *commit)
{
	return &model_partial(c->model, c->home, CALLS_NO_HOUR, commit->hour[1])->version;
}

/* What the script's first two checks say: "" when the streams are to be looked at. */
static const char *calls_check_hours(struct calls_command *c, const struct calls_commit *commit)
{
	size_t as_new = 0, as_expected = 0;

	for (size_t i = 0; i < commit->hours; i++) {
		struct slice now = model_view(&calls_partial(c, commit, i)->version);

		if ((int64_t)calls_number(commit->hour[CALLS_HOUR_ARGS * i]) < c->model->floor_hour)
			return "FLOOR";
		as_new += slice_equal(now, commit->version);
		as_expected += slice_equal(now, commit->hour[CALLS_HOUR_ARGS * i + 2]);
	}
	if (c->origin->without == RULE_VERSION)
		return "";
	if (c->origin->without == RULE_WRITER && commit->hours > 0) {
		struct slice now = model_view(calls_writer(c, commit));

		if (slice_equal(now, commit->version))
			return "OK";
		return slice_equal(now, c->origin->writer) ? "" : "LOST";
	}
	if (commit->hours > 0 && as_new == commit->hours)
		return "OK";
	return as_expected == commit->hours ? "" : "LOST";
}

/* Third check. True when the commit may be written; else the reply has been said. */
static bool calls_check_streams(struct calls_command *c, const struct calls_commit *commit)
{
	size_t moved = 0;

	for (size_t i = 0; i < commit->streams; i++) {
		const struct slice *arg = commit->stream + 3 * i;
		struct slice state = model_view(&model_stream(c->model, c->home, arg[0])->state);

		assert(arg[1].size > 0 && arg[2].size > 0);
		moved += slice_equal(state, arg[2]);
		if (slice_equal(state, arg[1]) ||
		    (state.size == 0 && c->origin->without == RULE_ABSENT))
			continue;
		if (c->reply.count == 0)
			calls_say_text(c, "CONFLICT");
		calls_say(c, arg[0]);
		calls_say(c, state);
	}
	if (commit->hours > 0 || moved < commit->streams)
		return c->reply.count == 0;
	c->reply.count = 0;
	calls_say_text(c, "OK");
	return false;
}

static void calls_write_cells(struct calls_command *c, const struct calls_commit *commit)
{
	const struct slice *cell = commit->cell;
	struct arena *arena = c->model->arena;

	for (size_t i = 0; i < commit->hours; i++) {
		struct model_partial *partial = calls_partial(c, commit, i);
		size_t left = (size_t)calls_number(commit->hour[CALLS_HOUR_ARGS * i + 4]);

		model_set(c->model, c->home, &partial->version, commit->version);
		for (; left > 0; left--, cell += 2) {
			struct model_cell *kept = model_cell(c->model, partial, cell[0]);

			model_save(c->model, c->home, &kept->blob, sizeof(kept->blob));
			kept->blob = slice_of(arena_copy(arena, cell[1].ptr, cell[1].size),
					      cell[1].size);
		}
	}
	if (c->origin->without == RULE_WRITER && commit->hours > 0)
		model_set(c->model, c->home, calls_writer(c, commit), commit->version);
}

static void calls_commit(struct calls_command *c)
{
	struct calls_commit commit = calls_read_commit(c);
	const char *verdict = calls_check_hours(c, &commit);
	char floor[24];

	if (*verdict != '\0') {
		calls_say_text(c, verdict);
		snprintf(floor, sizeof(floor), "%lld", (long long)c->model->floor_hour);
		if (*verdict == 'F')
			calls_say_text(c, floor);
		return;
	}
	if (!calls_check_streams(c, &commit))
		return;
	model_begin(c->model, c->home, c->origin->now_ms);
	calls_write_cells(c, &commit);
	if (c->origin->without == RULE_SPLIT)
		model_begin(c->model, c->home, c->origin->now_ms);
	for (size_t i = 0; i < commit.streams; i++)
		model_set(c->model, c->home,
			  &model_stream(c->model, c->home, commit.stream[3 * i])->state,
			  commit.stream[3 * i + 2]);
	model_save(c->model, c->home, &c->home->lost, sizeof(c->home->lost));
	c->home->lost += commit.lost;
	calls_say_text(c, "OK");
}

/* ---- dispatch ----------------------------------------------------------------------------------- */

enum script calls_script(struct slice resp)
{
	struct slice sha;

	calls_length(&resp, '*');
	sha = calls_word(&resp);
	assert(slice_equal(sha, slice_text("EVALSHA")));
	sha = calls_word(&resp);
	for (int s = 0; s <= SCRIPT_CLOSE; s++)
		if (slice_equal(sha, slice_text(script_sha((enum script)s))))
			return (enum script)s;
	assert(false && "a script nobody loaded");
	return SCRIPT_COUNT;
}

struct slice calls_version(struct slice resp)
{
	calls_parse(resp);
	return calls_words[CALLS_KEYS_AT + calls_number(calls_words[2]) + 1];
}

struct call_reply calls_run(struct model *m, uint32_t partition, struct slice resp,
			    const struct call_origin *origin)
{
	enum script script = calls_script(resp);
	size_t count = calls_parse(resp);
	struct calls_command c = { .model = m, .home = &m->partitions[partition],
				   .origin = origin, .keys = calls_words + CALLS_KEYS_AT };
	char key[RKEY_SIZE];

	c.key_count = (size_t)calls_number(calls_words[2]);
	c.args = c.keys + c.key_count;
	c.arg_count = count - CALLS_KEYS_AT - c.key_count;
	c.reply_max = 2 * c.arg_count + 2;
	c.reply.words = arena_alloc(m->arena, c.reply_max * sizeof(*c.reply.words));
	c.tag = m->tags->tag[partition];
	assert(slice_equal(c.keys[0], slice_text(rkey_meta(c.tag, key))));
	assert(slice_equal(c.keys[1], slice_text(rkey_streams(c.tag, key))));
	if (!slice_equal(c.args[0], slice_text(m->cfg))) {
		calls_say_text(&c, "CONFIG");
		calls_say_text(&c, m->cfg);
		return c.reply;
	}
	switch (script) {
	case SCRIPT_OPEN:
		calls_open(&c);
		break;
	case SCRIPT_COMMIT:
		calls_commit(&c);
		break;
	case SCRIPT_CONFIRM:
		calls_confirm(&c);
		break;
	case SCRIPT_CLOSE:
		calls_close(&c);
		break;
	default:
		assert(false && "a call no committer makes");
	}
	return c.reply;
}
