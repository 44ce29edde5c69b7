/*
 * queue.h - what is going to happen, in order of time.
 *
 * A binary heap. Of two events at one time the one put first comes first; an event put back keeps its
 * place, so that what waits for a stopped process stays in order.
 */
#ifndef TESTS_SIM_QUEUE_H
#define TESTS_SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;
struct event;

typedef void (*event_fn)(struct world *w, const struct event *event);

struct event {
	int64_t at_ms;
	uint64_t serial; /* queue's */
	event_fn run;
	void *subject;
	uint64_t number;
	const void *bytes; /* of the run's arena */
	size_t size;
};

struct queue {
	struct event *heap;
	size_t count;
	size_t capacity;
	uint64_t serial;
};

/* Adds an event. */
void queue_put(struct queue *q, const struct event *event);

/* Adds an event that was taken from here again, for another time. */
void queue_put_back(struct queue *q, const struct event *event, int64_t at_ms);

/* The time of the next event; INT64_MAX when there is none. */
int64_t queue_next_ms(const struct queue *q);

/* Takes the next event. */
struct event queue_take(struct queue *q);

/* Frees it. */
void queue_release(struct queue *q);

#endif
