// SPDX-License-Identifier: Apache-2.0
#include "queryd/regex.h"

#include "proto/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct regex regex;
static uint64_t budget;

static const char *compile(const char *pattern)
{
	budget = REGEX_BUDGET;
	return regex_compile(&regex, slice_text(pattern), &budget);
}

static void assert_replaced(const char *pattern, const char *subject, const char *replacement,
			    const char *want)
{
	struct buf out;

	buf_init(&out, 65536);
	assert_null(compile(pattern));
	assert_true(regex_fits(&regex, slice_text(replacement)));
	assert_int_equal(regex_replace(&regex, slice_text(subject), slice_text(replacement), &out),
			 0);
	buf_put_u8(&out, 0);
	assert_string_equal((char *)out.data, want);
	buf_release(&out);
	regex_release(&regex);
}

static void grafanas_wrapper_appends(void **state)
{
	char name[4001];

	(void)state;
	assert_replaced("(^.*$)", "a.b.max", "\\1 A", "a.b.max A");
	assert_replaced("(^.*$)", "", "\\1 A", " A");
	memset(name, 'x', 4000);
	name[4000] = '\0';
	assert_replaced("(^.*$)", name, "\\0", name);
}

/* Each of these is what Python's re.sub makes of it. */
static void replacements_are_pythons(void **state)
{
	(void)state;
	assert_replaced("^.*\\.(\\w+)\\.([^.]+)$", "a.b.c.max", "\\1 (\\2)", "c (max)");
	assert_replaced("a", "banana", "o", "bonono");
	assert_replaced("x*", "abxd", "-", "-a-b--d-");
	assert_replaced("(a)|(b)", "abc", "[\\1\\2]", "[a][b]c");
	assert_replaced("\\d+", "p99_9", "N", "pN_N");
	assert_replaced("[\\d_]+", "p99_9", "N", "pN");
	assert_replaced("^a", "aaa", "b", "baa");
	assert_replaced("a$", "aaa", "b", "aab");
	assert_replaced("(b){2,3}", "abbbbc", "\\g<0>!", "abbb!bc");
	assert_replaced("a\\.b", "a.b axb", "\\.", ". axb");
	assert_replaced("[]a]", "]b", "x", "xb");
	assert_replaced("[^a]", "bac", "x", "xax");
	assert_replaced("nothing", "abc", "x", "abc");
	assert_replaced("", "ab", "-", "-a-b-");
}

static void a_match_begins_at_the_beginning(void **state)
{
	(void)state;
	assert_null(compile("web-\\d+"));
	assert_int_equal(regex_match(&regex, slice_text("web-12")), 1);
	assert_int_equal(regex_match(&regex, slice_text("web-12.x")), 1);
	assert_int_equal(regex_match(&regex, slice_text("my-web-12")), 0);
	assert_int_equal(regex_match(&regex, slice_text("")), 0);
	regex_release(&regex);
	assert_null(compile("a|b"));
	assert_int_equal(regex_match(&regex, slice_text("b")), 1);
	assert_int_equal(regex_match(&regex, slice_text("cb")), 0);
	regex_release(&regex);
}

static void what_libc_cannot_bound_is_refused(void **state)
{
	static const char *const cases[] = {
		"(a)\\1", "(?:a)", "(?i)a", "a*?", "a+?", "a{2}?", "a**", "a{65}", "a{2,65}", "a{,2}",
		"(a{20}){20}", "a{", "a{x}", "[a", "(a", "\\", "[[:alpha:]]", "[\\D]", "\\x41", "\\Z",
		"(a)(a)(a)(a)(a)(a)(a)(a)(a)(a)",
	};
	char longest[REGEX_PATTERN_BYTES + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (!compile(cases[i]))
			fail_msg("taken: %s", cases[i]);
	}
	memset(longest, 'a', sizeof(longest));
	assert_non_null(regex_compile(&regex, slice_of(longest, sizeof(longest)), &budget));
	assert_null(regex_compile(&regex, slice_of(longest, sizeof(longest) - 1), &budget));
	regex_release(&regex);
}

static void a_replacement_names_only_groups_that_are(void **state)
{
	(void)state;
	assert_null(compile("(a)(b)"));
	assert_true(regex_fits(&regex, slice_text("\\2\\1\\0 \\g<2> \\\\ \\g<x> \\")));
	assert_false(regex_fits(&regex, slice_text("\\3")));
	assert_false(regex_fits(&regex, slice_text("x\\g<9>")));
	regex_release(&regex);
}

static void long_subjects_and_spent_budgets_are_too_much(void **state)
{
	char subject[REGEX_SUBJECT_BYTES + 1];
	struct buf out;
	unsigned i;

	(void)state;
	memset(subject, 'a', sizeof(subject));
	buf_init(&out, 65536);
	assert_null(compile("a*"));
	assert_int_equal(regex_match(&regex, slice_of(subject, sizeof(subject))), ERR_TOO_LARGE);
	assert_int_equal(regex_replace(&regex, slice_of(subject, sizeof(subject)),
				       slice_text("x"), &out), ERR_TOO_LARGE);
	for (i = 0; i < 1000 && regex_match(&regex, slice_of(subject, 1024)) == 1; i++)
		;
	assert_in_range(i, 100, 400);
	assert_int_equal(regex_match(&regex, slice_of(subject, 1024)), ERR_TOO_LARGE);
	regex_release(&regex);
	buf_release(&out);
}

/* Patterns that take others an exponential time. What is measured is processor time. */
static void no_pattern_takes_long(void **state)
{
	static const char *const cases[] = {
		"(a*)*b", "(a|aa)+$", "(a|a?)+b", "((a*)*)*b", "(x+x+)+y", "(.*)(.*)(.*)(.*)b",
		"(((((a*)*)*)*)*)*c", "(a?){64}b", "(.|a)*a................................b",
	};
	char subject[REGEX_SUBJECT_BYTES];
	clock_t began = clock();
	size_t i;

	(void)state;
	memset(subject, 'a', sizeof(subject));
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_null(compile(cases[i]));
		assert_true(regex_match(&regex, slice_of(subject, sizeof(subject))) >= 0);
		regex_release(&regex);
	}
	assert_in_range((clock() - began) * 1000 / CLOCKS_PER_SEC, 0, 5000);
}

static void starting_over_changes_nothing(void **state)
{
	char subject[1000];
	unsigned i;

	(void)state;
	memset(subject, 'a', sizeof(subject));
	assert_null(compile("a+$"));
	for (i = 0; i < 150; i++)
		assert_int_equal(regex_match(&regex, slice_of(subject, sizeof(subject))), 1);
	regex_release(&regex);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grafanas_wrapper_appends),
		cmocka_unit_test(replacements_are_pythons),
		cmocka_unit_test(a_match_begins_at_the_beginning),
		cmocka_unit_test(what_libc_cannot_bound_is_refused),
		cmocka_unit_test(a_replacement_names_only_groups_that_are),
		cmocka_unit_test(long_subjects_and_spent_budgets_are_too_much),
		cmocka_unit_test(no_pattern_takes_long),
		cmocka_unit_test(starting_over_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
