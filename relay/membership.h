/*
 * membership.h - what relays and agents tell each other through Redis, outside partitions.
 *
 * Each second: our heartbeat into hg:{relays} (advertised address -> "<unix ms> <name> <version>
 * kept=<retention_hours>"), the list read back, and Redis' clock. A relay heard of within 5 s is
 * live; entries older than ten minutes are removed. Unix time is Redis' (all relays then agree on
 * it, whatever their own clocks say); ours against it is shown as skew. How long hours are kept is
 * told to readers in hg:{fleet} (KEYS.md). Agents' watermarks go to hg:{agents} (agent id in hex ->
 * "<committed ms> <seen ms> <left> <host>"). Loop thread; borrows the connection.
 */
#ifndef RELAY_MEMBERSHIP_H
#define RELAY_MEMBERSHIP_H

#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/net/addr.h"
#include "proto/store/redis.h"
#include "relay/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct membership_relay {
	char address[ADDR_TEXT_SIZE];
};

struct membership {
	/* private, but for list, count and unix_offset_ms */
	struct redis *redis;
	struct relay_counters *counters;
	const char *advertise;
	const char *name;
	int64_t retention_hours;
	void (*changed)(void *arg);
	void *arg;
	bool asking;
	int64_t asked_ms;
	int64_t warn_ms;
	int64_t tell_ms; /* when the retention is told again */
	bool silent;     /* a live relay does not say how long it keeps hours */
	int64_t unix_offset_ms; /* unix ms = monotonic ms + this */
	struct membership_relay list[LIMIT_FRAME_RELAYS]; /* live, sorted by address */
	size_t count;
};

/* Readies it; all pointers are borrowed. changed is called when the live list has. */
void membership_init(struct membership *m, struct redis *redis, struct relay_counters *counters,
		     void (*changed)(void *arg), void *arg);

/* Who we are, and how long we keep hours: before the first tick. */
void membership_identity(struct membership *m, const char *advertise, const char *name,
			 int64_t retention_hours);

/* Heartbeat, list, clock; once a second while the store is ready. */
void membership_tick(struct membership *m);

/* Removes our heartbeat. done is called when that is known to be done, or to have failed. */
void membership_leave(struct membership *m, redis_reply_fn done, void *arg);

/* Passes an agent's watermark on. */
void membership_watermark(struct membership *m, const uint8_t agent_id[FRAME_AGENT_BYTES],
			  const struct frame_watermark *watermark);

#endif
