// SPDX-License-Identifier: Apache-2.0
/*
 * answer.c - answers about one key, and why there is none.
 *
 * Members stand in the order in which people read them. Why nothing was found is a refusal with
 * its reason, and its words name what was asked for; a key in them is cut, never the sentence.
 */
#include "queryd/answer.h"

#include "proto/hour.h"
#include "proto/json.h"
#include "queryd/answer_moving.h"
#include "queryd/answer_put.h"

#include <assert.h>
#include <string.h>

#define QUOTED_BYTES 200 /* of a key in a message */

static void put_kind(struct json *j, enum kind kind)
{
	json_key(j, "kind");
	if (kind)
		json_text(j, kind_name(kind));
	else
		json_nothing(j);
}

/* A day's hours. */
static void put_hours(struct json *j, const struct plan_result *result)
{
	size_t i;

	json_key(j, "hours");
	json_array_open(j);
	for (i = 0; i < result->point_count; i++) {
		json_object_open(j);
		json_key(j, "hour");
		json_i64(j, result->points[i].from_hour % DAY_HOURS);
		answer_put_value(j, &result->points[i].result);
		json_object_close(j);
	}
	json_array_close(j);
}

static void put_points(struct json *j, const struct plan_result *result)
{
	size_t i;

	json_key(j, "points");
	json_array_open(j);
	for (i = 0; i < result->point_count; i++) {
		json_object_open(j);
		answer_put_time(j, "time", result->points[i].from_hour);
		answer_put_value(j, &result->points[i].result);
		json_object_close(j);
	}
	json_array_close(j);
}

static void put_total(struct json *j, const struct answer_about *about,
		      const struct plan_result *result)
{
	char day[HOUR_TEXT_SIZE];

	answer_put_text(j, "date", hour_format_day(hour_day(about->from_hour), day));
	if (about->route == ROUTE_HOUR) {
		json_key(j, "hour");
		json_i64(j, about->from_hour % DAY_HOURS);
	}
	answer_put_time(j, "from", about->from_hour);
	answer_put_time(j, "to", about->to_hour);
	answer_put_value(j, &result->total);
	answer_put_number(j, "rank_error", result->total.rank_error);
	answer_put_flag(j, "sampled", result->total.sampled);
	answer_put_verdict(j, &about->verdict);
	if (about->route == ROUTE_DAY)
		put_hours(j, result);
}

static void put_range(struct json *j, const struct answer_about *about,
		      const struct plan_result *result)
{
	static const char *const steps[] = { "hour", "day", "total" };

	answer_put_time(j, "from", about->from_hour);
	answer_put_time(j, "to", about->to_hour);
	answer_put_text(j, "step", steps[about->step]);
	answer_put_verdict(j, &about->verdict);
	put_points(j, result);
}

static void put_overview(struct json *j, const struct plan_result *result)
{
	struct stat_asked stat;
	struct stat_result value;
	size_t i;

	json_key(j, "kinds");
	json_array_open(j);
	for (i = 0; i < STAT_KINDS; i++) {
		if (result->known & 1u << i)
			json_text(j, kind_name(stat_kinds[i]));
	}
	json_array_close(j);
	answer_put_time(j, "first", result->first_hour);
	answer_put_time(j, "last", result->last_hour);
	json_key(j, "stats");
	json_object_open(j);
	for (i = 0; result->last && stat_overview(result->last->kind, i, &stat); i++) {
		value = stat_eval(&stat, result->last);
		if (value.has)
			answer_put_number(j, stat.name, value.value);
	}
	json_object_close(j);
}

void answer_result(struct buf *out, const struct answer_about *about,
		   const struct plan_result *result)
{
	struct json j = json_begin(out);

	assert(result->outcome == PLAN_VALUE);
	json_object_open(&j);
	json_key(&j, "key");
	json_text_slice(&j, about->key);
	if (about->route == ROUTE_KEY) {
		put_overview(&j, result);
	} else {
		put_kind(&j, result->kind);
		answer_put_text(&j, "stat", about->stat.name);
		if (about->route == ROUTE_MOVING)
			answer_moving_put(&j, about, result->moving);
		else if (about->route == ROUTE_RANGE)
			put_range(&j, about, result);
		else
			put_total(&j, about, result);
	}
	json_object_close(&j);
	buf_put_text(out, "\n");
}

void answer_explain(struct route_refusal *why, const struct answer_about *about,
		    const struct plan_result *result)
{
	const char *span = about->route == ROUTE_DAY ? "day" : "hour";
	int size = (int)(about->key.size < QUOTED_BYTES ? about->key.size : QUOTED_BYTES);
	const char *key = (const char *)about->key.ptr;

	if (result->outcome == PLAN_WRONG_KIND) {
		(void)route_refuse(why, 400, "stat_not_for_kind", "%.*s is a %s, which has no %s",
				   size, key, kind_name(result->kind), about->stat.name);
		why->list_stats = true;
		why->allowed_kind = result->kind;
		return;
	}
	if (about->route == ROUTE_MOVING &&
	    (!result->reason || strcmp(result->reason, "unknown_key") != 0)) {
		answer_moving_explain(why, about, result, key, size);
		return;
	}
	if (strcmp(result->reason, "unknown_key") == 0)
		(void)route_refuse(why, 404, "no_data",
				   "%.*s is not known%s%s; /v1/keys?match= lists what is", size, key,
				   about->kind ? " as a " : "",
				   about->kind ? kind_name(about->kind) : "");
	else if (strcmp(result->reason, "future") == 0)
		(void)route_refuse(why, 404, "no_data", "this %s has not begun (times are UTC)",
				   span);
	else if (strcmp(result->reason, "expired") == 0)
		(void)route_refuse(why, 404, "no_data", "this %s is older than what is kept", span);
	else
		(void)route_refuse(why, 404, "no_data",
				   "%.*s is known, but has nothing for %s in this %s (times are UTC)",
				   size, key, about->stat.name, span);
	why->reason = result->reason;
}

void answer_refusal(struct buf *out, const struct route_refusal *why)
{
	struct json j = json_begin(out);
	const char *name;
	size_t i;

	json_object_open(&j);
	answer_put_text(&j, "error", why->error);
	answer_put_text(&j, "message", why->message);
	if (why->reason)
		answer_put_text(&j, "reason", why->reason);
	if (why->nearest[0])
		answer_put_text(&j, "nearest", why->nearest);
	if (why->list_stats) {
		json_key(&j, "allowed");
		json_array_open(&j);
		for (i = 0; (name = stat_allowed(why->allowed_kind, i)) != NULL; i++)
			json_text(&j, name);
		json_array_close(&j);
	}
	json_object_close(&j);
	buf_put_text(out, "\n");
}

void answer_keys(struct buf *out, const struct names_page *page)
{
	struct json j = json_begin(out);
	size_t i;

	json_object_open(&j);
	json_key(&j, "keys");
	json_array_open(&j);
	for (i = 0; i < page->count; i++)
		json_text_slice(&j, page->keys[i]);
	json_array_close(&j);
	json_key(&j, "next");
	if (page->more)
		json_text_slice(&j, page->keys[page->count - 1]);
	else
		json_nothing(&j);
	json_object_close(&j);
	buf_put_text(out, "\n");
}
