/*
 * plan_private.h - what a plan holds: for plan.c, plan_result.c, plan_back.c, plan_day.c and
 * plan_moving.c.
 *
 * A plan is in one phase at a time, which plan_step leaves. folds and points are kept by kind
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
	PHASE_NAMES, /* an overview, a moving average: which kinds, which hour */
	PHASE_DAYS,  /* days rolled up, of those asked for */
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
	int64_t asked_from_hour, asked_to_hour;
	int64_t from_hour, to_hour, next_hour;
	int64_t stop_hour; /* hours are read up to here; then days again, or the end */
	struct plan_settings settings;
	enum plan_phase phase;
	struct plan_round round;
	struct plan_window main, back;
	struct plan_window days; /* settled ones, from day_at on not yet folded */
	size_t day_at;
	bool days_last; /* a day whose hours had nothing: only its rolled-up form is left */
	unsigned asked; /* kinds that the answer may be of; bits by stat_kind_index() */
	unsigned kinds; /* those of them still of interest: a kind found ends those behind it */
	struct gauge_trail trail;
	bool based; /* an absolute value of the gauge was seen in the hours asked for */
	bool looked_back;
	struct plan_fold folds[STAT_KINDS];
	struct plan_points points[STAT_KINDS];
	unsigned known; /* kinds that the names list */
	int64_t first_hours[STAT_KINDS], last_hours[STAT_KINDS];
	uint32_t last_count;       /* of MOVING: how many elements are asked for */
	struct window last;        /* those found, by unix second */
	struct plan_moving moving; /* what is known of them */
	bool unkept;               /* an hour has samples, but no window */
	uint64_t digest;
	int error;
};

/* Folds the first kind that has data of an hour's cells, or a day's. 0, -ENOMEM, what cell_merge says. */
int plan_fold_cells(struct plan *p, struct plan_hour *from, bool is_day)
	__attribute__((warn_unused_result));

/* Starts the hours from next_hour on, up to stop_hour and a window at most. */
int plan_start_hours(struct plan *p) __attribute__((warn_unused_result));

/* Whether anything was found that may be the answer. */
bool plan_found_any(const struct plan *p);

/* ---- plan_stock.c ----------------------------------------------------------------------------- */

/* A plan of zeros, from the stock (NULL: none) if it has one; NULL without memory. */
struct plan *plan_stock_take(struct plan_stock *stock);

/* Takes back one that owns nothing any more. */
void plan_stock_give(struct plan_stock *stock, struct plan *p);

/* ---- plan_back.c ------------------------------------------------------------------------------ */

/* Whether a gauge hour of the window builds on what lies before the hours asked for. Once. */
bool plan_must_look_back(struct plan *p);

/* Starts the hours before those asked for; the codes of plan_window_start. */
int plan_start_back(struct plan *p) __attribute__((warn_unused_result));

/* They are there: takes them into the trail. */
void plan_follow_trail(struct plan *p);

/* ---- plan_day.c ------------------------------------------------------------------------------- */

/* Starts what comes at next_hour: days, where rolled-up ones may be used, or hours. */
int plan_start_next(struct plan *p) __attribute__((warn_unused_result));

/* Goes on behind the days that are folded: starts the hours of one that is not rolled up, or what comes
 * next. 1 with commands to ask, 0 when all that was asked for is through, or what failed. */
int plan_day_next(struct plan *p) __attribute__((warn_unused_result));

/* ---- plan_moving.c ---------------------------------------------------------------------------- */

/* The names are there: starts the latest hours. 0 and the codes of plan_window_start; without a command
 * in the round there is nothing to read. */
int plan_moving_start(struct plan *p) __attribute__((warn_unused_result));

/* Hours are there: takes their elements, and starts those before them while more are wanted. As above;
 * -ENOMEM. */
int plan_moving_next(struct plan *p) __attribute__((warn_unused_result));

/* Fills in the answer. */
void plan_moving_result(struct plan *p, struct plan_result *out);

#endif
