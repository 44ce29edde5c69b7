/*
 * agent_node.h - one agent process: its outbox, spool, route and connections, as its shell wires them.
 *
 * Stands in for agent/delivery.c and agent/peer.c (sockets, clock, chance) over the same cores; for its
 * spool see agent_spool.h. One without a disk loses what it held when it is killed, and counts none of it twice. A stopped one
 * does nothing and reads nothing until it goes on.
 */
#ifndef TESTS_SIM_AGENT_NODE_H
#define TESTS_SIM_AGENT_NODE_H

#include "tests/sim/world.h"

/* Starts the process, with a new incarnation. */
void agent_start(struct agent_node *a);

/* kill -9, or its machine loses power; comes back after a while. */
void agent_kill(struct agent_node *a, int64_t back_ms, bool machine);

/* Frees all of it. */
void agent_release(struct agent_node *a);

/* Does what is due, if it runs. */
void agent_run(struct agent_node *a);

/* When agent_run has something to do. */
int64_t agent_due(const struct agent_node *a);

/* The agent's own view of which relays are alive: a mask; 0: it has no list. */
void agent_set_view(struct agent_node *a, uint32_t relays);

/* What the network says of a connection. */
void agent_connected(struct agent_node *a, struct conn *c);
void agent_data(struct agent_node *a, struct conn *c, struct slice bytes);
void agent_closed(struct agent_node *a, struct conn *c);

/* NULL when nothing is left to do for it; else what. */
const char *agent_unsettled(const struct agent_node *a);

#endif
