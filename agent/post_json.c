// SPDX-License-Identifier: Apache-2.0
/*
 * post_json.c - an array read element by element, each turned into a line at once.
 *
 * jansson would build the whole document, ten times the body's size; so the array is walked here,
 * and one element at a time is given to it.
 */
#include "agent/post_json.h"

#include "proto/err.h"
#include "proto/json.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static struct slice post_json_skip(struct slice text)
{
	while (text.size > 0 && memchr(" \t\r\n", text.ptr[0], 4) != NULL)
		text = slice_of(text.ptr + 1, text.size - 1);
	return text;
}

/* Takes one byte, and the blanks behind it. */
static bool post_json_take(struct slice *text, char c)
{
	*text = post_json_skip(*text);
	if (text->size == 0 || text->ptr[0] != (uint8_t)c)
		return false;
	*text = post_json_skip(slice_of(text->ptr + 1, text->size - 1));
	return true;
}

/* Whether a key can stand before a line's colon as it is. */
static bool post_json_is_key(const char *key, size_t size)
{
	if (size == 0)
		return false;
	for (size_t i = 0; i < size; i++)
		if (key[i] == ':' || key[i] == '|' || (uint8_t)key[i] < ' ' || key[i] == 0x7f)
			return false;
	return true;
}

static const char *post_json_type(json_t *element)
{
	static const char *const types[] = { "c", "g", "ms", "h", "d", "m" };
	json_t *type = json_object_get(element, "type");

	if (type == NULL)
		return "d";
	for (size_t i = 0; json_is_string(type) && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(json_string_value(type), types[i]) == 0)
			return types[i];
	return NULL;
}

/* Appends an element's line. NULL, or what is wrong. */
static const char *post_json_element(json_t *element, struct buf *out)
{
	json_t *key = json_object_get(element, "key"), *value = json_object_get(element, "value");
	const char *type = post_json_type(element);
	char number[JSON_NUMBER_SIZE];

	if (!json_is_object(element) || !json_is_string(key) || !json_is_number(value))
		return "an element is {\"key\":\"...\",\"value\":number}, and \"type\" if it is not d";
	if (json_object_size(element) != (json_object_get(element, "type") ? 3 : 2))
		return "an element has key, value and type only; tags stand in the key: name;tag=value";
	if (!post_json_is_key(json_string_value(key), json_string_length(key)))
		return "a key is not empty, and has no colon, bar or control byte";
	if (type == NULL)
		return "a type is one of c, g, ms, h, d, m";
	if (!isfinite(json_number_value(value)))
		return "a value is a finite number";
	buf_put(out, json_string_value(key), json_string_length(key));
	buf_put_text(out, ":");
	buf_put_text(out, json_format_number(json_number_value(value), number));
	buf_put_text(out, "|");
	buf_put_text(out, type);
	buf_put_text(out, "\n");
	return NULL;
}

/* Reads the element that the text begins with. NULL, or what is wrong. */
static const char *post_json_next(struct slice *text, struct buf *out)
{
	json_error_t error;
	json_t *element = json_loadb((const char *)text->ptr, text->size,
				     JSON_DISABLE_EOF_CHECK, &error);
	const char *why;

	if (element == NULL)
		return "this is no JSON object";
	*text = slice_of(text->ptr + error.position, text->size - (size_t)error.position);
	why = post_json_element(element, out);
	json_decref(element);
	return why;
}

int post_json_lines(struct slice body, struct buf *out, size_t *index, const char **why)
{
	*index = 0;
	*why = "the body is an array, [{\"key\":\"...\",\"value\":number}]";
	if (!post_json_take(&body, '['))
		return ERR_MALFORMED;
	if (!post_json_take(&body, ']')) {
		do {
			*why = post_json_next(&body, out);
			if (*why != NULL)
				return ERR_MALFORMED;
			if (buf_status(out) < 0)
				return buf_status(out);
			++*index;
		} while (post_json_take(&body, ','));
		*why = "the array does not end behind this element";
		if (!post_json_take(&body, ']'))
			return ERR_MALFORMED;
	}
	*why = "something follows the array";
	return body.size == 0 ? buf_status(out) : ERR_MALFORMED;
}
