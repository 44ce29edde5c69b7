/*
 * redis_queue.h - who waits for which reply, in order.
 *
 * Redis answers in the order it was asked, so the waiting are a queue: a ring that doubles
 * up to a ceiling. Deadlines rise with the order (one timeout for all), so only the first needs
 * looking at. For proto/store alone.
 */
#ifndef PROTO_STORE_REDIS_QUEUE_H
#define PROTO_STORE_REDIS_QUEUE_H

#include "proto/store/redis.h"

#define REDIS_QUEUE_MAX (1u << 20)

struct redis_waiter {
	redis_reply_fn reply; /* may be NULL */
	void *arg;
	uint64_t deadline_ms; /* of the loop's clock */
};

struct redis_queue {
	/* private */
	struct redis_waiter *ring;
	size_t capacity; /* a power of two, or 0 */
	size_t first;
	size_t count;
};

/* Makes sure that one more fits. 0; -ENOBUFS (the ceiling), -ENOMEM. */
int redis_queue_reserve(struct redis_queue *q) __attribute__((warn_unused_result));

/* Appends one; room was reserved. */
void redis_queue_push(struct redis_queue *q, const struct redis_waiter *waiter);

/* Takes the first. False when there is none. */
bool redis_queue_pop(struct redis_queue *q, struct redis_waiter *out);

/* The first one, or NULL. Borrowed until the next change. */
const struct redis_waiter *redis_queue_first(const struct redis_queue *q);

/* Frees the ring; the queue is empty and usable again. */
void redis_queue_release(struct redis_queue *q);

#endif
