// SPDX-License-Identifier: Apache-2.0
#include "queryd/plan.h"

#include "proto/group.h"
#include "tests/lib/plan_case.h"

#include <string.h>

/* The moving average of the last elements. */

#define HOUR PLAN_CASE_HOUR

/* Both cells of an hour that is being filled. */
struct pair {
	struct cell *samples, *kept;
};

static struct pair pair_of(uint32_t window)
{
	struct pair p = { cell_case_new(KIND_DISTRIBUTION), cell_new_window(window + 1) };

	assert_non_null(p.kept);
	return p;
}

static void add(struct pair *p, uint32_t second, double value)
{
	struct buf group;

	buf_init(&group, 64);
	group_put_values(&group, cell_case_unsampled, &value, 1);
	assert_int_equal(cell_add_group(p->samples, second, buf_view(&group)), 0);
	assert_int_equal(cell_add_elements(p->kept, second, second, buf_view(&group)), 0);
	buf_release(&group);
}

static void put(struct plan_store *store, int64_t hour, uint64_t pid, struct pair *p)
{
	plan_store_put(store, hour, pid, p->samples);
	plan_store_put(store, hour, pid, p->kept);
}

/* An hour of one sample a second, whose value is `first`, first + 1, ... */
static void put_hour(struct plan_store *store, int64_t hour, uint32_t window, uint32_t count,
		     double first)
{
	struct pair p = pair_of(window);

	for (uint32_t i = 0; i < count; i++)
		add(&p, i, first + i);
	put(store, hour, (uint64_t)hour, &p);
}

static struct plan *run(struct plan_store *store, const char *path, const char *query,
			struct plan_result *result)
{
	struct plan *plan = plan_case_open(path, query);

	assert_int_equal(plan_store_run(store, plan), PLAN_DONE);
	*result = plan_result(plan);
	return plan;
}

static void assert_average(struct plan_store *store, const char *path, uint32_t elements,
			   double value, bool exact)
{
	struct plan_result result;
	struct plan *plan = run(store, path, "", &result);

	assert_int_equal(result.outcome, PLAN_VALUE);
	assert_int_equal(result.kind, KIND_DISTRIBUTION);
	assert_int_equal(result.moving->elements, elements);
	assert_true(result.moving->value == value);
	assert_int_equal(result.moving->exact, exact);
	plan_free(plan);
}

static void assert_none(struct plan_store *store, const char *path, const char *query,
			enum plan_outcome outcome, const char *reason)
{
	struct plan_result result;
	struct plan *plan = run(store, path, query, &result);

	assert_int_equal(result.outcome, outcome);
	if (reason)
		assert_string_equal(result.reason, reason);
	plan_free(plan);
}

static void test_the_last_elements_of_an_hour(void **state)
{
	struct plan_store *store = *state;
	struct plan_result result;
	struct plan *plan;

	put_hour(store, HOUR, 10, 50, 1);
	assert_average(store, "/k/moving_average/1", 1, 50, true);
	assert_average(store, "/k/moving_average/4", 4, 48.5, true);
	assert_average(store, "/k/moving_average/10", 10, 45.5, true);
	plan = run(store, "/k/moving_average/4", "", &result);
	assert_int_equal(result.moving->window, 10);
	assert_int_equal(result.moving->first_second, HOUR * 3600 + 46);
	assert_int_equal(result.moving->last_second, HOUR * 3600 + 49);
	assert_false(result.moving->sampled);
	plan_free(plan);
}

static void test_partials_are_merged_by_second(void **state)
{
	struct plan_store *store = *state;
	struct pair odd = pair_of(6), even = pair_of(6);

	for (uint32_t i = 0; i < 100; i++)
		add(i % 2 ? &odd : &even, i, i);
	put(store, HOUR, 1, &odd);
	put(store, HOUR, 2, &even);
	assert_average(store, "/k/moving_average/6", 6, 96.5, true);
}

static void test_hours_are_read_backwards_until_there_are_enough(void **state)
{
	struct plan_store *store = *state;

	put_hour(store, HOUR, 100, 3, 300);
	put_hour(store, HOUR - 1, 100, 4, 200);
	put_hour(store, HOUR - 200, 100, 5, 100);
	assert_average(store, "/k/moving_average/3", 3, 301, true);
	assert_average(store, "/k/moving_average/5", 5, (301 * 3 + 203 + 202) / 5.0, true);
	assert_average(store, "/k/moving_average/9", 9, (301 * 3 + 201.5 * 4 + 104 + 103) / 9, true);
	/* All there are. */
	assert_average(store, "/k/moving_average/100", 12, (301 * 3 + 201.5 * 4 + 102 * 5) / 12, true);
}

static void test_to_ends_before_an_hour(void **state)
{
	struct plan_store *store = *state;
	struct plan_result result;
	struct plan *plan;
	char to[32];

	put_hour(store, HOUR, 100, 3, 300);
	put_hour(store, HOUR - 1, 100, 4, 200);
	snprintf(to, sizeof(to), "to=%lld", (long long)HOUR * 3600);
	plan = run(store, "/k/moving_average/2", to, &result);
	assert_int_equal(result.outcome, PLAN_VALUE);
	assert_true(result.moving->value == 202.5);
	plan_free(plan);
	assert_none(store, "/k/moving_average/2", "to=1970-01-05", PLAN_NO_DATA, "expired");
}

/* What an hour has dropped cannot be jumped over. */
static void test_an_hour_that_is_cut_ends_the_search(void **state)
{
	struct plan_store *store = *state;

	put_hour(store, HOUR, 100, 3, 300);
	put_hour(store, HOUR - 1, 4, 50, 200);
	put_hour(store, HOUR - 2, 100, 50, 100);
	assert_average(store, "/k/moving_average/7", 7, (301 * 3 + 247.5 * 4) / 7, true);
	assert_average(store, "/k/moving_average/20", 8, (301 * 3 + 247 * 5) / 8.0, false);
}

static void test_more_than_is_kept_is_refused(void **state)
{
	struct plan_store *store = *state;
	struct plan_result result;
	struct plan *plan;

	put_hour(store, HOUR, 10, 3, 1);
	plan = run(store, "/k/moving_average/11", "", &result);
	assert_int_equal(result.outcome, PLAN_SMALL_WINDOW);
	assert_int_equal(result.moving->window, 10);
	plan_free(plan);
}

static void test_without_a_window_that_is_said(void **state)
{
	struct plan_store *store = *state;

	plan_store_put(store, HOUR - 1, 1, plan_case_value(5));
	assert_none(store, "/k/moving_average/1", "", PLAN_NO_WINDOW, NULL);
	/* Kept only since: the hours before count no more. */
	put_hour(store, HOUR, 10, 3, 1);
	assert_average(store, "/k/moving_average/5", 3, 2, true);
}

static void test_unknown_keys_and_other_kinds_are_named(void **state)
{
	struct plan_store *store = *state;

	assert_none(store, "/k/moving_average/1", "", PLAN_NO_DATA, "unknown_key");
	plan_store_put(store, HOUR, 1, plan_case_total(5));
	assert_none(store, "/k/moving_average/1", "", PLAN_WRONG_KIND, NULL);
}

/* A relay that was not told of the window: the distribution has more samples. */
static void test_samples_that_no_window_saw_make_it_inexact(void **state)
{
	struct plan_store *store = *state;

	put_hour(store, HOUR, 10, 5, 1);
	plan_store_put(store, HOUR, 99, plan_case_value(7));
	assert_average(store, "/k/moving_average/3", 3, 4, false);
}

static void test_a_second_that_is_cut_makes_it_inexact(void **state)
{
	struct plan_store *store = *state;
	struct pair p = pair_of(10);

	add(&p, 1, 1);
	add(&p, 2, 5);
	add(&p, 2, 5);
	add(&p, 3, 9);
	put(store, HOUR, 1, &p);
	assert_average(store, "/k/moving_average/1", 1, 9, true);
	assert_average(store, "/k/moving_average/2", 2, 7, false);
	assert_average(store, "/k/moving_average/3", 3, 19.0 / 3, true);
	assert_average(store, "/k/moving_average/4", 4, 5, true);
}

static void test_samples_with_a_rate_are_said(void **state)
{
	struct group_sampling tenth = { .rate = 0.1, .weight = 10 };
	struct plan_store *store = *state;
	struct pair p = pair_of(10);
	struct plan_result result;
	struct plan *plan;
	struct buf group;
	double value = 3;

	buf_init(&group, 64);
	group_put_values(&group, tenth, &value, 1);
	assert_int_equal(cell_add_group(p.samples, 1, buf_view(&group)), 0);
	assert_int_equal(cell_add_elements(p.kept, 1, 1, buf_view(&group)), 0);
	buf_release(&group);
	put(store, HOUR, 1, &p);
	plan = run(store, "/k/moving_average/1", "", &result);
	assert_true(result.moving->sampled);
	assert_false(result.moving->exact);
	assert_int_equal(result.moving->elements, 1);
	plan_free(plan);
}

static int setup(void **state)
{
	static struct plan_store store;

	*state = &store;
	return 0;
}

static int teardown(void **state)
{
	plan_store_release(*state);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_last_elements_of_an_hour),
		TEST(partials_are_merged_by_second),
		TEST(hours_are_read_backwards_until_there_are_enough),
		TEST(to_ends_before_an_hour),
		TEST(an_hour_that_is_cut_ends_the_search),
		TEST(more_than_is_kept_is_refused),
		TEST(without_a_window_that_is_said),
		TEST(unknown_keys_and_other_kinds_are_named),
		TEST(samples_that_no_window_saw_make_it_inexact),
		TEST(a_second_that_is_cut_makes_it_inexact),
		TEST(samples_with_a_rate_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
