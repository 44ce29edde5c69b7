/*
 * graphite_time.h - times and spans as Graphite's clients write them.
 *
 *     1763640000   now   -24h   now-7d   -5min   -1mon   20261120   13:00_20261120   midnight
 *
 * Units: s, min, h, d, w, mon (30 days), y (365 days), and their longer names. UTC. Pure.
 */
#ifndef QUERYD_GRAPHITE_TIME_H
#define QUERYD_GRAPHITE_TIME_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads a point in time, as unix seconds. False when it is none of the forms. */
bool graphite_time_read(struct slice text, int64_t now_second, int64_t *second);

/* Reads a span such as `1d` or `30min`, in seconds, above 0. A sign does not count. False when it
 * is none. */
bool graphite_time_span(struct slice text, int64_t *seconds);

#endif
