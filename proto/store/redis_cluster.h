/*
 * redis_cluster.h - a Cluster behind redis.h: its parts, shared by two files.
 *
 * redis_cluster.c keeps the map and a link a master; cluster_calls.c sends a command on when a
 * node redirects it. For proto/store alone.
 */
#ifndef PROTO_STORE_REDIS_CLUSTER_H
#define PROTO_STORE_REDIS_CLUSTER_H

#include "proto/daemon/log.h"
#include "proto/store/cluster.h"
#include "proto/store/redis_private.h"

struct cluster_call;

/* A node of the map that we have a link to. */
struct cluster_peer {
	struct redis_cluster *cluster;
	struct redis_link *link;
	uint16_t number;
	size_t parked; /* calls that wait for the link */
	uint64_t idle_since_ms;
	bool serves; /* was told of as a master that can be used */
};

struct redis_cluster {
	struct redis *redis;
	struct cluster_map map;
	struct cluster_peer *peers[CLUSTER_NODES_MAX]; /* by the node's number */
	struct redis_link *seed;
	bool seed_wanted;
	size_t next_seed;
	uint16_t next_asked;
	uv_timer_t timer;
	unsigned open; /* handles: the timer, the seed, the peers' links */
	bool known;    /* a map was taken */
	bool stale;    /* a node says that the map is wrong */
	bool asking;
	uint64_t known_at_ms;
	uint64_t asked_at_ms;
	struct cluster_call *parked; /* oldest first */
	size_t parked_count;
	struct log_limit log_limit;
};

/* The node at an address, with a link that is up or on its way; NULL: too many nodes, no memory. */
struct cluster_peer *cluster_peer_of(struct redis_cluster *c, const struct addr *address);

/* redis_ops.command: sends to the slot's master, and on to where it is told to. */
int cluster_calls_send(struct redis *r, uint16_t slot, struct slice resp, redis_reply_fn reply,
		       void *arg);

/* The peer's link is up: what waited for it is sent. */
void cluster_calls_unpark(struct cluster_peer *peer);

/* Reports calls that have waited too long. */
void cluster_calls_expire(struct redis_cluster *c);

/* Reports all that wait. */
void cluster_calls_fail(struct redis_cluster *c);

#endif
