/*
 * fleet.h - which fleet's Redis this is: how many partitions, and their tags.
 *
 * The first relay writes `cfg` to hg:{fleet}; until it is there, and whenever the connection is
 * new, it is read again every second. A cfg that this program does not know is logged and not
 * used: a wrong number of partitions would look for every key in the wrong place.
 */
#ifndef QUERYD_FLEET_H
#define QUERYD_FLEET_H

#include "proto/rkey.h"
#include "proto/slice.h"
#include "proto/store/redis.h"

#include <stdbool.h>
#include <stdint.h>

struct fleet {
	/* private */
	struct redis *redis;
	struct rkey_tags tags; /* partitions 0: not known */
	uint64_t cfg;
	bool asking;
	const char *problem;
	void (*known)(void *arg);
	void *arg;
};

/* Knows nothing yet. known is called whenever the fleet has become known. */
void fleet_init(struct fleet *f, struct redis *redis, void (*known)(void *arg), void *arg);

/* The connection is new, or a second has passed: asks if it must. */
void fleet_poll(struct fleet *f);

/* The connection is lost: what comes after it may be another Redis. */
void fleet_forget(struct fleet *f);

/* Whether partitions and tags can be asked for. */
bool fleet_is_known(const struct fleet *f);

/* What keeps it from being known, for people. Static. */
const char *fleet_problem(const struct fleet *f);

uint32_t fleet_partitions(const struct fleet *f);              /* 0 while not known */
const char *fleet_tag(const struct fleet *f, uint32_t partition); /* of a partition */
const char *fleet_tag_of(const struct fleet *f, struct slice series); /* of its partition */

#endif
