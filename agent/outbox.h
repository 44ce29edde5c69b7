/*
 * outbox.h - the agent's side of the delivery contract.
 *
 *     seal -> append -> [lane: stream x partition] -> OPEN, BATCH, CONFIRM -> relays
 *                                 ^------------------ STATE, COMMITTED, CONFIRMED
 *
 * The outbox numbers and chains sealed batches, keeps them in the spool, and brings each lane to
 * the relay that the route prefers: at once when its relay is gone, and back to a preferred one
 * only when nothing is in flight, so that returning never makes two relays commit the same.
 * A batch is dropped when a CONFIRM, asked at least the grace window after its COMMITTED, by a
 * Redis that may be trusted (`stable`), still shows it. Any state that lies behind makes the lane
 * send again; a foreign chain means that this agent was cloned: the lane's rest is counted as lost,
 * and new batches go out under a new stream.
 *
 * Pure: events in, effects out, time as an argument (now_ms is monotonic, since_ms unix).
 * Events only note; outbox_run() acts. Messages of a session that is over, or about a lane
 * that has moved, are ignored. One thread.
 */
#ifndef AGENT_OUTBOX_H
#define AGENT_OUTBOX_H

#include "agent/lane.h"
#include "agent/spool.h"
#include "proto/batch.h"
#include "proto/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_PEERS   320 /* LIMIT_FRAME_RELAYS and 64 configured ones */
#define OUTBOX_NO_PEER SIZE_MAX

/* What the outbox does to the world. The senders return 0, or a negative error when nothing
 * was sent: it is tried again when the peer has drained, or at the next run. */
struct outbox_effects {
	int (*send_open)(void *arg, size_t peer, struct frame_stream *list, size_t count);
	int (*send_batch)(void *arg, size_t peer, const struct frame_batch *batch);
	int (*send_confirm)(void *arg, size_t peer, uint64_t token, struct frame_stream *list,
			    size_t count);
	/* Streams that are done: their states may be forgotten. NULL: nobody is told. */
	int (*send_close)(void *arg, size_t peer, struct frame_stream *list, size_t count);
	/* The best healthy peer for a partition, or OUTBOX_NO_PEER. */
	size_t (*choose)(void *arg, uint32_t partition);
	/* Somebody else uses the current stream: begin another (outbox_begin_stream) now. */
	void (*foreign)(void *arg, const struct stream_id *stream, uint32_t partition);
};

struct outbox_options {
	uint32_t partitions;
	int64_t confirm_ms;
	uint32_t window_batches; /* in flight a lane; 0: 32 */
	size_t window_bytes;     /* 0: 1 MiB; one batch always goes */
};

struct outbox_counts {
	uint64_t sealed, committed, stable, lost; /* samples */
	uint64_t restored; /* samples found in the spool */
	uint64_t expired;  /* samples lost because they had been kept for too long */
	uint64_t batches_sent, batches_sealed, rewinds, foreign, opens, confirms, failovers, closed;
};

struct outbox_peer {
	bool up, leaving, busy, blocked;
	uint64_t session;
	size_t opens; /* lanes that wait for an OPEN to be sent */
};

struct outbox_stream {
	struct outbox_stream *next; /* older */
	struct stream_id id;
	int64_t since_ms; /* unix: when the oldest sample of its youngest batch came */
	bool cloned;      /* somebody else writes it */
	struct lane lanes[];
};

struct outbox {
	/* private, but for counts */
	struct outbox_counts counts;
	struct outbox_options options;
	struct outbox_effects effects;
	void *arg;
	struct spool *spool;
	struct outbox_stream *streams; /* the current one first */
	struct outbox_peer peers[OUTBOX_PEERS];
	struct frame_stream *list; /* scratch: LIMIT_FRAME_STREAMS */
	struct buf batch;          /* scratch */
	int64_t grace_ms;
	int64_t next_confirm_ms;
	int64_t sealed_until_ms;
	int64_t expire_before_ms;
	uint64_t last_token;
	size_t turn; /* which lane is served first */
};

/* Readies it over a spool (borrowed), with `stream` as its first. grace_ms is 0 until
 * outbox_set_grace. 0, -ENOMEM. */
int outbox_init(struct outbox *o, const struct outbox_options *options,
		const struct outbox_effects *effects, void *arg, struct spool *spool,
		const struct stream_id *stream) __attribute__((warn_unused_result));

/* Frees all but the spool. */
void outbox_release(struct outbox *o);

/* New batches go out under this stream; older ones are sent to their end. 0, -ENOMEM. */
int outbox_begin_stream(struct outbox *o, const struct stream_id *stream)
	__attribute__((warn_unused_result));

/* Takes a batch of an earlier process, which the spool has found (spool_disk.h), under its own
 * stream. Returns whether it is wanted. */
bool outbox_restore(struct outbox *o, const struct spool_record *record, size_t size,
		    uint64_t spool_id);

/* What was received before this unix time and is still kept is given up, and streams that ended
 * before it may be forgotten. */
void outbox_expire(struct outbox *o, int64_t before_ms);

/* The grace window G of the fleet's Redis. */
void outbox_set_grace(struct outbox *o, int64_t grace_ms);

/* Seals the writer's groups as the partition's next batch. since_ms: no sample in it was received
 * earlier. 0, -ENOMEM, -ENOBUFS: nothing was sealed and no number used. */
int outbox_append(struct outbox *o, uint32_t partition, const struct batch_writer *w,
		  uint64_t samples, int64_t since_ms) __attribute__((warn_unused_result));

/* All samples received before this unix time have been appended. */
void outbox_sealed_until(struct outbox *o, int64_t sealed_until_ms);

void outbox_peer_up(struct outbox *o, size_t peer, uint64_t session); /* welcomed */
void outbox_peer_down(struct outbox *o, size_t peer);    /* gone; may be called twice */
void outbox_peer_leaving(struct outbox *o, size_t peer); /* GOAWAY: nothing new to it */
void outbox_peer_busy(struct outbox *o, size_t peer, bool busy); /* no batches for now */
void outbox_peer_drained(struct outbox *o, size_t peer); /* it can take more again */

/* A list of states from a peer: STATE, COMMITTED. */
void outbox_note_states(struct outbox *o, size_t peer, uint64_t session, enum lane_cause cause,
			const struct frame_streams *states, int64_t now_ms);

/* A CONFIRMED. */
void outbox_note_confirmed(struct outbox *o, size_t peer, uint64_t session,
			   const struct frame_streams *states, int64_t now_ms);

/* Acts on what has been noted: places lanes, opens, sends, asks. */
void outbox_run(struct outbox *o, int64_t now_ms);

/* When outbox_run should be called at the latest; INT64_MAX when nothing is kept. */
int64_t outbox_next_ms(const struct outbox *o);

/* unix ms before which every sample received is committed. */
int64_t outbox_watermark(const struct outbox *o);

/* Whether nothing is in flight to a peer: closing its connection costs nobody anything. */
bool outbox_peer_idle(const struct outbox *o, size_t peer);

/* Samples sealed and not committed. */
uint64_t outbox_undelivered(const struct outbox *o);

/* Whether every batch is committed; one may hold no samples that are counted. */
bool outbox_done(const struct outbox *o);

#endif
