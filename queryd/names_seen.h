/*
 * names_seen.h - the names of an index that are met again.
 *
 * When all names are read anew, nearly all are known already. Those are only marked, a byte each;
 * what is new is kept in an index of its own, which is small then. At the end blocks whose names were all
 * met are shared with the index before, so that reading all anew takes next to no memory beside the index. Pure; any
 * thread, one at a time.
 */
#ifndef QUERYD_NAMES_SEEN_H
#define QUERYD_NAMES_SEEN_H

#include "queryd/names_index.h"

struct names_seen {
	/* private */
	struct names_index *base;
	uint8_t *kinds; /* in which a name was met again, by block and place */
	struct names_index *fresh;
};

/* Begins with an index (NULL: empty), which it holds until names_seen_release(). Nothing is met. */
void names_seen_init(struct names_seen *s, struct names_index *base);

void names_seen_release(struct names_seen *s); /* frees what it holds; it is an empty one then */

/* Marks the batch's names, and keeps those that are new, at most max; *dropped counts others. The batch
 * is changed. 0; -ENOMEM, then it is of no use any more. */
int names_seen_take(struct names_seen *s, struct names_batch *batch, size_t max, uint64_t *dropped)
	__attribute__((warn_unused_result));

/* Makes the index of all that was met, at most max names; *dropped counts others. What was new
 * is taken out of it. *out is the caller's. 0, -ENOMEM. */
int names_seen_settle(struct names_seen *s, size_t max, struct names_index **out, uint64_t *dropped)
	__attribute__((warn_unused_result));

#endif
