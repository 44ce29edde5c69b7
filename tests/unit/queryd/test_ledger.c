// SPDX-License-Identifier: Apache-2.0
#include "queryd/ledger.h"

#include "queryd/answer_many.h"
#include "tests/lib/plan_case.h"
#include "tests/lib/survey_store.h"

#include <errno.h>

#define NOW (PLAN_CASE_HOUR * 3600 + 1800)
#define A   "agent=0000000000000000000000000000000a;host=web-1"
#define B   "agent=0000000000000000000000000000000b;host=web-2"

static struct names names;
static const struct scope_keys keys = { &names, NULL };
static struct survey_store store;
static struct ledger ledger;
static struct route_request request;

static void report(const char *name, double value)
{
	assert_int_equal(names_add(&names, slice_text(name),
				   1u << stat_kind_index(KIND_COUNTER)), 0);
	survey_store_put(&store, PLAN_CASE_HOUR, 1, name, plan_case_total(value));
}

/* The ledger of a range. */
static void fill_range(const char *range)
{
	const struct query_limits limits = { 100, 1000, 1 << 20, 0 };
	struct route_refusal why;
	struct survey *survey;

	assert_int_equal(names_settle(&names), 0);
	assert_int_equal(route_parse(slice_text("/v1/ledger"), slice_text(range), NOW,
				     &request, &why), 0);
	assert_int_equal(ledger_build(&request, &keys, &limits, NOW, &ledger, &survey, &why), 0);
	assert_int_equal(survey_start(survey, SURVEY_STORE_PARTITIONS,
				      PLAN_CASE_RETENTION), 0);
	assert_int_equal(survey_store_run(&store, survey), PLAN_DONE);
	assert_int_equal(ledger_fill(&ledger, survey), 0);
	survey_free(survey);
}

static void fill(void)
{
	fill_range("from=-1h");
}

static int set_up(void **state)
{
	(void)state;
	names_init(&names, 1000);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ledger_release(&ledger);
	names_release(&names);
	survey_store_release(&store);
	return 0;
}

static void agents_are_added_up(void **state)
{
	const struct agents_verdict verdict = { .complete = true };
	struct buf out;

	(void)state;
	report("hourglass.samples.received;" A, 100);
	report("hourglass.samples.sealed;" A, 90);
	report("hourglass.lines.rejected;" A ";reason=bad_value", 7);
	report("hourglass.samples.rejected;" A ";reason=too_old", 3);
	report("hourglass.lines.unsupported;" A ";reason=event", 2);
	report("hourglass.samples.received;" B, 50);
	report("hourglass.samples.sealed;" B, 50);
	report("hourglass.lines.rejected;" B ";reason=bad_value", 1);
	report("hourglass.kernel_drops;" B, 4);
	report("hourglass.datagrams.truncated;" B, 5);
	report("hourglass.samples.lost;" B, 6);
	fill();
	buf_init(&out, 65536);
	answer_ledger(&out, &request, &ledger, &verdict);
	buf_put_u8(&out, 0);
	assert_non_null(strstr((char *)out.data,
		"\"agents\":[{\"agent\":\"0000000000000000000000000000000a\",\"host\":\"web-1\","
		"\"received\":100,\"counted\":90,\"rejected\":{\"bad_value\":7,\"too_old\":3},"
		"\"unsupported\":{\"event\":2},\"kernel_drops\":0,\"truncated\":0,\"lost\":0},"
		"{\"agent\":\"0000000000000000000000000000000b\",\"host\":\"web-2\","
		"\"received\":50,\"counted\":50,\"rejected\":{\"bad_value\":1},\"unsupported\":{},"
		"\"kernel_drops\":4,\"truncated\":5,\"lost\":6}],"
		"\"total\":{\"received\":150,\"counted\":140,"
		"\"rejected\":{\"bad_value\":8,\"too_old\":3},\"unsupported\":{\"event\":2},"
		"\"kernel_drops\":4,\"truncated\":5,\"lost\":6}}"));
	buf_release(&out);
}

static void what_is_no_report_of_an_agent_is_left_out(void **state)
{
	(void)state;
	report("hourglass.samples.received", 1);
	report("hourglass.samples.received;host=x", 1);
	report("hourglass.samples.other;" A, 1);
	report("hourglass", 1);
	report("hourglassx.samples.received;" A, 1);
	fill();
	assert_int_equal(ledger.line_count, 0);
	assert_float_equal(ledger.total.sums[LEDGER_RECEIVED], 0, 0);
}

static void made_up_reasons_are_added_up_as_other(void **state)
{
	char name[160];
	double sum = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < 2 * LEDGER_REASONS; i++) {
		(void)snprintf(name, sizeof(name),
			       "hourglass.lines.rejected;" A ";reason=r%u", i);
		report(name, 1);
	}
	fill();
	assert_int_equal(ledger.line_count, 1);
	assert_in_range(ledger.lines[0].reason_count, LEDGER_REASONS, LEDGER_REASONS + 1);
	for (i = 0; i < ledger.lines[0].reason_count; i++)
		sum += ledger.lines[0].reasons[i].value;
	assert_float_equal(sum, 2 * LEDGER_REASONS, 0);
	assert_float_equal(ledger.total.sums[LEDGER_REJECTED], 2 * LEDGER_REASONS, 0);
}

/* One day rolled up, one of which only hours are left, and one of which both are there. */
static void days_rolled_up_are_read_for_it(void **state)
{
	const char *received = "hourglass.samples.received;" A, *sealed = "hourglass.samples.sealed;" A;
	int64_t today = PLAN_CASE_HOUR / 24 * 24;
	char range[64];

	(void)state;
	report(received, 1000);
	report(sealed, 1000);
	survey_store_put_day(&store, today - 72, 1, received, plan_case_total(5));
	survey_store_put_day(&store, today - 72, 1, sealed, plan_case_total(4));
	survey_store_put(&store, today - 48 + 7, 1, received, plan_case_total(20));
	survey_store_put(&store, today - 48 + 8, 2, received, plan_case_total(30));
	survey_store_put_day(&store, today - 24, 3, sealed, plan_case_total(600));
	survey_store_put(&store, today - 24, 3, sealed, plan_case_total(600));
	(void)snprintf(range, sizeof(range), "from=%" PRId64 "&to=%" PRId64, (today - 72) * 3600,
		       today * 3600);
	fill_range(range);
	assert_int_equal(ledger.line_count, 1);
	assert_float_equal(ledger.total.sums[LEDGER_RECEIVED], 55, 0);
	assert_float_equal(ledger.total.sums[LEDGER_COUNTED], 604, 0);
	assert_in_range(store.days, 1, 12);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(agents_are_added_up),
		TEST(what_is_no_report_of_an_agent_is_left_out),
		TEST(made_up_reasons_are_added_up_as_other),
		TEST(days_rolled_up_are_read_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
