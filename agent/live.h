/*
 * live.h - a live list of relays that has come and waits to be acted on.
 *
 * A frame's names are gone when its handler returns, and connections cannot be closed while one of
 * them is talking: so the newest list is kept as a copy until the loop comes round.
 */
#ifndef AGENT_LIVE_H
#define AGENT_LIVE_H

#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>

struct live {
	/* private, but for names and count while live_waits */
	char *text; /* NULL: none waits */
	struct slice names[LIMIT_FRAME_RELAYS];
	size_t count;
};

/* Keeps a copy of a list in place of the one before; without memory that stays. */
void live_keep(struct live *l, const struct frame_relays *relays);

/* Whether a list waits. */
bool live_waits(const struct live *l);

/* It was acted on, or is not wanted any more. May be called twice. */
void live_forget(struct live *l);

#endif
