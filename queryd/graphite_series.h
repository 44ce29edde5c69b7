/*
 * graphite_series.h - what Graphite's functions work on: named rows of values.
 *
 * A series has values at start, start + step, ...; NAN stands for none. Its name is what a
 * chart shows; its expression is what names of functions over it quote (the target's path); its
 * origin is the canonical series (`name.stat;k=v`) whose tags it has, or empty. Lists own their
 * series. Pure.
 */
#ifndef QUERYD_GRAPHITE_SERIES_H
#define QUERYD_GRAPHITE_SERIES_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct graphite_series {
	char *name;
	char *expression;
	char *origin;    /* may be NULL */
	int64_t start;   /* unix seconds */
	int64_t step;    /* seconds */
	size_t count;
	double *values;
};

struct graphite_list {
	struct graphite_series *list;
	size_t count, capacity;
};

/* Adds a series without values, whose texts are copied (origin may be empty). *out is borrowed
 * until the next one is added. 0, -ENOMEM. */
int graphite_list_add(struct graphite_list *l, struct slice name, struct slice expression,
		      struct slice origin, struct graphite_series **out)
	__attribute__((warn_unused_result));

/* Gives a series room for values, all NAN. 0, -ENOMEM. */
int graphite_series_room(struct graphite_series *s, int64_t start, int64_t step, size_t count)
	__attribute__((warn_unused_result));

/* Replaces a text of a series by what printf makes. 0, -ENOMEM (the old one stays). */
int graphite_series_text(char **text, const char *format, ...)
	__attribute__((format(printf, 2, 3), warn_unused_result));

/* Replaces a text by another (copied). 0, -ENOMEM. */
int graphite_series_set(char **text, struct slice value) __attribute__((warn_unused_result));

/* Moves all of another list to the end. 0, -ENOMEM (nothing moved). */
int graphite_list_join(struct graphite_list *l, struct graphite_list *other)
	__attribute__((warn_unused_result));

/* Frees the series behind the first `count`. */
void graphite_list_cut(struct graphite_list *l, size_t count);

/* Frees all. */
void graphite_list_release(struct graphite_list *l);

/* The value of a series at a time, NAN when it has none there. */
double graphite_series_at(const struct graphite_series *s, int64_t second);

/* ---- folding values -------------------------------------------------------------------------- */

enum graphite_fold {
	GRAPHITE_SUM,
	GRAPHITE_AVERAGE,
	GRAPHITE_MAX,
	GRAPHITE_MIN,
	GRAPHITE_LAST,
	GRAPHITE_COUNT,
};

/* Reads a fold's name: `sum`, `avg`, `sumSeries`... False for another text. */
bool graphite_fold_read(struct slice text, enum graphite_fold *fold);

/* Its name: `sum`, `average`. Static. */
const char *graphite_fold_name(enum graphite_fold fold);

/* Folds those of the values that are there; NAN when none is. */
double graphite_fold(enum graphite_fold fold, const double *values, size_t count);

#endif
