// SPDX-License-Identifier: Apache-2.0
#include "agent/limits.h"

#include "proto/hash.h"
#include "proto/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const struct limits_options defaults = { .max_keys = 100000, .max_keys_per_prefix = 50000,
						.max_new_keys_per_second = 20000 };

static int setup(void **state)
{
	struct limits *l = calloc(1, sizeof(*l));

	limits_init(l, &defaults);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	limits_release(*state);
	free(*state);
	return 0;
}

static enum limits_verdict admit(struct limits *l, const char *series, size_t keys)
{
	return limits_admit(l, slice_text(series), hash64(slice_text(series)), keys);
}

/* Admits name0, name1... and returns how many came through. */
static size_t admit_many(struct limits *l, const char *name, size_t count)
{
	char series[64];
	size_t admitted = 0;

	for (size_t i = 0; i < count; i++) {
		snprintf(series, sizeof(series), "%s%zu", name, i);
		admitted += admit(l, series, admitted) == LIMITS_ADMITTED;
	}
	return admitted;
}

static void expect_segment(const char *series, const char *segment)
{
	struct slice found = limits_segment(slice_text(series));

	if (!slice_equal(found, slice_text(segment)))
		fail_msg("%s: %.*s", series, (int)found.size, (const char *)found.ptr);
}

static void expect_overflow(struct limits *l, const char *series, const char *expected)
{
	uint8_t storage[LIMITS_SERIES_SIZE];
	struct slice found = limits_overflow(l, slice_text(series), storage);
	struct series parsed;

	if (!slice_equal(found, slice_text(expected)))
		fail_msg("%s: %.*s", series, (int)found.size, (const char *)found.ptr);
	assert_int_equal(series_parse(found, &parsed), 0);
	assert_true(limits_is_overflow(found));
	assert_true(slice_equal(limits_overflowed_segment(found),
				slice_text(strchr(expected, '=') + 1)));
}

static void test_an_interval_has_so_many_keys(void **state)
{
	struct limits *l = *state;

	assert_int_equal(admit(l, "a", 99999), LIMITS_ADMITTED);
	assert_int_equal(admit(l, "b", 100000), LIMITS_KEYS);
	assert_int_equal(admit(l, "a", 100000), LIMITS_KEYS); /* known or not */
}

static void test_a_prefix_has_so_many_keys_in_an_interval(void **state)
{
	struct limits *l = *state;
	struct limits_options options = defaults;

	options.max_keys_per_prefix = 10;
	limits_change(l, &options);
	assert_int_equal(admit_many(l, "web.", 15), 10);
	assert_int_equal(admit(l, "web.x", 10), LIMITS_PREFIX);
	assert_int_equal(admit_many(l, "db.", 15), 10);
	limits_begin_interval(l);
	assert_int_equal(admit_many(l, "web.", 15), 10);
}

static void test_prefixes_beyond_the_table_share_one_count(void **state)
{
	struct limits *l = *state;
	struct limits_options options = defaults;

	options.max_keys_per_prefix = 100;
	limits_change(l, &options);
	/* Without a dot each is its own prefix. */
	assert_int_equal(admit_many(l, "key", LIMITS_PREFIXES + 500), LIMITS_PREFIXES + 100);
	assert_int_equal(admit(l, "more.x", 0), LIMITS_PREFIX);
	assert_int_equal(admit(l, "key0", 0), LIMITS_ADMITTED); /* has a count of its own */
}

static void test_a_second_brings_so_many_new_keys(void **state)
{
	struct limits *l = *state;
	struct limits_options options = { .max_keys = 5000, .max_keys_per_prefix = 100000,
					  .max_new_keys_per_second = 1000 };
	size_t fresh = 0;

	limits_change(l, &options);
	limits_pass(l, 1000000);
	/* A start is forgiven max_keys of them: then it is a second's worth each second. */
	for (int i = 0; i < 10000; i++)
		fresh += limits_admit(l, slice_text("a"), (uint64_t)i + 1, 0) == LIMITS_ADMITTED;
	assert_int_equal(fresh, 5000);
	for (int second = 1; second <= 3; second++) {
		limits_pass(l, 1000000 + second * 1000);
		for (int i = 0; i < 2000; i++)
			fresh += limits_admit(l, slice_text("a"),
					      (uint64_t)(second * 100000 + i), 0) ==
				 LIMITS_ADMITTED;
	}
	assert_int_equal(fresh, 8000);
	/* However long nothing came, the bucket holds one second's. */
	limits_pass(l, 2000000);
	for (int i = 0; i < 2000; i++)
		fresh += limits_admit(l, slice_text("a"), (uint64_t)(900000 + i), 0) ==
			 LIMITS_ADMITTED;
	assert_int_equal(fresh, 9000);
	/* Half a second, half of it; and a clock that stands or goes back gives nothing. */
	limits_pass(l, 2000500);
	for (int i = 0; i < 2000; i++)
		fresh += limits_admit(l, slice_text("a"), (uint64_t)(910000 + i), 0) ==
			 LIMITS_ADMITTED;
	assert_int_equal(fresh, 9500);
	limits_pass(l, 1999000);
	assert_int_equal(admit(l, "one.more", 0), LIMITS_NEW_KEYS);
}

static void test_a_full_store_gets_no_new_keys(void **state)
{
	struct limits *l = *state;

	assert_int_equal(admit(l, "known.x", 0), LIMITS_ADMITTED);
	limits_set_full(l, true);
	limits_begin_interval(l);
	assert_int_equal(admit(l, "known.x", 0), LIMITS_ADMITTED);
	assert_int_equal(admit(l, "fresh.x", 1), LIMITS_STORE);
	assert_int_equal(admit(l, "fresh.x", 1), LIMITS_STORE);
	limits_set_full(l, false);
	assert_int_equal(admit(l, "fresh.x", 1), LIMITS_ADMITTED);
}

static void test_keys_known_lately_are_not_new(void **state)
{
	struct limits *l = *state;
	struct limits_options options = { .max_keys = 100, .max_keys_per_prefix = 1000,
					  .max_new_keys_per_second = 100 };

	limits_change(l, &options);
	limits_pass(l, 1000);
	assert_int_equal(admit_many(l, "a.", 100), 100);
	limits_begin_interval(l);
	assert_int_equal(admit_many(l, "b.", 10), 0);
	limits_begin_interval(l);
	assert_int_equal(admit_many(l, "a.", 100), 100);
	/* What was refused is not known, and does not count for its prefix. */
	limits_pass(l, 1100);
	assert_int_equal(admit_many(l, "b.", 100), 10);
	/* After minutes of silence all are new again. */
	limits_pass(l, 1100 + 3 * KNOWN_GENERATION_MS);
	limits_begin_interval(l);
	assert_int_equal(admit(l, "z", 0), LIMITS_ADMITTED);
	limits_pass(l, 1100 + 6 * KNOWN_GENERATION_MS);
	limits_begin_interval(l);
	options.max_keys = 1000;
	limits_change(l, &options);
	assert_int_equal(admit_many(l, "a.", 100) + admit_many(l, "c.", 100), 100);
}

static void test_the_first_segment_ends_at_a_dot_or_at_the_tags(void **state)
{
	(void)state;
	expect_segment("web.latency.p1", "web");
	expect_segment("web", "web");
	expect_segment("web;host=a.b", "web");
	expect_segment(".x", "");
	expect_segment("a\\;b.c", "a\\;b");
	expect_segment("a\\\\.c", "a\\\\");
}

static void test_what_is_over_goes_to_its_prefix_s_series(void **state)
{
	struct limits *l = *state;

	expect_overflow(l, "web.latency;host=a", "hourglass.overflow;prefix=web");
	expect_overflow(l, "a\\;b.c", "hourglass.overflow;prefix=a\\;b");
	expect_overflow(l, "x=y.c", "hourglass.overflow;prefix=x=y");
	expect_overflow(l, ".c", "hourglass.overflow;prefix=");
}

static void test_overflow_series_are_bounded(void **state)
{
	struct limits *l = *state;
	char series[400], expected[400];

	limits_pass(l, 5000);
	for (int i = 0; i < LIMITS_OVERFLOWS; i++) {
		snprintf(series, sizeof(series), "p%d.x", i);
		snprintf(expected, sizeof(expected), "hourglass.overflow;prefix=p%d", i);
		expect_overflow(l, series, expected);
	}
	expect_overflow(l, "more.x", "hourglass.overflow;prefix=other");
	expect_overflow(l, "p7.y", "hourglass.overflow;prefix=p7");
	/* Others get their turn an hour later. */
	limits_pass(l, 5000 + 3600 * 1000);
	expect_overflow(l, "more.x", "hourglass.overflow;prefix=more");
	/* And a segment as long as a book is nobody's. */
	memset(series, 'a', LIMITS_SEGMENT + 1);
	series[LIMITS_SEGMENT + 1] = '\0';
	expect_overflow(l, series, "hourglass.overflow;prefix=other");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_an_interval_has_so_many_keys),
		T(test_a_prefix_has_so_many_keys_in_an_interval),
		T(test_prefixes_beyond_the_table_share_one_count),
		T(test_a_second_brings_so_many_new_keys),
		T(test_a_full_store_gets_no_new_keys),
		T(test_keys_known_lately_are_not_new),
		T(test_the_first_segment_ends_at_a_dot_or_at_the_tags),
		T(test_what_is_over_goes_to_its_prefix_s_series),
		T(test_overflow_series_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
