/*
 * plan_fold.h - the hours of one series folded into one thing a stat can be asked of.
 *
 * Used by plan.h and survey.h. Cells of distributions, counters and sets merge across hours as they
 * do within one. Gauges do not (their seconds are seconds of an hour): of them the last resolved
 * value and the least, greatest, sum and number of what was set are kept.
 */
#ifndef QUERYD_PLAN_FOLD_H
#define QUERYD_PLAN_FOLD_H

#include "proto/cell.h"
#include "queryd/stat.h"

struct plan_fold {
	struct stat_subject subject;
	bool any;
	int64_t from_hour, to_hour; /* of the span it stands for */
};

/* Reads a cell and merges it into *have, which may be NULL. 0; what cell_decode and cell_merge say;
 * ERR_MALFORMED for a cell of another kind. */
int plan_fold_blob(struct cell **have, enum kind kind, struct slice blob)
	__attribute__((warn_unused_result));

/* Empty, for the span [from, to). */
void plan_fold_start(struct plan_fold *f, enum kind kind, int64_t from_hour, int64_t to_hour,
		     int64_t now_second);

/* Adds an hour: takes *cell (which becomes NULL). gauge: of a gauge what its hour came to, last
 * resolved; else NULL. 0, or what cell_merge says. */
int plan_fold_add(struct plan_fold *f, struct cell **cell, const struct cell_gauge *gauge)
	__attribute__((warn_unused_result));

/* Adds all of another one, of the same kind and of later hours: takes its cell. As above. */
int plan_fold_join(struct plan_fold *f, struct plan_fold *later)
	__attribute__((warn_unused_result));

/* Frees the cell. */
void plan_fold_release(struct plan_fold *f);

#endif
