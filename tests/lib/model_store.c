// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/model_private.h"

#include "proto/hash.h"
#include "proto/map.h"
#include "proto/store/script.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MODEL_ARGS 200000

void model_store_init(struct model_store *m, uint64_t cfg)
{
	*m = (struct model_store){ 0 };
	snprintf(m->cfg, sizeof(m->cfg), "%llu", (unsigned long long)cfg);
	for (int s = 0; s < SCRIPT_COUNT; s++) {
		char sha[SCRIPT_SHA_HEX + 1];

		memset(sha, "0123456789abcdef"[s], SCRIPT_SHA_HEX);
		assert_true(script_set_sha((enum script)s, slice_of(sha, SCRIPT_SHA_HEX)));
	}
}

static void model_store_truncate(struct model_store *m, size_t count)
{
	while (m->count > count) {
		struct model_entry *e = &m->log[--m->count];

		m->heads[e->hash % MODEL_CHAINS] = e->older;
		m->key_heads[e->key_hash % MODEL_CHAINS] = e->older_key;
		free((void *)(uintptr_t)e->key.ptr);
	}
}

void model_store_release(struct model_store *m)
{
	model_store_truncate(m, 0);
	free(m->log);
	free(m->marks);
	*m = (struct model_store){ 0 };
}

static uint64_t model_hash(struct slice key, struct slice field)
{
	return hash64_seeded(field, hash64(key));
}

struct slice model_find(const struct model_store *m, struct slice key, struct slice field)
{
	uint64_t hash = model_hash(key, field);

	for (size_t i = m->heads[hash % MODEL_CHAINS]; i > 0; i = m->log[i - 1].older)
		if (m->log[i - 1].hash == hash)
			return m->log[i - 1].value;
	return slice_of(NULL, 0);
}

void model_put(struct model_store *m, struct slice key, struct slice field,
		      struct slice value)
{
	uint8_t *copy = malloc(key.size + field.size + value.size + 1);
	struct model_entry *e;

	assert_non_null(copy);
	if (m->count == m->capacity) {
		m->capacity = m->capacity ? 2 * m->capacity : 64;
		m->log = realloc(m->log, m->capacity * sizeof(*m->log));
		assert_non_null(m->log);
	}
	e = &m->log[m->count++];
	*e = (struct model_entry){ .hash = model_hash(key, field), .key_hash = hash64(key),
				   .key = slice_of(copy, key.size),
				   .field = slice_of(copy + key.size, field.size),
				   .value = slice_of(copy + key.size + field.size, value.size) };
	e->older = m->heads[e->hash % MODEL_CHAINS];
	e->older_key = m->key_heads[e->key_hash % MODEL_CHAINS];
	m->heads[e->hash % MODEL_CHAINS] = m->key_heads[e->key_hash % MODEL_CHAINS] = m->count;
	memcpy(copy, key.ptr, key.size);
	memcpy(copy + key.size, field.ptr, field.size);
	if (value.size)
		memcpy(copy + key.size + field.size, value.ptr, value.size);
}

void model_mark(struct model_store *m)
{
	if (m->mark_count == m->mark_capacity) {
		m->mark_capacity = m->mark_capacity ? 2 * m->mark_capacity : 64;
		m->marks = realloc(m->marks, m->mark_capacity * sizeof(*m->marks));
		assert_non_null(m->marks);
	}
	m->marks[m->mark_count++] = m->count;
}

void model_store_rollback(struct model_store *m, size_t calls)
{
	m->mark_count -= calls < m->mark_count ? calls : m->mark_count;
	model_store_truncate(m, m->mark_count ? m->marks[m->mark_count - 1] : 0);
}

struct slice model_store_get(const struct model_store *m, const char *key, struct slice field)
{
	return model_find(m, slice_text(key), field);
}

void model_store_set(struct model_store *m, const char *key, struct slice field,
		     struct slice value)
{
	model_put(m, slice_text(key), field, value);
	model_mark(m);
}

/* ---- the command and the reply -------------------------------------------------------------- */

uint64_t model_number(struct slice text)
{
	uint64_t value = 0;

	assert_true(text.size > 0 && text.size <= 20);
	for (size_t i = 0; i < text.size; i++) {
		assert_in_range(text.ptr[i], '0', '9');
		value = 10 * value + text.ptr[i] - '0';
	}
	return value;
}

/* Takes `<type><digits>\r\n`. */
static size_t model_length(struct reader *r, char type)
{
	size_t value = 0;
	uint8_t byte;

	assert_int_equal(reader_u8(r), type);
	while ((byte = reader_u8(r)) != '\r') {
		assert_in_range(byte, '0', '9');
		value = 10 * value + byte - '0';
	}
	assert_int_equal(reader_u8(r), '\n');
	return value;
}

static void model_parse(struct model_call *call, struct slice resp)
{
	struct reader r = reader_of(resp);

	call->count = model_length(&r, '*');
	assert_in_range(call->count, 3, MODEL_ARGS);
	call->words = calloc(call->count, sizeof(*call->words));
	assert_non_null(call->words);
	for (size_t i = 0; i < call->count; i++) {
		call->words[i] = reader_bytes(&r, model_length(&r, '$'));
		assert_int_equal(reader_u16(&r), '\r' | '\n' << 8);
	}
	assert_int_equal(reader_finish(&r), 0);
	assert_true(slice_equal(call->words[0], slice_text("EVALSHA")));
	call->keys = 3;
	call->key_count = (size_t)model_number(call->words[2]);
	call->args = 3 + call->key_count;
	assert_true(call->args < call->count);
}

void model_say(struct model_reply *r, struct slice word)
{
	assert_true(r->count < MODEL_WORDS);
	/* Pointers are put in at the end: the buffer moves while it grows. */
	r->words[r->count++] = slice_of(NULL, word.size);
	buf_put_slice(&r->bytes, word);
}

void model_say_text(struct model_reply *r, const char *text)
{
	model_say(r, slice_text(text));
}

static void model_settle(struct model_reply *r)
{
	const uint8_t *at = r->bytes.data;

	assert_int_equal(buf_status(&r->bytes), 0);
	for (size_t i = 0; i < r->count; i++) {
		r->words[i].ptr = at;
		at += r->words[i].size;
	}
}

void model_reply_release(struct model_reply *r)
{
	buf_release(&r->bytes);
}

/* ---- the scripts -------------------------------------------------------------------------------- */

static void model_open(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	size_t n = (call->count - call->args - 1) / 3;
	struct slice streams = call->words[call->keys + 1];

	assert_int_equal((call->count - call->args) % 3, 1);
	model_say_text(r, "OK");
	for (size_t i = 0; i < n; i++) {
		const struct slice *arg = &call->words[call->args + 1 + 3 * i];
		struct slice state = model_find(m, streams, arg[0]);
		char text[STATE_TEXT_SIZE];

		assert_int_equal(arg[0].size, STREAM_ID_BYTES);
		assert_int_equal(arg[2].size, 16);
		if (state.size == 0) {
			int size = snprintf(text, sizeof(text), "%.*s:n%.*s", (int)arg[1].size,
					    (const char *)arg[1].ptr, 16, (const char *)arg[2].ptr);

			state = slice_of(text, (size_t)size);
			model_put(m, streams, arg[0], state);
		}
		model_say(r, state);
	}
	model_mark(m);
}

static void model_confirm(struct model_store *m, const struct model_call *call,
			  struct model_reply *r)
{
	model_say_text(r, "OK");
	for (size_t i = call->args + 1; i < call->count; i++)
		model_say(r, model_find(m, call->words[call->keys + 1], call->words[i]));
}

static void model_close(struct model_store *m, const struct model_call *call,
			struct model_reply *r)
{
	struct slice streams = call->words[call->keys + 1];

	for (size_t i = call->args + 1; i + 1 < call->count; i += 2)
		if (slice_equal(model_find(m, streams, call->words[i]), call->words[i + 1]))
			model_put(m, streams, call->words[i], slice_of(NULL, 0));
	model_mark(m);
	model_say_text(r, "OK");
	model_say_text(r, "0");
}

/* The parts of a commit's arguments, as proto/store/scripts/commit.lua says. */
struct model_commit {
	struct slice version;
	size_t hours, streams, days, names, cells;
	const struct slice *keys, *hour, *stream, *cell;
};

static void model_commit_read(struct model_commit *c, const struct model_call *call)
{
	const struct slice *arg = &call->words[call->args];

	c->version = arg[1];
	assert_int_equal(c->version.size, 16);
	c->hours = (size_t)model_number(arg[2]);
	c->streams = (size_t)model_number(arg[3]);
	c->days = (size_t)model_number(arg[4]);
	c->names = (size_t)model_number(arg[5]);
	c->keys = &call->words[call->keys + 4];
	c->hour = arg + 7;
	c->stream = c->hour + 5 * c->hours;
	c->cell = c->stream + 3 * c->streams;
	c->cells = 0;
	for (size_t i = 0; i < c->hours; i++)
		c->cells += (size_t)model_number(c->hour[5 * i + 4]);
	assert_int_equal(call->key_count, 4 + 2 * c->hours + c->days);
	assert_int_equal(call->count - call->args,
			 7 + 5 * c->hours + 3 * c->streams + 2 * c->cells + 2 * c->names);
	assert_true(c->streams > 0);
}

/* True when the commit may be written; otherwise the reply has been said. */
static bool model_commit_check(const struct model_store *m, const struct model_commit *c,
			       struct slice streams, struct model_reply *r)
{
	size_t as_new = 0, as_expected = 0, moved = 0;
	size_t conflicts = 0;

	for (size_t i = 0; i < c->hours; i++) {
		struct slice now = model_find(m, c->keys[2 * i], c->hour[5 * i + 1]);

		as_new += slice_equal(now, c->version);
		as_expected += slice_equal(now, c->hour[5 * i + 2]);
	}
	if (c->hours > 0 && as_new == c->hours) {
		model_say_text(r, "OK");
		return false;
	}
	if (as_expected != c->hours) {
		model_say_text(r, "LOST");
		return false;
	}
	for (size_t i = 0; i < c->streams; i++) {
		struct slice state = model_find(m, streams, c->stream[3 * i]);

		assert_true(c->stream[3 * i + 1].size > 0);
		moved += slice_equal(state, c->stream[3 * i + 2]);
		if (slice_equal(state, c->stream[3 * i + 1]))
			continue;
		if (conflicts++ == 0)
			model_say_text(r, "CONFLICT");
		model_say(r, c->stream[3 * i]);
		model_say(r, state);
	}
	if (c->hours == 0 && moved == c->streams) {
		r->count = 0;
		buf_reset(&r->bytes);
		model_say_text(r, "OK");
		return false;
	}
	return conflicts == 0;
}

static void model_commit_write(struct model_store *m, const struct model_commit *c,
			       struct slice streams)
{
	const struct slice *cell = c->cell;

	for (size_t i = 0; i < c->streams; i++)
		model_put(m, streams, c->stream[3 * i], c->stream[3 * i + 2]);
	for (size_t i = 0; i < c->hours; i++) {
		size_t left = (size_t)model_number(c->hour[5 * i + 4]);

		model_put(m, c->keys[2 * i], c->hour[5 * i + 1], c->version);
		for (; left > 0; left--, cell += 2)
			model_put(m, c->keys[2 * i + 1], cell[0], cell[1]);
	}
	for (size_t i = 0; i < c->days; i++)
		model_delete(m, c->keys[2 * c->hours + i]);
	model_mark(m);
}

static void model_commit(struct model_store *m, const struct model_call *call,
			 struct model_reply *r)
{
	struct slice streams = call->words[call->keys + 1];
	struct model_commit c;
	char floor[24];

	model_commit_read(&c, call);
	for (size_t i = 0; i < c.hours; i++)
		if ((int64_t)model_number(c.hour[5 * i]) < m->floor_hour) {
			snprintf(floor, sizeof(floor), "%lld", (long long)m->floor_hour);
			model_say_text(r, "FLOOR");
			model_say_text(r, floor);
			return;
		}
	if (!model_commit_check(m, &c, streams, r))
		return;
	model_commit_write(m, &c, streams);
	m->lost += model_number(call->words[call->args + 6]);
	model_say_text(r, "OK");
}

static void model_dispatch(struct model_store *m, const struct model_call *call,
			   struct model_reply *r)
{
	assert_int_equal(call->words[1].size, SCRIPT_SHA_HEX);
	if (model_compact(m, call, r))
		return;
	if (!slice_equal(call->words[call->args], slice_text(m->cfg))) {
		model_say_text(r, "CONFIG");
		model_say_text(r, m->cfg);
		return;
	}
	switch (strchr("0123456789abcdef", call->words[1].ptr[0]) - "0123456789abcdef") {
	case SCRIPT_OPEN:
		model_open(m, call, r);
		break;
	case SCRIPT_COMMIT:
		model_commit(m, call, r);
		break;
	case SCRIPT_CONFIRM:
		model_confirm(m, call, r);
		break;
	case SCRIPT_CLOSE:
		model_close(m, call, r);
		break;
	default:
		fail_msg("a script that this store does not know");
	}
}

void model_store_run(struct model_store *m, struct slice resp, struct model_reply *reply)
{
	struct model_call call;

	reply->count = 0;
	buf_init(&reply->bytes, SIZE_MAX);
	model_parse(&call, resp);
	model_dispatch(m, &call, reply);
	model_settle(reply);
	free(call.words);
}

/* ---- reading it back --------------------------------------------------------------------------- */

/* Whether no later entry overwrites entry i. */
static bool model_is_last(const struct model_store *m, size_t i)
{
	for (size_t later = i + 1; later < m->count; later++)
		if (m->log[later].hash == m->log[i].hash)
			return false;
	return true;
}

/* The place after `<name>:` in `hg:{tag}:<name>:...`, or NULL. */
static const uint8_t *model_key_part(struct slice key, const char *name)
{
	const uint8_t *at = memmem(key.ptr, key.size, name, strlen(name));

	return at ? at + strlen(name) : NULL;
}

static void model_partial(const struct model_store *m, struct slice cells_key, struct slice hour,
			  void (*each)(void *arg, struct slice hour, struct slice field,
				       struct slice blob),
			  void *arg)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct model_entry *e = &m->log[i];

		if (slice_equal(e->key, cells_key) && model_is_last(m, i) && e->value.size > 0)
			each(arg, hour, e->field, e->value);
	}
}

void model_store_cells(const struct model_store *m,
		       void (*each)(void *arg, struct slice hour, struct slice field,
				    struct slice blob),
		       void *arg)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct model_entry *e = &m->log[i];
		const uint8_t *at = model_key_part(e->key, "}:m:");
		char key[128];
		int size;

		if (at == NULL || e->value.size == 0 || !model_is_last(m, i))
			continue;
		size = snprintf(key, sizeof(key), "%.*s:c:%.*s:%.*s",
				(int)(at - e->key.ptr) - 3, (const char *)e->key.ptr,
				(int)(e->key.ptr + e->key.size - at), (const char *)at,
				(int)e->field.size, (const char *)e->field.ptr);
		model_partial(m, slice_of(key, (size_t)size),
			      slice_of(at, (size_t)(e->key.ptr + e->key.size - at)), each, arg);
	}
}
