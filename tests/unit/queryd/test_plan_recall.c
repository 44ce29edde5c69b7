// SPDX-License-Identifier: Apache-2.0
#include "queryd/plan.h"

#include "queryd/cache.h"
#include "tests/lib/plan_case.h"

#define LIMIT ((size_t)1 << 20)

/* PLAN_CASE_HOUR is 2025-11-24, 16:00 UTC. */
#define HOUR_PATH(stat) "/k/" stat "/2025-11-24/16"

static struct plan_store store;
static struct cache *cache;

static int setup(void **state)
{
	(void)state;
	return cache_new(LIMIT, 1, &cache);
}

static int teardown(void **state)
{
	(void)state;
	cache_free(cache);
	plan_store_release(&store);
	return 0;
}

/* Runs a question. The caller frees the plan. */
static struct plan *run(const char *path, const char *query)
{
	struct plan *plan = plan_case_cached(cache, path, query);

	assert_int_equal(plan_store_run(&store, plan), PLAN_DONE);
	return plan;
}

static double value_of(const char *path)
{
	return plan_case_value_of(&store, plan_case_cached(cache, path, ""));
}

static void an_hour_read_before_costs_one_manifest(void **state)
{
	struct plan *plan;

	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_value(3));
	plan_store_put(&store, PLAN_CASE_HOUR, 2, plan_case_value(4));
	assert_true(value_of(HOUR_PATH("median")) == 3.5);
	assert_int_equal(store.manifests, 2);
	plan = run(HOUR_PATH("p100"), "");
	assert_true(plan_result(plan).total.value == 4 && plan_result(plan).total.count == 2);
	assert_int_equal(store.manifests, 1);
	assert_int_equal(store.rounds, 1);
	assert_int_equal(plan_costs(plan).cells, 0);
	plan_free(plan);
	assert_int_equal(cache_counts(cache).hits, 1);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_value(3));
	assert_true(value_of(HOUR_PATH("count")) == 1);
	/* A new partial. */
	plan_store_put(&store, PLAN_CASE_HOUR, 2, plan_case_value(4));
	assert_true(value_of(HOUR_PATH("count")) == 2);
	/* Another commit into one of them. */
	buf_release(&store.cells[1].blob);
	store.count--;
	plan_store_put(&store, PLAN_CASE_HOUR, 2, plan_case_values((const double[]){ 5, 6 }, 2));
	store.version++;
	assert_true(value_of(HOUR_PATH("count")) == 3);
	/* A compaction. */
	plan_store_rename(&store, PLAN_CASE_HOUR, 2, 9);
	assert_true(value_of(HOUR_PATH("count")) == 3);
	assert_int_equal(cache_counts(cache).hits, 0);
	assert_int_equal(cache_counts(cache).stale, 3);
	assert_int_equal(cache_counts(cache).entries, 1);
}

static void commit_between(struct plan_store *s, unsigned round, const struct plan_command *command)
{
	if (round == 1 && command->ask == PLAN_MANIFEST)
		s->version++;
}

static void what_was_read_beside_a_commit_is_not_kept(void **state)
{
	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_value(3));
	store.hook = commit_between;
	assert_true(value_of(HOUR_PATH("max")) == 3);
	assert_int_equal(cache_counts(cache).entries, 0);
	store.hook = NULL;
	assert_true(value_of(HOUR_PATH("max")) == 3);
	assert_int_equal(store.manifests, 2);
}

/* Enough values for sketches that are no longer exact, in several partials. */
static void put_many(void)
{
	struct cell *cell;
	uint64_t seed = 1, pid;
	double values[64];
	size_t i, j;

	for (pid = 1; pid <= 3; pid++) {
		cell = cell_case_new(KIND_DISTRIBUTION);
		for (i = 0; i < 80; i++) {
			for (j = 0; j < 64; j++) {
				seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
				values[j] = (double)(seed >> 33) / 1e3;
			}
			cell_case_values(cell, cell_case_unsampled, values, 64);
		}
		plan_store_put(&store, PLAN_CASE_HOUR, pid, cell);
	}
}

/* To the last bit. */
static void assert_same(struct stat_result a, struct stat_result b)
{
	assert_memory_equal(&a.value, &b.value, sizeof(a.value));
	assert_memory_equal(&a.rank_error, &b.rank_error, sizeof(a.rank_error));
	assert_true(a.count == b.count && a.exact == b.exact);
}

static void an_answer_is_the_same_either_way(void **state)
{
	static const char *const paths[] = { HOUR_PATH("median"), HOUR_PATH("p99.9"),
					     HOUR_PATH("p1"), HOUR_PATH("stddev") };
	size_t i;

	(void)state;
	put_many();
	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct plan *first = run(paths[i], "");
		struct plan *again = run(paths[i], "");
		struct plan *apart = plan_case_open(paths[i], "");

		assert_int_equal(plan_store_run(&store, apart), PLAN_DONE);
		assert_same(plan_result(again).total, plan_result(apart).total);
		assert_false(plan_result(first).total.exact && i < 3);
		assert_same(plan_result(first).total, plan_result(apart).total);
		assert_int_equal(plan_digest(again), plan_digest(apart));
		plan_free(first);
		plan_free(again);
		plan_free(apart);
	}
	assert_true(cache_counts(cache).hits >= 4);
}

static void of_a_range_only_what_changed_is_read(void **state)
{
	struct plan *plan;
	int64_t hour;

	(void)state;
	for (hour = PLAN_CASE_HOUR - 59; hour <= PLAN_CASE_HOUR; hour++)
		plan_store_put(&store, hour, 1, plan_case_total(2));
	plan = run("/k/sum", "from=-59h&step=total");
	assert_int_equal(plan_costs(plan).cells, 60);
	plan_free(plan);
	plan = run("/k/sum", "from=-59h&step=total");
	assert_int_equal(plan_costs(plan).cells, 0);
	plan_free(plan);
	plan_store_put(&store, PLAN_CASE_HOUR, 2, plan_case_total(5));
	plan = run("/k/sum", "from=-59h&step=total");
	assert_int_equal(plan_costs(plan).cells, 2);
	assert_true(plan_result(plan).points[0].result.value == 125);
	plan_free(plan);
}

static void an_hour_without_the_key_is_kept_too(void **state)
{
	struct plan *plan;

	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_gauge_set(3));
	plan = run(HOUR_PATH("median"), "kind=distribution");
	assert_int_equal(plan_result(plan).outcome, PLAN_NO_DATA);
	plan_free(plan);
	plan = run(HOUR_PATH("median"), "kind=distribution");
	assert_int_equal(plan_result(plan).outcome, PLAN_NO_DATA);
	assert_int_equal(cache_counts(cache).hits, 1);
	plan_free(plan);
}

static void questions_are_told_apart(void **state)
{
	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_total(5));
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_gauge_set(8));
	assert_true(value_of(HOUR_PATH("sum")) == 5);
	assert_true(value_of(HOUR_PATH("max")) == 8);
	plan_store_put(&store, PLAN_CASE_HOUR - 1, 1, plan_case_total(7));
	assert_true(value_of("/k/sum/2025-11-24/15") == 7);
	/* The store has one key; another one is asked for under the same manifest. */
	assert_int_equal(cache_counts(cache).hits, 0);
	assert_true(value_of("/other/sum/2025-11-24/15") == 7);
	assert_int_equal(cache_counts(cache).hits, 0);
	assert_true(value_of("/k/sum/2025-11-24/15") == 7);
	assert_int_equal(cache_counts(cache).hits, 1);
}

static void a_day_is_not_its_first_hour(void **state)
{
	const int64_t day = PLAN_CASE_HOUR / 24 * 24 - 48;
	int i;

	(void)state;
	plan_store_put_day(&store, day, 1, plan_case_total(100));
	plan_store_put(&store, day, 1, plan_case_total(1));
	for (i = 0; i < 2; i++) {
		struct plan *plan = run("/k/sum", "from=2025-11-22&to=2025-11-23&step=day");
		assert_true(plan_result(plan).points[0].result.value == 100);
		plan_free(plan);
		assert_true(value_of("/k/sum/2025-11-22/0") == 1);
	}
	assert_int_equal(cache_counts(cache).hits, 2);
}

static void what_only_the_clock_changes_is_never_kept(void **state)
{
	struct route_request request;
	struct route_refusal why;
	struct plan_settings settings = { .retention_hours = 100, .cache = cache };
	const int64_t begin = PLAN_CASE_HOUR * 3600;
	int64_t passed;

	(void)state;
	plan_store_put(&store, PLAN_CASE_HOUR, 1, plan_case_total(3600));
	for (passed = 900; passed <= 3600; passed *= 2) {
		struct plan *plan;
		settings.now_second = begin + passed;
		assert_int_equal(route_parse(slice_text(HOUR_PATH("rate")), slice_text(""),
					     settings.now_second, &request, &why), 0);
		assert_int_equal(plan_new(&request, &settings, &plan), 0);
		assert_true(plan_case_value_of(&store, plan) == 3600.0 / (double)passed);
	}
	assert_int_equal(cache_counts(cache).hits, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_hour_read_before_costs_one_manifest),
		TEST(what_is_written_is_read),
		TEST(what_was_read_beside_a_commit_is_not_kept),
		TEST(an_answer_is_the_same_either_way),
		TEST(of_a_range_only_what_changed_is_read),
		TEST(an_hour_without_the_key_is_kept_too),
		TEST(questions_are_told_apart),
		TEST(a_day_is_not_its_first_hour),
		TEST(what_only_the_clock_changes_is_never_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
