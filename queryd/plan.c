// SPDX-License-Identifier: Apache-2.0
/*
 * plan.c - phases, and the fold of what they bring.
 *
 * One function moves on from each phase, and each starts the next window or ends. It is not
 * known beforehand which kind a key is of: all that have the stat are asked for, each folds for
 * itself, and the first kind that has anything ends those behind it, whatever was found of
 * them. A range folds one span at a time and keeps points; a day and an hour keep one fold to
 * the end.
 */
#include "queryd/plan.h"

#include "proto/hour.h"
#include "queryd/plan_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALL_KINDS ((1u << STAT_KINDS) - 1)
#define HOUR_MAX  (INT64_C(253402300799) / HOUR_SECONDS)

static unsigned kinds_with(const struct route_request *request)
{
	unsigned kinds = 0;
	size_t i;

	if (request->kind)
		return 1u << stat_kind_index(request->kind);
	if (request->route == ROUTE_KEY)
		return ALL_KINDS;
	if (request->route == ROUTE_MOVING)
		return 1u << stat_kind_index(KIND_DISTRIBUTION);
	for (i = 0; i < STAT_KINDS; i++) {
		if (stat_has(stat_kinds[i], request->stat.id))
			kinds |= 1u << i;
	}
	return kinds;
}

static int ask_names(struct plan *p, enum plan_ask ask, unsigned kinds)
{
	size_t i;
	int status = 0;

	for (i = 0; i < STAT_KINDS && status == 0; i++) {
		const struct plan_command command = { .ask = ask, .kinds = 1u << i, .slot = i };
		if (kinds & 1u << i)
			status = plan_round_add(&p->round, &command);
	}
	return status;
}

int plan_start_hours(struct plan *p)
{
	int64_t from = p->next_hour;
	int64_t to = from + plan_window_reach(&p->main);

	p->next_hour = to < p->stop_hour ? to : p->stop_hour;
	p->phase = PHASE_MAIN;
	return plan_window_start(&p->main, from, p->next_hour, p->kinds, &p->round);
}

static int start(struct plan *p)
{
	int status;

	p->from_hour = p->next_hour = p->asked_from_hour;
	p->to_hour = p->asked_to_hour;
	p->kinds = p->asked;
	gauge_trail_init(&p->trail);
	plan_window_init(&p->main, plan_key(p), p->settings.cache);
	plan_window_init(&p->back, plan_key(p), p->settings.cache);
	plan_window_init(&p->days, plan_key(p), p->settings.cache);
	if (p->route != ROUTE_KEY && p->route != ROUTE_MOVING)
		return plan_start_next(p);
	p->phase = PHASE_NAMES;
	if (p->route == ROUTE_MOVING)
		return ask_names(p, PLAN_LAST, ALL_KINDS);
	status = ask_names(p, PLAN_FIRST, p->asked);
	return status ? status : ask_names(p, PLAN_LAST, p->asked);
}

int plan_new(const struct route_request *request, const struct plan_settings *settings,
	     struct plan **out)
{
	struct plan *p = plan_stock_take(settings->stock);

	if (!p)
		return -ENOMEM;
	p->key = malloc(request->key_size);
	p->key_size = request->key_size;
	p->route = request->route;
	p->stat = request->stat;
	p->kind = request->kind;
	p->step = request->step;
	p->asked_from_hour = request->from_hour;
	p->asked_to_hour = request->to_hour;
	p->settings = *settings;
	p->last_count = request->limit;
	p->asked = kinds_with(request);
	if (!p->key || start(p) < 0) {
		plan_free(p);
		return -ENOMEM;
	}
	memcpy(p->key, request->key, request->key_size);
	*out = p;
	return 0;
}

/* Forgets what was found of a kind. */
static void drop_kind(struct plan *p, size_t kind)
{
	plan_fold_release(&p->folds[kind]);
	p->folds[kind].any = false;
	free(p->points[kind].list);
	p->points[kind] = (struct plan_points){ 0 };
}

/* Frees what was found. */
static void release(struct plan *p)
{
	size_t i;

	for (i = 0; i < STAT_KINDS; i++)
		drop_kind(p, i);
	plan_window_release(&p->main);
	plan_window_release(&p->back);
	plan_window_release(&p->days);
	window_release(&p->last);
}

int plan_again(struct plan *p)
{
	struct plan_costs costs = plan_costs(p);

	release(p);
	*p = (struct plan){
		.key = p->key,
		.key_size = p->key_size,
		.route = p->route,
		.stat = p->stat,
		.kind = p->kind,
		.step = p->step,
		.asked_from_hour = p->asked_from_hour,
		.asked_to_hour = p->asked_to_hour,
		.settings = p->settings,
		.round = { p->round.list, 0, p->round.capacity },
		.asked = p->asked,
		.last_count = p->last_count,
	};
	p->error = start(p);
	p->main.costs = costs;
	return p->error;
}

void plan_free(struct plan *p)
{
	if (!p)
		return;
	release(p);
	free(p->round.list);
	free(p->key);
	plan_stock_give(p->settings.stock, p);
}

struct slice plan_key(const struct plan *p)
{
	return slice_of(p->key, p->key_size);
}

const struct plan_command *plan_commands(const struct plan *p, size_t *count)
{
	*count = p->round.count;
	return p->round.list;
}

/* ---- answers -------------------------------------------------------------------------------- */

static struct plan_window *window(struct plan *p)
{
	if (p->phase == PHASE_DAYS)
		return &p->days;
	return p->phase == PHASE_BACK ? &p->back : &p->main;
}

void plan_put_pid(struct plan *p, size_t command, struct slice pid, struct slice version)
{
	assert(p->round.list[command].ask == PLAN_MANIFEST ||
	       p->round.list[command].ask == PLAN_DAY);
	plan_window_put_pid(window(p), p->round.list[command].slot, pid, version);
}

void plan_put_cell(struct plan *p, size_t command, enum kind kind, struct slice blob)
{
	assert(p->round.list[command].ask == PLAN_CELLS ||
	       p->round.list[command].ask == PLAN_DAY_CELLS);
	plan_window_put_cell(window(p), p->round.list[command].slot, kind, blob);
}

void plan_put_score(struct plan *p, size_t command, double score)
{
	const struct plan_command *c = &p->round.list[command];
	bool first = c->ask == PLAN_FIRST;
	/* nf scores are seconds, nl scores hours. Whatever stands there must be printable. */
	double hour = first ? score / HOUR_SECONDS : score;
	int64_t whole = hour >= 0 && hour < (double)HOUR_MAX ? (int64_t)hour : 0;

	assert(first || c->ask == PLAN_LAST);
	(first ? p->first_hours : p->last_hours)[c->slot] = whole;
	if (!first)
		p->known |= c->kinds;
}

/* ---- folding -------------------------------------------------------------------------------- */

static int push_point(struct plan *p, size_t kind, const struct plan_fold *fold)
{
	struct plan_points *points = &p->points[kind];
	size_t capacity = points->capacity ? points->capacity * 2 : DAY_HOURS;
	struct plan_point point = { .from_hour = fold->from_hour, .to_hour = fold->to_hour };
	struct plan_point *list;

	point.result = stat_eval(&p->stat, &fold->subject);
	if (!point.result.has)
		return 0;
	if (points->count == points->capacity) {
		list = realloc(points->list, capacity * sizeof(*list));
		if (!list)
			return -ENOMEM;
		points->list = list;
		points->capacity = capacity;
	}
	points->list[points->count++] = point;
	return 0;
}

/* A range's span is over: it becomes a point. */
static int close_fold(struct plan *p, size_t kind)
{
	struct plan_fold *fold = &p->folds[kind];
	int status = 0;

	if (p->route == ROUTE_RANGE && fold->any) {
		status = push_point(p, kind, fold);
		plan_fold_release(fold);
		fold->any = false;
	}
	return status;
}

/* Begins the span that an hour belongs to. */
static void open_fold(struct plan *p, size_t kind, int64_t hour)
{
	int64_t from = p->from_hour, to = p->to_hour;
	int64_t day = hour_day(hour) * DAY_HOURS;

	if (p->route == ROUTE_RANGE && p->step == ROUTE_STEP_HOUR) {
		from = hour;
		to = hour + 1;
	} else if (p->route == ROUTE_RANGE && p->step == ROUTE_STEP_DAY) {
		from = day > from ? day : from;
		to = day + DAY_HOURS < to ? day + DAY_HOURS : to;
	}
	plan_fold_start(&p->folds[kind], stat_kinds[kind], from, to, p->settings.now_second);
}

/* A day also lists its hours: each is a fold of one. */
static int list_hour(struct plan *p, size_t kind, int64_t hour, struct cell *cell,
		     const struct cell_gauge *gauge)
{
	struct plan_fold fold;

	plan_fold_start(&fold, stat_kinds[kind], hour, hour + 1, p->settings.now_second);
	fold.subject.cell = cell; /* lent: the fold is not released */
	if (gauge) {
		fold.subject.gauge = *gauge;
		fold.subject.samples = cell_samples(cell);
	}
	return push_point(p, kind, &fold);
}

static int fold_one(struct plan *p, size_t kind, int64_t hour, struct cell **cell, bool is_day)
{
	struct plan_fold *fold = &p->folds[kind];
	struct cell_gauge gauge;
	bool is_gauge = stat_kinds[kind] == KIND_GAUGE;
	int status = 0;

	if (is_gauge) {
		int64_t last = is_day ? hour + DAY_HOURS - 1 : hour;

		cell_gauge(*cell, &gauge);
		gauge_trail_put(&p->trail, last, &gauge);
		gauge.last = gauge_trail_last(&p->trail, last, &gauge.has_last);
	}
	if (fold->any && fold->to_hour <= hour)
		status = close_fold(p, kind);
	if (!fold->any)
		open_fold(p, kind, hour);
	if (status == 0 && p->route == ROUTE_DAY && !is_day)
		status = list_hour(p, kind, hour, *cell, is_gauge ? &gauge : NULL);
	if (status == 0)
		status = plan_fold_add(fold, cell, is_gauge ? &gauge : NULL);
	return status;
}

/* The first kind that has data is the answer's, so a kind found ends the interest in those
 * behind it. */
int plan_fold_cells(struct plan *p, struct plan_hour *from, bool is_day)
{
	size_t kind, behind;

	for (kind = 0; kind < STAT_KINDS; kind++) {
		if (p->kinds & 1u << kind && from->cells[kind])
			break;
	}
	if (kind == STAT_KINDS)
		return 0;
	p->kinds &= (2u << kind) - 1;
	for (behind = kind + 1; behind < STAT_KINDS; behind++)
		drop_kind(p, behind);
	return fold_one(p, kind, from->hour, &from->cells[kind], is_day);
}

/* Folds the settled hours. */
static int fold_window(struct plan *p)
{
	size_t i;
	int status = 0;

	p->digest = plan_window_digest(&p->main, p->digest);
	for (i = 0; i < p->main.count && status == 0; i++)
		status = plan_fold_cells(p, &p->main.hours[i], false);
	return status;
}

/* ---- phases --------------------------------------------------------------------------------- */

bool plan_found_any(const struct plan *p)
{
	size_t i;

	for (i = 0; i < STAT_KINDS; i++) {
		if (p->folds[i].any || p->points[i].count > 0)
			return true;
	}
	return false;
}

/* All that was asked for is through. */
static int finish(struct plan *p)
{
	size_t i;
	int status = 0;

	plan_window_release(&p->main);
	for (i = 0; i < STAT_KINDS && status == 0; i++)
		status = close_fold(p, i);
	p->phase = PHASE_DONE;
	if (status == 0 && !plan_found_any(p) && p->route != ROUTE_KEY) {
		p->phase = PHASE_LATE;
		status = ask_names(p, PLAN_LAST, ALL_KINDS);
	}
	return status;
}

/* Days are there: fold them, then take what comes next or end. */
static int after_days(struct plan *p)
{
	int status = plan_day_next(p);

	if (status != 0)
		return status < 0 ? status : 0;
	return finish(p);
}

/* The hours of a window are there: fold them, then take the next ones, or what comes next. */
static int after_window(struct plan *p)
{
	int status = fold_window(p);

	if (status < 0)
		return status;
	return p->next_hour < p->stop_hour ? plan_start_hours(p) : after_days(p);
}

/* The names of an overview are there: its hour is the last one of the first kind that has it. */
static int after_names(struct plan *p)
{
	size_t i, best = STAT_KINDS;

	for (i = 0; i < STAT_KINDS; i++) {
		if (p->known & 1u << i &&
		    (best == STAT_KINDS || p->last_hours[i] > p->last_hours[best]))
			best = i;
	}
	p->phase = PHASE_DONE;
	if (best == STAT_KINDS)
		return 0;
	p->kinds = 1u << best;
	p->from_hour = p->next_hour = p->last_hours[best];
	p->to_hour = p->stop_hour = p->from_hour + 1;
	return plan_start_hours(p);
}

static int step_window(struct plan *p)
{
	enum plan_status status = plan_window_step(window(p), &p->round);

	if (status == PLAN_FAILED)
		return window(p)->error;
	if (status == PLAN_MORE)
		return 0;
	if (p->route == ROUTE_MOVING)
		return plan_moving_next(p);
	if (p->phase == PHASE_DAYS)
		return after_days(p);
	if (p->phase == PHASE_BACK) {
		plan_follow_trail(p);
		return after_window(p);
	}
	return plan_must_look_back(p) ? plan_start_back(p) : after_window(p);
}

enum plan_status plan_step(struct plan *p)
{
	assert(p->phase != PHASE_DONE && !p->error);
	p->round.count = 0;
	if (p->phase == PHASE_NAMES)
		p->error = p->route == ROUTE_MOVING ? plan_moving_start(p) : after_names(p);
	else if (p->phase == PHASE_LATE)
		p->phase = PHASE_DONE;
	else
		p->error = step_window(p);
	/* A window of hours without any manifest may be over at once. */
	if (!p->error && p->phase != PHASE_DONE && p->round.count == 0)
		return plan_step(p);
	if (p->error)
		return PLAN_FAILED;
	return p->phase == PHASE_DONE ? PLAN_DONE : PLAN_MORE;
}

uint64_t plan_digest(const struct plan *p)
{
	return p->digest;
}

int plan_error(const struct plan *p)
{
	return p->error;
}

struct plan_costs plan_costs(const struct plan *p)
{
	struct plan_costs sum = p->main.costs;

	sum.cells += p->back.costs.cells + p->days.costs.cells;
	sum.bytes += p->back.costs.bytes + p->days.costs.bytes;
	sum.retries += p->back.costs.retries + p->days.costs.retries;
	return sum;
}
