/*
 * names_poll.h - keeps names.h fresh.
 *
 * Once a second it asks every partition's `nf` (names by the second first seen) for what is
 * new since the last second seen, in chunks. Seconds are Redis' own, so once a second has been
 * asked for several times without anything new it is over for good. After each connect and every
 * hour all is read anew, which also forgets names that Redis has forgotten.
 */
#ifndef QUERYD_NAMES_POLL_H
#define QUERYD_NAMES_POLL_H

#include "proto/store/redis.h"
#include "queryd/fleet.h"
#include "queryd/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names_poll_part {
	struct names_poll *poll;
	int64_t since;     /* the last second seen */
	size_t offset;     /* names of the second `since` read in this pass */
	unsigned quiet;    /* passes without anything newer */
};

struct names_poll {
	/* private */
	struct redis *redis;
	const struct fleet *fleet;
	struct names *names;
	struct names_poll_part parts[LIMIT_PARTITIONS];
	size_t outstanding; /* commands of the pass under way */
	bool whole;         /* the pass reads all anew */
	bool failed;
	bool loaded;
	unsigned passes;    /* since the last whole one */
};

/* Readies it: the first pass will be a whole one. All are borrowed. */
void names_poll_init(struct names_poll *p, struct redis *redis, const struct fleet *fleet,
		     struct names *names);

/* The next pass reads all anew. */
void names_poll_restart(struct names_poll *p);

/* A second has passed: starts a pass unless one is under way. */
void names_poll_tick(struct names_poll *p);

/* Whether the names have been read whole once. */
bool names_poll_loaded(const struct names_poll *p);

#endif
