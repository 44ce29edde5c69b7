/*
 * fetch_share.h - one read of Redis for all who ask for the same before it leaves.
 *
 * Manifests are asked for by every answer of their partition and hour, and commands leave together at
 * the end of a turn of the loop. So who asks for one that is asked for already, in the same turn, waits for
 * that reply too. Nobody gets to see less than a read of their own would have shown: the shared one is
 * executed after the last of them has asked. That is why end_turn must be called before commands
 * leave, whatever makes them leave.
 *
 * Bounded by a table of FETCH_SHARES reads a turn, placed by hash; one whose place is taken is read for
 * itself. Sends through a function, so it is pure.
 */
#ifndef QUERYD_FETCH_SHARE_H
#define QUERYD_FETCH_SHARE_H

#include "proto/slice.h"
#include "proto/store/redis.h"

#include <stdint.h>

#define FETCH_SHARES 64

struct fetch_share;

/* Who waits for a read. The caller's, until its reply is called. */
struct fetch_waiter {
	struct fetch_waiter *next; /* private */
	redis_reply_fn reply;
	void *arg;
};

/* Sends the read of a key. 0, or why it could not be sent: then reply is not called. */
typedef int (*fetch_share_send)(void *arg, struct slice key, redis_reply_fn reply, void *reply_arg);

struct fetch_shares {
	/* private */
	fetch_share_send send;
	void *arg;
	struct fetch_share *open[FETCH_SHARES]; /* may still be joined */
	uint64_t joined;
};

/* None is open. */
void fetch_shares_init(struct fetch_shares *s, fetch_share_send send, void *arg);

/* Reads a key for a waiter, or joins one who has asked already. 0, -ENOMEM, what send says. */
int fetch_share_read(struct fetch_shares *s, struct slice key, struct fetch_waiter *waiter)
	__attribute__((warn_unused_result));

/* From here on nobody joins what was asked for before. */
void fetch_shares_end_turn(struct fetch_shares *s);

#endif
