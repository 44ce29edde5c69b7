/*
 * reads.h - the part of a committer that asks Redis where streams stand.
 *
 * OPENs of all sessions, and the reading again after a refusal, go out together: one script
 * call at a time, up to READS_STREAMS streams each. CONFIRM and CLOSE are calls of their
 * own. A read that shows a stream behind what we committed or read before means that Redis
 * went back: a refusal. See committer.h.
 */
#ifndef RELAY_READS_H
#define RELAY_READS_H

#include "relay/committer.h"

#define READS_STREAMS 1000

/* Has the state of a track read, after the track's pause if it has one to wait for. */
void reads_add(struct committer *c, struct track *t, int64_t now_ms);

/* Has a track's state read again and told as RESET, if it takes batches. Nothing that is merged is
 * thrown away. */
void reads_again(struct committer *c, struct track *t, int64_t now_ms);

/* Has the states of all sessions' tracks that take batches read again and told as RESET; nothing
 * that is merged is thrown away. */
void reads_all_again(struct committer *c, int64_t now_ms);

/* When reads_tick has something to do. */
int64_t reads_due(const struct committer *c);

/* Sends what is due to be read. */
void reads_tick(struct committer *c, int64_t now_ms);

/* The answer of an OPEN script. */
void reads_opened(struct committer *c, struct committer_call *call, const struct answer *answer,
		  int64_t now_ms);

/* The answer of a CONFIRM script. */
void reads_confirmed(struct committer *c, struct committer_call *call,
		     const struct answer *answer, int64_t now_ms);

/* A call of a script about count streams. NULL without memory. */
struct committer_call *reads_call_new(struct committer *c, enum script script, size_t count);

/* Counts and tells what an answer other than OK means beside its own business. */
void reads_complain(struct committer *c, enum script script, const struct answer *answer);

#endif
