// SPDX-License-Identifier: Apache-2.0
#include "proto/line_body.h"

#include "proto/err.h"
#include "proto/line_number.h"

/* Enough for any second until the year 31,690,000; the agent judges what is too new. */
#define TIMESTAMP_DIGITS 15

struct line_body line_body_of(struct slice text)
{
	return (struct line_body){ .rest = text, .more_groups = true };
}

static bool line_body_letter(uint8_t letter, enum line_type *type)
{
	switch (letter) {
	case 'c':
		*type = LINE_COUNTER;
		return true;
	case 'g':
		*type = LINE_GAUGE;
		return true;
	case 'h':
		*type = LINE_HISTOGRAM;
		return true;
	case 'd':
		*type = LINE_DISTRIBUTION;
		return true;
	case 's':
		*type = LINE_SET;
		return true;
	case 'm':
		*type = LINE_METER;
		return true;
	default:
		return false;
	}
}

bool line_body_type(struct slice text, enum line_type *type)
{
	if (text.size == 1)
		return line_body_letter(text.ptr[0], type);
	if (text.size != 2 || text.ptr[0] != 'm' || text.ptr[1] != 's')
		return false;
	*type = LINE_TIMER;
	return true;
}

/* Goes back to just after a colon inside the section that was last taken: what follows it
 * is another group (statsd's old multi-value, `1|c:2|ms`). */
static void line_body_reopen(struct line_body *b, struct slice section, size_t offset)
{
	const uint8_t *end = b->rest.ptr + b->rest.size;
	const uint8_t *at = section.ptr + offset;

	b->rest = slice_of(at, (size_t)(end - at));
	b->more_groups = true;
	b->more_fields = false;
}

/* Takes `values|type`, and says what follows: fields, another group, or nothing. */
static int line_body_head(struct line_body *b, struct line_group *group)
{
	struct slice section, tail;

	b->more_groups = false;
	group->rate = 1;
	if (!line_cut(&b->rest, '|', &group->values))
		return ERR_NO_TYPE;
	b->more_fields = line_cut(&b->rest, '|', &section);
	tail = section;
	if (line_cut(&tail, ':', &section))
		line_body_reopen(b, tail, 0);
	return line_body_type(section, &group->type) ? 0 : ERR_BAD_TYPE;
}

/* `#a:b,c`, also `#a:b,#c`, as some clients repeat the mark. */
static int line_body_tags(struct slice text, struct line_tags *tags)
{
	int r = 0;

	while (r == 0 && text.size > 0) {
		struct slice value;
		struct slice key;

		line_cut(&text, ',', &value);
		if (value.size > 0 && value.ptr[0] == '#')
			value = slice_of(value.ptr + 1, value.size - 1);
		line_cut(&value, ':', &key);
		r = line_tags_add(tags, key, value);
	}
	return r;
}

static int line_body_timestamp(struct slice digits, int64_t *timestamp)
{
	int64_t seconds = 0;

	if (digits.size == 0 || digits.size > TIMESTAMP_DIGITS)
		return ERR_BAD_TIMESTAMP;
	for (size_t i = 0; i < digits.size; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			return ERR_BAD_TIMESTAMP;
		seconds = seconds * 10 + (digits.ptr[i] - '0');
	}
	*timestamp = seconds;
	return 0;
}

/* `0.1`, or `0.1:2|ms`: a rate and then another group. */
static int line_body_rate(struct line_body *b, struct slice field, struct line_group *group)
{
	struct slice tail = field;
	struct slice number;
	double rate;

	if (line_cut(&tail, ':', &number))
		line_body_reopen(b, tail, 0);
	if (line_number_parse(number, &rate) < 0 || !(rate > 0 && rate <= 1))
		return ERR_BAD_RATE;
	group->rate = rate;
	return 0;
}

/* Whether a field that begins with a colon is a group of its own, as in `0|ms|:1|ms`: its
 * value could be one, and a type follows. `|:|c:xyz` is a field that says nothing. */
static bool line_body_bare_group(const struct line_body *b, struct slice field)
{
	struct slice rest = b->rest;
	struct slice section, name;
	enum line_type type;
	uint8_t first;

	if (field.size < 2 || !b->more_fields)
		return false;
	first = field.ptr[1];
	line_cut(&rest, '|', &section);
	line_cut(&section, ':', &name);
	return line_body_type(name, &type) &&
	       (type == LINE_SET || (first >= '0' && first <= '9') || first == '+' ||
		first == '-' || first == '.');
}

static bool line_body_begins(struct slice field, const char *prefix)
{
	size_t size = strlen(prefix);

	return field.size >= size && memcmp(field.ptr, prefix, size) == 0;
}

static int line_body_field(struct line_body *b, struct slice field, struct line_group *group,
			   struct line_fields *fields)
{
	struct slice text = slice_of(field.ptr + 1, field.size - 1);

	switch (field.ptr[0]) {
	case '@':
		return line_body_rate(b, text, group);
	case '#':
		return fields ? line_body_tags(text, &fields->tags) : 0;
	case 'T':
		return fields ? line_body_timestamp(text, &fields->timestamp) : 0;
	case ':':
		if (line_body_bare_group(b, field))
			line_body_reopen(b, field, 1);
		return 0;
	default:
		break;
	}
	if (line_number_like(field) || line_body_begins(field, "id:") ||
	    line_body_begins(field, "ver:"))
		return ERR_BAD_FIELD;
	return 0;
}

int line_body_next(struct line_body *b, struct line_group *group, struct line_fields *fields)
{
	int r;

	if (!b->more_groups)
		return 0;
	r = line_body_head(b, group);
	while (r == 0 && b->more_fields) {
		struct slice field;

		b->more_fields = line_cut(&b->rest, '|', &field);
		if (field.size > 0)
			r = line_body_field(b, field, group, fields);
	}
	return r < 0 ? r : 1;
}
