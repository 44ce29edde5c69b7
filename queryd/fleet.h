/*
 * fleet.h - which fleet's Redis this is: how many partitions, their tags, how long hours are kept.
 *
 * The first relay writes `cfg` to hg:{fleet}; until it is there, and whenever the connection is
 * new, it is read again every second. A cfg that this program does not know is logged and not
 * used: a wrong number of partitions would look for every key in the wrong place. Beside it relays say
 * how long they keep hours, which is read again every minute. When they do not, or one of them does not,
 * hours are looked for however old they are.
 */
#ifndef QUERYD_FLEET_H
#define QUERYD_FLEET_H

#include "proto/rkey.h"
#include "proto/slice.h"
#include "proto/store/redis.h"

#include <stdbool.h>
#include <stdint.h>

/* How long hours are kept, by what relays say. */
struct fleet_kept {
	int64_t hours; /* the greatest that counts; 0: nobody says */
	bool open;     /* a relay does not say */
};

struct fleet {
	/* private */
	struct redis *redis;
	struct rkey_tags tags; /* partitions 0: not known */
	uint64_t cfg;
	struct fleet_kept kept;
	unsigned polls; /* since it was read */
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

/* The retention that is right to assume, when a daemon's own configuration says `configured`. */
int64_t fleet_retention_hours(const struct fleet *f, int64_t configured);

/* The first hour of a day that hours may be there of: those before it have gone from Redis, as all relays
 * say, and the configuration. 0: any may be there. */
int64_t fleet_kept_from(const struct fleet *f, int64_t configured, int64_t now_second);

/* Takes one field of hg:{fleet} in; others than those about what is kept are passed over. Pure. */
void fleet_kept_put(struct fleet_kept *kept, struct slice field, struct slice value,
		    int64_t now_second);

#endif
