// SPDX-License-Identifier: Apache-2.0
#include "queryd/graphite_path.h"

#include "queryd/textset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The texts that braces stand for, with blanks between them. */
static void assert_braces(const char *text, const char *want)
{
	char have[4000] = "", *texts, *at;
	const char *why;
	int count = graphite_braces(slice_text(text), &texts, &why);

	assert_true(count > 0);
	for (at = texts; count > 0; count--, at += strlen(at) + 1) {
		(void)strcat(have, at);
		(void)strcat(have, count > 1 ? " " : "");
	}
	free(texts);
	assert_string_equal(have, want);
}

static void braces_are_written_out(void **state)
{
	(void)state;
	assert_braces("a.b", "a.b");
	assert_braces("a.{b,c}.d", "a.b.d a.c.d");
	assert_braces("{a,b}{c,d}", "ac ad bc bd");
	assert_braces("{a,b{c,d}e}", "a bce bde");
	assert_braces("{a.b,c}", "a.b c");
	assert_braces("a{,b}", "a ab");
	assert_braces("a{b}", "ab");
	assert_braces("{}a", "a");
	assert_braces("a{b", "a{b");
	assert_braces("a}b", "a}b");
}

static void braces_are_bounded(void **state)
{
	char text[GRAPHITE_PATH_BYTES + 3], *texts;
	const char *why;

	(void)state;
	assert_int_equal(graphite_braces(slice_text("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"), &texts, &why),
			 GRAPHITE_BRACES);
	free(texts);
	assert_int_equal(graphite_braces(slice_text("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"), &texts,
					 &why), -EINVAL);
	assert_non_null(why);
	assert_int_equal(graphite_braces(slice_text("{{{{{{{{{a}}}}}}}}}"), &texts, &why), -EINVAL);
	memset(text, ',', sizeof(text));
	text[0] = '{';
	text[GRAPHITE_PATH_BYTES] = '}';
	assert_int_equal(graphite_braces(slice_of(text, GRAPHITE_PATH_BYTES + 1), &texts, &why),
			 -EINVAL);
	memset(text, 'a', sizeof(text));
	assert_int_equal(graphite_braces(slice_of(text, sizeof(text)), &texts, &why), 1);
	free(texts);
}

static void stats_are_nodes(void **state)
{
	struct stat_asked stat;
	char node[GRAPHITE_NODE_SIZE];

	(void)state;
	assert_true(graphite_node_read(slice_text("p99_9"), &stat));
	assert_string_equal(stat.name, "p99.9");
	assert_string_equal(graphite_node(&stat, node), "p99_9");
	assert_true(graphite_node_read(slice_text("mean"), &stat));
	assert_string_equal(graphite_node(&stat, node), "average");
	assert_false(graphite_node_read(slice_text("p99_9_9"), &stat));
	assert_false(graphite_node_read(slice_text(""), &stat));
	assert_false(graphite_node_read(slice_text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
					&stat));
}

static void a_glob_is_of_one_node(void **state)
{
	static struct glob glob;

	(void)state;
	assert_null(glob_compile_path(&glob, slice_text("a.*.[!b]?")));
	assert_true(glob_match(&glob, slice_text("a.xyz.cd")));
	assert_true(glob_match(&glob, slice_text("a..cd")));
	assert_false(glob_match(&glob, slice_text("a.x.y.cd")));
	assert_false(glob_match(&glob, slice_text("a.x.c.")));
	assert_false(glob_match(&glob, slice_text("a.x..c")));
	/* One of more than a word of states. */
	assert_null(glob_compile_path(&glob, slice_text("*.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
							"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa.*")));
	assert_true(glob_match(&glob, slice_text("xx.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
						 "aaaaaaaaaaaaaaaaaaaaaaaa.y")));
	assert_false(glob_match(&glob, slice_text("x.x.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
						  "aaaaaaaaaaaaaaaaaaaaaaaaaa.y")));
}

static void a_set_keeps_the_first_texts_each_once(void **state)
{
	static const char *const added[] = { "m", "c", "x", "a", "m", "b", "a", "z" };
	struct textset set;
	size_t i;

	(void)state;
	textset_init(&set, 3);
	for (i = 0; i < sizeof(added) / sizeof(*added); i++)
		assert_int_equal(textset_add(&set, slice_text(added[i]), 1u << i), 0);
	assert_int_equal(set.count, 3);
	assert_true(slice_equal(textset_at(&set, 0), slice_text("a")));
	assert_true(slice_equal(textset_at(&set, 1), slice_text("b")));
	assert_true(slice_equal(textset_at(&set, 2), slice_text("c")));
	assert_int_equal(set.list[0].marks, 1u << 3 | 1u << 6);
	textset_release(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(braces_are_written_out),
		cmocka_unit_test(braces_are_bounded),
		cmocka_unit_test(stats_are_nodes),
		cmocka_unit_test(a_glob_is_of_one_node),
		cmocka_unit_test(a_set_keeps_the_first_texts_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
