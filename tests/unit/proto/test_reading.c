// SPDX-License-Identifier: Apache-2.0
#include "proto/store/reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define STALE_MAX_MS 10000

static struct replica_info info_of(bool master, int64_t offset)
{
	return (struct replica_info){
		.master = master, .linked = true, .history = "a", .offset = offset,
	};
}

static void hear_master(struct reading *r, int64_t asked_ms, int64_t offset, size_t replicas)
{
	struct replica_info info = info_of(true, offset);

	for (; info.replica_count < replicas; info.replica_count++)
		info.replicas[info.replica_count] = (struct addr){
			.scheme = ADDR_TCP, .host = "r", .port = (uint16_t)(info.replica_count + 1),
		};
	reading_hear_master(r, asked_ms, &info);
}

static void hear_replica(struct reading *r, int64_t offset, bool linked)
{
	struct replica_info info = info_of(false, offset);

	info.linked = linked;
	reading_hear_replica(r, &info);
}

/* A master with two replicas, of which one is read, at 1,000 ms. */
static void begin(struct reading *r)
{
	struct addr at;

	reading_init(r, STALE_MAX_MS, 0);
	assert_false(reading_next(r, &at));
	reading_master_up(r, 0, false);
	hear_master(r, 1000, 100, 2);
	assert_true(reading_next(r, &at));
	reading_replica_up(r, 1000);
	hear_replica(r, 100, true);
	assert_int_equal(reading_view(r, 1000).source, READING_REPLICA);
}

static void a_replica_in_step_is_read(void **state)
{
	struct reading r;
	struct reading_view view;

	(void)state;
	begin(&r);
	view = reading_view(&r, 1700);
	assert_int_equal(view.source, READING_REPLICA);
	assert_true(view.replica);
	assert_int_equal(view.fresh_ms, 1000);
	assert_int_equal(view.generation, 1);
	assert_int_equal(reading_view(&r, 1800).generation, 1);
}

static void the_master_is_read_at_once_only_where_it_has_no_replicas(void **state)
{
	struct reading r;
	struct reading_view view;

	(void)state;
	reading_init(&r, STALE_MAX_MS, 7);
	assert_int_equal(reading_view(&r, 0).source, READING_NONE);
	reading_master_up(&r, 5000, false);
	assert_int_equal(reading_view(&r, 5000).source, READING_NONE);
	hear_master(&r, 5000, 100, 2);
	assert_int_equal(reading_view(&r, 5999).source, READING_NONE);
	assert_int_equal(reading_view(&r, 6000).source, READING_MASTER);
	reading_init(&r, STALE_MAX_MS, 7);
	reading_master_up(&r, 5000, false);
	hear_master(&r, 5000, 100, 0);
	view = reading_view(&r, 5001);
	assert_int_equal(view.source, READING_MASTER);
	assert_false(view.replica);
	assert_int_equal(view.fresh_ms, 5001);
}

static void a_replica_is_not_read_before_it_is_known_to_be_in_step(void **state)
{
	struct reading r;

	(void)state;
	begin(&r);
	reading_replica_down(&r);
	assert_int_equal(reading_view(&r, 1000).source, READING_MASTER);
	reading_replica_up(&r, 1000);
	assert_int_equal(reading_view(&r, 1000).source, READING_MASTER);
	hear_replica(&r, 50, true); /* behind */
	assert_int_equal(reading_view(&r, 1000).source, READING_MASTER);
	hear_replica(&r, 100, false); /* cut off */
	assert_int_equal(reading_view(&r, 1000).source, READING_MASTER);
	hear_replica(&r, 99, true);
	assert_int_equal(reading_view(&r, 1000).source, READING_MASTER);
	hear_replica(&r, 100, true);
	assert_int_equal(reading_view(&r, 1500).source, READING_REPLICA);
}

static void one_that_is_cut_off_is_left_for_the_master(void **state)
{
	struct reading r;
	uint64_t generation;

	(void)state;
	begin(&r);
	generation = reading_view(&r, 1000).generation;
	hear_replica(&r, 110, false);
	assert_int_equal(reading_view(&r, 1001).source, READING_MASTER);
	assert_int_equal(reading_view(&r, 1001).generation, generation + 1);
	hear_replica(&r, 120, true);
	assert_int_equal(reading_view(&r, 1002).source, READING_REPLICA);
	assert_int_equal(reading_view(&r, 1002).generation, generation + 2);
}

static void one_that_grows_old_is_left(void **state)
{
	struct reading r;

	(void)state;
	begin(&r);
	assert_int_equal(reading_view(&r, 1000 + STALE_MAX_MS).source, READING_REPLICA);
	assert_int_equal(reading_view(&r, 1001 + STALE_MAX_MS).source, READING_MASTER);
	reading_master_down(&r);
	assert_int_equal(reading_view(&r, 1001 + STALE_MAX_MS).source, READING_NONE);
}

/* The master dies: the replica's link to it breaks first, or ours does. */
static void without_a_master_the_replica_is_read_until_it_is_too_old(void **state)
{
	struct reading r;
	struct reading_view view;

	(void)state;
	begin(&r);
	hear_replica(&r, 100, false);
	reading_master_down(&r);
	view = reading_view(&r, 9000);
	assert_int_equal(view.source, READING_REPLICA);
	assert_int_equal(view.fresh_ms, 1000);
	assert_int_equal(view.generation, 1); /* nobody asked while the master was left to be read */
	assert_int_equal(reading_view(&r, 1001 + STALE_MAX_MS).source, READING_NONE);
	begin(&r);
	reading_master_down(&r);
	hear_replica(&r, 100, false);
	reading_refused(&r); /* it is set up not to answer then */
	assert_int_equal(reading_view(&r, 2000).source, READING_NONE);
}

static void a_replica_that_lost_something_is_another_generation(void **state)
{
	struct reading r;
	uint64_t generation;

	(void)state;
	begin(&r);
	generation = reading_view(&r, 1000).generation;
	hear_replica(&r, 99, true);
	hear_replica(&r, 130, true); /* both between two looks */
	assert_int_equal(reading_view(&r, 1000).generation, generation + 1);
	reading_replica_down(&r);
	reading_replica_up(&r, 1000);
	hear_replica(&r, 140, true);
	hear_master(&r, 1100, 140, 2);
	hear_replica(&r, 140, true);
	assert_int_equal(reading_view(&r, 1100).source, READING_REPLICA);
	assert_int_equal(reading_view(&r, 1100).generation, generation + 2);
}

/* What happens to the one that is not read changes nothing for who reads the other. */
static void the_other_server_does_not_matter(void **state)
{
	struct reading r;

	(void)state;
	begin(&r);
	reading_master_down(&r);
	reading_master_up(&r, 1100, false);
	assert_int_equal(reading_view(&r, 1100).generation, 1);
	hear_replica(&r, 100, false);
	assert_int_equal(reading_view(&r, 1100).generation, 2);
	reading_replica_down(&r);
	reading_replica_up(&r, 1200);
	assert_int_equal(reading_view(&r, 1200).generation, 2);
}

static void one_that_is_of_no_use_is_left_for_another(void **state)
{
	struct reading r;
	struct addr first, second, third;

	(void)state;
	begin(&r);
	first = r.at;
	assert_false(reading_must_leave(&r, 1000));
	assert_false(reading_must_leave(&r, 1000 + STALE_MAX_MS)); /* it is read */
	hear_replica(&r, 100, false);
	assert_false(reading_must_leave(&r, 1000 + STALE_MAX_MS + READING_LEAVE_MS - 1));
	assert_true(reading_must_leave(&r, 1000 + STALE_MAX_MS + READING_LEAVE_MS));
	assert_true(reading_next(&r, &second));
	assert_int_not_equal(first.port, second.port);
	assert_true(reading_next(&r, &third));
	assert_int_equal(first.port, third.port);
	hear_master(&r, 2000, 100, 0); /* a new master lists nobody for a moment */
	assert_true(reading_next(&r, &second));
	hear_master(&r, 2000, 100, 1);
	assert_true(reading_next(&r, &first));
	assert_true(reading_next(&r, &second));
	assert_int_equal(first.port, second.port);
	reading_replica_up(&r, 20000);
	assert_false(reading_must_leave(&r, 90000)); /* there is no other */
}

static void a_server_that_was_named_may_be_a_replica(void **state)
{
	struct reading r;
	struct reading_view view;
	struct replica_info info = info_of(false, 100);
	struct addr at;

	(void)state;
	reading_init(&r, STALE_MAX_MS, 0);
	reading_master_up(&r, 0, true);
	assert_int_equal(reading_view(&r, 5000).source, READING_NONE); /* how old? */
	info.heard_s = 1;
	info.replica_count = 1; /* replicas of a replica are not read */
	reading_hear_master(&r, 5000, &info);
	view = reading_view(&r, 5500);
	assert_int_equal(view.source, READING_MASTER);
	assert_true(view.replica);
	assert_int_equal(view.fresh_ms, 3000);
	assert_false(reading_next(&r, &at));
	info.linked = false;
	reading_hear_master(&r, 6000, &info);
	assert_int_equal(reading_view(&r, 6000).fresh_ms, 3000);
	assert_int_equal(reading_view(&r, 6000).generation, 1);
	assert_int_equal(reading_view(&r, 3001 + STALE_MAX_MS).source, READING_NONE);
	info.linked = true;
	info.offset = 99; /* it has lost something */
	reading_hear_master(&r, 20000, &info);
	assert_int_equal(reading_view(&r, 20000).generation, 3);
	hear_master(&r, 21000, 200, 0); /* it was made the master */
	view = reading_view(&r, 21000);
	assert_false(view.replica);
	assert_int_equal(view.generation, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_replica_in_step_is_read),
		cmocka_unit_test(the_master_is_read_at_once_only_where_it_has_no_replicas),
		cmocka_unit_test(a_replica_is_not_read_before_it_is_known_to_be_in_step),
		cmocka_unit_test(one_that_is_cut_off_is_left_for_the_master),
		cmocka_unit_test(one_that_grows_old_is_left),
		cmocka_unit_test(without_a_master_the_replica_is_read_until_it_is_too_old),
		cmocka_unit_test(a_replica_that_lost_something_is_another_generation),
		cmocka_unit_test(the_other_server_does_not_matter),
		cmocka_unit_test(one_that_is_of_no_use_is_left_for_another),
		cmocka_unit_test(a_server_that_was_named_may_be_a_replica),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
