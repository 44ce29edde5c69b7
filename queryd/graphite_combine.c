// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_combine.c - functions that make one series of several, and of their names.
 *
 * Series of several steps are laid on the widest grid that covers all, finer ones averaged into
 * it. Grouping is a sort by the node, or the tag, that is asked for, and a fold of each run. Of
 * tags a fold keeps those that all have the same.
 */
#include "queryd/graphite_calc.h"

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/series.h"
#include "queryd/graphite_tags.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 4096 /* of a series that is made of others */

/* ---- several into one ----------------------------------------------------------------------- */

/* The times of all of them: of the widest step, from the first to the last. */
static struct graphite_grid cover(struct graphite_series *const *list, size_t count)
{
	struct graphite_grid grid = { .start = list[0]->start, .step = list[0]->step };
	int64_t end = list[0]->start;
	size_t i;

	for (i = 0; i < count; i++) {
		const struct graphite_series *s = list[i];
		int64_t until = s->start + (int64_t)s->count * s->step;
		grid.start = s->start < grid.start ? s->start : grid.start;
		grid.step = s->step > grid.step ? s->step : grid.step;
		end = until > end ? until : end;
	}
	grid.count = (size_t)((end - grid.start + grid.step - 1) / grid.step);
	return grid;
}

/* What a series comes to in [from, from + span): its points there averaged, as Graphite does with
 * finer steps. */
static double value_in(const struct graphite_series *s, int64_t from, int64_t span)
{
	int64_t first, last;

	if (s->step >= span)
		return graphite_series_at(s, from);
	first = from > s->start ? (from - s->start + s->step - 1) / s->step : 0;
	last = from + span > s->start ? (from + span - s->start + s->step - 1) / s->step : 0;
	last = last < (int64_t)s->count ? last : (int64_t)s->count;
	return first < last ? graphite_fold(GRAPHITE_AVERAGE, s->values + first,
					    (size_t)(last - first)) :
			      NAN;
}

static int fold_values(struct graphite_series *const *list, size_t count, enum graphite_fold fold,
		       struct graphite_series *out)
{
	struct graphite_grid grid = cover(list, count);
	double *row = malloc(count * sizeof(*row));
	size_t i, j;
	int status = row ? graphite_series_room(out, grid.start, grid.step, grid.count) : -ENOMEM;

	for (i = 0; status == 0 && i < grid.count; i++) {
		for (j = 0; j < count; j++)
			row[j] = value_in(list[j], grid.start + (int64_t)i * grid.step, grid.step);
		out->values[i] = graphite_fold(fold, row, count);
	}
	free(row);
	return status;
}

/* `sumSeries(a.*.max,b)`: the expressions of all, each once. */
static void put_name(struct buf *out, struct graphite_series *const *list, size_t count,
		     enum graphite_fold fold)
{
	const char *last = NULL;
	size_t i;

	buf_printf(out, "%sSeries(", graphite_fold_name(fold));
	for (i = 0; i < count && buf_status(out) == 0; i++) {
		/* Series of one path stand together. */
		if (last && strcmp(last, list[i]->expression) == 0)
			continue;
		if (last)
			buf_put_u8(out, ',');
		buf_put_text(out, list[i]->expression);
		last = list[i]->expression;
	}
	buf_put_u8(out, ')');
}

/* The tags that all have, as a series of that name. Empty when there are none. */
static size_t common_origin(struct graphite_series *const *list, size_t count, struct slice name,
			    uint8_t out[LIMIT_SERIES_BYTES])
{
	struct series first, other;
	size_t i, j, kept, size;

	if (!list[0]->origin || series_parse(slice_text(list[0]->origin), &first) < 0)
		return 0;
	for (i = 1; i < count; i++) {
		if (!list[i]->origin || series_parse(slice_text(list[i]->origin), &other) < 0)
			return 0;
		for (j = 0, kept = 0; j < first.tag_count; j++) {
			if (slice_equal(graphite_tags_value(&other, first.tags[j].key),
					first.tags[j].value))
				first.tags[kept++] = first.tags[j];
		}
		first.tag_count = kept;
	}
	if (series_build(name, first.tags, first.tag_count, out, &size) < 0)
		return 0;
	return size;
}

/* Adds the fold of some series to `out`; name may be empty: then it is made of theirs. */
static int fold_series(struct graphite_series *const *list, size_t count, enum graphite_fold fold,
		       struct slice name, struct graphite_list *out)
{
	uint8_t origin[LIMIT_SERIES_BYTES];
	struct graphite_series *made;
	struct buf expression;
	struct slice view;
	size_t common;
	int status;

	buf_init(&expression, NAME_BYTES);
	put_name(&expression, list, count, fold);
	/* Of very many paths the name is cut. */
	status = buf_status(&expression) == -ENOBUFS ? 0 : buf_status(&expression);
	view = buf_view(&expression);
	name = name.ptr ? name : view;
	common = common_origin(list, count, name, origin);
	if (status == 0)
		status = graphite_list_add(out, name, view, slice_of(origin, common), &made);
	if (status == 0)
		status = fold_values(list, count, fold, made);
	buf_release(&expression);
	return status;
}

static struct graphite_series **places_of(struct graphite_list *list)
{
	struct graphite_series **places = malloc((list->count + 1) * sizeof(*places));
	size_t i;

	for (i = 0; places && i < list->count; i++)
		places[i] = &list->list[i];
	return places;
}

static int fold_all(struct graphite_list *list, enum graphite_fold fold)
{
	struct graphite_list out = { 0 };
	struct graphite_series **places;
	int status;

	if (list->count == 0)
		return 0;
	places = places_of(list);
	if (!places)
		return -ENOMEM;
	status = fold_series(places, list->count, fold, slice_of(NULL, 0), &out);
	free(places);
	graphite_list_release(list);
	*list = out;
	return status;
}

int graphite_sum_series(const struct graphite_call *call, struct graphite_list *list)
{
	(void)call;
	return fold_all(list, GRAPHITE_SUM);
}

int graphite_average_series(const struct graphite_call *call, struct graphite_list *list)
{
	(void)call;
	return fold_all(list, GRAPHITE_AVERAGE);
}

int graphite_max_series(const struct graphite_call *call, struct graphite_list *list)
{
	(void)call;
	return fold_all(list, GRAPHITE_MAX);
}

int graphite_min_series(const struct graphite_call *call, struct graphite_list *list)
{
	(void)call;
	return fold_all(list, GRAPHITE_MIN);
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* The path that nodes are counted in: the name, or, of a name that is a call, the first path in
 * it. */
static struct slice path_of(const struct graphite_series *s)
{
	const char *name = s->name, *start = name, *at;
	size_t size = strlen(name);

	if (size > 0 && name[size - 1] == ')') {
		for (at = name; *at && *at != ',' && *at != ')'; at++) {
			if (*at == '(')
				start = at + 1;
		}
		size = (size_t)(at - start);
	}
	at = memchr(start, ';', size);
	return slice_of(start, at ? (size_t)(at - start) : size);
}

/* The index-th of the nodes, counted from the end when below 0. False when there is none. */
static bool node_at(struct slice path, long index, struct slice *node)
{
	const uint8_t *at = path.ptr, *end = path.ptr + path.size, *dot;
	long count = 1;
	size_t i;

	for (i = 0; i < path.size; i++)
		count += path.ptr[i] == '.';
	index = index < 0 ? index + count : index;
	if (index < 0 || index >= count)
		return false;
	for (; index > 0; index--)
		at = (const uint8_t *)memchr(at, '.', (size_t)(end - at)) + 1;
	dot = memchr(at, '.', (size_t)(end - at));
	*node = slice_of(at, (size_t)((dot ? dot : end) - at));
	return true;
}

/* Appends what a node's number or a tag says of a series. */
static void put_node(struct buf *out, const struct graphite_series *s,
		     const struct target_node *node)
{
	struct series series;
	struct slice text;

	if (node->type == TARGET_NUMBER && node_at(path_of(s), (long)node->number, &text)) {
		buf_put_slice(out, text);
		return;
	}
	if (!s->origin || series_parse(slice_text(s->origin), &series) < 0)
		return;
	if (slice_equal(node->text, slice_text("name")))
		buf_put_slice(out, series.name);
	else
		buf_put_slice(out, graphite_tags_value(&series, node->text));
}

int graphite_alias_by_node(const struct graphite_call *call, struct graphite_list *list)
{
	const struct target_node *node;
	struct buf name;
	size_t i;
	int status = 0;

	buf_init(&name, NAME_BYTES);
	for (i = 0; i < list->count && status == 0; i++) {
		struct graphite_series *s = &list->list[i];
		buf_reset(&name);
		for (node = call->args[1]; node; node = node->next) {
			if (node != call->args[1])
				buf_put_u8(&name, '.');
			put_node(&name, s, node);
		}
		status = buf_status(&name);
		if (status == 0)
			status = graphite_series_set(&s->name, buf_view(&name));
	}
	buf_release(&name);
	return status;
}

/* ---- groups --------------------------------------------------------------------------------- */

struct member {
	struct graphite_series *series;
	struct buf key;
	size_t place;
};

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	int order = slice_compare(buf_view(&x->key), buf_view(&y->key));

	return order ? order : (x->place > y->place) - (x->place < y->place);
}

/* Folds each run of members with one key. */
static int fold_runs(const struct member *members, size_t count, enum graphite_fold fold,
		     struct graphite_list *out)
{
	struct graphite_series **places = malloc((count + 1) * sizeof(*places));
	size_t i, run;
	int status = places ? 0 : -ENOMEM;

	for (i = 0; i < count && status == 0; i += run) {
		struct slice key = buf_view(&members[i].key);
		for (run = 0; i + run < count; run++) {
			if (!slice_equal(buf_view(&members[i + run].key), key))
				break;
			places[run] = members[i + run].series;
		}
		key = key.ptr ? key : slice_text("");
		status = fold_series(places, run, fold, key, out);
	}
	free(places);
	return status;
}

int graphite_group_by_node(const struct graphite_call *call, struct graphite_list *list)
{
	struct member *members = calloc(list->count + 1, sizeof(*members));
	enum graphite_fold fold = GRAPHITE_AVERAGE;
	struct graphite_list out = { 0 };
	size_t i;
	int status = members ? 0 : -ENOMEM;

	if (call->args[2])
		(void)graphite_fold_read(call->args[2]->text, &fold);
	for (i = 0; members && i < list->count; i++) {
		members[i] = (struct member){ .series = &list->list[i], .place = i };
		buf_init(&members[i].key, NAME_BYTES);
		put_node(&members[i].key, members[i].series, call->args[1]);
		status = status ? status : buf_status(&members[i].key);
	}
	if (status == 0 && list->count > 1)
		qsort(members, list->count, sizeof(*members), compare_members);
	if (status == 0)
		status = fold_runs(members, list->count, fold, &out);
	for (i = 0; members && i < list->count; i++)
		buf_release(&members[i].key);
	free(members);
	graphite_list_release(list);
	*list = out;
	return status;
}

/* ---- names ---------------------------------------------------------------------------------- */

int graphite_alias(const struct graphite_call *call, struct graphite_list *list)
{
	const struct slice name = call->args[1]->text;
	size_t i;
	int status = 0;

	for (i = 0; i < list->count && status == 0; i++)
		status = graphite_series_set(&list->list[i].name, name);
	return status;
}

static int sub_names(struct regex *regex, struct slice replacement, struct graphite_list *list)
{
	struct buf name;
	size_t i;
	int status = 0;

	buf_init(&name, NAME_BYTES);
	for (i = 0; i < list->count && status == 0; i++) {
		buf_reset(&name);
		status = regex_replace(regex, slice_text(list->list[i].name), replacement, &name);
		if (status == 0)
			status = graphite_series_set(&list->list[i].name, buf_view(&name));
	}
	buf_release(&name);
	return status == -ENOBUFS ? ERR_TOO_LARGE : status;
}

int graphite_alias_sub(const struct graphite_call *call, struct graphite_list *list)
{
	struct slice replacement = call->args[2]->text;
	struct regex regex;
	const char *wrong = regex_compile(&regex, call->args[1]->text, call->budget);
	int status;

	if (wrong)
		return graphite_func_wrong(call->why, "aliasSub(): %s", wrong);
	if (regex_fits(&regex, replacement))
		status = sub_names(&regex, replacement, list);
	else
		status = graphite_func_wrong(call->why, "aliasSub(): the replacement names a group "
					     "that the expression does not have");
	regex_release(&regex);
	return status;
}
