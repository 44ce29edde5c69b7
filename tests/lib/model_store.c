// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/model_private.h"

#include "proto/hash.h"
#include "proto/map.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MODEL_ARGS 200000

static const struct slice model_no_field = { .ptr = (const uint8_t *)"" };

void model_store_init(struct model_store *m, uint64_t cfg)
{
	*m = (struct model_store){ 0 };
	if (cfg != 0)
		snprintf(m->cfg, sizeof(m->cfg), "%" PRIu64, cfg);
	for (int s = 0; s < SCRIPT_COUNT; s++) {
		char sha[SCRIPT_SHA_HEX + 1];
		bool kept;

		memset(sha, "0123456789abcdef"[s], SCRIPT_SHA_HEX);
		kept = script_sha((enum script)s)[0] != '\0' ||
		       script_set_sha((enum script)s, slice_of(sha, SCRIPT_SHA_HEX));
		assert(kept);
	}
}

/* ---- the log --------------------------------------------------------------------------------- */

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

/* Doubles an array that is full. */
static void *model_grow(void *array, size_t count, size_t *capacity, size_t size)
{
	if (count < *capacity)
		return array;
	*capacity = *capacity ? 2 * *capacity : 64;
	array = realloc(array, *capacity * size);
	assert(array != NULL);
	return array;
}

static uint8_t *model_copy(uint8_t *to, struct slice from)
{
	if (from.size > 0)
		memcpy(to, from.ptr, from.size);
	return to + from.size;
}

void model_put(struct model_store *m, struct slice key, struct slice field, struct slice value)
{
	uint8_t *copy = malloc(key.size + field.size + value.size + 1);
	struct model_entry *e;

	assert(copy != NULL);
	m->log = model_grow(m->log, m->count, &m->capacity, sizeof(*m->log));
	e = &m->log[m->count++];
	*e = (struct model_entry){ .hash = model_hash(key, field), .key_hash = hash64(key),
				   .key = slice_of(copy, key.size),
				   .field = slice_of(copy + key.size, field.size),
				   .value = slice_of(copy + key.size + field.size, value.size) };
	e->older = m->heads[e->hash % MODEL_CHAINS];
	e->older_key = m->key_heads[e->key_hash % MODEL_CHAINS];
	m->heads[e->hash % MODEL_CHAINS] = m->key_heads[e->key_hash % MODEL_CHAINS] = m->count;
	model_copy(model_copy(model_copy(copy, key), field), value);
}

void model_mark(struct model_store *m)
{
	m->marks = model_grow(m->marks, m->mark_count, &m->mark_capacity, sizeof(*m->marks));
	m->marks[m->mark_count++] = (struct model_mark){ m->count, m->mark_ms };
}

void model_store_rollback(struct model_store *m, size_t calls)
{
	m->mark_count -= calls < m->mark_count ? calls : m->mark_count;
	model_store_truncate(m, m->mark_count ? m->marks[m->mark_count - 1].end : 0);
}

size_t model_store_younger(const struct model_store *m, int64_t than_ms)
{
	size_t count = 0;

	while (count < m->mark_count && m->marks[m->mark_count - count - 1].at_ms > than_ms)
		count++;
	return count;
}

void model_store_join(struct model_store *m, size_t end)
{
	while (m->mark_count > 1 && m->marks[m->mark_count - 2].end > end)
		m->marks[m->mark_count-- - 2] = (struct model_mark){ m->count, m->mark_ms };
}

/* ---- keys and fields --------------------------------------------------------------------------- */

static int model_by_hash(const void *a, const void *b)
{
	const struct model_entry *x = *(const struct model_entry *const *)a;
	const struct model_entry *y = *(const struct model_entry *const *)b;

	return (x->hash > y->hash) - (x->hash < y->hash);
}

size_t model_store_fields(const struct model_store *m, struct slice key,
			  const struct model_entry *out[MODEL_FIELDS])
{
	uint64_t key_hash = hash64(key);
	size_t count = 0, kept = 0;

	/* The youngest entry of a field is what it is now. */
	for (size_t i = m->key_heads[key_hash % MODEL_CHAINS]; i > 0; i = m->log[i - 1].older_key) {
		const struct model_entry *e = &m->log[i - 1];
		size_t at = 0;

		if (e->key_hash != key_hash || e->field.size == 0)
			continue;
		while (at < count && out[at]->hash != e->hash)
			at++;
		assert(at < MODEL_FIELDS);
		if (at == count)
			out[count++] = e;
	}
	for (size_t i = 0; i < count; i++)
		if (out[i]->value.size > 0)
			out[kept++] = out[i];
	qsort(out, kept, sizeof(*out), model_by_hash);
	return kept;
}

/* The same as copies that stay when the log grows. */
static size_t model_copy_fields(const struct model_store *m, struct slice key,
				struct model_entry out[MODEL_FIELDS])
{
	const struct model_entry *fields[MODEL_FIELDS];
	size_t count = model_store_fields(m, key, fields);

	for (size_t i = 0; i < count; i++)
		out[i] = *fields[i];
	return count;
}

void model_expire(struct model_store *m, struct slice key)
{
	model_put(m, key, model_no_field, slice_text("1"));
}

void model_delete(struct model_store *m, struct slice key)
{
	struct model_entry fields[MODEL_FIELDS];
	size_t count = model_copy_fields(m, key, fields);

	for (size_t i = 0; i < count; i++)
		model_put(m, key, fields[i].field, slice_of(NULL, 0));
	model_put(m, key, model_no_field, slice_of(NULL, 0));
}

void model_rename(struct model_store *m, struct slice from, struct slice to)
{
	struct model_entry fields[MODEL_FIELDS];
	size_t count = model_copy_fields(m, from, fields);
	bool expires = model_store_expires(m, from);

	model_delete(m, from);
	model_delete(m, to);
	for (size_t i = 0; i < count; i++)
		model_put(m, to, fields[i].field, fields[i].value);
	if (expires)
		model_expire(m, to);
}

struct slice model_store_get(const struct model_store *m, const char *key, struct slice field)
{
	return model_find(m, slice_text(key), field);
}

struct slice model_state(struct slice stored)
{
	const uint8_t *at = stored.size > 0 ? memchr(stored.ptr, '@', stored.size) : NULL;

	return at != NULL ? slice_of(stored.ptr, (size_t)(at - stored.ptr)) : stored;
}

struct slice model_store_state(const struct model_store *m, const char *key, struct slice stream)
{
	return model_state(model_store_get(m, key, stream));
}

uint64_t model_store_number(const struct model_store *m, const char *key, const char *field)
{
	struct slice text = model_store_get(m, key, slice_text(field));

	return text.size > 0 ? model_number(text) : 0;
}

void model_store_set(struct model_store *m, const char *key, struct slice field,
		     struct slice value)
{
	model_put(m, slice_text(key), field, value);
	model_mark(m);
}

bool model_store_expires(const struct model_store *m, struct slice key)
{
	return model_find(m, key, model_no_field).size > 0;
}

bool model_store_next_key(const struct model_store *m, size_t *cursor, struct slice *key)
{
	const struct model_entry *fields[MODEL_FIELDS];

	for (; *cursor < m->count; ++*cursor) {
		const struct model_entry *e = &m->log[*cursor];
		bool first = true;

		/* A key that has this entry's hash earlier was told already. */
		for (size_t i = e->older_key; i > 0 && first; i = m->log[i - 1].older_key)
			first = m->log[i - 1].key_hash != e->key_hash;
		if (!first || model_store_fields(m, e->key, fields) == 0)
			continue;
		*key = e->key;
		++*cursor;
		return true;
	}
	return false;
}

/* Whether an entry says what its field is now. */
static bool model_is_last(const struct model_store *m, size_t entry)
{
	uint64_t hash = m->log[entry].hash;
	size_t i = m->heads[hash % MODEL_CHAINS];

	while (i > 0 && m->log[i - 1].hash != hash)
		i = m->log[i - 1].older;
	return i == entry + 1;
}

/* The place after `<name>:` in `hg:{tag}:<name>:...`, or NULL. */
static const uint8_t *model_key_part(struct slice key, const char *name)
{
	const uint8_t *at = memmem(key.ptr, key.size, name, strlen(name));

	return at ? at + strlen(name) : NULL;
}

void model_store_cells(const struct model_store *m,
		       void (*each)(void *arg, struct slice hour, struct slice field,
				    struct slice blob),
		       void *arg)
{
	const struct model_entry *cells[MODEL_FIELDS];

	for (size_t i = 0; i < m->count; i++) {
		const struct model_entry *e = &m->log[i];
		const uint8_t *at = model_key_part(e->key, "}:m:");
		size_t hour = at ? (size_t)(e->key.ptr + e->key.size - at) : 0, count;
		char key[128];
		int size;

		if (at == NULL || e->field.size == 0 || e->value.size == 0 || !model_is_last(m, i))
			continue;
		size = snprintf(key, sizeof(key), "%.*s:c:%.*s:%.*s",
				(int)(at - e->key.ptr) - 3, (const char *)e->key.ptr,
				(int)hour, (const char *)at, (int)e->field.size,
				(const char *)e->field.ptr);
		count = model_store_fields(m, slice_of(key, (size_t)size), cells);
		for (size_t c = 0; c < count; c++)
			each(arg, slice_of(at, hour), cells[c]->field, cells[c]->value);
	}
}

/* ---- the command and the reply -------------------------------------------------------------- */

bool model_is_number(struct slice text, int64_t *out)
{
	char copy[MODEL_NUMBER_SIZE], *end;

	if (text.size == 0 || text.size >= sizeof(copy))
		return false;
	memcpy(copy, text.ptr, text.size);
	copy[text.size] = '\0';
	*out = strtoll(copy, &end, 10);
	return *end == '\0';
}

uint64_t model_number(struct slice text)
{
	int64_t value = 0;
	bool is_number = model_is_number(text, &value);

	assert(is_number && value >= 0);
	return (uint64_t)value;
}

/* Takes `<type><digits>\r\n`. */
static size_t model_length(struct reader *r, char type)
{
	size_t value = 0;
	uint8_t byte = reader_u8(r);

	assert(byte == type);
	while ((byte = reader_u8(r)) != '\r') {
		assert(byte >= '0' && byte <= '9');
		value = 10 * value + byte - '0';
	}
	byte = reader_u8(r);
	assert(byte == '\n');
	return value;
}

static enum script model_script_of(struct slice sha)
{
	for (int s = 0; s < SCRIPT_COUNT; s++)
		if (slice_equal(sha, slice_text(script_sha((enum script)s))))
			return (enum script)s;
	assert(false && "a script that nobody loaded");
	return SCRIPT_COUNT;
}

static void model_parse(struct model_call *call, struct slice resp)
{
	struct reader r = reader_of(resp);
	int status;

	call->count = model_length(&r, '*');
	assert(call->count >= 3 && call->count <= MODEL_ARGS);
	call->words = calloc(call->count, sizeof(*call->words));
	assert(call->words != NULL);
	for (size_t i = 0; i < call->count; i++) {
		uint16_t end;

		call->words[i] = reader_bytes(&r, model_length(&r, '$'));
		end = reader_u16(&r);
		assert(end == ('\r' | '\n' << 8));
	}
	status = reader_finish(&r);
	assert(status == 0 && slice_equal(call->words[0], slice_text("EVALSHA")));
	call->script = model_script_of(call->words[1]);
	call->key_count = (size_t)model_number(call->words[2]);
	assert(3 + call->key_count < call->count);
	call->keys = call->words + 3;
	call->args = call->keys + call->key_count;
	call->arg_count = call->count - 3 - call->key_count;
}

void model_say(struct model_reply *r, struct slice word)
{
	assert(r->count < MODEL_WORDS);
	/* Pointers are put in at the end: the buffer moves while it grows. */
	r->words[r->count++] = slice_of(NULL, word.size);
	buf_put_slice(&r->bytes, word);
}

void model_say_text(struct model_reply *r, const char *text)
{
	model_say(r, slice_text(text));
}

void model_say_number(struct model_reply *r, int64_t value)
{
	char text[MODEL_NUMBER_SIZE];

	snprintf(text, sizeof(text), "%" PRId64, value);
	model_say_text(r, text);
}

void model_error(struct model_reply *r, const char *text)
{
	assert(r->count == 0);
	model_say_text(r, text);
	r->error = true;
}

static void model_settle(struct model_reply *r)
{
	const uint8_t *at = r->bytes.data;

	assert(buf_status(&r->bytes) == 0);
	for (size_t i = 0; i < r->count; i++) {
		r->words[i].ptr = at;
		at += r->words[i].size;
	}
}

void model_reply_release(struct model_reply *r)
{
	buf_release(&r->bytes);
}

struct slice model_store_argument(struct slice resp, size_t index)
{
	struct model_call call;
	struct slice argument;

	model_parse(&call, resp);
	assert(index < call.arg_count);
	argument = call.args[index];
	free(call.words);
	return argument;
}

void model_store_run(struct model_store *m, struct slice resp, struct model_reply *reply)
{
	static const model_script scripts[SCRIPT_COUNT] = {
		[SCRIPT_INIT] = model_init,       [SCRIPT_OPEN] = model_open,
		[SCRIPT_COMMIT] = model_commit,   [SCRIPT_CONFIRM] = model_confirm,
		[SCRIPT_CLOSE] = model_close,     [SCRIPT_SURVEY] = model_survey,
		[SCRIPT_GATHER] = model_gather,   [SCRIPT_STAGE] = model_stage,
		[SCRIPT_SWAP] = model_swap,       [SCRIPT_ROLL] = model_roll,
		[SCRIPT_SWEEP] = model_sweep,     [SCRIPT_FORGET] = model_forget,
	};
	struct model_call call;

	reply->count = 0;
	reply->error = false;
	buf_init(&reply->bytes, SIZE_MAX);
	model_parse(&call, resp);
	scripts[call.script](m, &call, reply);
	model_settle(reply);
	assert((!reply->error || m->tolerant) && "a command that its script does not take");
	free(call.words);
}
