// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/delivery_world.h"

static void test_a_silent_relay_is_left_for_another(void **state)
{
	struct world *w = *state;
	char both[128];

	w->a.mute_pings = true;
	snprintf(both, sizeof(both), "%s,%s", address(&w->a), address(&w->b));
	start(w, both);
	until(w, &w->a.hellos, 1);
	until(w, &w->b.hellos, 1);
	until_joined(w);
	for (uint32_t p = 0; p < PARTITIONS; p++)
		seal(w, p);
	until(w, &w->b.batches, PARTITIONS);
	assert_true(w->a.connections >= 1);
}

static void test_an_agent_that_stood_still_keeps_a_relay_that_has_answered(void **state)
{
	struct world *w = *state;
	struct frame pong = { .type = FRAME_PONG };
	int64_t now_ms;

	w->a.mute_pings = true;
	start(w, address(&w->a));
	until_joined(w);
	seal(w, 0);
	until(w, &w->a.pings, 1);
	/* The answer has come, and the process goes on much later: with the clock. */
	fake_relay_send(&w->a, &pong);
	uv_timer_stop(&w->beat);
	now_ms = life_monotonic_ms() + 10 * w->config.peer_timeout_ms;
	delivery_judge(w->d, now_ms);
	delivery_run(w->d, now_ms);
	w->settled = 0;
	until(w, &w->settled, 1);
	delivery_judge(w->d, now_ms + 1000);
	assert_int_equal(w->a.connections, 1);
	delivery_count(w->d);
	assert_int_equal(tally_get(&w->ledger.relays_ready), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_silent_relay_is_left_for_another),
		T(test_an_agent_that_stood_still_keeps_a_relay_that_has_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
