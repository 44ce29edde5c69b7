/*
 * map.h - a hash table from bytes to a pointer.
 *
 * Open addressing with linear probing over XXH3, at most 3/4 full, keys copied into their
 * own allocation, values the caller's. Cost a key: one allocation of its bytes and 43-85
 * bytes of table (a slot has 32). Deleting shifts back, so there are no tombstones. Iteration
 * order is the table's and changes with growth: sort where order matters. One thread at a time.
 */
#ifndef PROTO_MAP_H
#define PROTO_MAP_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
	uint64_t hash;
	uint8_t *key; /* NULL: free */
	uint32_t key_size;
	void *value;
};

struct map {
	/* private */
	struct map_slot *slots;
	size_t capacity;
	size_t count;
};

/* An empty map; allocates nothing yet. */
void map_init(struct map *m);

/* Frees keys and table, not the values. The map is empty and usable again. */
void map_release(struct map *m);

size_t map_count(const struct map *m); /* keys in it */

/* The value of a key, or NULL. */
void *map_get(const struct map *m, struct slice key);

/* Sets a key's value (not NULL), copying a new key. 0, -ENOMEM. */
int map_put(struct map *m, struct slice key, void *value) __attribute__((warn_unused_result));

/* Takes a key out and returns its value, or NULL. */
void *map_remove(struct map *m, struct slice key);

/* Walks all: start with *cursor = 0; false at the end. The map must not change meanwhile.
 * key may be NULL. */
bool map_next(const struct map *m, size_t *cursor, struct slice *key, void **value);

/* Bytes of the table and the keys, without the values. */
size_t map_memory(const struct map *m);

#endif
