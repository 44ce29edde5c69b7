/*
 * committer.h - one partition at one relay: from batches to commits (CONTRACT.md).
 *
 *                     OPEN / BATCH / CONFIRM / CLOSE of sessions
 *                                     |
 *     merging  --due-->  in flight --OK--> COMMITTED to the sessions
 *        ^                  |  \---not applied, unknown---> the identical bytes again
 *        |                  v
 *        +-- RESET <-- refused: images, pids, waiting batches thrown away; all states read again
 *
 * Promises: a batch is merged only on the state it builds on; one commit in flight; a commit holds
 * all that was merged before it was built; no acknowledgement before Redis said OK; after
 * any doubt nothing of the partition's memory is used again.
 *
 * A stream that causes a conflict is read again only after a pause that doubles. While a
 * commit is closed (LIMIT_COMMIT_*) batches wait raw and in order. Opens are coalesced: one
 * script call at a time, 1,000 streams each.
 *
 * Pure: no clock, socket, randomness or Redis; time is an argument (now_ms never jumps; unix
 * time is told beside it), effects leave through struct committer_effects, answers come back
 * through committer_answer. An effect must not call
 * back into a committer. Cost: O(1) a batch beside merging it; a commit is linear in what
 * changed; a refusal in the partition's streams.
 */
#ifndef RELAY_COMMITTER_H
#define RELAY_COMMITTER_H

#include "proto/batch.h"
#include "proto/frame.h"
#include "proto/map.h"
#include "proto/rkey.h"
#include "proto/store/script.h"
#include "relay/answer.h"
#include "relay/commit.h"
#include "relay/counters.h"
#include "relay/image.h"
#include "relay/list.h"
#include "relay/track.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A session, as committers see it: embedded in the session, made by committer_peer_init. */
struct committer_peer {
	struct list tracks; /* of all partitions */
	struct list calls;  /* confirms under way */
	size_t track_count;
	size_t call_count;
	uint64_t born; /* later sessions have larger numbers */
};

/* A script call under way; the shell only hands it back. */
struct committer_call {
	/* private */
	struct committer *home;
	enum script script;
	uint64_t serial;
	void *shell;                 /* the owner of the connection may keep a pointer here */
	struct list link;            /* confirm: of the peer */
	struct committer_peer *peer; /* confirm; NULL: it has gone */
	uint64_t token;              /* confirm */
	size_t count;
	struct stream_id ids[]; /* open, confirm */
};

/* Why a partition's memory was thrown away. */
enum committer_reason {
	COMMITTER_CONFLICT, /* a stream was not where we built on */
	COMMITTER_LOST,     /* a partial was not as we left it */
	COMMITTER_FLOOR,    /* an hour may no longer be written */
	COMMITTER_CONFIG,   /* Redis belongs to another fleet, or is empty */
	COMMITTER_ROLLBACK, /* a read showed a stream behind what Redis had before */
	COMMITTER_MERGE,    /* merging failed half way, or a commit could not be built */
};

struct committer_effects {
	/* Sends a command (copied or sent before it returns). True: committer_answer will be
	 * called with the call exactly once. False: Redis is not up; nothing was sent. */
	bool (*run)(void *arg, struct committer *c, struct committer_call *call,
		    struct slice resp);
	/* What Redis has of streams of a session; list is borrowed. */
	void (*state)(void *arg, struct committer_peer *peer, enum frame_cause cause,
		      struct frame_stream *list, size_t count);
	/* These are in Redis. */
	void (*committed)(void *arg, struct committer_peer *peer, struct frame_stream *list,
			  size_t count);
	/* Answers the session's CONFIRM with that token. */
	void (*confirmed)(void *arg, struct committer_peer *peer, uint64_t token,
			  struct frame_stream *list, size_t count);
	/* Ends a session for what a waiting batch of it turned out to be. */
	void (*refuse)(void *arg, struct committer_peer *peer, int code);
	/* 64 random bits: pids and nonces. */
	uint64_t (*random)(void *arg);
	/* For the log: a refusal, and what Redis said of it; code is of a failed merge, else 0. */
	void (*discarded)(void *arg, uint32_t partition, enum committer_reason reason, int code);
	/* For the log, and to see to it: this cfg ("" = none) is stored there. */
	void (*foreign)(void *arg, uint32_t partition, struct slice stored);
	/* For the log: an error reply nobody expected. */
	void (*error)(void *arg, uint32_t partition, enum script script, struct slice text);
	/* For the log: samples of this batch lie in hours that cannot be written. */
	void (*rejected)(void *arg, const struct stream_id *id, const struct image_rejects *n);
};

struct committer_options {
	uint64_t cfg;
	uint32_t partitions;
	uint32_t partition;
	const char *tag; /* outlives the committer */
	int64_t commit_ms;
	int64_t retention_hours;
	const int64_t *unix_offset_ms; /* unix time is now_ms + this; may change at any time */
	struct relay_counters *counters; /* shared by all partitions */
	struct windows *windows; /* the same; NULL: none are kept */
	const struct committer_effects *effects;
	void *arg;
};

struct committer {
	/* private */
	struct committer_options o;
	struct image image;
	struct map tracks;
	int64_t floor_hour;
	uint64_t serial; /* counts calls and answers: the order of events */
	bool draining;

	struct list reads;   /* tracks whose state must be read */
	struct list delayed; /* the same, once their pause is over */
	struct committer_call *read_call;
	int64_t read_at_ms; /* not before: a read failed */
	uint32_t read_backoff_ms;

	struct list pending; /* tracks with merged batches */
	size_t pending_count;
	size_t pending_bytes;
	struct list waiting; /* tracks with waiting batches */
	size_t waiting_bytes;

	struct commit flight;
	bool has_flight;
	bool flight_sent;
	uint64_t flight_serial; /* of its last sending */
	int64_t flight_at_ms;   /* send (again) not before */
	uint32_t flight_backoff_ms;
	int64_t flight_built_ms;
	int64_t next_commit_ms;
	struct {
		size_t held, memory, cells, tracks;
	} shown; /* what the gauges hold of us */
};

/* Readies a partition. */
void committer_init(struct committer *c, const struct committer_options *options);

/* Frees it. All peers must have gone and all calls been answered or forgotten. */
void committer_release(struct committer *c);

/* The oldest hour that can be written, from Redis; it only rises. */
void committer_set_floor(struct committer *c, int64_t floor_hour);

/* Redis can be used (again): what waits for it is sent with the next tick. The states of all
 * sessions' streams are read again and told as RESET: a failover ends the connection, and what it
 * forgot may have been committed again by others since, so agents count the grace window anew. */
void committer_store_up(struct committer *c, int64_t now_ms);

/* The least time between two commits from now on (pace.h). */
void committer_set_interval(struct committer *c, int64_t commit_ms);

/* From now on commits at once whatever is merged, and takes nothing new. */
void committer_drain(struct committer *c);

/* Whether nothing is merged or waiting that is not committed. */
bool committer_idle(const struct committer *c);

/* Bytes of batches merged or waiting, not yet committed. */
size_t committer_held(const struct committer *c);

/* When committer_tick has something to do; INT64_MAX: only after another event. */
int64_t committer_due(const struct committer *c);

/* Does what is due: reads, merges what waited, commits. */
void committer_tick(struct committer *c, int64_t now_ms);

/* Puts hours out of memory that are over and idle, and more when above memory_max bytes. */
void committer_evict(struct committer *c, int64_t now_ms, size_t memory_max);

/* Whether a partial is one that this committer may write again. */
bool committer_holds(const struct committer *c, int64_t hour, uint64_t pid);

/* The answer of a call; frees the call. */
void committer_answer(struct committer *c, struct committer_call *call,
		      const struct answer *answer, int64_t now_ms);

/* A new session. born orders sessions by age. */
void committer_peer_init(struct committer_peer *peer, uint64_t born);

/* The session is gone: its streams are forgotten as soon as nothing of them is merged
 * and uncommitted. */
void committer_peer_gone(struct committer_peer *peer);

/* The session begins a stream. Of several sessions the youngest has it: an old connection's
 * OPEN that is read late must not take it from the new one. STATE follows. 0, -ENOMEM,
 * ERR_PROTOCOL (a younger session has it). */
int committer_open(struct committer *c, struct committer_peer *peer, const struct stream_id *id,
		   uint64_t base_seq) __attribute__((warn_unused_result));

/* A batch of the session's. header is its peeked header, of this partition and cfg.
 * 0: merged, waiting, or ignored as a duplicate or stale one. ERR_PROTOCOL (the
 * stream is not this session's), ERR_BAD_CHAIN (and the session was told what is merged,
 * and no RESET), ERR_... of batch_decode, -ENOMEM: end the session. */
int committer_batch(struct committer *c, struct committer_peer *peer,
		    const struct frame_batch *batch, const struct batch_header *header,
		    int64_t now_ms) __attribute__((warn_unused_result));

/* Asks Redis for streams; `confirmed` follows, or nothing if it could not be asked. */
void committer_confirm(struct committer *c, struct committer_peer *peer, uint64_t token,
		       const struct frame_stream *list, size_t count);

/* For merge.c and reads.c: any refusal. Throws images, waiting batches and the commit under
 * way aside, and has the states of all sessions' streams read again. */
void committer_discard(struct committer *c, enum committer_reason reason, int code,
		       int64_t now_ms);

/* For reads.c: takes a track that owes nothing out for good. */
void committer_forget(struct committer *c, struct track *t);

/* Forgets streams of the session's that are done for good. */
void committer_close(struct committer *c, struct committer_peer *peer,
		     const struct frame_stream *list, size_t count);

#endif
