/*
 * delivery_private.h - what delivery.c and delivery_outbox.c share.
 *
 * delivery.c knows the connections and what comes over them; delivery_outbox.c what the outbox asks
 * for, and which fleet its batches are for.
 */
#ifndef AGENT_DELIVERY_PRIVATE_H
#define AGENT_DELIVERY_PRIVATE_H

#include "agent/delivery.h"
#include "agent/keeper.h"
#include "agent/live.h"
#include "agent/outbox.h"
#include "agent/peer.h"
#include "agent/route.h"
#include "agent/skew.h"

struct delivery {
	uv_loop_t *loop;
	const struct config *config;
	struct identity *identity;
	struct ledger *ledger;
	const struct delivery_events *events;
	void *arg;
	char host[FRAME_TEXT_BYTES + 1];

	uint32_t partitions; /* 0: not known, and no outbox yet */
	bool remembered;     /* it is an earlier agent's word; no relay has said it since */
	int64_t grace_ms;
	int64_t clock_ms; /* unix less monotonic, at the start: later jumps make nothing old */
	struct route route;
	struct peer *peers[ROUTE_SLOTS];
	struct keeper *keeper;
	struct outbox outbox;
	int64_t watermark_ms; /* the last one published */
	struct skew skew;

	struct live live; /* waits for delivery_run */
	bool full;        /* what it says of Redis, as told */
};

/* Whether a slot's relay takes batches. arg: the delivery. */
bool delivery_is_ready(void *arg, size_t slot);

/* This agent belongs to a fleet of so many partitions: makes the outbox over the spool. 0,
 * -ENOMEM. */
int delivery_join(struct delivery *d, struct spool *spool, uint32_t partitions)
	__attribute__((warn_unused_result));

/* Whether the fleet may still turn out to be another: nothing was sealed for it. */
bool delivery_is_loose(const struct delivery *d);

/* It is another. */
void delivery_leave(struct delivery *d);

/* Takes a batch that the spool has found (spool_restore_fn). arg: the delivery. */
bool delivery_restore(void *arg, struct spool *spool, const struct spool_record *record,
		      size_t size, uint64_t spool_id);

#endif
