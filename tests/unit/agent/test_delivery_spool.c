// SPDX-License-Identifier: Apache-2.0
/* Deliveries one after the other over the same state folder, with a relay that comes and goes. */
#include "agent/delivery.h"

#include "agent/counters.h"
#include "proto/daemon/life.h"
#include "proto/group.h"
#include "tests/lib/fake_relay.h"
#include "tests/lib/folder.h"
#include "tests/lib/test_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define PARTITIONS 4

struct world {
	struct test_loop t;
	uv_timer_t beat;
	struct config config;
	struct identity identity;
	struct ledger ledger;
	struct delivery *d;
	struct fake_relay relay;
	char relays[128], state_dir[64];
};

static void on_floor(void *arg, int64_t floor_second)
{
	(void)arg;
	(void)floor_second;
}

static void on_pace(void *arg, int64_t seal_ms)
{
	(void)arg;
	(void)seal_ms;
}

static void on_full(void *arg, bool full)
{
	(void)arg;
	(void)full;
}

static void on_settled(void *arg)
{
	struct world *w = arg;

	delivery_run(w->d, life_monotonic_ms());
}

static const struct delivery_events events = { .floor = on_floor, .pace = on_pace, .full = on_full,
					       .settled = on_settled };

static void on_beat(uv_timer_t *timer)
{
	struct world *w = timer->data;

	if (w->d != NULL)
		delivery_run(w->d, life_monotonic_ms());
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_set_level((enum log_level)2);
	w->identity.lock = -1;
	test_loop_init(&w->t);
	fake_relay_start(&w->relay, &w->t.loop, PARTITIONS);
	uv_timer_init(&w->t.loop, &w->beat);
	w->beat.data = w;
	uv_timer_start(&w->beat, on_beat, 5, 5);
	snprintf(w->state_dir, sizeof(w->state_dir), "/tmp/hourglass-delivery-XXXXXX");
	assert_non_null(mkdtemp(w->state_dir));
	snprintf(w->relays, sizeof(w->relays), "%s",
		 stream_listener_address(w->relay.listener));
	w->config = (struct config){ .relays = w->relays, .state_dir = w->state_dir,
				     .spool_max = 1 << 20, .segment_bytes = 1 << 16,
				     .spool_memory_max = 1 << 20, .confirm_ms = 50,
				     .peer_timeout_ms = 300 };
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char spool[128];

	delivery_close(w->d, false);
	w->d = NULL;
	fake_relay_stop(&w->relay);
	uv_close((uv_handle_t *)&w->beat, NULL);
	test_loop_finish(&w->t);
	identity_close(&w->identity);
	snprintf(spool, sizeof(spool), "%s/spool", w->state_dir);
	folder_remove(spool);
	folder_remove(w->state_dir);
	free(w);
	return 0;
}

/* The next agent over the folder. */
static void start(struct world *w)
{
	delivery_close(w->d, false);
	w->d = NULL;
	while (w->relay.s != NULL) /* it knows one connection at a time */
		uv_run(&w->t.loop, UV_RUN_ONCE);
	identity_close(&w->identity);
	memset(&w->ledger, 0, sizeof(w->ledger));
	assert_int_equal(identity_open(&w->identity, w->state_dir), 0);
	assert_int_equal(delivery_new(&w->t.loop, &w->config, &w->identity, &w->ledger, &events, w,
				      &w->d),
			 0);
}

/* One without a relay: nobody listens on port 1. */
static void start_alone(struct world *w)
{
	char relays[128];

	snprintf(relays, sizeof(relays), "%s", w->relays);
	snprintf(w->relays, sizeof(w->relays), "127.0.0.1:1");
	start(w);
	snprintf(w->relays, sizeof(w->relays), "%s", relays);
}

static void seal(struct world *w, uint32_t partition)
{
	struct batch_group group = { .kind = KIND_COUNTER, .series = slice_text("a"),
				     .second = 1795179600 };
	struct batch_writer writer;
	struct buf bytes;
	double value = 1;

	buf_init(&bytes, 1024);
	group_put_values(&bytes, (struct group_sampling){ .rate = 1, .weight = 1 }, &value, 1);
	group.bytes = buf_view(&bytes);
	batch_writer_init(&writer, group.second);
	batch_writer_add(&writer, &group, 1);
	assert_int_equal(delivery_append(w->d, partition, &writer, 1, life_wall_ms()), 0);
	batch_writer_release(&writer);
	buf_release(&bytes);
	delivery_sealed_until(w->d, life_wall_ms());
	delivery_run(w->d, life_monotonic_ms());
}

static void until_ready(struct world *w)
{
	while (!delivery_ready(w->d))
		uv_run(&w->t.loop, UV_RUN_ONCE);
}

static void test_the_next_agent_sends_what_one_left_under_its_stream(void **state)
{
	struct world *w = *state;
	struct stream_id first;

	start(w);
	until_ready(w);
	assert_true(delivery_durable(w->d));
	start_alone(w); /* the first sealed nothing, and this one knows P */
	assert_int_equal(delivery_partitions(w->d), PARTITIONS);
	first = identity_stream(&w->identity);
	seal(w, 2);
	seal(w, 2);
	start(w);
	assert_int_equal(delivery_undelivered(w->d), 2);
	test_loop_until_count(&w->t, &w->relay.batches, 2);
	assert_memory_equal(w->relay.stream.id.bytes, first.bytes, STREAM_ID_BYTES);
	assert_true(w->relay.hello.cfg == hash_cfg(PARTITIONS));
	assert_int_equal(w->relay.header.seq, 2);
	delivery_count(w->d);
	assert_int_equal(tally_get(&w->ledger.samples_restored), 2);
	assert_int_equal(tally_get(&w->ledger.samples_sealed), 0);
}

static void test_the_partitions_of_leftovers_hold_also_when_the_page_is_gone(void **state)
{
	struct world *w = *state;
	char page[128];

	start(w);
	until_ready(w);
	seal(w, 1);
	delivery_close(w->d, false);
	w->d = NULL;
	snprintf(page, sizeof(page), "%s/counters", w->state_dir);
	assert_int_equal(unlink(page), 0);
	start_alone(w);
	assert_int_equal(delivery_partitions(w->d), PARTITIONS);
	assert_int_equal(delivery_undelivered(w->d), 1);
}

static void test_an_agent_that_holds_nothing_may_join_another_fleet(void **state)
{
	struct world *w = *state;

	start(w);
	until_ready(w);
	w->relay.partitions = 2 * PARTITIONS;
	start(w);
	assert_int_equal(delivery_partitions(w->d), PARTITIONS);
	until_ready(w);
	assert_int_equal(w->relay.hello.cfg, 0);
	assert_int_equal(delivery_partitions(w->d), 2 * PARTITIONS);
	seal(w, PARTITIONS + 1);
	test_loop_until_count(&w->t, &w->relay.batches, 1);
}

static void test_an_agent_that_holds_batches_may_not(void **state)
{
	struct world *w = *state;
	unsigned hellos;

	start(w);
	until_ready(w);
	seal(w, 1);
	w->relay.partitions = 2 * PARTITIONS;
	hellos = w->relay.hellos;
	start(w);
	test_loop_until_count(&w->t, &w->relay.hellos, hellos + 1);
	while (tally_get(&w->ledger.relays_foreign) == 0)
		uv_run(&w->t.loop, UV_RUN_ONCE);
	assert_true(w->relay.hello.cfg == hash_cfg(PARTITIONS));
	assert_false(delivery_ready(w->d));
	assert_int_equal(delivery_undelivered(w->d), 1);
}

static void test_what_was_taken_is_counted_across_lives(void **state)
{
	struct world *w = *state;

	start(w);
	until_ready(w);
	tally_add(delivery_taken(w->d), 10);
	seal(w, 0);
	delivery_lost(w->d, 2);
	start(w);
	assert_int_equal(tally_get(&w->ledger.lost_unsealed), 7);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_next_agent_sends_what_one_left_under_its_stream),
		T(test_the_partitions_of_leftovers_hold_also_when_the_page_is_gone),
		T(test_an_agent_that_holds_nothing_may_join_another_fleet),
		T(test_an_agent_that_holds_batches_may_not),
		T(test_what_was_taken_is_counted_across_lives),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
