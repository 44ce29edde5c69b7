// SPDX-License-Identifier: Apache-2.0
#include "relay/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS     1000ull
#define SECOND 1000000ull

static struct relay_counters counters;
static uint64_t now;

static struct pace made(unsigned percent)
{
	struct pace p;

	counters = (struct relay_counters){ 0 };
	now = 5 * SECOND;
	pace_init(&p, 500, percent, &counters, now);
	return p;
}

/* Time passes in steps of 10 ms, with a tick every second and a commit of busy_ms in each interval;
 * the next waits for a long one. Returns how many ticks changed the interval. */
static unsigned run(struct pace *p, unsigned seconds, uint64_t busy_ms)
{
	uint64_t start = now, next = now, answer = 0;
	unsigned changes = 0;

	for (; now < start + seconds * SECOND; now += 10 * MS) {
		if (answer != 0 && now >= answer) {
			pace_answered(p, now);
			answer = 0;
		}
		if (busy_ms > 0 && answer == 0 && now >= next) {
			pace_sent(p, now);
			answer = now + busy_ms * MS;
			next = now + (uint64_t)pace_interval_ms(p) * MS;
		}
		if ((now - start) % SECOND == 0)
			changes += pace_tick(p, now);
	}
	if (answer != 0)
		pace_answered(p, now);
	return changes;
}

static void test_within_its_share_the_interval_is_as_configured(void **state)
{
	struct pace p = made(50);

	(void)state;
	assert_int_equal(run(&p, 20, 200), 0);
	assert_int_equal(pace_interval_ms(&p), 500);
	assert_int_equal(pace_seal_ms(&p), 0);
	assert_int_equal(tally_get(&counters.store_share), 40);
	assert_int_equal(tally_get(&counters.commit_interval_ms), 500);
}

/* Commits of 400 ms: at 500 ms apart 80 %, at 1 s 40 %. */
static void test_over_its_share_it_stretches_until_within(void **state)
{
	struct pace p = made(50);

	(void)state;
	assert_int_equal(run(&p, 20, 400), 1);
	assert_int_equal(pace_interval_ms(&p), 1000);
	assert_int_equal(pace_seal_ms(&p), 1000);
	assert_int_equal(tally_get(&counters.store_share), 40);
	assert_int_equal(tally_get(&counters.commit_interval_ms), 1000);
}

static void test_it_comes_back_when_there_is_room_and_does_not_swing(void **state)
{
	struct pace p = made(50);

	(void)state;
	run(&p, 30, 900);
	assert_int_equal(pace_interval_ms(&p), 2000);
	assert_int_equal(run(&p, 60, 900), 0);
	run(&p, 30, 150);
	assert_int_equal(pace_interval_ms(&p), 500);
	assert_int_equal(pace_seal_ms(&p), 0);
	for (uint64_t busy_ms = 10; busy_ms < 1000; busy_ms += 10) {
		p = made(50);
		run(&p, 60, busy_ms);
		assert_int_equal(run(&p, 120, busy_ms), 0);
	}
}

static void test_it_never_stretches_beyond_its_end(void **state)
{
	struct pace p = made(1);

	(void)state;
	run(&p, 1000, 5000);
	assert_int_equal(pace_interval_ms(&p), PACE_MAX_MS);
}

static void test_one_hiccup_changes_nothing(void **state)
{
	struct pace p = made(50);

	(void)state;
	run(&p, 5, 10);
	pace_sent(&p, now);
	now += 900 * MS;
	pace_answered(&p, now);
	assert_int_equal(run(&p, 10, 10), 0);
}

/* Redis stands still for a minute: nothing is answered, and nothing is learnt. */
static void test_a_standstill_changes_nothing(void **state)
{
	struct pace p = made(50);

	(void)state;
	pace_sent(&p, now);
	for (int i = 0; i < 60; i++) {
		now += SECOND;
		assert_false(pace_tick(&p, now));
	}
	pace_answered(&p, now);
	assert_int_equal(run(&p, 10, 10), 0);
	assert_int_equal(pace_interval_ms(&p), 500);
}

/* Commits of many partitions lie over each other: what counts is that there is one. */
static void test_time_with_several_in_flight_counts_once(void **state)
{
	struct pace p = made(50);

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		pace_sent(&p, now + i * MS);
	for (uint64_t i = 0; i < 10; i++)
		pace_answered(&p, now + (100 + i) * MS);
	now += SECOND;
	assert_false(pace_tick(&p, now));
	assert_int_equal(tally_get(&counters.store_share), 10);
}

static void test_all_of_redis_may_be_allowed(void **state)
{
	struct pace p = made(100);

	(void)state;
	assert_int_equal(run(&p, 60, 600), 0);
	assert_int_equal(pace_interval_ms(&p), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_within_its_share_the_interval_is_as_configured),
		cmocka_unit_test(test_over_its_share_it_stretches_until_within),
		cmocka_unit_test(test_it_comes_back_when_there_is_room_and_does_not_swing),
		cmocka_unit_test(test_it_never_stretches_beyond_its_end),
		cmocka_unit_test(test_one_hiccup_changes_nothing),
		cmocka_unit_test(test_a_standstill_changes_nothing),
		cmocka_unit_test(test_time_with_several_in_flight_counts_once),
		cmocka_unit_test(test_all_of_redis_may_be_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
