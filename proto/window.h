/*
 * window.h - the last N elements of something, and the average of the last n of them.
 *
 * An element is a value and its position. Positions order elements: the last N are those with the
 * greatest (position, value), whatever the order they were added in. So windows of parts of a
 * history merge to the window of the whole: adding and merging commute and associate to the bit.
 * Here a position is a second and a tie, 16 bits that decide among the elements of one second
 * (cell_window.h draws them).
 *
 *     window_add            O(1) for an element that is the latest, or older than all of a full
 *                           window; else a step for each element that is later
 *     window_average(all)   O(1): the sum is kept, exactly (exact_sum.h), so that it does not drift
 *     window_average(n)     O(n), as exactly
 *
 * Memory: 16 bytes an element, made room for as they come, at most N; and 600. Pure; one thread.
 */
#ifndef PROTO_WINDOW_H
#define PROTO_WINDOW_H

#include "proto/exact_sum.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_MAX      1025
#define WINDOW_TIE_BITS 16

struct window_element {
	uint64_t position; /* second << WINDOW_TIE_BITS | tie */
	double value;
};

struct window {
	/* private */
	struct window_element *ring;
	uint32_t capacity; /* N */
	uint32_t room;     /* of the ring */
	uint32_t start;    /* the oldest */
	uint32_t count;
	struct exact_sum sum;
};

/* The position of an element of a second. */
static inline uint64_t window_position(int64_t second, uint16_t tie)
{
	return (uint64_t)second << WINDOW_TIE_BITS | tie;
}

/* The second of a position. */
static inline int64_t window_second(uint64_t position)
{
	return (int64_t)(position >> WINDOW_TIE_BITS);
}

/* An empty window of the last `capacity` elements, 1 to WINDOW_MAX. Allocates nothing yet. */
void window_init(struct window *w, uint32_t capacity);

/* Frees the elements. The window must be readied again. */
void window_release(struct window *w);

/* Adds an element with a finite value (-0 becomes 0). What then is not among the last N is gone. 0;
 * -ENOMEM: nothing changed. */
int window_add(struct window *w, uint64_t position, double value)
	__attribute__((warn_unused_result));

/* Adds all elements of src to dst, which then is a window of the lesser of both capacities: only
 * so many of the last are known of both. 0; -ENOMEM: nothing changed. */
int window_merge(struct window *dst, const struct window *src)
	__attribute__((warn_unused_result));

uint32_t window_capacity(const struct window *w); /* N */
uint32_t window_count(const struct window *w);    /* elements in it, at most N */
size_t window_memory(const struct window *w);     /* bytes held, without the struct */

/* An element; 0 is the oldest, window_count - 1 the latest. */
struct window_element window_at(const struct window *w, uint32_t index);

/* Whether an element would be refused: the window is full of later ones. */
bool window_is_past(const struct window *w, uint64_t position);

/* The average of the last n elements, 1 <= n <= window_count, within one unit in the last place. */
double window_average(const struct window *w, uint32_t n);

#endif
