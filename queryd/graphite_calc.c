// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_calc.c - functions that leave each series for itself.
 *
 * They change lists in place. Nothing is NAN and stays so: folds pass over it. Each new name is
 * that of the call as Graphite writes it, because the functions around it, and legends, take
 * nodes from it.
 */
#include "queryd/graphite_calc.h"

#include "queryd/graphite_time.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double number_of(const struct target_node *node)
{
	return node->number;
}

/* Names a series after a call: `scale(old,2)`. What follows quotes it by this name. */
static int rename_series(struct graphite_series *s, char **name)
{
	char *expression = strdup(*name);

	if (!expression) {
		free(*name);
		return -ENOMEM;
	}
	free(s->name);
	free(s->expression);
	s->name = *name;
	s->expression = expression;
	return 0;
}

/* ---- each value ----------------------------------------------------------------------------- */

/* Every value times a factor and plus a sum; the name tells by what. */
static int map_values(struct graphite_list *list, const char *function, double told, double factor,
		      double sum)
{
	size_t i, j;
	int status = 0;

	for (i = 0; i < list->count && status == 0; i++) {
		struct graphite_series *s = &list->list[i];
		char *name = NULL;
		for (j = 0; j < s->count; j++)
			s->values[j] = s->values[j] * factor + sum;
		status = graphite_series_text(&name, "%s(%s,%g)", function, s->name, told);
		if (status == 0)
			status = rename_series(s, &name);
	}
	return status;
}

int graphite_scale(const struct graphite_call *call, struct graphite_list *list)
{
	double factor = number_of(call->args[1]);

	return map_values(list, "scale", factor, factor, 0);
}

int graphite_offset(const struct graphite_call *call, struct graphite_list *list)
{
	double sum = number_of(call->args[1]);

	return map_values(list, "offset", sum, 1, sum);
}

int graphite_constant_line(const struct graphite_call *call, struct graphite_list *list)
{
	const struct graphite_grid *grid = &call->grid;
	struct graphite_series *s;
	size_t i;
	int status = graphite_list_add(list, call->args[0]->text, call->node->source,
				       slice_of(NULL, 0), &s);

	if (status == 0)
		status = graphite_series_room(s, grid->start, grid->step, grid->count);
	for (i = 0; status == 0 && i < grid->count; i++)
		s->values[i] = number_of(call->args[0]);
	return status;
}

/* ---- windows -------------------------------------------------------------------------------- */

int graphite_window(const struct graphite_call *call, size_t *points)
{
	const struct target_node *size = call->args[1];
	int64_t span;

	if (size->type == TARGET_NUMBER) {
		*points = (size_t)size->number;
	} else {
		(void)graphite_time_span(size->text, &span);
		if (span < call->grid.step)
			return graphite_func_wrong(call->why, "a window is at least one step, here "
						   "%lld seconds", (long long)call->grid.step);
		*points = (size_t)(span / call->grid.step);
	}
	return 0;
}

/* The values of a block up to one place, and from it on. */
struct sums {
	double up_to, from;
	size_t count_up_to, count_from;
};

/* Sums within blocks of `window` values, in both directions. */
static void sum_blocks(const double *values, size_t count, size_t window, struct sums *sums)
{
	size_t i;

	for (i = 0; i < count; i++) {
		bool there = !isnan(values[i]), first = i % window == 0;
		sums[i].up_to = (first ? 0 : sums[i - 1].up_to) + (there ? values[i] : 0);
		sums[i].count_up_to = (first ? 0 : sums[i - 1].count_up_to) + there;
	}
	for (i = count; i-- > 0;) {
		bool there = !isnan(values[i]), last = i % window == window - 1 || i == count - 1;
		sums[i].from = (last ? 0 : sums[i + 1].from) + (there ? values[i] : 0);
		sums[i].count_from = (last ? 0 : sums[i + 1].count_from) + there;
	}
}

/* The averages of windows that end at each value but the first `window` ones. A window is the end
 * of one block and the beginning of the next, so nothing is ever subtracted: no error of rounding
 * stays behind a great value that has left, and a step costs the same for any window. */
static int average_windows(struct graphite_series *s, size_t window)
{
	struct sums *sums = malloc((s->count + 1) * sizeof(*sums));
	size_t i, count = s->count > window ? s->count - window : 0;

	if (!sums)
		return -ENOMEM;
	sum_blocks(s->values, s->count, window, sums);
	for (i = 0; i < count; i++) {
		const struct sums *first = &sums[i + 1], *last = &sums[i + window];
		bool whole = (i + 1) % window == 0;
		double sum = whole ? last->up_to : first->from + last->up_to;
		size_t there = whole ? last->count_up_to : first->count_from + last->count_up_to;
		s->values[i] = there ? sum / (double)there : NAN;
	}
	free(sums);
	s->count = count;
	s->start += (int64_t)window * s->step;
	return 0;
}

int graphite_moving_average(const struct graphite_call *call, struct graphite_list *list)
{
	const struct target_node *size = call->args[1];
	const char *quote = size->type == TARGET_STRING ? "\"" : "";
	size_t window, i;
	int status = graphite_window(call, &window);

	for (i = 0; i < list->count && status == 0; i++) {
		struct graphite_series *s = &list->list[i];
		char *name = NULL;
		status = average_windows(s, window);
		if (status == 0)
			status = graphite_series_text(&name, "movingAverage(%s,%s%.*s%s)",
						      s->name, quote, (int)size->text.size,
						      (const char *)size->text.ptr, quote);
		if (status == 0)
			status = rename_series(s, &name);
	}
	return status;
}

/* ---- buckets -------------------------------------------------------------------------------- */

/* Buckets begin at multiples of the interval, or where the series does. */
static int bucket(struct graphite_series *s, int64_t interval, enum graphite_fold fold,
		  bool from_start)
{
	int64_t start = s->start - (from_start ? 0 : s->start % interval);
	int64_t end = s->start + (int64_t)s->count * s->step;
	size_t count = s->count ? (size_t)((end - start + interval - 1) / interval) : 0;
	struct graphite_series made = { 0 };
	size_t i, at = 0, first;
	int status = graphite_series_room(&made, start, interval, count);

	if (status < 0)
		return status;
	for (i = 0; i < count; i++) {
		int64_t until = start + (int64_t)(i + 1) * interval;
		for (first = at; at < s->count && s->start + (int64_t)at * s->step < until; at++)
			;
		made.values[i] = graphite_fold(fold, s->values + first, at - first);
	}
	free(s->values);
	s->values = made.values;
	s->start = start;
	s->step = interval;
	s->count = count;
	return 0;
}

int graphite_summarize(const struct graphite_call *call, struct graphite_list *list)
{
	const struct slice text = call->args[1]->text;
	const bool from_start = call->args[3] && call->args[3]->number != 0;
	enum graphite_fold fold = GRAPHITE_SUM;
	int64_t interval;
	size_t i;
	int status = 0;

	(void)graphite_time_span(text, &interval);
	if (call->args[2])
		(void)graphite_fold_read(call->args[2]->text, &fold);
	for (i = 0; i < list->count && status == 0; i++) {
		struct graphite_series *s = &list->list[i];
		/* There is nothing between two points. */
		int64_t steps = (interval + s->step - 1) / s->step;
		char *name = NULL;
		status = bucket(s, steps * s->step, fold, from_start);
		if (status == 0)
			status = graphite_series_text(&name,
						      "summarize(%s, \"%.*s\", \"%s\"%s)",
						      s->name, (int)text.size,
						      (const char *)text.ptr,
						      graphite_fold_name(fold),
						      from_start ? ", true" : "");
		if (status == 0)
			status = rename_series(s, &name);
	}
	return status;
}

/* ---- choosing and ordering ------------------------------------------------------------------ */

int graphite_limit(const struct graphite_call *call, struct graphite_list *list)
{
	size_t count = (size_t)number_of(call->args[1]);

	if (count < list->count)
		graphite_list_cut(list, count);
	return 0;
}

/* A place in an order that is being found. */
struct ranked {
	struct graphite_series series;
	double value;
	size_t place;
};

static int compare_values(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (isnan(x->value) != isnan(y->value))
		return isnan(x->value) ? 1 : -1;
	if (!isnan(x->value) && x->value != y->value)
		return x->value > y->value ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

int graphite_highest_average(const struct graphite_call *call, struct graphite_list *list)
{
	struct ranked *ranks = malloc((list->count + 1) * sizeof(*ranks));
	size_t i;

	if (!ranks)
		return -ENOMEM;
	for (i = 0; i < list->count; i++) {
		struct graphite_series *s = &list->list[i];
		ranks[i] = (struct ranked){
			*s, graphite_fold(GRAPHITE_AVERAGE, s->values, s->count), i,
		};
	}
	if (list->count > 1)
		qsort(ranks, list->count, sizeof(*ranks), compare_values);
	for (i = 0; i < list->count; i++)
		list->list[i] = ranks[i].series;
	free(ranks);
	return graphite_limit(call, list);
}

static int compare_names(const void *a, const void *b)
{
	const struct graphite_series *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* `a2` before `a10`. */
static int compare_natural(const void *a, const void *b)
{
	const struct graphite_series *x = a, *y = b;

	return strverscmp(x->name, y->name);
}

int graphite_sort_by_name(const struct graphite_call *call, struct graphite_list *list)
{
	bool natural = call->args[1] && call->args[1]->number != 0;
	bool reverse = call->args[2] && call->args[2]->number != 0;
	size_t i;

	if (list->count > 1)
		qsort(list->list, list->count, sizeof(*list->list),
		      natural ? compare_natural : compare_names);
	for (i = 0; reverse && i < list->count / 2; i++) {
		struct graphite_series *other = &list->list[list->count - 1 - i];
		struct graphite_series kept = list->list[i];
		list->list[i] = *other;
		*other = kept;
	}
	return 0;
}
