/*
 * live.h - what relays have told of the fleet: the live list, how often to seal, and whether
 * Redis has room for new series.
 *
 * A frame's names are gone when its handler returns, and connections cannot be closed while one of
 * them is talking: so the newest list is kept as a copy until the loop comes round. Each relay
 * asks for its own pace; the slowest of those that we are connected to counts. One of them that
 * finds Redis short of memory is enough.
 */
#ifndef AGENT_LIVE_H
#define AGENT_LIVE_H

#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIVE_SLOTS       320   /* connections: OUTBOX_PEERS */
#define LIVE_PACE_MAX_MS 60000 /* whatever a relay asks for */

struct live {
	/* private, but for names and count while live_waits */
	char *text; /* NULL: none waits */
	struct slice names[LIMIT_FRAME_RELAYS];
	size_t count;
	uint32_t pace_ms[LIVE_SLOTS];
	bool full[LIVE_SLOTS];
	size_t fulls; /* of them are true */
};

/* Keeps a copy of a list in place of the one before; without memory that stays. */
void live_keep(struct live *l, const struct frame_relays *relays);

/* Whether a list waits. */
bool live_waits(const struct live *l);

/* It was acted on, or is not wanted any more. May be called twice. */
void live_forget(struct live *l);

/* The relay of a slot asks for this seal interval; 0: for none, or it is gone. Returns the longest
 * that any asks for. */
int64_t live_pace(struct live *l, size_t slot, uint64_t seal_ms);

/* The relay of a slot says that Redis is short of memory, or not any more, or it is gone (false).
 * Returns whether any says so. */
bool live_full(struct live *l, size_t slot, bool full);

#endif
