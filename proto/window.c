// SPDX-License-Identifier: Apache-2.0
/*
 * A ring in order of (position, value), the oldest first. What is added goes in from the latest
 * end, by insertion: elements come nearly in order. The exact sum of all that is in the ring goes
 * along, so what enters and leaves does not make it drift.
 */
#include "proto/window.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_FIRST_ROOM 16

void window_init(struct window *w, uint32_t capacity)
{
	assert(capacity >= 1 && capacity <= WINDOW_MAX);
	*w = (struct window){ .capacity = capacity };
}

void window_release(struct window *w)
{
	free(w->ring);
	w->ring = NULL;
	w->room = w->start = w->count = 0;
}

uint32_t window_capacity(const struct window *w)
{
	return w->capacity;
}

uint32_t window_count(const struct window *w)
{
	return w->count;
}

size_t window_memory(const struct window *w)
{
	return w->room * sizeof(*w->ring);
}

static struct window_element *window_slot(const struct window *w, uint32_t index)
{
	uint32_t at = w->start + index;

	return w->ring + (at < w->room ? at : at - w->room);
}

struct window_element window_at(const struct window *w, uint32_t index)
{
	assert(index < w->count);
	return *window_slot(w, index);
}

/* Whether a comes before b. */
static bool window_before(const struct window_element *a, const struct window_element *b)
{
	return a->position != b->position ? a->position < b->position : a->value < b->value;
}

bool window_is_past(const struct window *w, uint64_t position)
{
	return w->count == w->capacity && position < window_slot(w, 0)->position;
}

/* Makes room for one more. The ring only grows before it has ever been full, when it still begins
 * at its first slot. */
static int window_make_room(struct window *w)
{
	uint32_t room = w->room ? 2 * w->room : WINDOW_FIRST_ROOM;
	struct window_element *ring;

	if (w->count < w->room)
		return 0;
	assert(w->start == 0);
	if (room > w->capacity)
		room = w->capacity;
	ring = realloc(w->ring, room * sizeof(*ring));
	if (ring == NULL)
		return -ENOMEM;
	w->ring = ring;
	w->room = room;
	return 0;
}

static void window_drop_oldest(struct window *w)
{
	exact_sum_remove(&w->sum, window_slot(w, 0)->value);
	w->start = w->start + 1 < w->room ? w->start + 1 : 0;
	w->count--;
}

int window_add(struct window *w, uint64_t position, double value)
{
	const struct window_element added = { position, value + 0.0 };
	uint32_t at;
	int rc;

	if (w->count == w->capacity) {
		if (!window_before(window_slot(w, 0), &added))
			return 0;
		window_drop_oldest(w);
	}
	rc = window_make_room(w);
	if (rc < 0)
		return rc;
	for (at = w->count; at > 0 && window_before(&added, window_slot(w, at - 1)); at--)
		*window_slot(w, at) = *window_slot(w, at - 1);
	*window_slot(w, at) = added;
	w->count++;
	exact_sum_add(&w->sum, added.value);
	return 0;
}

int window_merge(struct window *dst, const struct window *src)
{
	uint32_t capacity = dst->capacity < src->capacity ? dst->capacity : src->capacity;
	uint32_t total = dst->count + src->count;
	uint32_t count = total < capacity ? total : capacity;
	uint32_t left = dst->count, right = src->count;
	struct window merged;

	window_init(&merged, capacity);
	if (count > 0) {
		merged.ring = malloc(count * sizeof(*merged.ring));
		if (merged.ring == NULL)
			return -ENOMEM;
	}
	merged.room = merged.count = count;
	/* From the latest back: what is not reached is older than the last N. */
	for (uint32_t at = count; at > 0; at--) {
		bool from_src = left == 0 ||
				(right > 0 && window_before(window_slot(dst, left - 1),
							    window_slot(src, right - 1)));

		merged.ring[at - 1] = from_src ? *window_slot(src, --right) :
						 *window_slot(dst, --left);
		exact_sum_add(&merged.sum, merged.ring[at - 1].value);
	}
	free(dst->ring);
	*dst = merged;
	return 0;
}

double window_average(const struct window *w, uint32_t n)
{
	struct exact_sum sum;

	assert(n >= 1 && n <= w->count);
	if (n == w->count)
		return exact_sum_average(&w->sum, n);
	memset(&sum, 0, sizeof(sum));
	for (uint32_t i = w->count - n; i < w->count; i++)
		exact_sum_add(&sum, window_slot(w, i)->value);
	return exact_sum_average(&sum, n);
}
