/*
 * report.h - the loss ledger, through the pipeline itself.
 *
 * At each seal what the ledger has counted since the last one becomes samples of counters,
 *
 *     hourglass.samples.received;agent=<32 hex>;host=<name>
 *     hourglass.lines.rejected;agent=<32 hex>;host=<name>;reason=<reason>   ...
 *
 * in the very table that is sealed, so that the fleet can be asked what each host took, refused and
 * lost. Increments of 0 are not sent: an idle agent stays silent. What could not be added is added
 * at the next seal. With figures that agree (ledger_copy) and samples_sealed as it will be after
 * the seal, received = sealed + rejected + lost holds for the increments of every seal, but for
 * gauges held back into the next. Pure.
 */
#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include "agent/ledger.h"
#include "proto/slice.h"

#include <stddef.h>
#include <stdint.h>

struct report_line;

struct report {
	/* private */
	struct report_line *lines;
	size_t count;
};

/* Adds to one counter. 0, or a negative error: it is tried again at the next seal. */
typedef int (*report_add_fn)(void *arg, struct slice series, double increment);

/* Readies it: nothing was sent. A host that is no text, or too long for a series, is
 * `unknown`. 0, -ENOMEM. */
int report_init(struct report *r, const char *agent, const char *host)
	__attribute__((warn_unused_result));

/* Frees its memory. May be called without report_init on zeroes. */
void report_release(struct report *r);

/* Adds what is new in the counts. Returns how many counters were added to. */
size_t report_run(struct report *r, const struct ledger *counts, report_add_fn add, void *arg);

#endif
