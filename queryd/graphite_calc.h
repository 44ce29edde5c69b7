/*
 * graphite_calc.h - what the functions of graphite_func.h do, one each.
 *
 * Names and results follow Graphite 1.1. All take a bound call and work on *list. 0; -ENOMEM;
 * -EINVAL with call->why; ERR_TOO_LARGE: an expression costs too much.
 */
#ifndef QUERYD_GRAPHITE_CALC_H
#define QUERYD_GRAPHITE_CALC_H

#include "queryd/graphite_func.h"

#define GRAPHITE_CALC(name)                                                                      \
	int graphite_##name(const struct graphite_call *call, struct graphite_list *list)        \
		__attribute__((warn_unused_result))

GRAPHITE_CALC(alias);           /* a new name */
GRAPHITE_CALC(alias_sub);       /* the name, a regular expression replaced in it */
GRAPHITE_CALC(alias_by_node);   /* nodes of the path, and tags */
GRAPHITE_CALC(constant_line);   /* a row of one value */
GRAPHITE_CALC(sum_series);      /* one series of all, by its fold */
GRAPHITE_CALC(average_series);  /* the same */
GRAPHITE_CALC(max_series);      /* the same */
GRAPHITE_CALC(min_series);      /* the same */
GRAPHITE_CALC(group_by_node);   /* one series for each value of a node */
GRAPHITE_CALC(moving_average);  /* the average of a window that ends at each point */
GRAPHITE_CALC(summarize);       /* buckets of an interval */
GRAPHITE_CALC(scale);           /* times a factor */
GRAPHITE_CALC(offset);          /* plus a number */
GRAPHITE_CALC(limit);           /* the first n */
GRAPHITE_CALC(highest_average); /* the n with the highest average */
GRAPHITE_CALC(sort_by_name);    /* in order of names */

/* The width of a moving window in points of the call's grid. 0, -EINVAL with call->why. */
int graphite_window(const struct graphite_call *call, size_t *points)
	__attribute__((warn_unused_result));

#endif
