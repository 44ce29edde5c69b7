// SPDX-License-Identifier: Apache-2.0
#include "queryd/route.h"

#include "proto/hour.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DAY  INT64_C(20777) /* 2026-11-20 */
#define HOUR (DAY * 24 + 13)
#define NOW  (HOUR * 3600 + 1234)

static struct route_request request;
static struct route_refusal refusal;

static int parse(const char *path, const char *query)
{
	memset(&refusal, 0, sizeof(refusal));
	return route_parse(slice_text(path), slice_text(query), NOW, &request, &refusal);
}

static void assert_key(const char *key)
{
	assert_true(slice_equal(slice_of(request.key, request.key_size), slice_text(key)));
}

static void assert_refused(const char *path, const char *query, unsigned status, const char *error)
{
	assert_int_equal(parse(path, query), -EINVAL);
	assert_int_equal(request.route, ROUTE_NONE);
	assert_int_equal(refusal.status, status);
	assert_string_equal(refusal.error, error);
	assert_true(refusal.message[0] != '\0');
}

static void assert_asked(const char *path, const char *query, enum route route)
{
	assert_int_equal(parse(path, query), 0);
	assert_int_equal(request.route, route);
}

static void four_parts_are_an_hour(void **state)
{
	(void)state;
	assert_int_equal(parse("/checkout.latency/median/2026-11-20/13", ""), 0);
	assert_int_equal(request.route, ROUTE_HOUR);
	assert_key("checkout.latency");
	assert_int_equal(request.stat.id, STAT_MEDIAN);
	assert_int_equal(request.kind, 0);
	assert_int_equal(request.from_hour, HOUR);
	assert_int_equal(request.to_hour, HOUR + 1);
	assert_int_equal(parse("/k/avg/2026-11-20/03/", "kind=gauge"), 0);
	assert_int_equal(request.from_hour, DAY * 24 + 3);
	assert_int_equal(request.kind, KIND_GAUGE);
	assert_string_equal(request.stat.name, "average");
}

static void three_parts_are_a_day_and_one_is_a_key(void **state)
{
	(void)state;
	assert_int_equal(parse("/k/p99.9/2026-11-20", ""), 0);
	assert_int_equal(request.route, ROUTE_DAY);
	assert_int_equal(request.from_hour, DAY * 24);
	assert_int_equal(request.to_hour, DAY * 24 + 24);
	assert_int_equal(parse("/k", ""), 0);
	assert_int_equal(request.route, ROUTE_KEY);
	assert_int_equal(parse("/k/", "kind=set"), 0);
	assert_int_equal(request.route, ROUTE_KEY);
	assert_int_equal(request.kind, KIND_SET);
}

static void a_moving_average_is_of_so_many_elements(void **state)
{
	(void)state;
	assert_asked("/k/moving_average/5", "", ROUTE_MOVING);
	assert_key("k");
	assert_int_equal(request.limit, 5);
	assert_int_equal(request.kind, 0);
	assert_int_equal(request.to_hour, HOUR + 1);
	assert_string_equal(request.stat.name, "moving_average");
	assert_asked("/k/moving_average/1024/", "to=2026-11-19&kind=distribution", ROUTE_MOVING);
	assert_int_equal(request.to_hour, DAY * 24 - 24);
	assert_int_equal(request.kind, KIND_DISTRIBUTION);
	assert_asked("/v1/series", "key=a%2Fb&stat=moving_average&n=17", ROUTE_MOVING);
	assert_key("a/b");
	assert_int_equal(request.limit, 17);
	assert_refused("/k/moving_average", "", 400, "bad_limit");
	assert_refused("/k/moving_average/0", "", 400, "bad_limit");
	assert_refused("/k/moving_average/1025", "", 400, "bad_limit");
	assert_refused("/k/moving_average/99999999999", "", 400, "bad_limit");
	assert_refused("/k/moving_average/5x", "", 400, "bad_limit");
	assert_refused("/k/moving_average/%zz", "", 400, "bad_limit");
	assert_refused("/k/moving_average/2026-11-20", "", 400, "bad_limit");
	assert_refused("/k/moving_average/5", "to=soon", 400, "bad_range");
	assert_refused("/k/moving_average/5", "kind=counter", 400, "stat_not_for_kind");
	assert_refused("/k/moving_average/5", "kind=x", 400, "bad_kind");
	assert_refused("/v1/series", "key=k&stat=moving_average", 400, "bad_limit");
	assert_refused("/v1/series", "key=k&stat=moving_average&n=-1", 400, "bad_limit");
	assert_refused("/v1/query", "match=k&stat=moving_average&from=-1h", 400, "bad_stat");
	/* A day and an hour behind it are of a stat, which this is not. */
	assert_refused("/k/moving_average/2026-11-20/13", "", 400, "bad_stat");
}

static void the_path_is_cut_before_it_is_decoded(void **state)
{
	(void)state;
	assert_int_equal(parse("/web%2Fhome/max/2026-11-20/1", ""), 0);
	assert_key("web/home");
	assert_int_equal(parse("/a%3Bb%3D1/max/2026-11-20/1", ""), 0);
	assert_key("a;b=1");
	assert_int_equal(parse("/t,b=2,a=1/m%61x/2026-11-20/1", ""), 0);
	assert_key("t;a=1;b=2");
	assert_int_equal(parse("/a+b/max/2026-11-20/1", ""), 0);
	assert_key("a+b");
	assert_int_equal(parse("/%C3%A9/max/2026-11-20/1", ""), 0);
	assert_key("\xc3\xa9");
	assert_int_equal(parse("http://host:1/a/max/2026-11-20/1", ""), 0);
	assert_key("a");
}

static void a_key_that_cannot_be_is_refused(void **state)
{
	static const char *const cases[] = { "/%/max", "/a%2/max", "/a%zz/max", "/a%00/max",
					     "/%ff%fe/max", "/%0a", "//max/2026-11-20/1", "//" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_refused(cases[i], "", 400, "bad_key");
}

static void fixed_paths_win_for_exactly_themselves(void **state)
{
	(void)state;
	assert_int_equal(parse("/metrics", ""), 0);
	assert_int_equal(request.route, ROUTE_METRICS);
	assert_int_equal(parse("/healthz", "x=1"), 0);
	assert_int_equal(request.route, ROUTE_HEALTH);
	assert_int_equal(parse("/readyz", ""), 0);
	assert_int_equal(request.route, ROUTE_READY);
	assert_int_equal(parse("/metrics/median/2026-11-20/13", ""), 0);
	assert_int_equal(request.route, ROUTE_HOUR);
	assert_key("metrics");
	assert_int_equal(parse("/v1/median/2026-11-20/13", ""), 0);
	assert_key("v1");
	assert_int_equal(parse("/healthz/max/2026-11-20", ""), 0);
	assert_key("healthz");
	assert_int_equal(parse("/%6detrics", ""), 0);
	assert_int_equal(request.route, ROUTE_KEY);
}

static void the_page_and_its_files_have_paths_of_their_own(void **state)
{
	(void)state;
	assert_int_equal(parse("/", "key=a&stat=p99"), 0);
	assert_int_equal(request.route, ROUTE_PAGE);
	assert_string_equal(request.page->name, "index.html");
	assert_int_equal(parse("http://host:80/", ""), 0);
	assert_string_equal(request.page->name, "index.html");
	assert_int_equal(parse("http://host", ""), 0);
	assert_string_equal(request.page->name, "index.html");
	assert_int_equal(parse("/v1/page/main.js", ""), 0);
	assert_string_equal(request.page->name, "main.js");
	assert_int_equal(parse("/main.js", ""), 0);
	assert_int_equal(request.route, ROUTE_KEY);
	assert_null(request.page);
}

static void what_is_not_built_is_not_found(void **state)
{
	static const char *const cases[] = {
		"", "x", "/v1/nothing", "/v1/page",
		"/k/max/2026-11-20/13/5", "/a/b/c/d/e", "/k/max/2026-11-20/13/x",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_refused(cases[i], "", 404, "not_found");
}

static void a_wrong_stat_is_told_the_right_ones(void **state)
{
	(void)state;
	assert_refused("/k/p999/2026-11-20/13", "", 400, "bad_stat");
	assert_true(refusal.list_stats);
	assert_string_equal(refusal.nearest, "p99.9");
	assert_non_null(strstr(refusal.message, "p99.9"));
	assert_refused("/k/zebra/2026-11-20/13", "", 400, "bad_stat");
	assert_string_equal(refusal.nearest, "");
	assert_refused("/k/%zz/2026-11-20/13", "", 400, "bad_stat");
	assert_refused("/k//2026-11-20/13", "", 400, "bad_stat");
}

static void kinds_are_checked_against_the_stat(void **state)
{
	(void)state;
	assert_refused("/k/max/2026-11-20/13", "kind=nothing", 400, "bad_kind");
	assert_refused("/k/max/2026-11-20/13", "kind=%z", 400, "bad_kind");
	assert_refused("/k/median/2026-11-20/13", "kind=counter", 400, "stat_not_for_kind");
	assert_int_equal(refusal.allowed_kind, KIND_COUNTER);
	assert_int_equal(parse("/k/max/2026-11-20/13", "kind="), 0);
}

static void dates_and_hours_must_exist(void **state)
{
	static const char *const dates[] = { "2026-02-30", "2026-11-2", "20261120", "today", "%31" };
	static const char *const hours[] = { "24", "-1", "1x", "013", "%zz", "now" };
	char path[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(dates) / sizeof(*dates); i++) {
		(void)snprintf(path, sizeof(path), "/k/max/%s/1", dates[i]);
		assert_refused(path, "", 400, "bad_date");
	}
	for (i = 0; i < sizeof(hours) / sizeof(*hours); i++) {
		(void)snprintf(path, sizeof(path), "/k/max/2026-11-20/%s", hours[i]);
		assert_refused(path, "", 400, "bad_hour");
	}
	assert_int_equal(parse("/k/max/2026-11-20/0", ""), 0);
	assert_int_equal(parse("/k/max/2026-11-20/23", ""), 0);
}

static void ranges_are_read_in_all_their_forms(void **state)
{
	static const struct {
		const char *query;
		int64_t from, to;
	} cases[] = {
		{ "from=2026-11-19&to=2026-11-20", DAY * 24 - 24, DAY * 24 },
		{ "from=2026-11-19T05&to=2026-11-20T06", DAY * 24 - 19, DAY * 24 + 6 },
		{ "from=-24h", HOUR - 24, HOUR + 1 },
		{ "from=-7d&to=now", HOUR - 168, HOUR + 1 },
		{ "from=-2h&to=-1h", HOUR - 2, HOUR - 1 },
		{ "from=now", HOUR, HOUR + 1 },
		{ "from=1795179600&to=1795179601", 498661, 498662 },
		{ "from=1795179599&to=1795179600", 498660, 498661 },
		{ "to=now&from=-1%68", HOUR - 1, HOUR + 1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(parse("/k/max", cases[i].query), 0);
		assert_int_equal(request.route, ROUTE_RANGE);
		assert_int_equal(request.step, ROUTE_STEP_HOUR);
		assert_int_equal(request.from_hour, cases[i].from);
		assert_int_equal(request.to_hour, cases[i].to);
	}
	assert_int_equal(parse("/k/max", "from=-2d&step=day"), 0);
	assert_int_equal(request.step, ROUTE_STEP_DAY);
	assert_int_equal(parse("/k/max", "from=-2d&step=total"), 0);
	assert_int_equal(request.step, ROUTE_STEP_TOTAL);
}

static void ranges_that_make_no_sense_are_refused(void **state)
{
	static const char *const cases[] = {
		"", "to=now", "from=", "from=yesterday", "from=-24", "from=-h", "from=-", "from=-1w",
		"from=-24h&to=x", "from=now&to=2026-11-20T13", "from=2026-11-20&to=2026-11-19",
		"from=2026-11-20&to=2026-11-20", "from=-9601h", "from=-99999999h", "from=0",
		"from=%zz", "from=99999999999999999999", "from=253402300800",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_refused("/k/max", cases[i], 400, "bad_range");
	assert_int_equal(parse("/k/max", "from=-9599h"), 0);
	assert_refused("/k/max", "from=-2d&step=week", 400, "bad_step");
	assert_refused("/k/max", "from=-2d&step=%z", 400, "bad_step");
}

static void series_asks_the_same_by_parameters(void **state)
{
	(void)state;
	assert_int_equal(parse("/v1/series", "key=web%2Fhome&stat=max&date=2026-11-20&hour=13"), 0);
	assert_int_equal(request.route, ROUTE_HOUR);
	assert_key("web/home");
	assert_int_equal(request.from_hour, HOUR);
	assert_int_equal(parse("/v1/series", "stat=max&date=2026-11-20&key=a+b"), 0);
	assert_int_equal(request.route, ROUTE_DAY);
	assert_key("a b");
	assert_int_equal(parse("/v1/series", "key=t;b=2;a=1&stat=max&from=-1h"), 0);
	assert_int_equal(request.route, ROUTE_RANGE);
	assert_key("t;a=1;b=2");
	assert_int_equal(parse("/v1/series", "key=k&kind=counter"), 0);
	assert_int_equal(request.route, ROUTE_KEY);
	assert_int_equal(request.kind, KIND_COUNTER);

	assert_refused("/v1/series", "", 400, "bad_key");
	assert_refused("/v1/series", "key=", 400, "bad_key");
	assert_refused("/v1/series", "key=%00", 400, "bad_key");
	assert_refused("/v1/series", "key=k&date=2026-11-20", 400, "bad_stat");
	assert_refused("/v1/series", "key=k&from=-1h", 400, "bad_stat");
	assert_refused("/v1/series", "key=k&stat=zzz", 400, "bad_stat");
	assert_refused("/v1/series", "key=k&stat=max", 400, "bad_range");
	assert_refused("/v1/series", "key=k&stat=max&hour=3", 400, "bad_date");
	assert_refused("/v1/series", "key=k&stat=max&date=x&hour=3", 400, "bad_date");
	assert_refused("/v1/series", "key=k&stat=max&date=2026-11-20&hour=24", 400, "bad_hour");
	assert_refused("/v1/series", "key=k&stat=p50&kind=gauge&from=-1h", 400,
		       "stat_not_for_kind");
}

static void keys_take_a_glob_a_limit_and_a_cursor(void **state)
{
	(void)state;
	assert_int_equal(parse("/v1/keys", ""), 0);
	assert_int_equal(request.route, ROUTE_KEYS);
	assert_int_equal(request.limit, ROUTE_LIMIT);
	assert_int_equal(request.key_size, 0);
	assert_true(glob_match(&request.match, slice_text("anything")));
	assert_int_equal(parse("/v1/keys", "match=a*&limit=1000&after=a%2Fb"), 0);
	assert_int_equal(request.limit, 1000);
	assert_key("a/b");
	assert_false(glob_match(&request.match, slice_text("b")));
	assert_refused("/v1/keys", "limit=0", 400, "bad_limit");
	assert_refused("/v1/keys", "limit=1001", 400, "bad_limit");
	assert_refused("/v1/keys", "limit=99999999999", 400, "bad_limit");
	assert_refused("/v1/keys", "limit=-1", 400, "bad_limit");
	assert_refused("/v1/keys", "limit=1x", 400, "bad_limit");
	assert_refused("/v1/keys", "match=%5B", 400, "bad_match");
	assert_refused("/v1/keys", "match=%zz", 400, "bad_match");
	assert_refused("/v1/keys", "match=%ff", 400, "bad_match");
	assert_refused("/v1/keys", "after=%zz", 400, "bad_key");
}

static void many_keys_take_a_glob_a_stat_and_a_range(void **state)
{
	(void)state;
	assert_asked("/v1/query", "match=a.%2A&stat=p99&from=-24h&step=day&by=host", ROUTE_QUERY);
	assert_memory_equal(request.key, "a.*", request.key_size);
	assert_memory_equal(request.by, "host", request.by_size);
	assert_int_equal(request.step, ROUTE_STEP_DAY);
	assert_string_equal(request.stat.name, "p99");
	assert_asked("/v1/top", "match=a*&stat=max&from=-2h&to=now", ROUTE_TOP_KEYS);
	assert_int_equal(request.limit, ROUTE_TOP);
	assert_asked("/v1/top", "stat=max&from=-2h&n=1000", ROUTE_TOP_KEYS);
	assert_int_equal(request.limit, 1000);
	assert_asked("/v1/ledger", "from=-2h", ROUTE_LEDGER);
	assert_asked("/render", "anything", ROUTE_RENDER);
	assert_asked("/tags/autoComplete/values", "", ROUTE_TAG_VALUES);
	assert_refused("/v1/query", "match=[&stat=max&from=-2h", 400, "bad_match");
	assert_refused("/v1/query", "match=%zz&stat=max&from=-2h", 400, "bad_match");
	assert_refused("/v1/query", "by=%zz&stat=max&from=-2h", 400, "bad_match");
	assert_refused("/v1/query", "from=-2h", 400, "bad_stat");
	assert_refused("/v1/query", "stat=p999&from=-2h", 400, "bad_stat");
	assert_refused("/v1/query", "stat=max", 400, "bad_range");
	assert_refused("/v1/query", "stat=max&from=-2h&step=week", 400, "bad_step");
	assert_refused("/v1/query", "stat=max&from=-2h&kind=set", 400, "stat_not_for_kind");
	assert_refused("/v1/top", "stat=max&from=-2h&n=0", 400, "bad_limit");
	assert_refused("/v1/top", "stat=max&from=-2h&n=1001", 400, "bad_limit");
	assert_refused("/v1/ledger", "", 400, "bad_range");
	assert_refused("/v1/ledger", "from=now&to=-2h", 400, "bad_range");
}

static void long_urls_are_refused(void **state)
{
	static char path[ROUTE_URL_BYTES + 2];

	(void)state;
	memset(path, 'a', ROUTE_URL_BYTES + 1);
	path[0] = '/';
	assert_refused(path, "", 414, "too_large");
	path[ROUTE_URL_BYTES] = '\0';
	assert_int_equal(parse(path, ""), 0);
	assert_int_equal(request.route, ROUTE_KEY);
	assert_refused(path, "a", 414, "too_large");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_parts_are_an_hour),
		cmocka_unit_test(three_parts_are_a_day_and_one_is_a_key),
		cmocka_unit_test(a_moving_average_is_of_so_many_elements),
		cmocka_unit_test(the_path_is_cut_before_it_is_decoded),
		cmocka_unit_test(a_key_that_cannot_be_is_refused),
		cmocka_unit_test(fixed_paths_win_for_exactly_themselves),
		cmocka_unit_test(the_page_and_its_files_have_paths_of_their_own),
		cmocka_unit_test(what_is_not_built_is_not_found),
		cmocka_unit_test(a_wrong_stat_is_told_the_right_ones),
		cmocka_unit_test(kinds_are_checked_against_the_stat),
		cmocka_unit_test(dates_and_hours_must_exist),
		cmocka_unit_test(ranges_are_read_in_all_their_forms),
		cmocka_unit_test(ranges_that_make_no_sense_are_refused),
		cmocka_unit_test(series_asks_the_same_by_parameters),
		cmocka_unit_test(keys_take_a_glob_a_limit_and_a_cursor),
		cmocka_unit_test(many_keys_take_a_glob_a_stat_and_a_range),
		cmocka_unit_test(long_urls_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
