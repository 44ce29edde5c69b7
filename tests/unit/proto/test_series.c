// SPDX-License-Identifier: Apache-2.0
#include "proto/series.h"

#include "proto/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint8_t built[LIMIT_SERIES_BYTES];
static struct series parsed;

static struct series_tag tag(const char *key, const char *value)
{
	return (struct series_tag){ .key = slice_text(key), .value = slice_text(value) };
}

static void assert_built(const char *name, const struct series_tag *tags, size_t count,
			 const char *expected)
{
	size_t size = 0;

	assert_int_equal(series_build(slice_text(name), tags, count, built, &size), 0);
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(built, expected, size);
}

static void tags_are_sorted_by_their_bytes(void **state)
{
	const struct series_tag tags[] = { tag("b", "1"), tag("a.b", "2"), tag("a", "3"),
					   tag("\xc3\xa9", "4"), tag("B", "") };

	(void)state;
	assert_built("n", tags, 5, "n;B=;a=3;a.b=2;b=1;\xc3\xa9=4");
	assert_built("n", tags, 0, "n");
	assert_built("n", NULL, 0, "n");
}

static void of_a_repeated_key_the_last_holds(void **state)
{
	const struct series_tag tags[] = { tag("k", "1"), tag("a", "x"), tag("k", "2"),
					   tag("a", "y"), tag("k", "3") };

	(void)state;
	assert_built("n", tags, 5, "n;a=y;k=3");
}

static void what_would_end_a_part_is_escaped(void **state)
{
	const struct series_tag tags[] = { tag("a=b;c\\", "d=e;f\\") };

	(void)state;
	assert_built("x;y\\z=w,[1]", tags, 1, "x\\;y\\\\z=w,[1];a\\=b\\;c\\\\=d=e\\;f\\\\");
}

static void names_without_semicolon_and_backslash_are_their_own_series(void **state)
{
	static const char *const names[] = { "a=b", "a*b", "[k=v,x", " foo ", "caf\xc3\xa9", "a:b" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_built(names[i], NULL, 0, names[i]);
}

static void bad_parts_are_refused_with_their_reason(void **state)
{
	const struct series_tag no_key = tag("", "v");
	const struct series_tag control = tag("k", "\x1b");
	const struct series_tag broken = tag("\xff", "v");
	size_t size = 77;

	(void)state;
	assert_int_equal(series_build(slice_text(""), NULL, 0, built, &size), ERR_BAD_NAME);
	assert_int_equal(series_build(slice_text("a\n"), NULL, 0, built, &size), ERR_BAD_BYTES);
	assert_int_equal(series_build(slice_text("\xe9"), NULL, 0, built, &size), ERR_BAD_BYTES);
	assert_int_equal(series_build(slice_text("a"), &no_key, 1, built, &size), ERR_BAD_TAG);
	assert_int_equal(series_build(slice_text("a"), &control, 1, built, &size), ERR_BAD_BYTES);
	assert_int_equal(series_build(slice_text("a"), &broken, 1, built, &size), ERR_BAD_BYTES);
	assert_int_equal(size, 77);
}

static void limits_are_met_and_not_passed(void **state)
{
	static char text[LIMIT_SERIES_BYTES + 1];
	struct series_tag tags[LIMIT_TAGS + 1];
	char keys[LIMIT_TAGS + 1][8];
	size_t size;

	(void)state;
	memset(text, 'n', sizeof(text));
	assert_int_equal(series_build(slice_of(text, LIMIT_NAME_BYTES), NULL, 0, built, &size), 0);
	assert_int_equal(series_build(slice_of(text, LIMIT_NAME_BYTES + 1), NULL, 0, built, &size),
			 ERR_NAME_TOO_LONG);
	for (size_t i = 0; i <= LIMIT_TAGS; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
		tags[i] = tag(keys[i], "");
	}
	assert_int_equal(series_build(slice_text("n"), tags, LIMIT_TAGS, built, &size), 0);
	assert_int_equal(series_parse(slice_of(built, size), &parsed), 0);
	assert_int_equal(parsed.tag_count, LIMIT_TAGS);
	assert_int_equal(series_build(slice_text("n"), tags, LIMIT_TAGS + 1, built, &size),
			 ERR_TOO_MANY_TAGS);
	tags[0].value = slice_of(text, LIMIT_SERIES_BYTES - strlen("n;k0="));
	assert_int_equal(series_build(slice_text("n"), tags, 1, built, &size), 0);
	assert_int_equal(size, LIMIT_SERIES_BYTES);
	assert_int_equal(series_build(slice_text("nn"), tags, 1, built, &size),
			 ERR_SERIES_TOO_LONG);
	text[5] = ';';
	assert_int_equal(series_build(slice_text("n"), tags, 1, built, &size),
			 ERR_SERIES_TOO_LONG);
	assert_int_equal(series_parse(slice_of(text, sizeof(text)), &parsed),
			 ERR_SERIES_TOO_LONG);
}

static void a_series_comes_apart_into_what_built_it(void **state)
{
	(void)state;
	assert_int_equal(series_parse(slice_text("x\\;y;a\\=b=c=d\\\\;k="), &parsed), 0);
	assert_true(slice_equal(parsed.name, slice_text("x;y")));
	assert_int_equal(parsed.tag_count, 2);
	assert_true(slice_equal(parsed.tags[0].key, slice_text("a=b")));
	assert_true(slice_equal(parsed.tags[0].value, slice_text("c=d\\")));
	assert_true(slice_equal(parsed.tags[1].key, slice_text("k")));
	assert_int_equal(parsed.tags[1].value.size, 0);
}

static void only_canonical_bytes_are_a_series(void **state)
{
	static const struct {
		const char *text;
		int reason;
	} cases[] = {
		{ "", ERR_BAD_NAME },       { ";k=v", ERR_BAD_NAME },    { "n;", ERR_MALFORMED },
		{ "n;k", ERR_MALFORMED },   { "n;=v", ERR_MALFORMED },   { "n;;k=v", ERR_MALFORMED },
		{ "n;b=;a=", ERR_MALFORMED }, { "n;a=;a=", ERR_MALFORMED }, { "n;k=v;", ERR_MALFORMED },
		{ "n\\", ERR_MALFORMED },   { "n\\x", ERR_MALFORMED },   { "n\\=", ERR_MALFORMED },
		{ "n\\,", ERR_MALFORMED },  { "n;k=\\=", ERR_MALFORMED }, { "n\n", ERR_BAD_BYTES },
		{ "n;k=\xff", ERR_BAD_BYTES },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(series_parse(slice_text(cases[i].text), &parsed), cases[i].reason);
	assert_int_equal(series_parse(slice_of(NULL, 0), &parsed), ERR_BAD_NAME);
}

/* SplitMix64. */
static uint64_t random_next(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static struct slice random_part(uint64_t *seed, char out[8], size_t least)
{
	size_t size = least + random_next(seed) % (8 - least);

	for (size_t i = 0; i < size; i++)
		out[i] = "ab;=\\,:"[random_next(seed) % 7];
	return slice_of(out, size);
}

static void building_and_parsing_are_inverse(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		char text[9][8];
		struct series_tag tags[4];
		struct slice name = random_part(&seed, text[8], 1);
		size_t count = random_next(&seed) % 5;
		uint8_t again[LIMIT_SERIES_BYTES];
		size_t size, size_again;

		for (size_t t = 0; t < count; t++) {
			tags[t].key = random_part(&seed, text[2 * t], 1);
			tags[t].value = random_part(&seed, text[2 * t + 1], 0);
		}
		assert_int_equal(series_build(name, tags, count, built, &size), 0);
		assert_int_equal(series_parse(slice_of(built, size), &parsed), 0);
		assert_true(slice_equal(parsed.name, name));
		assert_int_equal(series_build(parsed.name, parsed.tags, parsed.tag_count, again,
					      &size_again),
				 0);
		assert_true(slice_equal(slice_of(built, size), slice_of(again, size_again)));
		/* And a canonical series is a key for itself, but where `,` stands for `;`. */
		if (memchr(built, ',', size) == NULL) {
			assert_int_equal(series_from_key(slice_of(built, size), again, &size_again),
					 0);
			assert_true(
				slice_equal(slice_of(built, size), slice_of(again, size_again)));
		}
	}
}

/* Any bytes: refused, or exactly what build makes of what they say. */
static void whatever_parses_is_canonical(void **state)
{
	uint64_t seed = 2;
	int accepted = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		size_t size = 1 + random_next(&seed) % 7;
		uint8_t *text = malloc(size);
		size_t again;

		assert_non_null(text);
		for (size_t at = 0; at < size; at++)
			text[at] = (uint8_t)"abk;=\\"[random_next(&seed) % 6];
		if (series_parse(slice_of(text, size), &parsed) == 0) {
			accepted++;
			assert_int_equal(series_build(parsed.name, parsed.tags, parsed.tag_count,
						      built, &again),
					 0);
			assert_true(slice_equal(slice_of(text, size), slice_of(built, again)));
		}
		free(text);
	}
	assert_in_range(accepted, 1000, 90000);
}

static void a_key_may_be_typed_as_people_do(void **state)
{
	static const char *const cases[][2] = {
		{ "n", "n" },
		{ "n;b=1;a=2", "n;a=2;b=1" },
		{ "n,b=1,a=2", "n;a=2;b=1" },
		{ "n;k=1;k=2", "n;k=2" },
		{ "n;k", "n;k=" },
		{ "n;k=", "n;k=" },
		{ "n;k=a,b=c", "n;k=a,b=c" },
		{ "n,k", "n,k" },
		{ "n,k=1,x", "n,k=1,x" },
		{ "n\\,k=1", "n,k=1" },
		{ "n,k=a\\,b", "n;k=a,b" },
		{ "a\\b", "a\\\\b" },
		{ "a\\", "a\\\\" },
		{ "a\\\\b", "a\\\\b" },
		{ "a\\;b", "a\\;b" },
		{ "a=b", "a=b" },
	};
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(series_from_key(slice_text(cases[i][0]), built, &size), 0);
		assert_true(slice_equal(slice_of(built, size), slice_text(cases[i][1])));
	}
}

static void keys_that_name_nothing_are_refused(void **state)
{
	size_t size;

	(void)state;
	assert_int_equal(series_from_key(slice_text(""), built, &size), ERR_BAD_NAME);
	assert_int_equal(series_from_key(slice_text(",k=v"), built, &size), ERR_BAD_NAME);
	assert_int_equal(series_from_key(slice_text("n;"), built, &size), ERR_BAD_TAG);
	assert_int_equal(series_from_key(slice_text("n;=v"), built, &size), ERR_BAD_TAG);
	assert_int_equal(series_from_key(slice_text("n,=v"), built, &size), ERR_BAD_TAG);
	assert_int_equal(series_from_key(slice_of("n\0", 2), built, &size), ERR_BAD_BYTES);
	assert_int_equal(series_from_key(slice_text("\xff"), built, &size), ERR_BAD_BYTES);
}

static void text_is_utf8_without_control_bytes(void **state)
{
	(void)state;
	assert_true(series_text_valid(slice_text("caf\xc3\xa9 [=;]")));
	assert_false(series_text_valid(slice_text("caf\xe9")));
	assert_false(series_text_valid(slice_text("a\tb")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_sorted_by_their_bytes),
		cmocka_unit_test(of_a_repeated_key_the_last_holds),
		cmocka_unit_test(what_would_end_a_part_is_escaped),
		cmocka_unit_test(names_without_semicolon_and_backslash_are_their_own_series),
		cmocka_unit_test(bad_parts_are_refused_with_their_reason),
		cmocka_unit_test(limits_are_met_and_not_passed),
		cmocka_unit_test(a_series_comes_apart_into_what_built_it),
		cmocka_unit_test(only_canonical_bytes_are_a_series),
		cmocka_unit_test(building_and_parsing_are_inverse),
		cmocka_unit_test(whatever_parses_is_canonical),
		cmocka_unit_test(a_key_may_be_typed_as_people_do),
		cmocka_unit_test(keys_that_name_nothing_are_refused),
		cmocka_unit_test(text_is_utf8_without_control_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
