// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_series.c - lists that own their series, and folds that pass over nothing.
 *
 * A list is an array whose series move as they are; texts are copied once and replaced whole. A
 * fold is asked for by several names in Graphite's functions; the first of the table is the one
 * that is shown.
 */
#include "queryd/graphite_series.h"

#include "queryd/grow.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char *copy(struct slice text)
{
	char *made = malloc(text.size + 1);

	if (!made)
		return NULL;
	if (text.size > 0)
		memcpy(made, text.ptr, text.size);
	made[text.size] = '\0';
	return made;
}

static void release(struct graphite_series *s)
{
	free(s->name);
	free(s->expression);
	free(s->origin);
	free(s->values);
}

int graphite_list_add(struct graphite_list *l, struct slice name, struct slice expression,
		      struct slice origin, struct graphite_series **out)
{
	struct graphite_series *list = grow(l->list, l->count, &l->capacity, sizeof(*list));
	struct graphite_series *s;

	if (!list)
		return -ENOMEM;
	l->list = list;
	s = &list[l->count];
	*s = (struct graphite_series){ .name = copy(name), .expression = copy(expression) };
	if (origin.size > 0)
		s->origin = copy(origin);
	if (!s->name || !s->expression || (origin.size > 0 && !s->origin)) {
		release(s);
		return -ENOMEM;
	}
	l->count++;
	*out = s;
	return 0;
}

int graphite_series_room(struct graphite_series *s, int64_t start, int64_t step, size_t count)
{
	double *values = malloc((count + 1) * sizeof(*values));
	size_t i;

	if (!values)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		values[i] = NAN;
	free(s->values);
	s->values = values;
	s->start = start;
	s->step = step;
	s->count = count;
	return 0;
}

int graphite_series_text(char **text, const char *format, ...)
{
	va_list args;
	char *made;
	int size;

	va_start(args, format);
	size = vasprintf(&made, format, args);
	va_end(args);
	if (size < 0)
		return -ENOMEM;
	free(*text);
	*text = made;
	return 0;
}

int graphite_series_set(char **text, struct slice value)
{
	char *made = copy(value);

	if (!made)
		return -ENOMEM;
	free(*text);
	*text = made;
	return 0;
}

int graphite_list_join(struct graphite_list *l, struct graphite_list *other)
{
	size_t count = l->count + other->count;
	struct graphite_series *list = realloc(l->list, (count + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	if (other->count > 0)
		memcpy(list + l->count, other->list, other->count * sizeof(*list));
	l->list = list;
	l->count = count;
	l->capacity = count + 1;
	free(other->list);
	*other = (struct graphite_list){ 0 };
	return 0;
}

void graphite_list_cut(struct graphite_list *l, size_t count)
{
	while (l->count > count)
		release(&l->list[--l->count]);
}

void graphite_list_release(struct graphite_list *l)
{
	graphite_list_cut(l, 0);
	free(l->list);
	*l = (struct graphite_list){ 0 };
}

double graphite_series_at(const struct graphite_series *s, int64_t second)
{
	int64_t index = (second - s->start) / s->step;

	if (second < s->start || (size_t)index >= s->count)
		return NAN;
	return s->values[index];
}

/* ---- folding values ------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum graphite_fold fold;
} folds[] = {
	{ "sum", GRAPHITE_SUM },
	{ "average", GRAPHITE_AVERAGE },
	{ "max", GRAPHITE_MAX },
	{ "min", GRAPHITE_MIN },
	{ "last", GRAPHITE_LAST },
	{ "count", GRAPHITE_COUNT },
	{ "avg", GRAPHITE_AVERAGE },
	{ "total", GRAPHITE_SUM },
	{ "current", GRAPHITE_LAST },
	{ "sumSeries", GRAPHITE_SUM },
	{ "averageSeries", GRAPHITE_AVERAGE },
	{ "avgSeries", GRAPHITE_AVERAGE },
	{ "maxSeries", GRAPHITE_MAX },
	{ "minSeries", GRAPHITE_MIN },
	{ "countSeries", GRAPHITE_COUNT },
};

bool graphite_fold_read(struct slice text, enum graphite_fold *fold)
{
	size_t i;

	for (i = 0; i < sizeof(folds) / sizeof(*folds); i++) {
		if (!slice_equal(text, slice_text(folds[i].name)))
			continue;
		*fold = folds[i].fold;
		return true;
	}
	return false;
}

const char *graphite_fold_name(enum graphite_fold fold)
{
	size_t i = 0;

	while (folds[i].fold != fold)
		i++;
	return folds[i].name;
}

static double fold_two(enum graphite_fold fold, double a, double b)
{
	switch (fold) {
	case GRAPHITE_SUM:
	case GRAPHITE_AVERAGE:
		return a + b;
	case GRAPHITE_MAX:
		return a > b ? a : b;
	case GRAPHITE_MIN:
		return a < b ? a : b;
	case GRAPHITE_LAST:
	case GRAPHITE_COUNT:
		break;
	}
	return b;
}

double graphite_fold(enum graphite_fold fold, const double *values, size_t count)
{
	double result = NAN;
	size_t there = 0, i;

	for (i = 0; i < count; i++) {
		if (isnan(values[i]))
			continue;
		result = there++ ? fold_two(fold, result, values[i]) : values[i];
	}
	if (there && fold == GRAPHITE_AVERAGE)
		result /= (double)there;
	if (there && fold == GRAPHITE_COUNT)
		result = (double)there;
	return result;
}
