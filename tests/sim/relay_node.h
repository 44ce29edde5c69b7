/*
 * relay_node.h - one relay process: sessions and committers, as its shell wires them.
 *
 * Stands in for relay/server.c and relay/relay.c over the same cores: every byte of an agent goes
 * through a session, every command of a committer through the link to the model (redis_link.h).
 * What a stopped relay has in its sockets is read when it goes on.
 */
#ifndef TESTS_SIM_RELAY_NODE_H
#define TESTS_SIM_RELAY_NODE_H

#include "tests/sim/world.h"

/* Starts the process. */
void relay_start(struct relay_node *r);

/* kill -9; comes back after a while. */
void relay_kill(struct relay_node *r, int64_t back_ms);

/* SIGTERM: says GOAWAY, commits what it has, ends, comes back. */
void relay_leave(struct relay_node *r);

/* Frees all of it. */
void relay_release(struct relay_node *r);

/* Does what is due, if it runs. */
void relay_run(struct relay_node *r);

/* When relay_run has something to do. */
int64_t relay_due(const struct relay_node *r);

/* Puts clean hours of a partition out of memory, sooner than a daemon would. */
void relay_evict(struct relay_node *r, uint32_t partition);

/* Tells agents to wait, or to go on. */
void relay_set_busy(struct relay_node *r, bool busy);

/* An answer of the store to a committer. */
void relay_answer(struct relay_node *r, struct committer *c, struct committer_call *call,
		  const struct answer *answer);

/* The same to its compactor. */
void relay_compacted(struct relay_node *r, uint64_t serial, const struct answer *answer);

/* What the network says of a connection. */
void relay_accepted(struct relay_node *r, struct conn *c);
void relay_data(struct relay_node *r, struct conn *c, struct slice bytes);
void relay_closed(struct relay_node *r, struct conn *c);

/* A relay's monotonic clock. */
static inline int64_t relay_now(const struct relay_node *r)
{
	return r->world->now_ms + r->skew_ms;
}

#endif
