// SPDX-License-Identifier: Apache-2.0
#include "agent/top.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct world {
	struct top a, b;
	char text[1 << 20];
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	top_init(&w->a);
	top_init(&w->b);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	top_release(&w->a);
	top_release(&w->b);
	free(w);
	return 0;
}

static void add(struct top *t, const char *prefix, uint64_t lines, uint64_t keys,
		uint64_t rejects, int64_t now_ms)
{
	struct top_counts counts = { .lines = lines, .keys = keys, .rejects = rejects };

	top_add(t, slice_text(prefix), &counts, now_ms);
}

static const char *render(struct world *w, enum top_by by, size_t n, int64_t now_ms)
{
	struct buf out;

	buf_init(&out, sizeof(w->text));
	top_render(&w->a, &w->b, by, n, now_ms, &out);
	assert_int_equal(buf_status(&out), 0);
	memcpy(w->text, out.data, out.size);
	w->text[out.size] = '\0';
	buf_release(&out);
	return w->text;
}

static void has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("%s is not in %s", part, text);
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("%s is in %s", part, text);
}

static void test_the_most_stand_first_by_each_count(void **state)
{
	struct world *w = *state;

	add(&w->a, "web", 100, 2, 0, 0);
	add(&w->a, "db", 30, 50, 0, 0);
	add(&w->b, "bad", 0, 0, 7, 0);
	add(&w->b, "web", 0, 0, 3, 0);
	assert_string_equal(
		render(w, TOP_LINES, 1, 1500),
		"{\"by\":\"lines\",\"seconds\":1.5,\"prefixes\":[{\"prefix\":\"web\",\"lines\":100,"
		"\"keys\":2,\"rejects\":3,\"overflowed\":0}],\"others\":{\"lines\":0,\"keys\":0,"
		"\"rejects\":0,\"overflowed\":0}}\n");
	has(render(w, TOP_KEYS, 10, 1500), "[{\"prefix\":\"db\"");
	has(render(w, TOP_REJECTS, 10, 1500), "[{\"prefix\":\"bad\"");
	/* Those that have none of it are left out. */
	has_not(render(w, TOP_REJECTS, 10, 1500), "\"db\"");
}

static void test_keys_are_the_most_of_one_interval(void **state)
{
	struct world *w = *state;

	for (int interval = 0; interval < 3; interval++) {
		for (int i = 0; i < 10 * (3 - interval); i++)
			add(&w->a, "web", 1, 1, 0, 0);
		top_end_interval(&w->a);
	}
	has(render(w, TOP_KEYS, 1, 0), "\"lines\":60,\"keys\":30");
}

static void test_counts_are_of_the_last_one_to_two_minutes(void **state)
{
	struct world *w = *state;

	add(&w->a, "web", 1, 0, 0, 1000);
	add(&w->a, "web", 10, 0, 0, 1000 + TOP_WINDOW_MS);
	has(render(w, TOP_LINES, 1, 1000 + TOP_WINDOW_MS), "\"seconds\":60,");
	has(render(w, TOP_LINES, 1, 1000 + TOP_WINDOW_MS), "\"lines\":11");
	add(&w->a, "web", 100, 0, 0, 1000 + 2 * TOP_WINDOW_MS);
	has(render(w, TOP_LINES, 1, 1500 + 2 * TOP_WINDOW_MS), "\"lines\":110");
	has(render(w, TOP_LINES, 1, 1500 + 2 * TOP_WINDOW_MS), "\"seconds\":60.5");
	/* After a long silence nothing is left, whoever asks first. */
	has(render(w, TOP_LINES, 1, 1500 + 9 * TOP_WINDOW_MS), "\"prefixes\":[]");
}

static void test_who_sends_much_stays_in_a_flood_of_prefixes(void **state)
{
	struct world *w = *state;
	uint64_t sum = 0;
	char prefix[32];

	for (int i = 0; i < 50000; i++) {
		snprintf(prefix, sizeof(prefix), "random%d", i);
		add(&w->a, prefix, 1, 1, 0, 0);
		if (i % 10 == 0)
			add(&w->a, "flood", 1, 0, 0, 0);
	}
	has(render(w, TOP_LINES, 1, 0), "[{\"prefix\":\"flood\",\"lines\":5000,");
	/* What had no room is in `others`: the sum is exact. */
	render(w, TOP_LINES, TOP_ENTRIES, 0);
	for (const char *at = w->text; (at = strstr(at, "\"lines\":")) != NULL; at++)
		sum += strtoull(at + 8, NULL, 10);
	assert_int_equal(sum, 55000);
}

static void test_any_bytes_are_shown_as_valid_json(void **state)
{
	struct world *w = *state;
	char prefix[100];

	memset(prefix, 'p', sizeof(prefix) - 1);
	prefix[sizeof(prefix) - 1] = '\0';
	add(&w->b, "\"\xff<", 0, 0, 2, 0);
	add(&w->b, prefix, 0, 0, 1, 0);
	prefix[TOP_PREFIX_BYTES] = '\0';
	add(&w->b, "", 0, 0, 1, 0);
	has(render(w, TOP_REJECTS, 10, 0), "\"prefix\":\"\\\"\xef\xbf\xbd\\u003c\"");
	has(render(w, TOP_REJECTS, 10, 0), prefix);
	has(render(w, TOP_REJECTS, 10, 0), "\"prefix\":\"\"");
}

static void test_merged_into_nothing_it_is_a_copy_of_its_own(void **state)
{
	struct world *w = *state;

	assert_int_equal(top_merge(&w->b, &w->a), 0);
	top_release(&w->b);
	add(&w->a, "web", 1, 0, 0, 0);
	assert_int_equal(top_merge(&w->b, &w->a), 0);
	add(&w->a, "web", 10, 0, 0, 0);
	has(render(w, TOP_LINES, 1, 0), "\"lines\":12");
}

static void test_merged_counts_add_up(void **state)
{
	struct world *w = *state;

	add(&w->a, "web", 1, 0, 2, 0);
	add(&w->b, "web", 10, 0, 3, 0);
	add(&w->b, "db", 4, 0, 0, 0);
	assert_int_equal(top_merge(&w->b, &w->a), 0);
	top_release(&w->a);
	has(render(w, TOP_LINES, 5, 0), "\"prefix\":\"web\",\"lines\":11,\"keys\":0,\"rejects\":5");
	has(render(w, TOP_LINES, 5, 0), "\"prefix\":\"db\",\"lines\":4");
}

static void test_words_are_read(void **state)
{
	enum top_by by = TOP_LINES;

	(void)state;
	assert_true(top_by_parse(slice_text("rejects"), &by));
	assert_int_equal(by, TOP_REJECTS);
	assert_true(top_by_parse(slice_text("keys"), &by));
	assert_int_equal(by, TOP_KEYS);
	assert_false(top_by_parse(slice_text("key"), &by));
	assert_false(top_by_parse(slice_text(""), &by));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_most_stand_first_by_each_count),
		T(test_keys_are_the_most_of_one_interval),
		T(test_counts_are_of_the_last_one_to_two_minutes),
		T(test_who_sends_much_stays_in_a_flood_of_prefixes),
		T(test_any_bytes_are_shown_as_valid_json),
		T(test_merged_into_nothing_it_is_a_copy_of_its_own),
		T(test_merged_counts_add_up),
		T(test_words_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
