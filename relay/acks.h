/*
 * acks.h - groups what many streams are to be told into one list a session.
 *
 * A commit or a read concerns thousands of streams of thousands of sessions, in any order;
 * each session should get one frame. Collect, then send: the oldest session first, each with its
 * streams in the order they were added, wherever anything lies in memory; O(n log n).
 * Without memory each stream is sent by itself at once, because losing one would stall its agent.
 */
#ifndef RELAY_ACKS_H
#define RELAY_ACKS_H

#include "proto/frame.h"

#include <stddef.h>

struct committer_peer;

struct ack {
	struct committer_peer *peer;
	size_t at; /* in the order they were added */
	struct frame_stream stream;
};

/* Sends streams of one session; list is borrowed and at most LIMIT_FRAME_STREAMS long. */
typedef void (*acks_send_fn)(void *arg, struct committer_peer *peer, struct frame_stream *list,
			     size_t count);

struct acks {
	/* private */
	struct ack *list; /* NULL: no memory, send at once */
	size_t count;
	acks_send_fn send;
	void *arg;
};

/* Readies room for capacity acks. */
void acks_init(struct acks *a, size_t capacity, acks_send_fn send, void *arg);

/* Adds one; at most capacity. */
void acks_add(struct acks *a, struct committer_peer *peer, const struct frame_stream *stream);

/* Sends all and frees the room. */
void acks_finish(struct acks *a);

#endif
