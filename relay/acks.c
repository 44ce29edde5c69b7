// SPDX-License-Identifier: Apache-2.0
#include "relay/acks.h"

#include "proto/limits.h"
#include "relay/committer.h"

#include <stdlib.h>

/* Streams a frame: keeps the array on the stack small. */
#define ACKS_FRAME_STREAMS 256

void acks_init(struct acks *a, size_t capacity, acks_send_fn send, void *arg)
{
	*a = (struct acks){ .send = send, .arg = arg };
	a->list = calloc(capacity ? capacity : 1, sizeof(*a->list));
}

void acks_add(struct acks *a, struct committer_peer *peer, const struct frame_stream *stream)
{
	struct frame_stream alone = *stream;

	if (a->list == NULL) {
		a->send(a->arg, peer, &alone, 1);
		return;
	}
	a->list[a->count] = (struct ack){ peer, a->count, *stream };
	a->count++;
}

static int acks_compare(const void *left, const void *right)
{
	const struct ack *a = left, *b = right;

	if (a->peer->born != b->peer->born)
		return a->peer->born < b->peer->born ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

void acks_finish(struct acks *a)
{
	struct frame_stream list[ACKS_FRAME_STREAMS];
	size_t count = 0;

	if (a->count > 1)
		qsort(a->list, a->count, sizeof(*a->list), acks_compare);
	for (size_t i = 0; i < a->count; i++) {
		list[count++] = a->list[i].stream;
		if (count < ACKS_FRAME_STREAMS && i + 1 < a->count &&
		    a->list[i + 1].peer == a->list[i].peer)
			continue;
		a->send(a->arg, a->list[i].peer, list, count);
		count = 0;
	}
	free(a->list);
	a->list = NULL;
	a->count = 0;
}
