// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/queue.h"

#include <assert.h>
#include <stdlib.h>

static bool queue_before(const struct event *a, const struct event *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->serial < b->serial;
}

static void queue_push(struct queue *q, const struct event *event)
{
	size_t at = q->count++;

	if (at == q->capacity) {
		q->capacity = q->capacity ? 2 * q->capacity : 1024;
		q->heap = realloc(q->heap, q->capacity * sizeof(*q->heap));
		if (q->heap == NULL)
			abort();
	}
	while (at > 0 && queue_before(event, &q->heap[(at - 1) / 2])) {
		q->heap[at] = q->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	q->heap[at] = *event;
}

void queue_put(struct queue *q, const struct event *event)
{
	struct event copy = *event;

	copy.serial = ++q->serial;
	queue_push(q, &copy);
}

void queue_put_back(struct queue *q, const struct event *event, int64_t at_ms)
{
	struct event copy = *event;

	copy.at_ms = at_ms;
	queue_push(q, &copy);
}

int64_t queue_next_ms(const struct queue *q)
{
	return q->count ? q->heap[0].at_ms : INT64_MAX;
}

struct event queue_take(struct queue *q)
{
	struct event first = q->heap[0], last = q->heap[q->count - 1];
	size_t at = 0, child = 1;

	assert(q->count > 0);
	q->count--;
	while (child < q->count) {
		if (child + 1 < q->count && queue_before(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (!queue_before(&q->heap[child], &last))
			break;
		q->heap[at] = q->heap[child];
		at = child;
		child = 2 * at + 1;
	}
	q->heap[at] = last;
	return first;
}

void queue_release(struct queue *q)
{
	free(q->heap);
	*q = (struct queue){ 0 };
}
