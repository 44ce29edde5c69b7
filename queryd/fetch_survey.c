// SPDX-License-Identifier: Apache-2.0
#include "queryd/fetch.h"

#include "proto/err.h"
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

static struct slice text_of(const redisReply *reply)
{
	return slice_of(reply->str, reply->len);
}

static bool put_manifest(struct survey *survey, size_t command, const redisReply *reply)
{
	size_t i;

	if (reply->elements % 2 != 0)
		return false;
	for (i = 0; i < reply->elements; i += 2) {
		const redisReply *pid = reply->element[i], *version = reply->element[i + 1];
		if (pid->type != REDIS_REPLY_STRING || version->type != REDIS_REPLY_STRING)
			return false;
		survey_put_pid(survey, command, text_of(pid), text_of(version));
	}
	return true;
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
			survey_put_cell(work, index, i, text_of(reply->element[i]));
	}
	return reply->elements == command->count;
}

static int send_command(struct fetch *f, const void *work, size_t index)
{
	size_t count, i;
	const struct survey_command *command = &survey_commands(work, &count)[index];
	struct slice argv[2 + SURVEY_CHUNK] = { slice_text("HGETALL") };
	const struct fleet *fleet = fetch_fleet(f);
	char key[RKEY_SIZE];
	const char *tag;

	if (command->partition >= fleet_partitions(fleet))
		return ERR_STORE_DOWN;
	tag = fleet_tag(fleet, command->partition);
	if (!command->cells) {
		argv[1] = slice_text(rkey_manifest(tag, command->hour, key));
		return fetch_send(f, index, 2, argv);
	}
	argv[0] = slice_text("HMGET");
	argv[1] = slice_text(rkey_cells(tag, command->hour, command->pid, key));
	for (i = 0; i < command->count; i++)
		argv[2 + i] = survey_field(work, command, i);
	return fetch_send(f, index, 2 + command->count, argv);
}

static int step(void *work)
{
	switch (survey_step(work)) {
	case PLAN_MORE:
		return 1;
	case PLAN_DONE:
		return 0;
	case PLAN_FAILED:
		break;
	}
	return survey_error(work);
}

static void free_survey(void *work)
{
	survey_free(work);
}

const struct fetch_verbs fetch_survey = {
	.count = count_commands,
	.last = comes_last,
	.send = send_command,
	.put = put_reply,
	.step = step,
	.free = free_survey,
};
