// SPDX-License-Identifier: Apache-2.0
#include "proto/daemon/conf_private.h"

#include "proto/daemon/secret.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct conf_unit {
	const char *name;
	int64_t factor;
	int64_t least; /* the fewest of it that a person would write: 60s, but 2min */
};

/* From large to small; the first that divides a value is used to print it. */
static const struct conf_unit conf_ms_units[] = {
	{ "d", 86400000, 1 }, { "h", 3600000, 1 }, { "min", 60000, 2 }, { "s", 1000, 1 },
	{ "ms", 1, 0 },	      { NULL, 0, 0 },
};

static const struct conf_unit conf_bytes_units[] = {
	{ "TiB", (int64_t)1 << 40, 1 }, { "GiB", (int64_t)1 << 30, 1 },
	{ "MiB", (int64_t)1 << 20, 1 }, { "KiB", (int64_t)1 << 10, 1 },
	{ NULL, 0, 0 },
};

static const struct conf_unit conf_no_units[] = { { NULL, 0, 0 } };

static const struct {
	const char *word;
	bool value;
} conf_bools[] = {
	{ "yes", true }, { "no", false },  { "true", true }, { "false", false },
	{ "on", true },	 { "off", false }, { "1", true },    { "0", false },
};

static const struct conf_unit *conf_units(enum conf_type type)
{
	switch (type) {
	case CONF_MS:
		return conf_ms_units;
	case CONF_BYTES:
		return conf_bytes_units;
	default:
		return conf_no_units;
	}
}

static void *conf_member(const struct conf_row *row, void *values)
{
	return (char *)values + row->offset;
}

static const void *conf_member_of(const struct conf_row *row, const void *values)
{
	return (const char *)values + row->offset;
}

static int64_t conf_integer(const struct conf_row *row, const void *values)
{
	int64_t value;

	memcpy(&value, conf_member_of(row, values), sizeof(value));
	return value;
}

static const char *conf_text(const struct conf_row *row, const void *values)
{
	const char *text;

	memcpy(&text, conf_member_of(row, values), sizeof(text));
	return text ? text : "";
}

static size_t conf_text_limit(const struct conf_row *row)
{
	return row->max > 0 ? (size_t)row->max : CONF_TEXT_BYTES;
}

/* ---- printing ---- */

static const char *conf_format_integer(const struct conf_unit *unit, int64_t value, char *out)
{
	for (; unit->name != NULL; unit++)
		if (value != 0 && value % unit->factor == 0 && value / unit->factor >= unit->least)
			break;
	if (unit->name != NULL)
		snprintf(out, CONF_NUMBER_SIZE, "%" PRId64 "%s", value / unit->factor, unit->name);
	else
		snprintf(out, CONF_NUMBER_SIZE, "%" PRId64, value);
	return out;
}

const char *conf_value_format(const struct conf_row *row, const void *values,
			      char number[CONF_NUMBER_SIZE])
{
	switch (row->type) {
	case CONF_TEXT:
	case CONF_ENTRIES:
		return conf_text(row, values);
	case CONF_BOOL:
		return *(const bool *)conf_member_of(row, values) ? "yes" : "no";
	case CONF_CHOICE:
		return row->choices[conf_integer(row, values)];
	default:
		return conf_format_integer(conf_units(row->type), conf_integer(row, values),
					   number);
	}
}

/* A URL without what is between :// and @. */
static const char *conf_url_shown(const char *text, char room[CONF_SHOWN_SIZE])
{
	const char *scheme = strstr(text, "://");
	const char *at = scheme ? strchr(scheme, '@') : NULL;

	if (at == NULL)
		return text;
	snprintf(room, CONF_SHOWN_SIZE, "%.*s://***%s", (int)(scheme - text), text, at);
	return room;
}

const char *conf_value_shown(const struct conf_row *row, const char *text,
			     char room[CONF_SHOWN_SIZE])
{
	if (row->password)
		return conf_url_shown(text, room);
	return row->secret && *text != '\0' && !secret_is_reference(text) ? "***" : text;
}

static void conf_expected_choices(const struct conf_row *row, char *out)
{
	size_t at = (size_t)snprintf(out, CONF_EXPECTED_SIZE, "one of");

	for (size_t i = 0; row->choices[i] != NULL && at < CONF_EXPECTED_SIZE; i++)
		at += (size_t)snprintf(out + at, CONF_EXPECTED_SIZE - at, "%s %s", i ? "," : "",
				       row->choices[i]);
}

static void conf_expected_range(const struct conf_row *row, const char *what, char *out)
{
	char min[CONF_NUMBER_SIZE];
	char max[CONF_NUMBER_SIZE];
	const struct conf_unit *units = conf_units(row->type);

	snprintf(out, CONF_EXPECTED_SIZE, "%s from %s to %s", what,
		 conf_format_integer(units, row->min, min),
		 conf_format_integer(units, row->max, max));
}

const char *conf_value_expected(const struct conf_row *row, char out[CONF_EXPECTED_SIZE])
{
	switch (row->type) {
	case CONF_TEXT:
		snprintf(out, CONF_EXPECTED_SIZE, "%" PRId64 " to %zu bytes of text", row->min,
			 conf_text_limit(row));
		break;
	case CONF_INT:
		conf_expected_range(row, "a number", out);
		break;
	case CONF_BYTES:
		conf_expected_range(row, "a size", out);
		break;
	case CONF_MS:
		conf_expected_range(row, "a duration", out);
		break;
	case CONF_BOOL:
		snprintf(out, CONF_EXPECTED_SIZE, "yes or no");
		break;
	case CONF_CHOICE:
		conf_expected_choices(row, out);
		break;
	case CONF_ENTRIES:
		snprintf(out, CONF_EXPECTED_SIZE, "at most %" PRId64 " lines", row->max);
		break;
	}
	return out;
}

/* ---- reading ---- */

/* A decimal number and one of the units, or none for the base unit. */
static bool conf_read_integer(const struct conf_unit *unit, const char *text, int64_t *out)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	char *end;
	long long value;

	if (digits[0] < '0' || digits[0] > '9')
		return false;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0)
		return false;
	if (*end == '\0') {
		*out = value;
		return true;
	}
	for (; unit->name != NULL; unit++) {
		int64_t product;

		if (strcmp(end, unit->name) != 0)
			continue;
		if (__builtin_mul_overflow((int64_t)value, unit->factor, &product))
			return false;
		*out = product;
		return true;
	}
	return false;
}

static int conf_parse_integer(const struct conf_row *row, const char *text, void *values)
{
	int64_t value;

	if (!conf_read_integer(conf_units(row->type), text, &value))
		return -EINVAL;
	if (value < row->min || value > row->max)
		return -EINVAL;
	memcpy(conf_member(row, values), &value, sizeof(value));
	return 0;
}

static int conf_parse_text(const struct conf_row *row, const char *text, void *values)
{
	size_t size = strlen(text);
	char *copy;
	char *old;

	if ((int64_t)size < row->min || size > conf_text_limit(row))
		return -EINVAL;
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return -EINVAL;
	copy = strdup(text);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(&old, conf_member(row, values), sizeof(old));
	free(old);
	memcpy(conf_member(row, values), &copy, sizeof(copy));
	return 0;
}

static int conf_parse_bool(const struct conf_row *row, const char *text, void *values)
{
	for (size_t i = 0; i < sizeof(conf_bools) / sizeof(conf_bools[0]); i++) {
		if (strcmp(text, conf_bools[i].word) != 0)
			continue;
		*(bool *)conf_member(row, values) = conf_bools[i].value;
		return 0;
	}
	return -EINVAL;
}

static int conf_parse_choice(const struct conf_row *row, const char *text, void *values)
{
	for (int64_t i = 0; row->choices[i] != NULL; i++) {
		if (strcmp(text, row->choices[i]) != 0)
			continue;
		memcpy(conf_member(row, values), &i, sizeof(i));
		return 0;
	}
	return -EINVAL;
}

int conf_value_parse(const struct conf_row *row, const char *text, void *values,
		     char expected[CONF_EXPECTED_SIZE])
{
	int status = -EINVAL;

	switch (row->type) {
	case CONF_TEXT:
	case CONF_ENTRIES: /* the default: none */
		status = conf_parse_text(row, text, values);
		break;
	case CONF_INT:
	case CONF_BYTES:
	case CONF_MS:
		status = conf_parse_integer(row, text, values);
		break;
	case CONF_BOOL:
		status = conf_parse_bool(row, text, values);
		break;
	case CONF_CHOICE:
		status = conf_parse_choice(row, text, values);
		break;
	}
	if (status == -EINVAL)
		conf_value_expected(row, expected);
	return status;
}

/* The size of a text without the blanks at its end. */
static int conf_trimmed(const char *text, size_t size)
{
	while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
		size--;
	return (int)size;
}

char *conf_entry_line(const char *key, const char *value)
{
	const char *last = strrchr(value, '=');
	const char *number = last ? last + 1 + strspn(last + 1, " \t") : value;
	int head = last ? conf_trimmed(value, (size_t)(last - value)) : 0;
	char *line;

	if (asprintf(&line, "%s%s%.*s = %s", key, last ? "=" : "", head, value, number) < 0)
		return NULL;
	return line;
}

int conf_value_append(const struct conf_row *row, const char *line, void *values)
{
	const char *have = conf_text(row, values);
	size_t size = strlen(have) + strlen(line) + 2;
	int64_t lines = 1;
	char *text;
	char *old;

	for (const char *at = have; *at != '\0'; at++)
		lines += *at == '\n';
	if (lines > row->max)
		return -EINVAL;
	text = malloc(size);
	if (text == NULL)
		return -ENOMEM;
	snprintf(text, size, "%s%s\n", have, line);
	memcpy(&old, conf_member(row, values), sizeof(old));
	free(old);
	memcpy(conf_member(row, values), &text, sizeof(text));
	return 0;
}

bool conf_value_is_text(const struct conf_row *row)
{
	return row->type == CONF_TEXT || row->type == CONF_ENTRIES;
}

bool conf_value_equal(const struct conf_row *row, const void *a, const void *b)
{
	switch (row->type) {
	case CONF_TEXT:
	case CONF_ENTRIES:
		return strcmp(conf_text(row, a), conf_text(row, b)) == 0;
	case CONF_BOOL:
		return *(const bool *)conf_member_of(row, a) ==
		       *(const bool *)conf_member_of(row, b);
	default:
		return conf_integer(row, a) == conf_integer(row, b);
	}
}
