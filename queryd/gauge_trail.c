// SPDX-License-Identifier: Apache-2.0
/*
 * gauge_trail.c - a ring of the last 25 hours.
 *
 * A slot says which hour it has, so nothing is cleared as hours pass; looking back adds up
 * changes until an hour that was set.
 */
#include "queryd/gauge_trail.h"

#include <string.h>

#define RING (GAUGE_TRAIL_HOURS + 1)

void gauge_trail_init(struct gauge_trail *t)
{
	memset(t, 0, sizeof(*t));
}

void gauge_trail_put(struct gauge_trail *t, int64_t hour, const struct cell_gauge *gauge)
{
	t->ring[hour % RING] = (struct gauge_trail_hour){
		.hour = hour,
		.known = true,
		.has_last = gauge->has_last,
		.last = gauge->last,
	};
}

double gauge_trail_last(const struct gauge_trail *t, int64_t hour, bool *found)
{
	double changes = 0;
	int64_t at;

	*found = false;
	for (at = hour; at >= 0 && at >= hour - GAUGE_TRAIL_HOURS && !*found; at--) {
		const struct gauge_trail_hour *slot = &t->ring[at % RING];
		if (!slot->known || slot->hour != at)
			continue;
		changes += slot->last;
		*found = slot->has_last;
	}
	return changes;
}
