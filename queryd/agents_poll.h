/*
 * agents_poll.h - keeps agents.h fresh.
 *
 * Once a second it walks hg:{agents} by HSCAN and hands the texts on; a walk that is cut short
 * changes nothing, and the next begins anew. A walk is of one server (redis_view): what it says vouches
 * for what is read from that one after it, not for another's, which may be behind.
 */
#ifndef QUERYD_AGENTS_POLL_H
#define QUERYD_AGENTS_POLL_H

#include "proto/store/redis.h"
#include "queryd/agents.h"

#include <stdbool.h>

#define AGENTS_CURSOR_SIZE 24

struct agents_poll {
	/* private */
	struct redis *redis;
	struct agents *agents;
	char cursor[AGENTS_CURSOR_SIZE];
	bool walking;
	uint64_t generation;      /* of redis_view: what is walked */
	uint64_t read_generation; /* what was, once it is loaded */
	bool loaded;
};

/* Readies it; nothing is asked yet. Both are borrowed. */
void agents_poll_init(struct agents_poll *p, struct redis *redis, struct agents *agents);

/* A second has passed: starts a walk unless one is under way. */
void agents_poll_tick(struct agents_poll *p);

/* Whether all agents have been read from the server that is read now. */
bool agents_poll_loaded(const struct agents_poll *p);

#endif
