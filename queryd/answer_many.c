// SPDX-License-Identifier: Apache-2.0
/*
 * answer_many.c - answers about many keys.
 *
 * A group without any value is left out, not shown as 0. The question is repeated in front, as
 * it was understood.
 */
#include "queryd/answer_many.h"

#include "queryd/answer_put.h"

/* `match`, `stat`, `kind`, `by`, `from`, `to`, `step`, `keys`, `complete`. */
static void put_question(struct json *j, const struct route_request *request,
			 const struct query *query, const struct agents_verdict *verdict)
{
	static const char *const steps[] = { "hour", "day", "total" };

	json_key(j, "match");
	json_text_slice(j, slice_of(request->key, request->key_size));
	answer_put_text(j, "stat", request->stat.name);
	if (request->route == ROUTE_QUERY) {
		json_key(j, "kind");
		if (query->kind)
			json_text(j, kind_name(query->kind));
		else
			json_nothing(j);
	}
	answer_put_time(j, "from", request->from_hour);
	answer_put_time(j, "to", request->to_hour);
	if (request->route == ROUTE_QUERY)
		answer_put_text(j, "step", steps[request->step]);
	json_key(j, "keys");
	json_u64(j, query->keys);
	answer_put_verdict(j, verdict);
}

static void put_points(struct json *j, const struct plan_point *points, size_t count)
{
	size_t i;

	json_key(j, "points");
	json_array_open(j);
	for (i = 0; i < count; i++) {
		json_object_open(j);
		answer_put_time(j, "time", points[i].from_hour);
		answer_put_value(j, &points[i].result);
		json_object_close(j);
	}
	json_array_close(j);
}

static void put_by(struct json *j, const struct route_request *request,
		   const struct query_group *group)
{
	json_key(j, "by");
	json_object_open(j);
	if (request->by_size > 0) {
		json_key_slice(j, slice_of(request->by, request->by_size));
		if (group->has)
			json_text_slice(j, group->text);
		else
			json_nothing(j);
	}
	json_object_close(j);
}

/* A group; one without any value in the range is left out. */
static void put_group(struct json *j, const struct route_request *request,
		      const struct query *query, const struct survey *survey, size_t index)
{
	struct stat_result total = survey_total(survey, index);
	const struct plan_point *points;
	size_t count;

	if (!total.has)
		return;
	json_object_open(j);
	put_by(j, request, &query->groups[index]);
	json_key(j, "keys");
	json_u64(j, query->groups[index].keys);
	answer_put_value(j, &total);
	answer_put_number(j, "rank_error", total.rank_error);
	answer_put_flag(j, "sampled", total.sampled);
	if (request->step != ROUTE_STEP_TOTAL) {
		points = survey_points(survey, index, &count);
		put_points(j, points, count);
	}
	json_object_close(j);
}

/* The question and a list of what answers it. */
static void open_list(struct json *j, const struct route_request *request,
		      const struct query *query, const struct agents_verdict *verdict,
		      const char *list)
{
	json_object_open(j);
	put_question(j, request, query, verdict);
	json_key(j, list);
	json_array_open(j);
}

static void close_list(struct json *j, struct buf *out)
{
	json_array_close(j);
	json_object_close(j);
	buf_put_text(out, "\n");
}

void answer_query(struct buf *out, const struct route_request *request, const struct query *query,
		  const struct survey *survey, const struct agents_verdict *verdict)
{
	struct json j = json_begin(out);
	size_t i;

	open_list(&j, request, query, verdict, "groups");
	for (i = 0; i < query->group_count; i++)
		put_group(&j, request, query, survey, i);
	close_list(&j, out);
}

void answer_top(struct buf *out, const struct route_request *request, const struct query *query,
		const struct query_rank *ranks, size_t count, const struct agents_verdict *verdict)
{
	struct json j = json_begin(out);
	size_t i;

	open_list(&j, request, query, verdict, "top");
	for (i = 0; i < count; i++) {
		const struct query_group *group = &query->groups[ranks[i].group];
		json_object_open(&j);
		json_key(&j, "key");
		json_text_slice(&j, group->text);
		answer_put_text(&j, "kind", kind_name(group->kind));
		answer_put_value(&j, &ranks[i].result);
		json_object_close(&j);
	}
	close_list(&j, out);
}

/* ---- ledger --------------------------------------------------------------------------------- */

static void put_reasons(struct json *j, const char *name, const struct ledger_line *line,
			enum ledger_column column)
{
	size_t i;

	json_key(j, name);
	json_object_open(j);
	for (i = 0; i < line->reason_count; i++) {
		if (line->reasons[i].column != column)
			continue;
		json_key_slice(j, line->reasons[i].reason);
		json_number(j, line->reasons[i].value);
	}
	json_object_close(j);
}

static void put_line(struct json *j, const struct ledger_line *line)
{
	answer_put_number(j, "received", line->sums[LEDGER_RECEIVED]);
	answer_put_number(j, "counted", line->sums[LEDGER_COUNTED]);
	put_reasons(j, "rejected", line, LEDGER_REJECTED);
	put_reasons(j, "unsupported", line, LEDGER_UNSUPPORTED);
	answer_put_number(j, "kernel_drops", line->sums[LEDGER_KERNEL_DROPS]);
	answer_put_number(j, "truncated", line->sums[LEDGER_TRUNCATED]);
	answer_put_number(j, "lost", line->sums[LEDGER_LOST]);
}

void answer_ledger(struct buf *out, const struct route_request *request,
		   const struct ledger *ledger, const struct agents_verdict *verdict)
{
	struct json j = json_begin(out);
	size_t i;

	json_object_open(&j);
	answer_put_time(&j, "from", request->from_hour);
	answer_put_time(&j, "to", request->to_hour);
	answer_put_verdict(&j, verdict);
	json_key(&j, "agents");
	json_array_open(&j);
	for (i = 0; i < ledger->line_count; i++) {
		json_object_open(&j);
		json_key(&j, "agent");
		json_text_slice(&j, ledger->lines[i].agent);
		json_key(&j, "host");
		json_text_slice(&j, ledger->lines[i].host);
		put_line(&j, &ledger->lines[i]);
		json_object_close(&j);
	}
	json_array_close(&j);
	json_key(&j, "total");
	json_object_open(&j);
	put_line(&j, &ledger->total);
	json_object_close(&j);
	json_object_close(&j);
	buf_put_text(out, "\n");
}
