/*
 * agent_spool.h - an agent's spool: in memory, or by agent/spool_disk on a virtual disk.
 *
 * Stands in for agent/keeper.c: opens the spool and hands what is in it to the outbox, and has it synced
 * every so often, as if by another thread: begun at one time, on the disk at another, heard of at a
 * third. Knows what the contract promises of a batch: once a round of syncs that began after it was sealed has gone well
 * a crash of the machine must not lose it, and a crash of the process never may, unless the disk
 * refused it.
 */
#ifndef TESTS_SIM_AGENT_SPOOL_H
#define TESTS_SIM_AGENT_SPOOL_H

#include "tests/sim/world.h"

/* Opens the spool and the outbox over it. */
void agent_spool_open(struct agent_node *a, const struct outbox_options *options,
		      const struct outbox_effects *effects);

/* The process dies, or with it the machine: says of all batches that it held which may be lost. */
void agent_spool_die(struct agent_node *a, bool machine);

/* Frees outbox and spool. */
void agent_spool_release(struct agent_node *a);

/* Syncs, when it is time. */
void agent_spool_run(struct agent_node *a);

#endif
