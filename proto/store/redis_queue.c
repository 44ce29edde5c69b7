// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define INITIAL_CAPACITY 64

int redis_queue_reserve(struct redis_queue *q)
{
	size_t capacity = q->capacity ? q->capacity * 2 : INITIAL_CAPACITY;
	struct redis_waiter *ring;
	size_t i;

	if (q->count < q->capacity)
		return 0;
	if (capacity > REDIS_QUEUE_MAX)
		return -ENOBUFS;
	ring = malloc(capacity * sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (i = 0; i < q->count; i++)
		ring[i] = q->ring[(q->first + i) & (q->capacity - 1)];
	free(q->ring);
	q->ring = ring;
	q->capacity = capacity;
	q->first = 0;
	return 0;
}

void redis_queue_push(struct redis_queue *q, const struct redis_waiter *waiter)
{
	assert(q->count < q->capacity);
	q->ring[(q->first + q->count++) & (q->capacity - 1)] = *waiter;
}

bool redis_queue_pop(struct redis_queue *q, struct redis_waiter *out)
{
	if (q->count == 0)
		return false;
	*out = q->ring[q->first];
	q->first = (q->first + 1) & (q->capacity - 1);
	q->count--;
	return true;
}

const struct redis_waiter *redis_queue_first(const struct redis_queue *q)
{
	return q->count ? &q->ring[q->first] : NULL;
}

void redis_queue_release(struct redis_queue *q)
{
	free(q->ring);
	*q = (struct redis_queue){ 0 };
}
