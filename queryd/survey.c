// SPDX-License-Identifier: Apache-2.0
/*
 * survey.c - members, parts and rounds.
 *
 * A part is some keys of one partition in one hour, or day, and is to a survey what an hour is
 * to a plan: manifest, cells, manifest, again if they differ. A batch is the parts of one
 * round. Once all of them are settled, days that turned out not to be rolled up are read by
 * their hours in a second batch, whose cells are added to the parts of the first; only then is
 * the first one folded, in rising order, and the next taken. The order of members
 * (survey_private.h) is what lets one HMGET have the keys of one partition.
 */
#include "queryd/survey.h"

#include "proto/err.h"
#include "proto/hash.h"
#include "queryd/survey_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int survey_new(const struct survey_settings *settings, struct survey **out)
{
	struct survey *s = calloc(1, sizeof(*s));

	assert(settings->from_hour < settings->to_hour && settings->step_hours >= 0);
	if (!s)
		return -ENOMEM;
	s->settings = *settings;
	s->batch = &s->main;
	*out = s;
	return 0;
}

void survey_free(struct survey *s)
{
	size_t i;

	if (!s)
		return;
	survey_batch_release(&s->main);
	survey_batch_release(&s->hours);
	for (i = 0; i < s->member_count; i++) {
		free(s->members[i].field);
		free(s->members[i].trail);
	}
	for (i = 0; i < s->group_count; i++) {
		plan_fold_release(&s->groups[i].span);
		plan_fold_release(&s->groups[i].total);
	}
	for (i = 0; i < s->output_count; i++)
		free(s->outputs[i].points);
	free(s->members);
	free(s->groups);
	free(s->outputs);
	free(s->commands);
	free(s);
}

/* ---- what is asked -------------------------------------------------------------------------- */

int survey_add_group(struct survey *s, enum kind kind)
{
	struct survey_group *groups = grow(s->groups, s->group_count, &s->group_capacity,
						  sizeof(*groups));

	if (!groups)
		return -ENOMEM;
	s->groups = groups;
	groups += s->group_count++;
	*groups = (struct survey_group){ .kind = kind, .first_stat = s->output_count };
	plan_fold_start(&groups->total, kind, s->settings.from_hour, s->settings.to_hour,
			s->settings.now_second);
	return 0;
}

int survey_add_stat(struct survey *s, const struct stat_asked *stat)
{
	struct survey_output *outputs = grow(s->outputs, s->output_count,
						    &s->output_capacity, sizeof(*outputs));
	struct survey_group *group = &s->groups[s->group_count - 1];

	assert(s->group_count > 0 && stat_has(group->kind, stat->id));
	if (!outputs)
		return -ENOMEM;
	s->outputs = outputs;
	outputs[s->output_count++] = (struct survey_output){
		.stat = *stat,
		.group = s->group_count - 1,
	};
	group->stats++;
	group->trailed |= group->kind == KIND_GAUGE && stat->id == STAT_LAST;
	return 0;
}

int survey_add_key(struct survey *s, size_t group, struct slice key)
{
	struct survey_member *members = grow(s->members, s->member_count,
						    &s->member_capacity, sizeof(*members));
	struct survey_member member = { .size = key.size + 1, .group = (uint32_t)group };

	assert(group < s->group_count && key.size > 0);
	if (!members)
		return -ENOMEM;
	s->members = members;
	member.field = malloc(member.size);
	if (!member.field)
		return -ENOMEM;
	member.field[0] = (uint8_t)s->groups[group].kind;
	memcpy(member.field + 1, key.ptr, key.size);
	members[s->member_count++] = member;
	return 0;
}

static int compare_members(const void *a, const void *b)
{
	const struct survey_member *x = a, *y = b;

	if (!x->trail != !y->trail)
		return x->trail ? -1 : 1;
	if (x->partition != y->partition)
		return x->partition < y->partition ? -1 : 1;
	return slice_compare(slice_of(x->field, x->size), slice_of(y->field, y->size));
}

static int place_members(struct survey *s, uint32_t partitions)
{
	size_t i;

	for (i = 0; i < s->member_count; i++) {
		struct survey_member *m = &s->members[i];
		m->partition = hash_partition(slice_of(m->field + 1, m->size - 1), partitions);
		if (!s->groups[m->group].trailed)
			continue;
		m->trail = calloc(1, sizeof(*m->trail));
		if (!m->trail)
			return -ENOMEM;
		gauge_trail_init(m->trail);
		s->trailed++;
	}
	if (s->member_count > 1)
		qsort(s->members, s->member_count, sizeof(*s->members), compare_members);
	return 0;
}

static uint64_t span_count(const struct survey_settings *settings)
{
	int64_t step = settings->step_hours;

	if (step == 0)
		return 1;
	return (uint64_t)((settings->to_hour + step - 1) / step - settings->from_hour / step);
}

/* ---- rounds --------------------------------------------------------------------------------- */

static int add_command(struct survey *s, const struct survey_command *command)
{
	struct survey_command *commands = grow(s->commands, s->command_count,
						      &s->command_capacity, sizeof(*commands));

	if (!commands)
		return -ENOMEM;
	s->commands = commands;
	commands[s->command_count++] = *command;
	return 0;
}

static int ask_manifest(struct survey *s, size_t part)
{
	struct survey_part *p = &s->batch->parts[part];
	const struct survey_command command = {
		.first = !s->batch->reading,
		.day = p->day,
		.partition = s->members[p->first].partition,
		.hour = p->hour,
		.part = part,
	};

	p->again.count = 0;
	return add_command(s, &command);
}

/* Asks for the cells in the partials that are listed, and for the manifest after them. */
static int ask_cells(struct survey *s, size_t part)
{
	const struct survey_part *p = &s->batch->parts[part];
	struct survey_command command = {
		.cells = true,
		.day = p->day,
		.partition = s->members[p->first].partition,
		.hour = p->hour,
		.count = p->asked,
		.part = part,
	};
	size_t i;
	int status = 0;

	for (i = 0; i < p->listed.count && status == 0; i++) {
		command.pid = p->listed.list[i].pid;
		status = add_command(s, &command);
	}
	return status ? status : ask_manifest(s, part);
}

/* Begins with what comes next: hours of days that are not rolled up, then, once what was read is
 * merged, more hours and days. 0, also when there is nothing more, and what survey_fold says. */
static int start_batch(struct survey *s)
{
	size_t i;
	int status = survey_next_hours(s);

	s->batch = &s->hours;
	if (status == 0) {
		s->batch = &s->main;
		status = survey_fold(s);
		if (status == 0)
			status = survey_next_parts(s);
	}
	for (i = 0; i < s->batch->part_count && status >= 0; i++)
		status = ask_manifest(s, i);
	return status < 0 ? status : 0;
}

int survey_start(struct survey *s, uint32_t partitions, int64_t retention_hours)
{
	int status;

	assert(s->command_count == 0 && s->main.part_count == 0);
	if (s->output_count * span_count(&s->settings) > s->settings.max_points)
		return ERR_TOO_LARGE;
	status = place_members(s, partitions);
	s->retention_hours = retention_hours;
	survey_strands_init(s);
	return status ? status : start_batch(s);
}

int survey_again(struct survey *s)
{
	size_t i;

	survey_batch_release(&s->main);
	survey_batch_release(&s->hours);
	for (i = 0; i < s->group_count; i++) {
		struct survey_group *group = &s->groups[i];
		plan_fold_release(&group->span);
		plan_fold_release(&group->total);
		group->span = (struct plan_fold){ 0 };
		group->last_hour = 0;
		plan_fold_start(&group->total, group->kind, s->settings.from_hour,
				s->settings.to_hour, s->settings.now_second);
	}
	for (i = 0; i < s->output_count; i++)
		s->outputs[i].count = 0;
	for (i = 0; i < s->trailed; i++)
		gauge_trail_init(s->members[i].trail);
	s->command_count = s->next_part = 0;
	s->next_offset = 0;
	s->costs = (struct plan_costs){ 0 }; /* what it may read is counted anew */
	survey_strands_init(s);
	s->error = start_batch(s);
	return s->error;
}

const struct survey_command *survey_commands(const struct survey *s, size_t *count)
{
	*count = s->command_count;
	return s->commands;
}

struct slice survey_field(const struct survey *s, const struct survey_command *command,
			  size_t place)
{
	const struct survey_part *part = &s->batch->parts[command->part];
	const struct survey_member *m = &s->members[part->first + part->places[place]];

	assert(place < command->count);
	return slice_of(m->field, m->size);
}

void survey_put_pid(struct survey *s, size_t command, struct slice pid, struct slice version)
{
	int status = partials_add(&s->batch->parts[s->commands[command].part].again, pid, version);

	assert(!s->commands[command].cells);
	if (status < 0)
		s->error = status;
}

void survey_put_cell(struct survey *s, size_t command, size_t place, struct slice blob)
{
	struct survey_part *part = &s->batch->parts[s->commands[command].part];
	size_t member;
	int status;

	assert(s->commands[command].cells && place < part->asked);
	member = part->places[place];
	s->costs.cells++;
	s->costs.bytes += blob.size;
	if (s->costs.bytes > s->settings.max_bytes)
		status = ERR_TOO_LARGE;
	else
		status = plan_fold_blob(&part->cells[member],
					(enum kind)s->members[part->first + member].field[0], blob);
	survey_recall_note(s, part, member, blob);
	if (status < 0)
		s->error = status;
}

/* Judges a part after a round. 1 when it must be read (again), 0 when it is settled; -EAGAIN, what
 * survey_recall says. */
static int judge(struct survey *s, struct survey_part *part)
{
	struct partials last = part->listed;
	size_t i;
	int status;

	partials_sort(&part->again);
	if (s->batch->reading && partials_same(&part->listed, &part->again)) {
		part->settled = true;
		survey_recall_keep(s, part);
		return 0;
	}
	survey_recall_forget(part);
	for (i = 0; i < part->count; i++) {
		cell_free(part->cells[i]);
		part->cells[i] = NULL;
	}
	if (s->batch->reading) {
		s->costs.retries++;
		if (++part->tries == PLAN_TRIES)
			return -EAGAIN;
	}
	part->listed = part->again;
	part->again = last;
	status = part->listed.count > 0 ? survey_recall(s, part) : 0;
	if (status < 0)
		return status;
	part->settled = part->listed.count == 0 || part->asked == 0;
	return !part->settled;
}

/* Goes on with the parts of a round. 1 while any is unsettled, 0, or an error. */
static int step_parts(struct survey *s)
{
	int status = 0, more = 0;
	size_t i;

	for (i = 0; i < s->batch->part_count && status >= 0; i++) {
		struct survey_part *part = &s->batch->parts[i];
		status = part->settled ? 0 : judge(s, part);
		if (status > 0) {
			status = ask_cells(s, i);
			more = 1;
		}
	}
	s->batch->reading = true;
	return status < 0 ? status : more;
}

enum plan_status survey_step(struct survey *s)
{
	int status = s->error;

	s->command_count = 0;
	while (status == 0 && s->main.part_count > 0 && s->command_count == 0) {
		status = step_parts(s);
		if (status > 0) {
			status = 0;
			break;
		}
		if (status == 0)
			status = survey_join_hours(s);
		if (status == 0)
			status = start_batch(s);
	}
	if (status == 0 && s->main.part_count == 0)
		status = survey_fold_end(s);
	s->error = status;
	if (status < 0)
		return PLAN_FAILED;
	return s->main.part_count > 0 ? PLAN_MORE : PLAN_DONE;
}

int survey_error(const struct survey *s)
{
	return s->error;
}

struct plan_costs survey_costs(const struct survey *s)
{
	return s->costs;
}

/* ---- the answer ----------------------------------------------------------------------------- */

const struct plan_point *survey_points(const struct survey *s, size_t stat, size_t *count)
{
	assert(stat < s->output_count && s->main.part_count == 0);
	*count = s->outputs[stat].count;
	return s->outputs[stat].points;
}

struct stat_result survey_total(const struct survey *s, size_t stat)
{
	const struct plan_fold *total;

	assert(stat < s->output_count && s->settings.totals && s->main.part_count == 0);
	total = &s->groups[s->outputs[stat].group].total;
	if (!total->any)
		return (struct stat_result){ 0 };
	return stat_eval(&s->outputs[stat].stat, &total->subject);
}

size_t survey_groups(const struct survey *s)
{
	return s->group_count;
}

size_t survey_keys(const struct survey *s)
{
	return s->member_count;
}
