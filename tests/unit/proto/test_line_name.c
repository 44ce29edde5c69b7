// SPDX-License-Identifier: Apache-2.0
#include "proto/line_name.h"

#include "proto/err.h"
#include "tests/lib/heard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void tags_of_all_dialects_make_one_series(void **state)
{
	(void)state;
	heard_expect("a:1|c|#k:v,b:c", "a;b=c;k=v c 1");
	heard_expect("a,k=v,b=c:1|c", "a;b=c;k=v c 1");
	heard_expect("a[k=v,b=c]:1|c", "a;b=c;k=v c 1");
	heard_expect("a#k=v,b=c:1|c", "a;b=c;k=v c 1");
	heard_expect("a;k=v;b=c:1|c", "a;b=c;k=v c 1");
	heard_expect("a.[k=v]b:1|c", "a.b;k=v c 1");
	heard_expect("a:1|c|#k:v,#b:c", "a;b=c;k=v c 1");
	heard_expect("a:1|c|#k:v|#b:c", "a;b=c;k=v c 1");
	heard_expect("a:1|c|#k:1,k:2,k", "a;k= c 1");
	heard_expect("a:1|c|#bare,e:", "a;bare=;e= c 1");
	heard_expect("a:1|c|#,,:v,", "a c 1");
	heard_expect("a:1|c|#x=y:z;w", "a;x\\=y=z\\;w c 1");
	heard_expect("a,url=/q?x=1&y=2:1|c", "a;url=/q?x=1&y=2 c 1");
	heard_expect("a;k=1,2:1|c", "a;k=1,2 c 1");
	heard_expect("a,k=[0]:1|c", "a;k=[0] c 1");
	heard_expect("a\\b:1|c", "a\\\\b c 1");
	heard_expect("a=b:1|c", "a=b c 1");
	heard_expect("a,:1|c", "a c 1");
	heard_expect("a,b:1|c", "a c 1");
	heard_expect("a[]b:1|c", "ab c 1");
}

static void brackets_that_are_no_pair_belong_to_the_name(void **state)
{
	(void)state;
	heard_expect("[k=v,a:1|c", "[k=v,a c 1");
	heard_expect("k=v,b=c]a:1|c", "k=v,b=c]a c 1");
	heard_expect("a]b[c:1|c", "a]b[c c 1");
}

static void tags_in_two_dialects_are_refused(void **state)
{
	(void)state;
	heard_refuse("a[k=v]:1|c|#b:c", ERR_BAD_TAG);
	heard_refuse("a,k=v:1|c|#b", ERR_BAD_TAG);
	heard_refuse("a[k=v],b=c:1|c", ERR_BAD_TAG);
	heard_expect("a,k=v:1|c|#", "a;k=v c 1");
	heard_expect("a,:1|c|#k:v", "a;k=v c 1");
}

static void the_operators_tags_yield_to_the_lines(void **state)
{
	const struct series_tag tags[] = {
		{ slice_text("host"), slice_text("h1") },
		{ slice_text("dc"), slice_text("x") },
	};
	const struct line_options options = { .add_tags = tags, .add_tag_count = 2 };

	(void)state;
	heard_expect_with(&options, "a:1|c", "a;dc=x;host=h1 c 1");
	heard_expect_with(&options, "a:1|c|#host:h2", "a;dc=x;host=h2 c 1");
	heard_expect_with(&options, "a 1", "a;dc=x;host=h1 plain 1");
	heard_expect_with(&options, "a,k=v:1|c", "a;dc=x;host=h1;k=v c 1");
}

static void sanitizing_rewrites_names_as_statsd_does(void **state)
{
	const struct line_options options = { .sanitize_statsd = true };
	struct heard h;

	(void)state;
	heard_expect_with(&options, "a  b/c$d:1|c", "a_b-cd c 1");
	heard_expect_with(&options, "   foo   bar   :1|c", "_foo_bar_ c 1");
	heard_expect_with(&options, "a.[k=v w]b c:1|c", "a.b_c;k=v w c 1");
	heard_expect_with(&options, "a_B.0-9:1|c", "a_B.0-9 c 1");
	heard_expect_with(&options, "\xc3\xa9x:1|c", "x c 1");
	assert_int_equal(heard_parse(&options, slice_text("$$:1|c"), &h), ERR_BAD_NAME);
}

static void an_agent_may_take_less_than_the_format(void **state)
{
	const struct series_tag tags[] = { { slice_text("host"), slice_text("h1") } };
	const struct line_options few = { .max_tags = 2, .add_tags = tags, .add_tag_count = 1 };
	const struct line_options brief = { .max_series_bytes = 8 };
	struct heard h;

	(void)state;
	heard_expect_with(&few, "a:1|c|#k:v", "a;host=h1;k=v c 1");
	assert_int_equal(heard_parse(&few, slice_text("a:1|c|#k:v,l:w"), &h), ERR_TOO_MANY_TAGS);
	heard_expect_with(&few, "a:1|c|#k:v,host:x", "a;host=x;k=v c 1");
	heard_expect_with(&brief, "abcdefgh:1|c", "abcdefgh c 1");
	assert_int_equal(heard_parse(&brief, slice_text("abcdefghi:1|c"), &h), ERR_NAME_TOO_LONG);
	assert_int_equal(heard_parse(&brief, slice_text("abcdefghi 1"), &h), ERR_NAME_TOO_LONG);
	heard_expect_with(&brief, "abcd,k=v:1|c", "abcd;k=v c 1");
	assert_int_equal(heard_parse(&brief, slice_text("abcde,k=v:1|c"), &h),
			 ERR_SERIES_TOO_LONG);
	assert_int_equal(heard_parse(&brief, slice_text("a:123456789|s"), &h),
			 ERR_MEMBER_TOO_LONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_of_all_dialects_make_one_series),
		cmocka_unit_test(brackets_that_are_no_pair_belong_to_the_name),
		cmocka_unit_test(tags_in_two_dialects_are_refused),
		cmocka_unit_test(the_operators_tags_yield_to_the_lines),
		cmocka_unit_test(sanitizing_rewrites_names_as_statsd_does),
		cmocka_unit_test(an_agent_may_take_less_than_the_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
