/*
 * relay.h - the daemon: the loop and everything on it.
 *
 *     agents' sockets -> server -> sessions -> committers -> store -> Redis
 *
 * Everything runs on one loop: one core a process, more processes for more. After each turn
 * of the loop the committers do what has come due, so that all batches of one turn share a commit.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "relay/config.h"

/* Runs a relay until it is told to stop. argc and argv are for a reload. Returns the exit
 * status: 0 after a drain; 1 when it could not listen or the store is another fleet's. */
int relay_run(struct config *config, int argc, char **argv);

#endif
