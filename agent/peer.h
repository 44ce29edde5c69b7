/*
 * peer.h - the connection to one relay: the socket under peer_fsm.h.
 *
 * Carries out what the machine decides, cuts the byte stream into frames, and keeps HELLO,
 * CHALLENGE, PROOF, WELCOME, PING, GOAWAY and REFUSED to itself; everything else goes to the owner. Each connection
 * has a session number that is never used again, so that nothing of an old connection can be taken
 * for news of the present one. What is queued to a relay is bounded: a batch over
 * PEER_QUEUE_BYTES waits in the spool. The loop's thread.
 */
#ifndef AGENT_PEER_H
#define AGENT_PEER_H

#include "agent/peer_fsm.h"
#include "proto/frame.h"

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define PEER_QUEUE_BYTES (2 * 1024 * 1024)

struct peer;

struct peer_events {
	/* Fills in who we are: cfg, agent id, incarnation, host; and the fleet's secret, empty for
	 * none, which must stay as long as the peer. */
	void (*hello)(void *arg, struct frame_hello *hello, struct slice *secret);
	/* Whether a WELCOME suits us: 0, or why not (the relay is then left alone for a while). */
	int (*welcome)(void *arg, size_t slot, const struct frame_welcome *welcome);
	void (*up)(void *arg, size_t slot, uint64_t session);
	void (*leaving)(void *arg, size_t slot);
	void (*down)(void *arg, size_t slot);
	/* STATE, COMMITTED, CONFIRMED, RELAYS, BUSY, STORE. */
	void (*frame)(void *arg, size_t slot, uint64_t session, const struct frame *f);
	/* The relay said what time it is (unix), in answer to what was asked so long ago. */
	void (*clock)(void *arg, size_t slot, int64_t clock_ms, int64_t round_trip_ms);
	/* What was queued has been taken by the kernel. */
	void (*drained)(void *arg, size_t slot);
	/* All that came at once has been handled: the time to act on it, and the only event in
	 * which peers may be closed. */
	void (*settled)(void *arg);
};

/* A connection that is to be kept to the relay `name` (host:port, copied), started at once. slot is
 * what events call it. *out: peer_close. 0, -ENOMEM, -EINVAL (the name). */
int peer_new(uv_loop_t *loop, const char *name, size_t slot, int64_t timeout_ms,
	     const struct peer_events *events, void *arg, struct peer **out)
	__attribute__((warn_unused_result));

/* Ends the connection, after sending what is queued if flush, and frees the peer. No event but
 * `down` comes any more. */
void peer_close(struct peer *p, bool flush);

/* Lets time pass: pings, another try. */
void peer_tick(struct peer *p, int64_t now_ms);

/* Gives a relay up that owes an answer for too long. To be called from a timer only, so that
 * between two calls the loop has read what had come. */
void peer_judge(struct peer *p, int64_t now_ms);

/* Whether nothing of ours is under way there: then it is pinged less often. */
void peer_set_quiet(struct peer *p, bool quiet, int64_t now_ms);

/* When peer_tick or peer_judge is due; INT64_MAX: not before something happens. */
int64_t peer_next_ms(const struct peer *p);

/* Queues a frame. 0; -ENOBUFS (a BATCH over PEER_QUEUE_BYTES), -ENOTCONN, -ENOMEM. */
int peer_send(struct peer *p, const struct frame *f) __attribute__((warn_unused_result));

enum peer_state peer_state(const struct peer *p); /* where its machine stands */
const char *peer_name(const struct peer *p);      /* borrowed */
int peer_refusal(const struct peer *p);           /* why it refused us or we it, or 0 */
size_t peer_queued(const struct peer *p);         /* bytes not yet taken by the kernel */

#endif
