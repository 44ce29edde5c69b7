// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_func.c - one table of functions, which the editor sees and calls are checked by.
 *
 * Arguments bind to places of the row, by order or by name; a parameter that takes many stays
 * the place for all that follow. What fits was judged when the target was read, so functions
 * take their arguments as they are.
 */
#include "queryd/graphite_func.h"

#include "queryd/graphite_calc.h"
#include "queryd/graphite_time.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define INTEGER_MAX 1000000

#define LIST  { "seriesList", GRAPHITE_SERIES, false, NULL }
#define LISTS { "seriesLists", GRAPHITE_LISTS, false, NULL }

static const struct graphite_func funcs[] = {
	{ "alias", NULL, "Alias", "Gives a series a new name.",
	  { LIST, { "newName", GRAPHITE_STRING, false, NULL } }, graphite_alias },
	{ "aliasByNode", NULL, "Alias", "Names a series by nodes of its path, or by tags.",
	  { LIST, { "nodes", GRAPHITE_NODES, false, NULL } }, graphite_alias_by_node },
	{ "aliasSub", NULL, "Alias", "Replaces a regular expression in the name.",
	  { LIST, { "search", GRAPHITE_STRING, false, NULL },
	    { "replace", GRAPHITE_STRING, false, NULL } }, graphite_alias_sub },
	{ "averageSeries", "avg", "Combine", "One series: the average of all at each time.",
	  { LISTS }, graphite_average_series },
	{ "constantLine", NULL, "Special", "A line at one value.",
	  { { "value", GRAPHITE_NUMBER, false, NULL } }, graphite_constant_line },
	{ "groupByNode", NULL, "Combine", "One series for each value of a node or tag.",
	  { LIST, { "nodeNum", GRAPHITE_NODE, false, NULL },
	    { "callback", GRAPHITE_FOLD, true, "average" } }, graphite_group_by_node },
	{ "highestAverage", NULL, "Filter Series", "The n series with the highest average.",
	  { LIST, { "n", GRAPHITE_INTEGER, false, NULL } }, graphite_highest_average },
	{ "limit", NULL, "Filter Series", "The first n series.",
	  { LIST, { "n", GRAPHITE_INTEGER, false, NULL } }, graphite_limit },
	{ "maxSeries", "max", "Combine", "One series: the greatest of all at each time.",
	  { LISTS }, graphite_max_series },
	{ "minSeries", "min", "Combine", "One series: the least of all at each time.",
	  { LISTS }, graphite_min_series },
	{ "movingAverage", NULL, "Calculate",
	  "The average of a window of points, or of time, that ends at each point.",
	  { LIST, { "windowSize", GRAPHITE_WINDOW, false, NULL } }, graphite_moving_average },
	{ "offset", NULL, "Transform", "Adds a number to each value.",
	  { LIST, { "factor", GRAPHITE_NUMBER, false, NULL } }, graphite_offset },
	{ "scale", NULL, "Transform", "Multiplies each value.",
	  { LIST, { "factor", GRAPHITE_NUMBER, false, NULL } }, graphite_scale },
	{ "sortByName", NULL, "Sorting", "Series in order of their names.",
	  { LIST, { "natural", GRAPHITE_BOOLEAN, true, NULL },
	    { "reverse", GRAPHITE_BOOLEAN, true, NULL } }, graphite_sort_by_name },
	{ "sumSeries", "sum", "Combine", "One series: the sum of all at each time.",
	  { LISTS }, graphite_sum_series },
	{ "summarize", NULL, "Transform",
	  "Buckets of an interval. The values are put together, not their samples: for a median of "
	  "days ask for days.",
	  { LIST, { "intervalString", GRAPHITE_INTERVAL, false, NULL },
	    { "func", GRAPHITE_FOLD, true, "sum" },
	    { "alignToFrom", GRAPHITE_BOOLEAN, true, NULL } }, graphite_summarize },
};

#define FUNC_COUNT (sizeof(funcs) / sizeof(*funcs))

const struct graphite_func *graphite_func_at(size_t index)
{
	return index < FUNC_COUNT ? &funcs[index] : NULL;
}

const struct graphite_func *graphite_func_find(struct slice name)
{
	size_t i;

	for (i = 0; i < FUNC_COUNT; i++) {
		if (slice_equal(name, slice_text(funcs[i].name)) ||
		    (funcs[i].alias && slice_equal(name, slice_text(funcs[i].alias))))
			return &funcs[i];
	}
	return NULL;
}

int graphite_func_wrong(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, GRAPHITE_WHY_SIZE, format, args);
	va_end(args);
	return -EINVAL;
}

/* ---- arguments ------------------------------------------------------------------------------ */

static bool is_integer(const struct target_node *node)
{
	return node->type == TARGET_NUMBER && node->number == floor(node->number) &&
	       fabs(node->number) <= INTEGER_MAX;
}

static bool is_list(const struct target_node *node)
{
	return node->type == TARGET_PATH || node->type == TARGET_CALL;
}

static const char *expects(enum graphite_param_type type)
{
	static const char *const texts[] = {
		"series", "series", "a number", "a whole number",
		"a string of at most 1,024 bytes", "true or false", "a node's number or a tag",
		"a node's number or a tag", "an interval, such as \"1d\"",
		"a number of points or an interval, such as \"7d\"",
		"one of sum, average, max, min, last, count",
	};

	return texts[type];
}

static bool fits(const struct target_node *node, enum graphite_param_type type)
{
	bool text = node->type == TARGET_STRING;
	enum graphite_fold fold;
	int64_t span;

	switch (type) {
	case GRAPHITE_SERIES:
	case GRAPHITE_LISTS:
		return is_list(node);
	case GRAPHITE_NUMBER:
		return node->type == TARGET_NUMBER;
	case GRAPHITE_INTEGER:
		return is_integer(node) && node->number >= 0;
	case GRAPHITE_STRING:
		return text && node->text.size <= GRAPHITE_STRING_BYTES;
	case GRAPHITE_BOOLEAN:
		return node->type == TARGET_BOOL;
	case GRAPHITE_NODES:
	case GRAPHITE_NODE:
		return is_integer(node) || text;
	case GRAPHITE_INTERVAL:
		return text && graphite_time_span(node->text, &span);
	case GRAPHITE_WINDOW:
		return (is_integer(node) && node->number > 0) ||
		       (text && graphite_time_span(node->text, &span));
	case GRAPHITE_FOLD:
		return text && graphite_fold_read(node->text, &fold);
	}
	return false;
}

/* The place of a named parameter; GRAPHITE_PARAMS when there is none. */
static size_t find_param(const struct graphite_func *func, struct slice keyword)
{
	size_t i;

	for (i = 0; i < GRAPHITE_PARAMS && func->params[i].name; i++) {
		if (slice_equal(keyword, slice_text(func->params[i].name)))
			return i;
	}
	return GRAPHITE_PARAMS;
}

static bool takes_many(const struct graphite_param *param)
{
	return param->type == GRAPHITE_LISTS || param->type == GRAPHITE_NODES;
}

static int bind_one(const struct graphite_func *func, const struct target_node *arg, size_t place,
		    struct graphite_call *call)
{
	const struct graphite_param *param = &func->params[place];

	if (place == GRAPHITE_PARAMS || !param->name)
		return graphite_func_wrong(call->why, "%s() takes no such argument: %.*s",
					   func->name, (int)(arg->source.size < 60 ?
					   arg->source.size : 60), (const char *)arg->source.ptr);
	if (!fits(arg, param->type))
		return graphite_func_wrong(call->why, "%s() takes %s as %s", func->name,
					   expects(param->type), param->name);
	if (!call->args[place])
		call->args[place] = arg;
	return 0;
}

int graphite_func_bind(const struct graphite_func *func, const struct target_node *node,
		       struct graphite_call *call)
{
	const struct target_node *arg;
	size_t place = 0, i;
	int status = 0;

	call->node = node;
	for (i = 0; i < GRAPHITE_PARAMS; i++)
		call->args[i] = NULL;
	for (arg = node->args; arg && status == 0; arg = arg->next) {
		if (arg->keyword.size > 0) {
			status = bind_one(func, arg, find_param(func, arg->keyword), call);
			continue;
		}
		status = bind_one(func, arg, place, call);
		if (place < GRAPHITE_PARAMS && !takes_many(&func->params[place]))
			place++;
	}
	for (i = 0; i < GRAPHITE_PARAMS && func->params[i].name && status == 0; i++) {
		if (!call->args[i] && !func->params[i].optional)
			status = graphite_func_wrong(call->why, "%s() needs %s: %s", func->name,
						     func->params[i].name,
						     expects(func->params[i].type));
	}
	return status;
}

int graphite_func_shift(const struct graphite_func *func, const struct graphite_call *call,
			size_t *points)
{
	*points = 0;
	return func->run == graphite_moving_average ? graphite_window(call, points) : 0;
}
