// SPDX-License-Identifier: Apache-2.0
#include "agent/peer_fsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define TIMEOUT 1000

static struct peer_fsm started(void)
{
	struct peer_fsm f;

	peer_fsm_init(&f, TIMEOUT);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_START, 0, 0), PEER_DO_CONNECT);
	return f;
}

static struct peer_fsm ready(void)
{
	struct peer_fsm f = started();

	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_CONNECTED, 0, 0), PEER_DO_HELLO);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_WELCOME, 0, 0), PEER_DO_UP);
	assert_int_equal(f.state, PEER_READY);
	return f;
}

static void test_a_ready_relay_is_pinged_four_times_a_second(void **state)
{
	struct peer_fsm f = ready();
	int pings = 0;

	(void)state;
	assert_int_equal(peer_fsm_next_ms(&f), PEER_PING_MS);
	for (int64_t now = 0; now <= 10000; now++) {
		peer_fsm_step(&f, PEER_EVENT_BYTES, now, 0);
		if (now >= peer_fsm_next_ms(&f))
			pings += peer_fsm_step(&f, PEER_EVENT_TICK, now, 0) == PEER_DO_PING;
	}
	assert_int_equal(pings, 40);
}

static void test_a_relay_with_nothing_under_way_is_pinged_every_few_seconds(void **state)
{
	struct peer_fsm f = ready();
	int pings = 0;

	(void)state;
	peer_fsm_set_quiet(&f, true, 0);
	assert_int_equal(peer_fsm_next_ms(&f), PEER_QUIET_PING_MS);
	for (int64_t now = 0; now < 21000; now++) {
		peer_fsm_step(&f, PEER_EVENT_BYTES, now, 0);
		if (now >= peer_fsm_next_ms(&f))
			pings += peer_fsm_step(&f, PEER_EVENT_TICK, now, 0) == PEER_DO_PING;
	}
	assert_int_equal(pings, 4);
	/* With a timeout that is longer than that, twice in it. */
	f.timeout_ms = 60000;
	assert_int_equal(peer_fsm_next_ms(&f), 20000 + 30000);
	peer_fsm_set_quiet(&f, false, 21000);
	assert_true(peer_fsm_may_tick(&f, 21000));
}

static void test_a_ping_goes_with_what_is_due_before(void **state)
{
	struct peer_fsm f = ready();

	(void)state;
	assert_false(peer_fsm_may_tick(&f, PEER_PING_MS / 2 - 1));
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_TICK, PEER_PING_MS / 2 - 1, 0), 0);
	assert_true(peer_fsm_may_tick(&f, PEER_PING_MS / 2));
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_TICK, PEER_PING_MS / 2, 0), PEER_DO_PING);
	/* And is in step from then on. */
	assert_false(peer_fsm_may_tick(&f, PEER_PING_MS / 2 + 1));
	assert_int_equal(peer_fsm_next_ms(&f), PEER_PING_MS / 2 + PEER_PING_MS);
}

/* Judges it until it is given up, or a time. Returns when that was. */
static int64_t judged_until(struct peer_fsm *f, int64_t now, int64_t end)
{
	for (; now < end; now++)
		if (peer_fsm_is_late(f, now) && peer_fsm_step(f, PEER_EVENT_JUDGE, now, 0) != 0)
			break;
	return now;
}

static void test_a_silent_relay_is_given_up_after_the_timeout(void **state)
{
	struct peer_fsm f = ready();

	(void)state;
	peer_fsm_step(&f, PEER_EVENT_BYTES, 500, 0);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_TICK, 1499, 0), PEER_DO_PING);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_JUDGE, 1499, 0), 0);
	assert_int_equal(peer_fsm_next_ms(&f), 1500);
	assert_false(peer_fsm_is_late(&f, 1499));
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_JUDGE, 1500, 0), 0);
	assert_int_equal(peer_fsm_next_ms(&f), 1500 + PEER_DOUBT_MS);
	/* The same turn of the loop, as it were. */
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_JUDGE, 1500, 0), 0);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_JUDGE, 1500 + PEER_DOUBT_MS, 0),
			 PEER_DO_DOWN | PEER_DO_CLOSE);
	assert_int_equal(f.state, PEER_BACKOFF);
}

/* The process stood still for long, and what the relay has said is read after the first look at the
 * clock. */
static void test_an_answer_that_was_there_in_time_is_waited_for(void **state)
{
	struct peer_fsm f = ready();

	(void)state;
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_TICK, 250, 0), PEER_DO_PING);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_JUDGE, 60000, 0), 0);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_TICK, 60000, 0), PEER_DO_PING);
	peer_fsm_step(&f, PEER_EVENT_BYTES, 60010, 0);
	assert_false(peer_fsm_is_late(&f, 60000 + PEER_DOUBT_MS));
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_JUDGE, 60000 + PEER_DOUBT_MS, 0), 0);
	assert_int_equal(f.state, PEER_READY);
	assert_int_equal(judged_until(&f, 60010, 70000), 60010 + TIMEOUT + PEER_DOUBT_MS);
}

static void test_a_relay_that_owes_nothing_is_not_given_up(void **state)
{
	struct peer_fsm f = ready();

	(void)state;
	peer_fsm_set_quiet(&f, true, 0);
	assert_int_equal(judged_until(&f, 0, 100000), 100000);
	/* Something was sent: the time counts from then. */
	peer_fsm_set_quiet(&f, false, 100000);
	assert_int_equal(judged_until(&f, 100000, 200000), 100000 + TIMEOUT + PEER_DOUBT_MS);
	assert_int_equal(f.state, PEER_BACKOFF);
}

static void test_a_ping_that_is_not_answered_is_owed_for(void **state)
{
	struct peer_fsm f = ready();

	(void)state;
	peer_fsm_set_quiet(&f, true, 0);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_TICK, 5000, 0), PEER_DO_PING);
	/* Later ones, and what is sent later, do not forgive it. */
	peer_fsm_set_quiet(&f, false, 5400);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_TICK, 5400, 0), PEER_DO_PING);
	peer_fsm_set_quiet(&f, true, 5500);
	assert_int_equal(judged_until(&f, 5500, 10000), 5000 + TIMEOUT + PEER_DOUBT_MS);
}

static void test_a_relay_that_does_not_welcome_is_given_up(void **state)
{
	struct peer_fsm f = started();

	(void)state;
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_CONNECTED, 100, 0), PEER_DO_HELLO);
	/* Later than one that owes an answer: nothing waits for it. */
	assert_int_equal(peer_fsm_next_ms(&f), 100 + PEER_HELLO_MS);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_JUDGE, 5100, 0), 0);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_JUDGE, 5200, 0), PEER_DO_CLOSE);
	assert_int_equal(f.state, PEER_BACKOFF);
}

static void test_the_window_grows_to_ten_seconds_until_a_welcome(void **state)
{
	struct peer_fsm f = started();
	int64_t now = 0, window = PEER_BACKOFF_MS;

	(void)state;
	for (uint32_t i = 0; i < 12; i++) {
		int64_t least = i == 0 ? PEER_BACKOFF_MIN_MS : window / 3;

		assert_int_equal(peer_fsm_step(&f, PEER_EVENT_CLOSED, now, i * 7919), 0);
		assert_in_range(peer_fsm_next_ms(&f) - now, least, window);
		now = peer_fsm_next_ms(&f);
		assert_int_equal(peer_fsm_step(&f, PEER_EVENT_TICK, now - 1, 0), 0);
		assert_int_equal(peer_fsm_step(&f, PEER_EVENT_TICK, now, 0), PEER_DO_CONNECT);
		window += window < PEER_BACKOFF_MAX_MS ? PEER_BACKOFF_STEP_MS : 0;
	}
	peer_fsm_step(&f, PEER_EVENT_CONNECTED, now, 0);
	peer_fsm_step(&f, PEER_EVENT_WELCOME, now, 0);
	peer_fsm_step(&f, PEER_EVENT_CLOSED, now, UINT32_MAX);
	assert_in_range(peer_fsm_next_ms(&f) - now, PEER_BACKOFF_MIN_MS, PEER_BACKOFF_MS);
}

static void test_a_wait_may_be_any_time_of_the_window(void **state)
{
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (uint32_t random = 0; random < 10000; random++) {
		struct peer_fsm f = started();

		peer_fsm_step(&f, PEER_EVENT_CLOSED, 0, random);
		least = f.retry_ms < least ? f.retry_ms : least;
		most = f.retry_ms > most ? f.retry_ms : most;
	}
	assert_int_equal(least, PEER_BACKOFF_MIN_MS);
	assert_int_equal(most, PEER_BACKOFF_MS);
}

static void test_a_refusal_waits_in_the_last_window(void **state)
{
	struct peer_fsm f = ready();

	(void)state;
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_REFUSED, 0, 0), PEER_DO_DOWN | PEER_DO_CLOSE);
	assert_int_equal(peer_fsm_next_ms(&f), PEER_BACKOFF_MAX_MS / 3);
	/* The relay closes after it: that is no news. */
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_CLOSED, 1, 0), 0);
	assert_int_equal(peer_fsm_next_ms(&f), PEER_BACKOFF_MAX_MS / 3);
}

/* ---- a thousand agents lose a relay in the same millisecond ---- */

#define AGENTS  1000
#define SLOT_MS 100

struct crowd {
	struct peer_fsm agent[AGENTS];
	unsigned connects[AGENTS]; /* since the relay was lost */
	uint64_t random;
};

static uint32_t crowd_random(struct crowd *c)
{
	c->random = c->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(c->random >> 32);
}

/* What becomes of an attempt at a relay that is away until then. */
static void crowd_connect(struct crowd *c, size_t i, int64_t now, int64_t back_ms)
{
	c->connects[i]++;
	if (now < back_ms) {
		peer_fsm_step(&c->agent[i], PEER_EVENT_CLOSED, now, crowd_random(c));
		return;
	}
	peer_fsm_step(&c->agent[i], PEER_EVENT_CONNECTED, now, 0);
	peer_fsm_step(&c->agent[i], PEER_EVENT_WELCOME, now, 0);
}

/* The relay is lost at 0 and back at back_ms. Returns the most attempts that any slot of
 * SLOT_MS from from_ms to to_ms sees. */
static unsigned crowd_run(struct crowd *c, int64_t back_ms, int64_t from_ms, int64_t to_ms)
{
	unsigned slot = 0, most = 0;

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < AGENTS; i++) {
		c->agent[i] = ready();
		peer_fsm_step(&c->agent[i], PEER_EVENT_CLOSED, 0, crowd_random(c));
	}
	for (int64_t now = 0; now < to_ms; now++) {
		slot = now % SLOT_MS == 0 ? 0 : slot;
		for (size_t i = 0; i < AGENTS; i++) {
			if (c->agent[i].state != PEER_BACKOFF ||
			    !(peer_fsm_step(&c->agent[i], PEER_EVENT_TICK, now, 0) & PEER_DO_CONNECT))
				continue;
			crowd_connect(c, i, now, back_ms);
			slot++;
		}
		most = now >= from_ms && slot > most ? slot : most;
	}
	return most;
}

static void test_a_relay_that_is_away_is_not_stormed(void **state)
{
	static struct crowd c;

	(void)state;
	assert_in_range(crowd_run(&c, INT64_MAX, 0, 60000), 1, AGENTS / 10);
	assert_in_range(crowd_run(&c, INT64_MAX, 30000, 60000), 1, AGENTS / 25);
}

static void test_a_relay_that_is_back_at_once_sees_each_agent_once(void **state)
{
	static struct crowd c;

	(void)state;
	assert_in_range(crowd_run(&c, 50, 0, PEER_BACKOFF_MS + 1), 1, AGENTS * 8 / 100);
	for (size_t i = 0; i < AGENTS; i++) {
		assert_int_equal(c.connects[i], 1);
		assert_int_equal(c.agent[i].state, PEER_READY);
	}
}

static void test_a_relay_that_is_back_after_a_second_sees_each_agent_twice_at_most(void **state)
{
	static struct crowd c;
	unsigned twice = 0;

	(void)state;
	crowd_run(&c, 1000, 0, 1000 + PEER_BACKOFF_MS + PEER_BACKOFF_STEP_MS + 1);
	for (size_t i = 0; i < AGENTS; i++) {
		assert_in_range(c.connects[i], 1, 2);
		twice += c.connects[i] == 2;
		assert_int_equal(c.agent[i].state, PEER_READY);
	}
	assert_true(twice > 0);
}

static void test_a_lost_session_is_said_once(void **state)
{
	struct peer_fsm f = ready();

	(void)state;
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_CLOSED, 5, 0), PEER_DO_DOWN);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_CLOSED, 6, 0), 0);
}

static void test_a_leaving_relay_still_serves_until_it_closes(void **state)
{
	struct peer_fsm f = ready();

	(void)state;
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_GOAWAY, 0, 0), PEER_DO_LEAVING);
	assert_int_equal(f.state, PEER_DRAINING);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_TICK, PEER_PING_MS, 0), PEER_DO_PING);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_CLOSED, 300, 0), PEER_DO_DOWN);
}

static void test_a_stopped_one_closes_and_stays_closed(void **state)
{
	struct peer_fsm f = ready();

	(void)state;
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_STOP, 0, 0), PEER_DO_DOWN | PEER_DO_CLOSE);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_CLOSED, 0, 0), 0);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_TICK, 1000000, 0), 0);
	assert_true(peer_fsm_next_ms(&f) == INT64_MAX);
	assert_int_equal(peer_fsm_step(&f, PEER_EVENT_START, 0, 0), PEER_DO_CONNECT);
}

static void test_late_events_change_nothing(void **state)
{
	static const enum peer_event late[] = { PEER_EVENT_CONNECTED, PEER_EVENT_WELCOME,
						PEER_EVENT_GOAWAY, PEER_EVENT_REFUSED,
						PEER_EVENT_CLOSED };
	struct peer_fsm f = ready();

	(void)state;
	peer_fsm_step(&f, PEER_EVENT_CLOSED, 0, 0);
	for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
		assert_int_equal(peer_fsm_step(&f, late[i], 1, 0), 0);
		assert_int_equal(f.state, PEER_BACKOFF);
	}
}

static void test_states_have_names(void **state)
{
	(void)state;
	assert_string_equal(peer_state_name(PEER_CLOSED), "closed");
	assert_string_equal(peer_state_name(PEER_BACKOFF), "backoff");
	assert_string_equal(peer_state_name((enum peer_state)99), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_ready_relay_is_pinged_four_times_a_second),
		cmocka_unit_test(test_a_relay_with_nothing_under_way_is_pinged_every_few_seconds),
		cmocka_unit_test(test_a_ping_goes_with_what_is_due_before),
		cmocka_unit_test(test_a_silent_relay_is_given_up_after_the_timeout),
		cmocka_unit_test(test_an_answer_that_was_there_in_time_is_waited_for),
		cmocka_unit_test(test_a_relay_that_owes_nothing_is_not_given_up),
		cmocka_unit_test(test_a_ping_that_is_not_answered_is_owed_for),
		cmocka_unit_test(test_a_relay_that_does_not_welcome_is_given_up),
		cmocka_unit_test(test_the_window_grows_to_ten_seconds_until_a_welcome),
		cmocka_unit_test(test_a_wait_may_be_any_time_of_the_window),
		cmocka_unit_test(test_a_refusal_waits_in_the_last_window),
		cmocka_unit_test(test_a_relay_that_is_away_is_not_stormed),
		cmocka_unit_test(test_a_relay_that_is_back_at_once_sees_each_agent_once),
		cmocka_unit_test(test_a_relay_that_is_back_after_a_second_sees_each_agent_twice_at_most),
		cmocka_unit_test(test_a_lost_session_is_said_once),
		cmocka_unit_test(test_a_leaving_relay_still_serves_until_it_closes),
		cmocka_unit_test(test_a_stopped_one_closes_and_stays_closed),
		cmocka_unit_test(test_late_events_change_nothing),
		cmocka_unit_test(test_states_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
