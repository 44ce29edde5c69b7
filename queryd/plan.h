/*
 * plan.h - from a request to what Redis is asked, and from its answers to values.
 *
 *            manifests         cells + manifests again        the set of partials changed:
 *     LIST -----------> READ ---------------------------> those hours once more (5 times)
 *                                                      \-> settled: folded in rising order
 *
 * An hour counts only the partials that its manifest names, so it is read between two manifests
 * with the same set of them. Hours are taken 48 at a time, and 240 once those before have shown
 * that the key's cells are light (plan_window_reach): a request holds a bounded number of cells.
 * Where a span takes whole days that are over (a range by days or in total), their rolled-up
 * cells are read in place of the hours, as many at a time; a day that is not rolled up is read
 * by its hours. A day's own answer lists its hours; only when there are none its rolled-up cell
 * is read. A gauge hour that only has changes makes the plan look 24 hours back. When nothing is
 * found, the names say why. An overview of a key asks the names first, and so does a moving
 * average (plan_moving.c), which then reads hours backwards from the key's last one.
 *
 * Works in rounds: plan_commands() lists what to ask, the answers are put in any order, and
 * plan_step() says what is next. Pure: no Redis, no clock, no sockets; many plans can run in
 * one thread. Many keys at once are survey.h's.
 */
#ifndef QUERYD_PLAN_H
#define QUERYD_PLAN_H

#include "proto/kind.h"
#include "proto/slice.h"
#include "queryd/route.h"
#include "queryd/stat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Kinds of cells that a plan asks for: those of series, and KIND_WINDOW. Bits of `kinds` are by
 * plan_kind_index(), which for the others is stat_kind_index(). */
#define PLAN_KINDS (STAT_KINDS + 1)

enum kind plan_kind(size_t index);      /* the kind of an index below PLAN_KINDS */
size_t plan_kind_index(enum kind kind); /* the index of a kind */

#define PLAN_WINDOW_HOURS 48  /* at first, and where cells are heavy */
#define PLAN_WINDOW_MOST  240 /* behind a window of light ones */
#define PLAN_TRIES        5

struct cache;
struct plan;

enum plan_ask {
	PLAN_MANIFEST, /* all fields of the hour's manifest: plan_put_pid each */
	PLAN_CELLS,    /* the key's fields of `kinds` in the partial: plan_put_cell each */
	PLAN_DAY,      /* as MANIFEST, of the day that begins with the hour */
	PLAN_DAY_CELLS, /* as CELLS, of that day */
	PLAN_FIRST,    /* the score of the key's field of a kind in nf: plan_put_score */
	PLAN_LAST,     /* the same in nl */
};

struct plan_command {
	enum plan_ask ask;
	unsigned kinds; /* bits by plan_kind_index(); of FIRST and LAST one */
	int64_t hour;   /* but of FIRST and LAST */
	uint64_t pid;   /* of CELLS */
	bool first;     /* of MANIFEST, DAY: no cells of the round are vouched for by it */
	size_t slot;    /* private */
};

enum plan_status {
	PLAN_MORE, /* ask plan_commands() again */
	PLAN_DONE,
	PLAN_FAILED, /* plan_error() says why; there is no answer */
};

#define PLAN_STOCK 64

/* Plans that are over, kept for those to come: they are large, and for something large malloc first
 * sorts all the small things that were freed, which took a tenth of an answer. Starts as zeros. */
struct plan_stock {
	/* private */
	struct plan *kept[PLAN_STOCK];
	size_t count;
};

void plan_stock_release(struct plan_stock *stock); /* frees what it keeps */

struct plan_settings {
	int64_t now_second;
	int64_t retention_hours; /* older hours are `expired` */
	int64_t kept_from;       /* no hour before this is there; 0: any may be */
	struct cache *cache;     /* of cells read before (cache.h), or NULL; borrowed */
	struct plan_stock *stock; /* or NULL; borrowed until the plan is freed */
};

/* Starts a plan for a request about a key (ROUTE_HOUR, DAY, RANGE, KEY or MOVING). *out is the caller's.
 * 0, -ENOMEM. */
int plan_new(const struct route_request *request, const struct plan_settings *settings,
	     struct plan **out) __attribute__((warn_unused_result));

/* Forgets all answers: starts over with the first commands, for another server. 0, -ENOMEM. */
int plan_again(struct plan *p) __attribute__((warn_unused_result));

/* Frees it. NULL is allowed. */
void plan_free(struct plan *p);

/* The key, canonical. Borrowed. */
struct slice plan_key(const struct plan *p);

/* What to ask in this round; borrowed until plan_step. */
const struct plan_command *plan_commands(const struct plan *p, size_t *count);

/* One field of a manifest: a partial, its version. */
void plan_put_pid(struct plan *p, size_t command, struct slice pid, struct slice version);

/* One cell that was there. */
void plan_put_cell(struct plan *p, size_t command, enum kind kind, struct slice blob);

/* A score that was there. */
void plan_put_score(struct plan *p, size_t command, double score);

/* Every command of the round has been answered. */
enum plan_status plan_step(struct plan *p);

/* Why it failed: -ENOMEM; -EAGAIN (the partials kept changing); ERR_TOO_LARGE (too many of them);
 * ERR_... of a cell or manifest that cannot be read. */
int plan_error(const struct plan *p);

/* ---- the answer, once done ------------------------------------------------------------------- */

struct plan_point {
	int64_t from_hour, to_hour; /* [from, to) */
	struct stat_result result;
};

enum plan_outcome {
	PLAN_VALUE,         /* there is data (a range's list may be empty) */
	PLAN_NO_DATA,       /* reason says why */
	PLAN_WRONG_KIND,    /* the key has no kind that has the stat; kind is one that it has */
	PLAN_NO_WINDOW,     /* of MOVING: the last elements of the key are not kept */
	PLAN_SMALL_WINDOW,  /* of MOVING: fewer are kept than were asked for */
};

/* The moving average of the last elements. */
struct plan_moving {
	uint32_t window;   /* how many are kept, at the least of the hours read; 0: none */
	uint32_t elements; /* in the average: as many as were asked for, or all that are known */
	double value;
	int64_t first_second, last_second; /* of the oldest and latest of them, unix */
	bool exact;   /* they are the last samples there were, and all of them are known */
	bool sampled; /* some came with a rate below 1 */
};

struct plan_result {
	enum plan_outcome outcome;
	const char *reason;               /* of NO_DATA; static */
	enum kind kind;                   /* 0: none was found */
	struct stat_result total;         /* of HOUR and DAY */
	const struct plan_point *points;  /* of DAY (an hour each) and RANGE; borrowed */
	size_t point_count;
	unsigned known;                   /* of KEY: bits by stat_kind_index() */
	int64_t first_hour, last_hour;    /* of KEY */
	const struct stat_subject *last;  /* of KEY: the last hour, or NULL; borrowed */
	const struct plan_moving *moving; /* of MOVING; borrowed */
};

/* The answer of a plan that is done. What it borrows lives until plan_free. */
struct plan_result plan_result(struct plan *p);

/* A hash over the partials that were read and their versions: while it stays the same, so do the
 * cells. Of an hour or a day that is done. */
uint64_t plan_digest(const struct plan *p);

/* How many cells were read, their bytes, and how often hours were read again. */
struct plan_costs {
	uint64_t cells, bytes, retries;
};

/* What it has cost so far. */
struct plan_costs plan_costs(const struct plan *p);

#endif
