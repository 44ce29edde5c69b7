// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_path.c - braces written out, then name, stat and tags cut apart.
 *
 * Each brace that is replaced makes shorter work of the rest, so the recursion ends with the
 * text; 64 paths are the most. The stat is what stands behind the last dot before the tags. Its
 * own dot is an underscore there, for a dot would be another node.
 */
#include "queryd/graphite_path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- braces --------------------------------------------------------------------------------- */

/* Texts being written out, one after the other, each terminated. */
struct writer {
	char *bytes;
	size_t size;
	int count;
	const char *wrong;
};

/* The first `{` that has its `}`, and what stands between them; false when there is none. */
static bool find_brace(const char *text, const char **open, const char **close)
{
	unsigned depth = 0;

	*open = strchr(text, '{');
	for (*close = *open; *open && **close; (*close)++) {
		depth += **close == '{';
		depth -= **close == '}';
		if (depth == 0)
			return true;
	}
	return false;
}

/* The end of an alternative: a comma outside of inner braces, or the end. */
static const char *end_of_alternative(const char *at, const char *end)
{
	unsigned depth = 0;

	for (; at < end; at++) {
		depth += *at == '{';
		depth -= *at == '}' && depth > 0;
		if (*at == ',' && depth == 0)
			break;
	}
	return at;
}

static void write_text(struct writer *w, const char *text)
{
	size_t size = strlen(text) + 1;

	if (w->count == GRAPHITE_BRACES) {
		w->wrong = "braces stand for more than 64 paths";
		return;
	}
	memcpy(w->bytes + w->size, text, size);
	w->size += size;
	w->count++;
}

/* Replaces the first brace by each of its alternatives in turn. Every step takes one brace away, so
 * the depth is bounded by the text. */
static void expand(struct writer *w, const char *text)
{
	const char *open, *close, *at, *end;
	char one[GRAPHITE_PATH_BYTES + 1];
	size_t before, size, after;

	if (w->wrong)
		return;
	if (!find_brace(text, &open, &close)) {
		write_text(w, text);
		return;
	}
	before = (size_t)(open - text);
	after = strlen(close + 1) + 1;
	for (at = open + 1; at <= close && !w->wrong; at = end + 1) {
		end = end_of_alternative(at, close);
		size = (size_t)(end - at);
		memcpy(one, text, before);
		memcpy(one + before, at, size);
		memcpy(one + before + size, close + 1, after);
		expand(w, one);
	}
}

static unsigned count_braces(struct slice text)
{
	unsigned count = 0;
	size_t i;

	for (i = 0; i < text.size; i++)
		count += text.ptr[i] == '{';
	return count;
}

int graphite_braces(struct slice text, char **bytes, const char **why)
{
	struct writer w = { 0 };
	unsigned braces = count_braces(text);
	char *copy;

	if (braces > 0 && text.size > GRAPHITE_PATH_BYTES)
		w.wrong = "a path with braces is at most 1,024 bytes";
	else if (braces > 8)
		w.wrong = "a path has at most 8 braces";
	*why = w.wrong;
	if (w.wrong)
		return -EINVAL;
	copy = malloc(text.size + 1);
	w.bytes = malloc(braces ? GRAPHITE_BRACES * (text.size + 1) : text.size + 1);
	if (copy && w.bytes) {
		memcpy(copy, text.ptr, text.size);
		copy[text.size] = '\0';
		if (braces)
			expand(&w, copy);
		else
			write_text(&w, copy);
	}
	free(copy);
	*why = w.wrong;
	if (w.wrong || w.count == 0) {
		free(w.bytes);
		return w.wrong ? -EINVAL : -ENOMEM;
	}
	*bytes = w.bytes;
	return w.count;
}

/* ---- paths ---------------------------------------------------------------------------------- */

static bool is_plain(struct slice text)
{
	size_t i;

	for (i = 0; i < text.size; i++) {
		if (strchr("*?[\\", text.ptr[i]))
			return false;
	}
	return true;
}

/* Cuts `name.stat;tags`. False when there is no stat. */
static bool cut(struct graphite_path *p, struct slice text)
{
	const uint8_t *semicolon = memchr(text.ptr, ';', text.size);
	size_t size = semicolon ? (size_t)(semicolon - text.ptr) : text.size;
	const uint8_t *dot = memrchr(text.ptr, '.', size);

	if (!dot || dot == text.ptr)
		return false;
	p->name = slice_of(text.ptr, (size_t)(dot - text.ptr));
	p->node = slice_of(dot + 1, size - p->name.size - 1);
	p->tags = slice_of(NULL, 0);
	if (semicolon)
		p->tags = slice_of(semicolon + 1, text.size - size - 1);
	/* What has tags is meant exactly. */
	p->plain = semicolon || is_plain(p->name);
	p->plain_node = is_plain(p->node);
	return p->node.size > 0;
}

static const char *compile(struct graphite_path *p)
{
	const char *wrong = NULL;

	if (!p->plain)
		wrong = glob_compile_path(&p->name_glob, p->name);
	if (!wrong && !p->plain_node)
		wrong = glob_compile_path(&p->node_glob, p->node);
	return wrong;
}

int graphite_paths_read(struct graphite_paths *p, struct slice text, const char **why)
{
	const char *at;
	int texts, i;

	*p = (struct graphite_paths){ 0 };
	texts = graphite_braces(text, &p->bytes, why);
	if (texts < 0)
		return texts;
	p->list = calloc((size_t)texts, sizeof(*p->list));
	if (!p->list) {
		graphite_paths_release(p);
		return -ENOMEM;
	}
	for (i = 0, at = p->bytes; i < texts && !*why; i++, at += strlen(at) + 1) {
		struct graphite_path *one = &p->list[p->count];
		if (!cut(one, slice_text(at)))
			continue;
		*why = compile(one);
		p->count++;
	}
	if (!*why)
		return 0;
	graphite_paths_release(p);
	return -EINVAL;
}

void graphite_paths_release(struct graphite_paths *p)
{
	free(p->list);
	free(p->bytes);
	*p = (struct graphite_paths){ 0 };
}

/* ---- stats ---------------------------------------------------------------------------------- */

const char *graphite_node(const struct stat_asked *stat, char out[GRAPHITE_NODE_SIZE])
{
	char *dot;

	memcpy(out, stat->name, GRAPHITE_NODE_SIZE);
	while ((dot = strchr(out, '.')) != NULL)
		*dot = '_';
	return out;
}

bool graphite_node_read(struct slice node, struct stat_asked *stat)
{
	char text[GRAPHITE_NODE_SIZE];
	size_t i;

	if (node.size == 0 || node.size >= sizeof(text))
		return false;
	for (i = 0; i < node.size; i++)
		text[i] = node.ptr[i] == '_' ? '.' : (char)node.ptr[i];
	return stat_parse(slice_of(text, node.size), stat);
}

bool graphite_path_stat(const struct graphite_path *p, enum kind kind, size_t index,
			struct stat_asked *stat)
{
	char node[GRAPHITE_NODE_SIZE];
	size_t i;

	if (p->plain_node)
		return index == 0 && graphite_node_read(p->node, stat) && stat_has(kind, stat->id);
	for (i = 0; stat_overview(kind, i, stat); i++) {
		(void)graphite_node(stat, node);
		if (glob_match(&p->node_glob, slice_text(node)) && index-- == 0)
			return true;
	}
	return false;
}
