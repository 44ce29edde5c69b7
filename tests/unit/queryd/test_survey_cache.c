// SPDX-License-Identifier: Apache-2.0
#include "queryd/survey.h"

#include "proto/hour.h"
#include "queryd/cache.h"
#include "tests/lib/survey_case.h"

#define HOUR  PLAN_CASE_HOUR
#define LIMIT ((size_t)1 << 20)

static struct survey_store store;
static struct cache *cache;

static int set_up(void **state)
{
	(void)state;
	return cache_new(LIMIT, 1, &cache);
}

static int tear_down(void **state)
{
	(void)state;
	cache_free(cache);
	survey_store_release(&store);
	return 0;
}

/* A survey of the counters of these keys, one group. */
static struct survey *open_survey(const char *keys, int64_t from, int64_t to)
{
	struct survey *survey = survey_case_open(from, to, 1);
	char key[2] = "";

	survey_case_group(survey, KIND_COUNTER, "sum");
	for (; *keys; keys++) {
		key[0] = *keys;
		survey_case_key(survey, key);
	}
	return survey;
}

/* Runs and frees it; what it has come to over all. */
static double run(struct survey *survey, struct cache *with)
{
	double total;

	survey_use_cache(survey, with);
	assert_int_equal(survey_start(survey, SURVEY_STORE_PARTITIONS, PLAN_CASE_RETENTION), 0);
	assert_int_equal(survey_store_run(&store, survey), PLAN_DONE);
	total = survey_total(survey, 0).has ? survey_case_total(survey, 0) : 0;
	survey_free(survey);
	return total;
}

static void put(const char *key, int64_t hour, uint64_t pid, double value)
{
	survey_store_put(&store, hour, pid, key, plan_case_total(value));
}

static void keys_read_before_cost_manifests_only(void **state)
{
	unsigned manifests;

	(void)state;
	put("a", HOUR, 1, 1);
	put("a", HOUR, 2, 2);
	put("b", HOUR - 1, 1, 4);
	put("c", HOUR, 3, 8);
	/* That d has nothing is known too: it shares a partition, or its hour has no manifest. */
	assert_true(run(open_survey("abcd", HOUR - 1, HOUR + 1), cache) == 15);
	assert_int_equal(store.rounds, 2);
	manifests = store.manifests;
	assert_int_equal(cache_counts(cache).hits, 0);
	assert_true(run(open_survey("abcd", HOUR - 1, HOUR + 1), cache) == 15);
	assert_int_equal(store.rounds, 1);
	assert_true(store.manifests < manifests && store.asked == 0);
	assert_true(cache_counts(cache).hits >= 3 && cache_counts(cache).stale == 0);
	/* Each by itself, and all without a cache. */
	assert_true(run(open_survey("a", HOUR, HOUR + 1), cache) == 3 && store.asked == 0);
	assert_true(run(open_survey("abcd", HOUR - 1, HOUR + 1), NULL) == 15 && store.asked > 0);
}

/* Of keys that share a partition only the one that is not known is asked for. */
static void what_is_not_there_is_asked_for_alone(void **state)
{
	char keys[3] = "", letter;
	uint32_t partition = hash_partition(slice_text("a"), SURVEY_STORE_PARTITIONS);

	(void)state;
	for (letter = 'b'; !keys[1]; letter++) {
		if (hash_partition(slice_of(&letter, 1), SURVEY_STORE_PARTITIONS) == partition)
			keys[keys[0] ? 1 : 0] = letter;
	}
	put("a", HOUR, 1, 1);
	put((char[]){ keys[0], '\0' }, HOUR, 1, 2);
	put((char[]){ keys[1], '\0' }, HOUR, 2, 4);
	assert_true(run(open_survey("a", HOUR, HOUR + 1), cache) == 1);
	assert_true(run(open_survey((char[]){ keys[1], '\0' }, HOUR, HOUR + 1), cache) == 4);
	assert_true(run(open_survey((char[]){ 'a', keys[0], keys[1], '\0' }, HOUR, HOUR + 1), cache)
		    == 7);
	assert_int_equal(store.asked, 2); /* one key in two partials */
	assert_int_equal(cache_counts(cache).hits, 2);
	assert_true(run(open_survey(keys, HOUR, HOUR + 1), cache) == 6 && store.asked == 0);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	put("a", HOUR, 1, 1);
	put("a", HOUR - 1, 1, 10);
	assert_true(run(open_survey("a", HOUR - 1, HOUR + 1), cache) == 11);
	put("a", HOUR, 2, 2); /* another partial */
	assert_true(run(open_survey("a", HOUR - 1, HOUR + 1), cache) == 13);
	assert_int_equal(store.asked, 2);
	assert_int_equal(cache_counts(cache).stale, 1);
	store.version++; /* another commit into each */
	assert_true(run(open_survey("a", HOUR - 1, HOUR + 1), cache) == 13);
	assert_int_equal(store.asked, 3);
	assert_int_equal(cache_counts(cache).stale, 3);
	assert_int_equal(cache_counts(cache).entries, 2);
}

/* A commit between the two looks at the manifest, into a partial that was there. */
static void commit_between(struct survey_store *s, unsigned round,
			   const struct survey_command *command)
{
	if (round == 1 && !command->cells)
		s->version++;
}

static void what_was_read_beside_a_commit_is_not_kept(void **state)
{
	(void)state;
	put("a", HOUR, 1, 1);
	store.hook = commit_between;
	assert_true(run(open_survey("a", HOUR, HOUR + 1), cache) == 1);
	store.hook = NULL;
	assert_int_equal(cache_counts(cache).entries, 0);
	assert_true(run(open_survey("a", HOUR, HOUR + 1), cache) == 1 && store.asked == 1);
	assert_int_equal(cache_counts(cache).entries, 1);
}

/* A partial more between the two looks: the part is read again, by what its new manifest says. */
static void add_between(struct survey_store *s, unsigned round, const struct survey_command *command)
{
	if (round == 1 && !command->cells && s->count == 1)
		put("a", HOUR, 2, 2);
}

static void what_is_read_again_is_kept_once(void **state)
{
	(void)state;
	put("a", HOUR, 1, 1);
	store.hook = add_between;
	assert_true(run(open_survey("a", HOUR, HOUR + 1), cache) == 3);
	store.hook = NULL;
	assert_true(run(open_survey("a", HOUR, HOUR + 1), cache) == 3 && store.asked == 0);
	assert_int_equal(cache_counts(cache).entries, 1);
}

static void days_rolled_up_and_hours_are_kept_apart(void **state)
{
	int64_t day = HOUR / DAY_HOURS * DAY_HOURS - 2 * DAY_HOURS;
	struct survey *survey;
	size_t i;

	(void)state;
	survey_store_put_day(&store, day, 1, "a", plan_case_total(100));
	put("a", day, 1, 7); /* the same pid and version, to tell them apart by nothing else */
	for (i = 0; i < 2; i++) {
		survey = survey_case_open(day, day + DAY_HOURS, 24);
		survey_case_group(survey, KIND_COUNTER, "sum");
		survey_case_key(survey, "a");
		assert_true(run(survey, cache) == 100);
		assert_true((store.asked == 0) == (i == 1));
		assert_true(run(open_survey("a", day, day + 1), cache) == 7);
		assert_true((store.asked == 0) == (i == 1));
	}
}

/* Questions of any size use their share and no more, however often they are asked. */
static void one_question_takes_its_share(void **state)
{
	char key[16];
	struct survey *survey;
	size_t round, i;
	uint64_t all = 1000, before = 0;

	(void)state;
	put("a", HOUR - 5, 1, 5);
	assert_true(run(open_survey("a", HOUR - 5, HOUR - 4), cache) == 5);
	for (i = 0; i < all; i++) {
		(void)snprintf(key, sizeof(key), "key%zu", i);
		put(key, HOUR, 1, 1);
	}
	for (round = 0; round < 5; round++) {
		survey = survey_case_open(HOUR, HOUR + 1, 1);
		survey_case_group(survey, KIND_COUNTER, "sum");
		for (i = 0; i < all; i++) {
			(void)snprintf(key, sizeof(key), "key%zu", i);
			survey_case_key(survey, key);
		}
		assert_true(run(survey, cache) == 1000);
		assert_in_range(cache_counts(cache).entries, 100, 1 + LIMIT / SURVEY_SHARE / 112);
		if (round == 1)
			before = cache_counts(cache).entries;
		assert_true(round < 2 || cache_counts(cache).entries == before);
		assert_int_equal(cache_counts(cache).evictions, 0);
		/* Every hour of a key is counted, as found, not found or not looked for. */
		assert_int_equal(cache_counts(cache).hits + cache_counts(cache).misses +
				 cache_counts(cache).stale + cache_counts(cache).passed,
				 1 + all * (round + 1));
	}
	assert_true(cache_counts(cache).hits >= 4 * (before - 1));
	assert_true(run(open_survey("a", HOUR - 5, HOUR - 4), cache) == 5 && store.asked == 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(keys_read_before_cost_manifests_only),
		TEST(what_is_not_there_is_asked_for_alone),
		TEST(what_is_written_is_read),
		TEST(what_was_read_beside_a_commit_is_not_kept),
		TEST(what_is_read_again_is_kept_once),
		TEST(days_rolled_up_and_hours_are_kept_apart),
		TEST(one_question_takes_its_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
