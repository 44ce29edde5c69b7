/*
 * lane.h - one stream in one partition: its sealed batches and how far they have come.
 *
 *      past (64 notes)      kept: waiting to be stable       not yet sent
 *     [ dropped, bytes gone | committed ... | in flight ... | ............ ]
 *                           ^               ^               ^
 *                           first kept      committed       sent
 *
 * What Redis has of the lane (`stored`) decides all: the first batch after it names it as its
 * predecessor when that is not the batch's own chain (the nonce of an OPEN; a declared gap),
 * and a stored state that lies behind what we had seen makes the lane rewind and send again.
 * Committed batches stay until a later CONFIRM has shown them, the grace window after COMMITTED
 * or after the state was last looked up, by OPEN or RESET (CONTRACT.md). Notes of the
 * last dropped batches are kept so that a state from before them can be checked, and what
 * was lost be counted. Pure: time is an argument. Belongs to its outbox.
 */
#ifndef AGENT_LANE_H
#define AGENT_LANE_H

#include "agent/spool.h"
#include "proto/hash.h"
#include "proto/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANE_PAST 64
#define LANE_NOT_YET INT64_MIN

struct lane_record {
	uint64_t seq;
	uint64_t chain_before, chain_after;
	uint64_t samples;
	uint64_t samples_before; /* of all earlier batches of the lane */
	uint64_t lost;           /* samples declared lost before it, when it was sent */
	uint64_t spool_id;
	size_t size;
	int64_t since_ms;     /* unix: no sample of it was received earlier */
	int64_t committed_ms; /* monotonic, or LANE_NOT_YET */
	bool counted;         /* was committed once: not counted again after a rewind */
};

struct lane {
	/* The outbox's: which relay serves the lane. */
	size_t peer;
	uint64_t session;
	bool open_sent;
	uint64_t confirm_token;             /* of the last CONFIRM; 0: none */
	struct stream_state confirm_stored; /* what was known when it was asked */
	uint64_t moved_seq; /* `committed` when it last changed, or nothing was in flight */
	int64_t moved_ms;   /* since when */

	/* The rest is lane.c's. */
	struct stream_state stored;
	uint64_t committed; /* seq up to which Redis has the lane, as far as we know */
	uint64_t sent;      /* seq up to which this session has been sent */
	bool opened;        /* the stored state is known: batches may be sent */
	uint64_t next_seq;
	uint64_t chain;   /* after the last sealed batch */
	uint64_t samples; /* of all sealed batches */
	struct lane_record *records;
	size_t capacity;
	size_t head;  /* of the first note in records */
	size_t count; /* notes: past and kept */
	size_t past;  /* how many of them are of dropped batches */
	uint64_t forgotten_samples; /* of the batches before all notes */
	uint64_t base; /* the seq before the first batch there ever was a note of */
	uint64_t reported; /* samples that expired and were reported lost then */
	bool ended;        /* of an earlier process: its last batches may be missing here */
};

/* What a message about the lane's state is. */
enum lane_cause {
	LANE_OPENED,    /* the answer to OPEN */
	LANE_RESET,     /* the relay threw its memory away */
	LANE_COMMITTED, /* a commit's OK */
	LANE_CONFIRMED, /* the answer to CONFIRM */
};

enum lane_verdict {
	LANE_KEPT,    /* as expected */
	LANE_REWOUND, /* Redis has less than we had seen: batches go out again */
	LANE_FOREIGN, /* the stored chain is not ours: somebody else uses this stream */
};

struct lane_change {
	enum lane_verdict verdict;
	uint64_t committed; /* samples committed for the first time */
	uint64_t lost;      /* samples whose loss was declared with them */
};

/* An empty lane whose first batch is seq 1. */
void lane_init(struct lane *l, const struct stream_id *stream, uint32_t partition);

/* Frees its notes; the spool's records are the caller's (lane_abandon). */
void lane_release(struct lane *l);

/* Makes room for one more note, so that lane_append cannot fail. 0, -ENOMEM. */
int lane_reserve(struct lane *l) __attribute__((warn_unused_result));

/* Adds the batch next_seq, whose chain_after is given, held by the spool. */
void lane_append(struct lane *l, uint64_t chain_after, const struct lane_record *record);

/* Takes a batch of an earlier process, found in the spool, into a lane that takes no others.
 * Returns false for one it has, and without memory. */
bool lane_restore(struct lane *l, const struct spool_record *record, size_t size,
		  uint64_t spool_id);

/* Takes note of what Redis has. CONFIRMED must answer the last question (confirm_token). */
struct lane_change lane_note_state(struct lane *l, const struct stream_state *stored,
				   enum lane_cause cause, int64_t now_ms);

/* The session to its relay ended: what was in flight must be sent again after an OPEN. */
void lane_detach(struct lane *l);

/* The next batch to send, or NULL. *predecessor is what it builds on and *named whether that
 * must be said; *lost the samples missing between the two. */
struct lane_record *lane_next(struct lane *l, struct stream_state *predecessor, bool *named,
			      uint64_t *lost);

/* record, which lane_next gave, has been sent. */
void lane_mark_sent(struct lane *l, struct lane_record *record, uint64_t lost);

/* record, which lane_next gave, cannot be read back: it leaves the lane as a declared gap. */
void lane_lose(struct lane *l, struct lane_record *record, struct spool *spool);

/* Drops the batches up to seq, which a CONFIRM has shown, that were committed at or before a
 * time: the grace window before the CONFIRM was asked. Returns their samples. */
uint64_t lane_drop_stable(struct lane *l, uint64_t seq, int64_t committed_before_ms,
			  struct spool *spool);

/* Drops the first batches as long as their samples began to come before a unix time, and they are
 * neither on their way nor committed after a monotonic one. Of an earlier process' lane nothing
 * goes before what Redis has of it is known. Returns the samples that are not committed: they are
 * lost. */
uint64_t lane_expire(struct lane *l, int64_t before_ms, int64_t committed_before_ms,
		     struct spool *spool);

/* Drops everything that is kept. Returns the samples that had not been committed. */
uint64_t lane_abandon(struct lane *l, struct spool *spool);

size_t lane_kept(const struct lane *l);           /* batches held */
size_t lane_in_flight(const struct lane *l);      /* batches sent and not committed */
size_t lane_bytes_in_flight(const struct lane *l);
uint64_t lane_base_seq(const struct lane *l);     /* what an OPEN names: before the first kept */
uint64_t lane_undelivered(const struct lane *l);  /* samples kept and not committed */

/* unix ms before which all samples of the lane are committed; INT64_MAX when all are. */
int64_t lane_since(const struct lane *l);

#endif
