// SPDX-License-Identifier: Apache-2.0
/*
 * Writing sorts pointers to the tags and escapes part by part; reading copies part by part,
 * without the escapes, into storage that cannot be too small, for a part is never longer without
 * them. One reader does for both spellings: a canonical series, in which anything that
 * series_build would not write is an error, and a key as typed, which is read kindly and then
 * built anew.
 */
#include "proto/series.h"

#include "proto/err.h"
#include "proto/utf8.h"

#include <assert.h>

bool series_text_valid(struct slice text)
{
	return utf8_is_text(text);
}

/* A place to write at most LIMIT_SERIES_BYTES; a write that does not fit sets `full`. */
struct series_writer {
	uint8_t *out;
	size_t size;
	bool full;
};

static void series_put(struct series_writer *w, uint8_t byte)
{
	if (w->size == LIMIT_SERIES_BYTES)
		w->full = true;
	else
		w->out[w->size++] = byte;
}

/* Whether a byte of a part must be escaped: only a key ends at `=`. */
static bool series_special(uint8_t byte, bool key)
{
	return byte == ';' || byte == '\\' || (key && byte == '=');
}

static void series_put_escaped(struct series_writer *w, struct slice part, bool key)
{
	size_t plain = 0;

	while (plain < part.size && !series_special(part.ptr[plain], key))
		plain++;
	if (plain == part.size && plain <= LIMIT_SERIES_BYTES - w->size) {
		if (plain > 0)
			memcpy(w->out + w->size, part.ptr, plain);
		w->size += plain;
		return;
	}
	for (size_t i = 0; i < part.size && !w->full; i++) {
		if (series_special(part.ptr[i], key))
			series_put(w, '\\');
		series_put(w, part.ptr[i]);
	}
}

/* Orders pointers to the tags by key, later ones of a key after earlier ones, and keeps
 * the last of each key. Few and often sorted already, hence insertion. Returns how many. */
static size_t series_sort(const struct series_tag *tags, size_t count,
			  const struct series_tag *sorted[LIMIT_TAGS])
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		size_t at = i;

		for (; at > 0 && slice_compare(sorted[at - 1]->key, tags[i].key) > 0; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = &tags[i];
	}
	for (size_t i = 0; i < count; i++) {
		if (i + 1 < count && slice_equal(sorted[i]->key, sorted[i + 1]->key))
			continue;
		sorted[kept++] = sorted[i];
	}
	return kept;
}

static int series_check_name(struct slice name)
{
	if (name.size == 0)
		return ERR_BAD_NAME;
	if (name.size > LIMIT_NAME_BYTES)
		return ERR_NAME_TOO_LONG;
	return utf8_is_text(name) ? 0 : ERR_BAD_BYTES;
}

static int series_check(struct slice name, const struct series_tag *tags, size_t tag_count)
{
	int r = series_check_name(name);

	if (r < 0)
		return r;
	if (tag_count > LIMIT_TAGS)
		return ERR_TOO_MANY_TAGS;
	for (size_t i = 0; i < tag_count; i++) {
		if (tags[i].key.size == 0)
			return ERR_BAD_TAG;
		if (!utf8_is_text(tags[i].key) || !utf8_is_text(tags[i].value))
			return ERR_BAD_BYTES;
	}
	return 0;
}

int series_build(struct slice name, const struct series_tag *tags, size_t tag_count, uint8_t *out,
		 size_t *size)
{
	const struct series_tag *sorted[LIMIT_TAGS];
	struct series_writer w = { .out = out };
	int r = series_check(name, tags, tag_count);
	size_t kept;

	if (r < 0)
		return r;
	kept = series_sort(tags, tag_count, sorted);
	series_put_escaped(&w, name, false);
	for (size_t i = 0; i < kept; i++) {
		series_put(&w, ';');
		series_put_escaped(&w, sorted[i]->key, true);
		series_put(&w, '=');
		series_put_escaped(&w, sorted[i]->value, false);
	}
	if (w.full)
		return ERR_SERIES_TOO_LONG;
	*size = w.size;
	return 0;
}

/* Reads parts of a series into the storage of what is built, which is never too small:
 * a part without its escapes is no longer than with them. */
struct series_reader {
	const uint8_t *at;
	const uint8_t *end;
	uint8_t *storage;
	size_t used;
	uint8_t separator; /* `;`, or `,` for a key as typed */
	bool typed;        /* forgiving, as series_from_key is */
};

/* What a backslash makes of the byte after it: in a canonical form only what series_build
 * escapes; as typed, whatever could be meant to be literal. */
static bool series_escapable(const struct series_reader *r, uint8_t byte, bool key)
{
	return series_special(byte, r->typed || key) || (r->typed && byte == ',');
}

/* Takes one part, up to an unescaped separator (or `=`, in a key) or the end, and leaves
 * the reader there. */
static int series_take_part(struct series_reader *r, bool key, struct slice *part)
{
	uint8_t *start = r->storage + r->used;
	size_t size = 0;

	for (; r->at < r->end; r->at++) {
		uint8_t byte = *r->at;

		if (byte == r->separator || (key && byte == '='))
			break;
		if (byte == '\\') {
			bool escape = r->end - r->at > 1 && series_escapable(r, r->at[1], key);

			if (!escape && !r->typed)
				return ERR_MALFORMED;
			r->at += escape;
			byte = *r->at;
		}
		start[size++] = byte;
	}
	r->used += size;
	*part = slice_of(start, size);
	return 0;
}

/* Takes `;key=value`. As typed, `;key` alone is a tag without a value. */
static int series_take_tag(struct series_reader *r, struct series_tag *tag)
{
	int status;

	r->at++;
	status = series_take_part(r, true, &tag->key);
	if (status < 0)
		return status;
	if (tag->key.size == 0)
		return r->typed ? ERR_BAD_TAG : ERR_MALFORMED;
	if (r->at == r->end || *r->at != '=') {
		tag->value = slice_of(r->storage + r->used, 0);
		return r->typed ? 0 : ERR_MALFORMED;
	}
	r->at++;
	return series_take_part(r, false, &tag->value);
}

static int series_take(struct series_reader *r, struct series *out)
{
	int status = series_take_part(r, false, &out->name);

	out->tag_count = 0;
	while (status == 0 && r->at < r->end) {
		if (out->tag_count == LIMIT_TAGS)
			return ERR_TOO_MANY_TAGS;
		status = series_take_tag(r, &out->tags[out->tag_count++]);
	}
	return status;
}

static bool series_sorted(const struct series *s)
{
	for (size_t i = 1; i < s->tag_count; i++)
		if (slice_compare(s->tags[i - 1].key, s->tags[i].key) >= 0)
			return false;
	return true;
}

static struct series_reader series_reader_of(struct slice text, struct series *out)
{
	static const uint8_t nothing[1];
	const uint8_t *start = text.ptr ? text.ptr : nothing;

	assert(text.size <= sizeof(out->storage));
	return (struct series_reader){ .at = start,
				       .end = start + text.size,
				       .storage = out->storage,
				       .separator = ';' };
}

int series_parse(struct slice canonical, struct series *out)
{
	struct series_reader r;
	int status;

	if (canonical.size > LIMIT_SERIES_BYTES)
		return ERR_SERIES_TOO_LONG;
	r = series_reader_of(canonical, out);
	status = series_take(&r, out);
	if (status == 0)
		status = series_check(out->name, out->tags, out->tag_count);
	if (status == 0 && !series_sorted(out))
		status = ERR_MALFORMED;
	return status;
}

/* Whether a typed key separates its tags by `,`: it has no `;` at all, and each part after
 * the first unescaped `,` holds a `=`. */
static bool series_comma_form(struct slice key)
{
	bool comma = false;
	bool equals = true; /* in the part at hand; the name needs none */

	for (size_t i = 0; i < key.size; i++) {
		uint8_t byte = key.ptr[i];

		if (byte == ';')
			return false;
		if (byte == '\\') {
			i += i + 1 < key.size && key.ptr[i + 1] != ';';
		} else if (byte == ',') {
			if (!equals)
				return false;
			comma = true;
			equals = false;
		} else if (byte == '=') {
			equals = true;
		}
	}
	return comma && equals;
}

int series_from_key(struct slice key, uint8_t *out, size_t *size)
{
	struct series typed;
	struct series_reader r;
	int status;

	if (key.size > LIMIT_SERIES_BYTES)
		return ERR_SERIES_TOO_LONG;
	r = series_reader_of(key, &typed);
	r.typed = true;
	r.separator = series_comma_form(key) ? ',' : ';';
	status = series_take(&r, &typed);
	if (status < 0)
		return status;
	return series_build(typed.name, typed.tags, typed.tag_count, out, size);
}
