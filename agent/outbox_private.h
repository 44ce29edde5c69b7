/*
 * outbox_private.h - what outbox.c and outbox_streams.c share.
 *
 * outbox.c brings lanes to peers and acts on what they say; outbox_streams.c knows which streams
 * there are: the current one, those of earlier processes, and when one is done.
 */
#ifndef AGENT_OUTBOX_PRIVATE_H
#define AGENT_OUTBOX_PRIVATE_H

#include "agent/outbox.h"

/* Walks all lanes, the current stream's first. */
struct outbox_walk {
	struct outbox_stream *stream;
	uint32_t partition; /* of the lane that outbox_walk returned */
	uint32_t next;
};

/* A walk that has not begun. */
struct outbox_walk outbox_walk_start(const struct outbox *o);

/* The next lane; NULL at the end. */
struct lane *outbox_walk(const struct outbox *o, struct outbox_walk *walk);

/* The stream of an id; NULL when there is none. */
struct outbox_stream *outbox_stream(const struct outbox *o, const struct stream_id *id);

/* Frees a stream that is in no list any more; the spool keeps its records. */
void outbox_free_stream(struct outbox *o, struct outbox_stream *stream);

/* Takes a lane off its peer. What was in flight is sent again after the next OPEN. */
void outbox_detach(struct outbox *o, struct lane *l);

/* Closes and frees streams that are no longer written and have nothing left. */
void outbox_forget_streams(struct outbox *o);

#endif
