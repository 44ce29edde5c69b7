// SPDX-License-Identifier: Apache-2.0
#include "queryd/graphite_request.h"
#include "queryd/graphite_time.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOUR INT64_C(498661) /* 2026-11-20T13 */
#define NOW  (HOUR * 3600 + 1234)

static void assert_time(const char *text, int64_t want)
{
	int64_t second = -1;

	assert_true(graphite_time_read(slice_text(text), NOW, &second));
	assert_int_equal(second, want);
}

static void times_are_read_in_all_their_forms(void **state)
{
	static const char *const wrong[] = {
		"", "-", "-h", "1h", "now-", "nowx", "-24", "-0h", "- 1h", "-1fortnight",
		"99999999999999999", "25:00_20261120", "13:00_20261350", "13:60_20261120", "2026-11-20",
		"-9999y", "x",
	};
	int64_t second;
	size_t i;

	(void)state;
	assert_time("now", NOW);
	assert_time("1763640000", 1763640000);
	assert_time("-24h", NOW - 86400);
	assert_time("now-7d", NOW - 7 * 86400);
	assert_time("now+1min", NOW + 60);
	assert_time("-5min", NOW - 300);
	assert_time("-90s", NOW - 90);
	assert_time("-1mon", NOW - 30 * 86400);
	assert_time("-2WEEKS", NOW - 14 * 86400);
	assert_time("-1y", NOW - 365 * 86400);
	assert_time("20261120", HOUR / 24 * 24 * 3600);
	assert_time("13:30_20261120", HOUR * 3600 + 1800);
	assert_time("midnight", HOUR / 24 * 24 * 3600);
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		if (graphite_time_read(slice_text(wrong[i]), NOW, &second))
			fail_msg("taken: %s", wrong[i]);
	}
}

static struct graphite_request request;
static struct route_refusal why;

static int read_request(const char *query)
{
	static struct form form;
	int status;

	assert_int_equal(form_read(&form, slice_text(query), slice_text("")), 0);
	status = graphite_request_read(&form, NOW, &request, &why);
	form_release(&form);
	return status;
}

static void assert_grid(const char *query, int64_t start_hour, int64_t step_hours, size_t count)
{
	assert_int_equal(read_request(query), 0);
	assert_int_equal(request.grid.start, start_hour * 3600);
	assert_int_equal(request.grid.step, step_hours * 3600);
	assert_int_equal(request.grid.count, count);
}

static void from_is_exclusive_and_until_is_not(void **state)
{
	char query[100];

	(void)state;
	(void)snprintf(query, sizeof(query), "from=%lld&until=%lld", (long long)(HOUR - 2) * 3600,
		       (long long)HOUR * 3600);
	assert_grid(query, HOUR - 1, 1, 2);
	/* Grafana asks a second more, so that the first hour is there. */
	(void)snprintf(query, sizeof(query), "from=%lld&until=%lld",
		       (long long)(HOUR - 2) * 3600 - 1, (long long)HOUR * 3600 + 1);
	assert_grid(query, HOUR - 2, 1, 3);
	assert_grid("", HOUR - 23, 1, 24);
	assert_grid("from=-1h", HOUR, 1, 1);
}

static void a_range_without_a_point_gives_the_running_span(void **state)
{
	(void)state;
	assert_grid("from=-5min", HOUR, 1, 1);
	assert_grid("from=-5min&until=-1min", HOUR, 1, 1);
}

static void too_many_points_are_merged_into_wider_spans(void **state)
{
	(void)state;
	assert_grid("from=-24h&maxDataPoints=24", HOUR - 23, 1, 24);
	assert_grid("from=-24h&maxDataPoints=23", HOUR - 23, 2, 12);
	assert_grid("from=-24h&maxDataPoints=2", HOUR - 13, 12, 2);
	assert_int_equal(HOUR % 24, 13);
	assert_grid("from=-30d&maxDataPoints=30", HOUR - 13 - 29 * 24, 24, 30);
	assert_grid("from=-30d&maxDataPoints=0", HOUR - 719, 1, 720);
	assert_int_equal(read_request("from=-399d&maxDataPoints=1"), 0);
	assert_int_equal(request.grid.count, 1);
}

static void mistakes_are_named(void **state)
{
	static const struct {
		const char *query, *error;
	} cases[] = {
		{ "from=never", "bad_range" }, { "until=x", "bad_range" },
		{ "from=now&until=-1h", "bad_range" }, { "from=-500d", "bad_range" },
		{ "maxDataPoints=many", "bad_limit" }, { "maxDataPoints=1e3", "bad_limit" },
		{ "format=png", "bad_target" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(read_request(cases[i].query), -EINVAL);
		assert_int_equal(why.status, 400);
		assert_string_equal(why.error, cases[i].error);
	}
	assert_int_equal(read_request("format=csv"), 0);
	assert_true(request.csv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read_in_all_their_forms),
		cmocka_unit_test(from_is_exclusive_and_until_is_not),
		cmocka_unit_test(a_range_without_a_point_gives_the_running_span),
		cmocka_unit_test(too_many_points_are_merged_into_wider_spans),
		cmocka_unit_test(mistakes_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
