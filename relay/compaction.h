/*
 * compaction.h - the compactor (compactor.h) on the relay's loop and store.
 *
 * A partition is ours while we are first for it in the ring over the live relays: the same ring
 * by which agents choose, so whoever writes most of a partition also keeps it tidy. Views may
 * differ for a while; then two do the same work and one of them is refused. Loop thread.
 */
#ifndef RELAY_COMPACTION_H
#define RELAY_COMPACTION_H

#include "proto/daemon/log.h"
#include "proto/ring.h"
#include "relay/committer.h"
#include "relay/compactor.h"
#include "relay/config.h"
#include "relay/membership.h"
#include "relay/store.h"

/* What it works with. All borrowed. */
struct compaction_options {
	const struct config *config;
	const struct rkey_tags *tags;
	struct store *store;
	const struct membership *membership;
	struct committer *committers; /* one a partition */
	struct relay_counters *counters;
};

struct compaction {
	/* private */
	struct compaction_options o;
	struct compactor compactor;
	struct ring *ring; /* NULL: nothing is ours */
	size_t self;       /* our place in the list that the ring was made of */
	struct log_limit broken;
};

/* Readies it; nothing is ours before compaction_relays. */
void compaction_init(struct compaction *c, const struct compaction_options *options);

/* Frees it. */
void compaction_release(struct compaction *c);

/* The list of live relays has changed. self is our address in it. */
void compaction_relays(struct compaction *c, const char *self);

/* The store is ready, over a new connection. */
void compaction_store_up(struct compaction *c, int64_t now_ms);

/* Does what is due. Returns when there will be more; INT64_MAX: only after another event. */
int64_t compaction_tick(struct compaction *c, int64_t now_ms);

#endif
