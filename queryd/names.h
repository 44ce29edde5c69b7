/*
 * names.h - the keys there are, sorted, for /v1/keys and whoever chooses among keys.
 *
 * Names come in any order and more than once; they wait until they are merged into the index, or, while
 * all is read anew, are counted as met (names_seen.h); then an index of these takes its place, which
 * forgets names that are gone. Merging is steps, so that those that take long may run in
 * another thread: they work on what the first took along. The index itself never changes
 * (names_index.h): names_pin() keeps one generation for who walks through it beside the loop.
 * Asking about one exact key never needs this. Up to a ceiling; names over it are counted and left
 * out. Pure; but for the middle step one thread.
 */
#ifndef QUERYD_NAMES_H
#define QUERYD_NAMES_H

#include "proto/glob.h"
#include "proto/slice.h"
#include "queryd/names_index.h"
#include "queryd/names_seen.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names {
	/* private */
	struct names_index *index; /* NULL: empty */
	struct names_seen seen;    /* since all is read anew */
	bool anew;                 /* it is */
	struct names_batch waiting;
	size_t max;
	uint64_t dropped;
};

void names_init(struct names *n, size_t max); /* empty; at most max names, max > 0 */
void names_release(struct names *n);          /* frees what it holds */

/* Adds a name (copied) in one of its kinds (bits by stat_kind_index()) to the waiting. 0,
 * -ENOMEM. */
int names_add(struct names *n, struct slice name, unsigned kinds)
	__attribute__((warn_unused_result));

size_t names_waiting(const struct names *n); /* names that wait, repetitions too */

/* What becomes of the waiting. */
enum names_merge_how {
	NAMES_ADD,     /* they are added to the index */
	NAMES_ANEW,    /* they were met again, or are new, while all is read anew */
	NAMES_REPLACE, /* the same, and they were the last: the index is what was met */
};

/* What a merge works on. */
struct names_merge {
	/* private */
	enum names_merge_how how;
	struct names_index *base, *out;
	struct names_seen seen;
	struct names_batch batch;
	size_t max;
	uint64_t dropped;
	int status;
};

/* Takes the waiting along, and what names_merge_run() needs of the rest. One merge at a time. */
void names_merge_take(struct names *n, enum names_merge_how how, struct names_merge *m);

/* Merges; in any thread. */
void names_merge_run(struct names_merge *m);

/* Puts the result in its place. 0; -ENOMEM, then the names that were taken are lost, and while all is
 * read anew nothing is left to do but names_discard(). */
int names_merge_done(struct names *n, struct names_merge *m) __attribute__((warn_unused_result));

/* Frees what is left of it, which may be the whole index that was there before; in any thread. */
void names_merge_release(struct names_merge *m);

/* All of these at once, into the index. 0, -ENOMEM. */
int names_settle(struct names *n) __attribute__((warn_unused_result));

/* Throws away the waiting and what was met. */
void names_discard(struct names *n);

/* Makes *pinned the index as it is now, whatever comes to `n`; for reading only. names_release()
 * ends it. */
void names_pin(const struct names *n, struct names *pinned);

size_t names_count(const struct names *n);     /* names in the index */
bool names_full(const struct names *n);        /* some were left out: the index is not whole */
uint64_t names_dropped(const struct names *n); /* how often one was left out for the ceiling */

struct names_page {
	struct slice *keys; /* the caller's array of `limit` slices; borrowed from the index */
	size_t limit;
	size_t looks;       /* names to look at at most; 0: any number */
	size_t count;
	bool more;          /* further names match */
	bool cut;           /* there were more to look at */
};

/* Before the first name that is not below the given one. */
struct names_cursor names_seek(const struct names *n, struct slice name);

/* Goes over the next name, in byte order, with its kinds; false at the end. Borrowed until the
 * index changes. */
bool names_step(const struct names *n, struct names_cursor *at, struct slice *name,
		unsigned *kinds);

#endif
