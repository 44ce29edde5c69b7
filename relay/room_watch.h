/*
 * room_watch.h - asks every master how full it is, and tells agents when room.h judges anew.
 *
 * Once a ROOM_WATCH_MS, by INFO memory; a look ends when all have answered or failed. A verdict
 * stays while Redis is away. Loop thread.
 */
#ifndef RELAY_ROOM_WATCH_H
#define RELAY_ROOM_WATCH_H

#include "proto/store/redis.h"
#include "relay/counters.h"
#include "relay/room.h"
#include "relay/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROOM_WATCH_MS 2000

struct room_watch {
	/* private */
	struct room room;
	struct redis *redis;
	struct relay_counters *counters;
	struct server *server;
	size_t waiting; /* answers of the look that is under way */
	int64_t next_ms;
};

/* All are borrowed and outlive it; it is also to outlive the answers of redis. The sessions of
 * server are told when Redis comes to be short of memory, and when it has room again. */
void room_watch_init(struct room_watch *w, struct redis *redis, struct relay_counters *counters,
		     struct server *server);

/* Asks, when it is time. Call it once a second while Redis can be used. */
void room_watch_tick(struct room_watch *w, int64_t now_ms);

#endif
