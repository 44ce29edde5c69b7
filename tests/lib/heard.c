// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/heard.h"

#include "proto/err.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

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

/* On the heap and of its exact size, so that the address sanitizer sees a read past it. */
int heard_parse(const struct line_options *options, struct slice line, struct heard *h)
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

void heard_expect_with(const struct line_options *options, const char *line, const char *samples)
{
	struct heard h;
	int r = heard_parse(options, slice_text(line), &h);

	if (r < 0)
		print_error("%s: %s\n", line, err_name(r));
	assert_string_equal(h.text, samples);
	assert_true(r >= 0);
}

void heard_expect(const char *line, const char *samples)
{
	heard_expect_with(NULL, line, samples);
}

void heard_refuse(const char *line, int reason)
{
	struct heard h;
	int r = heard_parse(NULL, slice_text(line), &h);

	if (r != reason)
		print_error("%s: %s, not %s\n", line, r < 0 ? err_name(r) : h.text,
			    err_name(reason));
	assert_int_equal(r, reason);
}
