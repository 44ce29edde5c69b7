// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_answer.c - series as Grafana takes them, and the table of functions in its words.
 *
 * Answers are written straight into the body, whose ceiling ends them: once it is full the rest
 * is not made.
 */
#include "queryd/graphite_answer.h"

#include "proto/hour.h"
#include "proto/json.h"
#include "proto/series.h"
#include "queryd/graphite_func.h"

#include <math.h>
#include <string.h>

/* ---- series --------------------------------------------------------------------------------- */

static void put_tags(struct json *j, const struct graphite_series *s)
{
	struct series series;
	size_t i;

	json_key(j, "tags");
	json_object_open(j);
	json_key(j, "name");
	if (!s->origin || series_parse(slice_text(s->origin), &series) < 0) {
		json_text(j, s->name);
	} else {
		json_text_slice(j, series.name);
		for (i = 0; i < series.tag_count; i++) {
			if (slice_equal(series.tags[i].key, slice_text("name")))
				continue;
			json_key_slice(j, series.tags[i].key);
			json_text_slice(j, series.tags[i].value);
		}
	}
	json_object_close(j);
}

static void put_points(struct json *j, const struct graphite_series *s)
{
	size_t i;

	json_key(j, "datapoints");
	json_array_open(j);
	for (i = 0; i < s->count; i++) {
		json_array_open(j);
		if (isfinite(s->values[i]))
			json_number(j, s->values[i]);
		else
			json_nothing(j);
		json_i64(j, s->start + (int64_t)i * s->step);
		json_array_close(j);
	}
	json_array_close(j);
}

void graphite_answer_json(struct buf *out, const struct graphite_list *list)
{
	struct json j = json_begin(out);
	size_t i;

	json_array_open(&j);
	for (i = 0; i < list->count && buf_status(out) == 0; i++) {
		const struct graphite_series *s = &list->list[i];
		json_object_open(&j);
		json_key(&j, "target");
		json_text(&j, s->name);
		put_tags(&j, s);
		put_points(&j, s);
		json_object_close(&j);
	}
	json_array_close(&j);
	buf_put_text(out, "\n");
}

/* ---- CSV ------------------------------------------------------------------------------------ */

static void put_field(struct buf *out, const char *text)
{
	if (!strpbrk(text, "\",\r\n")) {
		buf_put_text(out, text);
		return;
	}
	buf_put_u8(out, '"');
	for (; *text; text++) {
		if (*text == '"')
			buf_put_u8(out, '"');
		buf_put_u8(out, (uint8_t)*text);
	}
	buf_put_u8(out, '"');
}

static void put_line(struct buf *out, const struct graphite_series *s, size_t index)
{
	char time[HOUR_TEXT_SIZE], number[JSON_NUMBER_SIZE];

	(void)hour_format_second(s->start + (int64_t)index * s->step, time);
	time[10] = ' ';
	put_field(out, s->name);
	buf_printf(out, ",%.19s,%s\r\n", time, isfinite(s->values[index]) ?
		   json_format_number(s->values[index], number) : "");
}

void graphite_answer_csv(struct buf *out, const struct graphite_list *list)
{
	size_t i, j;

	for (i = 0; i < list->count && buf_status(out) == 0; i++) {
		for (j = 0; j < list->list[i].count; j++)
			put_line(out, &list->list[i], j);
	}
}

/* ---- functions ------------------------------------------------------------------------------ */

static const char *type_name(enum graphite_param_type type)
{
	static const char *const names[] = {
		"seriesList", "seriesLists", "float", "integer", "string", "boolean", "nodeOrTag",
		"nodeOrTag", "interval", "intOrInterval", "aggFunc",
	};

	return names[type];
}

static void put_param(struct json *j, const struct graphite_param *param)
{
	bool many = param->type == GRAPHITE_LISTS || param->type == GRAPHITE_NODES;

	json_object_open(j);
	json_key(j, "name");
	json_text(j, param->name);
	json_key(j, "type");
	json_text(j, type_name(param->type));
	if (!param->optional) {
		json_key(j, "required");
		json_bool(j, true);
	}
	if (many) {
		json_key(j, "multiple");
		json_bool(j, true);
	}
	if (param->fallback) {
		json_key(j, "default");
		json_text(j, param->fallback);
	} else if (param->type == GRAPHITE_BOOLEAN) {
		json_key(j, "default");
		json_bool(j, false);
	}
	json_object_close(j);
}

/* `sumSeries(*seriesLists)`, as Grafana reads it. */
static void put_signature(struct json *j, const struct graphite_func *func)
{
	struct buf text;
	size_t i;

	buf_init(&text, 200);
	buf_printf(&text, "%s(", func->name);
	for (i = 0; i < GRAPHITE_PARAMS && func->params[i].name; i++) {
		const struct graphite_param *param = &func->params[i];
		bool many = param->type == GRAPHITE_LISTS || param->type == GRAPHITE_NODES;
		buf_printf(&text, "%s%s%s", i ? ", " : "", many ? "*" : "", param->name);
		if (param->fallback)
			buf_printf(&text, "='%s'", param->fallback);
		else if (param->type == GRAPHITE_BOOLEAN)
			buf_put_text(&text, "=False");
	}
	buf_put_u8(&text, ')');
	json_key(j, "function");
	json_text_slice(j, buf_view(&text));
	buf_release(&text);
}

static void put_function(struct json *j, const struct graphite_func *func, const char *name)
{
	size_t i;

	json_key(j, name);
	json_object_open(j);
	json_key(j, "name");
	json_text(j, name);
	put_signature(j, func);
	json_key(j, "description");
	json_text(j, func->help);
	json_key(j, "module");
	json_text(j, "graphite.render.functions");
	json_key(j, "group");
	json_text(j, func->group);
	json_key(j, "params");
	json_array_open(j);
	for (i = 0; i < GRAPHITE_PARAMS && func->params[i].name; i++)
		put_param(j, &func->params[i]);
	json_array_close(j);
	json_object_close(j);
}

void graphite_answer_functions(struct buf *out)
{
	struct json j = json_begin(out);
	const struct graphite_func *func;
	size_t i;

	json_object_open(&j);
	for (i = 0; (func = graphite_func_at(i)) != NULL; i++) {
		put_function(&j, func, func->name);
		if (func->alias)
			put_function(&j, func, func->alias);
	}
	json_object_close(&j);
	buf_put_text(out, "\n");
}
