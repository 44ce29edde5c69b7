/*
 * plan_window.h - some consecutive hours, or days, of one key, read between two manifests.
 *
 * Used by plan.h alone. A window lists its hours' manifests, then reads the cells of the
 * partials named there and the manifests again; hours whose set of partials changed in between
 * are read once more. Cells are merged as they come. A day rolled up is read in the same way: its
 * manifest names one partial, or there is none.
 *
 * With a cache, an hour whose manifest is the one that its cells were read under before needs no more
 * than that one manifest: what a partial has under a version never changes (KEYS.md). Cells are kept as Redis
 * gave them and merged again, so an answer is the same either way (plan_recall.c).
 */
#ifndef QUERYD_PLAN_WINDOW_H
#define QUERYD_PLAN_WINDOW_H

#include "proto/cell.h"
#include "queryd/cache.h"
#include "queryd/partials.h"
#include "queryd/plan.h"

struct plan_hour {
	int64_t hour;           /* of a day the first */
	struct partials listed; /* what is being read */
	struct partials again;  /* what the manifest says now */
	struct cell *cells[PLAN_KINDS];
	struct buf kept; /* with a cache: the cells as they came */
	bool settled;
	unsigned tries;
};

struct plan_window {
	struct cache *cache; /* or NULL; borrowed, as is the key */
	struct slice key;
	struct plan_hour *hours;
	size_t count;
	unsigned kinds;
	bool days;    /* not hours */
	bool reading; /* the round under way reads cells */
	bool light;   /* the last hours that were settled had little */
	size_t bytes; /* of cells, in this window */
	struct plan_costs costs;
	int error;
};

/* Commands of a round, and the error that spoils it. */
struct plan_round {
	struct plan_command *list;
	size_t count;
	size_t capacity;
};

/* An empty one for a key; cache may be NULL. Both are borrowed. */
void plan_window_init(struct plan_window *w, struct slice key, struct cache *cache);

/* Appends a command. 0, -ENOMEM, ERR_TOO_LARGE. */
int plan_round_add(struct plan_round *round, const struct plan_command *command)
	__attribute__((warn_unused_result));

/* How many hours, or days, the next window of this key should have at most: each round costs a wait for Redis, and
 * memory is what speaks for small ones. */
int64_t plan_window_reach(const struct plan_window *w);

/* Starts over with the hours [from, to) (at most PLAN_WINDOW_MOST) and kinds, asking for their
 * manifests. 0 and the codes of plan_round_add. */
int plan_window_start(struct plan_window *w, int64_t from_hour, int64_t to_hour, unsigned kinds,
		      struct plan_round *round) __attribute__((warn_unused_result));

/* The same with whole days: both ends are the first hours of days. */
int plan_window_start_days(struct plan_window *w, int64_t from_hour, int64_t to_hour,
			   unsigned kinds, struct plan_round *round)
	__attribute__((warn_unused_result));

/* Answers, as in plan.h; what is wrong with one is kept in w->error. */
void plan_window_put_pid(struct plan_window *w, size_t slot, struct slice pid,
			 struct slice version);
/* The same, of one cell. */
void plan_window_put_cell(struct plan_window *w, size_t slot, enum kind kind, struct slice blob);

/* Goes on after a round. PLAN_DONE when all hours are settled. */
enum plan_status plan_window_step(struct plan_window *w, struct plan_round *round);

/* A hash over the settled hours' partials and their versions as they were before the cells were
 * read, going on from seed: as long as it is the same, so are the cells. */
uint64_t plan_window_digest(const struct plan_window *w, uint64_t seed);

/* Frees the cells and lists; costs stay. */
void plan_window_release(struct plan_window *w);

/* ---- plan_recall.c ---------------------------------------------------------------------------- */

/* The cells of an hour whose manifest says `listed`, from the cache. 1 when they were there, 0 when
 * not, else what plan_fold_blob says. */
int plan_recall(struct plan_window *w, struct plan_hour *hour) __attribute__((warn_unused_result));

/* Notes a cell of an hour for the cache. */
void plan_recall_note(struct plan_window *w, struct plan_hour *hour, enum kind kind,
		      struct slice blob);

/* All cells of an hour have been noted, between two manifests that are the same to the version: keeps
 * them. */
void plan_recall_keep(struct plan_window *w, struct plan_hour *hour);

#endif
