// SPDX-License-Identifier: Apache-2.0
#include "proto/glob.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Long enough for the automaton to need all of its words. */
#define LONG_BYTES 200

struct match {
	const char *pattern;
	const char *name;
	bool all;  /* glob_compile's */
	bool path; /* glob_compile_path's */
};

static void check(const struct match *m)
{
	struct glob g;

	assert_null(glob_compile(&g, slice_text(m->pattern)));
	assert_int_equal(glob_match(&g, slice_text(m->name)), m->all);
	assert_null(glob_compile_path(&g, slice_text(m->pattern)));
	assert_int_equal(glob_match(&g, slice_text(m->name)), m->path);
}

/* The same with something long before both, which takes the way of several words. */
static void check_long(const struct match *m)
{
	char pattern[2 * LONG_BYTES] = { 0 }, name[2 * LONG_BYTES] = { 0 };
	const struct match longer = { pattern, name, m->all, m->path };

	memset(pattern, 'x', LONG_BYTES);
	memset(name, 'x', LONG_BYTES);
	strcat(pattern, m->pattern);
	strcat(name, m->name);
	check(&longer);
}

static void names_match_as_a_whole(void **state)
{
	static const struct match matches[] = {
		{ "api", "api", true, true },
		{ "api", "apis", false, false },
		{ "api", "ap", false, false },
		{ "*", "", true, true },
		{ "*", "api.login", true, false },
		{ "*.*", "api.login", true, true },
		{ "a**z", "az", true, true },
		{ "a*b*c", "aXbXbXc", true, true },
		{ "a*b*c", "aXbXbX", false, false },
		{ "?", "", false, false },
		{ "a?c", "abc", true, true },
		{ "a?c", "a.c", true, false },
		{ "a?c", "abbc", false, false },
		{ "a[.]c", "a.c", true, false },
		{ "a\\*c", "a*c", true, true },
		{ "a\\*c", "abc", false, false },
		{ "a\\.c", "a.c", true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		check(&matches[i]);
		check_long(&matches[i]);
	}
}

static void classes_are_of_ascii(void **state)
{
	static const struct match matches[] = {
		{ "[a-c]", "b", true, true },
		{ "[a-c]", "d", false, false },
		{ "[!a-c]", "b", false, false },
		{ "[^a-c]", "d", true, true },
		{ "[^a-c]", "\xc3\xa9", true, true },
		{ "[]a]", "]", true, true },
		{ "[!]a]", "]", false, false },
		{ "[a-]", "-", true, true },
		{ "[a-]", "b", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		check(&matches[i]);
		check_long(&matches[i]);
	}
}

/* é is two bytes and 😀 is four: each is one character, and no token takes a half of one. */
static void a_character_is_not_a_byte(void **state)
{
	static const struct match matches[] = {
		{ "?", "\xc3\xa9", true, true },
		{ "??", "\xc3\xa9", false, false },
		{ "?", "\xf0\x9f\x98\x80", true, true },
		{ "?x", "\xf0\x9f\x98\x80x", true, true },
		{ "*?", "\xc3\xa9", true, true },
		{ "*??", "\xc3\xa9", false, false },
		{ "\xc3\xa9", "\xc3\xa9", true, true },
		{ "\xc3\xa9", "\xc3\xa8", false, false },
		{ "?\xc3\xa9", "\xc3\xa8\xc3\xa9", true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		check(&matches[i]);
		check_long(&matches[i]);
	}
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const patterns[] = {
		"", "a\\", "[", "[a", "[!]", "[]", "[b-a]", "[\xc3\xa9]", "\xc3", "a\nb",
	};
	struct glob g;

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		assert_non_null(glob_compile(&g, slice_text(patterns[i])));
}

static void the_prefix_is_what_stands_before_the_first_choice(void **state)
{
	static const char *const cases[][2] = {
		{ "api.login", "api.login" }, { "api.*", "api." },   { "*", "" },
		{ "ap[i]", "ap" },            { "a\\*b?c", "a*b" }, { "?a", "" },
	};
	struct glob g;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(glob_compile(&g, slice_text(cases[i][0])));
		assert_true(slice_equal(glob_prefix(&g), slice_text(cases[i][1])));
	}
}

/* Stars are no tokens, wherever they stand: also behind the last token there may be. */
static void a_pattern_may_be_of_255_tokens_and_stars(void **state)
{
	char pattern[GLOB_TOKENS + 3] = { 0 }, name[GLOB_TOKENS + 2] = { 0 };
	struct glob g;

	(void)state;
	memset(pattern, 'a', GLOB_TOKENS);
	memset(name, 'a', GLOB_TOKENS);
	assert_null(glob_compile(&g, slice_text(pattern)));
	assert_true(glob_match(&g, slice_text(name)));
	pattern[GLOB_TOKENS] = '*';
	assert_null(glob_compile(&g, slice_text(pattern)));
	assert_true(glob_match(&g, slice_text(name)));
	name[GLOB_TOKENS] = 'b';
	assert_true(glob_match(&g, slice_text(name)));
	pattern[GLOB_TOKENS + 1] = 'b';
	assert_non_null(glob_compile(&g, slice_text(pattern)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_match_as_a_whole),
		cmocka_unit_test(classes_are_of_ascii),
		cmocka_unit_test(a_character_is_not_a_byte),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(the_prefix_is_what_stands_before_the_first_choice),
		cmocka_unit_test(a_pattern_may_be_of_255_tokens_and_stars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
