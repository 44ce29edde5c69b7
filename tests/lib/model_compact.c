// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/model_private.h"

#include "proto/hash.h"
#include "proto/store/script.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MODEL_KEY_HOURS 24

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

		if (e->key_hash != key_hash)
			continue;
		while (at < count && out[at]->hash != e->hash)
			at++;
		assert_true(at < MODEL_FIELDS);
		if (at == count)
			out[count++] = e;
	}
	for (size_t i = 0; i < count; i++)
		if (out[i]->value.size > 0)
			out[kept++] = out[i];
	qsort(out, kept, sizeof(*out), model_by_hash);
	return kept;
}

static void model_say_number(struct model_reply *r, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	model_say_text(r, text);
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

void model_delete(struct model_store *m, struct slice key)
{
	struct model_entry fields[MODEL_FIELDS];
	size_t count = model_copy_fields(m, key, fields);

	for (size_t i = 0; i < count; i++)
		model_put(m, key, fields[i].field, slice_of(NULL, 0));
}

static void model_rename(struct model_store *m, struct slice from, struct slice to)
{
	struct model_entry fields[MODEL_FIELDS];
	size_t count = model_copy_fields(m, from, fields);

	model_delete(m, from);
	model_delete(m, to);
	for (size_t i = 0; i < count; i++)
		model_put(m, to, fields[i].field, fields[i].value);
}

/* ---- the scripts -------------------------------------------------------------------------------- */

static void model_survey(const struct model_store *m, const struct model_call *call,
			 struct model_reply *r)
{
	const struct model_entry *fields[MODEL_FIELDS];
	uint64_t limit = model_number(call->words[call->args + 1]);

	assert_int_equal(call->count - call->args, 2);
	model_say_text(r, "OK");
	model_say_number(r, (uint64_t)m->floor_hour);
	for (size_t k = 1; k < call->key_count; k++) {
		size_t count = model_store_fields(m, call->words[call->keys + k], fields);
		size_t listed = count < limit ? count : limit;

		model_say_number(r, count);
		model_say_number(r, listed);
		for (size_t i = 0; i < listed; i++) {
			model_say(r, fields[i]->field);
			model_say(r, fields[i]->value);
		}
	}
}

static void model_gather(const struct model_store *m, const struct model_call *call,
			 struct model_reply *r)
{
	const struct model_entry *fields[MODEL_FIELDS];
	const struct slice *key = &call->words[call->keys], *arg = &call->words[call->args];
	size_t n = call->key_count / 2, which = (size_t)model_number(arg[0]) - 1;
	size_t at = (size_t)model_number(arg[1]), count, end;

	assert_int_equal(call->count - call->args, 3 + 2 * n);
	assert_true(which < n);
	for (size_t i = 0; i < n; i++)
		if (!slice_equal(model_find(m, key[2 * i], arg[3 + 2 * i]), arg[4 + 2 * i])) {
			model_say_text(r, "LOST");
			return;
		}
	count = model_store_fields(m, key[2 * which + 1], fields);
	end = at + (size_t)model_number(arg[2]);
	model_say_text(r, "OK");
	model_say_number(r, end < count ? end : 0);
	/* A scan may show a field twice: this one always does. */
	for (size_t f = at > 0 ? at - 1 : 0; f < count && f < end; f++) {
		bool seen = false;

		for (size_t i = 0; i < which; i++)
			seen |= model_find(m, key[2 * i + 1], fields[f]->field).size > 0;
		if (seen)
			continue;
		model_say(r, fields[f]->field);
		for (size_t i = 0; i < n; i++)
			model_say(r, model_find(m, key[2 * i + 1], fields[f]->field));
	}
}

static void model_stage(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	struct slice key = call->words[call->keys];
	size_t added = 0;

	assert_int_equal(call->key_count, 1);
	assert_true((call->count - call->args) % 2 == 1 && call->count - call->args >= 3);
	assert_true(model_number(call->words[call->args]) > 0);
	for (size_t i = call->args + 1; i < call->count; i += 2) {
		added += model_find(m, key, call->words[i]).size == 0;
		model_put(m, key, call->words[i], call->words[i + 1]);
	}
	model_mark(m);
	model_say_text(r, "OK");
	model_say_number(r, added);
}

/* What swap and roll check alike, of arguments that begin alike. False: the reply was said. */
static bool model_may_finish(const struct model_store *m, const struct slice *arg,
			     struct slice temporary, struct model_reply *r)
{
	const struct model_entry *fields[MODEL_FIELDS];

	if (m->floor_hour > (int64_t)model_number(arg[1])) {
		model_say_text(r, "FLOOR");
		model_say_number(r, (uint64_t)m->floor_hour);
		return false;
	}
	if (model_store_fields(m, temporary, fields) != model_number(arg[4]) && !m->careless) {
		model_say_text(r, "LOST");
		model_say_text(r, "size");
		return false;
	}
	return true;
}

static void model_lost(struct model_reply *r)
{
	model_say_text(r, "LOST");
	model_say_text(r, "source");
}

static void model_swap(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	const struct slice *key = &call->words[call->keys], *arg = &call->words[call->args];
	size_t n = call->key_count - 5;

	assert_int_equal(call->count - call->args, 6 + 2 * n);
	assert_true(n > 0 && model_number(arg[4]) > 0);
	for (size_t i = 0; i < n; i++)
		if (!slice_equal(model_find(m, key[1], arg[6 + 2 * i]), arg[7 + 2 * i])) {
			model_lost(r);
			return;
		}
	if (!model_may_finish(m, arg, key[3], r))
		return;
	model_rename(m, key[3], key[4]);
	model_put(m, key[1], arg[2], arg[3]);
	for (size_t i = 0; i < n; i++) {
		model_put(m, key[1], arg[6 + 2 * i], slice_of(NULL, 0));
		model_delete(m, key[5 + i]);
	}
	model_delete(m, key[2]);
	model_mark(m);
	model_say_text(r, "OK");
}

static void model_roll(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	const struct model_entry *fields[MODEL_FIELDS];
	const struct slice *key = &call->words[call->keys], *arg = &call->words[call->args];

	assert_int_equal(call->key_count, 4 + MODEL_KEY_HOURS);
	assert_int_equal(call->count - call->args, 6 + 2 * MODEL_KEY_HOURS);
	for (size_t i = 0; i < MODEL_KEY_HOURS; i++) {
		struct slice pid = arg[6 + 2 * i];

		if (model_store_fields(m, key[4 + i], fields) != (pid.size > 0) ||
		    (pid.size > 0 && !slice_equal(model_find(m, key[4 + i], pid), arg[7 + 2 * i]))) {
			model_lost(r);
			return;
		}
	}
	if (!model_may_finish(m, arg, key[2], r))
		return;
	model_rename(m, key[2], key[3]);
	model_delete(m, key[1]);
	model_put(m, key[1], arg[2], arg[3]);
	model_mark(m);
	model_say_text(r, "OK");
}

/* In the model's time nothing is ever old enough. */
static void model_sweep(struct model_reply *r)
{
	model_say_text(r, "OK");
	for (int i = 0; i < 3; i++)
		model_say_text(r, "0");
}

bool model_compact(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	static void (*const writes[SCRIPT_COUNT])(struct model_store *m,
						  const struct model_call *call,
						  struct model_reply *r) = {
		[SCRIPT_STAGE] = model_stage,
		[SCRIPT_SWAP] = model_swap,
		[SCRIPT_ROLL] = model_roll,
	};
	size_t script = SCRIPT_COUNT;

	for (size_t s = 0; s < SCRIPT_COUNT; s++)
		if (slice_equal(call->words[1], slice_text(script_sha((enum script)s))))
			script = s;
	assert_true(script < SCRIPT_COUNT);
	if (writes[script] != NULL)
		writes[script](m, call, r);
	else if (script == SCRIPT_SURVEY)
		model_survey(m, call, r);
	else if (script == SCRIPT_GATHER)
		model_gather(m, call, r);
	else if (script == SCRIPT_SWEEP || script == SCRIPT_FORGET)
		model_sweep(r);
	else
		return false;
	return true;
}
