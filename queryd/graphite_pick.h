/*
 * graphite_pick.h - which keys and stats a target's path, or seriesByTag(), names.
 *
 * Looks through the index of names. A pick is a key, a stat, and the kind in which the key has
 * it: the first that does. In the order of keys, of a key's stats in that of an overview, each
 * once. Pure.
 */
#ifndef QUERYD_GRAPHITE_PICK_H
#define QUERYD_GRAPHITE_PICK_H

#include "queryd/graphite_path.h"
#include "queryd/graphite_tags.h"
#include "queryd/scope.h"

#include <stddef.h>

#define GRAPHITE_LOOKS_TAG 4

/* What one request may spend on finding keys. */
struct graphite_effort {
	uint64_t looks; /* names, again for each path; with tags they count fourfold */
	uint64_t stats; /* of the keys among them, as an editor is shown them */
	uint64_t regex; /* the budget of regular expressions (regex.h) */
};

/* What is allowed at all; and with brief what a loop that serves others may spend on one, some 2 ms:
 * 4,096 names, or twice as many stats. Who is short of it is told -EAGAIN, and to be run beside the loop. */
struct graphite_effort graphite_effort(bool brief);

/* Spends looks, or stats. 0, ERR_TOO_LARGE. */
int graphite_look(uint64_t *looks, uint64_t count) __attribute__((warn_unused_result));

struct graphite_pick {
	struct slice key; /* borrowed from the names */
	enum kind kind;
	struct stat_asked stat;
	size_t place; /* private */
};

struct graphite_picks {
	struct graphite_pick *list;
	size_t count, capacity;
	size_t max;       /* more are ERR_TOO_LARGE */
	uint64_t *looks;  /* how many more names may be looked at; shared, borrowed */
};

/* Adds what a path names, to picks that are empty. 0, -ENOMEM, ERR_TOO_LARGE. */
int graphite_pick_path(struct graphite_picks *picks, const struct scope_keys *keys,
		       const struct graphite_paths *paths) __attribute__((warn_unused_result));

/* Adds what tag expressions name. The same, and ERR_TOO_LARGE when they cost too much. */
int graphite_pick_tags(struct graphite_picks *picks, const struct scope_keys *keys,
		       struct graphite_tags *tags) __attribute__((warn_unused_result));

/* Frees the list. */
void graphite_picks_release(struct graphite_picks *picks);

#endif
