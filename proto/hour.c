// SPDX-License-Identifier: Apache-2.0
/*
 * Dates by arithmetic alone, since a commit and an answer spell thousands of them: days count in
 * eras of 400 years (146,097 days) and years begin on 1 March, so that the day which comes and
 * goes is a year's last (Hinnant, "chrono-compatible low-level date algorithms": days_from_civil
 * and civil_from_days). Of an era's day the leap days so far (of 4 years, less of 100, plus of
 * 400) are taken off, which leaves years of 365.
 */
#include "proto/hour.h"

#include "proto/err.h"

#include <assert.h>
#include <stddef.h>

#define HOUR_FIRST_YEAR 1970
#define HOUR_LAST_DAY   2932896 /* 9999-12-31 */
#define ERA_DAYS        146097  /* 400 years of the Gregorian calendar */
#define ERA_OF_1970     719468  /* days from 0000-03-01 to 1970-01-01 */

struct hour_date {
	int64_t year;
	int64_t month; /* 1..12 */
	int64_t day;   /* 1..31 */
};

/* Months begin at (153 m + 2) / 5 days of a year. All dates are after year 0, so no division rounds
 * the wrong way. */
static int64_t hour_day_of_date(struct hour_date date)
{
	int64_t year = date.year - (date.month <= 2);
	int64_t month = date.month + (date.month > 2 ? -3 : 9);
	int64_t of_era = year % 400;
	int64_t of_year = (153 * month + 2) / 5 + date.day - 1;

	return year / 400 * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
	       ERA_OF_1970;
}

static struct hour_date hour_date_of_day(int64_t day)
{
	struct hour_date date;
	int64_t era, of_era, of_year, year, month;

	assert(day >= 0 && day <= HOUR_LAST_DAY);
	day += ERA_OF_1970;
	era = day / ERA_DAYS;
	of_era = day % ERA_DAYS;
	year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	of_year = of_era - (365 * year + year / 4 - year / 100);
	month = (5 * of_year + 2) / 153;
	date.day = of_year - (153 * month + 2) / 5 + 1;
	date.month = month < 10 ? month + 3 : month - 9;
	date.year = year + era * 400 + (date.month <= 2);
	return date;
}

/* Writes value as `width` digits. Not printf: these run for each key of a commit. */
static char *hour_put(char *at, int64_t value, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		at[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return at + width;
}

static char *hour_put_day(char *at, int64_t day)
{
	struct hour_date date = hour_date_of_day(day);

	at = hour_put(at, date.year, 4);
	*at++ = '-';
	at = hour_put(at, date.month, 2);
	*at++ = '-';
	return hour_put(at, date.day, 2);
}

static char *hour_put_hour(char *at, int64_t hour)
{
	assert(hour >= 0);
	at = hour_put_day(at, hour_day(hour));
	*at++ = 'T';
	return hour_put(at, hour % DAY_HOURS, 2);
}

const char *hour_format(int64_t hour, char out[HOUR_TEXT_SIZE])
{
	*hour_put_hour(out, hour) = '\0';
	return out;
}

const char *hour_format_day(int64_t day, char out[HOUR_TEXT_SIZE])
{
	*hour_put_day(out, day) = '\0';
	return out;
}

const char *hour_format_second(int64_t second, char out[HOUR_TEXT_SIZE])
{
	char *at;

	assert(second >= 0);
	at = hour_put_hour(out, hour_of_second(second));
	*at++ = ':';
	at = hour_put(at, second % HOUR_SECONDS / 60, 2);
	*at++ = ':';
	at = hour_put(at, second % 60, 2);
	*at++ = 'Z';
	*at = '\0';
	return out;
}

/* Takes exactly `width` digits and, unless it is 0, the byte that must follow. */
static bool hour_take(struct slice *text, size_t width, char after, int64_t *value)
{
	size_t size = width + (after != 0);

	*value = 0;
	if (text->size < size || (after != 0 && text->ptr[width] != (uint8_t)after))
		return false;
	for (size_t i = 0; i < width; i++) {
		if (text->ptr[i] < '0' || text->ptr[i] > '9')
			return false;
		*value = *value * 10 + (text->ptr[i] - '0');
	}
	*text = slice_of(text->ptr + size, text->size - size);
	return true;
}

static int64_t hour_month_days(int64_t year, int64_t month)
{
	static const int64_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* Takes a date off *text, and the byte that must follow, if any. */
static int hour_take_day(struct slice *text, char after, int64_t *day)
{
	struct hour_date date;

	if (!hour_take(text, 4, '-', &date.year) || !hour_take(text, 2, '-', &date.month) ||
	    !hour_take(text, 2, after, &date.day))
		return ERR_MALFORMED;
	if (date.year < HOUR_FIRST_YEAR || date.month < 1 || date.month > 12 || date.day < 1 ||
	    date.day > hour_month_days(date.year, date.month))
		return ERR_OUT_OF_RANGE;
	*day = hour_day_of_date(date);
	return 0;
}

int hour_parse_day(struct slice text, int64_t *day)
{
	if (text.size != strlen("YYYY-MM-DD"))
		return ERR_MALFORMED;
	return hour_take_day(&text, '\0', day);
}

int hour_parse(struct slice text, int64_t *hour)
{
	int64_t day, of_day;
	int r;

	if (text.size != strlen("YYYY-MM-DDTHH"))
		return ERR_MALFORMED;
	r = hour_take_day(&text, 'T', &day);
	if (r < 0)
		return r;
	if (!hour_take(&text, 2, '\0', &of_day))
		return ERR_MALFORMED;
	if (of_day >= DAY_HOURS)
		return ERR_OUT_OF_RANGE;
	*hour = day * DAY_HOURS + of_day;
	return 0;
}
