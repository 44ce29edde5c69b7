// SPDX-License-Identifier: Apache-2.0
#include "queryd/scope.h"

#include <string.h>

static bool begins_with(struct slice text, struct slice prefix)
{
	return text.size >= prefix.size && slice_equal(slice_of(text.ptr, prefix.size), prefix);
}

/* ---- prefixes ------------------------------------------------------------------------------- */

static struct slice next_word(struct slice *text)
{
	size_t size = 0;

	while (text->size > 0 && *text->ptr == ' ')
		*text = slice_of(text->ptr + 1, text->size - 1);
	while (size < text->size && text->ptr[size] != ' ')
		size++;
	struct slice word = slice_of(text->ptr, size);
	*text = slice_of(text->ptr + size, text->size - size);
	return word;
}

static const char *judge_prefix(struct slice prefix)
{
	const struct slice own = slice_text(SCOPE_OWN);
	size_t i;

	for (i = 0; i < prefix.size; i++) {
		if (prefix.ptr[i] < ' ' || strchr("*?[];\\,\"'", prefix.ptr[i]))
			return "prefixes of names as they are (`shop.`), or `*` alone for everything";
	}
	if (prefix.size < own.size && begins_with(own, prefix))
		return "a longer prefix: this one takes in Hourglass' own `hourglass.` too";
	return NULL;
}

/* Puts a prefix in its place, unless another takes it in; takes out those that it takes in. */
static const char *add_prefix(struct scope *s, struct slice prefix)
{
	size_t kept = 0, at, i;

	for (i = 0; i < s->count; i++) {
		if (begins_with(prefix, s->prefixes[i]))
			return NULL;
	}
	for (i = 0; i < s->count; i++) {
		if (!begins_with(s->prefixes[i], prefix))
			s->prefixes[kept++] = s->prefixes[i];
	}
	s->count = kept;
	if (s->count == SCOPE_PREFIXES)
		return "at most 32 prefixes";
	for (at = s->count; at > 0 && slice_compare(s->prefixes[at - 1], prefix) > 0; at--)
		s->prefixes[at] = s->prefixes[at - 1];
	s->prefixes[at] = prefix;
	s->count++;
	return NULL;
}

const char *scope_read(struct slice text, struct scope *out)
{
	struct scope s = { 0 };
	const char *wrong = NULL;

	while (!wrong) {
		struct slice word = next_word(&text);
		if (word.size == 0)
			break;
		if (slice_equal(word, slice_text("*")))
			s.all = true;
		else
			wrong = judge_prefix(word);
		if (!wrong && !s.all)
			wrong = add_prefix(&s, word);
	}
	if (!wrong && !s.all && s.count == 0)
		wrong = "a prefix of names (`shop.`), or `*` for everything";
	if (!wrong)
		*out = s;
	return wrong;
}

bool scope_covers(const struct scope *s, struct slice prefix)
{
	size_t i;

	if (!s || s->all)
		return true;
	for (i = 0; i < s->count; i++) {
		if (begins_with(prefix, s->prefixes[i]))
			return true;
	}
	return false;
}

bool scope_allows(const struct scope *s, struct slice key)
{
	return scope_covers(s, key);
}

/* ---- names ---------------------------------------------------------------------------------- */

struct scope_walk scope_begin(const struct scope_keys *keys, struct slice prefix)
{
	return (struct scope_walk){ .keys = keys, .wanted = prefix };
}

/* Goes to the next range that the scope leaves of what is wanted: of a prefix and a wanted one the
 * longer, if it begins with the other. */
static bool next_range(struct scope_walk *w)
{
	const struct scope *s = w->keys->scope;

	if (!s || s->all) {
		w->prefix = w->wanted;
		return w->next_prefix++ == 0;
	}
	while (w->next_prefix < s->count) {
		struct slice prefix = s->prefixes[w->next_prefix++];
		bool inside = begins_with(prefix, w->wanted);
		if (!inside && !begins_with(w->wanted, prefix))
			continue;
		w->prefix = inside ? prefix : w->wanted;
		return true;
	}
	return false;
}

/* The first place of the range that is not at or before `after`. */
static size_t first_behind(const struct scope_walk *w)
{
	const struct names *names = w->keys->names;
	size_t at = names_seek(names, w->prefix);
	unsigned kinds;

	if (w->after.size == 0 || slice_compare(w->after, w->prefix) < 0)
		return at;
	at = names_seek(names, w->after);
	if (at < names_count(names) && slice_equal(names_at(names, at, &kinds), w->after))
		at++;
	return at;
}

bool scope_next(struct scope_walk *w, struct slice *name, unsigned *kinds)
{
	const struct names *names = w->keys->names;

	for (;;) {
		if (w->started && w->at < names_count(names)) {
			*name = names_at(names, w->at++, kinds);
			if (begins_with(*name, w->prefix))
				return true;
		}
		if (!next_range(w))
			return false;
		w->at = first_behind(w);
		w->started = true;
	}
}

bool scope_find(const struct scope_keys *keys, struct slice exact, struct slice *name,
		unsigned *kinds)
{
	size_t at = names_seek(keys->names, exact);

	if (at == names_count(keys->names) || !scope_allows(keys->scope, exact))
		return false;
	*name = names_at(keys->names, at, kinds);
	return slice_equal(*name, exact);
}

/* Ranges come in byte order and do not overlap, so what lies behind `after` is found by
 * seeking in each. */
void scope_page(const struct scope_keys *keys, const struct glob *match, struct slice after,
		struct names_page *page)
{
	struct scope_walk walk = scope_begin(keys, glob_prefix(match));
	struct slice name;
	unsigned kinds;

	walk.after = after;
	page->count = 0;
	page->more = false;
	while (!page->more && scope_next(&walk, &name, &kinds)) {
		if (!glob_match(match, name))
			continue;
		if (page->count == page->limit)
			page->more = true;
		else
			page->keys[page->count++] = name;
	}
}
