// SPDX-License-Identifier: Apache-2.0
#include "relay/windows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static struct relay_counters counters;

static struct windows windows_of(const char *lines, size_t max)
{
	struct windows w;

	memset(&counters, 0, sizeof(counters));
	assert_int_equal(windows_init(&w, lines, max, &counters), 0);
	return w;
}

static uint32_t take(struct windows *w, const char *series)
{
	return windows_take(w, slice_text(series));
}

static void lines_are_judged(void **state)
{
	static const char *const wrong[] = { "", "a", "a = ", " = 5", "a =5", "a = 0", "a = 1025",
					     "a = 10000", "a = 5x", "a[ = 5", "a = -5", "a = 99999999999" };
	static const char *const right[] = { "a = 1", "a = 1024", "* = 7", "a;k=v,x=* = 12",
					     "a b = 5 = 5", "[a-c]? = 0005" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_non_null(windows_check(wrong[i]));
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
		assert_null(windows_check(right[i]));
}

static void the_last_glob_that_matches_decides(void **state)
{
	struct windows w = windows_of("checkout.* = 1000\ncheckout.slow* = 10\n*;host=a = 5\n", 100);

	(void)state;
	assert_int_equal(take(&w, "checkout.latency"), 1001);
	assert_int_equal(take(&w, "checkout.slowest"), 11);
	assert_int_equal(take(&w, "checkout.slowest;host=a"), 6);
	assert_int_equal(take(&w, "checkout"), 0);
	assert_int_equal(tally_get(&counters.windows), 3);
	windows_release(&w);
}

static void without_lines_nothing_is_kept(void **state)
{
	struct windows w = windows_of("", 100);

	(void)state;
	assert_int_equal(take(&w, "a"), 0);
	assert_int_equal(tally_get(&counters.windows_over_limit), 0);
	windows_release(&w);
}

static void their_number_is_bounded_and_counted(void **state)
{
	struct windows w = windows_of("a* = 7\n", 2);

	(void)state;
	assert_int_equal(take(&w, "a1"), 8);
	assert_int_equal(take(&w, "a2"), 8);
	assert_int_equal(take(&w, "a3"), 0);
	assert_int_equal(take(&w, "b"), 0);
	assert_int_equal(tally_get(&counters.windows_over_limit), 1);
	windows_give(&w, 1);
	assert_int_equal(take(&w, "a3"), 8);
	windows_give(&w, 2);
	assert_int_equal(tally_get(&counters.windows), 0);
	windows_release(&w);
}

static void as_many_globs_as_the_configuration_takes(void **state)
{
	char lines[WINDOWS_GLOBS * 8 + 1] = "";
	struct windows w;

	(void)state;
	for (int i = 0; i < WINDOWS_GLOBS; i++)
		strcat(lines, "k* = 3\n");
	w = windows_of(lines, 1);
	assert_int_equal(take(&w, "k"), 4);
	windows_release(&w);
}

static void other_lines_count_from_now_on(void **state)
{
	struct windows w = windows_of("a* = 7\n", 2);

	(void)state;
	assert_int_equal(take(&w, "a1"), 8);
	assert_int_equal(take(&w, "a2"), 8);
	/* Fewer than are held: those that are go on, and nothing is new until one of them has gone. */
	assert_int_equal(windows_set(&w, "b* = 3\n", 1), 0);
	assert_int_equal(take(&w, "a3"), 0);
	assert_int_equal(tally_get(&counters.windows_over_limit), 0);
	assert_int_equal(take(&w, "b1"), 0);
	assert_int_equal(tally_get(&counters.windows_over_limit), 1);
	assert_int_equal(tally_get(&counters.windows), 2);
	windows_give(&w, 2);
	assert_int_equal(take(&w, "b1"), 4);
	assert_int_equal(windows_set(&w, "", 1), 0);
	windows_give(&w, 1);
	assert_int_equal(take(&w, "b1"), 0);
	windows_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_judged),
		cmocka_unit_test(the_last_glob_that_matches_decides),
		cmocka_unit_test(without_lines_nothing_is_kept),
		cmocka_unit_test(their_number_is_bounded_and_counted),
		cmocka_unit_test(other_lines_count_from_now_on),
		cmocka_unit_test(as_many_globs_as_the_configuration_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
