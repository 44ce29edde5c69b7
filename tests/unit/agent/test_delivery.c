// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/delivery_world.h"

#include "agent/live.h"
#include "proto/auth.h"

static void test_the_relay_says_how_many_partitions_there_are(void **state)
{
	struct world *w = *state;

	start(w, address(&w->a));
	assert_int_equal(delivery_partitions(w->d), 0);
	assert_false(delivery_ready(w->d));
	until_joined(w);
	assert_int_equal(delivery_partitions(w->d), PARTITIONS);
	assert_int_equal(w->a.hello.cfg, 0);
	assert_memory_equal(w->a.hello.agent_id, w->identity.agent_id, FRAME_AGENT_BYTES);
	assert_true(w->a.hello.incarnation == w->identity.incarnation);
}

static void test_a_batch_goes_the_whole_way(void **state)
{
	struct world *w = *state;

	start(w, address(&w->a));
	until_joined(w);
	seal(w, 2);
	until(w, &w->a.batches, 1);
	assert_int_equal(w->a.header.partition, 2);
	assert_int_equal(w->a.header.seq, 1);
	assert_int_equal(delivery_undelivered(w->d), 1);
	fake_relay_state(&w->a, FRAME_COMMITTED, FRAME_OPENED, w->a.stream.state);
	while (delivery_undelivered(w->d) > 0)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	/* Asked until the grace of 100 ms is over. */
	while (tally_get(&w->ledger.samples_stable) == 0) {
		unsigned asked = w->a.confirms;

		until(w, &w->a.confirms, asked + 1);
		fake_relay_state(&w->a, FRAME_CONFIRMED, FRAME_OPENED, w->a.stream.state);
		uv_run(&w->t.loop, UV_RUN_ONCE);
		delivery_count(w->d);
	}
	assert_int_equal(tally_get(&w->ledger.samples_sealed), 1);
	assert_int_equal(tally_get(&w->ledger.samples_committed), 1);
	assert_int_equal(tally_get(&w->ledger.samples_stable), 1);
}

static void test_a_closed_connection_is_made_again_and_the_batch_sent_again(void **state)
{
	struct world *w = *state;

	start(w, address(&w->a));
	until_joined(w);
	seal(w, 0);
	until(w, &w->a.batches, 1);
	fake_relay_hang_up(&w->a);
	until(w, &w->a.batches, 2);
	assert_int_equal(w->a.connections, 2);
	assert_int_equal(w->a.opens, 2);
	assert_int_equal(w->a.header.seq, 1);
	assert_true(w->a.hello.cfg == hash_cfg(PARTITIONS));
}

static void test_an_unreachable_relay_does_not_stop_the_others(void **state)
{
	struct world *w = *state;
	char both[128];

	snprintf(both, sizeof(both), "no.such.host.invalid:1,%s", address(&w->b));
	start(w, both);
	until_joined(w);
	for (uint32_t p = 0; p < PARTITIONS; p++)
		seal(w, p);
	until(w, &w->b.batches, PARTITIONS);
}

static void test_the_live_list_replaces_the_configured_relay(void **state)
{
	struct world *w = *state;
	char live[64];

	snprintf(live, sizeof(live), "%s", address(&w->b));
	w->a.live = live;
	start(w, address(&w->a));
	until(w, &w->b.hellos, 1);
	assert_int_equal(w->floor_second, 1000 * 3600);
	assert_int_equal(w->pace_ms, 700);
	/* a is a last resort now: its connection is given up. */
	while (w->a.s != NULL)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	seal(w, 0);
	until(w, &w->b.batches, 1);
	assert_int_equal(w->a.batches, 0);
	/* And is taken again when b goes. */
	fake_relay_stop(&w->b);
	until(w, &w->a.batches, 1);
}

static void test_another_fleet_s_relay_is_not_used(void **state)
{
	struct world *w = *state;
	char both[128];

	w->b.partitions = PARTITIONS + 1;
	start(w, address(&w->a));
	until_joined(w);
	snprintf(both, sizeof(both), "%s,%s", address(&w->a), address(&w->b));
	w->a.live = both;
	fake_relay_relays(&w->a);
	until(w, &w->b.hellos, 1);
	while (tally_get(&w->ledger.relays_foreign) == 0 || w->b.s != NULL)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	for (uint32_t p = 0; p < PARTITIONS; p++)
		seal(w, p);
	until(w, &w->a.batches, PARTITIONS);
	assert_int_equal(w->b.batches, 0);
	assert_int_equal(delivery_partitions(w->d), PARTITIONS);
}

static void test_rubbish_ends_the_connection_only(void **state)
{
	struct world *w = *state;

	start(w, address(&w->a));
	until_joined(w);
	assert_int_equal(stream_write(w->a.s, slice_text("GET / HTTP/1.1\r\n\r\n")), 0);
	while (w->a.s != NULL)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	assert_false(delivery_ready(w->d));
	assert_int_equal(delivery_partitions(w->d), PARTITIONS);
}

static void test_the_watermark_is_published_and_leaving_is_said(void **state)
{
	struct world *w = *state;

	start(w, address(&w->a));
	until_joined(w);
	delivery_publish(w->d, false);
	seal(w, 0);
	until(w, &w->a.batches, 1);
	delivery_publish(w->d, false);
	until(w, &w->a.watermarks, 1);
	assert_int_equal(w->a.watermark.committed_ms, 1000);
	assert_false(w->a.watermark.left);
	fake_relay_state(&w->a, FRAME_COMMITTED, FRAME_OPENED, w->a.stream.state);
	while (delivery_undelivered(w->d) > 0)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	delivery_publish(w->d, true);
	delivery_close(w->d, true); /* what is queued still goes out */
	w->d = NULL;
	until(w, &w->a.watermarks, 2);
	assert_int_equal(w->a.watermark.committed_ms, 5000);
	assert_true(w->a.watermark.left);
}

static void test_a_full_spool_takes_nothing_but_an_empty_one_anything(void **state)
{
	struct world *w = *state;

	start(w, address(&w->a));
	until_joined(w);
	assert_true(delivery_has_room(w->d, 2 << 20)); /* or it could never be sealed */
	seal(w, 0);
	assert_false(delivery_has_room(w->d, 1 << 20));
	assert_true(delivery_has_room(w->d, 1 << 19));
}

static void test_a_leaving_relay_gets_nothing_new(void **state)
{
	struct world *w = *state;
	struct frame goaway = { .type = FRAME_GOAWAY };
	char both[128];

	snprintf(both, sizeof(both), "%s,%s", address(&w->a), address(&w->b));
	start(w, both);
	until(w, &w->a.hellos, 1);
	until(w, &w->b.hellos, 1);
	until_joined(w);
	fake_relay_send(&w->a, &goaway);
	while (delivery_count(w->d), tally_get(&w->ledger.relays_ready) != 1)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	for (uint32_t p = 0; p < PARTITIONS; p++)
		seal(w, p);
	until(w, &w->b.batches, PARTITIONS);
	assert_int_equal(w->a.batches, 0);
}

static void test_a_reload_finds_a_new_relay_and_lets_go_of_an_old_one(void **state)
{
	struct world *w = *state;

	start(w, address(&w->a));
	until_joined(w);
	seal(w, 0);
	until(w, &w->a.batches, 1);
	snprintf(w->relays, sizeof(w->relays), "%s", address(&w->b));
	delivery_reload(w->d);
	until(w, &w->b.hellos, 1);
	/* What a had not committed goes to b. */
	until(w, &w->b.batches, 1);
	while (w->a.s != NULL)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	assert_int_equal(w->a.connections, 1);
	delivery_count(w->d);
	assert_int_equal(tally_get(&w->ledger.relays_known), 1);
}

static void test_a_batch_without_users_samples_is_waited_for_too(void **state)
{
	struct world *w = *state;

	start(w, address(&w->a));
	assert_true(delivery_done(w->d));
	until_joined(w);
	seal_samples(w, 0, 0);
	assert_int_equal(delivery_undelivered(w->d), 0);
	assert_false(delivery_done(w->d));
	until(w, &w->a.batches, 1);
	fake_relay_state(&w->a, FRAME_COMMITTED, FRAME_OPENED, w->a.stream.state);
	while (!delivery_done(w->d))
		uv_run(&w->t.loop, UV_RUN_ONCE);
}

static void test_a_relay_s_clock_is_compared_at_hello_and_at_each_ping(void **state)
{
	struct world *w = *state;
	struct frame pong = { .type = FRAME_PONG };

	start(w, address(&w->a));
	until_joined(w);
	delivery_count(w->d);
	assert_true(tally_get(&w->ledger.clock_skew_ms) < 5000);
	/* A token that is no time of ours says nothing; a true one does. */
	pong.ping.clock_ms = life_wall_ms() + 3600000;
	pong.ping.token = UINT64_MAX;
	fake_relay_send(&w->a, &pong);
	pong.ping.clock_ms = life_wall_ms() - 60000;
	pong.ping.token = (uint64_t)life_monotonic_ms();
	fake_relay_send(&w->a, &pong);
	while (tally_get(&w->ledger.clock_skew_ms) < 50000)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	assert_true(tally_get(&w->ledger.clock_skew_ms) < 70000);
}

static void ask_pace(struct world *w, struct fake_relay *relay, uint64_t seal_ms, int64_t wanted_ms)
{
	struct slice list[] = { slice_text(address(&w->a)), slice_text(address(&w->b)) };
	struct frame f = { .type = FRAME_RELAYS,
			   .relays = { .seal_ms = seal_ms, .list = list, .count = 2 } };

	fake_relay_send(relay, &f);
	while (w->pace_ms != wanted_ms)
		uv_run(&w->t.loop, UV_RUN_ONCE);
}

static void say_full(struct world *w, struct fake_relay *relay, bool full, bool wanted)
{
	struct frame f = { .type = FRAME_STORE, .full = full };

	fake_relay_send(relay, &f);
	while (w->full != wanted)
		uv_run(&w->t.loop, UV_RUN_ONCE);
}

/* Relays that ask for different paces do not make the agent swing between them. */
static void test_the_slowest_pace_and_the_fullest_store_of_relays_hold(void **state)
{
	struct world *w = *state;
	char both[128];

	snprintf(both, sizeof(both), "%s,%s", address(&w->a), address(&w->b));
	start(w, both);
	until(w, &w->b.hellos, 1);
	while (delivery_count(w->d), tally_get(&w->ledger.relays_ready) != 2)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	ask_pace(w, &w->a, 1000, 1000);
	ask_pace(w, &w->b, 2000, 2000);
	ask_pace(w, &w->a, 4000, 4000);
	ask_pace(w, &w->a, 500, 2000);
	say_full(w, &w->a, true, true);
	say_full(w, &w->b, true, true);
	say_full(w, &w->a, false, true);
	fake_relay_hang_up(&w->b);
	while (w->pace_ms != 500 || w->full)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	ask_pace(w, &w->a, UINT32_MAX, LIVE_PACE_MAX_MS);
	ask_pace(w, &w->a, 0, 0);
}

static void test_a_relay_that_proves_no_secret_gets_nothing(void **state)
{
	static const char secret[] = "correct-horse-battery-staple";
	struct world *w = *state;

	w->config.secret.size = sizeof(secret) - 1;
	memcpy(w->config.secret.bytes, secret, sizeof(secret) - 1);
	start(w, address(&w->a));
	until(w, &w->a.hellos, 1);
	while (delivery_count(w->d), tally_get(&w->ledger.relays_unproven) == 0)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	assert_int_equal(w->a.hello.auth.size, AUTH_OFFER_BYTES);
	assert_int_equal(delivery_partitions(w->d), 0);
	assert_false(delivery_ready(w->d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_relay_says_how_many_partitions_there_are),
		T(test_a_batch_goes_the_whole_way),
		T(test_a_closed_connection_is_made_again_and_the_batch_sent_again),
		T(test_an_unreachable_relay_does_not_stop_the_others),
		T(test_the_live_list_replaces_the_configured_relay),
		T(test_another_fleet_s_relay_is_not_used),
		T(test_rubbish_ends_the_connection_only),
		T(test_the_watermark_is_published_and_leaving_is_said),
		T(test_a_full_spool_takes_nothing_but_an_empty_one_anything),
		T(test_a_leaving_relay_gets_nothing_new),
		T(test_a_reload_finds_a_new_relay_and_lets_go_of_an_old_one),
		T(test_a_batch_without_users_samples_is_waited_for_too),
		T(test_a_relay_s_clock_is_compared_at_hello_and_at_each_ping),
		T(test_the_slowest_pace_and_the_fullest_store_of_relays_hold),
		T(test_a_relay_that_proves_no_secret_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
