// SPDX-License-Identifier: Apache-2.0
/*
 * known.c - open addressing over two arrays of hashes that change places.
 *
 * Nothing is ever taken out singly: a generation is forgotten as a whole, and its array, zeroed,
 * serves the next one, unless it is far too large for what the last one held.
 */
#include "agent/known.h"

#include <stdlib.h>
#include <string.h>

#define KNOWN_FIRST_SLOTS 1024

void known_init(struct known *k, size_t most)
{
	*k = (struct known){ .most = most, .turn_ms = INT64_MIN };
}

void known_release(struct known *k)
{
	free(k->now.hashes);
	free(k->before.hashes);
	known_init(k, k->most);
}

void known_resize(struct known *k, size_t most)
{
	k->most = most;
}

/* Where a hash is, or the free slot where it would go. */
static uint64_t *known_slot(const struct known_set *set, uint64_t hash)
{
	size_t at = hash & (set->capacity - 1);

	while (set->hashes[at] != 0 && set->hashes[at] != hash)
		at = (at + 1) & (set->capacity - 1);
	return &set->hashes[at];
}

static bool known_in(const struct known_set *set, uint64_t hash)
{
	return set->count > 0 && *known_slot(set, hash) != 0;
}

static bool known_grow(struct known_set *set)
{
	struct known_set grown = { .capacity = set->capacity ? 2 * set->capacity :
							       KNOWN_FIRST_SLOTS,
				   .count = set->count };

	grown.hashes = calloc(grown.capacity, sizeof(*grown.hashes));
	if (grown.hashes == NULL)
		return false;
	for (size_t i = 0; i < set->capacity; i++)
		if (set->hashes[i] != 0)
			*known_slot(&grown, set->hashes[i]) = set->hashes[i];
	free(set->hashes);
	*set = grown;
	return true;
}

/* The older generation is forgotten; its memory serves the next unless that is far too much. */
static void known_turn(struct known *k, int64_t now_ms)
{
	struct known_set oldest = k->before;

	k->turn_ms = now_ms + KNOWN_GENERATION_MS;
	k->before = k->now;
	if (oldest.capacity > KNOWN_FIRST_SLOTS && k->before.count < oldest.capacity / 16) {
		free(oldest.hashes);
		oldest = (struct known_set){ 0 };
	}
	if (oldest.capacity > 0)
		memset(oldest.hashes, 0, oldest.capacity * sizeof(*oldest.hashes));
	oldest.count = 0;
	k->now = oldest;
}

/* Zero stands for free. */
static uint64_t known_value(uint64_t hash)
{
	return hash ? hash : 1;
}

static void known_put(struct known *k, uint64_t hash)
{
	struct known_set *set = &k->now;

	if (4 * (set->count + 1) > 3 * set->capacity && !known_grow(set))
		return;
	*known_slot(set, hash) = hash;
	set->count++;
}

bool known_has(struct known *k, uint64_t hash, int64_t now_ms)
{
	uint64_t value = known_value(hash);

	if (now_ms >= k->turn_ms)
		known_turn(k, now_ms);
	if (known_in(&k->now, value))
		return true;
	if (!known_in(&k->before, value))
		return false;
	known_add(k, hash, now_ms);
	return true;
}

void known_add(struct known *k, uint64_t hash, int64_t now_ms)
{
	uint64_t value = known_value(hash);

	if (now_ms >= k->turn_ms || k->now.count >= k->most)
		known_turn(k, now_ms);
	if (!known_in(&k->now, value))
		known_put(k, value);
}
