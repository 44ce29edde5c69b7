// SPDX-License-Identifier: Apache-2.0
#include "relay/room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void note(struct room *r, unsigned used, unsigned most)
{
	char text[128];

	snprintf(text, sizeof(text), "# Memory\r\nused_memory:%u\r\nused_memory_human:1K\r\n"
		 "maxmemory:%u\r\nmaxmemory_policy:noeviction\r\n", used, most);
	room_note(r, slice_text(text));
}

/* One look at one master. */
static bool look(struct room *r, unsigned used, unsigned most)
{
	room_begin(r);
	note(r, used, most);
	return room_end(r);
}

static void test_full_at_four_fifths_and_room_again_below_three_quarters(void **state)
{
	struct room r = { 0 };

	(void)state;
	assert_false(look(&r, 799, 1000));
	assert_false(r.full);
	assert_true(look(&r, 800, 1000));
	assert_true(r.full);
	assert_int_equal(r.percent, 80);
	assert_false(look(&r, 750, 1000));
	assert_true(r.full);
	assert_true(look(&r, 749, 1000));
	assert_false(r.full);
	assert_false(look(&r, 799, 1000));
	assert_false(r.full);
}

static void test_without_a_bound_it_is_never_full(void **state)
{
	struct room r = { 0 };

	(void)state;
	assert_false(look(&r, 4000000000u, 0));
	assert_false(r.full);
	assert_int_equal(r.percent, 0);
	/* And is not any more when the bound is taken away. */
	assert_true(look(&r, 95, 100));
	assert_true(look(&r, 95, 0));
	assert_false(r.full);
}

static void test_the_fullest_master_decides(void **state)
{
	struct room r = { 0 };

	(void)state;
	room_begin(&r);
	note(&r, 10, 100);
	note(&r, 85, 100);
	note(&r, 20, 100);
	assert_true(room_end(&r));
	assert_true(r.full);
	assert_int_equal(r.percent, 85);
}

static void test_who_does_not_answer_changes_nothing_for_the_better(void **state)
{
	struct room r = { 0 };

	(void)state;
	assert_true(look(&r, 90, 100));
	room_begin(&r);
	room_note(&r, slice_text(""));
	assert_false(room_end(&r));
	assert_true(r.full);
	/* Another one has room, but the full one may be who was silent. */
	room_begin(&r);
	note(&r, 10, 100);
	room_note(&r, slice_text("-ERR what"));
	assert_false(room_end(&r));
	assert_true(r.full);
	assert_true(look(&r, 10, 100));
	/* A full one is believed whoever is silent. */
	room_begin(&r);
	note(&r, 90, 100);
	room_note(&r, slice_text(""));
	assert_true(room_end(&r));
	assert_true(r.full);
}

static void test_what_redis_leaves_out_is_left_out(void **state)
{
	struct room r = { 0 };

	(void)state;
	room_begin(&r);
	room_note(&r, slice_text("# Memory\r\nused_memory:900\r\nmaxmemory:1000\r\n"
				 "mem_not_counted_for_evict:200\r\n"));
	assert_false(room_end(&r));
	assert_int_equal(r.percent, 70);
	/* More left out than used, numbers without end: nothing breaks. */
	room_begin(&r);
	room_note(&r, slice_text("# Memory\r\nused_memory:99999999999999999999999999\r\n"
				 "maxmemory:1\r\nmem_not_counted_for_evict:7\r\n"));
	assert_true(room_end(&r));
	assert_int_equal(r.percent, 1000);
	room_begin(&r);
	room_note(&r, slice_text("\nused_memory:5\r\n\nmaxmemory:100\r\n"
				 "mem_not_counted_for_evict:7"));
	assert_true(room_end(&r));
	assert_int_equal(r.percent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_at_four_fifths_and_room_again_below_three_quarters),
		cmocka_unit_test(test_without_a_bound_it_is_never_full),
		cmocka_unit_test(test_the_fullest_master_decides),
		cmocka_unit_test(test_who_does_not_answer_changes_nothing_for_the_better),
		cmocka_unit_test(test_what_redis_leaves_out_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
