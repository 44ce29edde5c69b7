/*
 * net.h - TCP between agents and relays, with what can go wrong.
 *
 * Bytes arrive in order or not at all, in pieces of any size, after a delay; while a way is cut they wait,
 * and so does the word that the other end has gone: an end may believe in a connection long after (half-open)
 * until its own bytes come back as a reset. A stopped process' kernel goes on taking connections and
 * bytes; they are read when it goes on. A killed one's connections end after what it had sent.
 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "tests/sim/world.h"

/* Begins a connection; the agent hears of it later, one way or the other. */
struct conn *net_connect(struct world *w, uint32_t agent, uint32_t relay);

/* Sends bytes from one end. */
void net_to_relay(struct conn *c, struct slice bytes);
void net_to_agent(struct conn *c, struct slice bytes);

/* An end is closed by its owner; the other end learns of it after what was sent. The relay's
 * session is released. */
void net_agent_closes(struct conn *c);
void net_relay_closes(struct conn *c);

/* Both ends learn at once that the connection is lost. */
void net_reset(struct conn *c);

#endif
