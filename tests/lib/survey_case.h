/*
 * survey_case.h - surveys put together in a line or two.
 *
 * All in the header, as survey_store.h.
 */
#ifndef TESTS_LIB_SURVEY_CASE_H
#define TESTS_LIB_SURVEY_CASE_H

#include "tests/lib/plan_case.h"
#include "tests/lib/survey_store.h"

/* A survey of [from, to), at half past PLAN_CASE_HOUR. */
static inline struct survey *survey_case_open(int64_t from, int64_t to, int64_t step)
{
	const struct survey_settings settings = {
		.from_hour = from,
		.to_hour = to,
		.step_hours = step,
		.now_second = PLAN_CASE_HOUR * 3600 + 1800,
		.totals = true,
		.max_points = 1000,
		.max_bytes = 1 << 20,
	};
	struct survey *survey;

	assert_int_equal(survey_new(&settings, &survey), 0);
	return survey;
}

/* Wants a stat of the group added last. */
static inline void survey_case_stat(struct survey *survey, const char *name)
{
	struct stat_asked stat;

	assert_true(stat_parse(slice_text(name), &stat));
	assert_int_equal(survey_add_stat(survey, &stat), 0);
}

/* Adds a group with a stat. */
static inline void survey_case_group(struct survey *survey, enum kind kind, const char *stat)
{
	assert_int_equal(survey_add_group(survey, kind), 0);
	survey_case_stat(survey, stat);
}

/* Adds a key to the group added last. */
static inline void survey_case_key(struct survey *survey, const char *key)
{
	assert_int_equal(survey_add_key(survey, survey_groups(survey) - 1, slice_text(key)), 0);
}

/* What a stat has come to over the whole range. */
static inline double survey_case_total(const struct survey *survey, size_t stat)
{
	struct stat_result result = survey_total(survey, stat);

	assert_true(result.has);
	return result.value;
}

#endif
