/*
 * merge.h - the part of a committer that takes batches in.
 *
 * A batch is merged only on the state it builds on, whole or not at all; while the next
 * commit is closed it waits raw. See committer.h.
 */
#ifndef RELAY_MERGE_H
#define RELAY_MERGE_H

#include "relay/committer.h"

/* Whether the next commit is closed: no more may be merged into it. */
bool merge_closed(const struct committer *c);

/* Takes a batch of a track that its session holds; as committer_batch. */
int merge_receive(struct committer *c, struct track *t, const struct frame_batch *batch,
		  const struct batch_header *header, int64_t now_ms)
	__attribute__((warn_unused_result));

/* Merges waiting batches until the commit is closed. */
void merge_waiting(struct committer *c, int64_t now_ms);

/* Throws the waiting batches of a track away, and counts them. */
void merge_drop_waiting(struct committer *c, struct track *t);

#endif
