// SPDX-License-Identifier: Apache-2.0
/*
 * target.c - a descent over one text, into nodes of one array.
 *
 * Nodes point into the text and are taken in turn, so a target frees nothing. What a word is
 * turns on what follows it at once: `(` makes a call, `=` a named argument, anything else a
 * word, which may hold commas within braces: a number, a boolean or a path. The first thing
 * that is wrong is kept, and everything above it unwinds.
 */
#include "queryd/target.h"

#include "proto/series.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NUMBER_BYTES 40

struct parser {
	struct target *target;
	const char *at, *end;
	unsigned depth;
	const char *wrong; /* the first thing that is */
};

static struct target_node *parse_node(struct parser *p);

static struct target_node *fail(struct parser *p, const char *why)
{
	if (!p->wrong)
		p->wrong = why;
	return NULL;
}

static void skip_blanks(struct parser *p)
{
	while (p->at < p->end && *p->at == ' ')
		p->at++;
}

static struct slice from(const char *start, const char *end)
{
	return slice_of(start, (size_t)(end - start));
}

static struct target_node *new_node(struct parser *p, enum target_type type)
{
	struct target_node *node;

	if (p->target->count == TARGET_NODES)
		return fail(p, "the target has more than 512 parts");
	node = &p->target->nodes[p->target->count++];
	*node = (struct target_node){ .type = type };
	return node;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static struct target_node *parse_string(struct parser *p)
{
	const char *start = p->at;
	char quote = *p->at++;
	struct target_node *node = new_node(p, TARGET_STRING);

	while (p->at < p->end && *p->at != quote)
		p->at += *p->at == '\\' && p->end - p->at > 1 ? 2 : 1;
	if (p->at >= p->end)
		return fail(p, "a string is not closed");
	p->at++;
	if (!node)
		return NULL;
	node->text = from(start + 1, p->at - 1);
	node->source = from(start, p->at);
	return node;
}

/* A word that ends at a comma or parenthesis; commas in braces belong to it. */
static struct slice take_word(struct parser *p)
{
	const char *start = p->at;
	unsigned braces = 0;

	for (; p->at < p->end; p->at++) {
		char c = *p->at;
		if (c == '{')
			braces++;
		else if (c == '}' && braces > 0)
			braces--;
		else if ((c == ',' && braces == 0) || strchr("() \"'|", c))
			break;
	}
	return from(start, p->at);
}

/* Decimal digits with a point and an exponent, all of the text. */
static bool parse_number(struct slice text, double *out)
{
	char copy[NUMBER_BYTES + 1];
	char *end;

	if (text.size == 0 || text.size > NUMBER_BYTES)
		return false;
	memcpy(copy, text.ptr, text.size);
	copy[text.size] = '\0';
	if (strspn(copy, "0123456789+-.eE") != text.size || !strpbrk(copy, "0123456789"))
		return false;
	*out = strtod(copy, &end);
	return *end == '\0' && *out - *out == 0;
}

static bool is_text(struct slice text, const char *lower)
{
	return text.size == strlen(lower) &&
	       strncasecmp((const char *)text.ptr, lower, text.size) == 0;
}

static struct target_node *parse_word(struct parser *p)
{
	struct target_node *node = new_node(p, TARGET_PATH);
	struct slice text = take_word(p);

	if (!node)
		return NULL;
	if (text.size == 0)
		return fail(p, "a path, a call, a number or a string is missing");
	node->text = node->source = text;
	if (parse_number(text, &node->number)) {
		node->type = TARGET_NUMBER;
	} else if (is_text(text, "true") || is_text(text, "false")) {
		node->type = TARGET_BOOL;
		node->number = is_text(text, "true");
	}
	return node;
}

/* The word at p, if what follows it at once is `sign`. */
static bool begins_with_word(const struct parser *p, char sign, struct slice *word)
{
	const char *at = p->at;

	while (at < p->end && is_word(*at))
		at++;
	*word = from(p->at, at);
	return at > p->at && at < p->end && *at == sign;
}

/* One argument, which may be named. */
static struct target_node *parse_argument(struct parser *p)
{
	struct slice keyword;
	struct target_node *node;
	bool named;

	skip_blanks(p);
	named = begins_with_word(p, '=', &keyword);
	if (named)
		p->at += keyword.size + 1;
	node = parse_node(p);
	if (node && named)
		node->keyword = keyword;
	return node;
}

static void parse_arguments(struct parser *p, struct target_node *call)
{
	struct target_node **last = &call->args;

	skip_blanks(p);
	if (p->at < p->end && *p->at == ')')
		return;
	for (;;) {
		struct target_node *node = parse_argument(p);
		if (!node)
			return;
		*last = node;
		last = &node->next;
		skip_blanks(p);
		if (p->at >= p->end || *p->at != ',')
			return;
		p->at++;
	}
}

static struct target_node *parse_call(struct parser *p, struct slice name)
{
	const char *start = p->at;
	struct target_node *node = new_node(p, TARGET_CALL);

	if (!node)
		return NULL;
	if (p->depth == TARGET_DEPTH)
		return fail(p, "calls are nested more than 32 deep");
	p->depth++;
	p->at += name.size + 1;
	parse_arguments(p, node);
	p->depth--;
	if (p->wrong)
		return NULL;
	if (p->at >= p->end || *p->at != ')')
		return fail(p, "a comma or a closing parenthesis is missing");
	p->at++;
	node->text = name;
	node->source = from(start, p->at);
	return node;
}

static struct target_node *parse_node(struct parser *p)
{
	struct slice name;

	skip_blanks(p);
	if (p->at < p->end && (*p->at == '"' || *p->at == '\''))
		return parse_string(p);
	if (begins_with_word(p, '(', &name))
		return parse_call(p, name);
	return parse_word(p);
}

const char *target_parse(struct target *t, struct slice text)
{
	struct parser p = {
		.target = t,
		.at = (const char *)text.ptr,
		.end = (const char *)text.ptr + text.size,
	};

	t->count = 0;
	if (text.size == 0)
		return "the target is empty";
	if (text.size > TARGET_BYTES)
		return "the target is longer than 16,384 bytes";
	if (!series_text_valid(text))
		return "the target holds control bytes or is not UTF-8";
	(void)parse_node(&p);
	skip_blanks(&p);
	if (!p.wrong && p.at < p.end)
		return "something follows the end of the target";
	return p.wrong;
}
