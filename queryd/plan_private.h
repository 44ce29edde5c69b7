/*
 * plan_private.h - what a plan holds: for plan.c and plan_result.c.
 *
 * A plan is in one phase at a time; only plan.c moves it on. folds and points are kept by kind
 * until it is clear which kind the answer is of. An overview keeps its last hour as a fold; a range
 * turns each fold into a point when its span is over.
 */
#ifndef QUERYD_PLAN_PRIVATE_H
#define QUERYD_PLAN_PRIVATE_H

#include "queryd/gauge_trail.h"
#include "queryd/plan.h"
#include "queryd/plan_fold.h"
#include "queryd/plan_window.h"

enum plan_phase {
	PHASE_NAMES, /* an overview: which kinds, which hour */
	PHASE_MAIN,  /* the hours asked for */
	PHASE_BACK,  /* the 24 hours before them, for a gauge */
	PHASE_LATE,  /* nothing was found: is the key known at all? */
	PHASE_DONE,
};

struct plan_points {
	struct plan_point *list;
	size_t count;
	size_t capacity;
};

struct plan {
	uint8_t *key;
	size_t key_size;
	enum route route;
	struct stat_asked stat;
	enum kind kind;
	enum route_step step;
	int64_t from_hour, to_hour, next_hour;
	struct plan_settings settings;
	enum plan_phase phase;
	struct plan_round round;
	struct plan_window main, back;
	unsigned asked; /* kinds that the answer may be of; bits by stat_kind_index() */
	unsigned kinds; /* those of them still of interest: a kind found ends those behind it */
	struct gauge_trail trail;
	bool based; /* an absolute value of the gauge was seen in the hours asked for */
	bool looked_back;
	struct plan_fold folds[STAT_KINDS];
	struct plan_points points[STAT_KINDS];
	unsigned known; /* kinds that the names list */
	int64_t first_hours[STAT_KINDS], last_hours[STAT_KINDS];
	uint64_t digest;
	int error;
};

#endif
