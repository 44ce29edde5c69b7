// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_line.c - any datagram through the line parser.
 *
 * Beside what the sanitizers see: a line counts whole or not at all, what is reported is
 * within its promises, each series is canonical, and a key typed as anything at all is
 * refused or becomes a series.
 */
#include "proto/line.h"

#include "proto/err.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A canonical series comes apart and is built again as the same bytes. */
static void check_series(struct slice series)
{
	static struct series parsed;
	uint8_t again[LIMIT_SERIES_BYTES];
	size_t size = 0;
	int r = series_parse(series, &parsed);

	assert(r == 0);
	r = series_build(parsed.name, parsed.tags, parsed.tag_count, again, &size);
	assert(r == 0 && slice_equal(series, slice_of(again, size)));
}

static void check_sample(void *arg, const struct line_sample *s)
{
	char number[JSON_NUMBER_SIZE];

	++*(int *)arg;
	check_series(s->series);
	assert(kind_known((int)s->kind));
	assert(s->rate > 0 && s->rate <= 1);
	assert(isfinite(s->value) && !(s->value == 0 && signbit(s->value)));
	assert(s->type != LINE_TIMER || s->value >= 0);
	assert((s->kind == KIND_SET) == (s->member.size > 0));
	assert(s->timestamp == LINE_NO_TIMESTAMP || s->timestamp >= 0);
	assert(json_format_number(s->value, number)[0] != '\0');
}

/* A plain line is for line_parse the same one sample. */
static void check_plain(struct line_parser *parser, struct slice text)
{
	struct slice rest = text, line;
	struct line_plain plain;
	int heard = 0;

	if (!line_take_plain(parser, &rest, &plain))
		return;
	assert(line_split(&text, &line) && slice_equal(line, plain.line));
	assert(rest.ptr == text.ptr && rest.size == text.size);
	assert(line_parse(parser, line, check_sample, &heard) == 1 && heard == 1);
}

static void check_datagram(const struct line_options *options, struct slice datagram)
{
	static struct line_parser parser;
	struct slice line;

	line_parser_init(&parser, options);
	for (check_plain(&parser, datagram); line_split(&datagram, &line);
	     check_plain(&parser, datagram)) {
		int heard = 0;
		int r = line_parse(&parser, line, check_sample, &heard);

		assert(heard == (r < 0 ? 0 : r));
		assert(r >= ERR_SERVICE_CHECK);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct series_tag tag = { slice_text("host"), slice_text("a;b") };
	const struct line_options options = { .gauge_signed_sets = true,
					      .sanitize_statsd = true,
					      .add_tags = &tag,
					      .add_tag_count = 1 };
	uint8_t key[LIMIT_SERIES_BYTES];
	size_t key_size;

	if (size > LIMIT_DATAGRAM_BYTES)
		return 0;
	check_datagram(NULL, slice_of(data, size));
	check_datagram(&options, slice_of(data, size));
	if (series_from_key(slice_of(data, size), key, &key_size) == 0)
		check_series(slice_of(key, key_size));
	return 0;
}
