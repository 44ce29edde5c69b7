// SPDX-License-Identifier: Apache-2.0
#include "agent/known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static int setup(void **state)
{
	struct known *k = calloc(1, sizeof(*k));

	known_init(k, 1000);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	known_release(*state);
	free(*state);
	return 0;
}

static void test_what_was_added_is_known(void **state)
{
	struct known *k = *state;

	assert_false(known_has(k, 7, 0));
	known_add(k, 7, 0);
	assert_true(known_has(k, 7, 0));
	assert_false(known_has(k, 8, 0));
	/* Zero is a hash like any other. */
	known_add(k, 0, 0);
	assert_true(known_has(k, 0, 0));
}

static void test_it_is_forgotten_two_to_four_minutes_after_it_was_last_asked_for(void **state)
{
	struct known *k = *state;

	known_add(k, 7, 0);
	assert_true(known_has(k, 7, KNOWN_GENERATION_MS));
	assert_true(known_has(k, 7, 2 * KNOWN_GENERATION_MS));
	assert_true(known_has(k, 7, 3 * KNOWN_GENERATION_MS));
	assert_false(known_has(k, 8, 4 * KNOWN_GENERATION_MS)); /* time passes unasked */
	assert_false(known_has(k, 7, 5 * KNOWN_GENERATION_MS));
}

static void test_a_flood_pushes_out_only_what_is_not_asked_for(void **state)
{
	struct known *k = *state;

	known_add(k, 1, 0);
	known_add(k, 2, 0);
	for (uint64_t i = 100; i < 10100; i++) {
		known_add(k, i * 0x9e3779b97f4a7c15u, 0);
		if (i % 100 == 0)
			assert_true(known_has(k, 1, 0));
	}
	assert_false(known_has(k, 2, 0));
	/* The latest `most` are all there. */
	for (uint64_t i = 9100; i < 10100; i++)
		assert_true(known_has(k, i * 0x9e3779b97f4a7c15u, 0));
}

static void test_its_memory_is_bounded(void **state)
{
	struct known *k = *state;

	for (uint64_t i = 1; i < 100000; i++)
		known_add(k, i * 0x9e3779b97f4a7c15u, 0);
	assert_true(k->now.capacity <= 2048 && k->before.capacity <= 2048);
	known_resize(k, 4000);
	for (uint64_t i = 1; i < 100000; i++)
		known_add(k, i * 0x9e3779b97f4a7c15u, 0);
	assert_true(k->now.capacity == 8192 && k->before.capacity == 8192);
	/* And goes back when few are left. */
	known_has(k, 1, 10 * KNOWN_GENERATION_MS);
	known_has(k, 1, 11 * KNOWN_GENERATION_MS);
	known_has(k, 1, 12 * KNOWN_GENERATION_MS);
	assert_true(k->now.capacity == 0 && k->before.capacity == 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_what_was_added_is_known),
		T(test_it_is_forgotten_two_to_four_minutes_after_it_was_last_asked_for),
		T(test_a_flood_pushes_out_only_what_is_not_asked_for),
		T(test_its_memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
