/*
 * cache.h - bytes that were expensive to get, kept as long as what they were made from is the same.
 *
 * An entry is found by its key and believed only if its stamp is the one that is asked for, byte by
 * byte: here the key is an hour of a series, the stamp its manifest (partials and their versions), the
 * value the cells as Redis gave them (plan_window.h). So nothing ever has to be thrown away because it
 * became wrong; an entry whose stamp has passed is replaced, or forgotten as the least recently used.
 *
 * Bounded in bytes, the table and malloc's own share included. Hashed by a seed, which the caller
 * draws, so that nobody can choose keys that collide. One allocation an entry. Pure; one thread.
 */
#ifndef QUERYD_CACHE_H
#define QUERYD_CACHE_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one entry may take of the whole: 1 in so many. A larger one is not kept. */
#define CACHE_SHARE 8

struct cache;

struct cache_counts {
	uint64_t hits;
	uint64_t misses;    /* no such key */
	uint64_t stale;     /* the key, with another stamp */
	uint64_t evictions; /* taken out to make room */
	uint64_t passed;    /* what cache_pass() was told */
	size_t entries;
	size_t bytes; /* never more than the limit */
};

/* An empty one. limit_bytes > 0. *out is the caller's. 0, -ENOMEM. */
int cache_new(size_t limit_bytes, uint64_t seed, struct cache **out)
	__attribute__((warn_unused_result));

/* Frees it and its entries. NULL is allowed. */
void cache_free(struct cache *c);

/* Finds the value of a key, and counts. False when it is not there or its stamp differs. *value is
 * borrowed until the next put. */
bool cache_get(struct cache *c, struct slice key, struct slice stamp, struct slice *value);

/* Keeps a copy, in the place of what the key had. What is too large, or for which there is no
 * memory, is not kept; what the key had is then gone too. */
void cache_put(struct cache *c, struct slice key, struct slice stamp, struct slice value);

/* So many values were got elsewhere without being looked for here. */
void cache_pass(struct cache *c, uint64_t count);

size_t cache_limit(const struct cache *c); /* in bytes */

/* What it has come to so far. */
struct cache_counts cache_counts(const struct cache *c);

#endif
