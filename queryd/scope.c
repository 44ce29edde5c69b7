// SPDX-License-Identifier: Apache-2.0
/*
 * scope.c - prefixes that do not overlap, walked as ranges of the names.
 *
 * A prefix that another takes in is dropped when it is read, so the rest are disjoint ranges in
 * byte order, and a walk over all of them is in order too, and meets no name twice. What is
 * wanted is a prefix as well: of the two the longer one is the range, if it begins with the
 * other. A page that goes on behind a name, and a search that has seen enough of a branch, are
 * seeks.
 */
#include "queryd/scope.h"

#include "proto/limits.h"

#include <assert.h>
#include <stdlib.h>
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

/* ---- kept ----------------------------------------------------------------------------------- */

struct held {
	struct scope_keys keys; /* first: what its holder sees */
	struct names names;
	struct scope scope;
	uint8_t bytes[];
};

struct scope_keys *scope_hold(const struct scope_keys *keys)
{
	const struct scope *s = keys->scope;
	struct held *held;
	size_t size = 0, i;

	for (i = 0; s && i < s->count; i++)
		size += s->prefixes[i].size;
	held = malloc(sizeof(*held) + size);
	if (!held)
		return NULL;
	names_pin(keys->names, &held->names);
	held->keys = (struct scope_keys){ &held->names, s ? &held->scope : NULL };
	if (s)
		held->scope = *s;
	size = 0;
	for (i = 0; s && i < s->count; i++) {
		struct slice prefix = s->prefixes[i];
		memcpy(held->bytes + size, prefix.ptr, prefix.size);
		held->scope.prefixes[i] = slice_of(held->bytes + size, prefix.size);
		size += prefix.size;
	}
	return &held->keys;
}

void scope_release(struct scope_keys *held)
{
	if (!held)
		return;
	names_release(&((struct held *)held)->names);
	free(held);
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

/* Before the first name of the range that is not at or before `after`. */
static struct names_cursor first_behind(const struct scope_walk *w)
{
	const struct names *names = w->keys->names;
	struct names_cursor at, behind;
	struct slice name;
	unsigned kinds;

	if (w->after.size == 0 || slice_compare(w->after, w->prefix) < 0)
		return names_seek(names, w->prefix);
	at = behind = names_seek(names, w->after);
	if (names_step(names, &behind, &name, &kinds) && slice_equal(name, w->after))
		return behind;
	return at;
}

bool scope_next(struct scope_walk *w, struct slice *name, unsigned *kinds)
{
	for (;;) {
		if (w->started && names_step(w->keys->names, &w->at, name, kinds) &&
		    begins_with(*name, w->prefix))
			return true;
		if (!next_range(w))
			return false;
		w->at = first_behind(w);
		w->started = true;
	}
}

void scope_skip(struct scope_walk *w, struct slice prefix)
{
	uint8_t behind[LIMIT_SERIES_BYTES];
	size_t size = prefix.size;

	assert(w->started && size <= sizeof(behind));
	/* The least text that is above all of them: the last byte that can be is one more. */
	while (size > 0 && prefix.ptr[size - 1] == UINT8_MAX)
		size--;
	if (size == 0)
		return;
	memcpy(behind, prefix.ptr, size);
	behind[size - 1]++;
	w->at = names_seek(w->keys->names, slice_of(behind, size));
}

bool scope_find(const struct scope_keys *keys, struct slice exact, struct slice *name,
		unsigned *kinds)
{
	struct names_cursor at = names_seek(keys->names, exact);

	return scope_allows(keys->scope, exact) && names_step(keys->names, &at, name, kinds) &&
	       slice_equal(*name, exact);
}

bool scope_few(const struct scope_keys *keys, struct slice prefix, size_t most)
{
	struct scope_walk walk = scope_begin(keys, prefix);
	struct slice name;
	unsigned kinds;
	size_t count = 0;

	while (count <= most && scope_next(&walk, &name, &kinds))
		count++;
	return count <= most;
}

/* Ranges come in byte order and do not overlap, so what lies behind `after` is found by
 * seeking in each. */
void scope_page(const struct scope_keys *keys, const struct glob *match, struct slice after,
		struct names_page *page)
{
	struct scope_walk walk = scope_begin(keys, glob_prefix(match));
	size_t looks = 0;
	struct slice name;
	unsigned kinds;

	walk.after = after;
	page->count = 0;
	page->more = page->cut = false;
	while (!page->more && !page->cut && scope_next(&walk, &name, &kinds)) {
		page->cut = page->looks > 0 && ++looks > page->looks;
		if (page->cut || !glob_match(match, name))
			continue;
		if (page->count == page->limit)
			page->more = true;
		else
			page->keys[page->count++] = name;
	}
}
