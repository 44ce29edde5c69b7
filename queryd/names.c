// SPDX-License-Identifier: Apache-2.0
#include "queryd/names.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct slice view(const struct names_entry *entry)
{
	return slice_of(entry->bytes, entry->size);
}

static void list_release(struct names_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		free(list->entries[i].bytes);
	free(list->entries);
	*list = (struct names_list){ 0 };
}

void names_init(struct names *n, size_t max)
{
	assert(max > 0);
	*n = (struct names){ .max = max };
}

void names_release(struct names *n)
{
	list_release(&n->sorted);
	list_release(&n->waiting);
}

int names_add(struct names *n, struct slice name, unsigned kinds)
{
	struct names_list *list = &n->waiting;
	struct names_entry entry = { .size = (uint32_t)name.size, .kinds = (uint8_t)kinds };

	if (list->count == n->max) {
		n->dropped++;
		return -ENOBUFS;
	}
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 64;
		struct names_entry *entries = realloc(list->entries, capacity * sizeof(*entries));
		if (!entries)
			return -ENOMEM;
		list->entries = entries;
		list->capacity = capacity;
	}
	entry.bytes = malloc(name.size ? name.size : 1);
	if (!entry.bytes)
		return -ENOMEM;
	if (name.size)
		memcpy(entry.bytes, name.ptr, name.size);
	list->entries[list->count++] = entry;
	return 0;
}

static int compare(const void *a, const void *b)
{
	return slice_compare(view(a), view(b));
}

/* Sorts the waiting; of repetitions one stays, with the kinds of all. */
static void sort_waiting(struct names *n)
{
	struct names_list *list = &n->waiting;
	size_t kept = 0, i;

	if (list->count > 1)
		qsort(list->entries, list->count, sizeof(*list->entries), compare);
	for (i = 0; i < list->count; i++) {
		if (kept > 0 && compare(&list->entries[kept - 1], &list->entries[i]) == 0) {
			list->entries[kept - 1].kinds |= list->entries[i].kinds;
			free(list->entries[i].bytes);
		} else {
			list->entries[kept++] = list->entries[i];
		}
	}
	list->count = kept;
}

/* Takes out of the sorted waiting what the list has already, and what is over the ceiling. */
static void drop_known(struct names *n)
{
	struct names_list *list = &n->waiting;
	size_t at = 0, kept = 0, i;

	for (i = 0; i < list->count; i++) {
		struct names_entry *entry = &list->entries[i];
		while (at < n->sorted.count && compare(&n->sorted.entries[at], entry) < 0)
			at++;
		bool known = at < n->sorted.count && compare(&n->sorted.entries[at], entry) == 0;
		bool full = n->sorted.count + kept >= n->max;
		if (!known && !full) {
			list->entries[kept++] = *entry;
			continue;
		}
		if (known)
			n->sorted.entries[at].kinds |= entry->kinds;
		n->dropped += !known;
		free(entry->bytes);
	}
	list->count = kept;
}

/* Merges from the ends, so that the list needs no second array. */
int names_settle(struct names *n)
{
	struct names_list *list = &n->sorted;
	size_t left, from, to;

	sort_waiting(n);
	drop_known(n);
	to = list->count + n->waiting.count;
	if (to > list->capacity) {
		struct names_entry *entries = realloc(list->entries, to * sizeof(*entries));
		if (!entries)
			return -ENOMEM;
		list->entries = entries;
		list->capacity = to;
	}
	left = list->count;
	from = n->waiting.count;
	list->count = to;
	while (from > 0) {
		const struct names_entry *new = &n->waiting.entries[from - 1];
		if (left > 0 && compare(&list->entries[left - 1], new) > 0)
			list->entries[--to] = list->entries[--left];
		else
			list->entries[--to] = n->waiting.entries[--from];
	}
	n->waiting.count = 0;
	return 0;
}

void names_replace(struct names *n)
{
	sort_waiting(n);
	list_release(&n->sorted);
	n->sorted = n->waiting;
	n->waiting = (struct names_list){ 0 };
}

void names_discard(struct names *n)
{
	list_release(&n->waiting);
}

size_t names_count(const struct names *n)
{
	return n->sorted.count;
}

uint64_t names_dropped(const struct names *n)
{
	return n->dropped;
}

bool names_full(const struct names *n)
{
	return n->dropped > 0 && n->sorted.count >= n->max;
}

struct slice names_at(const struct names *n, size_t index, unsigned *kinds)
{
	assert(index < n->sorted.count);
	*kinds = n->sorted.entries[index].kinds;
	return view(&n->sorted.entries[index]);
}

size_t names_seek(const struct names *n, struct slice name)
{
	const struct names_list *list = &n->sorted;
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (slice_compare(view(&list->entries[middle]), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
