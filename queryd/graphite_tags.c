// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_tags.c - expressions about tags, the cheap ones first.
 *
 * `name` is no tag of a key but name and stat together, so it is asked once for each stat,
 * after everything else has matched.
 */
#include "queryd/graphite_tags.h"

#include <string.h>

void graphite_tags_init(struct graphite_tags *t, uint64_t *budget)
{
	t->count = 0;
	t->budget = budget;
}

/* Where the operator begins: at `=`, or at `!=`. */
static const uint8_t *find_operator(struct slice text)
{
	const uint8_t *equals = text.size ? memchr(text.ptr, '=', text.size) : NULL;

	if (!equals)
		return NULL;
	if (equals > text.ptr && equals[-1] == '!')
		equals--;
	return equals > text.ptr ? equals : NULL;
}

const char *graphite_tags_add(struct graphite_tags *t, struct slice text)
{
	struct graphite_tag_expr *e = &t->list[t->count];
	const uint8_t *at = find_operator(text), *end = text.ptr + text.size;
	const char *wrong = NULL;

	if (t->count == GRAPHITE_TAG_EXPRS)
		return "at most 16 tag expressions are taken";
	if (!at)
		return "a tag expression is tag=value, tag!=value, tag=~regex or tag!=~regex";
	*e = (struct graphite_tag_expr){ .tag = slice_of(text.ptr, (size_t)(at - text.ptr)) };
	e->negated = *at == '!';
	at += e->negated ? 2 : 1;
	e->is_regex = at < end && *at == '~';
	at += e->is_regex;
	e->value = slice_of(at, (size_t)(end - at));
	e->is_name = slice_equal(e->tag, slice_text("name"));
	if (e->is_regex)
		wrong = regex_compile(&e->regex, e->value, t->budget);
	t->count += wrong == NULL;
	return wrong;
}

void graphite_tags_release(struct graphite_tags *t)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		if (t->list[i].is_regex)
			regex_release(&t->list[i].regex);
	}
	t->count = 0;
}

static int match_one(struct graphite_tag_expr *e, struct slice value)
{
	int status = e->is_regex ? regex_match(&e->regex, value) : slice_equal(e->value, value);

	return status < 0 ? status : (status > 0) != e->negated;
}

struct slice graphite_tags_value(const struct series *series, struct slice tag)
{
	size_t i;

	for (i = 0; i < series->tag_count; i++) {
		if (slice_equal(series->tags[i].key, tag))
			return series->tags[i].value;
	}
	return slice_of(NULL, 0);
}

/* What is compared comes before what is searched for, which costs more. */
int graphite_tags_match(struct graphite_tags *t, const struct series *series)
{
	int status = 1, pass;
	size_t i;

	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < t->count && status > 0; i++) {
			struct graphite_tag_expr *e = &t->list[i];
			if (!e->is_name && e->is_regex == pass)
				status = match_one(e, graphite_tags_value(series, e->tag));
		}
	}
	return status;
}

int graphite_tags_match_name(struct graphite_tags *t, struct slice path)
{
	int status = 1;
	size_t i;

	for (i = 0; i < t->count && status > 0; i++) {
		if (t->list[i].is_name)
			status = match_one(&t->list[i], path);
	}
	return status;
}

bool graphite_tags_name(const struct graphite_tags *t, struct slice *path)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		const struct graphite_tag_expr *e = &t->list[i];
		if (!e->is_name || e->negated || e->is_regex)
			continue;
		*path = e->value;
		return true;
	}
	return false;
}
