// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_time.c - Graphite's times, tried from the plainest to the oddest.
 *
 * Eight digits are a date before they are a second. Months and years have fixed lengths, as in
 * Graphite.
 */
#include "queryd/graphite_time.h"

#include "proto/hour.h"

#include <string.h>
#include <strings.h>

#define SECOND_MAX INT64_C(253402300799) /* the end of 9999 */
#define DIGITS_MAX 12

static const struct {
	const char *name;
	int64_t seconds;
} units[] = {
	{ "s", 1 }, { "sec", 1 }, { "secs", 1 }, { "second", 1 }, { "seconds", 1 },
	{ "min", 60 }, { "mins", 60 }, { "minute", 60 }, { "minutes", 60 },
	{ "h", 3600 }, { "hour", 3600 }, { "hours", 3600 },
	{ "d", 86400 }, { "day", 86400 }, { "days", 86400 },
	{ "w", 604800 }, { "week", 604800 }, { "weeks", 604800 },
	{ "mon", 2592000 }, { "month", 2592000 }, { "months", 2592000 },
	{ "y", 31536000 }, { "year", 31536000 }, { "years", 31536000 },
};

static bool is_text(struct slice text, const char *word)
{
	return text.size == strlen(word) &&
	       strncasecmp((const char *)text.ptr, word, text.size) == 0;
}

/* Takes the digits that text begins with. Their number; 0: none, or more than fit. */
static size_t take_digits(struct slice *text, int64_t *out)
{
	size_t count = 0;

	*out = 0;
	while (count < text->size && text->ptr[count] >= '0' && text->ptr[count] <= '9') {
		if (count == DIGITS_MAX)
			return 0;
		*out = *out * 10 + (text->ptr[count++] - '0');
	}
	*text = slice_of(text->ptr + count, text->size - count);
	return count;
}

bool graphite_time_span(struct slice text, int64_t *seconds)
{
	int64_t number;
	size_t i;

	if (text.size > 0 && (*text.ptr == '-' || *text.ptr == '+'))
		text = slice_of(text.ptr + 1, text.size - 1);
	if (take_digits(&text, &number) == 0 || number == 0 || number > SECOND_MAX)
		return false;
	for (i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (!is_text(text, units[i].name))
			continue;
		if (number > SECOND_MAX / units[i].seconds)
			return false;
		*seconds = number * units[i].seconds;
		return true;
	}
	return false;
}

/* `20261120`. */
static bool read_date(struct slice text, int64_t *second)
{
	char day_text[] = "YYYY-MM-DD";
	int64_t day;

	if (text.size != 8)
		return false;
	memcpy(day_text, text.ptr, 4);
	memcpy(day_text + 5, text.ptr + 4, 2);
	memcpy(day_text + 8, text.ptr + 6, 2);
	if (hour_parse_day(slice_text(day_text), &day) < 0)
		return false;
	*second = day * 86400;
	return true;
}

/* `13:00_20261120`. */
static bool read_clock(struct slice text, int64_t *second)
{
	int64_t hour, minute;

	if (take_digits(&text, &hour) != 2 || hour > 23 || text.size == 0 || *text.ptr != ':')
		return false;
	text = slice_of(text.ptr + 1, text.size - 1);
	if (take_digits(&text, &minute) != 2 || minute > 59 || text.size == 0 || *text.ptr != '_')
		return false;
	if (!read_date(slice_of(text.ptr + 1, text.size - 1), second))
		return false;
	*second += hour * 3600 + minute * 60;
	return true;
}

static bool read_relative(struct slice text, int64_t now_second, int64_t *second)
{
	int64_t span;

	if (!graphite_time_span(text, &span) || span > now_second)
		return false;
	*second = now_second + (*text.ptr == '-' ? -span : span);
	return *text.ptr == '-' || *text.ptr == '+';
}

bool graphite_time_read(struct slice text, int64_t now_second, int64_t *second)
{
	struct slice rest = text;

	if (is_text(text, "now")) {
		*second = now_second;
		return true;
	}
	if (is_text(text, "midnight") || is_text(text, "today")) {
		*second = now_second - now_second % 86400;
		return true;
	}
	if (text.size > 3 && is_text(slice_of(text.ptr, 3), "now"))
		return read_relative(slice_of(text.ptr + 3, text.size - 3), now_second, second);
	if (read_date(text, second))
		return true;
	if (take_digits(&rest, second) > 0 && rest.size == 0)
		return *second <= SECOND_MAX;
	return read_clock(text, second) || read_relative(text, now_second, second);
}
