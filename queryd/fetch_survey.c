// SPDX-License-Identifier: Apache-2.0
/*
 * fetch_survey.c - a survey's commands as Redis spells them, and its replies taken apart.
 *
 * One HMGET has up to SURVEY_CHUNK keys of a partition; its reply is the same places in the
 * same order. First manifests may be shared, second ones not, as in fetch_plan.c.
 */
#include "queryd/fetch.h"

#include "proto/err.h"
#include "proto/hour.h"
#include "proto/rkey.h"
#include "queryd/survey.h"

static size_t count_commands(const void *work)
{
	size_t count;

	(void)survey_commands(work, &count);
	return count;
}

static bool comes_last(const void *work, size_t index)
{
	size_t count;

	return !survey_commands(work, &count)[index].cells;
}

static bool put_manifest(struct survey *survey, size_t command, const redisReply *reply)
{
	struct slice pid, version;
	size_t at = 0;

	while (fetch_next_pid(reply, &at, &pid, &version))
		survey_put_pid(survey, command, pid, version);
	return fetch_took_all(reply, at);
}

static bool put_reply(void *work, size_t index, const redisReply *reply)
{
	size_t count, i;
	const struct survey_command *command = &survey_commands(work, &count)[index];

	if (reply->type != REDIS_REPLY_ARRAY)
		return false;
	if (!command->cells)
		return put_manifest(work, index, reply);
	for (i = 0; i < reply->elements && i < command->count; i++) {
		if (reply->element[i]->type == REDIS_REPLY_STRING)
			survey_put_cell(work, index, i, fetch_text(reply->element[i]));
	}
	return reply->elements == command->count;
}

/* The key that a command reads: of an hour, or of the day that begins with it. */
static const char *key_of(const struct survey_command *c, const char *tag, char out[RKEY_SIZE])
{
	if (c->day)
		return c->cells ? rkey_day_cells(tag, hour_day(c->hour), out) :
				  rkey_day_manifest(tag, hour_day(c->hour), out);
	return c->cells ? rkey_cells(tag, c->hour, c->pid, out) :
			  rkey_manifest(tag, c->hour, out);
}

static int send_command(struct fetch *f, const void *work, size_t index)
{
	size_t count, i;
	const struct survey_command *command = &survey_commands(work, &count)[index];
	struct slice argv[2 + SURVEY_CHUNK] = { slice_text("HGETALL") };
	const struct fleet *fleet = fetch_fleet(f);
	char key[RKEY_SIZE];

	if (command->partition >= fleet_partitions(fleet))
		return ERR_STORE_DOWN;
	argv[1] = slice_text(key_of(command, fleet_tag(fleet, command->partition), key));
	if (!command->cells)
		return command->first ? fetch_read(f, index, argv[1]) :
					fetch_send(f, index, 2, argv);
	argv[0] = slice_text("HMGET");
	for (i = 0; i < command->count; i++)
		argv[2 + i] = survey_field(work, command, i);
	return fetch_send(f, index, 2 + command->count, argv);
}

static int step(void *work)
{
	enum plan_status status = survey_step(work);

	return fetch_status(status, survey_error(work));
}

static int again(void *work)
{
	return survey_again(work);
}

static void free_survey(void *work)
{
	survey_free(work);
}

const struct fetch_verbs fetch_survey = {
	.window = 64, /* each asks for many fields */
	.count = count_commands,
	.last = comes_last,
	.send = send_command,
	.put = put_reply,
	.step = step,
	.again = again,
	.free = free_survey,
};
