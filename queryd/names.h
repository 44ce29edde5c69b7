/*
 * names.h - the keys there are, sorted, for /v1/keys.
 *
 * Names come in any order and more than once; they wait until names_settle() merges them
 * into the sorted list (or names_replace() puts them in its place, which also forgets names
 * that are gone). Asking about one exact key never needs this index. Cost: 16 bytes and one
 * allocation a name, up to a ceiling; names over it are counted and left out. Pure; one thread.
 */
#ifndef QUERYD_NAMES_H
#define QUERYD_NAMES_H

#include "proto/glob.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names_entry {
	uint8_t *bytes;
	uint32_t size;
	uint8_t kinds; /* bits by stat_kind_index() */
};

struct names_list {
	struct names_entry *entries;
	size_t count;
	size_t capacity;
};

struct names {
	/* private */
	struct names_list sorted;
	struct names_list waiting;
	size_t max;
	uint64_t dropped;
};

void names_init(struct names *n, size_t max); /* empty; at most max names, max > 0 */
void names_release(struct names *n);          /* frees what it holds */

/* Adds a name (copied) in one of its kinds (bits by stat_kind_index()) to the waiting. 0, -ENOMEM,
 * -ENOBUFS (max are waiting already). */
int names_add(struct names *n, struct slice name, unsigned kinds)
	__attribute__((warn_unused_result));

/* Merges the waiting into the list. 0, -ENOMEM (then they wait on). */
int names_settle(struct names *n) __attribute__((warn_unused_result));

/* The waiting become the list; the old one is forgotten. */
void names_replace(struct names *n);

/* Throws the waiting away. */
void names_discard(struct names *n);

size_t names_count(const struct names *n);     /* names in the list */
bool names_full(const struct names *n);        /* some were left out: the list is not whole */
uint64_t names_dropped(const struct names *n); /* how often one was left out for the ceiling */

struct names_page {
	struct slice *keys; /* the caller's array of `limit` slices; borrowed from the list */
	size_t limit;
	size_t count;
	bool more;          /* further names match */
};

/* The name at a place of the list, in byte order, and its kinds. Borrowed until the list
 * changes. */
struct slice names_at(const struct names *n, size_t index, unsigned *kinds);

/* The first place whose name is not below the given one. */
size_t names_seek(const struct names *n, struct slice name);

#endif
