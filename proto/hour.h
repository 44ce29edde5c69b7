/*
 * hour.h - tumbling UTC hours and days, and their spelling.
 *
 * An hour is the number of whole hours since 1970-01-01T00 UTC, a day the number of
 * whole days. No leap seconds, no time zones, no locale. Years 1970..9999.
 */
#ifndef PROTO_HOUR_H
#define PROTO_HOUR_H

#include "proto/slice.h"

#include <stdint.h>

#define HOUR_SECONDS   3600
#define DAY_HOURS      24
#define HOUR_TEXT_SIZE 32 /* room for every text below, with its terminator */

/* The hour that a unix second lies in; seconds before 1970 are not expected. */
static inline int64_t hour_of_second(int64_t second)
{
	return second / HOUR_SECONDS;
}

/* The day that an hour lies in. */
static inline int64_t hour_day(int64_t hour)
{
	return hour / DAY_HOURS;
}

/* `2026-11-20T13`, the spelling in Redis keys. Returns out. */
const char *hour_format(int64_t hour, char out[HOUR_TEXT_SIZE]);

/* `2026-11-20`. Returns out. */
const char *hour_format_day(int64_t day, char out[HOUR_TEXT_SIZE]);

/* `2026-11-20T13:00:05Z` for a unix second. Returns out. */
const char *hour_format_second(int64_t second, char out[HOUR_TEXT_SIZE]);

/* Reads exactly `YYYY-MM-DD`, a real calendar date. 0; ERR_MALFORMED, ERR_OUT_OF_RANGE. */
int hour_parse_day(struct slice text, int64_t *day) __attribute__((warn_unused_result));

/* Reads exactly `YYYY-MM-DDTHH`. 0; ERR_MALFORMED, ERR_OUT_OF_RANGE. */
int hour_parse(struct slice text, int64_t *hour) __attribute__((warn_unused_result));

#endif
