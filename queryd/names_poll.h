/*
 * names_poll.h - keeps names.h fresh.
 *
 * Once a second it asks every partition's `nf` (names by the second first seen) for what is
 * new, in chunks. Seconds are Redis' own; those before the last one seen when a pass began were over
 * and are read for good, later ones may have grown behind its back and are read once more by the
 * next pass. Once a second has been
 * asked for several times without anything new it is over for good. After each connect and every
 * hour all is read anew, which also forgets names that Redis has forgotten. What has come is merged
 * beside the loop (aside.h), tens of thousands of names at a time; meanwhile nothing more is asked
 * for, so that no more than a round's names ever wait.
 */
#ifndef QUERYD_NAMES_POLL_H
#define QUERYD_NAMES_POLL_H

#include "proto/store/redis.h"
#include "queryd/aside.h"
#include "queryd/fleet.h"
#include "queryd/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names_poll_part {
	struct names_poll *poll;
	int64_t start;     /* where the next pass begins */
	int64_t last;      /* the last second seen */
	int64_t since;     /* the second that this pass is reading */
	size_t offset;     /* names of the second `since` read in this pass */
	unsigned quiet;    /* passes without anything newer */
	bool more;         /* of this pass there is more to ask for */
};

struct names_poll {
	/* private */
	struct redis *redis;
	const struct fleet *fleet;
	struct names *names;
	struct names_poll_part parts[LIMIT_PARTITIONS];
	struct aside *aside;
	struct aside_job job;
	struct names_merge merge;
	struct names old;   /* on its way out */
	bool merging;       /* or forgetting the old ones: the job is under way */
	uint32_t partitions;
	size_t outstanding; /* commands of the round under way */
	bool whole;         /* the pass reads all anew */
	bool failed;
	bool loaded;
	unsigned passes;    /* since the last whole one */
};

/* Readies it: the first pass will be a whole one. All are borrowed. */
void names_poll_init(struct names_poll *p, struct redis *redis, const struct fleet *fleet,
		     struct names *names, struct aside *aside);

/* The next pass reads all anew. */
void names_poll_restart(struct names_poll *p);

/* A second has passed: starts a pass unless one is under way. */
void names_poll_tick(struct names_poll *p);

/* Asks nothing any more; what is under way may end. Before the connection is closed. */
void names_poll_stop(struct names_poll *p);

/* Whether the names have been read whole once. */
bool names_poll_loaded(const struct names_poll *p);

#endif
