// SPDX-License-Identifier: Apache-2.0
#include "queryd/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT 65536

static struct cache *cache;

static int setup(void **state)
{
	(void)state;
	return cache_new(LIMIT, 42, &cache);
}

static int teardown(void **state)
{
	(void)state;
	cache_free(cache);
	return 0;
}

static void put(const char *key, const char *stamp, const char *value)
{
	cache_put(cache, slice_text(key), slice_text(stamp), slice_text(value));
}

/* The value, or NULL. */
static const char *get(const char *key, const char *stamp)
{
	static char text[LIMIT];
	struct slice value;

	if (!cache_get(cache, slice_text(key), slice_text(stamp), &value))
		return NULL;
	memcpy(text, value.ptr, value.size);
	text[value.size] = '\0';
	return text;
}

static void a_value_is_found_by_key_and_stamp(void **state)
{
	struct cache_counts counts;

	(void)state;
	assert_null(get("k", "1"));
	put("k", "1", "one");
	assert_string_equal(get("k", "1"), "one");
	assert_null(get("k", "2"));
	assert_null(get("k", ""));
	assert_null(get("l", "1"));
	counts = cache_counts(cache);
	assert_int_equal(counts.hits, 1);
	assert_int_equal(counts.misses, 2);
	assert_int_equal(counts.stale, 2);
	assert_int_equal(counts.entries, 1);
	assert_int_equal(counts.evictions, 0);
}

static void key_stamp_and_value_are_not_mixed_up(void **state)
{
	(void)state;
	put("ab", "c", "d");
	assert_null(get("a", "bc"));
	assert_null(get("abc", "d"));
	assert_null(get("ab", "cd"));
	assert_null(get("abc", ""));
	assert_string_equal(get("ab", "c"), "d");
}

static void nothing_is_a_value_too(void **state)
{
	(void)state;
	cache_put(cache, slice_text("k"), slice_text("1"), slice_of(NULL, 0));
	assert_string_equal(get("k", "1"), "");
}

static void another_stamp_takes_the_place(void **state)
{
	size_t before;

	(void)state;
	put("k", "1", "one");
	before = cache_counts(cache).bytes;
	put("k", "2", "two");
	assert_null(get("k", "1"));
	assert_string_equal(get("k", "2"), "two");
	assert_int_equal(cache_counts(cache).entries, 1);
	assert_int_equal(cache_counts(cache).bytes, before);
	assert_int_equal(cache_counts(cache).evictions, 0);
}

static void fill(size_t count)
{
	char key[32];
	size_t i;

	for (i = 0; i < count; i++) {
		(void)snprintf(key, sizeof(key), "key.%zu", i);
		put(key, "stamp", key);
		assert_true(cache_counts(cache).bytes <= LIMIT);
		assert_string_equal(get(key, "stamp"), key);
	}
}

static void the_bound_is_kept(void **state)
{
	struct cache_counts counts;

	(void)state;
	fill(5000);
	counts = cache_counts(cache);
	assert_true(counts.evictions > 0);
	assert_int_equal(counts.entries + counts.evictions, 5000);
	assert_true(counts.bytes > LIMIT - 512);
}

static void the_least_recently_used_goes_first(void **state)
{
	char key[32];
	size_t i;

	(void)state;
	put("used", "1", "x");
	put("unused", "1", "x");
	for (i = 0; cache_counts(cache).evictions == 0; i++) {
		(void)snprintf(key, sizeof(key), "key.%zu", i);
		put(key, "1", "x");
		assert_non_null(get("used", "1"));
	}
	assert_non_null(get("used", "1"));
	assert_null(get("unused", "1"));
	assert_non_null(get("key.0", "1"));
}

static void what_is_too_large_is_not_kept(void **state)
{
	static char large[LIMIT / CACHE_SHARE + 1];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	put("small", "1", "x");
	put("large", "1", "x");
	put("large", "2", large);
	assert_null(get("large", "1"));
	assert_null(get("large", "2"));
	assert_non_null(get("small", "1"));
	large[LIMIT / CACHE_SHARE - 200] = '\0';
	put("large", "2", large);
	assert_non_null(get("large", "2"));
}

/* Chains of a table with one bucket are all there is. */
static void keys_of_one_bucket_are_told_apart(void **state)
{
	struct slice value;
	char key[2] = "a";

	(void)state;
	cache_free(cache);
	assert_int_equal(cache_new(1000, 7, &cache), 0);
	for (; key[0] <= 'e'; key[0]++)
		put(key, "1", key);
	for (key[0] = 'a'; key[0] <= 'e'; key[0]++)
		assert_string_equal(get(key, "1"), key);
	put("c", "2", "again");
	assert_string_equal(get("c", "2"), "again");
	assert_string_equal(get("b", "1"), "b");
	assert_string_equal(get("d", "1"), "d");
	for (key[0] = 'f'; key[0] <= 'z'; key[0]++)
		put(key, "1", key);
	assert_false(cache_get(cache, slice_text("a"), slice_text("1"), &value));
	assert_string_equal(get("z", "1"), "z");
	assert_true(cache_counts(cache).bytes <= 1000);
}

static void a_seed_decides_the_places_only(void **state)
{
	struct cache *other;
	struct slice value;

	(void)state;
	assert_int_equal(cache_new(LIMIT, 43, &other), 0);
	cache_put(other, slice_text("k"), slice_text("1"), slice_text("v"));
	assert_true(cache_get(other, slice_text("k"), slice_text("1"), &value));
	assert_true(slice_equal(value, slice_text("v")));
	cache_free(other);
	cache_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_value_is_found_by_key_and_stamp),
		TEST(key_stamp_and_value_are_not_mixed_up),
		TEST(nothing_is_a_value_too),
		TEST(another_stamp_takes_the_place),
		TEST(the_bound_is_kept),
		TEST(the_least_recently_used_goes_first),
		TEST(what_is_too_large_is_not_kept),
		TEST(keys_of_one_bucket_are_told_apart),
		TEST(a_seed_decides_the_places_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
