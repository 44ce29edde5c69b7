/*
 * route.h - which relay a partition goes to.
 *
 *     candidates of a partition: the ring over the live list (RELAYS) if there is one, else over
 *     the configured relays; after those, configured ones that the list does not name
 *
 * The first healthy candidate gets the partition. Every relay known has a slot, a small
 * number that stays its own as long as it is known: the index of its connection and of its
 * peer in the outbox. Names are compared as text: a relay that is configured under another
 * name than it advertises has two slots, and the configured one is then only a last resort.
 * Pure.
 */
#ifndef AGENT_ROUTE_H
#define AGENT_ROUTE_H

#include "proto/ring.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTE_SLOTS      320 /* as OUTBOX_PEERS */
#define ROUTE_CONFIGURED 64
#define ROUTE_NONE       SIZE_MAX

struct route_ring {
	struct ring *ring; /* NULL when empty */
	size_t slots[ROUTE_SLOTS];
	size_t count;
};

struct route {
	/* private */
	struct {
		char *name; /* NULL: free */
		bool configured;
		bool live;
	} relays[ROUTE_SLOTS];
	struct route_ring first;
	struct route_ring last; /* of last resort */
	uint32_t partitions;    /* 0: not known yet */
	bool has_live;
};

/* Whether the relay of a slot can take batches now. */
typedef bool (*route_healthy_fn)(void *arg, size_t slot);

/* Knows no relay. */
void route_init(struct route *r);

/* Frees names and rings. */
void route_release(struct route *r);

/* The relays of the configuration; names beyond ROUTE_CONFIGURED and repeated ones are left out.
 * May be called again: slots of relays that are then neither live nor configured become free; close
 * their connections before. 0, -ENOMEM. */
int route_set_configured(struct route *r, const struct slice *names, size_t count)
	__attribute__((warn_unused_result));

/* The live list; an empty one means that there is none. Slots of relays that are neither live
 * nor configured become free: close their connections before. 0, -ENOMEM. */
int route_set_live(struct route *r, const struct slice *names, size_t count)
	__attribute__((warn_unused_result));

/* How many partitions there are. 0, -ENOMEM. */
int route_set_partitions(struct route *r, uint32_t partitions)
	__attribute__((warn_unused_result));

/* The slot for a partition, or ROUTE_NONE: nobody is healthy, or no partitions are known. */
size_t route_choose(const struct route *r, uint32_t partition, route_healthy_fn healthy,
		    void *arg);

/* The name of a slot's relay, or NULL when the slot is free. Borrowed. */
const char *route_name(const struct route *r, size_t slot);

/* Whether a slot's relay is configured but not in the live list. */
bool route_is_last_resort(const struct route *r, size_t slot);

/* Whether a name would keep a slot under a new live list: asked before route_set_live. */
bool route_would_keep(const struct route *r, size_t slot, const struct slice *names,
		      size_t count);

/* The same for another list of configured relays: asked before route_set_configured. */
bool route_would_stay(const struct route *r, size_t slot, const struct slice *names,
		      size_t count);

#endif
