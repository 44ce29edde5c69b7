/*
 * redis_link.h - a relay's connection to the model store, with what can go wrong.
 *
 *     down --connect, init--> up --lost--> down      (calls under way: unknown)
 *
 * Commands and replies go in order, each after a delay. When a connection is lost, what was on its way may
 * still be run later, after what the next connection brings, or never; nobody hears of it. A store that
 * restarts loses all connections and everything on its way, and may have forgotten its last writes.
 */
#ifndef TESTS_SIM_REDIS_LINK_H
#define TESTS_SIM_REDIS_LINK_H

#include "tests/sim/world.h"

/* Sends a command; false when the link is down. Else its answer is given to the call's owner. */
bool link_send(struct relay_node *r, const struct relay_call *call, struct slice resp);

/* The connection is lost. */
void link_lose(struct relay_node *r);

/* The process has died: calls under way are forgotten. */
void link_forget(struct relay_node *r);

/* Connects, when it is time and the store is there. */
void link_run(struct relay_node *r);

#endif
