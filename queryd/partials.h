/*
 * partials.h - what an hour's manifest lists: partials and their versions (KEYS.md).
 *
 * Used by what reads hours between two manifests (plan_window.h, survey.h): the same partials
 * before and after mean that all cells were read of one state of the hour. Bounded; pure.
 */
#ifndef QUERYD_PARTIALS_H
#define QUERYD_PARTIALS_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARTIALS_MAX 4096 /* of an hour in a partition */

struct partials_one {
	uint64_t pid;
	uint64_t version; /* of its last commit */
};

struct partials {
	struct partials_one *list;
	size_t count;
	size_t capacity;
};

/* Adds a field of a manifest and its value: 16 hex digits each. 0, ERR_MALFORMED, ERR_TOO_LARGE,
 * -ENOMEM. A struct of zeros is empty. */
int partials_add(struct partials *p, struct slice pid, struct slice version)
	__attribute__((warn_unused_result));

/* Orders them by pid: Redis lists a hash's fields in no particular order. */
void partials_sort(struct partials *p);

/* Whether the same partials are in both, which are sorted. What is new in one of them may have
 * been read or not: their versions do not count. */
bool partials_same(const struct partials *a, const struct partials *b);

/* The sorted list as bytes that are the same for the same partials and versions. Borrowed. */
static inline struct slice partials_bytes(const struct partials *p)
{
	return slice_of(p->list, p->count * sizeof(*p->list));
}

/* Whether they are the same to the version: then nothing was written in between. */
bool partials_equal(const struct partials *a, const struct partials *b);

/* A hash over pids and versions, going on from seed. */
uint64_t partials_digest(const struct partials *p, uint64_t seed);

/* Frees the list; it is empty again. */
void partials_release(struct partials *p);

#endif
