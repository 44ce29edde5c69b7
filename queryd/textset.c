// SPDX-License-Identifier: Apache-2.0
/*
 * textset.c - a sorted array with a ceiling.
 *
 * Full, it keeps the least: the last one goes for one that comes before it. Names come nearly
 * in order, so most are placed by one comparison, without a search.
 */
#include "queryd/textset.h"

#include "queryd/grow.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void textset_init(struct textset *s, size_t limit)
{
	assert(limit > 0);
	*s = (struct textset){ .limit = limit };
}

struct slice textset_at(const struct textset *s, size_t index)
{
	assert(index < s->count);
	return slice_of(s->list[index].bytes, s->list[index].size);
}

/* The first place that is not below the text. */
static size_t place_of(const struct textset *s, struct slice text)
{
	size_t low = 0, high = s->count;

	/* Names come sorted, so most texts belong at the end or are the last one again. */
	if (high > 0 && slice_compare(textset_at(s, high - 1), text) < 0)
		return high;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (slice_compare(textset_at(s, middle), text) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int textset_add(struct textset *s, struct slice text, unsigned marks)
{
	struct textset_one one = { .size = (uint32_t)text.size, .marks = marks };
	size_t at = place_of(s, text);
	struct textset_one *list;

	if (at < s->count && slice_equal(textset_at(s, at), text)) {
		s->list[at].marks |= marks;
		return 0;
	}
	if (at == s->limit)
		return 0;
	list = grow(s->list, s->count, &s->capacity, sizeof(*list));
	if (!list)
		return -ENOMEM;
	s->list = list;
	one.bytes = malloc(text.size + 1);
	if (!one.bytes)
		return -ENOMEM;
	if (text.size > 0)
		memcpy(one.bytes, text.ptr, text.size);
	if (s->count == s->limit)
		free(list[--s->count].bytes);
	memmove(list + at + 1, list + at, (s->count - at) * sizeof(*list));
	list[at] = one;
	s->count++;
	return 0;
}

void textset_release(struct textset *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		free(s->list[i].bytes);
	free(s->list);
	s->list = NULL;
	s->count = s->capacity = 0;
}
