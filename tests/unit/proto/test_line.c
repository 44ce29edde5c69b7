// SPDX-License-Identifier: Apache-2.0
#include "proto/line.h"

#include "proto/err.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Samples as a person would write them down: `series type value[ @rate][ delta][ T...]`,
 * one after the other with `, ` between. */
struct heard {
	char text[4096];
	size_t size;
	int count;
	enum kind kind; /* of the last */
};

static void hear_text(struct heard *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void hear_text(struct heard *h, const char *format, ...)
{
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(h->text + h->size, sizeof(h->text) - h->size, format, args);
	va_end(args);
	assert_true(size >= 0 && (size_t)size < sizeof(h->text) - h->size);
	h->size += (size_t)size;
}

static void hear(void *arg, const struct line_sample *s)
{
	struct heard *h = arg;
	char number[JSON_NUMBER_SIZE];

	h->kind = s->kind;
	hear_text(h, "%s%.*s %s ", h->count++ ? ", " : "", (int)s->series.size,
		  (const char *)s->series.ptr, line_type_text(s->type));
	if (s->kind == KIND_SET)
		hear_text(h, "'%.*s'", (int)s->member.size, (const char *)s->member.ptr);
	else
		hear_text(h, "%s", json_format_number(s->value, number));
	if (s->rate < 1)
		hear_text(h, " @%s", json_format_number(s->rate, number));
	if (s->gauge_delta)
		hear_text(h, " delta");
	if (s->timestamp != LINE_NO_TIMESTAMP)
		hear_text(h, " T%lld", (long long)s->timestamp);
}

/* Parses a copy of the line on the heap, of its exact size, so that the address sanitizer
 * sees any read past its end; checks that the count is told right, and all or nothing. */
static int parse(const struct line_options *options, struct slice line, struct heard *h)
{
	struct line_parser *parser = malloc(sizeof(*parser));
	uint8_t *copy = malloc(line.size ? line.size : 1);
	int r;

	assert_non_null(parser);
	assert_non_null(copy);
	if (line.size > 0)
		memcpy(copy, line.ptr, line.size);
	line_parser_init(parser, options);
	*h = (struct heard){ .text = "" };
	r = line_parse(parser, slice_of(copy, line.size), hear, h);
	assert_int_equal(h->count, r < 0 ? 0 : r);
	free(copy);
	free(parser);
	return r;
}

static void expect_with(const struct line_options *options, const char *line,
			const char *samples)
{
	struct heard h;
	int r = parse(options, slice_text(line), &h);

	if (r < 0)
		print_error("%s: %s\n", line, err_name(r));
	assert_string_equal(h.text, samples);
	assert_true(r >= 0);
}

static void expect(const char *line, const char *samples)
{
	expect_with(NULL, line, samples);
}

static void refuse(const char *line, int reason)
{
	struct heard h;
	int r = parse(NULL, slice_text(line), &h);

	if (r != reason)
		print_error("%s: %s, not %s\n", line, r < 0 ? err_name(r) : h.text,
			    err_name(reason));
	assert_int_equal(r, reason);
}

static void every_type_is_read(void **state)
{
	(void)state;
	expect("a:1|c", "a c 1");
	expect("a:1|g", "a g 1");
	expect("a:1|ms", "a ms 1");
	expect("a:1|h", "a h 1");
	expect("a:1|d", "a d 1");
	expect("a:1|m", "a m 1");
	expect("a:1|s", "a s '1'");
	expect("a:0|ms", "a ms 0");
	expect("a:-1|h", "a h -1");
	expect("a:-1.5|d", "a d -1.5");
	expect("a:-1|c", "a c -1");
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
		assert_int_equal(parse(NULL, slice_text(cases[i].line), &h), 1);
		assert_int_equal(h.kind, cases[i].kind);
	}
}

static void the_short_and_the_long_way_agree(void **state)
{
	static const char *const values[] = { "0",    "1",      "123",
					      "12.5", "0.001",  "999999999999999",
					      "1.",   ".5",     "1234567.7654321",
					      "0012", "000.10", "12345678901234.5" };
	static const char *const types[] = { "c", "g", "ms", "h", "d", "m" };

	(void)state;
	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
			char line[64];
			struct heard plain;
			struct heard careful;

			snprintf(line, sizeof(line), "name:%s|%s", values[v], types[t]);
			assert_int_equal(parse(NULL, slice_text(line), &plain), 1);
			snprintf(line, sizeof(line), "name:%s|%s|", values[v], types[t]);
			assert_int_equal(parse(NULL, slice_text(line), &careful), 1);
			assert_string_equal(plain.text, careful.text);
		}
	}
}

static void packed_values_are_samples_each(void **state)
{
	(void)state;
	expect("a:1:2:3|ms|@0.5", "a ms 1 @0.5, a ms 2 @0.5, a ms 3 @0.5");
	expect("a::1::2::|c", "a c 1, a c 2");
	expect("a:1:+2:-3|g", "a g 1, a g 2 delta, a g -3 delta");
	refuse("a:::|g", ERR_EMPTY_VALUE);
	refuse("a:1:x:3|d", ERR_BAD_VALUE);
	refuse("a:1:-2|ms", ERR_NEGATIVE_TIME);
}

static void the_old_multi_value_gives_each_its_own_type_and_rate(void **state)
{
	(void)state;
	expect("a:1|c:2|ms", "a c 1, a ms 2");
	expect("a:1|c:1|ms:2|s:1|g", "a c 1, a ms 1, a s '2', a g 1");
	expect("a:0|ms|@0.1:0|ms|:1|ms", "a ms 0 @0.1, a ms 0, a ms 1");
	expect("a:1|c:2|ms|@0.5|#k:v", "a;k=v c 1, a;k=v ms 2 @0.5");
	expect("a:x:y|s:1:2|c", "a s 'x:y', a c 1, a c 2");
	refuse("a:1|c:2", ERR_NO_TYPE);
	refuse("a:1|c:|c", ERR_EMPTY_VALUE);
	refuse("a:1|c:2|q", ERR_BAD_TYPE);
	refuse("a:1|ms|@0.1:x|ms", ERR_BAD_VALUE);
	refuse("a:1|ms|@0.1:", ERR_NO_TYPE);
	refuse("a:1|c:2|ms|@7", ERR_BAD_RATE);
}

static void a_signed_gauge_is_a_delta_unless_it_sets(void **state)
{
	const struct line_options sets = { .gauge_signed_sets = true };

	(void)state;
	expect("a:+3|g", "a g 3 delta");
	expect("a:-3|g", "a g -3 delta");
	expect("a:-0|g", "a g 0 delta");
	expect("a:+3|c", "a c 3");
	expect_with(&sets, "a:+3|g", "a g 3");
	expect_with(&sets, "a:-3|g", "a g -3");
}

static void a_rate_is_above_0_and_at_most_1(void **state)
{
	static const char *const bad[] = { "",    ".",   "0",    "-0",   "0.", "1.1", "-0.1",
					   "nan", "inf", "0.1 ", "0x.1", "1e", "2",   "1e-400",
					   "1.0000000000000003" };

	(void)state;
	expect("a:1|c|@0.1", "a c 1 @0.1");
	expect("a:1|c|@1", "a c 1");
	expect("a:1|g|@0.5", "a g 1 @0.5");
	expect("a:x|s|@.5", "a s 'x' @0.5");
	expect("a:1|c|@1e-3", "a c 1 @0.001");
	expect("a:1|c|@0.1|@0.2", "a c 1 @0.2");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char line[64];

		snprintf(line, sizeof(line), "a:1|c|@%s", bad[i]);
		refuse(line, ERR_BAD_RATE);
	}
}

static void a_timestamp_is_whole_seconds(void **state)
{
	(void)state;
	expect("a:1|c|T0", "a c 1 T0");
	expect("a:1|c|T1656581400", "a c 1 T1656581400");
	expect("a:1|c|T999999999999999", "a c 1 T999999999999999");
	expect("a:1:2|c|T5|#k:v", "a;k=v c 1 T5, a;k=v c 2 T5");
	expect("a:1|c|T5|T6", "a c 1 T6");
	refuse("a:1|c|T", ERR_BAD_TIMESTAMP);
	refuse("a:1|c|T-1", ERR_BAD_TIMESTAMP);
	refuse("a:1|c|T+1", ERR_BAD_TIMESTAMP);
	refuse("a:1|c|T1.5", ERR_BAD_TIMESTAMP);
	refuse("a:1|c|T1000000000000000", ERR_BAD_TIMESTAMP);
}

static void unknown_fields_are_ignored_but_not_those_that_change_the_count(void **state)
{
	(void)state;
	expect("a:1|c|", "a c 1");
	expect("a:1|c||||", "a c 1");
	expect("a:1|c|c:xyz|e:it-false|card:low|:|c|foo", "a c 1");
	expect("a:1|c|:x|c", "a c 1");
	expect("a:1|c|identity:5|version:2", "a c 1");
	expect("a:1|c|0.1.1", "a c 1");
	refuse("a:1|c|0.1", ERR_BAD_FIELD);
	refuse("a:1|c|5", ERR_BAD_FIELD);
	refuse("a:1|c|-1e3", ERR_BAD_FIELD);
	refuse("a:1|c|id:7", ERR_BAD_FIELD);
	refuse("a:1|c|#k:v|ver:7", ERR_BAD_FIELD);
	refuse("a:1|c|id:", ERR_BAD_FIELD);
}

static void tags_of_all_dialects_make_one_series(void **state)
{
	(void)state;
	expect("a:1|c|#k:v,b:c", "a;b=c;k=v c 1");
	expect("a,k=v,b=c:1|c", "a;b=c;k=v c 1");
	expect("a[k=v,b=c]:1|c", "a;b=c;k=v c 1");
	expect("a#k=v,b=c:1|c", "a;b=c;k=v c 1");
	expect("a;k=v;b=c:1|c", "a;b=c;k=v c 1");
	expect("a.[k=v]b:1|c", "a.b;k=v c 1");
	expect("a:1|c|#k:v,#b:c", "a;b=c;k=v c 1");
	expect("a:1|c|#k:v|#b:c", "a;b=c;k=v c 1");
	expect("a:1|c|#k:1,k:2,k", "a;k= c 1");
	expect("a:1|c|#bare,e:", "a;bare=;e= c 1");
	expect("a:1|c|#,,:v,", "a c 1");
	expect("a:1|c|#x=y:z;w", "a;x\\=y=z\\;w c 1");
	expect("a,url=/q?x=1&y=2:1|c", "a;url=/q?x=1&y=2 c 1");
	expect("a;k=1,2:1|c", "a;k=1,2 c 1");
	expect("a,k=[0]:1|c", "a;k=[0] c 1");
	expect("a\\b:1|c", "a\\\\b c 1");
	expect("a=b:1|c", "a=b c 1");
	expect("a,:1|c", "a c 1");
	expect("a,b:1|c", "a c 1");
	expect("a[]b:1|c", "ab c 1");
}

static void brackets_that_are_no_pair_belong_to_the_name(void **state)
{
	(void)state;
	expect("[k=v,a:1|c", "[k=v,a c 1");
	expect("k=v,b=c]a:1|c", "k=v,b=c]a c 1");
	expect("a]b[c:1|c", "a]b[c c 1");
}

static void tags_in_two_dialects_are_refused(void **state)
{
	(void)state;
	refuse("a[k=v]:1|c|#b:c", ERR_BAD_TAG);
	refuse("a,k=v:1|c|#b", ERR_BAD_TAG);
	refuse("a[k=v],b=c:1|c", ERR_BAD_TAG);
	expect("a,k=v:1|c|#", "a;k=v c 1");
	expect("a,:1|c|#k:v", "a;k=v c 1");
}

static void the_operators_tags_yield_to_the_lines(void **state)
{
	const struct series_tag tags[] = {
		{ slice_text("host"), slice_text("h1") },
		{ slice_text("dc"), slice_text("x") },
	};
	const struct line_options options = { .add_tags = tags, .add_tag_count = 2 };

	(void)state;
	expect_with(&options, "a:1|c", "a;dc=x;host=h1 c 1");
	expect_with(&options, "a:1|c|#host:h2", "a;dc=x;host=h2 c 1");
	expect_with(&options, "a 1", "a;dc=x;host=h1 plain 1");
	expect_with(&options, "a,k=v:1|c", "a;dc=x;host=h1;k=v c 1");
}

static void sanitizing_rewrites_names_as_statsd_does(void **state)
{
	const struct line_options options = { .sanitize_statsd = true };
	struct heard h;

	(void)state;
	expect_with(&options, "a  b/c$d:1|c", "a_b-cd c 1");
	expect_with(&options, "   foo   bar   :1|c", "_foo_bar_ c 1");
	expect_with(&options, "a.[k=v w]b c:1|c", "a.b_c;k=v w c 1");
	expect_with(&options, "a_B.0-9:1|c", "a_B.0-9 c 1");
	expect_with(&options, "\xc3\xa9x:1|c", "x c 1");
	assert_int_equal(parse(&options, slice_text("$$:1|c"), &h), ERR_BAD_NAME);
}

static void the_plain_message_is_a_distribution_sample(void **state)
{
	(void)state;
	expect("a 1.5", "a plain 1.5");
	expect("a,1.5", "a plain 1.5");
	expect("(a,-1.5)", "a plain -1.5");
	expect("(a(b),1)", "a(b) plain 1");
	expect("a;k=v 1", "a;k=v plain 1");
	refuse("a  1", ERR_NO_VALUE);
	refuse("a 1 ", ERR_NO_VALUE);
	refuse("a b 1", ERR_NO_VALUE);
	refuse("a,b,1", ERR_NO_VALUE);
	refuse("a,b 1", ERR_NO_VALUE);
	refuse("(a, 1)", ERR_NO_VALUE);
	refuse("(a 1)", ERR_NO_VALUE);
	refuse("(a,1", ERR_NO_VALUE);
	refuse("a,1)", ERR_NO_VALUE);
	refuse("(", ERR_NO_VALUE);
	refuse("()", ERR_NO_VALUE);
	refuse("a x", ERR_BAD_VALUE);
	refuse("a,", ERR_EMPTY_VALUE);
	refuse(",1", ERR_BAD_NAME);
	refuse("a", ERR_NO_VALUE);
}

static void events_and_checks_are_told_from_metrics(void **state)
{
	(void)state;
	refuse("_e{5,4}:title|text", ERR_EVENT);
	refuse("_e{", ERR_EVENT);
	refuse("_e{1,1}:\x01|\xff", ERR_EVENT);
	refuse("_sc|name|0", ERR_SERVICE_CHECK);
	expect("_e:1|c", "_e c 1");
	expect("_schema:1|c", "_schema c 1");
	expect("_sc:1|c", "_sc c 1");
	expect("_:1|c", "_ c 1");
	refuse("_scfoo|bar|0", ERR_NO_VALUE);
}

static void a_set_member_is_one_text(void **state)
{
	(void)state;
	expect("a:user:1|s", "a s 'user:1'");
	expect("a:::|s", "a s '::'");
	expect("a:+1|s", "a s '+1'");
	expect("a: |s", "a s ' '");
	refuse("a:|s", ERR_EMPTY_VALUE);
}

static void blank_lines_are_free(void **state)
{
	(void)state;
	expect("", "");
	expect("\r", "");
	expect("  \t", "");
	expect("a:1|c\r", "a c 1");
	expect("a:1|c|#k:v\r", "a;k=v c 1");
	refuse("a:1|c\r\r", ERR_BAD_BYTES);
	refuse("\ra:1|c", ERR_BAD_BYTES);
}

static void each_reason_for_refusing_a_line_is_reached(void **state)
{
	(void)state;
	refuse(":1|c", ERR_BAD_NAME);
	refuse(":", ERR_BAD_NAME);
	refuse("[k=v]:1|c", ERR_BAD_NAME);
	refuse("a:x|c", ERR_BAD_VALUE);
	refuse("a:1e999|c", ERR_BAD_VALUE);
	refuse("a:|c", ERR_EMPTY_VALUE);
	refuse("a|c", ERR_NO_VALUE);
	refuse("a|c:1", ERR_NO_VALUE);
	refuse("a:1", ERR_NO_TYPE);
	refuse("a:1|", ERR_BAD_TYPE);
	refuse("a:1|C", ERR_BAD_TYPE);
	refuse("a:1|msx", ERR_BAD_TYPE);
	refuse("a:1|c|@2", ERR_BAD_RATE);
	refuse("a,k=v:1|c|#b", ERR_BAD_TAG);
	refuse("a:1|c|Tx", ERR_BAD_TIMESTAMP);
	refuse("a:1|c|0.1", ERR_BAD_FIELD);
	refuse("a\x01:1|c", ERR_BAD_BYTES);
	refuse("a\x7f:1|c", ERR_BAD_BYTES);
	refuse("a\xe9:1|c", ERR_BAD_BYTES);
	refuse("a:1|c|#k:\x1b", ERR_BAD_BYTES);
	refuse("a:1|c|x\xff", ERR_BAD_BYTES);
	refuse("a:-1|ms", ERR_NEGATIVE_TIME);
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

/* SplitMix64, seeded: a failure comes back. */
static uint64_t random_next(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Changes, drops or doubles a few bytes of a line of size <= 60; at most 4 bytes are added. */
static size_t mutate(uint8_t *line, size_t size, uint64_t *seed)
{
	static const char bytes[] = ":|@#T,;=[]()\\ .-+019emscgdh_\n\r\x01\x80\xc3\xff";

	for (uint64_t i = random_next(seed) % 4; i > 0 && size > 0; i--) {
		size_t at = random_next(seed) % size;
		uint8_t byte = (uint8_t)bytes[random_next(seed) % sizeof(bytes)];

		switch (random_next(seed) % 4) {
		case 0:
			memmove(line + at, line + at + 1, size - at - 1);
			size--;
			break;
		case 1:
			memmove(line + at + 1, line + at, size - at);
			size++;
			break;
		case 2:
			size = at;
			break;
		default:
			line[at] = byte;
			break;
		}
	}
	return size;
}

static void hear_canonical(void *arg, const struct line_sample *s)
{
	static struct series series;
	uint8_t again[LIMIT_SERIES_BYTES];
	size_t size;

	++*(int *)arg;
	assert_int_equal(series_parse(s->series, &series), 0);
	assert_int_equal(series_build(series.name, series.tags, series.tag_count, again, &size), 0);
	assert_true(slice_equal(s->series, slice_of(again, size)));
	assert_true(s->rate > 0 && s->rate <= 1);
	assert_true(s->value - s->value == 0);
	assert_true((s->kind == KIND_SET) == (s->member.size > 0));
}

static void mutated_lines_are_refused_whole_or_reported_canonical(void **state)
{
	static const char *const lines[] = {
		"name:123|ms",
		"name:1.5:2:3|d|@0.25|#k:v,b|T1656581400|c:x",
		"a:1|c:2|ms|@0.5:3|g",
		"a.[k=v,b=c]d:+1|g|#",
		"a;k=v;b=c:user:1|s",
		"(name,12.5)",
		"a#k=v:4.6968460083008E-5|h|e:x|card:low",
		"_e{1,1}:a|b",
		"caf\xc3\xa9\\:1|c|#\xe6\xb5\x8b:x\\;",
	};
	uint64_t seed = 20261120;
	struct line_parser *parser = malloc(sizeof(*parser));
	int accepted = 0;

	(void)state;
	assert_non_null(parser);
	line_parser_init(parser, NULL);
	for (int i = 0; i < 100000; i++) {
		const char *line = lines[(size_t)i % (sizeof(lines) / sizeof(lines[0]))];
		uint8_t bytes[80];
		size_t size = strlen(line);
		uint8_t *copy;
		int heard = 0;
		int r;

		memcpy(bytes, line, size);
		size = mutate(bytes, size, &seed);
		/* Of its exact size, so that a read past the end is seen. */
		copy = malloc(size ? size : 1);
		assert_non_null(copy);
		memcpy(copy, bytes, size);
		r = line_parse(parser, slice_of(copy, size), hear_canonical, &heard);
		assert_int_equal(heard, r < 0 ? 0 : r);
		assert_true(r >= ERR_SERVICE_CHECK);
		accepted += r > 0;
		free(copy);
	}
	/* Both sides were seen. */
	assert_in_range(accepted, 20000, 80000);
	free(parser);
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
		cmocka_unit_test(tags_of_all_dialects_make_one_series),
		cmocka_unit_test(brackets_that_are_no_pair_belong_to_the_name),
		cmocka_unit_test(tags_in_two_dialects_are_refused),
		cmocka_unit_test(the_operators_tags_yield_to_the_lines),
		cmocka_unit_test(sanitizing_rewrites_names_as_statsd_does),
		cmocka_unit_test(the_plain_message_is_a_distribution_sample),
		cmocka_unit_test(events_and_checks_are_told_from_metrics),
		cmocka_unit_test(a_set_member_is_one_text),
		cmocka_unit_test(blank_lines_are_free),
		cmocka_unit_test(each_reason_for_refusing_a_line_is_reached),
		cmocka_unit_test(limits_are_met_and_not_passed),
		cmocka_unit_test(all_reasons_have_names),
		cmocka_unit_test(a_datagram_splits_at_newlines),
		cmocka_unit_test(mutated_lines_are_refused_whole_or_reported_canonical),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
