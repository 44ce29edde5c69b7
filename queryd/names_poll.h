/*
 * names_poll.h - keeps names.h fresh.
 *
 * Once a second it asks every partition's `nf` (names by the second first seen) for what is
 * new, after each connect and every hour for all, which also forgets names that Redis has
 * forgotten; names_pass.h decides what to ask. A pass is of one server (redis_view); when a replica is read from now
 * on, whose last seconds are earlier ones, the next pass asks for all. What has come is merged
 * beside the loop (aside.h), tens of thousands of names at a time; meanwhile nothing more is asked
 * for, so that few more names ever wait.
 */
#ifndef QUERYD_NAMES_POLL_H
#define QUERYD_NAMES_POLL_H

#include "proto/store/redis.h"
#include "queryd/aside.h"
#include "queryd/fleet.h"
#include "queryd/names.h"
#include "queryd/names_pass.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names_poll;

/* For whose partition an answer is. */
struct names_poll_part {
	struct names_poll *poll;
};

struct names_poll {
	/* private */
	struct redis *redis;
	const struct fleet *fleet;
	struct names *names;
	struct names_poll_part parts[LIMIT_PARTITIONS];
	struct names_pass pass;
	struct aside *aside;
	struct aside_job job;
	struct names_merge merge;
	uint64_t generation;      /* of redis_view: of the pass under way, or the last one */
	uint64_t read_generation; /* of the last one that was read to its end */
	bool busy;    /* a pass is under way, or its last job */
	bool merging; /* the job is under way */
	bool failed;
	bool loaded;
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

/* Of redis_view: the server whose names are all known, but for those of the last second or two. */
uint64_t names_poll_generation(const struct names_poll *p);

#endif
