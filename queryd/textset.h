/*
 * textset.h - the first few of many texts, each once, in byte order.
 *
 * Holds at most `limit` texts, the least ones of all that were added; so what a browser shows
 * is found in one pass over a million names without holding them. Marks of one text add up.
 */
#ifndef QUERYD_TEXTSET_H
#define QUERYD_TEXTSET_H

#include "proto/slice.h"

#include <stddef.h>
#include <stdint.h>

struct textset_one {
	uint8_t *bytes;
	uint32_t size;
	unsigned marks;
};

struct textset {
	/* private but for reading */
	struct textset_one *list;
	size_t count, capacity, limit;
};

/* Empty; limit > 0. */
void textset_init(struct textset *s, size_t limit);

/* Adds a text (copied) with marks. 0, -ENOMEM. */
int textset_add(struct textset *s, struct slice text, unsigned marks)
	__attribute__((warn_unused_result));

/* The text in a place. Borrowed. */
struct slice textset_at(const struct textset *s, size_t index);

/* Frees it. */
void textset_release(struct textset *s);

#endif
