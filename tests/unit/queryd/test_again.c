// SPDX-License-Identifier: Apache-2.0
#include "queryd/plan.h"
#include "queryd/survey.h"

#include "queryd/cache.h"
#include "tests/lib/plan_case.h"
#include "tests/lib/survey_case.h"

/* Another server takes the place of the one that is read, after any number of rounds: the answer is the
 * second one's alone. */

#define HOUR PLAN_CASE_HOUR

/* What the two servers hold: the same partials, at another version each. */
static struct plan_store former, latter;

static int teardown(void **state)
{
	(void)state;
	plan_store_release(&former);
	plan_store_release(&latter);
	return 0;
}

static void put_hours(struct plan_store *store, double base)
{
	int64_t hour;
	size_t kind;

	for (hour = HOUR - 60; hour <= HOUR; hour += 5) {
		plan_store_put(store, hour, 1, plan_case_value(base + (double)(hour - HOUR)));
		plan_store_put(store, hour, 2, plan_case_total(base));
		plan_store_put(store, hour, 2, hour == HOUR - 60 ? plan_case_gauge_set(base) :
								   plan_case_gauge_change(base));
	}
	for (kind = 0; kind < STAT_KINDS; kind++) {
		store->known[kind] = kind < 3;
		store->last[kind] = (double)HOUR;
		store->first[kind] = (double)(HOUR - 60) * 3600;
	}
	store->version = (uint64_t)base;
}

static void put_both(void)
{
	put_hours(&former, 100);
	put_hours(&latter, 7000);
}

static void same_results(const struct plan_result *a, const struct plan_result *b)
{
	size_t i;

	assert_int_equal(a->outcome, b->outcome);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->known, b->known);
	assert_int_equal(a->first_hour, b->first_hour);
	assert_int_equal(a->last_hour, b->last_hour);
	assert_true(a->total.value == b->total.value && a->total.count == b->total.count);
	assert_int_equal(a->point_count, b->point_count);
	for (i = 0; i < a->point_count; i++) {
		assert_int_equal(a->points[i].from_hour, b->points[i].from_hour);
		assert_true(a->points[i].result.value == b->points[i].result.value);
		assert_true(a->points[i].result.count == b->points[i].result.count);
	}
	assert_int_equal(!a->last, !b->last);
	if (a->last)
		assert_true(cell_samples(a->last->cell) == cell_samples(b->last->cell));
}

/* Rounds of the first server, the last of them without a step: it is too late for that. False when the plan
 * is done before. */
static bool read_former(struct plan *plan, unsigned rounds)
{
	for (;;) {
		plan_store_answer(&former, plan);
		if (--rounds == 0)
			return true;
		if (plan_step(plan) != PLAN_MORE)
			return false;
	}
}

static void check(const char *path, const char *query)
{
	struct plan *straight = plan_case_open(path, query), *plan;
	struct plan_result expected, got;
	struct cache *cache;
	unsigned rounds;
	bool went_on = true;

	assert_int_equal(plan_store_run(&latter, straight), PLAN_DONE);
	expected = plan_result(straight);
	assert_int_equal(expected.outcome, PLAN_VALUE);
	assert_int_equal(cache_new(1 << 20, 1, &cache), 0);
	for (rounds = 1; went_on; rounds++) {
		plan = plan_case_cached(cache, path, query);
		went_on = read_former(plan, rounds);
		if (went_on) {
			assert_int_equal(plan_again(plan), 0);
			assert_int_equal(plan_store_run(&latter, plan), PLAN_DONE);
			got = plan_result(plan);
			same_results(&expected, &got);
			assert_int_equal(plan_digest(plan), plan_digest(straight));
		}
		plan_free(plan);
	}
	assert_true(rounds > 2);
	cache_free(cache);
	plan_free(straight);
}

static void a_plan_that_begins_again_is_of_one_server(void **state)
{
	(void)state;
	put_both();
	check("/k/median/2025-11-24/16", "");
	check("/k/sum/2025-11-24", "kind=counter");
	check("/k/max", "from=2025-11-22&to=2025-11-25");
	check("/k/last", "from=2025-11-22&to=2025-11-25&kind=gauge&step=day");
	check("/k/last/2025-11-24/16", "kind=gauge");
	check("/k/p90", "from=2025-11-20&to=2025-11-25&step=total");
	check("/k", "");
}

static struct survey *survey_of(void)
{
	struct survey *survey = survey_case_open(HOUR - 70, HOUR + 1, 24);

	survey_case_group(survey, KIND_DISTRIBUTION, "median");
	survey_case_key(survey, "a");
	survey_case_key(survey, "b");
	survey_case_group(survey, KIND_GAUGE, "last");
	survey_case_key(survey, "g");
	assert_int_equal(survey_start(survey, SURVEY_STORE_PARTITIONS, PLAN_CASE_RETENTION), 0);
	return survey;
}

static void put_keys(struct survey_store *store, double base)
{
	int64_t hour;

	for (hour = HOUR - 69; hour <= HOUR; hour += 7) {
		survey_store_put(store, hour, 1, "a", plan_case_value(base));
		survey_store_put(store, hour, 1, "b", plan_case_value(base + 10));
		survey_store_put(store, hour, 1, "g", hour == HOUR - 69 ? plan_case_gauge_set(base) :
								  plan_case_gauge_change(1));
	}
}

static void a_survey_that_begins_again_is_of_one_server(void **state)
{
	struct survey_store first = { 0 }, second = { 0 };
	struct survey *straight = survey_of(), *survey;
	enum plan_status status = PLAN_MORE;
	unsigned rounds, i;
	size_t stat, k, count, expected;

	(void)state;
	put_keys(&first, 100);
	put_keys(&second, 7000);
	assert_int_equal(survey_store_run(&second, straight), PLAN_DONE);
	for (rounds = 1; status == PLAN_MORE; rounds++) {
		survey = survey_of();
		survey_store_answer(&first, survey);
		for (i = 1, status = PLAN_MORE; i < rounds && status == PLAN_MORE; i++) {
			status = survey_step(survey);
			if (status == PLAN_MORE)
				survey_store_answer(&first, survey);
		}
		assert_int_equal(survey_again(survey), 0);
		assert_int_equal(survey_store_run(&second, survey), PLAN_DONE);
		for (stat = 0; stat < 2; stat++) {
			const struct plan_point *a = survey_points(straight, stat, &expected);
			const struct plan_point *b = survey_points(survey, stat, &count);
			assert_int_equal(count, expected);
			assert_true(count > 2);
			for (k = 0; k < count; k++) {
				assert_int_equal(a[k].from_hour, b[k].from_hour);
				assert_true(a[k].result.value == b[k].result.value);
			}
			assert_float_equal(survey_case_total(survey, stat),
					   survey_case_total(straight, stat), 0);
		}
		survey_free(survey);
	}
	assert_true(rounds > 3);
	survey_free(straight);
	survey_store_release(&first);
	survey_store_release(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_plan_that_begins_again_is_of_one_server, teardown),
		cmocka_unit_test(a_survey_that_begins_again_is_of_one_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
