/*
 * gauges.h - a gauge's order of arrival, across seals.
 *
 * Whoever merges gauges knows seconds, not arrivals: of two absolute values in one second the
 * larger holds (proto/cell.h). Within one seal the table has folded a second in order; but a
 * second that a seal cuts in two would leave two groups of equal rank, and `x:10|g`, a seal,
 * `x:5|g` would read 10. So what comes for a second that was already sealed is held back
 * until that second is over, and is then folded, as the earlier part, into the next one.
 * A gauge is thus never more than a second late, and only if it changes twice in one.
 *
 * In the last second of an hour the rest stays in its hour instead, and the larger holds.
 * Remembers the last sealed second of up to 8,192 gauges (128 KiB, on first use); what does not
 * fit is sealed as it comes. Pure; the loop's thread.
 */
#ifndef AGENT_GAUGES_H
#define AGENT_GAUGES_H

#include "agent/table.h"

#include <stdbool.h>
#include <stdint.h>

#define GAUGES_SLOTS 8192

struct gauges_slot;

struct gauges {
	/* private */
	struct gauges_slot *slots;
};

/* Remembers nothing yet and allocates nothing. */
void gauges_init(struct gauges *g);

/* Frees its memory. */
void gauges_release(struct gauges *g);

/* Called with a group that must go back: the rest of a second that is not over. False when it
 * cannot be taken; it is then sealed as it is. */
typedef bool (*gauges_hold_fn)(void *arg, const struct table_group *group);

/* Puts the gauges of a table that is about to be sealed in order. now_second is the second that
 * is still running; INT64_MAX at the last seal. Returns how many samples were held back. */
uint64_t gauges_settle(struct gauges *g, struct table *sealed, int64_t now_second,
		       gauges_hold_fn hold, void *arg);

#endif
