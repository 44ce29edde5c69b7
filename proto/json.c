// SPDX-License-Identifier: Apache-2.0
/*
 * A number's shortest decimal is found by trying: printf rounds to 15 digits, which is as many as
 * any decimal survives with, then to 16, then 17, and the first that strtod reads back as the same
 * double is the one. Most never come there: whole numbers are printed as such, and what has at
 * most four decimals is a quotient whose numerator says all digits. All of it ignores the locale.
 *
 * Text is written in runs of bytes that stand for themselves; nearly always the first run is all
 * of it, and then comma, quotes and colon go out with it in one piece.
 */
#include "proto/json.h"

#include "proto/utf8.h"

#include <assert.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* 15 digits always survive decimal -> double -> decimal, 17 always double -> decimal ->
 * double (IEEE 754, 5.12.2). */
#define JSON_SURE_DIGITS 15
#define JSON_MOST_DIGITS 17

/* Below 10^16 an integer's shortest digits are all its digits. Above, they may not be, and a
 * reader that has large integers would believe the zeros after them: so an exponent, as also
 * for what is as small as JavaScript shows with one. */
#define JSON_LARGEST_PLAIN  16
#define JSON_SMALLEST_PLAIN (-6)

struct json json_begin(struct buf *out)
{
	return (struct json){ .out = out };
}

/* Each element asks for its comma first; what opens something takes the comma back. */
static void json_element(struct json *j)
{
	if (j->comma)
		buf_put_u8(j->out, ',');
	j->comma = true;
}

static void json_open(struct json *j, uint8_t bracket)
{
	json_element(j);
	buf_put_u8(j->out, bracket);
	j->comma = false;
}

static void json_close(struct json *j, uint8_t bracket)
{
	buf_put_u8(j->out, bracket);
	j->comma = true;
}

void json_object_open(struct json *j)
{
	json_open(j, '{');
}

void json_object_close(struct json *j)
{
	json_close(j, '}');
}

void json_array_open(struct json *j)
{
	json_open(j, '[');
}

void json_array_close(struct json *j)
{
	json_close(j, ']');
}

/* The letter of a short escape, or 0. */
static char json_short_escape(uint8_t byte)
{
	switch (byte) {
	case '"':
	case '\\':
		return (char)byte;
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

/* Whether a byte may not stand for itself. `<`, `>` and `&` may, by JSON, but not in a page. */
static bool json_special(uint8_t byte)
{
	return byte < 0x20 || byte == '"' || byte == '\\' || byte == '<' || byte == '>' ||
	       byte == '&' || byte == 0x7f;
}

/* Most bytes are, so they are found without a call each. */
static bool json_plain(uint8_t byte)
{
	const uint64_t one = 1;
	const uint64_t plain[] = {
		~UINT64_C(0) << ' ' & ~(one << '"' | one << '&' | one << '<' | one << '>'),
		~(one << ('\\' - 64) | one << (0x7f - 64)),
	};

	return byte < 0x80 && (plain[byte >> 6] >> (byte & 63) & 1);
}

static void json_put_special(struct buf *out, uint8_t byte)
{
	char letter = json_short_escape(byte);

	if (letter != 0)
		buf_printf(out, "\\%c", letter);
	else
		buf_printf(out, "\\u%04x", byte);
}

/* Writes text, of which so much is known to be plain, in runs of what needs no change. */
static void json_put_odd(struct buf *out, struct slice text, size_t at)
{
	size_t kept = 0; /* written so far */

	while (at < text.size) {
		bool valid;
		size_t size = utf8_sequence(slice_of(text.ptr + at, text.size - at), &valid);

		if (!valid || json_special(text.ptr[at])) {
			buf_put(out, text.ptr + kept, at - kept);
			if (valid)
				json_put_special(out, text.ptr[at]);
			else
				buf_put_text(out, JSON_REPLACEMENT);
			kept = at + size;
		}
		at += size;
	}
	if (kept < at)
		buf_put(out, text.ptr + kept, at - kept);
}

/* A key or a value. Nearly all are plain, and then written in one piece with what stands beside
 * them. */
static void json_put_text(struct json *j, struct slice text, bool is_key)
{
	bool comma = j->comma;
	uint8_t *whole;
	size_t at = 0;

	j->comma = !is_key;
	while (at < text.size && json_plain(text.ptr[at]))
		at++;
	if (at == text.size) {
		whole = buf_extend(j->out, text.size + 2 + comma + is_key);
		if (!whole)
			return;
		if (comma)
			*whole++ = ',';
		*whole++ = '"';
		if (text.size > 0)
			memcpy(whole, text.ptr, text.size);
		whole[text.size] = '"';
		if (is_key)
			whole[text.size + 1] = ':';
		return;
	}
	buf_put_text(j->out, comma ? ",\"" : "\"");
	json_put_odd(j->out, text, at);
	buf_put_text(j->out, is_key ? "\":" : "\"");
}

void json_key_slice(struct json *j, struct slice key)
{
	json_put_text(j, key, true);
}

void json_key(struct json *j, const char *key)
{
	json_key_slice(j, slice_text(key));
}

void json_text_slice(struct json *j, struct slice text)
{
	json_put_text(j, text, false);
}

void json_text(struct json *j, const char *text)
{
	json_text_slice(j, slice_text(text));
}

/* Writes digits and a terminator. Not printf: an answer is full of them. */
static void json_print_u64(uint64_t value, char *out)
{
	uint64_t rest = value;

	do
		out++;
	while ((rest /= 10) > 0);
	*out = '\0';
	do
		*--out = (char)('0' + value % 10);
	while ((value /= 10) > 0);
}

static const char *json_print_i64(int64_t value, char out[JSON_NUMBER_SIZE])
{
	out[0] = '-';
	json_print_u64(value < 0 ? -(uint64_t)value : (uint64_t)value, out + (value < 0));
	return out;
}

void json_u64(struct json *j, uint64_t value)
{
	char text[JSON_NUMBER_SIZE];

	json_element(j);
	json_print_u64(value, text);
	buf_put_text(j->out, text);
}

void json_i64(struct json *j, int64_t value)
{
	char text[JSON_NUMBER_SIZE];

	json_element(j);
	buf_put_text(j->out, json_print_i64(value, text));
}

void json_bool(struct json *j, bool value)
{
	json_element(j);
	buf_put_text(j->out, value ? "true" : "false");
}

void json_nothing(struct json *j)
{
	json_element(j);
	buf_put_text(j->out, "null");
}

void json_number(struct json *j, double value)
{
	char text[JSON_NUMBER_SIZE];

	json_element(j);
	buf_put_text(j->out, json_format_number(value, text));
}

/* A decimal: 0.digits * 10^point. */
struct json_decimal {
	char digits[JSON_MOST_DIGITS + 1];
	int count;
	int point;
};

/* Rounds a positive value to `precision` digits and drops zeros at the end. printf's decimal
 * point is the locale's, so only its digits and its exponent are read. */
static void json_decimal_round(double value, int precision, struct json_decimal *d)
{
	char text[48];
	char *at;

	snprintf(text, sizeof(text), "%.*e", precision - 1, value);
	d->count = 0;
	for (at = text; *at != 'e'; at++)
		if (*at >= '0' && *at <= '9')
			d->digits[d->count++] = *at;
	d->point = atoi(at + 1) + 1;
	while (d->count > 1 && d->digits[d->count - 1] == '0')
		d->count--;
	d->digits[d->count] = '\0';
}

static bool json_decimal_reads_back(const struct json_decimal *d, double value)
{
	char text[48];
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);

	assert(c != (locale_t)0);
	snprintf(text, sizeof(text), "%se%d", d->digits, d->point - d->count);
	return strtod_l(text, NULL, c) == value;
}

/* A value that has at most four decimals, as most that people send: the quotient of two whole
 * numbers is rounded as strtod rounds, so what divides back is what reads back, and up to 15 digits
 * there is no shorter one. */
static bool json_decimal_short(double value, struct json_decimal *d)
{
	char text[JSON_NUMBER_SIZE];
	uint64_t whole;

	if (value >= 1e11)
		return false;
	whole = (uint64_t)(value * 1e4 + 0.5);
	if (whole == 0 || (double)whole / 1e4 != value)
		return false;
	json_print_u64(whole, text);
	d->count = (int)strlen(text);
	d->point = d->count - 4;
	while (d->count > 1 && text[d->count - 1] == '0')
		d->count--;
	memcpy(d->digits, text, (size_t)d->count);
	d->digits[d->count] = '\0';
	return true;
}

/* The fewest digits that read back. What has 15 or fewer shows them all at 15, with zeros
 * after; only subnormals, which have less than 15 sure ones, must try from 1. */
static void json_decimal_shortest(double value, struct json_decimal *d)
{
	int precision = fpclassify(value) == FP_SUBNORMAL ? 1 : JSON_SURE_DIGITS;

	if (json_decimal_short(value, d))
		return;
	for (;; precision++) {
		json_decimal_round(value, precision, d);
		if (precision == JSON_MOST_DIGITS || json_decimal_reads_back(d, value))
			return;
	}
}

static void json_decimal_print(const struct json_decimal *d, char *out, size_t size)
{
	int zeros;

	if (d->point > JSON_LARGEST_PLAIN || d->point <= JSON_SMALLEST_PLAIN) {
		snprintf(out, size, "%c%s%se%+d", d->digits[0], d->count > 1 ? "." : "",
			 d->digits + 1, d->point - 1);
	} else if (d->point <= 0) {
		snprintf(out, size, "0.%.*s%s", -d->point, "000000", d->digits);
	} else if (d->count <= d->point) {
		zeros = d->point - d->count;
		snprintf(out, size, "%s%.*s", d->digits, zeros, "0000000000000000");
	} else {
		assert(size > (size_t)d->count + 1);
		out = mempcpy(out, d->digits, (size_t)d->point);
		*out++ = '.';
		memcpy(out, d->digits + d->point, (size_t)(d->count - d->point) + 1);
	}
}

const char *json_format_number(double value, char out[JSON_NUMBER_SIZE])
{
	struct json_decimal d;
	char *at = out;

	assert(isfinite(value));
	if (fabs(value) < 1e15 && value == (double)(int64_t)value)
		return json_print_i64((int64_t)value, out);
	if (value < 0)
		*at++ = '-';
	json_decimal_shortest(fabs(value), &d);
	json_decimal_print(&d, at, (size_t)(out + JSON_NUMBER_SIZE - at));
	return out;
}
