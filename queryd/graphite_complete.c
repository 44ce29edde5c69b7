// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_complete.c - what tags and values go on with.
 *
 * Each key that matches the expressions so far adds its tags, or its values of one tag, to a
 * set that keeps the first ones in order. `name` is the one tag that has the stat in it: only
 * when it is spoken of are a key's stats gone through.
 */
#include "queryd/graphite_complete.h"

#include "proto/err.h"
#include "proto/json.h"
#include "proto/series.h"
#include "queryd/graphite_path.h"
#include "queryd/graphite_pick.h"
#include "queryd/graphite_tags.h"
#include "queryd/route.h"
#include "queryd/textset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct completion {
	const struct scope_keys *keys;
	struct slice tag;    /* whose values are wanted; empty: tags are */
	struct slice prefix;
	struct textset found;
	struct graphite_tags tags;
	struct graphite_effort left;
};

static bool begins_with(struct slice text, struct slice prefix)
{
	return text.size >= prefix.size && slice_equal(slice_of(text.ptr, prefix.size), prefix);
}

static int add(struct completion *c, struct slice text)
{
	return begins_with(text, c->prefix) ? textset_add(&c->found, text, 0) : 0;
}

/* Whether an expression speaks of the tag already. */
static bool is_used(const struct completion *c, struct slice tag)
{
	size_t i;

	for (i = 0; i < c->tags.count; i++) {
		if (slice_equal(c->tags.list[i].tag, tag))
			return true;
	}
	return false;
}

static int add_tags(struct completion *c, const struct series *series)
{
	int status = is_used(c, slice_text("name")) ? 0 : add(c, slice_text("name"));
	size_t i;

	for (i = 0; i < series->tag_count && status == 0; i++) {
		if (!is_used(c, series->tags[i].key))
			status = add(c, series->tags[i].key);
	}
	return status;
}

/* What a key adds that matches, whichever its stats. */
static int add_matching(struct completion *c, const struct series *series)
{
	struct slice value;

	if (c->tag.size == 0)
		return add_tags(c, series);
	value = graphite_tags_value(series, c->tag);
	return value.size > 0 ? add(c, value) : 0;
}

/* What a key with one of its stats adds. */
static int add_named(struct completion *c, const struct series *series,
		     const struct stat_asked *stat)
{
	char path[LIMIT_SERIES_BYTES + 1 + GRAPHITE_NODE_SIZE];
	struct slice text;
	int status = graphite_look(&c->left.stats, 1);

	if (status < 0)
		return status;
	memcpy(path, series->name.ptr, series->name.size);
	path[series->name.size] = '.';
	(void)graphite_node(stat, path + series->name.size + 1);
	text = slice_of(path, series->name.size + 1 + strlen(path + series->name.size + 1));
	status = graphite_tags_match_name(&c->tags, text);
	if (status <= 0)
		return status;
	if (slice_equal(c->tag, slice_text("name")))
		return add(c, text);
	return add_matching(c, series);
}

/* Whether a key's stats make a difference: they stand in `name` alone. */
static bool is_about_names(const struct completion *c)
{
	return slice_equal(c->tag, slice_text("name")) || is_used(c, slice_text("name"));
}

/* The stats of a key that an overview shows, and the one that an expression names. */
static int add_key(struct completion *c, const struct series *series, unsigned kinds)
{
	struct stat_asked stat;
	struct slice name;
	const uint8_t *dot;
	size_t kind, i;
	int status = 0;

	if (!is_about_names(c))
		return add_matching(c, series);
	for (kind = 0; kind < STAT_KINDS; kind++) {
		if (!(kinds & 1u << kind))
			continue;
		for (i = 0; status == 0 && stat_overview(stat_kinds[kind], i, &stat); i++)
			status = add_named(c, series, &stat);
	}
	if (status < 0 || !graphite_tags_name(&c->tags, &name) || name.size == 0)
		return status;
	dot = memrchr(name.ptr, '.', name.size);
	if (dot && graphite_node_read(slice_of(dot + 1, name.size - (size_t)(dot + 1 - name.ptr)),
				      &stat))
		status = add_named(c, series, &stat);
	return status;
}

static int complete(struct completion *c)
{
	struct scope_walk walk = scope_begin(c->keys, slice_of(NULL, 0));
	struct series series;
	struct slice key;
	unsigned kinds;
	int status = 0;

	while (status >= 0 && scope_next(&walk, &key, &kinds)) {
		status = graphite_look(&c->left.looks, GRAPHITE_LOOKS_TAG);
		if (status < 0 || series_parse(key, &series) < 0)
			continue;
		status = graphite_tags_match(&c->tags, &series);
		if (status > 0)
			status = add_key(c, &series, kinds);
	}
	return status < 0 ? status : 0;
}

/* How many are wanted; -EINVAL. */
static int read_limit(const struct form *form, size_t *limit, const char **wrong)
{
	struct slice text = form_first(form, "limit");
	size_t value = 0, i;

	for (i = 0; i < text.size; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9' || i == 5) {
			*wrong = "limit is a whole number below 100,000";
			return -EINVAL;
		}
		value = value * 10 + (size_t)(text.ptr[i] - '0');
	}
	*limit = value == 0 ? GRAPHITE_COMPLETED : value < GRAPHITE_FOUND ? value : GRAPHITE_FOUND;
	return 0;
}

static int read_exprs(struct completion *c, const struct form *form, const char **wrong)
{
	struct slice text;
	size_t i;

	for (i = 0; form_value(form, "expr", i, &text); i++) {
		/* Grafana sends an empty one along when there is none yet. */
		*wrong = text.size > 0 ? graphite_tags_add(&c->tags, text) : NULL;
		if (*wrong)
			return -EINVAL;
	}
	return 0;
}

static void put_found(struct buf *out, const struct textset *found)
{
	struct json j = json_begin(out);
	size_t i;

	json_array_open(&j);
	for (i = 0; i < found->count; i++)
		json_text_slice(&j, textset_at(found, i));
	json_array_close(&j);
	buf_put_text(out, "\n");
}

int graphite_complete(const struct graphite_ask *ask, struct buf *out, const char **wrong)
{
	bool values = ask->route == ROUTE_TAG_VALUES;
	const struct form *form = ask->form;
	struct completion *c = calloc(1, sizeof(*c));
	size_t limit = 0;
	int status = c ? 0 : -ENOMEM;

	if (!c)
		return status;
	c->keys = ask->keys;
	c->left = graphite_effort(ask->brief);
	c->prefix = form_first(form, values ? "valuePrefix" : "tagPrefix");
	graphite_tags_init(&c->tags, &c->left.regex);
	if (values) {
		c->tag = form_first(form, "tag");
		*wrong = "tag= is missing";
		status = c->tag.size > 0 ? 0 : -EINVAL;
	}
	if (status == 0)
		status = read_limit(form, &limit, wrong);
	if (status == 0)
		status = read_exprs(c, form, wrong);
	if (status == 0) {
		textset_init(&c->found, limit);
		status = complete(c);
	}
	if (status == 0)
		put_found(out, &c->found);
	textset_release(&c->found);
	graphite_tags_release(&c->tags);
	free(c);
	return status;
}
