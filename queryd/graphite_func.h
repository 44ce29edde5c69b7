/*
 * graphite_func.h - Graphite's functions over series.
 *
 * One table says what there is, with each function's parameters: /functions shows it, calls are
 * checked against it. A function takes its first list and gives it back changed, or makes a new
 * one. Bounded: no function makes more points than it was given, but constantLine, which makes a
 * row of the grid. Pure.
 */
#ifndef QUERYD_GRAPHITE_FUNC_H
#define QUERYD_GRAPHITE_FUNC_H

#include "queryd/graphite_series.h"
#include "queryd/target.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAPHITE_PARAMS       4
#define GRAPHITE_STRING_BYTES 1024
#define GRAPHITE_WHY_SIZE     200

/* The times of an answer: [start, start + count * step). */
struct graphite_grid {
	int64_t start;
	int64_t step;
	size_t count;
};

enum graphite_param_type {
	GRAPHITE_SERIES,   /* one list, the first parameter */
	GRAPHITE_LISTS,    /* any number of lists */
	GRAPHITE_NUMBER,
	GRAPHITE_INTEGER,
	GRAPHITE_STRING,
	GRAPHITE_BOOLEAN,
	GRAPHITE_NODES,    /* any number of nodes or tags, at least one */
	GRAPHITE_NODE,     /* one */
	GRAPHITE_INTERVAL, /* `1d` */
	GRAPHITE_WINDOW,   /* a number of points, or an interval */
	GRAPHITE_FOLD,     /* `sum`, `avg`... */
};

struct graphite_param {
	const char *name; /* NULL: there are no more */
	enum graphite_param_type type;
	bool optional;
	const char *fallback; /* of a text that is optional; a boolean's is false */
};

struct graphite_call {
	const struct target_node *node;
	const struct target_node *args[GRAPHITE_PARAMS]; /* by parameter; NULL: not given */
	struct graphite_grid grid; /* with what must come before for functions around it */
	uint64_t *budget;          /* of regular expressions */
	char *why;                 /* GRAPHITE_WHY_SIZE */
};

struct graphite_func {
	const char *name;
	const char *alias;    /* `sum` for sumSeries; may be NULL */
	const char *group;
	const char *help;
	struct graphite_param params[GRAPHITE_PARAMS];
	/* Works on *list, which holds what the list parameters gave. 0; -ENOMEM; -EINVAL with
	 * call->why; ERR_TOO_LARGE: an expression costs too much. */
	int (*run)(const struct graphite_call *call, struct graphite_list *list);
};

/* The function at a place of the table; NULL at the end. */
const struct graphite_func *graphite_func_at(size_t index);

/* Finds a function by its name. NULL when there is none. */
const struct graphite_func *graphite_func_find(struct slice name);

/* Checks a call's arguments and fills in call->args. 0, -EINVAL with call->why. */
int graphite_func_bind(const struct graphite_func *func, const struct target_node *node,
		       struct graphite_call *call) __attribute__((warn_unused_result));

/* How many points before the grid a call needs of its lists; for a call that is bound. -EINVAL with
 * call->why when the window makes no sense. */
int graphite_func_shift(const struct graphite_func *func, const struct graphite_call *call,
			size_t *points) __attribute__((warn_unused_result));

/* Writes why a call is wrong. Returns -EINVAL. */
int graphite_func_wrong(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
