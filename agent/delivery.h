/*
 * delivery.h - everything between a sealed batch and the relays.
 *
 *     seal -> outbox (pure) -> peers (sockets) -> relays
 *                 ^ route (pure): which relay for which partition
 *
 * Wires the pure machines to connections: keeps a connection to every relay of the live list
 * (and to configured ones that it does not name only while none of the list is ready), learns the
 * number of partitions, the grace window and the floor from the relays, and publishes the
 * watermark through any of them. Before the first WELCOME ever, P is not known, so nothing can be
 * sealed; a state folder remembers it. What an earlier agent left in the spool goes out first of
 * all under its old stream. The loop's thread.
 */
#ifndef AGENT_DELIVERY_H
#define AGENT_DELIVERY_H

#include "agent/config.h"
#include "agent/identity.h"
#include "agent/ledger.h"
#include "proto/batch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct delivery;

struct delivery_events {
	void (*floor)(void *arg, int64_t floor_second); /* what is older cannot be written */
	void (*pace)(void *arg, int64_t seal_ms); /* relays ask for rarer seals; 0: do not */
	void (*full)(void *arg, bool full); /* whether Redis is short of memory for new series */
	void (*settled)(void *arg); /* something came of a relay: call delivery_run */
};

/* Readies it and starts to connect. config, identity and ledger are borrowed. *out:
 * delivery_close. 0, a negative error. */
int delivery_new(uv_loop_t *loop, const struct config *config, struct identity *identity,
		 struct ledger *ledger, const struct delivery_events *events, void *arg,
		 struct delivery **out) __attribute__((warn_unused_result));

/* Closes the connections, after sending what is queued if flush, and frees it with all batches. No
 * event comes any more. NULL is allowed. */
void delivery_close(struct delivery *d, bool flush);

/* The fleet's number of partitions; 0 while no relay has said. */
uint32_t delivery_partitions(const struct delivery *d);

/* Whether a seal of so many bytes would fit the spool, or the spool is empty. */
bool delivery_has_room(const struct delivery *d, size_t bytes);

/* How full the spool is, in quarters: 0 to 4. */
unsigned delivery_quarters(const struct delivery *d);

/* Seals one batch (outbox_append); samples are the users' in it. Partitions must be known. */
int delivery_append(struct delivery *d, uint32_t partition, const struct batch_writer *w,
		    uint64_t samples, int64_t since_ms) __attribute__((warn_unused_result));

/* The batches appended between true and false, before any is sent, count all or none: an agent
 * that is killed between them leaves none to the next start. */
void delivery_mark_unfinished(struct delivery *d, bool unfinished);

/* What was being written when the process before ended, and how many samples it had sealed. */
uint64_t delivery_before(const struct delivery *d, struct stream_id *stream);

/* What is being written, and how many samples this process has sealed. */
uint64_t delivery_sealed(struct delivery *d, struct stream_id *stream);

/* Samples that were taken were lost: at a seal, or at the end. */
void delivery_lost(struct delivery *d, uint64_t samples);

/* Where samples that go into the open table are to be counted (counters.h); any thread. */
tally_count *delivery_taken(struct delivery *d);

/* Whether what is sealed outlives this process. */
bool delivery_durable(const struct delivery *d);

/* All samples received before this unix time have been appended. */
void delivery_sealed_until(struct delivery *d, int64_t sealed_until_ms);

/* Lets time pass for connections, and acts on what is due. */
void delivery_run(struct delivery *d, int64_t now_ms);

/* Gives relays up that owe an answer for too long (peer_fsm.h). From a timer only. */
void delivery_judge(struct delivery *d, int64_t now_ms);

/* When delivery_judge and delivery_run are due at the latest. */
int64_t delivery_next_ms(const struct delivery *d);

/* The relays of the configuration have changed: connects to new ones, and lets go of those that
 * are neither configured nor live any more. Not from an event of this. */
void delivery_reload(struct delivery *d);

/* Publishes the watermark; left: this agent stopped in order and owes nothing. */
void delivery_publish(struct delivery *d, bool left);

/* Samples of users sealed and not committed. */
uint64_t delivery_undelivered(const struct delivery *d);

/* Whether every batch is committed, those without users' samples too. */
bool delivery_done(const struct delivery *d);

/* Whether a relay takes batches. */
bool delivery_ready(const struct delivery *d);

/* Brings the ledger's figures of delivery up to date. */
void delivery_count(struct delivery *d);

#endif
