// SPDX-License-Identifier: Apache-2.0
/* Lines that have been damaged, and those that need no thought. */
#include "proto/line.h"

#include "proto/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

/* The one sample of a line. */
static void hear_one(void *arg, const struct line_sample *sample)
{
	*(struct line_sample *)arg = *sample;
}

/* What is taken as a plain line is for line_parse the very same one sample. Returns whether it was. */
static bool plain_is_what_parse_says(struct line_parser *parser, struct slice text)
{
	struct slice rest = text, line, after = text;
	struct line_sample sample = { .rate = 0 };
	struct line_plain plain;

	if (!line_take_plain(parser, &rest, &plain)) {
		assert_ptr_equal(rest.ptr, text.ptr);
		return false;
	}
	assert_true(line_split(&after, &line));
	assert_true(slice_equal(plain.line, line));
	assert_ptr_equal(rest.ptr, after.ptr);
	assert_int_equal(rest.size, after.size);
	assert_int_equal(line_parse(parser, line, hear_one, &sample), 1);
	assert_true(slice_equal(plain.series, sample.series));
	assert_true(plain.value == sample.value);
	assert_int_equal(plain.type, sample.type);
	assert_int_equal(plain.kind, sample.kind);
	assert_true(sample.rate == 1 && sample.timestamp == LINE_NO_TIMESTAMP && !sample.gauge_delta);
	return true;
}

static void plain_lines_are_taken_off_a_text(void **state)
{
	static const char *const plain[] = { "a:1|c", "a:1234567|ms\nb:2|c", "a:12345678|c\n", "a:0.5|g\n",
					     "a:7|ms\n\n", "a:00|h\n:1|c", "a:123456789012345|d" };
	static const char *const other[] = { "", "\n", "a:1|c|@0.5", "a:1|s", "_e:1|c", "a:1|c\r\n", "a:-1|g",
					     "a;b=c:1|c", "a:1|", "a:|c", "a:1", "a:1|msx", "a:1|cc\n",
					     "a:1234567", "a:1\n|c\n1:2|c" };
	struct line_parser *parser = malloc(sizeof(*parser));

	(void)state;
	assert_non_null(parser);
	line_parser_init(parser, NULL);
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		assert_true(plain_is_what_parse_says(parser, slice_text(plain[i])));
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		assert_false(plain_is_what_parse_says(parser, slice_text(other[i])));
	free(parser);
}

static void mutated_plain_lines_are_what_parse_says(void **state)
{
	static const char *const texts[] = { "name:123|ms\nb:1|c", "a.b:1234567|c\na.b:12345678|c\n",
					     "x:1.25|g\n", "bench.service.key.000001:999|h\ny:0|d" };
	struct line_parser *parser = malloc(sizeof(*parser));
	uint64_t seed = 20261121;
	int taken = 0;

	(void)state;
	assert_non_null(parser);
	line_parser_init(parser, NULL);
	for (int i = 0; i < 100000; i++) {
		const char *text = texts[(size_t)i % (sizeof(texts) / sizeof(texts[0]))];
		uint8_t bytes[80];
		size_t size = strlen(text);
		uint8_t *copy;

		memcpy(bytes, text, size);
		size = mutate(bytes, size, &seed);
		copy = malloc(size ? size : 1);
		assert_non_null(copy);
		memcpy(copy, bytes, size);
		taken += plain_is_what_parse_says(parser, slice_of(copy, size));
		free(copy);
	}
	assert_in_range(taken, 5000, 95000);
	free(parser);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutated_lines_are_refused_whole_or_reported_canonical),
		cmocka_unit_test(plain_lines_are_taken_off_a_text),
		cmocka_unit_test(mutated_plain_lines_are_what_parse_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
