/*
 * cluster.h - which master has which slots.
 *
 * A map from slots to nodes, made of CLUSTER SLOTS and corrected by MOVED. A node keeps its
 * number for as long as it is in the map, also without slots: who has a connection to it knows
 * it by that number. Pure: replies in, a map out. For proto/store alone.
 */
#ifndef PROTO_STORE_CLUSTER_H
#define PROTO_STORE_CLUSTER_H

#include "proto/net/addr.h"
#include "proto/rkey.h"
#include "proto/slice.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#define CLUSTER_NODES_MAX 512
#define CLUSTER_NO_NODE   UINT16_MAX

struct cluster_node {
	bool used;
	uint32_t slots; /* how many it has */
	struct addr address;
};

struct cluster_map {
	uint32_t covered;           /* slots that have a node */
	uint16_t owner[RKEY_SLOTS]; /* a node's number, or CLUSTER_NO_NODE */
	struct cluster_node nodes[CLUSTER_NODES_MAX];
};

/* No node, no slot. */
void cluster_map_init(struct cluster_map *m);

/* The number of a node, which is added if it is new; CLUSTER_NO_NODE when there are too many. */
uint16_t cluster_map_node(struct cluster_map *m, const struct addr *address);

/* Puts what CLUSTER SLOTS says in the place of all slots; asked is where it was asked, for nodes
 * that do not know their own address. 0; ERR_MALFORMED, -ENOENT (that node knows no slots): then
 * nothing has changed. */
int cluster_map_take(struct cluster_map *m, const redisReply *reply, const struct addr *asked)
	__attribute__((warn_unused_result));

/* One slot has gone to a node. */
void cluster_map_move(struct cluster_map *m, uint16_t slot, uint16_t node);

/* Takes a node without slots out. */
void cluster_map_remove(struct cluster_map *m, uint16_t node);

enum cluster_word {
	CLUSTER_OTHER, /* no redirection */
	CLUSTER_MOVED, /* the slot has another master from now on */
	CLUSTER_ASK,   /* this command, once, goes to another, after ASKING */
};

struct cluster_redirect {
	enum cluster_word word;
	uint16_t slot;
	struct addr to;
};

/* What an error of a node says; from is that node. */
struct cluster_redirect cluster_read_redirect(struct slice error, const struct addr *from);

#endif
