/*
 * agent.h - the agent as a whole: receive, seal, deliver, drain.
 *
 * Wires the modules to one libuv loop beside the receiver's thread. One timer serves all that
 * depends on time: it is set to whatever is due next, so an idle agent wakes only to seal, to ping
 * its relays and to publish its watermark.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/config.h"

/* Runs until it is asked to stop and has drained. argc and argv are for reloading. Returns the exit
 * status: 0, or 1 when it could not start (logged). */
int agent_run(struct config *config, int argc, char **argv);

#endif
