// SPDX-License-Identifier: Apache-2.0
/*
 * form.c - query and body decoded into one block.
 *
 * Decoding never makes a text longer, so one allocation as large as both is room for all names
 * and values. Names keep their order, and `target[]` is `target`.
 */
#include "queryd/form.h"

#include "proto/daemon/http.h"
#include "proto/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Decodes to *at and moves it on. */
static int decode(struct slice raw, uint8_t **at, struct slice *out)
{
	size_t size;
	int status = http_unescape(raw, true, *at, &size);

	if (status < 0)
		return status;
	*out = slice_of(*at, size);
	*at += size;
	return 0;
}

static int read_field(struct form *f, struct slice raw, uint8_t **at)
{
	struct form_field *field = &f->fields[f->count];
	const uint8_t *equals = memchr(raw.ptr, '=', raw.size);
	size_t name_size = equals ? (size_t)(equals - raw.ptr) : raw.size;
	struct slice value = { 0 };
	int status;

	if (f->count == FORM_FIELDS)
		return ERR_TOO_LARGE;
	if (equals)
		value = slice_of(equals + 1, raw.size - name_size - 1);
	status = decode(slice_of(raw.ptr, name_size), at, &field->name);
	if (status == 0)
		status = decode(value, at, &field->value);
	if (status < 0)
		return status;
	name_size = field->name.size;
	if (name_size > 2 && memcmp(field->name.ptr + name_size - 2, "[]", 2) == 0)
		field->name.size -= 2;
	f->count++;
	return 0;
}

static int read_fields(struct form *f, struct slice text, uint8_t **at)
{
	int status = 0;

	while (text.size > 0 && status == 0) {
		const uint8_t *end = memchr(text.ptr, '&', text.size);
		size_t size = end ? (size_t)(end - text.ptr) : text.size;
		if (size > 0)
			status = read_field(f, slice_of(text.ptr, size), at);
		size += end != NULL;
		text = slice_of(text.ptr + size, text.size - size);
	}
	return status;
}

int form_read(struct form *f, struct slice query, struct slice body)
{
	uint8_t *at;
	int status;

	f->count = 0;
	at = f->bytes = malloc(query.size + body.size + 1);
	if (!at)
		return -ENOMEM;
	status = read_fields(f, query, &at);
	if (status == 0)
		status = read_fields(f, body, &at);
	if (status < 0)
		form_release(f);
	return status;
}

void form_release(struct form *f)
{
	free(f->bytes);
	f->bytes = NULL;
	f->count = 0;
}

bool form_value(const struct form *f, const char *name, size_t index, struct slice *value)
{
	size_t i;

	for (i = 0; i < f->count; i++) {
		if (!slice_equal(f->fields[i].name, slice_text(name)) || index-- > 0)
			continue;
		*value = f->fields[i].value;
		return true;
	}
	return false;
}

struct slice form_first(const struct form *f, const char *name)
{
	struct slice value = { 0 };

	(void)form_value(f, name, 0, &value);
	return value;
}
