// SPDX-License-Identifier: Apache-2.0
#include "agent/skew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define HOUR 3600000LL
#define NOON (498660LL * HOUR) /* the begin of an hour, unix ms */

/* A fleet whose clock is right, and an agent whose clock says wall_ms at a moment of true time. */
static void note(struct skew *s, int64_t true_ms, int64_t wall_ms)
{
	(void)skew_note(s, true_ms, 0, true_ms - NOON, wall_ms);
}

static int64_t publish(struct skew *s, int64_t committed_ms, int64_t true_ms)
{
	return skew_watermark(s, committed_ms, true_ms - NOON);
}

static void test_a_skew_beyond_five_seconds_warns_once_a_minute(void **state)
{
	struct skew s;

	(void)state;
	skew_init(&s);
	assert_false(skew_note(&s, NOON, 0, 0, NOON));
	assert_false(skew_note(&s, NOON + SKEW_WARN_MS, 0, 10, NOON));
	assert_true(skew_note(&s, NOON + SKEW_WARN_MS + 1, 0, 20, NOON));
	assert_int_equal(s.skew_ms, SKEW_WARN_MS + 1);
	assert_false(skew_note(&s, NOON + 9000, 0, 30, NOON));
	assert_true(skew_note(&s, NOON - 9000, 0, 20 + SKEW_WARN_GAP_MS, NOON));
	assert_int_equal(s.skew_ms, -9000);
}

static void test_the_way_of_the_answer_is_taken_off(void **state)
{
	struct skew s;

	(void)state;
	skew_init(&s);
	assert_false(skew_note(&s, NOON, 8000, 0, NOON + 4000));
	assert_int_equal(s.skew_ms, 0);
}

static void test_a_clock_that_cannot_be_is_not_believed(void **state)
{
	struct skew s;

	(void)state;
	skew_init(&s);
	assert_false(skew_note(&s, INT64_MAX, 0, 0, NOON));
	assert_false(skew_note(&s, INT64_MIN, 0, 0, NOON));
	assert_false(skew_note(&s, 0, 0, 0, NOON));
	assert_false(skew_note(&s, NOON + HOUR, -1, 0, NOON));
	assert_int_equal(skew_watermark(&s, NOON, 0), NOON);
	assert_int_equal(s.skew_ms, 0);
}

static void test_what_is_committed_is_published(void **state)
{
	struct skew s;

	(void)state;
	skew_init(&s);
	assert_int_equal(publish(&s, 0, NOON), 0);
	note(&s, NOON, NOON);
	assert_int_equal(publish(&s, NOON - 500, NOON), NOON - 500);
	assert_int_equal(publish(&s, NOON + 400, NOON + 500), NOON + 400);
	/* A backlog holds it. */
	assert_int_equal(publish(&s, NOON + 400, NOON + HOUR), NOON + 400);
}

static void test_a_clock_that_jumps_back_does_not_take_an_hour_back(void **state)
{
	struct skew s;

	(void)state;
	skew_init(&s);
	note(&s, NOON + 100, NOON + 100);
	assert_int_equal(publish(&s, NOON + 50, NOON + 100), NOON + 50);
	/* Back across the hour's end, by ten minutes: it stands still until our clock is there
	 * again, and what comes meanwhile is late data of an hour already passed. */
	note(&s, NOON + 1000, NOON - 599000);
	assert_int_equal(publish(&s, NOON - 599500, NOON + 1000), NOON + 50);
	assert_int_equal(publish(&s, NOON + 49, NOON + 600900), NOON + 50);
	assert_int_equal(publish(&s, NOON + 900, NOON + 601800), NOON + 900);
}

static void test_a_clock_that_jumps_ahead_promises_no_hour_to_come(void **state)
{
	struct skew s;

	(void)state;
	skew_init(&s);
	note(&s, NOON, NOON);
	assert_int_equal(publish(&s, NOON - 500, NOON), NOON - 500);
	/* Two hours ahead: no further than the fleet's time. */
	assert_int_equal(publish(&s, NOON + 2 * HOUR, NOON + 1000), NOON + 1000);
	note(&s, NOON + 2000, NOON + 2 * HOUR);
	assert_int_equal(publish(&s, NOON + 2 * HOUR, NOON + 2000), NOON + 2000);
	/* And back: a backlog of the next hour is waited for as if nothing had been. */
	note(&s, NOON + 3000, NOON + 3000);
	assert_int_equal(publish(&s, NOON + 2500, NOON + 3000), NOON + 2500);
	assert_int_equal(publish(&s, NOON + 2500, NOON + 2 * HOUR), NOON + 2500);
}

static void test_a_fleet_that_is_behind_holds_the_watermark(void **state)
{
	struct skew s;

	(void)state;
	skew_init(&s);
	assert_true(skew_note(&s, NOON - HOUR, 0, 0, NOON));
	assert_int_equal(skew_watermark(&s, NOON, 0), NOON - HOUR);
	assert_int_equal(skew_watermark(&s, NOON + 500, 500), NOON - HOUR + 500);
}

static void test_what_is_held_back_holds_the_running_second(void **state)
{
	int64_t until;

	(void)state;
	until = skew_sealed_until(NOON - 500, NOON + 250, false);
	assert_int_equal(until, NOON + 250);
	until = skew_sealed_until(until, NOON + 750, true);
	assert_int_equal(until, NOON + 250);
	until = skew_sealed_until(until, NOON + 1250, true);
	assert_int_equal(until, NOON + 1000);
}

static void test_sealing_follows_a_clock_that_jumps(void **state)
{
	(void)state;
	/* Over the end of the hour and back, whether something is held or not. */
	assert_int_equal(skew_sealed_until(NOON - 500, NOON + 2 * HOUR, false), NOON + 2 * HOUR);
	assert_int_equal(skew_sealed_until(NOON + 2 * HOUR, NOON - 1, false), NOON - 1);
	assert_int_equal(skew_sealed_until(NOON + 2 * HOUR, NOON - 1, true), NOON - 1000);
	assert_int_equal(skew_sealed_until(NOON, NOON, true), NOON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_skew_beyond_five_seconds_warns_once_a_minute),
		cmocka_unit_test(test_the_way_of_the_answer_is_taken_off),
		cmocka_unit_test(test_a_clock_that_cannot_be_is_not_believed),
		cmocka_unit_test(test_what_is_committed_is_published),
		cmocka_unit_test(test_a_clock_that_jumps_back_does_not_take_an_hour_back),
		cmocka_unit_test(test_a_clock_that_jumps_ahead_promises_no_hour_to_come),
		cmocka_unit_test(test_a_fleet_that_is_behind_holds_the_watermark),
		cmocka_unit_test(test_what_is_held_back_holds_the_running_second),
		cmocka_unit_test(test_sealing_follows_a_clock_that_jumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
