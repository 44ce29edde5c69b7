// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_request.c - parameters, and the grid of points.
 *
 * The grid begins behind `from`, as Graphite's does. Points that are too many become wider
 * spans, which divide a day or are whole days, so that the samples of a span are merged and not
 * their values averaged.
 */
#include "queryd/graphite_request.h"

#include "proto/hour.h"
#include "queryd/graphite_time.h"

#include <errno.h>

static int read_time(const struct form *form, const char *name, const char *fallback,
		     int64_t now_second, int64_t *second, struct route_refusal *why)
{
	struct slice text = form_first(form, name);

	if (text.size == 0)
		text = slice_text(fallback);
	if (graphite_time_read(text, now_second, second))
		return 0;
	return route_refuse(why, 400, "bad_range",
			    "%s is unix seconds, now, -24h, -7d, YYYYMMDD or HH:MM_YYYYMMDD", name);
}

/* maxDataPoints; 0: any. */
static int read_points(const struct form *form, uint64_t *out, struct route_refusal *why)
{
	struct slice text = form_first(form, "maxDataPoints");
	size_t i;

	*out = 0;
	for (i = 0; i < text.size; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9' || i == 9)
			return route_refuse(why, 400, "bad_limit",
					    "maxDataPoints is a whole number");
		*out = *out * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	return 0;
}

static struct graphite_grid grid_of(int64_t from, int64_t until, int64_t step)
{
	struct graphite_grid grid = { .step = step };
	int64_t before = from / step, last = until / step;

	grid.start = (before + 1) * step;
	grid.count = (size_t)(last - before);
	if (last == before) {
		grid.start = last * step;
		grid.count = 1;
	}
	return grid;
}

/* The narrowest spans that are few enough: they divide a day, or are whole days. */
static struct graphite_grid choose(int64_t from, int64_t until, uint64_t max_points)
{
	static const int64_t hours[] = { 1, 2, 3, 4, 6, 8, 12 };
	const size_t count = sizeof(hours) / sizeof(*hours);
	struct graphite_grid grid = grid_of(from, until, HOUR_SECONDS);
	size_t i;

	for (i = 1; max_points > 0 && grid.count > max_points; i++) {
		int64_t span = i < count ? hours[i] : (int64_t)(i - count + 1) * DAY_HOURS;
		grid = grid_of(from, until, span * HOUR_SECONDS);
	}
	return grid;
}

static int read_format(const struct form *form, struct graphite_request *out,
		       struct route_refusal *why)
{
	struct slice format = form_first(form, "format");

	out->csv = slice_equal(format, slice_text("csv"));
	if (out->csv || format.size == 0 || slice_equal(format, slice_text("json")))
		return 0;
	return route_refuse(why, 400, "bad_target", "format is json or csv");
}

int graphite_request_read(const struct form *form, int64_t now_second,
			  struct graphite_request *out, struct route_refusal *why)
{
	int64_t from, until;
	uint64_t points;

	if (read_time(form, "from", "-24h", now_second, &from, why) < 0 ||
	    read_time(form, "until", "now", now_second, &until, why) < 0 ||
	    read_points(form, &points, why) < 0 || read_format(form, out, why) < 0)
		return -EINVAL;
	if (from >= until)
		return route_refuse(why, 400, "bad_range", "from lies before until");
	if (until - from > (int64_t)ROUTE_RANGE_HOURS * HOUR_SECONDS)
		return route_refuse(why, 400, "bad_range", "a range is at most %d hours",
				    ROUTE_RANGE_HOURS);
	out->grid = choose(from, until, points);
	return 0;
}
