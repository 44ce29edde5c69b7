// SPDX-License-Identifier: Apache-2.0
#include "agent/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static int setup(void **state)
{
	struct spool *s;

	assert_int_equal(spool_new(100000, &s), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	spool_free(*state);
	return 0;
}

static uint64_t append(struct spool *s, const char *text)
{
	struct spool_record record = { .seq = 1 };
	uint64_t id = UINT64_MAX;

	assert_int_equal(spool_append(s, &record, slice_text(text), &id), 0);
	return id;
}

static void assert_holds(struct spool *s, uint64_t id, const char *text)
{
	struct slice batch;

	assert_int_equal(spool_view(s, id, &batch), 0);
	assert_true(slice_equal(batch, slice_text(text)));
}

static void test_a_record_is_read_as_often_as_needed(void **state)
{
	struct spool *s = *state;
	char text[] = "first";
	uint64_t id = append(s, text);

	text[0] = 'x'; /* it was copied */
	assert_holds(s, id, "first");
	assert_holds(s, id, "first");
	assert_int_equal(spool_records(s), 1);
}

static void test_records_are_dropped_in_any_order(void **state)
{
	struct spool *s = *state;
	uint64_t ids[300];
	char text[32];

	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "batch %d", i);
		ids[i] = append(s, text);
	}
	for (int i = 0; i < 300; i += 2)
		spool_drop(s, ids[i]);
	assert_int_equal(spool_records(s), 150);
	for (int i = 1; i < 300; i += 2) {
		snprintf(text, sizeof(text), "batch %d", i);
		assert_holds(s, ids[i], text);
		spool_drop(s, ids[i]);
	}
	assert_int_equal(spool_records(s), 0);
	assert_int_equal(spool_bytes(s), 0);
}

static void test_the_room_of_dropped_records_is_used_again(void **state)
{
	struct spool *s = *state;
	uint64_t highest = 0;

	for (int i = 0; i < 10000; i++) {
		uint64_t id = append(s, "batch");

		highest = id > highest ? id : highest;
		spool_drop(s, id);
	}
	assert_true(highest < 100);
}

static void test_room_ends_at_the_limit(void **state)
{
	struct spool *s = *state;
	uint64_t id;

	assert_true(spool_has_room(s, 100000));
	assert_false(spool_has_room(s, 100001));
	id = append(s, "batch");
	assert_false(spool_has_room(s, 100000));
	assert_true(spool_has_room(s, 100000 - spool_bytes(s)));
	assert_false(spool_has_room(s, 100001 - spool_bytes(s)));
	spool_drop(s, id);
	assert_true(spool_has_room(s, 100000));
}

static void test_fullness_is_told_in_quarters(void **state)
{
	struct spool *s = *state;
	static char large[20001];

	memset(large, 'x', sizeof(large) - 1);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(spool_quarters(s), i * 20192 / 25001);
		append(s, large);
	}
	assert_int_equal(spool_quarters(s), 4);
}

static void test_a_record_costs_more_than_its_bytes(void **state)
{
	struct spool *s = *state;

	append(s, "batch");
	assert_true(spool_bytes(s) > 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_record_is_read_as_often_as_needed),
		T(test_records_are_dropped_in_any_order),
		T(test_the_room_of_dropped_records_is_used_again),
		T(test_room_ends_at_the_limit),
		T(test_fullness_is_told_in_quarters),
		T(test_a_record_costs_more_than_its_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
