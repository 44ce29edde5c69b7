// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_pick.c - keys and stats that a path or tag expressions mean.
 *
 * A path without globs is one lookup, and a `name=` one range; the rest looks at names one by
 * one and pays for each look (graphite_effort). The same stat of the same key may be picked by
 * several alternatives of a brace: sorted by key, kind and place, the first stays.
 */
#include "queryd/graphite_pick.h"

#include "proto/err.h"
#include "proto/series.h"
#include "queryd/grow.h"

#include <errno.h>
#include <string.h>

struct graphite_effort graphite_effort(bool brief)
{
	return brief ? (struct graphite_effort){ GRAPHITE_LOOKS_TAG * 4096, 8192, 1000000 } :
		       (struct graphite_effort){ 16000000, UINT64_MAX, REGEX_BUDGET };
}

int graphite_look(uint64_t *looks, uint64_t count)
{
	if (*looks < count)
		return ERR_TOO_LARGE;
	*looks -= count;
	return 0;
}

static int add(struct graphite_picks *p, struct slice key, enum kind kind,
	       const struct stat_asked *stat)
{
	struct graphite_pick *list;

	if (p->count == p->max)
		return ERR_TOO_LARGE;
	list = grow(p->list, p->count, &p->capacity, sizeof(*list));
	if (!list)
		return -ENOMEM;
	p->list = list;
	list[p->count] = (struct graphite_pick){
		.key = key, .kind = kind, .stat = *stat, .place = p->count,
	};
	p->count++;
	return 0;
}

/* By key, then by kind, then as they came. */
static int compare(const void *a, const void *b)
{
	const struct graphite_pick *x = a, *y = b;
	int order = slice_compare(x->key, y->key);

	if (order)
		return order;
	if (x->kind != y->kind)
		return stat_kind_index(x->kind) < stat_kind_index(y->kind) ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

/* Sorts; of a stat of a key that was picked several times the first stays. */
static void settle(struct graphite_picks *p)
{
	size_t kept = 0, first = 0, i, j;

	if (p->count > 1)
		qsort(p->list, p->count, sizeof(*p->list), compare);
	for (i = 0; i < p->count; i++) {
		const struct graphite_pick *pick = &p->list[i];
		if (kept == 0 || !slice_equal(p->list[first].key, pick->key))
			first = kept;
		for (j = first; j < kept; j++) {
			if (strcmp(p->list[j].stat.name, pick->stat.name) == 0)
				break;
		}
		if (j == kept)
			p->list[kept++] = *pick;
	}
	p->count = kept;
}

void graphite_picks_release(struct graphite_picks *p)
{
	free(p->list);
	p->list = NULL;
	p->count = p->capacity = 0;
}

/* ---- paths ---------------------------------------------------------------------------------- */

/* All stats of a key that a path names. */
static int add_path(struct graphite_picks *p, struct slice key, unsigned kinds,
		    const struct graphite_path *path)
{
	struct stat_asked stat;
	size_t kind, i;
	int status;

	for (kind = 0; kind < STAT_KINDS; kind++) {
		if (!(kinds & 1u << kind))
			continue;
		for (i = 0; graphite_path_stat(path, stat_kinds[kind], i, &stat); i++) {
			status = add(p, key, stat_kinds[kind], &stat);
			if (status < 0)
				return status;
		}
	}
	return 0;
}

/* The key that a path without globs means. */
static int pick_plain(struct graphite_picks *p, const struct scope_keys *keys,
		      const struct graphite_path *path)
{
	uint8_t text[GRAPHITE_PATH_BYTES + LIMIT_SERIES_BYTES], key[LIMIT_SERIES_BYTES];
	size_t size = path->name.size;
	struct slice name;
	unsigned kinds;

	if (path->name.size + path->tags.size + 1 > sizeof(text))
		return 0;
	memcpy(text, path->name.ptr, size);
	if (path->tags.size > 0) {
		text[size++] = ';';
		memcpy(text + size, path->tags.ptr, path->tags.size);
		size += path->tags.size;
	}
	if (series_from_key(slice_of(text, size), key, &size) < 0)
		return 0;
	if (!scope_find(keys, slice_of(key, size), &name, &kinds))
		return 0;
	return add_path(p, name, kinds, path);
}

static int pick_glob(struct graphite_picks *p, const struct scope_keys *keys,
		     const struct graphite_path *path)
{
	struct scope_walk walk = scope_begin(keys, glob_prefix(&path->name_glob));
	struct slice key;
	unsigned kinds;
	int status = 0;

	while (status == 0 && scope_next(&walk, &key, &kinds)) {
		status = graphite_look(p->looks, 1);
		if (status == 0 && !memchr(key.ptr, ';', key.size) &&
		    glob_match(&path->name_glob, key))
			status = add_path(p, key, kinds, path);
	}
	return status;
}

int graphite_pick_path(struct graphite_picks *picks, const struct scope_keys *keys,
		       const struct graphite_paths *paths)
{
	size_t i;
	int status = 0;

	for (i = 0; i < paths->count && status == 0; i++) {
		const struct graphite_path *path = &paths->list[i];
		status = path->plain ? pick_plain(picks, keys, path) :
				       pick_glob(picks, keys, path);
	}
	settle(picks);
	return status;
}

/* ---- tags ----------------------------------------------------------------------------------- */

/* A stat of a key, if what is said of `name` allows it. */
static int add_if_named(struct graphite_picks *p, struct graphite_tags *tags, struct slice key,
			const struct series *series, enum kind kind,
			const struct stat_asked *stat)
{
	char path[LIMIT_SERIES_BYTES + 1 + GRAPHITE_NODE_SIZE];
	size_t size = series->name.size;
	int status;

	memcpy(path, series->name.ptr, size);
	path[size++] = '.';
	(void)graphite_node(stat, path + size);
	status = graphite_tags_match_name(tags, slice_of(path, size + strlen(path + size)));
	return status > 0 ? add(p, key, kind, stat) : status;
}

static int add_tagged(struct graphite_picks *p, struct graphite_tags *tags, struct slice key,
		      unsigned kinds)
{
	struct series series;
	struct stat_asked stat;
	size_t kind, i;
	int status;

	if (series_parse(key, &series) < 0)
		return 0;
	status = graphite_tags_match(tags, &series);
	for (kind = 0; kind < STAT_KINDS && status > 0; kind++) {
		if (!(kinds & 1u << kind))
			continue;
		status = 0;
		for (i = 0; status == 0 && stat_overview(stat_kinds[kind], i, &stat); i++)
			status = add_if_named(p, tags, key, &series, stat_kinds[kind], &stat);
		status = status < 0 ? status : 1;
	}
	return status < 0 ? status : 0;
}

/* `name=a.b.p97` names one stat, which need not be one that an overview shows. */
static int add_exact(struct graphite_picks *p, struct graphite_tags *tags, struct slice key,
		     unsigned kinds, const struct graphite_path *path)
{
	struct series series;
	int status;

	if (series_parse(key, &series) < 0 || !slice_equal(series.name, path->name))
		return 0;
	status = graphite_tags_match(tags, &series);
	return status > 0 ? add_path(p, key, kinds, path) : status;
}

static int pick_exact(struct graphite_picks *p, const struct scope_keys *keys,
		      struct graphite_tags *tags, struct slice name)
{
	const uint8_t *dot = name.size ? memrchr(name.ptr, '.', name.size) : NULL;
	struct graphite_path path = { .plain = true, .plain_node = true };
	uint8_t prefix[LIMIT_SERIES_BYTES];
	struct scope_walk walk;
	struct slice key;
	unsigned kinds;
	size_t size;
	int status = graphite_tags_match_name(tags, name);

	if (!dot || dot == name.ptr || status <= 0)
		return status < 0 ? status : 0;
	path.name = slice_of(name.ptr, (size_t)(dot - name.ptr));
	path.node = slice_of(dot + 1, name.size - path.name.size - 1);
	/* As it stands in the keys: escaped. */
	if (series_build(path.name, NULL, 0, prefix, &size) < 0)
		return 0;
	status = 0;
	walk = scope_begin(keys, slice_of(prefix, size));
	while (status == 0 && scope_next(&walk, &key, &kinds)) {
		status = graphite_look(p->looks, GRAPHITE_LOOKS_TAG);
		if (status == 0)
			status = add_exact(p, tags, key, kinds, &path);
	}
	return status;
}

int graphite_pick_tags(struct graphite_picks *picks, const struct scope_keys *keys,
		       struct graphite_tags *tags)
{
	struct scope_walk walk = scope_begin(keys, slice_of(NULL, 0));
	struct slice name, key;
	unsigned kinds;
	int status = 0;

	if (graphite_tags_name(tags, &name)) {
		status = pick_exact(picks, keys, tags, name);
	} else {
		while (status == 0 && scope_next(&walk, &key, &kinds)) {
			status = graphite_look(picks->looks, GRAPHITE_LOOKS_TAG);
			if (status == 0)
				status = add_tagged(picks, tags, key, kinds);
		}
	}
	settle(picks);
	return status;
}
