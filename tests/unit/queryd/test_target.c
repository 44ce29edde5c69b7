// SPDX-License-Identifier: Apache-2.0
#include "queryd/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct target target;

static const struct target_node *parse(const char *text)
{
	assert_null(target_parse(&target, slice_text(text)));
	return &target.nodes[0];
}

static void assert_text(struct slice have, const char *want)
{
	assert_int_equal(have.size, strlen(want));
	assert_memory_equal(have.ptr, want, have.size);
}

static void paths_stand_as_they_are(void **state)
{
	static const char *const paths[] = {
		"a", "a.b.p99_9", "a.{b,c}.*", "{a.b,c{d,e}}.max", "a.[bc]?.max",
		"checkout.latency.median;host=a.b", "a-b:c%d", "123.median", "a.b.", "1e", "-",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		assert_int_equal(parse(paths[i])->type, TARGET_PATH);
		assert_text(target.nodes[0].text, paths[i]);
	}
}

static void what_grafana_sends_is_taken_apart(void **state)
{
	const struct target_node *root =
		parse("aliasSub(sumSeries(a.{b,c}.max, d.*.max),\"(^.*$)\",\"\\1 A\")");
	const struct target_node *arg = root->args;

	(void)state;
	assert_int_equal(root->type, TARGET_CALL);
	assert_text(root->text, "aliasSub");
	assert_int_equal(arg->type, TARGET_CALL);
	assert_text(arg->text, "sumSeries");
	assert_text(arg->source, "sumSeries(a.{b,c}.max, d.*.max)");
	assert_text(arg->args->text, "a.{b,c}.max");
	assert_text(arg->args->next->text, "d.*.max");
	assert_null(arg->args->next->next);
	assert_text(arg->next->text, "(^.*$)");
	assert_int_equal(arg->next->type, TARGET_STRING);
	assert_text(arg->next->next->text, "\\1 A");
	assert_null(arg->next->next->next);
}

static void arguments_are_of_their_types(void **state)
{
	const struct target_node *arg = parse("f( -1.5e3 ,true,FALSE,'a\"b',x=2,\"\")")->args;

	(void)state;
	assert_int_equal(arg->type, TARGET_NUMBER);
	assert_true(arg->number == -1500);
	arg = arg->next;
	assert_int_equal(arg->type, TARGET_BOOL);
	assert_true(arg->number == 1);
	arg = arg->next;
	assert_true(arg->number == 0);
	arg = arg->next;
	assert_text(arg->text, "a\"b");
	arg = arg->next;
	assert_text(arg->keyword, "x");
	assert_int_equal(arg->type, TARGET_NUMBER);
	arg = arg->next;
	assert_int_equal(arg->type, TARGET_STRING);
	assert_int_equal(arg->text.size, 0);
	assert_null(parse("f()")->args);
	assert_null(parse("f( )")->args);
	assert_text(parse("'a\\'b'")->text, "a\\'b");
}

static void what_is_no_target_is_refused(void **state)
{
	static const char *const cases[] = {
		"", " ", "f(", "f(a", "f(a,", "f(a,)", "f(,a)", "f(a b)", "f(a))", "a)", "a b", "'a",
		"\"a\\\"", "f(a)b", "(a)", "a|b", "f(a)|g()", "\x01", "a\xff", ",", "a,b", "f(x=)", "f(x=,b)",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (!target_parse(&target, slice_text(cases[i])))
			fail_msg("taken: %s", cases[i]);
	}
}

static void depth_and_size_are_bounded(void **state)
{
	static char text[TARGET_BYTES + 2];
	size_t i, at = 0;

	(void)state;
	for (i = 0; i < TARGET_DEPTH; i++)
		at += (size_t)sprintf(text + at, "f(");
	at += (size_t)sprintf(text + at, "a");
	for (i = 0; i < TARGET_DEPTH; i++)
		at += (size_t)sprintf(text + at, ")");
	assert_null(target_parse(&target, slice_of(text, at)));
	memmove(text + 2, text, at);
	memcpy(text, "f(", 2);
	text[at + 2] = ')';
	assert_non_null(strstr(target_parse(&target, slice_of(text, at + 3)), "deep"));
	at = (size_t)sprintf(text, "f(a");
	for (i = 2; i < TARGET_NODES; i++)
		at += (size_t)sprintf(text + at, ",a");
	text[at] = ')';
	assert_null(target_parse(&target, slice_of(text, at + 1)));
	memcpy(text + at, ",a)", 3);
	assert_non_null(strstr(target_parse(&target, slice_of(text, at + 3)), "512"));
	memset(text, 'a', sizeof(text));
	assert_null(target_parse(&target, slice_of(text, TARGET_BYTES)));
	assert_non_null(target_parse(&target, slice_of(text, TARGET_BYTES + 1)));
	memset(text, '(', sizeof(text));
	assert_non_null(target_parse(&target, slice_of(text, TARGET_BYTES)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_stand_as_they_are),
		cmocka_unit_test(what_grafana_sends_is_taken_apart),
		cmocka_unit_test(arguments_are_of_their_types),
		cmocka_unit_test(what_is_no_target_is_refused),
		cmocka_unit_test(depth_and_size_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
