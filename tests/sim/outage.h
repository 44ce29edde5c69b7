/*
 * outage.h - an hour without relays, in virtual time.
 *
 *     50,000 samples a second -> table -> seal -> outbox -> spool        no relay
 *     then: spool -> outbox -> a relay's image -> every sample counted again
 *
 * The agent's own table, seal, outbox and spool (on the real disk, in a folder of its own, or in
 * memory), sealing as agent.c does: twice a second, rarer as the spool fills, not into a full one. What it may
 * hold in memory is given, and the peak of the process is measured. Afterwards a relay that takes all
 * is there, and what its image has must be what was received, less what the table refused and counted.
 */
#ifndef TESTS_SIM_OUTAGE_H
#define TESTS_SIM_OUTAGE_H

#include <stdbool.h>
#include <stdint.h>

struct outage_options {
	bool on_disk;
	uint32_t minutes;
	uint32_t rate; /* samples a second */
};

/* Runs it and prints what came of it. Returns whether all was counted, and memory kept. */
bool outage_run(const struct outage_options *options);

#endif
