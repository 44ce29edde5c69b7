// SPDX-License-Identifier: Apache-2.0
#include "agent/report.h"

#include "proto/err.h"
#include "proto/series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define AGENT "00112233445566778899aabbccddeeff"

struct world {
	struct report r;
	struct ledger l;
	char text[8192]; /* `series +increment\n`... */
	size_t refuse;   /* so many additions fail */
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(report_init(&w->r, AGENT, "web-1"), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	report_release(&w->r);
	free(w);
	return 0;
}

static int add(void *arg, struct slice series, double increment)
{
	struct world *w = arg;
	size_t at = strlen(w->text);
	struct series parsed;

	if (w->refuse > 0) {
		w->refuse--;
		return ERR_OVER_LIMIT;
	}
	assert_int_equal(series_parse(series, &parsed), 0);
	snprintf(w->text + at, sizeof(w->text) - at, "%.*s +%.0f\n", (int)series.size,
		 (const char *)series.ptr, increment);
	return 0;
}

static const char *run(struct world *w)
{
	w->text[0] = '\0';
	(void)report_run(&w->r, &w->l, add, w);
	return w->text;
}

#define TAGS ";agent=" AGENT ";host=web-1"

static void test_increments_since_the_last_report_are_sent(void **state)
{
	struct world *w = *state;

	assert_string_equal(run(w), "");
	tally_set(&w->l.samples, 10);
	tally_set(&w->l.samples_sealed, 9);
	assert_string_equal(run(w), "hourglass.samples.received" TAGS " +10\n"
				    "hourglass.samples.sealed" TAGS " +9\n");
	assert_string_equal(run(w), "");
	tally_set(&w->l.samples, 11);
	assert_string_equal(run(w), "hourglass.samples.received" TAGS " +1\n");
}

static void test_every_reason_has_its_series(void **state)
{
	struct world *w = *state;

	tally_set(&w->l.lines_rejected.reserved_name, 1);
	tally_set(&w->l.lines_event, 2);
	tally_set(&w->l.samples_rejected.too_old, 3);
	tally_set(&w->l.kernel_drops, 4);
	tally_set(&w->l.datagrams_truncated, 5);
	assert_string_equal(run(w),
			    "hourglass.kernel_drops" TAGS " +4\n"
			    "hourglass.datagrams.truncated" TAGS " +5\n"
			    "hourglass.lines.unsupported" TAGS ";reason=event +2\n"
			    "hourglass.lines.rejected" TAGS ";reason=reserved_name +1\n"
			    "hourglass.samples.rejected" TAGS ";reason=too_old +3\n");
}

static void test_every_line_that_is_refused_is_reported(void **state)
{
	static const int reasons[] = {
#define REASON(name, member) ERR_##name,
		LEDGER_LINE_REASONS(REASON)
	};
	struct world *w = *state;
	char expected[128];

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		ledger_reject_line(&w->l, reasons[i]);
		snprintf(expected, sizeof(expected),
			 "hourglass.lines.rejected" TAGS ";reason=%s +1\n", err_name(reasons[i]));
		assert_string_equal(run(w), expected);
	}
}

static void test_losses_of_several_causes_are_one_counter(void **state)
{
	struct world *w = *state;

	tally_set(&w->l.lost_declared, 2);
	tally_set(&w->l.lost_memory, 3);
	assert_string_equal(run(w), "hourglass.samples.lost" TAGS " +2\n"
				    "hourglass.samples.lost" TAGS " +3\n");
}

static void test_what_could_not_be_added_comes_with_the_next(void **state)
{
	struct world *w = *state;

	tally_set(&w->l.samples, 10);
	tally_set(&w->l.samples_sealed, 10);
	w->refuse = 1;
	assert_string_equal(run(w), "hourglass.samples.sealed" TAGS " +10\n");
	tally_set(&w->l.samples, 15);
	assert_string_equal(run(w), "hourglass.samples.received" TAGS " +15\n");
}

static void test_a_count_that_was_expected_and_did_not_come_is_caught_up(void **state)
{
	struct world *w = *state;

	tally_set(&w->l.samples_sealed, 10);
	run(w);
	tally_set(&w->l.samples_sealed, 4); /* six were lost at the seal */
	assert_string_equal(run(w), "");
	tally_set(&w->l.samples_sealed, 12);
	assert_string_equal(run(w), "hourglass.samples.sealed" TAGS " +2\n");
}

static void test_a_host_that_is_no_text_is_unknown(void **state)
{
	struct world *w = *state;

	report_release(&w->r);
	assert_int_equal(report_init(&w->r, AGENT, "\xff\x01"), 0);
	tally_set(&w->l.samples, 1);
	assert_string_equal(run(w),
			    "hourglass.samples.received;agent=" AGENT ";host=unknown +1\n");
	report_release(&w->r);
	assert_int_equal(report_init(&w->r, AGENT, "a;b"), 0);
	assert_string_equal(run(w), "hourglass.samples.received;agent=" AGENT ";host=a\\;b +1\n");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_increments_since_the_last_report_are_sent),
		T(test_every_reason_has_its_series),
		T(test_every_line_that_is_refused_is_reported),
		T(test_losses_of_several_causes_are_one_counter),
		T(test_what_could_not_be_added_comes_with_the_next),
		T(test_a_count_that_was_expected_and_did_not_come_is_caught_up),
		T(test_a_host_that_is_no_text_is_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
