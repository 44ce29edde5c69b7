// SPDX-License-Identifier: Apache-2.0
#include "proto/line.h"

#include "proto/buf.h"
#include "proto/err.h"
#include "tests/lib/heard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void every_type_is_read(void **state)
{
	(void)state;
	heard_expect("a:1|c", "a c 1");
	heard_expect("a:1|g", "a g 1");
	heard_expect("a:1|ms", "a ms 1");
	heard_expect("a:1|h", "a h 1");
	heard_expect("a:1|d", "a d 1");
	heard_expect("a:1|m", "a m 1");
	heard_expect("a:1|s", "a s '1'");
	heard_expect("a:0|ms", "a ms 0");
	heard_expect("a:-1|h", "a h -1");
	heard_expect("a:-1.5|d", "a d -1.5");
	heard_expect("a:-1|c", "a c -1");
}

static void kinds_follow_from_types(void **state)
{
	static const struct {
		const char *line;
		enum kind kind;
	} cases[] = {
		{ "a:1|c", KIND_COUNTER },      { "a:1|m", KIND_COUNTER },
		{ "a:1|ms", KIND_DISTRIBUTION }, { "a:1|h|@1", KIND_DISTRIBUTION },
		{ "a:1|d", KIND_DISTRIBUTION },  { "a 1", KIND_DISTRIBUTION },
		{ "a:1|g", KIND_GAUGE },         { "a:1|s", KIND_SET },
	};
	struct heard h;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(heard_parse(NULL, slice_text(cases[i].line), &h), 1);
		assert_int_equal(h.kind, cases[i].kind);
	}
}

static void the_short_and_the_long_way_agree(void **state)
{
	static const char *const values[] = { "0",    "1",      "123",
					      "12.5", "0.001",  "999999999999999",
					      "1.",   ".5",     "1234567.7654321",
					      "0012", "000.10", "12345678901234.5",
					      "0.12345678901234567", "1234567890123456789",
					      "123456789012345678901234" };
	static const char *const types[] = { "c", "g", "ms", "h", "d", "m" };

	(void)state;
	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
			char line[64];
			struct heard plain;
			struct heard careful;

			snprintf(line, sizeof(line), "name:%s|%s", values[v], types[t]);
			assert_int_equal(heard_parse(NULL, slice_text(line), &plain), 1);
			snprintf(line, sizeof(line), "name:%s|%s|", values[v], types[t]);
			assert_int_equal(heard_parse(NULL, slice_text(line), &careful), 1);
			assert_string_equal(plain.text, careful.text);
		}
	}
}

static void packed_values_are_samples_each(void **state)
{
	(void)state;
	heard_expect("a:1:2:3|ms|@0.5", "a ms 1 @0.5, a ms 2 @0.5, a ms 3 @0.5");
	heard_expect("a::1::2::|c", "a c 1, a c 2");
	heard_expect("a:1:+2:-3|g", "a g 1, a g 2 delta, a g -3 delta");
	heard_refuse("a:::|g", ERR_EMPTY_VALUE);
	heard_refuse("a:1:x:3|d", ERR_BAD_VALUE);
	heard_refuse("a:1:-2|ms", ERR_NEGATIVE_TIME);
}

static void the_old_multi_value_gives_each_its_own_type_and_rate(void **state)
{
	(void)state;
	heard_expect("a:1|c:2|ms", "a c 1, a ms 2");
	heard_expect("a:1|c:1|ms:2|s:1|g", "a c 1, a ms 1, a s '2', a g 1");
	heard_expect("a:0|ms|@0.1:0|ms|:1|ms", "a ms 0 @0.1, a ms 0, a ms 1");
	heard_expect("a:1|c:2|ms|@0.5|#k:v", "a;k=v c 1, a;k=v ms 2 @0.5");
	heard_expect("a:x:y|s:1:2|c", "a s 'x:y', a c 1, a c 2");
	heard_refuse("a:1|c:2", ERR_NO_TYPE);
	heard_refuse("a:1|c:|c", ERR_EMPTY_VALUE);
	heard_refuse("a:1|c:2|q", ERR_BAD_TYPE);
	heard_refuse("a:1|ms|@0.1:x|ms", ERR_BAD_VALUE);
	heard_refuse("a:1|ms|@0.1:", ERR_NO_TYPE);
	heard_refuse("a:1|c:2|ms|@7", ERR_BAD_RATE);
}

static void a_signed_gauge_is_a_delta_unless_it_sets(void **state)
{
	const struct line_options sets = { .gauge_signed_sets = true };

	(void)state;
	heard_expect("a:+3|g", "a g 3 delta");
	heard_expect("a:-3|g", "a g -3 delta");
	heard_expect("a:-0|g", "a g 0 delta");
	heard_expect("a:+3|c", "a c 3");
	heard_expect_with(&sets, "a:+3|g", "a g 3");
	heard_expect_with(&sets, "a:-3|g", "a g -3");
}

static void a_rate_is_above_0_and_at_most_1(void **state)
{
	static const char *const bad[] = { "",    ".",   "0",    "-0",   "0.", "1.1", "-0.1",
					   "nan", "inf", "0.1 ", "0x.1", "1e", "2",   "1e-400",
					   "1.0000000000000003" };

	(void)state;
	heard_expect("a:1|c|@0.1", "a c 1 @0.1");
	heard_expect("a:1|c|@1", "a c 1");
	heard_expect("a:1|g|@0.5", "a g 1 @0.5");
	heard_expect("a:x|s|@.5", "a s 'x' @0.5");
	heard_expect("a:1|c|@1e-3", "a c 1 @0.001");
	heard_expect("a:1|c|@0.1|@0.2", "a c 1 @0.2");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char line[64];

		snprintf(line, sizeof(line), "a:1|c|@%s", bad[i]);
		heard_refuse(line, ERR_BAD_RATE);
	}
}

static void a_timestamp_is_whole_seconds(void **state)
{
	(void)state;
	heard_expect("a:1|c|T0", "a c 1 T0");
	heard_expect("a:1|c|T1656581400", "a c 1 T1656581400");
	heard_expect("a:1|c|T999999999999999", "a c 1 T999999999999999");
	heard_expect("a:1:2|c|T5|#k:v", "a;k=v c 1 T5, a;k=v c 2 T5");
	heard_expect("a:1|c|T5|T6", "a c 1 T6");
	heard_refuse("a:1|c|T", ERR_BAD_TIMESTAMP);
	heard_refuse("a:1|c|T-1", ERR_BAD_TIMESTAMP);
	heard_refuse("a:1|c|T+1", ERR_BAD_TIMESTAMP);
	heard_refuse("a:1|c|T1.5", ERR_BAD_TIMESTAMP);
	heard_refuse("a:1|c|T1000000000000000", ERR_BAD_TIMESTAMP);
}

static void unknown_fields_are_ignored_but_not_those_that_change_the_count(void **state)
{
	(void)state;
	heard_expect("a:1|c|", "a c 1");
	heard_expect("a:1|c||||", "a c 1");
	heard_expect("a:1|c|c:xyz|e:it-false|card:low|:|c|foo", "a c 1");
	heard_expect("a:1|c|:x|c", "a c 1");
	heard_expect("a:1|c|identity:5|version:2", "a c 1");
	heard_expect("a:1|c|0.1.1", "a c 1");
	heard_refuse("a:1|c|0.1", ERR_BAD_FIELD);
	heard_refuse("a:1|c|5", ERR_BAD_FIELD);
	heard_refuse("a:1|c|-1e3", ERR_BAD_FIELD);
	heard_refuse("a:1|c|id:7", ERR_BAD_FIELD);
	heard_refuse("a:1|c|#k:v|ver:7", ERR_BAD_FIELD);
	heard_refuse("a:1|c|id:", ERR_BAD_FIELD);
}

static void the_plain_message_is_a_distribution_sample(void **state)
{
	(void)state;
	heard_expect("a 1.5", "a plain 1.5");
	heard_expect("a,1.5", "a plain 1.5");
	heard_expect("(a,-1.5)", "a plain -1.5");
	heard_expect("(a(b),1)", "a(b) plain 1");
	heard_expect("a;k=v 1", "a;k=v plain 1");
	heard_refuse("a  1", ERR_NO_VALUE);
	heard_refuse("a 1 ", ERR_NO_VALUE);
	heard_refuse("a b 1", ERR_NO_VALUE);
	heard_refuse("a,b,1", ERR_NO_VALUE);
	heard_refuse("a,b 1", ERR_NO_VALUE);
	heard_refuse("(a, 1)", ERR_NO_VALUE);
	heard_refuse("(a 1)", ERR_NO_VALUE);
	heard_refuse("(a,1", ERR_NO_VALUE);
	heard_refuse("a,1)", ERR_NO_VALUE);
	heard_refuse("(", ERR_NO_VALUE);
	heard_refuse("()", ERR_NO_VALUE);
	heard_refuse("a x", ERR_BAD_VALUE);
	heard_refuse("a,", ERR_EMPTY_VALUE);
	heard_refuse(",1", ERR_BAD_NAME);
	heard_refuse("a", ERR_NO_VALUE);
}

static void events_and_checks_are_told_from_metrics(void **state)
{
	(void)state;
	heard_refuse("_e{5,4}:title|text", ERR_EVENT);
	heard_refuse("_e{", ERR_EVENT);
	heard_refuse("_e{}:1|c", ERR_EVENT);
	heard_refuse("_e{1,1}:\x01|\xff", ERR_EVENT);
	heard_refuse("_sc|name|0", ERR_SERVICE_CHECK);
	heard_expect("_e:1|c", "_e c 1");
	heard_expect("_schema:1|c", "_schema c 1");
	heard_expect("_sc:1|c", "_sc c 1");
	heard_expect("_:1|c", "_ c 1");
	heard_refuse("_scfoo|bar|0", ERR_NO_VALUE);
}

static void a_set_member_is_one_text(void **state)
{
	(void)state;
	heard_expect("a:user:1|s", "a s 'user:1'");
	heard_expect("a:::|s", "a s '::'");
	heard_expect("a:+1|s", "a s '+1'");
	heard_expect("a: |s", "a s ' '");
	heard_refuse("a:|s", ERR_EMPTY_VALUE);
}

static void blank_lines_are_free(void **state)
{
	(void)state;
	heard_expect("", "");
	heard_expect("\r", "");
	heard_expect("  \t", "");
	heard_expect("a:1|c\r", "a c 1");
	heard_expect("a:1|c|#k:v\r", "a;k=v c 1");
	heard_refuse("a:1|c\r\r", ERR_BAD_BYTES);
	heard_refuse("\ra:1|c", ERR_BAD_BYTES);
}

static void each_reason_for_refusing_a_line_is_reached(void **state)
{
	(void)state;
	heard_refuse(":1|c", ERR_BAD_NAME);
	heard_refuse(":", ERR_BAD_NAME);
	heard_refuse("[k=v]:1|c", ERR_BAD_NAME);
	heard_refuse("a:x|c", ERR_BAD_VALUE);
	heard_refuse("a:1e999|c", ERR_BAD_VALUE);
	heard_refuse("a:|c", ERR_EMPTY_VALUE);
	heard_refuse("a|c", ERR_NO_VALUE);
	heard_refuse("a|c:1", ERR_NO_VALUE);
	heard_refuse("a:1", ERR_NO_TYPE);
	heard_refuse("a:1|", ERR_BAD_TYPE);
	heard_refuse("a:1|C", ERR_BAD_TYPE);
	heard_refuse("a:1|msx", ERR_BAD_TYPE);
	heard_refuse("a:1|c|@2", ERR_BAD_RATE);
	heard_refuse("a,k=v:1|c|#b", ERR_BAD_TAG);
	heard_refuse("a:1|c|Tx", ERR_BAD_TIMESTAMP);
	heard_refuse("a:1|c|0.1", ERR_BAD_FIELD);
	heard_refuse("a\x01:1|c", ERR_BAD_BYTES);
	heard_refuse("a\x7f:1|c", ERR_BAD_BYTES);
	heard_refuse("a\xe9:1|c", ERR_BAD_BYTES);
	heard_refuse("a:1|c|#k:\x1b", ERR_BAD_BYTES);
	heard_refuse("a:1|c|x\xff", ERR_BAD_BYTES);
	heard_refuse("a:-1|ms", ERR_NEGATIVE_TIME);
}

static void hear_count(void *arg, const struct line_sample *s)
{
	(void)s;
	++*(int *)arg;
}

/* Parses `before`, then `count` times `fill`, then `after`. */
static int parse_long(const char *before, const char *fill, size_t count, const char *after)
{
	struct line_parser *parser = malloc(sizeof(*parser));
	struct buf line;
	int heard = 0;
	int r;

	assert_non_null(parser);
	buf_init(&line, 1 << 20);
	buf_put_text(&line, before);
	for (size_t i = 0; i < count; i++)
		buf_put_text(&line, fill);
	buf_put_text(&line, after);
	assert_int_equal(buf_status(&line), 0);
	line_parser_init(parser, NULL);
	r = line_parse(parser, buf_view(&line), hear_count, &heard);
	assert_int_equal(heard, r < 0 ? 0 : r);
	buf_release(&line);
	free(parser);
	return r;
}

static void limits_are_met_and_not_passed(void **state)
{
	(void)state;
	assert_int_equal(parse_long("", "n", LIMIT_NAME_BYTES, ":1|c"), 1);
	assert_int_equal(parse_long("", "n", LIMIT_NAME_BYTES + 1, ":1|c"), ERR_NAME_TOO_LONG);
	assert_int_equal(parse_long("", "n", LIMIT_NAME_BYTES + 1, ":1|c|"), ERR_NAME_TOO_LONG);
	assert_int_equal(parse_long("", "n", LIMIT_NAME_BYTES + 1, " 1"), ERR_NAME_TOO_LONG);
	assert_int_equal(parse_long("a[k=v]", "n", LIMIT_NAME_BYTES - 1, "x:1|c"),
			 ERR_NAME_TOO_LONG);
	assert_int_equal(parse_long("", "n", LIMIT_NAME_BYTES - 4, ":1|c|#k:v"), 1);
	assert_int_equal(parse_long("", "n", LIMIT_NAME_BYTES - 3, ":1|c|#k:v"),
			 ERR_SERIES_TOO_LONG);
	assert_int_equal(parse_long("", "\\", LIMIT_NAME_BYTES / 2, ":1|c"), 1);
	assert_int_equal(parse_long("", "\\", LIMIT_NAME_BYTES / 2 + 1, ":1|c"),
			 ERR_SERIES_TOO_LONG);
	assert_int_equal(parse_long("a:", "m", LIMIT_MEMBER_BYTES, "|s"), 1);
	assert_int_equal(parse_long("a:", "m", LIMIT_MEMBER_BYTES + 1, "|s"), ERR_MEMBER_TOO_LONG);
	assert_int_equal(parse_long("a:1|c|#", "k,", LIMIT_TAGS, ""), 1);
	assert_int_equal(parse_long("a:1|c|#", "k,", LIMIT_TAGS + 1, ""), ERR_TOO_MANY_TAGS);
	assert_int_equal(parse_long("a:", "1:", 30000, "|c"), 30000);
	assert_int_equal(parse_long("a:1|c", ":1|c", 1000, ""), 1001);
}

static void all_reasons_have_names(void **state)
{
	(void)state;
	for (int code = ERR_BAD_NAME; code >= ERR_SERVICE_CHECK; code--)
		assert_string_not_equal(err_name(code), "errno");
}

static void a_datagram_splits_at_newlines(void **state)
{
	static const struct {
		const char *datagram;
		const char *lines; /* each with a `.` after it */
	} cases[] = {
		{ "", "" },           { "a", "a." },      { "a\n", "a." },
		{ "a\nb", "a.b." },   { "\n\n", ".." },  { "a\r\nb\r\n", "a\r.b\r." },
		{ "\na\n\nb", ".a..b." },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice rest = slice_text(cases[i].datagram);
		struct slice line;
		char lines[32] = "";

		while (line_split(&rest, &line)) {
			strncat(lines, (const char *)line.ptr, line.size);
			strcat(lines, ".");
		}
		assert_string_equal(lines, cases[i].lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_read),
		cmocka_unit_test(kinds_follow_from_types),
		cmocka_unit_test(the_short_and_the_long_way_agree),
		cmocka_unit_test(packed_values_are_samples_each),
		cmocka_unit_test(the_old_multi_value_gives_each_its_own_type_and_rate),
		cmocka_unit_test(a_signed_gauge_is_a_delta_unless_it_sets),
		cmocka_unit_test(a_rate_is_above_0_and_at_most_1),
		cmocka_unit_test(a_timestamp_is_whole_seconds),
		cmocka_unit_test(unknown_fields_are_ignored_but_not_those_that_change_the_count),
		cmocka_unit_test(the_plain_message_is_a_distribution_sample),
		cmocka_unit_test(events_and_checks_are_told_from_metrics),
		cmocka_unit_test(a_set_member_is_one_text),
		cmocka_unit_test(blank_lines_are_free),
		cmocka_unit_test(each_reason_for_refusing_a_line_is_reached),
		cmocka_unit_test(limits_are_met_and_not_passed),
		cmocka_unit_test(all_reasons_have_names),
		cmocka_unit_test(a_datagram_splits_at_newlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
