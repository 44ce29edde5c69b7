// SPDX-License-Identifier: Apache-2.0
#include "queryd/scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 2000

static const char *read(const char *text, struct scope *s)
{
	return scope_read(slice_text(text), s);
}

static void prefixes_are_sorted_and_none_begins_with_another(void **state)
{
	struct scope s;

	(void)state;
	assert_null(read(" shop. abc  shop.eu. b. abc.d ", &s));
	assert_false(s.all);
	assert_int_equal(s.count, 3);
	assert_true(slice_equal(s.prefixes[0], slice_text("abc")));
	assert_true(slice_equal(s.prefixes[1], slice_text("b.")));
	assert_true(slice_equal(s.prefixes[2], slice_text("shop.")));
	assert_null(read("shop.eu. shop.", &s));
	assert_int_equal(s.count, 1);
	assert_true(slice_equal(s.prefixes[0], slice_text("shop.")));
	assert_null(read("a *", &s));
	assert_true(s.all);
}

static void what_is_no_prefix_is_refused(void **state)
{
	static const char *const cases[] = {
		"", "  ", "shop.*", "s?", "[ab]", "a;host=b", "a\\b", "a,b", "a\tb", "h", "hour",
		"hourglass", "fine. hourglass",
	};
	char many[200] = "";
	struct scope s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_non_null(read(cases[i], &s));
	assert_null(read("hourglass.", &s));
	assert_null(read("hourglasses", &s));
	for (i = 0; i <= SCOPE_PREFIXES; i++)
		(void)snprintf(many + strlen(many), sizeof(many) - strlen(many), "%02zu. ", i);
	assert_non_null(read(many, &s));
}

static void a_scope_takes_in_names_that_begin_so(void **state)
{
	struct scope s;

	(void)state;
	assert_null(read("shop. b", &s));
	assert_true(scope_allows(&s, slice_text("shop.x")));
	assert_true(scope_allows(&s, slice_text("shop.x;host=a")));
	assert_true(scope_allows(&s, slice_text("bank")));
	assert_false(scope_allows(&s, slice_text("shop")));
	assert_false(scope_allows(&s, slice_text("shop;x=shop.")));
	assert_false(scope_allows(&s, slice_text("Shop.x")));
	assert_false(scope_allows(&s, slice_text("other;k=shop.x")));
	assert_false(scope_allows(&s, slice_text("")));
	assert_true(scope_covers(&s, slice_text("shop.eu.")));
	assert_false(scope_covers(&s, slice_text("sho")));
	assert_true(scope_allows(NULL, slice_text("anything")));
}

/* Names and prefixes over two letters, so that they meet often. */
static size_t random_word(char *out, size_t most)
{
	size_t size = 1 + (size_t)rand() % most, i;

	for (i = 0; i < size; i++)
		out[i] = "ab."[rand() % 3];
	out[size] = '\0';
	return size;
}

static void fill(struct names *n, size_t count)
{
	char name[16];
	size_t i;

	names_init(n, 1000);
	for (i = 0; i < count; i++) {
		random_word(name, 6);
		assert_int_equal(names_add(n, slice_text(name), 1 + (unsigned)rand() % 15), 0);
	}
	assert_int_equal(names_settle(n), 0);
}

static void random_scope(struct scope *s, char text[64])
{
	char word[8];
	size_t i, count = 1 + (size_t)rand() % 5;

	text[0] = '\0';
	for (i = 0; i < count; i++) {
		random_word(word, 3);
		strcat(strcat(text, word), " ");
	}
	assert_null(read(text, s));
}

/* A walk finds what looking at every name would, in the same order, and nothing else. */
static void compare_walk(const struct scope_keys *keys, struct slice prefix)
{
	struct scope_walk walk = scope_begin(keys, prefix);
	struct slice found, again;
	struct names_cursor at = names_seek(keys->names, slice_text(""));
	struct slice name;
	unsigned kinds, wanted_kinds;

	while (names_step(keys->names, &at, &name, &wanted_kinds)) {
		bool begins = name.size >= prefix.size &&
			      memcmp(name.ptr, prefix.ptr, prefix.size) == 0;
		bool visible = scope_allows(keys->scope, name);
		assert_int_equal(scope_find(keys, name, &again, &kinds), visible);
		if (!begins || !visible)
			continue;
		assert_true(scope_next(&walk, &found, &kinds));
		assert_true(slice_equal(found, name));
		assert_int_equal(kinds, wanted_kinds);
	}
	assert_false(scope_next(&walk, &found, &kinds));
	assert_false(scope_next(&walk, &found, &kinds));
}

/* The glob of all that begins so. */
static void compile_prefix(struct glob *glob, struct slice prefix)
{
	char pattern[16];

	(void)snprintf(pattern, sizeof(pattern), "%.*s*", (int)prefix.size,
		       (const char *)prefix.ptr);
	assert_null(glob_compile(glob, slice_text(pattern)));
}

static void compare_page(const struct scope_keys *keys, struct slice prefix, struct slice after)
{
	struct slice found[5];
	struct names_page page = { .keys = found, .limit = 5 };
	struct glob glob;
	struct names_cursor at = names_seek(keys->names, slice_text(""));
	struct slice name;
	size_t wanted = 0;
	unsigned kinds;

	compile_prefix(&glob, prefix);
	scope_page(keys, &glob, after, &page);
	while (names_step(keys->names, &at, &name, &kinds)) {
		if (slice_compare(name, after) <= 0 || !glob_match(&glob, name) ||
		    !scope_allows(keys->scope, name))
			continue;
		if (wanted < 5)
			assert_true(slice_equal(found[wanted], name));
		wanted++;
	}
	assert_int_equal(page.count, wanted < 5 ? wanted : 5);
	assert_int_equal(page.more, wanted > 5);
	assert_false(page.cut);
}

/* A look too few cuts a page; as many as there are names to look at do not. */
static void compare_looks(const struct scope_keys *keys, struct slice prefix)
{
	struct scope_walk walk = scope_begin(keys, prefix);
	struct slice found[40], name;
	struct names_page page = { .keys = found, .limit = 40 };
	struct glob glob;
	size_t visible = 0;
	unsigned kinds;

	compile_prefix(&glob, prefix);
	while (scope_next(&walk, &name, &kinds))
		visible++;
	assert_true(scope_few(keys, prefix, visible));
	page.looks = visible;
	scope_page(keys, &glob, slice_text(""), &page);
	assert_false(page.cut);
	assert_int_equal(page.count, visible);
	if (visible < 2)
		return;
	assert_false(scope_few(keys, prefix, visible - 1));
	page.looks = visible - 1;
	scope_page(keys, &glob, slice_text(""), &page);
	assert_true(page.cut);
}

/* What is held stays as it was when names and scope are gone. */
static void compare_held(const struct scope_keys *keys, struct slice prefix)
{
	struct scope scope = keys->scope ? *keys->scope : (struct scope){ .all = true };
	struct names names;
	struct scope_keys *held;
	struct scope_walk walk, wanted = scope_begin(keys, prefix);
	struct slice name, again;
	unsigned kinds, kinds_again;
	char text[SCOPE_PREFIXES][8];
	size_t i;

	for (i = 0; i < scope.count; i++) {
		memcpy(text[i], scope.prefixes[i].ptr, scope.prefixes[i].size);
		scope.prefixes[i].ptr = (uint8_t *)text[i];
	}
	names_pin(keys->names, &names);
	held = scope_hold(&(struct scope_keys){ &names, &scope });
	assert_non_null(held);
	names_release(&names);
	memset(&scope, 0xff, sizeof(scope));
	memset(text, 'x', sizeof(text));
	walk = scope_begin(held, prefix);
	while (scope_next(&wanted, &name, &kinds)) {
		assert_true(scope_next(&walk, &again, &kinds_again));
		assert_true(slice_equal(name, again));
		assert_int_equal(kinds, kinds_again);
	}
	assert_false(scope_next(&walk, &again, &kinds_again));
	scope_release(held);
}

static void a_walk_shows_what_the_scope_allows_and_no_more(void **state)
{
	char text[64], prefix[8], after[8];
	struct names names;
	struct scope scope;
	size_t i;

	(void)state;
	srand(20261121);
	for (i = 0; i < ROUNDS; i++) {
		const struct scope_keys keys = { &names, i % 16 ? &scope : NULL };
		fill(&names, (size_t)rand() % 40);
		random_scope(&scope, text);
		random_word(prefix, 3);
		random_word(after, 4);
		compare_walk(&keys, slice_text(prefix));
		compare_walk(&keys, slice_text(""));
		compare_page(&keys, slice_text(prefix), slice_text(after));
		compare_page(&keys, slice_text(""), slice_text(""));
		compare_looks(&keys, slice_text(prefix));
		compare_held(&keys, slice_text(prefix));
		names_release(&names);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_are_sorted_and_none_begins_with_another),
		cmocka_unit_test(what_is_no_prefix_is_refused),
		cmocka_unit_test(a_scope_takes_in_names_that_begin_so),
		cmocka_unit_test(a_walk_shows_what_the_scope_allows_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
