/*
 * plan_day.h - which days may be read rolled up.
 *
 * For a plan (plan_day.c) and a survey (survey_parts.c). A day's cell says the same as its hours, but
 * for what a gauge stood at: that builds on 24 hours, wherever a day begins. So the hours are asked for
 * that as long as there are any. Pure.
 */
#ifndef QUERYD_PLAN_DAY_H
#define QUERYD_PLAN_DAY_H

#include <stdbool.h>
#include <stdint.h>

struct plan_day_terms {
	int64_t to_hour; /* of the range */
	int64_t now_second;
	int64_t retention_hours;
	bool last; /* what a gauge stood at is asked for */
};

/* Whether a whole day that is over begins with the hour, and its rolled-up cells may stand for it. */
bool plan_day_serves(const struct plan_day_terms *terms, int64_t hour);

#endif
