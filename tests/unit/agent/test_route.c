// SPDX-License-Identifier: Apache-2.0
#include "agent/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define PARTITIONS 32

struct world {
	struct route r;
	bool sick[ROUTE_SLOTS];
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	route_init(&w->r);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	route_release(&w->r);
	free(w);
	return 0;
}

static bool healthy(void *arg, size_t slot)
{
	struct world *w = arg;

	return !w->sick[slot];
}

static size_t names(const char *text, struct slice *out)
{
	size_t count = 0;

	while (*text != '\0') {
		size_t size = strcspn(text, " ");

		out[count++] = slice_of(text, size);
		text += size + (text[size] == ' ');
	}
	return count;
}

static void configured(struct world *w, const char *text)
{
	struct slice list[8];

	assert_int_equal(route_set_configured(&w->r, list, names(text, list)), 0);
}

static void live(struct world *w, const char *text)
{
	struct slice list[8];

	assert_int_equal(route_set_live(&w->r, list, names(text, list)), 0);
}

static const char *chosen(struct world *w, uint32_t partition)
{
	size_t slot = route_choose(&w->r, partition, healthy, w);

	return slot == ROUTE_NONE ? "none" : route_name(&w->r, slot);
}

static size_t slot_of(struct world *w, const char *name)
{
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		if (route_name(&w->r, slot) && strcmp(route_name(&w->r, slot), name) == 0)
			return slot;
	return ROUTE_NONE;
}

static size_t share(struct world *w, const char *name)
{
	size_t count = 0;

	for (uint32_t p = 0; p < PARTITIONS; p++)
		count += strcmp(chosen(w, p), name) == 0;
	return count;
}

static void test_nobody_is_chosen_before_partitions_are_known(void **state)
{
	struct world *w = *state;

	configured(w, "a:1 b:1");
	assert_string_equal(chosen(w, 0), "none");
	assert_int_equal(route_set_partitions(&w->r, PARTITIONS), 0);
	assert_string_not_equal(chosen(w, 0), "none");
}

static void test_without_a_live_list_the_configured_relays_share(void **state)
{
	struct world *w = *state;

	assert_int_equal(route_set_partitions(&w->r, PARTITIONS), 0);
	configured(w, "a:1 b:1");
	assert_int_equal(share(w, "a:1"), PARTITIONS / 2);
	assert_int_equal(share(w, "b:1"), PARTITIONS / 2);
}

static void test_the_live_list_wins_over_the_configured(void **state)
{
	struct world *w = *state;

	assert_int_equal(route_set_partitions(&w->r, PARTITIONS), 0);
	configured(w, "a:1");
	live(w, "b:1 c:1");
	assert_int_equal(share(w, "a:1"), 0);
	assert_int_equal(share(w, "b:1"), PARTITIONS / 2);
	assert_true(route_is_last_resort(&w->r, slot_of(w, "a:1")));
	assert_false(route_is_last_resort(&w->r, slot_of(w, "b:1")));
}

static void test_a_configured_relay_outside_the_list_is_the_last_resort(void **state)
{
	struct world *w = *state;

	assert_int_equal(route_set_partitions(&w->r, PARTITIONS), 0);
	configured(w, "a:1");
	live(w, "b:1");
	w->sick[slot_of(w, "b:1")] = true;
	assert_int_equal(share(w, "a:1"), PARTITIONS);
	w->sick[slot_of(w, "a:1")] = true;
	assert_string_equal(chosen(w, 0), "none");
}

static void test_only_a_sick_relay_s_partitions_move(void **state)
{
	struct world *w = *state;
	char before[PARTITIONS][8];

	assert_int_equal(route_set_partitions(&w->r, PARTITIONS), 0);
	live(w, "a:1 b:1 c:1");
	for (uint32_t p = 0; p < PARTITIONS; p++)
		snprintf(before[p], sizeof(before[p]), "%s", chosen(w, p));
	w->sick[slot_of(w, "b:1")] = true;
	for (uint32_t p = 0; p < PARTITIONS; p++)
		if (strcmp(before[p], "b:1") != 0)
			assert_string_equal(chosen(w, p), before[p]);
		else
			assert_string_not_equal(chosen(w, p), "b:1");
}

static void test_a_slot_stays_its_relay_s_while_it_is_known(void **state)
{
	struct world *w = *state;
	size_t b;

	live(w, "a:1 b:1 c:1");
	b = slot_of(w, "b:1");
	live(w, "c:1 b:1");
	assert_int_equal(slot_of(w, "b:1"), b);
	assert_int_equal(slot_of(w, "a:1"), ROUTE_NONE);
	live(w, "d:1 b:1");
	assert_int_equal(slot_of(w, "b:1"), b);
	assert_int_equal(slot_of(w, "c:1"), ROUTE_NONE);
}

static void test_an_empty_list_brings_the_configured_back(void **state)
{
	struct world *w = *state;

	assert_int_equal(route_set_partitions(&w->r, PARTITIONS), 0);
	configured(w, "a:1");
	live(w, "b:1");
	live(w, "");
	assert_int_equal(share(w, "a:1"), PARTITIONS);
	assert_int_equal(slot_of(w, "b:1"), ROUTE_NONE);
}

static void test_it_is_known_beforehand_who_loses_its_slot(void **state)
{
	struct world *w = *state;
	struct slice list[8];
	size_t count = names("b:1", list);

	configured(w, "a:1");
	live(w, "b:1 c:1");
	assert_true(route_would_keep(&w->r, slot_of(w, "a:1"), list, count));
	assert_true(route_would_keep(&w->r, slot_of(w, "b:1"), list, count));
	assert_false(route_would_keep(&w->r, slot_of(w, "c:1"), list, count));
	assert_false(route_would_keep(&w->r, ROUTE_SLOTS - 1, list, count));
}

static void test_a_name_given_twice_counts_once(void **state)
{
	struct world *w = *state;

	assert_int_equal(route_set_partitions(&w->r, PARTITIONS), 0);
	configured(w, "a:1 a:1");
	live(w, "a:1 a:1 b:1");
	assert_int_equal(share(w, "a:1"), PARTITIONS / 2);
}

static void test_a_reload_adds_and_removes_configured_relays(void **state)
{
	struct world *w = *state;
	struct slice list[8];
	size_t count = names("b:1 c:1", list), a, b;

	assert_int_equal(route_set_partitions(&w->r, PARTITIONS), 0);
	configured(w, "a:1 b:1");
	a = slot_of(w, "a:1");
	b = slot_of(w, "b:1");
	assert_false(route_would_stay(&w->r, a, list, count));
	assert_true(route_would_stay(&w->r, b, list, count));
	configured(w, "b:1 c:1");
	assert_int_equal(slot_of(w, "a:1"), ROUTE_NONE);
	assert_int_equal(slot_of(w, "b:1"), b);
	assert_int_equal(share(w, "b:1") + share(w, "c:1"), PARTITIONS);
	/* One that is live stays, configured or not. */
	live(w, "b:1");
	assert_true(route_would_stay(&w->r, b, list, 0));
	configured(w, "d:1");
	assert_int_equal(slot_of(w, "b:1"), b);
	assert_int_equal(slot_of(w, "c:1"), ROUTE_NONE);
	assert_true(route_is_last_resort(&w->r, slot_of(w, "d:1")));
	assert_int_equal(share(w, "b:1"), PARTITIONS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_nobody_is_chosen_before_partitions_are_known),
		T(test_without_a_live_list_the_configured_relays_share),
		T(test_the_live_list_wins_over_the_configured),
		T(test_a_configured_relay_outside_the_list_is_the_last_resort),
		T(test_only_a_sick_relay_s_partitions_move),
		T(test_a_slot_stays_its_relay_s_while_it_is_known),
		T(test_an_empty_list_brings_the_configured_back),
		T(test_it_is_known_beforehand_who_loses_its_slot),
		T(test_a_name_given_twice_counts_once),
		T(test_a_reload_adds_and_removes_configured_relays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
