// SPDX-License-Identifier: Apache-2.0
/*
 * route_time.c - ends of a range, tried in turn.
 *
 * Whole hours come out: a start is rounded down and an end up, and `now` as an end takes in the
 * hour that runs.
 */
#include "queryd/route_time.h"

#include "proto/hour.h"

#define SECOND_MAX INT64_C(253402300799) /* the end of 9999 */

/* Digits only, at most max. */
static bool read_number(struct slice text, int64_t max, int64_t *out)
{
	int64_t value = 0;
	size_t i;

	if (text.size == 0 || text.size > 15)
		return false;
	for (i = 0; i < text.size; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = value * 10 + (text.ptr[i] - '0');
	}
	*out = value;
	return value <= max;
}

bool route_time_hour(struct slice text, int64_t *hour)
{
	return text.size <= 2 && read_number(text, DAY_HOURS - 1, hour);
}

/* `-24h`, `-7d`: so long before the hour that now lies in. */
static bool read_relative(struct slice text, int64_t now_hour, int64_t *hour)
{
	struct slice digits = slice_of(text.ptr + 1, text.size < 2 ? 0 : text.size - 2);
	uint8_t unit = text.ptr[text.size - 1];
	int64_t count;

	if ((unit != 'h' && unit != 'd') || !read_number(digits, now_hour, &count))
		return false;
	count *= unit == 'd' ? DAY_HOURS : 1;
	if (count > now_hour)
		return false;
	*hour = now_hour - count;
	return true;
}

bool route_time_end(struct slice text, bool is_to, int64_t now_second, int64_t *hour)
{
	int64_t now_hour = hour_of_second(now_second);
	int64_t day, second;

	if (slice_equal(text, slice_text("now"))) {
		*hour = now_hour + is_to;
		return true;
	}
	if (text.size > 0 && text.ptr[0] == '-')
		return read_relative(text, now_hour, hour);
	if (read_number(text, SECOND_MAX, &second)) {
		*hour = hour_of_second(second + (is_to ? HOUR_SECONDS - 1 : 0));
		return true;
	}
	if (hour_parse_day(text, &day) == 0) {
		*hour = day * DAY_HOURS;
		return true;
	}
	return hour_parse(text, hour) == 0;
}
