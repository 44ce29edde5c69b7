/*
 * route_time.h - dates, hours and the ends of ranges as people write them.
 *
 *     2026-11-20   2026-11-20T13   1763640000 (unix seconds)   -24h   -7d   now
 *
 * All UTC. Ranges are made of whole hours: a start is floored, unix seconds as an end are
 * rounded up, `now` as an end includes the open hour. Pure.
 */
#ifndef QUERYD_ROUTE_TIME_H
#define QUERYD_ROUTE_TIME_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads an hour of the day, 0..23, a leading zero allowed. False for anything else. */
bool route_time_hour(struct slice text, int64_t *hour);

/* Reads one end of a range as a number of hours. False when it is none of the forms. */
bool route_time_end(struct slice text, bool is_to, int64_t now_second, int64_t *hour);

#endif
