// SPDX-License-Identifier: Apache-2.0
#include "proto/map.h"

#include "proto/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define MAP_FIRST_SLOTS 8

void map_init(struct map *m)
{
	*m = (struct map){ 0 };
}

void map_release(struct map *m)
{
	for (size_t i = 0; i < m->capacity; i++)
		free(m->slots[i].key);
	free(m->slots);
	map_init(m);
}

size_t map_count(const struct map *m)
{
	return m->count;
}

/* The slot that holds the key, or the free one where it would go. */
static struct map_slot *map_find(const struct map *m, uint64_t hash, struct slice key)
{
	size_t at = hash & (m->capacity - 1);

	for (;; at = (at + 1) & (m->capacity - 1)) {
		struct map_slot *slot = &m->slots[at];

		if (slot->key == NULL)
			return slot;
		if (slot->hash == hash && slice_equal(slice_of(slot->key, slot->key_size), key))
			return slot;
	}
}

static int map_grow(struct map *m)
{
	struct map grown = { .capacity = m->capacity ? 2 * m->capacity : MAP_FIRST_SLOTS,
			     .count = m->count };

	grown.slots = calloc(grown.capacity, sizeof(*grown.slots));
	if (grown.slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < m->capacity; i++) {
		struct map_slot *old = &m->slots[i];

		if (old->key != NULL)
			*map_find(&grown, old->hash, slice_of(old->key, old->key_size)) = *old;
	}
	free(m->slots);
	*m = grown;
	return 0;
}

void *map_get(const struct map *m, struct slice key)
{
	struct map_slot *slot;

	if (m->count == 0)
		return NULL;
	slot = map_find(m, hash64(key), key);
	return slot->key ? slot->value : NULL;
}

int map_put(struct map *m, struct slice key, void *value)
{
	uint64_t hash = hash64(key);
	struct map_slot *slot;
	uint8_t *copy;

	assert(value != NULL && key.size <= UINT32_MAX);
	if (4 * (m->count + 1) > 3 * m->capacity && map_grow(m) < 0)
		return -ENOMEM;
	slot = map_find(m, hash, key);
	if (slot->key == NULL) {
		copy = malloc(key.size ? key.size : 1);
		if (copy == NULL)
			return -ENOMEM;
		if (key.size)
			memcpy(copy, key.ptr, key.size);
		*slot = (struct map_slot){ .hash = hash, .key = copy,
					   .key_size = (uint32_t)key.size };
		m->count++;
	}
	slot->value = value;
	return 0;
}

/* Closes the hole at `at`: whatever follows it in the same run and would be found earlier
 * moves back (Knuth, TAOCP 3, 6.4, algorithm R). */
static void map_close_hole(struct map *m, size_t at)
{
	size_t mask = m->capacity - 1;

	for (size_t next = (at + 1) & mask; m->slots[next].key != NULL; next = (next + 1) & mask) {
		size_t home = m->slots[next].hash & mask;

		if (((next - home) & mask) < ((next - at) & mask))
			continue;
		m->slots[at] = m->slots[next];
		at = next;
	}
	m->slots[at] = (struct map_slot){ 0 };
}

void *map_remove(struct map *m, struct slice key)
{
	struct map_slot *slot;
	void *value;

	if (m->count == 0)
		return NULL;
	slot = map_find(m, hash64(key), key);
	if (slot->key == NULL)
		return NULL;
	value = slot->value;
	free(slot->key);
	m->count--;
	map_close_hole(m, (size_t)(slot - m->slots));
	return value;
}

bool map_next(const struct map *m, size_t *cursor, struct slice *key, void **value)
{
	while (*cursor < m->capacity) {
		const struct map_slot *slot = &m->slots[(*cursor)++];

		if (slot->key == NULL)
			continue;
		if (key != NULL)
			*key = slice_of(slot->key, slot->key_size);
		*value = slot->value;
		return true;
	}
	return false;
}

size_t map_memory(const struct map *m)
{
	size_t bytes = m->capacity * sizeof(*m->slots);

	for (size_t i = 0; i < m->capacity; i++)
		bytes += m->slots[i].key_size;
	return bytes;
}
