/*
 * gauge_trail.h - what a gauge stood at, hour by hour.
 *
 * An hour in which a gauge only changed (`+3|g`) builds on the last value known, looked for
 * at most 24 hours back; without one it builds on 0. The trail is told of hours in rising order
 * and remembers the last 25. Pure; fixed size.
 */
#ifndef QUERYD_GAUGE_TRAIL_H
#define QUERYD_GAUGE_TRAIL_H

#include "proto/cell.h"

#include <stdbool.h>
#include <stdint.h>

#define GAUGE_TRAIL_HOURS 24

struct gauge_trail_hour {
	int64_t hour;
	bool known;
	bool has_last;
	double last; /* without has_last: the sum of changes */
};

struct gauge_trail {
	/* private */
	struct gauge_trail_hour ring[GAUGE_TRAIL_HOURS + 1];
};

/* Knows nothing. */
void gauge_trail_init(struct gauge_trail *t);

/* Tells it of an hour. Hours come in rising order, hours without data are left out. */
void gauge_trail_put(struct gauge_trail *t, int64_t hour, const struct cell_gauge *gauge);

/* What the gauge stood at when an hour that it was told of ended. *found says whether an
 * absolute value lies at the bottom of it. */
double gauge_trail_last(const struct gauge_trail *t, int64_t hour, bool *found);

#endif
