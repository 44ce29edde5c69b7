// SPDX-License-Identifier: Apache-2.0
#include "queryd/fetch.h"

#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/rkey.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which command of which fetch a reply is for. */
struct fetch_slot {
	struct fetch *fetch;
	size_t command;
};

struct fetch {
	struct fetches *all;
	struct fetch *next, **at; /* in all->open, while it is not answered */
	struct plan *plan;
	char tag[RKEY_TAG_SIZE];
	uint64_t deadline_ms;
	fetch_done done; /* NULL: answered */
	void *arg;
	struct fetch_slot *slots;
	size_t slot_capacity;
	size_t outstanding;
	int status;
};

void fetches_init(struct fetches *f, struct redis *redis, const struct fleet *fleet)
{
	*f = (struct fetches){ .redis = redis, .fleet = fleet };
}

/* Tells the owner, once. */
static void answer(struct fetch *f, int status)
{
	fetch_done done = f->done;

	if (!done)
		return;
	f->done = NULL;
	*f->at = f->next;
	if (f->next)
		f->next->at = f->at;
	f->all->count--;
	done(f->arg, status, status == 0 ? f->plan : NULL);
}

static void fetch_free(struct fetch *f)
{
	assert(f->outstanding == 0 && !f->done);
	plan_free(f->plan);
	free(f->slots);
	free(f);
}

/* ---- replies -------------------------------------------------------------------------------- */

static struct slice text_of(const redisReply *reply)
{
	return slice_of(reply->str, reply->len);
}

static bool put_pids(struct fetch *f, size_t command, const redisReply *reply)
{
	size_t i;

	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	for (i = 0; i < reply->elements; i++) {
		if (reply->element[i]->type != REDIS_REPLY_STRING)
			return false;
		plan_put_pid(f->plan, command, text_of(reply->element[i]));
	}
	return true;
}

/* The fields were asked for in the order of stat_kinds. */
static bool put_cells(struct fetch *f, size_t command, unsigned kinds, const redisReply *reply)
{
	size_t i, at = 0;

	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	for (i = 0; i < STAT_KINDS; i++) {
		if (!(kinds & 1u << i))
			continue;
		if (at == reply->elements)
			return false;
		if (reply->element[at]->type == REDIS_REPLY_STRING)
			plan_put_cell(f->plan, command, stat_kinds[i], text_of(reply->element[at]));
		at++;
	}
	return true;
}

static bool put_score(struct fetch *f, size_t command, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_STRING)
		plan_put_score(f->plan, command, strtod(reply->str, NULL));
	return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_NIL;
}

static bool put_reply(struct fetch *f, size_t index, const redisReply *reply)
{
	size_t count;
	const struct plan_command *command = &plan_commands(f->plan, &count)[index];

	switch (command->ask) {
	case PLAN_MANIFEST:
		return put_pids(f, index, reply);
	case PLAN_CELLS:
		return put_cells(f, index, command->kinds, reply);
	case PLAN_FIRST:
	case PLAN_LAST:
		return put_score(f, index, reply);
	}
	return false;
}

static void log_reply(struct fetch *f, const redisReply *reply)
{
	static struct log_limit limit;
	char quoted[LOG_QUOTE_SIZE];
	struct slice text = slice_text("an answer of an unexpected type");

	(void)f;
	if (reply->type == REDIS_REPLY_ERROR)
		text = text_of(reply);
	if (log_allowed(&limit, life_monotonic_ms(), NULL))
		log_warn("redis_answer", "text=%s", log_quote(text, quoted));
}

/* ---- rounds --------------------------------------------------------------------------------- */

static void run_rounds(struct fetch *f);

static void on_reply(void *arg, int status, const redisReply *reply)
{
	struct fetch_slot *slot = arg;
	struct fetch *f = slot->fetch;

	f->outstanding--;
	if (status < 0) {
		f->status = status;
	} else if (f->done && f->status == 0 && !put_reply(f, slot->command, reply)) {
		log_reply(f, reply);
		f->status = ERR_STORE_ERROR;
	}
	if (f->outstanding == 0)
		run_rounds(f);
}

static int send_key(struct fetch *f, const char *verb, const char *key, struct slice field,
		    struct fetch_slot *slot)
{
	const struct slice argv[] = { slice_text(verb), slice_text(key), field };

	return redis_command(f->all->redis, rkey_slot(argv[1]), field.ptr ? 3 : 2, argv, on_reply,
			     slot);
}

static int send_cells(struct fetch *f, const struct plan_command *command, struct fetch_slot *slot)
{
	char key[RKEY_SIZE];
	uint8_t fields[STAT_KINDS][RKEY_FIELD_SIZE];
	struct slice argv[2 + STAT_KINDS] = { slice_text("HMGET") };
	size_t argc = 2, i;

	argv[1] = slice_text(rkey_cells(f->tag, command->hour, command->pid, key));
	for (i = 0; i < STAT_KINDS; i++) {
		if (command->kinds & 1u << i)
			argv[argc++] = rkey_field(stat_kinds[i], plan_key(f->plan), fields[i]);
	}
	return redis_command(f->all->redis, rkey_slot(argv[1]), argc, argv, on_reply, slot);
}

static int send_score(struct fetch *f, const struct plan_command *command, struct fetch_slot *slot)
{
	char key[RKEY_SIZE];
	uint8_t field[RKEY_FIELD_SIZE];
	size_t kind = 0;

	while (command->kinds >> kind != 1)
		kind++;
	if (command->ask == PLAN_FIRST)
		(void)rkey_names_first(f->tag, key);
	else
		(void)rkey_names_last(f->tag, key);
	return send_key(f, "ZSCORE", key, rkey_field(stat_kinds[kind], plan_key(f->plan), field),
			slot);
}

static int send_command(struct fetch *f, const struct plan_command *command,
			struct fetch_slot *slot)
{
	char key[RKEY_SIZE];

	if (command->ask == PLAN_CELLS)
		return send_cells(f, command, slot);
	if (command->ask != PLAN_MANIFEST)
		return send_score(f, command, slot);
	/* The names of the partials are enough; their versions say nothing about one key. */
	return send_key(f, "HKEYS", rkey_manifest(f->tag, command->hour, key), slice_of(NULL, 0),
			slot);
}

/* Sends the round; what cannot be sent spoils the fetch once the rest is back. */
static int send_round(struct fetch *f)
{
	size_t count, i;
	const struct plan_command *commands = plan_commands(f->plan, &count);
	int status = 0;

	if (count > f->slot_capacity) {
		free(f->slots);
		f->slots = malloc(count * sizeof(*f->slots));
		f->slot_capacity = f->slots ? count : 0;
		if (!f->slots)
			return -ENOMEM;
	}
	for (i = 0; i < count && status == 0; i++) {
		f->slots[i] = (struct fetch_slot){ f, i };
		status = send_command(f, &commands[i], &f->slots[i]);
		f->outstanding += status == 0;
	}
	return status;
}

/* The round is answered: the next one, or the end. */
static void run_rounds(struct fetch *f)
{
	enum plan_status step = PLAN_DONE;

	if (f->done && f->status == 0) {
		step = plan_step(f->plan);
		if (step == PLAN_FAILED)
			f->status = plan_error(f->plan);
		else if (step == PLAN_MORE)
			f->status = send_round(f);
	}
	if (f->outstanding > 0)
		return;
	answer(f, f->status);
	fetch_free(f);
}

void fetch_start(struct fetches *all, struct plan *plan, uint64_t deadline_ms, fetch_done done,
		 void *arg)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (!f) {
		plan_free(plan);
		done(arg, -ENOMEM, NULL);
		return;
	}
	f->all = all;
	f->plan = plan;
	f->deadline_ms = deadline_ms;
	f->done = done;
	f->arg = arg;
	(void)snprintf(f->tag, sizeof(f->tag), "%s", fleet_tag_of(all->fleet, plan_key(plan)));
	f->next = all->open;
	f->at = &all->open;
	if (f->next)
		f->next->at = &f->next;
	all->open = f;
	all->count++;
	f->status = send_round(f);
	if (f->outstanding > 0)
		return;
	answer(f, f->status);
	fetch_free(f);
}

void fetches_sweep(struct fetches *all, uint64_t now_ms)
{
	struct fetch *f = all->open, *next;

	for (; f; f = next) {
		next = f->next;
		if (now_ms >= f->deadline_ms)
			answer(f, -ETIMEDOUT);
	}
}
