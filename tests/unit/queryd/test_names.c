// SPDX-License-Identifier: Apache-2.0
#include "queryd/names.h"

#include "queryd/scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool match(const char *pattern, const char *name)
{
	static struct glob glob;

	assert_null(glob_compile(&glob, slice_text(pattern)));
	return glob_match(&glob, slice_text(name));
}

static void globs_match_whole_names(void **state)
{
	static const struct {
		const char *pattern, *yes, *no;
	} cases[] = {
		{ "abc", "abc", "abcd" },
		{ "abc", "abc", "xabc" },
		{ "*", "", NULL },
		{ "*", "anything", NULL },
		{ "a*", "a", "ba" },
		{ "*a", "aaaa", "ab" },
		{ "a*b*c", "aXbXbXc", "aXcXb" },
		{ "**a**", "bab", "bb" },
		{ "?", "x", "" },
		{ "?", "\xc3\xa9", "xy" },
		{ "??", "\xc3\xa9\xe2\x82\xac", "\xe2\x82\xac" },
		{ "a?c", "a\xf0\x9f\x98\x80" "c", "ac" },
		{ "?*", "x", "" },
		{ "[a-c]x", "bx", "dx" },
		{ "[!a-c]x", "dx", "bx" },
		{ "[^a]", "\xc3\xa9", "a" },
		{ "[^a]x", "\xe2\x82\xacx", "x" },
		{ "[]]", "]", "[" },
		{ "[!]]", "[", "]" },
		{ "[a-]", "-", "b" },
		{ "\\*", "*", "x" },
		{ "\\\\", "\\", "\\\\" },
		{ "\\\xc3\xa9", "\xc3\xa9", "e" },
		{ "*;host=web-[0-9]*", "cpu;host=web-12;x=1", "cpu;host=db-1" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_true(match(cases[i].pattern, cases[i].yes));
		if (cases[i].no)
			assert_false(match(cases[i].pattern, cases[i].no));
	}
}

static void patterns_that_make_no_sense_are_named(void **state)
{
	static const char *const cases[] = { "", "[", "[a", "[z-a]", "[\xc3\xa9]", "a\\", "\x01",
					     "\xff", "*\xa9", "[]" };
	static struct glob glob;
	char longest[GLOB_TOKENS + 3];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_non_null(glob_compile(&glob, slice_text(cases[i])));
	memset(longest, 'a', sizeof(longest));
	assert_null(glob_compile(&glob, slice_of(longest, GLOB_TOKENS)));
	assert_true(glob_match(&glob, slice_of(longest, GLOB_TOKENS)));
	assert_false(glob_match(&glob, slice_of(longest, GLOB_TOKENS - 1)));
	assert_false(glob_match(&glob, slice_of(longest, GLOB_TOKENS + 1)));
	assert_non_null(glob_compile(&glob, slice_of(longest, GLOB_TOKENS + 1)));
}

/* The plain recursive definition, for short texts. */
static bool slow_match(const char *p, const char *s)
{
	if (*p == '\0')
		return *s == '\0';
	if (*p == '*')
		return slow_match(p + 1, s) || (*s != '\0' && slow_match(p, s + 1));
	return *s != '\0' && (*p == '?' || *p == *s) && slow_match(p + 1, s + 1);
}

static void globs_agree_with_their_definition(void **state)
{
	static const char letters[] = "ab*?";
	char pattern[8], name[8];
	unsigned i, n;

	(void)state;
	for (i = 1; i < 4000; i++) {
		unsigned rest = i;
		size_t size = 0;
		for (; rest > 0 && size < 6; rest /= 4)
			pattern[size++] = letters[rest % 4];
		pattern[size] = '\0';
		for (n = 0; n < 64; n++) {
			size = 0;
			for (rest = n + 1; rest > 1; rest /= 2)
				name[size++] = (char)('a' + rest % 2);
			name[size] = '\0';
			assert_int_equal(match(pattern, name), slow_match(pattern, name));
		}
	}
}

/* The same globs behind 70 letters, where one word is not enough. */
static void long_globs_match_as_short_ones(void **state)
{
	static const char *const patterns[] = { "a*b", "?[!x]c", "*", "b*a*" };
	static const char *const names[] = { "", "ab", "aXb", "abc", "axc", ("\xc3\xa9" "bc"), "ba",
					     "bXa" };
	char pattern[100], name[100];
	size_t p, n;

	(void)state;
	memset(pattern, 'z', 70);
	memset(name, 'z', 70);
	for (p = 0; p < sizeof(patterns) / sizeof(*patterns); p++) {
		for (n = 0; n < sizeof(names) / sizeof(*names); n++) {
			(void)strcpy(pattern + 70, patterns[p]);
			(void)strcpy(name + 70, names[n]);
			assert_int_equal(match(pattern, name), match(patterns[p], names[n]));
		}
	}
	assert_false(match(pattern, "zzzab"));
}

static void hostile_patterns_take_linear_time(void **state)
{
	static struct glob glob;
	char pattern[400], name[8192];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(pattern); i += 2) {
		pattern[i] = '*';
		pattern[i + 1] = 'a';
	}
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = 'b';
	assert_null(glob_compile(&glob, slice_of(pattern, sizeof(pattern))));
	for (i = 0; i < 20; i++)
		assert_false(glob_match(&glob, slice_of(name, sizeof(name))));
}

static void prefixes_end_at_the_first_special_character(void **state)
{
	static struct glob glob;

	(void)state;
	assert_null(glob_compile(&glob, slice_text("ab\\*c?d*")));
	assert_true(slice_equal(glob_prefix(&glob), slice_text("ab*c")));
	assert_null(glob_compile(&glob, slice_text("*ab")));
	assert_int_equal(glob_prefix(&glob).size, 0);
}

static void add(struct names *n, const char *name)
{
	assert_int_equal(names_add(n, slice_text(name), 1), 0);
}

/* What a page holds, as `a b c` and `+` when there is more. */
static const char *page(const struct names *n, const char *pattern, const char *after, size_t limit)
{
	static char text[1024];
	static struct glob glob;
	struct slice keys[16];
	struct names_page p = { .keys = keys, .limit = limit };
	size_t i, size = 0;

	assert_null(glob_compile(&glob, slice_text(pattern)));
	scope_page(&(struct scope_keys){ n, NULL }, &glob, slice_text(after), &p);
	for (i = 0; i < p.count; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "%.*s ",
					 (int)keys[i].size, (const char *)keys[i].ptr);
	(void)snprintf(text + size, sizeof(text) - size, "%s", p.more ? "+" : "");
	return text;
}

static void merge(struct names *n, enum names_merge_how how)
{
	struct names_merge m;

	names_merge_take(n, how, &m);
	names_merge_run(&m);
	assert_int_equal(names_merge_done(n, &m), 0);
	names_merge_release(&m);
}

static void settle_anew(struct names *n)
{
	merge(n, NAMES_ANEW);
}

static void replace(struct names *n)
{
	merge(n, NAMES_REPLACE);
}

static void names_are_sorted_and_single(void **state)
{
	struct names n;

	(void)state;
	names_init(&n, 100);
	add(&n, "m");
	add(&n, "b");
	add(&n, "b");
	assert_int_equal(names_count(&n), 0);
	assert_int_equal(names_settle(&n), 0);
	add(&n, "z");
	add(&n, "a");
	add(&n, "m");
	add(&n, "c");
	assert_int_equal(names_settle(&n), 0);
	assert_int_equal(names_settle(&n), 0);
	assert_int_equal(names_count(&n), 5);
	assert_string_equal(page(&n, "*", "", 10), "a b c m z ");
	names_release(&n);
}

static void pages_go_on_behind_the_cursor(void **state)
{
	struct names n;
	char text[16];
	int i;

	(void)state;
	names_init(&n, 100);
	for (i = 9; i >= 0; i--) {
		(void)snprintf(text, sizeof(text), "k%d", i);
		add(&n, text);
	}
	add(&n, "a");
	add(&n, "z");
	assert_int_equal(names_settle(&n), 0);
	assert_string_equal(page(&n, "*", "", 3), "a k0 k1 +");
	assert_string_equal(page(&n, "*", "k1", 3), "k2 k3 k4 +");
	assert_string_equal(page(&n, "*", "k8", 3), "k9 z ");
	assert_string_equal(page(&n, "*", "zz", 3), "");
	assert_string_equal(page(&n, "k?", "", 3), "k0 k1 k2 +");
	assert_string_equal(page(&n, "k[89]", "", 2), "k8 k9 ");
	assert_string_equal(page(&n, "k*", "a", 1), "k0 +");
	assert_string_equal(page(&n, "k*", "k5x", 16), "k6 k7 k8 k9 ");
	assert_string_equal(page(&n, "x", "", 16), "");
	names_release(&n);
}

static void replacing_forgets_what_is_gone(void **state)
{
	struct names n;

	(void)state;
	names_init(&n, 100);
	add(&n, "a");
	add(&n, "b");
	assert_int_equal(names_settle(&n), 0);
	add(&n, "c");
	add(&n, "b");
	add(&n, "b");
	settle_anew(&n);
	assert_string_equal(page(&n, "*", "", 10), "a b ");
	replace(&n);
	assert_string_equal(page(&n, "*", "", 10), "b c ");
	add(&n, "x");
	names_discard(&n);
	assert_int_equal(names_settle(&n), 0);
	assert_string_equal(page(&n, "*", "", 10), "b c ");
	names_release(&n);
}

static void what_is_over_the_ceiling_is_counted(void **state)
{
	struct names n;

	(void)state;
	names_init(&n, 3);
	add(&n, "a");
	add(&n, "b");
	assert_int_equal(names_settle(&n), 0);
	add(&n, "c");
	add(&n, "d");
	add(&n, "a");
	add(&n, "e");
	assert_false(names_full(&n));
	assert_int_equal(names_settle(&n), 0);
	assert_int_equal(names_count(&n), 3);
	assert_int_equal(names_dropped(&n), 2);
	assert_true(names_full(&n));
	assert_string_equal(page(&n, "*", "", 10), "a b c ");
	names_release(&n);
}

/* Names come and go; once all are read anew and fit, nothing is missing any more. */
static void an_index_that_fits_again_is_whole_again(void **state)
{
	struct names n;

	(void)state;
	names_init(&n, 2);
	add(&n, "a");
	add(&n, "b");
	add(&n, "c");
	settle_anew(&n);
	replace(&n);
	assert_true(names_full(&n));
	add(&n, "b");
	assert_int_equal(names_settle(&n), 0);
	assert_true(names_full(&n));
	add(&n, "b");
	settle_anew(&n);
	add(&n, "c");
	add(&n, "b");
	settle_anew(&n);
	assert_true(names_full(&n));
	replace(&n);
	assert_false(names_full(&n));
	assert_string_equal(page(&n, "*", "", 10), "b c ");
	assert_int_equal(names_dropped(&n), 1);
	names_release(&n);
}

static void what_is_pinned_stays_as_it_was(void **state)
{
	struct names n, before, empty;

	(void)state;
	names_init(&n, 100);
	names_pin(&n, &empty);
	add(&n, "a");
	add(&n, "c");
	assert_int_equal(names_settle(&n), 0);
	names_pin(&n, &before);
	add(&n, "b");
	assert_int_equal(names_settle(&n), 0);
	assert_string_equal(page(&n, "*", "", 10), "a b c ");
	settle_anew(&n);
	replace(&n);
	assert_string_equal(page(&n, "*", "", 10), "");
	names_release(&n);
	assert_string_equal(page(&before, "*", "", 10), "a c ");
	assert_int_equal(names_count(&empty), 0);
	names_release(&before);
	names_release(&empty);
}

/* Rounds of random names, as many as make blocks come and split, against a plain set. */
static void many_merges_make_what_one_would(void **state)
{
	static uint8_t kinds[20000];
	struct names n;
	struct names_cursor at;
	struct slice name;
	unsigned round, found;
	size_t wanted = 0, i;
	char text[16];

	(void)state;
	srand(20261121);
	names_init(&n, 20000);
	for (round = 0; round < 60; round++) {
		size_t count = round % 3 ? (size_t)rand() % 40 : (size_t)rand() % 2000;
		for (i = 0; i < count; i++) {
			size_t which = (size_t)rand() % 20000;
			unsigned kind = 1u << rand() % 4;
			(void)snprintf(text, sizeof(text), "k%zu", which);
			assert_int_equal(names_add(&n, slice_text(text), kind), 0);
			wanted += kinds[which] == 0;
			kinds[which] |= (uint8_t)kind;
		}
		assert_int_equal(names_settle(&n), 0);
	}
	assert_int_equal(names_count(&n), wanted);
	at = names_seek(&n, slice_text(""));
	for (i = 0, text[0] = '\0'; names_step(&n, &at, &name, &found); i++) {
		assert_true(slice_compare(slice_text(text), name) < 0);
		(void)snprintf(text, sizeof(text), "%.*s", (int)name.size, (const char *)name.ptr);
		assert_int_equal(found, kinds[atoi(text + 1)]);
	}
	assert_int_equal(i, wanted);
	for (i = 0; i < 20000; i++) {
		(void)snprintf(text, sizeof(text), "k%zu", i);
		at = names_seek(&n, slice_text(text));
		bool there = names_step(&n, &at, &name, &found) &&
			     slice_equal(name, slice_text(text));
		assert_int_equal(there, kinds[i] != 0);
	}
	names_release(&n);
}

/* Rounds in which some names are gone, some come and some change their kinds: against a plain set. */
static void reading_anew_makes_what_is_there(void **state)
{
	static uint8_t kinds[9000];
	struct names n, before;
	struct names_cursor at;
	struct slice name;
	unsigned round, found;
	size_t wanted = 0, i, w;
	char text[16];

	(void)state;
	srand(4);
	names_init(&n, 9000);
	for (round = 0; round < 12; round++) {
		names_pin(&n, &before);
		for (i = 0, wanted = 0; i < 9000; i++) {
			if (rand() % 64 < (int)round % 3)
				kinds[i] = (uint8_t)(rand() % 4);
			wanted += kinds[i] != 0;
		}
		for (i = 0; i < 9000; i++) {
			w = i * 7 % 9000;
			(void)snprintf(text, sizeof(text), "k%zu", w);
			if (kinds[w])
				assert_int_equal(names_add(&n, slice_text(text), kinds[w]), 0);
			if (i % 4000 == 0)
				settle_anew(&n);
		}
		found = (unsigned)names_count(&n);
		assert_int_equal(found, names_count(&before));
		replace(&n);
		names_release(&before);
		assert_int_equal(names_count(&n), wanted);
		at = names_seek(&n, slice_text(""));
		for (i = 0, text[0] = '\0'; names_step(&n, &at, &name, &found); i++) {
			assert_true(slice_compare(slice_text(text), name) < 0);
			(void)snprintf(text, sizeof(text), "%.*s", (int)name.size,
				       (const char *)name.ptr);
			assert_int_equal(found, kinds[atoi(text + 1)]);
		}
		assert_int_equal(i, wanted);
	}
	assert_int_equal(names_dropped(&n), 0);
	names_release(&n);
}

/* Of a full index names that are gone make room for new ones. */
static void what_is_gone_makes_room(void **state)
{
	struct names n;

	(void)state;
	names_init(&n, 3);
	add(&n, "a");
	add(&n, "b");
	add(&n, "c");
	assert_int_equal(names_settle(&n), 0);
	add(&n, "d");
	add(&n, "b");
	settle_anew(&n);
	add(&n, "e");
	add(&n, "f");
	add(&n, "f");
	replace(&n);
	assert_string_equal(page(&n, "*", "", 10), "b d e ");
	assert_true(names_full(&n));
	assert_int_equal(names_dropped(&n), 1);
	add(&n, "b");
	replace(&n);
	assert_string_equal(page(&n, "*", "", 10), "b ");
	assert_false(names_full(&n));
	names_release(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(globs_match_whole_names),
		cmocka_unit_test(patterns_that_make_no_sense_are_named),
		cmocka_unit_test(globs_agree_with_their_definition),
		cmocka_unit_test(long_globs_match_as_short_ones),
		cmocka_unit_test(hostile_patterns_take_linear_time),
		cmocka_unit_test(prefixes_end_at_the_first_special_character),
		cmocka_unit_test(names_are_sorted_and_single),
		cmocka_unit_test(pages_go_on_behind_the_cursor),
		cmocka_unit_test(replacing_forgets_what_is_gone),
		cmocka_unit_test(what_is_over_the_ceiling_is_counted),
		cmocka_unit_test(an_index_that_fits_again_is_whole_again),
		cmocka_unit_test(what_is_pinned_stays_as_it_was),
		cmocka_unit_test(many_merges_make_what_one_would),
		cmocka_unit_test(reading_anew_makes_what_is_there),
		cmocka_unit_test(what_is_gone_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
