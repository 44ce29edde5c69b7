/*
 * recall.h - cells in the cache: of one series, in an hour or a day rolled up.
 *
 * What plans (plan_window.h) and surveys (survey.h) have read between two manifests that are the same to the
 * version is kept as Redis gave it, also that there was nothing, and believed while a manifest says the
 * same again: what a partial has under a version never changes (KEYS.md). The question is the key: who may
 * ask it was judged before there was a plan, by the series' spelling alone. Pure.
 */
#ifndef QUERYD_RECALL_H
#define QUERYD_RECALL_H

#include "proto/buf.h"
#include "proto/kind.h"
#include "queryd/cache.h"
#include "queryd/partials.h"

struct recall_key {
	bool day;       /* rolled up; else the hour */
	unsigned kinds; /* that were asked for; bits by plan_kind_index() */
	int64_t hour;   /* of a day the first */
	struct slice series;
};

/* What is kept under a manifest. False when it is not, or under another. Borrowed until recall_keep(). */
bool recall_find(struct cache *cache, const struct recall_key *key, const struct partials *listed,
		 struct slice *found);

/* The next cell of what was found; false at the end. */
bool recall_next(struct reader *found, enum kind *kind, struct slice *blob);

/* Notes a cell to be kept. */
void recall_note(struct buf *kept, enum kind kind, struct slice blob);

/* All cells are noted: keeps them if the manifests before and after them are the same to the version.
 * Releases what was noted. */
void recall_keep(struct cache *cache, const struct recall_key *key, const struct partials *before,
		 const struct partials *after, struct buf *kept);

#endif
