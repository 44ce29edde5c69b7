/*
 * relay_compaction.h - a relay's compactor, as relay/compaction.c wires it.
 *
 * Each partition is the business of one relay, or in some seeds of all of them at once, which the
 * contract allows. In some seeds compactors think that it is later than it is: hours that are being written are
 * closed to them, and days are rolled up and made anew while data comes.
 */
#ifndef TESTS_SIM_RELAY_COMPACTION_H
#define TESTS_SIM_RELAY_COMPACTION_H

#include "tests/sim/world.h"

/* Readies it with the process. */
void relay_compaction_start(struct relay_node *r);

/* Does what is due, if the link is up. Returns when something is, in the world's time. */
int64_t relay_compaction_run(struct relay_node *r);

#endif
