// SPDX-License-Identifier: Apache-2.0
/*
 * Two ways to the same answer. line_take_plain reads the plainest line, `name:123|ms`, in one pass
 * from the left and gives up at the first byte that is anything else, having taken nothing; most
 * lines end there. line_parse does the rest: checks that all is text, cuts at the first colon, and
 * walks what follows twice - once to judge it, once to report - because nothing may be reported of
 * a line whose end is refused, and nothing is allocated to remember it. A line of one sample, as
 * nearly all are, is reported from the first walk.
 *
 * Whatever the short way takes, the long way must take alike (test_line_plain.c compares them).
 */
#include "proto/line.h"

#include "proto/err.h"
#include "proto/line_body.h"
#include "proto/line_name.h"
#include "proto/line_number.h"
#include "proto/line_scan.h"
#include "proto/utf8.h"

#include <assert.h>
#include <endian.h>

static_assert(LIMIT_NAME_BYTES == LIMIT_SERIES_BYTES && LIMIT_MEMBER_BYTES == LIMIT_SERIES_BYTES,
	      "max_series_bytes bounds all three");

/* Digits that a double holds whole, whatever they are: 10^15 < 2^53. */
#define LINE_SHORT_DIGITS 15

void line_parser_init(struct line_parser *p, const struct line_options *options)
{
	static const struct line_options defaults;
	const struct line_options *o = options ? options : &defaults;

	assert(o->add_tag_count <= LIMIT_TAGS);
	p->options = *o;
	if (o->max_tags == 0 || o->max_tags > LIMIT_TAGS)
		p->options.max_tags = LIMIT_TAGS;
	if (o->max_series_bytes == 0 || o->max_series_bytes > LIMIT_SERIES_BYTES)
		p->options.max_series_bytes = LIMIT_SERIES_BYTES;
	/* With tags to add no name is plain, and the short way is never taken. */
	for (unsigned byte = 0; byte < sizeof(p->plain); byte++)
		p->plain[byte] = o->add_tag_count == 0 && line_scan_usual((uint8_t)byte) &&
				 (!o->sanitize_statsd || line_name_kept((uint8_t)byte));
	p->usual = o->add_tag_count == 0 && !o->sanitize_statsd;
}

static enum kind line_kind(enum line_type type)
{
	switch (type) {
	case LINE_COUNTER:
	case LINE_METER:
		return KIND_COUNTER;
	case LINE_GAUGE:
		return KIND_GAUGE;
	case LINE_SET:
		return KIND_SET;
	default:
		return KIND_DISTRIBUTION;
	}
}

/* Reads `123` or `1.5` (at most 15 digits, no sign, no exponent) up to a `|`. Returns where
 * that stands, or NULL for anything else, which is not an error but work for others. */
static const uint8_t *line_short_number(const uint8_t *at, const uint8_t *end, double *value)
{
	const uint8_t *start = at;
	const uint8_t *point = NULL;
	uint64_t digits = 0;

	for (; at < end && *at != '|'; at++) {
		unsigned digit = (unsigned)*at - '0';

		if (digit <= 9)
			digits = digits * 10 + digit;
		else if (*at == '.' && point == NULL)
			point = at;
		else
			return NULL;
		if (at - start > LINE_SHORT_DIGITS - 1)
			return NULL;
	}
	if (at == end || at - start == (point != NULL))
		return NULL;
	*value = (double)digits;
	if (point != NULL)
		*value /= line_number_power((unsigned)(at - point - 1));
	return at;
}

/* The same for a whole number of up to seven digits, all at once; NULL where that is not what
 * stands there. Eight bytes can be read. */
static const uint8_t *line_short_whole(const uint8_t *at, double *value)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t word, odd;
	unsigned digits;

	memcpy(&word, at, sizeof(word));
	word = le64toh(word) ^ '0' * ones;
	/* The high bit of each byte that is more than nine. */
	odd = (((word & 0x7f * ones) + (0x7f - 9) * ones) | word) & 0x80 * ones;
	if (odd == 0)
		return NULL;
	digits = (unsigned)__builtin_ctzll(odd) / 8;
	if (digits == 0 || at[digits] != '|')
		return NULL;
	/* Zeros before the digits, then pairs, fours and all of them are put together. */
	word <<= 8 * (8 - digits);
	word = word * 10 + (word >> 8);
	word = ((word & UINT64_C(0x000000ff000000ff)) * (100 + (UINT64_C(1000000) << 32)) +
		((word >> 16) & UINT64_C(0x000000ff000000ff)) * (1 + (UINT64_C(10000) << 32))) >>
	       32;
	*value = (double)(uint32_t)word;
	return at + digits;
}

/* Reads a number's type and what ends the line, which is the end itself or just after the newline.
 * NULL for anything else. */
static const uint8_t *line_short_end(const uint8_t *at, const uint8_t *end, enum line_type *type)
{
	if (end - at >= 2 && at[0] == 'm' && at[1] == 's') {
		*type = LINE_TIMER;
		at += 2;
	} else if (at < end && *at == 'c') {
		*type = LINE_COUNTER;
		at++;
	} else if (at == end || *at == 's' || !line_body_type(slice_of(at, 1), type)) {
		return NULL;
	} else {
		at++;
	}
	if (at == end)
		return at;
	return *at == '\n' ? at + 1 : NULL;
}

bool line_take_plain(const struct line_parser *p, struct slice *text, struct line_plain *out)
{
	const uint8_t *begin = text->ptr, *at = begin, *end = at + text->size, *number;

	if (p->usual)
		at = line_scan(at, end);
	else
		while (at < end && p->plain[*at])
			at++;
	out->series = slice_of(begin, (size_t)(at - begin));
	/* A leading `_` may begin an event. */
	if (at == end || *at != ':' || at == begin || *begin == '_' ||
	    out->series.size > p->options.max_series_bytes)
		return false;
	at++;
	number = end - at >= 8 ? line_short_whole(at, &out->value) : NULL;
	if (number == NULL)
		number = line_short_number(at, end, &out->value);
	at = number ? line_short_end(number + 1, end, &out->type) : NULL;
	if (at == NULL)
		return false;
	out->kind = line_kind(out->type);
	out->line = slice_of(begin, (size_t)(at - begin) - (at[-1] == '\n'));
	*text = slice_of(at, (size_t)(end - at));
	return true;
}

/* One number of a line, its type known. */
static int line_value(const struct line_parser *p, struct slice text, struct line_sample *sample)
{
	bool is_signed = text.ptr[0] == '+' || text.ptr[0] == '-';
	int r = line_number_parse(text, &sample->value);

	if (r < 0)
		return r;
	if (sample->type == LINE_TIMER && sample->value < 0)
		return ERR_NEGATIVE_TIME;
	sample->gauge_delta = sample->type == LINE_GAUGE && is_signed &&
			      !p->options.gauge_signed_sets;
	return 0;
}

static int line_member(const struct line_parser *p, struct slice text,
		       struct line_sample *sample)
{
	if (text.size == 0)
		return ERR_EMPTY_VALUE;
	if (text.size > p->options.max_series_bytes)
		return ERR_MEMBER_TOO_LONG;
	sample->value = 0;
	sample->gauge_delta = false;
	sample->member = text;
	return 0;
}

/* Where samples go. */
struct line_sink {
	line_sample_fn report;
	void *arg;
};

/* Judges the values of a group one by one in *sample, where the last of them stays; or
 * reports them when there is a sink (they have been judged then). Returns how many. */
static int line_group(const struct line_parser *p, const struct line_group *group,
		      struct line_sample *sample, const struct line_sink *sink)
{
	struct slice values = group->values;
	int count = 0;

	sample->type = group->type;
	sample->kind = line_kind(group->type);
	sample->rate = group->rate;
	sample->member.size = 0;
	while (values.size > 0) {
		struct slice text = values;
		int r;

		/* A member may hold colons; numbers are packed between them. */
		if (group->type == LINE_SET)
			values.size = 0;
		else
			line_cut(&values, ':', &text);
		if (text.size == 0)
			continue;
		r = group->type == LINE_SET ? line_member(p, text, sample)
					    : line_value(p, text, sample);
		if (r < 0)
			return r;
		if (sink != NULL)
			sink->report(sink->arg, sample);
		count++;
	}
	return count > 0 ? count : ERR_EMPTY_VALUE;
}

/* Walks all groups of a line, to judge them (with fields, without a sink) or to report
 * them. The last sample stays in *sample. Returns how many there are. */
static int line_walk(const struct line_parser *p, struct slice body, struct line_fields *fields,
		     struct line_sample *sample, const struct line_sink *sink)
{
	struct line_body walk = line_body_of(body);
	struct line_group group;
	int count = 0;
	int r;

	while ((r = line_body_next(&walk, &group, fields)) > 0) {
		r = line_group(p, &group, sample, sink);
		if (r < 0)
			return r;
		count += r;
	}
	return r < 0 ? r : count;
}

/* Adds the operator's tags, where the line has not the same key. */
static int line_add_tags(const struct line_options *o, struct line_tags *tags)
{
	size_t own = tags->count;
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->add_tag_count; i++) {
		bool there = false;

		for (size_t j = 0; j < own; j++)
			there = there || slice_equal(tags->tags[j].key, o->add_tags[i].key);
		if (!there)
			r = line_tags_add(tags, o->add_tags[i].key, o->add_tags[i].value);
	}
	return r;
}

/* The series of a name and tags: the name itself where that is canonical already. */
static int line_series(struct line_parser *p, struct slice name, const struct line_tags *tags,
		       struct slice *series)
{
	size_t size;
	int r;

	if (tags->count > p->options.max_tags)
		return ERR_TOO_MANY_TAGS;
	*series = name;
	if (tags->count == 0 && memchr(name.ptr, ';', name.size) == NULL &&
	    memchr(name.ptr, '\\', name.size) == NULL)
		return 0;
	r = series_build(name, tags->tags, tags->count, p->series, &size);
	if (r == 0 && size > p->options.max_series_bytes)
		r = ERR_SERIES_TOO_LONG;
	*series = slice_of(p->series, size);
	return r;
}

/* Takes the text before the colon apart: name as it will be kept, and tags. */
static int line_name(struct line_parser *p, struct slice text, struct slice *name,
		     struct line_tags *tags)
{
	int r = line_name_split(text, p->name, name, tags);

	if (r == 0 && p->options.sanitize_statsd)
		r = line_name_sanitize(p->name, name);
	if (r == 0 && name->size > p->options.max_series_bytes)
		r = ERR_NAME_TOO_LONG;
	return r;
}

/* Whether a plain message is `(name,value)`: then the brackets come off. False when only
 * one of them is there, which is a message cut short. */
static bool line_plain_brackets(struct slice *line, bool *bracketed)
{
	bool opened = line->ptr[0] == '(';
	bool closed = line->size > 1 && line->ptr[line->size - 1] == ')';

	*bracketed = opened && closed;
	if (*bracketed)
		*line = slice_of(line->ptr + 1, line->size - 2);
	return opened == closed;
}

/* `name value`, `name,value`, `(name,value)`: one separator, and a number after it. */
static int line_parse_plain(struct line_parser *p, struct slice line,
			    const struct line_sink *sink)
{
	struct line_tags tags = { .tags = p->tags };
	struct line_sample sample = { .rate = 1, .timestamp = LINE_NO_TIMESTAMP };
	struct slice text, name, value = line;
	bool bracketed;
	int r;

	if (!line_plain_brackets(&value, &bracketed))
		return ERR_NO_VALUE;
	line = value;
	if (!line_cut(&value, ',', &text)) {
		value = line;
		if (bracketed || !line_cut(&value, ' ', &text))
			return ERR_NO_VALUE;
	}
	if (memchr(value.ptr, ',', value.size) || memchr(value.ptr, ' ', value.size) ||
	    (text.size > 0 && memchr(text.ptr, ' ', text.size)))
		return ERR_NO_VALUE;
	if (text.size == 0)
		return ERR_BAD_NAME;
	r = line_number_parse(value, &sample.value);
	if (r == 0)
		r = line_name(p, text, &name, &tags);
	if (r == 0)
		r = line_add_tags(&p->options, &tags);
	if (r == 0)
		r = line_series(p, name, &tags, &sample.series);
	if (r < 0)
		return r;
	sample.type = LINE_PLAIN;
	sample.kind = KIND_DISTRIBUTION;
	sink->report(sink->arg, &sample);
	return 1;
}

/* Reports the samples of a line that has been judged, of which *sample is the last. */
static void line_report(const struct line_parser *p, struct slice body, int count,
			struct line_sample *sample, const struct line_sink *sink)
{
	int reported;

	if (count == 1) {
		sink->report(sink->arg, sample);
		return;
	}
	reported = line_walk(p, body, NULL, sample, sink);
	assert(reported == count);
}

/* `name:...`: judges all of it, then reports. */
static int line_parse_typed(struct line_parser *p, struct slice name, struct slice body,
			    const struct line_sink *sink)
{
	struct line_fields fields = { .tags = { .tags = p->tags },
				      .timestamp = LINE_NO_TIMESTAMP };
	struct line_sample sample = { 0 };
	size_t name_tags;
	int count;
	int r;

	if (name.size == 0)
		return ERR_BAD_NAME;
	r = line_name(p, name, &name, &fields.tags);
	if (r < 0)
		return r;
	name_tags = fields.tags.count;
	count = line_walk(p, body, &fields, &sample, NULL);
	if (count < 0)
		return count;
	if (name_tags > 0 && fields.tags.count > name_tags)
		return ERR_BAD_TAG;
	r = line_add_tags(&p->options, &fields.tags);
	if (r == 0)
		r = line_series(p, name, &fields.tags, &sample.series);
	if (r < 0)
		return r;
	sample.timestamp = fields.timestamp;
	line_report(p, body, count, &sample, sink);
	return count;
}

static bool line_begins(struct slice line, const char *prefix)
{
	size_t size = strlen(prefix);

	return line.size >= size && memcmp(line.ptr, prefix, size) == 0;
}

static bool line_blank(struct slice line)
{
	for (size_t i = 0; i < line.size; i++)
		if (line.ptr[i] != ' ' && line.ptr[i] != '\t')
			return false;
	return true;
}

static void line_report_plain(const struct line_plain *plain, line_sample_fn report, void *arg)
{
	struct line_sample sample = { .kind = plain->kind, .type = plain->type,
				      .series = plain->series, .value = plain->value, .rate = 1,
				      .timestamp = LINE_NO_TIMESTAMP };

	report(arg, &sample);
}

int line_parse(struct line_parser *p, struct slice line, line_sample_fn report, void *arg)
{
	const struct line_sink sink = { .report = report, .arg = arg };
	struct slice name, body, rest;
	struct line_plain plain;

	if (line.size > 0 && line.ptr[line.size - 1] == '\r')
		line.size--;
	if (line.size == 0)
		return 0;
	rest = line;
	if (line_take_plain(p, &rest, &plain) && plain.line.size == line.size) {
		line_report_plain(&plain, report, arg);
		return 1;
	}
	if (line_blank(line))
		return 0;
	if (line_begins(line, "_e{"))
		return ERR_EVENT;
	if (line_begins(line, "_sc|"))
		return ERR_SERVICE_CHECK;
	if (!utf8_is_text(line))
		return ERR_BAD_BYTES;
	body = line;
	if (line_cut(&body, ':', &name))
		return memchr(name.ptr, '|', name.size) ? ERR_NO_VALUE
							: line_parse_typed(p, name, body, &sink);
	if (memchr(line.ptr, '|', line.size) != NULL)
		return ERR_NO_VALUE;
	return line_parse_plain(p, line, &sink);
}

bool line_split(struct slice *datagram, struct slice *line)
{
	if (datagram->size == 0)
		return false;
	line_cut(datagram, '\n', line);
	return true;
}

const char *line_type_text(enum line_type type)
{
	static const char *const texts[] = {
		[LINE_COUNTER] = "c",      [LINE_GAUGE] = "g", [LINE_TIMER] = "ms",
		[LINE_HISTOGRAM] = "h",    [LINE_SET] = "s",   [LINE_METER] = "m",
		[LINE_DISTRIBUTION] = "d", [LINE_PLAIN] = "plain",
	};

	assert((size_t)type < sizeof(texts) / sizeof(texts[0]));
	return texts[type];
}
