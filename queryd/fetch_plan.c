// SPDX-License-Identifier: Apache-2.0
/*
 * fetch_plan.c - a plan's commands as Redis spells them, and its replies taken apart.
 *
 * The fields of a reply stand in the order of kinds that they were asked for in, so nothing is
 * looked up. Only the first manifests of a round are shared with other answers: the second ones
 * vouch for the cells before them by their place in the pipeline.
 */
#include "queryd/fetch.h"

#include "proto/err.h"
#include "proto/hour.h"
#include "proto/rkey.h"
#include "queryd/plan.h"

#include <stdlib.h>

static size_t count_commands(const void *work)
{
	size_t count;

	(void)plan_commands(work, &count);
	return count;
}

static bool comes_last(const void *work, size_t index)
{
	size_t count;
	enum plan_ask ask = plan_commands(work, &count)[index].ask;

	return ask == PLAN_MANIFEST || ask == PLAN_DAY;
}

/* ---- replies -------------------------------------------------------------------------------- */

static bool put_manifest(struct plan *plan, size_t command, const redisReply *reply)
{
	struct slice pid, version;
	size_t at = 0;

	while (fetch_next_pid(reply, &at, &pid, &version))
		plan_put_pid(plan, command, pid, version);
	return fetch_took_all(reply, at);
}

/* The fields were asked for in the order of kinds. */
static bool put_cells(struct plan *plan, size_t command, unsigned kinds, const redisReply *reply)
{
	size_t i, at = 0;

	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	for (i = 0; i < PLAN_KINDS; i++) {
		if (!(kinds & 1u << i))
			continue;
		if (at == reply->elements)
			return false;
		if (reply->element[at]->type == REDIS_REPLY_STRING)
			plan_put_cell(plan, command, plan_kind(i), fetch_text(reply->element[at]));
		at++;
	}
	return true;
}

static bool put_score(struct plan *plan, size_t command, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_STRING)
		plan_put_score(plan, command, strtod(reply->str, NULL));
	return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_NIL;
}

static bool put_reply(void *work, size_t index, const redisReply *reply)
{
	size_t count;
	const struct plan_command *command = &plan_commands(work, &count)[index];

	switch (command->ask) {
	case PLAN_MANIFEST:
	case PLAN_DAY:
		return put_manifest(work, index, reply);
	case PLAN_CELLS:
	case PLAN_DAY_CELLS:
		return put_cells(work, index, command->kinds, reply);
	case PLAN_FIRST:
	case PLAN_LAST:
		return put_score(work, index, reply);
	}
	return false;
}

/* ---- commands ------------------------------------------------------------------------------- */

static int send_cells(struct fetch *f, const struct plan *plan, size_t index, const char *tag)
{
	size_t count, argc = 2, i;
	const struct plan_command *command = &plan_commands(plan, &count)[index];
	char key[RKEY_SIZE];
	uint8_t fields[PLAN_KINDS][RKEY_FIELD_SIZE];
	struct slice argv[2 + PLAN_KINDS] = { slice_text("HMGET") };

	argv[1] = slice_text(command->ask == PLAN_CELLS ?
				     rkey_cells(tag, command->hour, command->pid, key) :
				     rkey_day_cells(tag, hour_day(command->hour), key));
	for (i = 0; i < PLAN_KINDS; i++) {
		if (command->kinds & 1u << i)
			argv[argc++] = rkey_field(plan_kind(i), plan_key(plan), fields[i]);
	}
	return fetch_send(f, index, argc, argv);
}

static int send_score(struct fetch *f, const struct plan *plan, size_t index, const char *tag)
{
	size_t count, kind = 0;
	const struct plan_command *command = &plan_commands(plan, &count)[index];
	char key[RKEY_SIZE];
	uint8_t field[RKEY_FIELD_SIZE];
	struct slice argv[3] = { slice_text("ZSCORE") };

	while (command->kinds >> kind != 1)
		kind++;
	argv[1] = slice_text(command->ask == PLAN_FIRST ? rkey_names_first(tag, key) :
							  rkey_names_last(tag, key));
	argv[2] = rkey_field(stat_kinds[kind], plan_key(plan), field);
	return fetch_send(f, index, 3, argv);
}

static int send_command(struct fetch *f, const void *work, size_t index)
{
	size_t count;
	const struct plan_command *command = &plan_commands(work, &count)[index];
	const char *tag;
	char key[RKEY_SIZE];
	struct slice argv[2] = { slice_text("HGETALL") };

	if (!fleet_is_known(fetch_fleet(f)))
		return ERR_STORE_DOWN;
	tag = fleet_tag_of(fetch_fleet(f), plan_key(work));
	switch (command->ask) {
	case PLAN_CELLS:
	case PLAN_DAY_CELLS:
		return send_cells(f, work, index, tag);
	case PLAN_FIRST:
	case PLAN_LAST:
		return send_score(f, work, index, tag);
	case PLAN_MANIFEST:
		argv[1] = slice_text(rkey_manifest(tag, command->hour, key));
		break;
	case PLAN_DAY:
		argv[1] = slice_text(rkey_day_manifest(tag, hour_day(command->hour), key));
		break;
	}
	return command->first ? fetch_read(f, index, argv[1]) : fetch_send(f, index, 2, argv);
}

static int step(void *work)
{
	enum plan_status status = plan_step(work);

	return fetch_status(status, plan_error(work));
}

static int again(void *work)
{
	return plan_again(work);
}

static void free_plan(void *work)
{
	plan_free(work);
}

const struct fetch_verbs fetch_plan = {
	.window = 2 * PLAN_WINDOW_MOST, /* one round of light cells; half a millisecond of Redis */
	.count = count_commands,
	.last = comes_last,
	.send = send_command,
	.put = put_reply,
	.step = step,
	.again = again,
	.free = free_plan,
};
