// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_find.c - the tree of nodes, found in names that are sorted.
 *
 * Names of one branch stand together, so two of them are looked at and the rest is skipped by a
 * seek: a level of a million names costs what it shows. The leaves below a name are its stats,
 * and a key has one node less than its leaves.
 */
#include "queryd/graphite_find.h"

#include "proto/err.h"
#include "proto/json.h"
#include "queryd/graphite_complete.h"
#include "queryd/graphite_path.h"
#include "queryd/graphite_pick.h"
#include "queryd/textset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BRANCH = 1, LEAF = 2 };

/* A search through the tree of nodes. */
struct finder {
	const struct scope_keys *keys;
	struct textset found;
	struct graphite_effort left;
	bool paths; /* whole paths, not the last nodes */
	const char *wrong;
};

/* One query, braces written out. */
struct query {
	struct slice last; /* its last node */
	size_t nodes;
	struct glob whole, base, node; /* all; all but the last; the last */
};

/* ---- the tree ------------------------------------------------------------------------------- */

static size_t count_nodes(struct slice text)
{
	size_t count = 1, i;

	for (i = 0; i < text.size; i++)
		count += text.ptr[i] == '.';
	return count;
}

/* The first `count` nodes of a name, which has at least so many. */
static struct slice first_nodes(struct slice name, size_t count)
{
	size_t i;

	for (i = 0; i < name.size; i++) {
		if (name.ptr[i] == '.' && --count == 0)
			break;
	}
	return slice_of(name.ptr, i);
}

static struct slice last_node(struct slice path)
{
	const uint8_t *dot = path.size ? memrchr(path.ptr, '.', path.size) : NULL;
	size_t before = dot ? (size_t)(dot - path.ptr) + 1 : 0;

	return slice_of(path.ptr + before, path.size - before);
}

static int add_branch(struct finder *f, const struct query *q, struct slice name)
{
	struct slice path = first_nodes(name, q->nodes);

	if (!glob_match(&q->whole, path))
		return 0;
	return textset_add(&f->found, f->paths ? path : last_node(path), BRANCH);
}

static int add_leaf(struct finder *f, struct slice name, const char *node)
{
	uint8_t path[LIMIT_SERIES_BYTES + 1 + GRAPHITE_NODE_SIZE];
	size_t size = strlen(node);
	int status = graphite_look(&f->left.stats, 1);

	if (status < 0)
		return status;
	if (!f->paths)
		return textset_add(&f->found, slice_text(node), LEAF);
	memcpy(path, name.ptr, name.size);
	path[name.size] = '.';
	memcpy(path + name.size + 1, node, size);
	return textset_add(&f->found, slice_of(path, name.size + 1 + size), LEAF);
}

/* The stats of a key that has one node less than was asked for. */
static int add_leaves(struct finder *f, const struct query *q, struct slice name, unsigned kinds)
{
	char node[GRAPHITE_NODE_SIZE];
	struct stat_asked stat;
	size_t kind, i;
	int status = 0;

	if (!glob_match(&q->base, name))
		return 0;
	for (kind = 0; kind < STAT_KINDS; kind++) {
		if (!(kinds & 1u << kind))
			continue;
		for (i = 0; status == 0 && stat_overview(stat_kinds[kind], i, &stat); i++) {
			if (glob_match(&q->node, slice_text(graphite_node(&stat, node))))
				status = add_leaf(f, name, node);
		}
		/* `p97`, which no overview shows. */
		if (status == 0 && graphite_node_read(q->last, &stat) &&
		    stat_has(stat_kinds[kind], stat.id))
			status = add_leaf(f, name, graphite_node(&stat, node));
	}
	return status;
}

/* Whether two names have the same branch, which the second one's first nodes are. */
static bool same_branch(struct slice before, struct slice name, size_t nodes)
{
	size_t size = first_nodes(name, nodes).size + 1;

	return size <= name.size && size <= before.size &&
	       memcmp(before.ptr, name.ptr, size) == 0;
}

/* Of a branch two names are looked at, however many there are. */
static int search(struct finder *f, const struct query *q)
{
	struct slice prefix = q->nodes > 1 ? glob_prefix(&q->base) : glob_prefix(&q->whole);
	struct scope_walk walk = scope_begin(f->keys, prefix);
	struct slice name, before = slice_of(NULL, 0);
	unsigned kinds;
	int status = 0;

	while (status == 0 && scope_next(&walk, &name, &kinds)) {
		size_t nodes = count_nodes(name);
		status = graphite_look(&f->left.looks, 1);
		if (status < 0)
			continue;
		if (nodes > q->nodes && same_branch(before, name, q->nodes))
			scope_skip(&walk, slice_of(name.ptr, first_nodes(name, q->nodes).size + 1));
		else if (memchr(name.ptr, ';', name.size))
			continue;
		else if (nodes >= q->nodes)
			status = add_branch(f, q, name);
		else if (nodes + 1 == q->nodes)
			status = add_leaves(f, q, name, kinds);
		before = name;
	}
	return status;
}

static int search_text(struct finder *f, struct slice text)
{
	struct query *q = malloc(sizeof(*q));
	struct slice base;
	int status;

	if (!q)
		return -ENOMEM;
	q->last = last_node(text);
	q->nodes = count_nodes(text);
	base = slice_of(text.ptr, q->nodes > 1 ? text.size - q->last.size - 1 : 0);
	f->wrong = glob_compile_path(&q->whole, text);
	if (!f->wrong && q->nodes > 1)
		f->wrong = glob_compile_path(&q->base, base);
	if (!f->wrong && q->nodes > 1)
		f->wrong = glob_compile_path(&q->node, q->last);
	status = f->wrong ? -EINVAL : search(f, q);
	free(q);
	return status;
}

static int search_all(struct finder *f, struct slice query)
{
	char *texts, *at;
	int count = graphite_braces(query, &texts, &f->wrong), status = 0;

	if (count < 0)
		return count;
	for (at = texts; count > 0 && status == 0; count--, at += strlen(at) + 1)
		status = search_text(f, slice_text(at));
	free(texts);
	return status;
}

/* ---- answers -------------------------------------------------------------------------------- */

/* `a.*.` of the query, before what was found. */
static void put_id(struct json *j, struct slice query, struct slice text)
{
	size_t before = query.size - last_node(query).size;
	struct buf id;

	buf_init(&id, ROUTE_URL_BYTES * 2 + LIMIT_SERIES_BYTES);
	buf_put(&id, query.ptr, before);
	buf_put_slice(&id, text);
	json_key(j, "id");
	json_text_slice(j, buf_view(&id));
	buf_release(&id);
}

static void put_node(struct json *j, struct slice query, struct slice text, unsigned marks)
{
	json_object_open(j);
	json_key(j, "text");
	json_text_slice(j, text);
	put_id(j, query, text);
	json_key(j, "leaf");
	json_u64(j, marks & LEAF ? 1 : 0);
	json_key(j, "expandable");
	json_u64(j, marks & BRANCH ? 1 : 0);
	json_key(j, "allowChildren");
	json_u64(j, marks & BRANCH ? 1 : 0);
	json_key(j, "context");
	json_object_open(j);
	json_object_close(j);
	json_object_close(j);
}

static void put_found(struct buf *out, const struct finder *f, struct slice query)
{
	struct json j = json_begin(out);
	size_t i;

	if (f->paths) {
		json_object_open(&j);
		json_key(&j, "results");
	}
	json_array_open(&j);
	for (i = 0; i < f->found.count && buf_status(out) == 0; i++) {
		if (f->paths)
			json_text_slice(&j, textset_at(&f->found, i));
		else
			put_node(&j, query, textset_at(&f->found, i), f->found.list[i].marks);
	}
	json_array_close(&j);
	if (f->paths)
		json_object_close(&j);
	buf_put_text(out, "\n");
}

static int refuse(int status, const char *wrong, struct route_refusal *why)
{
	if (status == -EINVAL)
		return route_refuse(why, 400, "bad_match", "%s", wrong ? wrong : "");
	if (status == ERR_TOO_LARGE)
		return route_refuse(why, 413, "too_large",
				    "this looks through more names than one answer may");
	return status;
}

static int find_nodes(const struct graphite_ask *ask, struct buf *out, const char **wrong)
{
	struct finder f = { .keys = ask->keys, .paths = ask->route == ROUTE_EXPAND };
	struct slice query = form_first(ask->form, "query");
	size_t i;
	int status = 0;

	f.left = graphite_effort(ask->brief);
	*wrong = "query= is missing";
	if (query.size == 0)
		return -EINVAL;
	textset_init(&f.found, GRAPHITE_FOUND);
	for (i = 0; status == 0 && form_value(ask->form, "query", i, &query); i++)
		status = search_all(&f, query);
	if (status == 0)
		put_found(out, &f, form_first(ask->form, "query"));
	textset_release(&f.found);
	*wrong = f.wrong;
	return status;
}

int graphite_find(const struct graphite_ask *ask, struct buf *out, struct route_refusal *why)
{
	bool nodes = ask->route == ROUTE_FIND || ask->route == ROUTE_EXPAND;
	const char *wrong = NULL;
	int status = nodes ? find_nodes(ask, out, &wrong) : graphite_complete(ask, out, &wrong);

	/* What is too much of anything is said by who may look at all of it. */
	if (status == ERR_TOO_LARGE && ask->brief)
		return -EAGAIN;
	return refuse(status, wrong, why);
}
