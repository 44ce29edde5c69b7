/*
 * delivery_world.h - a delivery on a loop, and two relays.
 *
 * What the tests of delivery.h have in common: an agent without disk or lines, a timer that stands
 * for its own, relays that a test has answer or not, and batches of a counter.
 */
#ifndef TESTS_UNIT_AGENT_DELIVERY_WORLD_H
#define TESTS_UNIT_AGENT_DELIVERY_WORLD_H

#include "agent/delivery.h"
#include "proto/daemon/life.h"
#include "proto/group.h"
#include "tests/lib/fake_relay.h"
#include "tests/lib/test_loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define PARTITIONS 4

struct world {
	struct test_loop t;
	uv_timer_t beat;
	struct config config;
	struct identity identity;
	struct ledger ledger;
	struct delivery *d;
	struct fake_relay a, b;
	char relays[128];
	char state_dir[64]; /* empty: the spool is in memory */
	unsigned settled;
	int64_t floor_second, pace_ms;
	bool full;
};

/* ---- the agent ---- */

static inline void on_floor(void *arg, int64_t floor_second)
{
	((struct world *)arg)->floor_second = floor_second;
}

static inline void on_pace(void *arg, int64_t seal_ms)
{
	((struct world *)arg)->pace_ms = seal_ms;
}

static inline void on_full(void *arg, bool full)
{
	((struct world *)arg)->full = full;
}

static inline void on_settled(void *arg)
{
	struct world *w = arg;

	w->settled++;
	delivery_run(w->d, life_monotonic_ms());
}

static const struct delivery_events events = { .floor = on_floor, .pace = on_pace, .full = on_full,
					       .settled = on_settled };

/* Stands for the agent's timer. */
static inline void on_beat(uv_timer_t *timer)
{
	struct world *w = timer->data;

	if (w->d == NULL)
		return;
	delivery_judge(w->d, life_monotonic_ms());
	delivery_run(w->d, life_monotonic_ms());
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_set_level((enum log_level)2);
	test_loop_init(&w->t);
	fake_relay_start(&w->a, &w->t.loop, PARTITIONS);
	fake_relay_start(&w->b, &w->t.loop, PARTITIONS);
	uv_timer_init(&w->t.loop, &w->beat);
	w->beat.data = w;
	uv_timer_start(&w->beat, on_beat, 5, 5);
	assert_int_equal(identity_open(&w->identity, ""), 0);
	w->config = (struct config){ .relays = w->relays, .state_dir = w->state_dir,
				     .spool_max = 1 << 20,
				     .confirm_ms = 50, .peer_timeout_ms = 300 };
	*state = w;
	return 0;
}

static inline void start(struct world *w, const char *relays)
{
	snprintf(w->relays, sizeof(w->relays), "%s", relays);
	assert_int_equal(delivery_new(&w->t.loop, &w->config, &w->identity, &w->ledger, &events, w,
				      &w->d),
			 0);
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	delivery_close(w->d, false);
	w->d = NULL;
	fake_relay_stop(&w->a);
	fake_relay_stop(&w->b);
	uv_close((uv_handle_t *)&w->beat, NULL);
	test_loop_finish(&w->t);
	identity_close(&w->identity);
	free(w);
	return 0;
}

static inline void until(struct world *w, const unsigned *count, unsigned wanted)
{
	test_loop_until_count(&w->t, count, wanted);
}

static inline const char *address(const struct fake_relay *f)
{
	return stream_listener_address(f->listener);
}

static inline void seal_samples(struct world *w, uint32_t partition, uint64_t samples)
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
	assert_int_equal(delivery_append(w->d, partition, &writer, samples, 1000), 0);
	batch_writer_release(&writer);
	buf_release(&bytes);
	delivery_sealed_until(w->d, 5000);
	delivery_run(w->d, life_monotonic_ms());
}

static inline void seal(struct world *w, uint32_t partition)
{
	seal_samples(w, partition, 1);
}

static inline void until_joined(struct world *w)
{
	while (delivery_partitions(w->d) == 0)
		uv_run(&w->t.loop, UV_RUN_ONCE);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
