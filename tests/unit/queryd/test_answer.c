// SPDX-License-Identifier: Apache-2.0
#include "queryd/answer.h"

#include "tests/lib/cell_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HOUR (INT64_C(20777) * 24 + 13) /* 2026-11-20T13 */

static void assert_says(struct buf *out, const char *expected)
{
	assert_int_equal(buf_status(out), 0);
	buf_put_u8(out, 0);
	assert_string_equal((const char *)out->data, expected);
	buf_release(out);
}

static struct answer_about about(enum route route, const char *stat)
{
	struct answer_about a = {
		.key = slice_text("checkout.latency"),
		.route = route,
		.from_hour = HOUR,
		.to_hour = HOUR + 1,
		.verdict = { .complete = true },
	};

	assert_true(stat_parse(slice_text(stat), &a.stat));
	return a;
}

static void an_hour_reads_as_promised(void **state)
{
	const struct plan_result result = {
		.kind = KIND_DISTRIBUTION,
		.total = { .has = true, .value = 12.5, .count = 41, .exact = true },
	};
	struct answer_about a = about(ROUTE_HOUR, "median");
	struct buf out;

	(void)state;
	buf_init(&out, 10000);
	answer_result(&out, &a, &result);
	assert_says(&out,
		    "{\"key\":\"checkout.latency\",\"kind\":\"distribution\",\"stat\":\"median\","
		    "\"date\":\"2026-11-20\",\"hour\":13,"
		    "\"from\":\"2026-11-20T13:00:00Z\",\"to\":\"2026-11-20T14:00:00Z\","
		    "\"value\":12.5,\"count\":41,\"exact\":true,\"rank_error\":0,"
		    "\"sampled\":false,\"complete\":true}\n");
}

static void what_is_not_complete_says_for_whom_it_waits(void **state)
{
	const struct plan_result result = {
		.kind = KIND_DISTRIBUTION,
		.total = { .has = true, .value = 0.1, .count = 1e15, .rank_error = 0.0015,
			   .sampled = true },
	};
	struct answer_about a = about(ROUTE_HOUR, "avg");
	struct buf out;

	(void)state;
	a.verdict = (struct agents_verdict){ .waiting = 2, .gone = 1 };
	buf_init(&out, 10000);
	answer_result(&out, &a, &result);
	assert_says(&out,
		    "{\"key\":\"checkout.latency\",\"kind\":\"distribution\",\"stat\":\"average\","
		    "\"date\":\"2026-11-20\",\"hour\":13,"
		    "\"from\":\"2026-11-20T13:00:00Z\",\"to\":\"2026-11-20T14:00:00Z\","
		    "\"value\":0.1,\"count\":1000000000000000,\"exact\":false,\"rank_error\":0.0015,"
		    "\"sampled\":true,\"complete\":false,\"waiting\":2,\"gone\":1}\n");
}

static void a_day_lists_its_hours(void **state)
{
	const struct plan_point points[] = {
		{ HOUR - 13, HOUR - 12, { .has = true, .value = 1, .count = 1, .exact = true } },
		{ HOUR, HOUR + 1, { .has = true, .value = -2.5, .count = 3 } },
	};
	const struct plan_result result = {
		.kind = KIND_COUNTER,
		.total = { .has = true, .value = 4, .count = 4, .exact = true },
		.points = points,
		.point_count = 2,
	};
	struct answer_about a = about(ROUTE_DAY, "sum");
	struct buf out;

	(void)state;
	a.from_hour = HOUR - 13;
	a.to_hour = HOUR + 11;
	buf_init(&out, 10000);
	answer_result(&out, &a, &result);
	assert_says(&out,
		    "{\"key\":\"checkout.latency\",\"kind\":\"counter\",\"stat\":\"sum\","
		    "\"date\":\"2026-11-20\","
		    "\"from\":\"2026-11-20T00:00:00Z\",\"to\":\"2026-11-21T00:00:00Z\","
		    "\"value\":4,\"count\":4,\"exact\":true,\"rank_error\":0,"
		    "\"sampled\":false,\"complete\":true,"
		    "\"hours\":[{\"hour\":0,\"value\":1,\"count\":1,\"exact\":true},"
		    "{\"hour\":13,\"value\":-2.5,\"count\":3,\"exact\":false}]}\n");
}

static void a_range_lists_its_points(void **state)
{
	const struct plan_point point = {
		HOUR, HOUR + 1, { .has = true, .value = 1, .count = 1, .exact = true }
	};
	const struct plan_result result = {
		.kind = KIND_SET, .points = &point, .point_count = 1,
	};
	const struct plan_result nothing = { .kind = 0 };
	struct answer_about a = about(ROUTE_RANGE, "unique");
	struct buf out;

	(void)state;
	a.step = ROUTE_STEP_DAY;
	buf_init(&out, 10000);
	answer_result(&out, &a, &result);
	assert_says(&out,
		    "{\"key\":\"checkout.latency\",\"kind\":\"set\",\"stat\":\"unique\","
		    "\"from\":\"2026-11-20T13:00:00Z\",\"to\":\"2026-11-20T14:00:00Z\","
		    "\"step\":\"day\",\"complete\":true,\"points\":[{\"time\":"
		    "\"2026-11-20T13:00:00Z\",\"value\":1,\"count\":1,\"exact\":true}]}\n");
	answer_result(&out, &a, &nothing);
	assert_says(&out,
		    "{\"key\":\"checkout.latency\",\"kind\":null,\"stat\":\"unique\","
		    "\"from\":\"2026-11-20T13:00:00Z\",\"to\":\"2026-11-20T14:00:00Z\","
		    "\"step\":\"day\",\"complete\":true,\"points\":[]}\n");
}

static void an_overview_has_all_stats(void **state)
{
	struct cell *cell = cell_case_new(KIND_COUNTER);
	struct stat_subject last = { .kind = KIND_COUNTER, .cell = cell, .seconds = 10 };
	struct plan_result result = {
		.known = 1 << 1 | 1 << 3, .first_hour = HOUR - 1, .last_hour = HOUR, .last = &last,
	};
	struct answer_about a = about(ROUTE_KEY, "sum");
	struct buf out;

	(void)state;
	cell_case_value(cell, 5);
	buf_init(&out, 10000);
	answer_result(&out, &a, &result);
	assert_says(&out,
		    "{\"key\":\"checkout.latency\",\"kinds\":[\"counter\",\"set\"],"
		    "\"first\":\"2026-11-20T12:00:00Z\",\"last\":\"2026-11-20T13:00:00Z\","
		    "\"stats\":{\"count\":5,\"sum\":5,\"samples\":1,\"rate\":0.5}}\n");
	result.last = NULL;
	answer_result(&out, &a, &result);
	assert_says(&out,
		    "{\"key\":\"checkout.latency\",\"kinds\":[\"counter\",\"set\"],"
		    "\"first\":\"2026-11-20T12:00:00Z\",\"last\":\"2026-11-20T13:00:00Z\","
		    "\"stats\":{}}\n");
	cell_free(cell);
}

static void text_from_outside_is_escaped(void **state)
{
	const struct plan_result result = {
		.kind = KIND_COUNTER,
		.total = { .has = true, .value = INFINITY, .count = 1 },
	};
	static const char start[] = "{\"key\":\"a\\\"\\u003cscript\\u003e\\\\\",";
	struct answer_about a = about(ROUTE_HOUR, "sum");
	struct buf out;
	const char *text;

	(void)state;
	a.key = slice_text("a\"<script>\\");
	buf_init(&out, 10000);
	answer_result(&out, &a, &result);
	buf_put_u8(&out, 0);
	text = (const char *)out.data;
	assert_int_equal(strncmp(text, start, strlen(start)), 0);
	assert_non_null(strstr(text, "\"value\":null,\"count\":1,"));
	buf_release(&out);
}

static void errors_carry_what_helps(void **state)
{
	struct route_refusal why;
	struct buf out;

	(void)state;
	buf_init(&out, 10000);
	(void)route_refuse(&why, 400, "bad_hour", "an hour is %d to %d", 0, 23);
	answer_refusal(&out, &why);
	assert_says(&out, "{\"error\":\"bad_hour\",\"message\":\"an hour is 0 to 23\"}\n");
	(void)route_refuse(&why, 400, "bad_stat", "no \"such\" stat");
	why.list_stats = true;
	why.allowed_kind = KIND_SET;
	(void)snprintf(why.nearest, sizeof(why.nearest), "unique");
	answer_refusal(&out, &why);
	assert_says(&out, "{\"error\":\"bad_stat\",\"message\":\"no \\\"such\\\" stat\","
			  "\"nearest\":\"unique\",\"allowed\":[\"unique\",\"samples\"]}\n");
}

static void no_data_explains_itself(void **state)
{
	static const char *const reasons[] = { "unknown_key", "empty", "future", "expired" };
	struct plan_result result = { .outcome = PLAN_NO_DATA };
	struct answer_about a = about(ROUTE_HOUR, "median");
	struct route_refusal why;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		result.reason = reasons[i];
		answer_explain(&why, &a, &result);
		assert_int_equal(why.status, 404);
		assert_string_equal(why.error, "no_data");
		assert_string_equal(why.reason, reasons[i]);
		assert_true(strlen(why.message) > 10);
	}
	result = (struct plan_result){ .outcome = PLAN_WRONG_KIND, .kind = KIND_COUNTER };
	answer_explain(&why, &a, &result);
	assert_int_equal(why.status, 400);
	assert_string_equal(why.error, "stat_not_for_kind");
	assert_string_equal(why.message, "checkout.latency is a counter, which has no median");
	assert_int_equal(why.allowed_kind, KIND_COUNTER);
}

static void pages_name_their_next(void **state)
{
	struct slice keys[] = { slice_text("a"), slice_text("b\"") };
	struct names_page page = { .keys = keys, .count = 2, .more = true };
	struct buf out;

	(void)state;
	buf_init(&out, 10000);
	answer_keys(&out, &page);
	assert_says(&out, "{\"keys\":[\"a\",\"b\\\"\"],\"next\":\"b\\\"\"}\n");
	page.more = false;
	page.count = 0;
	answer_keys(&out, &page);
	assert_says(&out, "{\"keys\":[],\"next\":null}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_hour_reads_as_promised),
		cmocka_unit_test(what_is_not_complete_says_for_whom_it_waits),
		cmocka_unit_test(a_day_lists_its_hours),
		cmocka_unit_test(a_range_lists_its_points),
		cmocka_unit_test(an_overview_has_all_stats),
		cmocka_unit_test(text_from_outside_is_escaped),
		cmocka_unit_test(errors_carry_what_helps),
		cmocka_unit_test(no_data_explains_itself),
		cmocka_unit_test(pages_name_their_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
