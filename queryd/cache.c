// SPDX-License-Identifier: Apache-2.0
/*
 * cache.c - a hash table whose entries are also a list, by use.
 *
 * An entry is one block: key, stamp and value lie behind its header, so that a hit touches one
 * place and an eviction is one free. Its hash is kept, so that chains compare keys only when
 * hashes agree. The table has its size from the start, by the bytes that may be kept, and
 * counts among them: nothing is ever rehashed. The hash is seeded, because who asks chooses
 * keys.
 */
#include "queryd/cache.h"

#include "proto/hash.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A bucket for so many bytes: entries are a few hundred bytes, so chains stay short, and the table
 * is a sixty-fourth of the whole. */
#define BUCKET_BYTES 512

/* What malloc keeps beside a block. */
#define MALLOC_BYTES 16

struct entry {
	struct entry *next;          /* in its bucket */
	struct entry *newer, *older; /* by use */
	uint64_t hash;
	uint32_t key_size, stamp_size, value_size;
	uint8_t bytes[]; /* key, stamp, value */
};

struct cache {
	struct entry **buckets;
	size_t mask;
	size_t limit_bytes;
	uint64_t seed;
	struct entry *newest, *oldest;
	struct cache_counts counts;
};

int cache_new(size_t limit_bytes, uint64_t seed, struct cache **out)
{
	struct cache *c = calloc(1, sizeof(*c));
	size_t buckets = 1;

	if (!c)
		return -ENOMEM;
	while (buckets * 2 <= limit_bytes / BUCKET_BYTES)
		buckets *= 2;
	c->buckets = calloc(buckets, sizeof(struct entry *));
	if (!c->buckets) {
		free(c);
		return -ENOMEM;
	}
	c->mask = buckets - 1;
	c->limit_bytes = limit_bytes;
	c->seed = seed;
	c->counts.bytes = buckets * sizeof(struct entry *);
	*out = c;
	return 0;
}

void cache_free(struct cache *c)
{
	struct entry *older;

	if (!c)
		return;
	for (; c->newest; c->newest = older) {
		older = c->newest->older;
		free(c->newest);
	}
	free(c->buckets);
	free(c);
}

/* ---- entries -------------------------------------------------------------------------------- */

static size_t cost(size_t key_size, size_t stamp_size, size_t value_size)
{
	return sizeof(struct entry) + MALLOC_BYTES + key_size + stamp_size + value_size;
}

static struct slice stamp_of(const struct entry *e)
{
	return slice_of(e->bytes + e->key_size, e->stamp_size);
}

/* Where the pointer to the key's entry stands; to NULL when there is none. */
static struct entry **find(const struct cache *c, struct slice key, uint64_t hash)
{
	struct entry **at = &c->buckets[hash & c->mask];

	while (*at && ((*at)->hash != hash ||
		       !slice_equal(slice_of((*at)->bytes, (*at)->key_size), key)))
		at = &(*at)->next;
	return at;
}

static void unlink_use(struct cache *c, struct entry *e)
{
	*(e->newer ? &e->newer->older : &c->newest) = e->older;
	*(e->older ? &e->older->newer : &c->oldest) = e->newer;
}

static void link_newest(struct cache *c, struct entry *e)
{
	e->newer = NULL;
	e->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = e;
	c->newest = e;
}

static void drop(struct cache *c, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	unlink_use(c, e);
	c->counts.entries--;
	c->counts.bytes -= cost(e->key_size, e->stamp_size, e->value_size);
	free(e);
}

static void evict(struct cache *c)
{
	struct entry *e = c->oldest;

	drop(c, find(c, slice_of(e->bytes, e->key_size), e->hash));
	c->counts.evictions++;
}

bool cache_get(struct cache *c, struct slice key, struct slice stamp, struct slice *value)
{
	struct entry *e = *find(c, key, hash64_seeded(key, c->seed));

	if (!e) {
		c->counts.misses++;
		return false;
	}
	if (!slice_equal(stamp_of(e), stamp)) {
		c->counts.stale++;
		return false;
	}
	c->counts.hits++;
	unlink_use(c, e);
	link_newest(c, e);
	*value = slice_of(e->bytes + e->key_size + e->stamp_size, e->value_size);
	return true;
}

static struct entry *entry_new(uint64_t hash, struct slice key, struct slice stamp,
			       struct slice value)
{
	struct entry *e = malloc(sizeof(*e) + key.size + stamp.size + value.size);
	uint8_t *at;

	if (!e)
		return NULL;
	*e = (struct entry){
		.hash = hash,
		.key_size = (uint32_t)key.size,
		.stamp_size = (uint32_t)stamp.size,
		.value_size = (uint32_t)value.size,
	};
	at = e->bytes;
	memcpy(at, key.ptr, key.size);
	memcpy(at += key.size, stamp.ptr, stamp.size);
	if (value.size > 0)
		memcpy(at + stamp.size, value.ptr, value.size);
	return e;
}

void cache_put(struct cache *c, struct slice key, struct slice stamp, struct slice value)
{
	uint64_t hash = hash64_seeded(key, c->seed);
	size_t bytes = cost(key.size, stamp.size, value.size);
	struct entry **at = find(c, key, hash);
	struct entry *e;

	if (*at)
		drop(c, at);
	if (bytes > c->limit_bytes / CACHE_SHARE || bytes > UINT32_MAX)
		return;
	while (c->oldest && c->counts.bytes + bytes > c->limit_bytes)
		evict(c);
	e = entry_new(hash, key, stamp, value);
	if (!e)
		return;
	e->next = c->buckets[hash & c->mask];
	c->buckets[hash & c->mask] = e;
	link_newest(c, e);
	c->counts.entries++;
	c->counts.bytes += bytes;
}

void cache_pass(struct cache *c, uint64_t count)
{
	c->counts.passed += count;
}

size_t cache_limit(const struct cache *c)
{
	return c->limit_bytes;
}

struct cache_counts cache_counts(const struct cache *c)
{
	return c->counts;
}
