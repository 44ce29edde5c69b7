// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/model_private.h"

#include "proto/hour.h"

#define SWAP_KEYS 5
#define ROLL_KEYS 4
#define BOTH_ARGS 6 /* before the sources */

void model_survey(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	const struct model_entry *fields[MODEL_FIELDS];
	int64_t limit;

	if (call->key_count < 1 || call->arg_count != 2 ||
	    !model_is_number(call->args[1], &limit)) {
		model_error(r, "HOURGLASS survey: arguments");
		return;
	}
	if (!model_same_fleet(m, call->keys[0], call->args[0], r))
		return;
	model_say_text(r, "OK");
	model_say_number(r, model_floor(m, call->keys[0]));
	for (size_t k = 1; k < call->key_count; k++) {
		int64_t count = (int64_t)model_store_fields(m, call->keys[k], fields);
		int64_t listed = count < limit ? count : limit;

		model_say_number(r, count);
		model_say_number(r, listed);
		for (int64_t i = 0; i < listed; i++) {
			model_say(r, fields[i]->field);
			model_say(r, fields[i]->value);
		}
	}
}

/* The rows of a piece: fields at .. end - 1 of a source that no source before it has. */
static void gather_rows(const struct model_store *m, const struct model_call *call, size_t which,
			size_t at, size_t end, struct model_reply *r)
{
	const struct model_entry *fields[MODEL_FIELDS];
	const struct slice *key = call->keys;
	size_t count = model_store_fields(m, key[2 * which + 1], fields);

	for (size_t f = at; f < count && f < end; f++) {
		bool seen = false;

		for (size_t i = 0; i < which; i++)
			seen |= model_find(m, key[2 * i + 1], fields[f]->field).size > 0;
		if (seen)
			continue;
		model_say(r, fields[f]->field);
		for (size_t i = 0; i < call->key_count / 2; i++)
			model_say(r, model_find(m, key[2 * i + 1], fields[f]->field));
	}
}

void model_gather(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	const struct model_entry *fields[MODEL_FIELDS];
	const struct slice *key = call->keys, *arg = call->args;
	size_t n = call->key_count / 2, at, end;
	int64_t which;

	if (n < 1 || call->arg_count != 3 + 2 * n || !model_is_number(arg[0], &which) ||
	    which < 1 || which > (int64_t)n) {
		model_error(r, "HOURGLASS gather: arguments");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct slice version = model_find(m, key[2 * i], arg[3 + 2 * i]);

		if (version.size == 0 || !slice_equal(version, arg[4 + 2 * i])) {
			model_say_text(r, "LOST");
			return;
		}
	}
	at = (size_t)model_number(arg[1]);
	end = at + (size_t)model_number(arg[2]);
	model_say_text(r, "OK");
	model_say_number(r, end < model_store_fields(m, key[2 * which - 1], fields) ?
				    (int64_t)end : 0);
	/* A scan may show a field twice: this one always does. */
	gather_rows(m, call, (size_t)which - 1, at > 0 ? at - 1 : 0, end, r);
}

void model_stage(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	int64_t added = 0, seconds;

	if (call->key_count != 1 || call->arg_count < 3 || call->arg_count % 2 != 1 ||
	    !model_is_number(call->args[0], &seconds)) {
		model_error(r, "HOURGLASS stage: arguments");
		return;
	}
	for (size_t i = 1; i < call->arg_count; i += 2) {
		added += model_find(m, call->keys[0], call->args[i]).size == 0;
		model_put(m, call->keys[0], call->args[i], call->args[i + 1]);
	}
	model_expire(m, call->keys[0]);
	model_mark(m);
	model_say_text(r, "OK");
	model_say_number(r, added);
}

/* ---- swap and roll ------------------------------------------------------------------------------ */

static bool model_lost(struct model_reply *r, const char *what)
{
	model_say_text(r, "LOST");
	model_say_text(r, what);
	return false;
}

/* Whether the arguments that begin alike are good: floor, size, expiry. */
static bool model_finish_args(const struct model_call *call, size_t keys, size_t sources)
{
	int64_t floor, size, expire;

	return call->key_count == keys && call->arg_count == BOTH_ARGS + 2 * sources &&
	       model_is_number(call->args[1], &floor) && model_is_number(call->args[4], &size) &&
	       model_is_number(call->args[5], &expire) && size >= 1;
}

static bool model_floor_allows(const struct model_store *m, const struct model_call *call,
			       struct model_reply *r)
{
	int64_t floor = model_floor(m, call->keys[0]);

	if (floor <= (int64_t)model_number(call->args[1]))
		return true;
	model_say_text(r, "FLOOR");
	model_say_number(r, floor);
	return false;
}

/* A failover may have forgotten a piece in the middle of what was written. */
static bool model_is_whole(const struct model_store *m, const struct model_call *call,
			   struct slice temporary, struct model_reply *r)
{
	const struct model_entry *fields[MODEL_FIELDS];

	return m->flaws & MODEL_NO_SIZE ||
	       model_store_fields(m, temporary, fields) == model_number(call->args[4]) ||
	       model_lost(r, "size");
}

static bool swap_check_sources(const struct model_store *m, const struct model_call *call,
			       struct model_reply *r)
{
	const struct slice *source = call->args + BOTH_ARGS;

	for (size_t i = 0; i < call->key_count - SWAP_KEYS; i++, source += 2) {
		struct slice now = model_find(m, call->keys[1], source[0]);

		if (now.size == 0 ||
		    (!slice_equal(now, source[1]) && !(m->flaws & MODEL_NO_SOURCE)))
			return model_lost(r, "source");
	}
	return true;
}

static bool swap_check_name(const struct model_store *m, const struct model_call *call,
			    struct model_reply *r)
{
	const struct model_entry *fields[MODEL_FIELDS];

	return (model_find(m, call->keys[1], call->args[2]).size == 0 &&
		model_store_fields(m, call->keys[4], fields) == 0) ||
	       model_lost(r, "name");
}

void model_swap(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	const struct slice *key = call->keys, *arg = call->args;
	size_t n = call->key_count - SWAP_KEYS;

	if (call->key_count <= SWAP_KEYS || !model_finish_args(call, SWAP_KEYS + n, n)) {
		model_error(r, "HOURGLASS swap: arguments");
		return;
	}
	if (!model_same_fleet(m, key[0], arg[0], r) || !model_floor_allows(m, call, r) ||
	    !swap_check_sources(m, call, r) || !model_is_whole(m, call, key[3], r) ||
	    !swap_check_name(m, call, r))
		return;
	model_rename(m, key[3], key[4]);
	model_put(m, key[1], arg[2], arg[3]);
	for (size_t i = 0; i < n; i++) {
		model_put(m, key[1], arg[BOTH_ARGS + 2 * i], slice_of(NULL, 0));
		model_delete(m, key[SWAP_KEYS + i]);
	}
	model_expire(m, key[1]);
	model_delete(m, key[2]);
	model_mark(m);
	model_say_text(r, "OK");
}

static bool roll_check_hours(const struct model_store *m, const struct model_call *call,
			     struct model_reply *r)
{
	const struct model_entry *fields[MODEL_FIELDS];
	const struct slice *source = call->args + BOTH_ARGS;

	for (size_t i = 0; i < DAY_HOURS; i++, source += 2) {
		struct slice manifest = call->keys[ROLL_KEYS + i];
		size_t listed = source[0].size > 0;

		if (model_store_fields(m, manifest, fields) != listed ||
		    (listed && !slice_equal(model_find(m, manifest, source[0]), source[1])))
			return model_lost(r, "source");
	}
	return true;
}

void model_roll(struct model_store *m, const struct model_call *call, struct model_reply *r)
{
	const struct slice *key = call->keys, *arg = call->args;

	if (!model_finish_args(call, ROLL_KEYS + DAY_HOURS, DAY_HOURS)) {
		model_error(r, "HOURGLASS roll: arguments");
		return;
	}
	if (!model_same_fleet(m, key[0], arg[0], r) || !model_floor_allows(m, call, r) ||
	    !roll_check_hours(m, call, r) || !model_is_whole(m, call, key[2], r))
		return;
	model_rename(m, key[2], key[3]);
	model_expire(m, key[3]);
	model_delete(m, key[1]);
	model_put(m, key[1], arg[2], arg[3]);
	model_expire(m, key[1]);
	model_mark(m);
	model_say_text(r, "OK");
}
