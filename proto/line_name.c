// SPDX-License-Identifier: Apache-2.0
#include "proto/line_name.h"

#include "proto/err.h"

int line_tags_add(struct line_tags *tags, struct slice key, struct slice value)
{
	if (key.size == 0)
		return 0;
	if (tags->count == LIMIT_TAGS)
		return ERR_TOO_MANY_TAGS;
	tags->tags[tags->count++] = (struct series_tag){ .key = key, .value = value };
	return 0;
}

bool line_cut(struct slice *rest, uint8_t separator, struct slice *part)
{
	const uint8_t *at = rest->size ? memchr(rest->ptr, separator, rest->size) : NULL;

	if (at == NULL) {
		*part = *rest;
		*rest = slice_of(rest->ptr + rest->size, 0);
		return false;
	}
	*part = slice_of(rest->ptr, (size_t)(at - rest->ptr));
	*rest = slice_of(at + 1, rest->size - part->size - 1);
	return true;
}

/* Reads `k=v` parts between separators. */
static int line_name_tags(struct slice text, uint8_t separator, struct line_tags *tags)
{
	int r = 0;

	while (r == 0 && text.size > 0) {
		struct slice value;
		struct slice key;

		line_cut(&text, separator, &value);
		if (line_cut(&value, '=', &key))
			r = line_tags_add(tags, key, value);
	}
	return r;
}

/* The first byte that begins tags in some dialect, or NULL. */
static const uint8_t *line_name_mark(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.ptr[i] == '[' || text.ptr[i] == ',' || text.ptr[i] == '#' ||
		    text.ptr[i] == ';')
			return text.ptr + i;
	return NULL;
}

/* Whether brackets stand in text but not as a pair: then the whole is a name, commas and
 * all, as statsd_exporter has it. */
static bool line_name_unpaired(struct slice text)
{
	const uint8_t *open = memchr(text.ptr, '[', text.size);
	const uint8_t *close = memchr(text.ptr, ']', text.size);

	return (open == NULL) != (close == NULL) || close < open;
}

/* before[k=v]after, where rest is what follows the `[`: the name is what stands around. */
static int line_name_brackets(struct slice before, struct slice rest, uint8_t *storage,
			      struct slice *name, struct line_tags *tags)
{
	struct slice inside;

	line_cut(&rest, ']', &inside);
	if (line_name_mark(rest) != NULL)
		return ERR_BAD_TAG;
	*name = before;
	if (rest.size > 0) {
		if (before.size + rest.size > LIMIT_NAME_BYTES)
			return ERR_NAME_TOO_LONG;
		memcpy(storage, before.ptr, before.size);
		memcpy(storage + before.size, rest.ptr, rest.size);
		*name = slice_of(storage, before.size + rest.size);
	}
	return line_name_tags(inside, ',', tags);
}

int line_name_split(struct slice text, uint8_t *storage, struct slice *name,
		    struct line_tags *tags)
{
	const uint8_t *mark = line_name_mark(text);
	int r = 0;

	*name = text;
	if (mark != NULL && !line_name_unpaired(text)) {
		size_t size = (size_t)(mark - text.ptr);
		struct slice rest = slice_of(mark + 1, text.size - size - 1);

		*name = slice_of(text.ptr, size);
		if (*mark == '[')
			r = line_name_brackets(*name, rest, storage, name, tags);
		else
			r = line_name_tags(rest, *mark == ';' ? ';' : ',', tags);
	}
	if (r == 0 && name->size == 0)
		return ERR_BAD_NAME;
	if (r == 0 && name->size > LIMIT_NAME_BYTES)
		return ERR_NAME_TOO_LONG;
	return r;
}

bool line_name_kept(uint8_t byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || byte == '_' || byte == '.' || byte == '-' ||
	       byte == '=' || byte == ';';
}

int line_name_sanitize(uint8_t *storage, struct slice *name)
{
	struct slice from = *name;
	size_t size = 0;

	if (from.size > LIMIT_NAME_BYTES)
		return ERR_NAME_TOO_LONG;
	/* The result is never longer than what was read, so the storage may be the source. */
	for (size_t i = 0; i < from.size; i++) {
		uint8_t byte = from.ptr[i];

		if (line_name_kept(byte))
			storage[size++] = byte;
		else if (byte == '/')
			storage[size++] = '-';
		else if (byte == ' ' && (i + 1 == from.size || from.ptr[i + 1] != ' '))
			storage[size++] = '_';
	}
	*name = slice_of(storage, size);
	return size > 0 ? 0 : ERR_BAD_NAME;
}
