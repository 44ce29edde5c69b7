/*
 * track.h - one stream in one partition, as the committer follows it.
 *
 *     UNKNOWN --an OPEN script asks--> READING --answer--> READY
 *        ^                                |                  |
 *        +----- refusal, failed call -----+------------------+
 *
 * A track is born by a session's OPEN. `last` is the state merged up to; while batches wait (raw,
 * in order, because a commit is closed) the stream has been received further than it has been
 * merged. A track whose session has gone lives on until what was merged is committed: batches in
 * the image cannot be taken out again, so the stream's new state must be committed with them.
 *
 * Tracks are found by stream id, listed by session, and listed by what they wait for.
 * Members belong to committer.c; others only read.
 */
#ifndef RELAY_TRACK_H
#define RELAY_TRACK_H

#include "proto/frame.h"
#include "proto/hash.h"
#include "proto/map.h"
#include "proto/state.h"
#include "relay/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct committer;
struct committer_peer;

enum track_phase {
	TRACK_UNKNOWN, /* listed in `reads` or `delayed` */
	TRACK_READING, /* an OPEN script that names it is under way */
	TRACK_READY,   /* takes batches */
};

/* A received batch that waits for the next commit. */
struct track_batch {
	struct list link;
	struct stream_state after; /* the stream's state once it is merged */
	uint64_t lost;
	size_t size;
	uint8_t bytes[];
};

struct track {
	struct stream_id id;
	struct committer *home;
	struct committer_peer *peer; /* NULL: its session has gone */
	struct list peer_link;
	enum track_phase phase;
	struct list read_link;    /* UNKNOWN, with a session: reads or delayed */
	uint64_t read_serial;     /* READING: of the call under way */
	enum frame_cause cause;   /* what the answer will be sent as */
	uint64_t base_seq;        /* of the session's OPEN */
	struct stream_state last; /* merged up to here; known once READY */
	bool reopened;            /* its session had it open before: old batches may come */
	bool resync;              /* batches that do not fit are stale, not wrong */
	bool lenient;             /* its session was told a RESET, or less than is merged */

	bool pending;                  /* merged since the last commit was built */
	struct list pending_link;
	struct stream_state built_on;  /* pending: the state before */
	uint64_t lost;                 /* pending: samples declared lost */
	size_t pending_bytes;
	uint64_t pending_samples;
	bool in_flight;                /* part of the commit under way */

	struct stream_state mark; /* what Redis last had for sure: an OK's or a read state */
	uint64_t mark_serial;     /* when, in the committer's order of events */
	uint32_t backoff_ms;      /* track_pause's; doubles */
	int64_t delayed_until_ms;

	struct list batches; /* struct track_batch, in order */
	struct list waiting_link;
};

/* A new track in the map. NULL without memory. */
struct track *track_new(struct map *tracks, const struct stream_id *id);

/* Takes it out of the map (NULL: the whole map is about to go) and all lists and frees it
 * with its waiting batches. */
void track_free(struct map *tracks, struct track *t);

/* The track of a stream, or NULL. */
struct track *track_find(const struct map *tracks, const struct stream_id *id);

/* How far the stream was received: the last waiting batch, or `last`. */
const struct stream_state *track_tail(const struct track *t);

/* Whether batches of it are in the image and not known to be committed. */
static inline bool track_owes(const struct track *t)
{
	return t->pending || t->in_flight;
}

/* Adds a batch to those that wait, copying its bytes. 0, -ENOMEM. */
int track_wait(struct track *t, const struct stream_state *after, uint64_t lost,
	       struct slice bytes) __attribute__((warn_unused_result));

/* Frees the first waiting batch, which has been merged. Returns its bytes. */
size_t track_pop(struct track *t);

/* Throws waiting batches away. Returns their bytes; *count is how many. */
size_t track_drop_waiting(struct track *t, size_t *count);

/* It caused a conflict, or batches came that fit nowhere: its state is not read again before 50 ms
 * are over, doubling to 10 s until a commit with it succeeds. */
void track_pause(struct track *t, int64_t now_ms);

/* Whether a stored state is behind what Redis had before: it went back. */
bool track_behind(const struct track *t, const struct stream_state *stored);

#endif
