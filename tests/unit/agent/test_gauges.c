// SPDX-License-Identifier: Apache-2.0
#include "agent/gauges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define NOW 1795179600 /* the first second of an hour */

struct world {
	struct arena_pool pool;
	struct carry carry;
	struct table tables[2];
	struct table *open, *sealed;
	struct gauges gauges;
	bool full; /* nothing can be held back */
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	arena_pool_init(&w->pool, 16 << 20);
	carry_init(&w->carry);
	gauges_init(&w->gauges);
	for (int i = 0; i < 2; i++)
		table_init(&w->tables[i], &w->pool, &w->carry, 1000);
	w->open = &w->tables[0];
	w->sealed = &w->tables[1];
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	table_release(w->open);
	table_release(w->sealed);
	gauges_release(&w->gauges);
	carry_release(&w->carry);
	arena_pool_release(&w->pool);
	free(w);
	return 0;
}

static void set(struct world *w, double value, int64_t second)
{
	struct line_sample s = { .kind = KIND_GAUGE, .series = slice_text("g"), .value = value,
				 .rate = 1 };

	assert_int_equal(table_add(w->open, &s, second), 0);
}

static void change(struct world *w, double value, int64_t second)
{
	struct line_sample s = { .kind = KIND_GAUGE, .series = slice_text("g"), .value = value,
				 .rate = 1, .gauge_delta = true };

	assert_int_equal(table_add(w->open, &s, second), 0);
}

static bool hold(void *arg, const struct table_group *group)
{
	struct world *w = arg;

	return !w->full && table_add_earlier(w->open, slice_text("g"), group->second,
					     group->gauge) == 0;
}

/* Swaps and settles at a running second; returns how many samples were held back. */
static uint64_t seal(struct world *w, int64_t now_second)
{
	struct table *taken = w->open;

	w->open = w->sealed;
	w->sealed = taken;
	table_reset(w->open);
	return gauges_settle(&w->gauges, w->sealed, now_second, hold, w);
}

/* The sealed group of a second, or NULL. */
static const struct group_gauge *sealed(struct world *w, int64_t second)
{
	size_t cursor = 0;
	struct table_series *s = table_next(w->sealed, &cursor);

	for (struct table_group *g = s ? s->groups : NULL; g != NULL; g = g->next)
		if (g->second == second && g->samples > 0)
			return g->gauge;
	return NULL;
}

static void test_a_gauge_is_sealed_at_once_the_first_time(void **state)
{
	struct world *w = *state;

	set(w, 10, NOW);
	assert_int_equal(seal(w, NOW), 0);
	assert_true(sealed(w, NOW)->last == 10);
}

static void test_a_second_that_was_sealed_is_held_while_it_runs(void **state)
{
	struct world *w = *state;

	set(w, 10, NOW);
	seal(w, NOW);
	set(w, 5, NOW);
	assert_int_equal(seal(w, NOW), 1);
	assert_null(sealed(w, NOW));
	assert_int_equal(w->sealed->samples, 0);
	assert_int_equal(w->open->samples, 1);
}

static void test_the_rest_of_a_second_ranks_after_what_was_sealed_of_it(void **state)
{
	struct world *w = *state;

	set(w, 10, NOW);
	seal(w, NOW);
	set(w, 5, NOW);
	seal(w, NOW);
	assert_int_equal(seal(w, NOW + 1), 0);
	assert_null(sealed(w, NOW));
	assert_true(sealed(w, NOW + 1)->last == 5);
}

static void test_the_rest_goes_before_the_next_second_s_own(void **state)
{
	struct world *w = *state;

	set(w, 10, NOW);
	seal(w, NOW);
	set(w, 5, NOW);
	set(w, 7, NOW + 1);
	change(w, 1, NOW + 1);
	seal(w, NOW + 1);
	assert_null(sealed(w, NOW));
	assert_true(sealed(w, NOW + 1)->last == 7 && sealed(w, NOW + 1)->delta == 1);
	assert_int_equal(sealed(w, NOW + 1)->samples, 3);
}

static void test_a_delta_before_an_absolute_value_does_not_count_after_it(void **state)
{
	struct world *w = *state;

	change(w, 3, NOW);
	seal(w, NOW);
	set(w, 5, NOW);
	seal(w, NOW + 1);
	/* Sealed under the next second: the delta of NOW lies before it. */
	assert_true(sealed(w, NOW + 1)->last == 5);
}

/* Whoever merges takes the last of the highest second: that must be the last one sent. */
static void test_the_last_value_sent_is_the_last_value_read(void **state)
{
	struct world *w = *state;
	int64_t last_second = 0;
	double last = 0;

	for (int i = 0; i < 200; i++) {
		int64_t second = NOW + i / 20;

		set(w, (i * 7919) % 1000, second);
		if (i % 6 != 5)
			continue;
		seal(w, i == 197 ? INT64_MAX : second);
		for (int64_t s = NOW; s < NOW + 20; s++) {
			if (sealed(w, s) == NULL)
				continue;
			assert_true(s > last_second); /* never twice the same second */
			last_second = s;
			last = sealed(w, s)->last;
		}
	}
	assert_true(last == (197 * 7919) % 1000);
}

static void test_an_hour_s_last_second_stays_in_its_hour(void **state)
{
	struct world *w = *state;

	set(w, 10, NOW - 1);
	seal(w, NOW - 1);
	set(w, 5, NOW - 1);
	seal(w, NOW);
	assert_non_null(sealed(w, NOW - 1));
	assert_null(sealed(w, NOW));
}

static void test_what_cannot_be_held_is_sealed(void **state)
{
	struct world *w = *state;

	set(w, 10, NOW);
	seal(w, NOW);
	set(w, 5, NOW);
	w->full = true;
	assert_int_equal(seal(w, NOW), 0);
	assert_non_null(sealed(w, NOW));
}

static void test_the_last_seal_holds_nothing(void **state)
{
	struct world *w = *state;

	set(w, 10, NOW);
	seal(w, NOW);
	set(w, 5, NOW);
	assert_int_equal(seal(w, INT64_MAX), 0);
	assert_int_equal(w->sealed->samples, 1);
	assert_int_equal(w->open->samples, 0);
}

static void test_a_clock_that_goes_back_holds_its_seconds_again(void **state)
{
	struct world *w = *state;

	set(w, 10, NOW + 3600);
	seal(w, NOW + 3600);
	/* An hour back: the second that is cut now is kept in order all the same. */
	set(w, 20, NOW + 7);
	seal(w, NOW + 7);
	set(w, 5, NOW + 7);
	assert_int_equal(seal(w, NOW + 7), 1);
	seal(w, NOW + 8);
	assert_true(sealed(w, NOW + 8)->last == 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_gauge_is_sealed_at_once_the_first_time),
		T(test_a_second_that_was_sealed_is_held_while_it_runs),
		T(test_the_rest_of_a_second_ranks_after_what_was_sealed_of_it),
		T(test_the_rest_goes_before_the_next_second_s_own),
		T(test_a_delta_before_an_absolute_value_does_not_count_after_it),
		T(test_the_last_value_sent_is_the_last_value_read),
		T(test_an_hour_s_last_second_stays_in_its_hour),
		T(test_what_cannot_be_held_is_sealed),
		T(test_the_last_seal_holds_nothing),
		T(test_a_clock_that_goes_back_holds_its_seconds_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
