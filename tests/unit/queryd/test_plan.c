// SPDX-License-Identifier: Apache-2.0
#include "queryd/plan.h"

#include "proto/err.h"
#include "queryd/partials.h"
#include "tests/lib/plan_case.h"

#include <errno.h>

static struct plan_store store;

static int empty_store(void **state)
{
	(void)state;
	plan_store_release(&store);
	return 0;
}

static void an_hour_is_all_its_partials(void **state)
{
	const double a[] = { 1, 2 }, b[] = { 3, 10 };
	struct plan *plan;
	struct plan_result result;

	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_values(a, 2));
	plan_store_put(&store, PLAN_CASE_HOUR, 2, plan_case_values(b, 2));
	plan_store_put(&store, PLAN_CASE_HOUR - 1, 1, plan_case_value(99));
	plan = plan_case_hour("median", PLAN_CASE_HOUR, NULL);
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	assert_int_equal(store.rounds, 2);
	assert_int_equal(store.manifests, 2);
	result = plan_result(plan);
	assert_int_equal(result.kind, KIND_DISTRIBUTION);
	assert_true(result.total.value == 2.5 && result.total.count == 4 && result.total.exact);
	assert_int_equal(plan_costs(plan).cells, 2);
	assert_int_equal(plan_costs(plan).retries, 0);
	plan_free(plan);
}

static void the_first_kind_that_has_the_stat_answers(void **state)
{
	struct plan *plan;

	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_total(5));
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_gauge_set(8));
	assert_true(plan_case_value_of(&store, plan_case_hour("sum", PLAN_CASE_HOUR, NULL)) == 5);
	assert_true(plan_case_value_of(&store, plan_case_hour("max", PLAN_CASE_HOUR, NULL)) == 8);
	plan_store_put(&store, PLAN_CASE_HOUR, 2, plan_case_value(3));
	assert_true(plan_case_value_of(&store, plan_case_hour("sum", PLAN_CASE_HOUR, NULL)) == 3);
	assert_true(plan_case_value_of(&store, plan_case_hour("max", PLAN_CASE_HOUR, NULL)) == 3);
	assert_true(plan_case_value_of(&store, plan_case_hour("max", PLAN_CASE_HOUR, "gauge")) == 8);
	assert_true(plan_case_value_of(&store, plan_case_hour("sum", PLAN_CASE_HOUR, "counter")) == 5);
	plan = plan_case_hour("samples", PLAN_CASE_HOUR, NULL);
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	assert_int_equal(plan_result(plan).kind, KIND_COUNTER);
	plan_free(plan);
}

static void compact_once(struct plan_store *s, unsigned round, const struct plan_command *command)
{
	if (round == 1 && command->ask == PLAN_CELLS)
		plan_store_rename(s, PLAN_CASE_HOUR, 1, 7);
}

static void an_hour_that_changes_is_read_again(void **state)
{
	struct plan *plan;

	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_value(3));
	plan_store_put(&store, PLAN_CASE_HOUR, 2, plan_case_value(4));
	store.hook = compact_once;
	plan = plan_case_hour("sum", PLAN_CASE_HOUR, NULL);
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	assert_true(plan_result(plan).total.value == 7);
	assert_int_equal(plan_costs(plan).retries, 1);
	assert_int_equal(store.rounds, 3);
	plan_free(plan);
}

static void join_late(struct plan_store *s, unsigned round, const struct plan_command *command)
{
	if (round == 1 && command->ask == PLAN_MANIFEST)
		plan_store_put(s, PLAN_CASE_HOUR, 9, plan_case_value(100));
	s->hook = round == 1 && command->ask == PLAN_MANIFEST ? NULL : s->hook;
}

static void a_partial_that_joins_meanwhile_is_counted(void **state)
{
	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_value(3));
	store.hook = join_late;
	assert_true(plan_case_value_of(&store, plan_case_hour("sum", PLAN_CASE_HOUR, NULL)) == 103);
}

static void compact_always(struct plan_store *s, unsigned round, const struct plan_command *command)
{
	if (command->ask == PLAN_CELLS)
		plan_store_rename(s, PLAN_CASE_HOUR, round, round + 1);
}

static void an_hour_that_never_rests_is_given_up(void **state)
{
	struct plan *plan;

	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_value(3));
	store.hook = compact_always;
	plan = plan_case_hour("sum", PLAN_CASE_HOUR, NULL);
	assert_int_equal(plan_store_run(&store, plan), PLAN_FAILED);
	assert_int_equal(plan_error(plan), -EAGAIN);
	assert_int_equal(plan_costs(plan).retries, PLAN_TRIES);
	plan_free(plan);
}

static void what_cannot_be_read_is_no_answer(void **state)
{
	struct cell *cell = plan_case_value(3);
	struct buf blob = cell_case_encode(cell);
	struct plan *plan;

	(void)state;
	cell_free(cell);
	plan_store_put_blob(&store, PLAN_CASE_HOUR, 1, KIND_COUNTER, blob.data, blob.size);
	plan = plan_case_hour("sum", PLAN_CASE_HOUR, "counter");
	assert_int_equal(plan_store_run(&store, plan), PLAN_FAILED);
	assert_int_equal(plan_error(plan), ERR_MALFORMED);
	plan_free(plan);

	plan_store_release(&store);
	blob.data[blob.size - 1] ^= 1;
	plan_store_put_blob(&store, PLAN_CASE_HOUR, 1, KIND_DISTRIBUTION, blob.data, blob.size);
	plan = plan_case_hour("sum", PLAN_CASE_HOUR, NULL);
	assert_int_equal(plan_store_run(&store, plan), PLAN_FAILED);
	assert_int_equal(plan_error(plan), ERR_CHECKSUM);
	plan_free(plan);
	buf_release(&blob);
}

static void a_manifest_of_rubbish_is_no_answer(void **state)
{
	static const char *const cases[] = { "", "123", "00000000000000zz", "000000000000000A",
					     "00000000000000001" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct plan *plan = plan_case_hour("sum", PLAN_CASE_HOUR, NULL);
		plan_put_pid(plan, 0, slice_text(cases[i]), slice_text(cases[i]));
		assert_int_equal(plan_step(plan), PLAN_FAILED);
		assert_int_equal(plan_error(plan), ERR_MALFORMED);
		plan_free(plan);
	}
}

static void too_many_partials_are_refused(void **state)
{
	struct plan *plan = plan_case_hour("sum", PLAN_CASE_HOUR, NULL);
	char text[24];
	unsigned i;

	(void)state;
	for (i = 0; i <= PARTIALS_MAX; i++) {
		(void)snprintf(text, sizeof(text), "%016x", i);
		plan_put_pid(plan, 0, slice_text(text), slice_text(text));
	}
	assert_int_equal(plan_step(plan), PLAN_FAILED);
	assert_int_equal(plan_error(plan), ERR_TOO_LARGE);
	plan_free(plan);
}

static void assert_sum_nothing(int64_t hour, const char *kind, const char *reason)
{
	assert_plan_nothing(&store, plan_case_hour("sum", hour, kind), reason);
}

static void nothing_comes_with_its_reason(void **state)
{
	struct plan *plan;
	struct plan_result result;

	(void)state;
	assert_sum_nothing(PLAN_CASE_HOUR, NULL, "unknown_key");
	plan_store_put(&store, PLAN_CASE_HOUR - 3, 1, plan_case_total(5));
	assert_sum_nothing(PLAN_CASE_HOUR, NULL, "empty");
	assert_sum_nothing(PLAN_CASE_HOUR + 1, NULL, "future");
	assert_sum_nothing(PLAN_CASE_HOUR - PLAN_CASE_RETENTION - 1, NULL, "expired");
	assert_sum_nothing(PLAN_CASE_HOUR - PLAN_CASE_RETENTION, NULL, "empty");
	assert_sum_nothing(PLAN_CASE_HOUR, "distribution", "unknown_key");

	plan = plan_case_hour("median", PLAN_CASE_HOUR - 3, NULL);
	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	result = plan_result(plan);
	assert_int_equal(result.outcome, PLAN_WRONG_KIND);
	assert_int_equal(result.kind, KIND_COUNTER);
	plan_free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_hour_is_all_its_partials, empty_store),
		cmocka_unit_test_setup(the_first_kind_that_has_the_stat_answers, empty_store),
		cmocka_unit_test_setup(an_hour_that_changes_is_read_again, empty_store),
		cmocka_unit_test_setup(a_partial_that_joins_meanwhile_is_counted, empty_store),
		cmocka_unit_test_setup(an_hour_that_never_rests_is_given_up, empty_store),
		cmocka_unit_test_setup(what_cannot_be_read_is_no_answer, empty_store),
		cmocka_unit_test_setup(a_manifest_of_rubbish_is_no_answer, empty_store),
		cmocka_unit_test_setup(too_many_partials_are_refused, empty_store),
		cmocka_unit_test_setup_teardown(nothing_comes_with_its_reason, empty_store, empty_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
