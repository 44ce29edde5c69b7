/*
 * names_index.h - a sorted set of names that never changes.
 *
 * A change makes another index: names lie in blocks of a few hundred, the new index shares those
 * that nothing was added to, and only the others are written anew. So whoever holds an index may
 * walk through it for as long as it takes, in any thread, while the next one is made elsewhere.
 * Indexes and blocks are counted atomically and freed with their last holder. A name costs its
 * bytes and five more. Pure.
 */
#ifndef QUERYD_NAMES_INDEX_H
#define QUERYD_NAMES_INDEX_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names_index;

/* Names on their way into an index: in any order, several times. */
struct names_batch {
	/* private */
	struct names_item *items;
	size_t count, capacity;
	uint8_t *bytes;
	size_t size, room;
	bool sorted; /* and single */
};

/* Copies a name in, with its kinds (bits by stat_kind_index()). 0, -ENOMEM. */
int names_batch_add(struct names_batch *b, struct slice name, unsigned kinds)
	__attribute__((warn_unused_result));

void names_batch_release(struct names_batch *b); /* frees it; it is empty then */

/* An index with the names of the base (NULL: none) and of the batch, which gets sorted; at most max
 * of them: of those that are new the last in byte order are left out, and *dropped counts them. One hold
 * of the base is given away; if nobody else has one, its blocks are freed as soon as they are
 * copied, and both are never there as a whole. *out is the caller's. 0, -ENOMEM. */
int names_index_merge(struct names_index *base, struct names_batch *batch, size_t max,
		      struct names_index **out, uint64_t *dropped)
	__attribute__((warn_unused_result));

/* One more holder of it; NULL is the empty index. Returns it. */
struct names_index *names_index_hold(struct names_index *index);

/* One holder less; the last one frees it. */
void names_index_drop(struct names_index *index);

size_t names_index_count(const struct names_index *index); /* names in it */
bool names_index_full(const struct names_index *index);    /* some were left out on the way */

/* A place between names. */
struct names_cursor {
	/* private */
	size_t block, place;
};

/* Before the first name that is not below the given one. */
struct names_cursor names_index_seek(const struct names_index *index, struct slice name);

/* Goes over the next name, in byte order; false at the end. Borrowed from the index. */
bool names_index_step(const struct names_index *index, struct names_cursor *at, struct slice *name,
		      unsigned *kinds);

#endif
