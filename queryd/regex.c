// SPDX-License-Identifier: Apache-2.0
/*
 * regex.c - Perl's spelling into POSIX', which libc matches, within a budget.
 *
 * The translator goes over the pattern once and writes what means the same in an extended
 * expression; what has no such form is refused with a reason, never passed on to mean something
 * else. Nothing that a stranger writes may take libc long: no back-references, few repetitions,
 * short subjects, and each search is paid for by the square of what it looks at, before it is
 * made. libc keeps every state of its automaton that it has met, so an expression that has read
 * AGAIN_BYTES is compiled anew.
 */
#include "queryd/regex.h"

#include "proto/err.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT_MAX  64
#define REPEATS_MAX 256
#define AGAIN_BYTES 65536 /* libc keeps every state it has met: then it starts over */

/* ---- into POSIX' form ----------------------------------------------------------------------- */

struct translator {
	const char *at, *end;
	char *out;
	unsigned groups;
	unsigned repeats; /* the product of all that are counted */
	bool repeated;    /* what came last is a repetition */
	const char *wrong;
};

static void put(struct translator *t, const char *text)
{
	size_t size = strlen(text);

	memcpy(t->out, text, size);
	t->out += size;
}

static void put_byte(struct translator *t, char byte)
{
	*t->out++ = byte;
}

/* A class letter behind a backslash, as it stands outside or inside of brackets. */
static const char *class_of(char letter, bool inside)
{
	switch (letter) {
	case 'd':
		return inside ? "0-9" : "[0-9]";
	case 'D':
		return inside ? NULL : "[^0-9]";
	case 'w':
		return inside ? "a-zA-Z0-9_" : "[a-zA-Z0-9_]";
	case 'W':
		return inside ? NULL : "[^a-zA-Z0-9_]";
	case 's':
		return inside ? " " : "[ ]"; /* names have no other blanks */
	case 'S':
		return inside ? NULL : "[^ ]";
	case 'b':
		return inside ? NULL : "\\b";
	default:
		return NULL;
	}
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static void translate_escape(struct translator *t)
{
	const char *class;
	char c;

	if (++t->at == t->end) {
		t->wrong = "the expression ends in a backslash";
		return;
	}
	c = *t->at++;
	class = class_of(c, false);
	if (c >= '0' && c <= '9') {
		t->wrong = "back-references are not supported in the expression, only in what "
			   "replaces it";
	} else if (class) {
		put(t, class);
	} else if (is_letter(c)) {
		t->wrong = "of escapes only \\d \\D \\w \\W \\s \\S \\b and marks are supported";
	} else {
		put_byte(t, '\\');
		put_byte(t, c);
	}
}

/* One element of a bracket expression. POSIX takes a backslash there as it is. */
static void translate_element(struct translator *t)
{
	const char *class;
	char c = *t->at++;

	if (c == '[' && t->at < t->end && strchr(".:=", *t->at)) {
		t->wrong = "[:classes:] are not supported; write \\d, \\w or the letters";
		return;
	}
	if (c != '\\') {
		put_byte(t, c);
		return;
	}
	if (t->at == t->end)
		return;
	c = *t->at++;
	class = class_of(c, true);
	if (class)
		put(t, class);
	else if (is_letter(c) || c == ']' || c == '\\' || c == '-' || c == '^')
		t->wrong = "of escapes in brackets only \\d \\w \\s and most marks are supported";
	else
		put_byte(t, c);
}

static void translate_bracket(struct translator *t)
{
	const char *first;

	put_byte(t, *t->at++);
	if (t->at < t->end && *t->at == '^')
		put_byte(t, *t->at++);
	for (first = t->at; t->at < t->end && !t->wrong; ) {
		if (*t->at == ']' && t->at > first) {
			put_byte(t, *t->at++);
			return;
		}
		translate_element(t);
	}
	if (!t->wrong)
		t->wrong = "a bracket is not closed";
}

/* Digits, at most REPEAT_MAX; -1 when there are none, REPEAT_MAX + 1 when they are more. */
static int read_count(struct translator *t)
{
	int count = -1;

	for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
		count = (count < 0 ? 0 : count) * 10 + (*t->at - '0');
		count = count > REPEAT_MAX ? REPEAT_MAX + 1 : count;
	}
	return count;
}

/* `{2}`, `{2,}`, `{2,4}`. */
static void translate_counted(struct translator *t)
{
	const char *start = t->at++;
	int low = read_count(t), high = low;

	if (low >= 0 && t->at < t->end && *t->at == ',') {
		t->at++;
		high = read_count(t);
		high = high < 0 ? low : high;
	}
	if (low < 0 || t->at == t->end || *t->at != '}') {
		t->wrong = "a brace stands for a repetition, {2} or {2,4}; write \\{ for itself";
		return;
	}
	t->at++;
	t->repeats *= high > 1 ? (unsigned)high : 1;
	if (low > REPEAT_MAX || high > REPEAT_MAX || t->repeats > REPEATS_MAX) {
		t->wrong = "repetitions are at most 64, and 256 in all";
		return;
	}
	memcpy(t->out, start, (size_t)(t->at - start));
	t->out += t->at - start;
}

static void translate_repetition(struct translator *t)
{
	if (t->repeated)
		t->wrong = "lazy and doubled repetition are not supported";
	else if (*t->at == '{')
		translate_counted(t);
	else
		put_byte(t, *t->at++);
	t->repeated = true;
}

static void translate_group(struct translator *t)
{
	put_byte(t, *t->at++);
	if (t->at < t->end && *t->at == '?')
		t->wrong = "(?...) is not supported";
	else if (++t->groups == REGEX_GROUPS)
		t->wrong = "an expression has at most 9 groups";
}

static void translate(struct translator *t)
{
	while (t->at < t->end && !t->wrong) {
		char c = *t->at;
		if (c != '\0' && strchr("*+?{", c)) {
			translate_repetition(t);
			continue;
		}
		t->repeated = false;
		if (c == '\\')
			translate_escape(t);
		else if (c == '[')
			translate_bracket(t);
		else if (c == '(')
			translate_group(t);
		else
			put_byte(t, *t->at++);
	}
	*t->out = '\0';
}

/* ---- compiling ------------------------------------------------------------------------------ */

static const char *compile(struct regex *r)
{
	int status = regcomp(&r->compiled, r->posix, REG_EXTENDED);

	r->read = 0;
	if (status == REG_ESPACE)
		return "there is no memory for the expression";
	return status ? "the expression is not one (of POSIX' extended ones)" : NULL;
}

const char *regex_compile(struct regex *r, struct slice pattern, uint64_t *budget)
{
	struct translator t = {
		.at = (const char *)pattern.ptr,
		.end = (const char *)pattern.ptr + pattern.size,
		.out = r->posix,
		.repeats = 1,
	};

	if (pattern.size > REGEX_PATTERN_BYTES)
		return "an expression has at most 256 bytes";
	r->left = budget;
	r->whole = slice_equal(pattern, slice_text("(^.*$)"));
	translate(&t);
	return t.wrong ? t.wrong : compile(r);
}

void regex_release(struct regex *r)
{
	regfree(&r->compiled);
}

/* ---- searching ------------------------------------------------------------------------------ */

/* Searches text, which is the rest of a subject. 1 with the groups, 0, or an error. */
static int search(struct regex *r, const char *text, size_t size, int flags,
		  regmatch_t groups[REGEX_GROUPS])
{
	uint64_t cost = ((uint64_t)size + 16) * ((uint64_t)size + 16);
	int status;

	if (*r->left < cost)
		return ERR_TOO_LARGE;
	*r->left -= cost;
	if (r->read > AGAIN_BYTES) {
		regfree(&r->compiled);
		if (compile(r) != NULL) {
			/* What was compiled before is; only memory can be short. Nothing is not
			 * to be freed again. */
			memset(&r->compiled, 0, sizeof(r->compiled));
			return -ENOMEM;
		}
	}
	r->read += size;
	status = regexec(&r->compiled, text, REGEX_GROUPS, groups, flags);
	return status == 0 ? 1 : status == REG_NOMATCH ? 0 : -ENOMEM;
}

int regex_match(struct regex *r, struct slice subject)
{
	char text[REGEX_SUBJECT_BYTES + 1];
	regmatch_t groups[REGEX_GROUPS];
	int status;

	if (r->whole)
		return 1;
	if (subject.size > REGEX_SUBJECT_BYTES)
		return ERR_TOO_LARGE;
	if (subject.size > 0)
		memcpy(text, subject.ptr, subject.size);
	text[subject.size] = '\0';
	status = search(r, text, subject.size, 0, groups);
	return status > 0 ? groups[0].rm_so == 0 : status;
}

/* ---- replacing ------------------------------------------------------------------------------ */

/* Reads a reference to a group at *at, `\1` or `\g<1>`. Its number, or -1 when there is none. */
static int read_reference(const char **at, const char *end)
{
	const char *p = *at;

	if (end - p >= 2 && p[0] == '\\' && p[1] >= '0' && p[1] <= '9') {
		*at += 2;
		return p[1] - '0';
	}
	if (end - p >= 5 && memcmp(p, "\\g<", 3) == 0 && p[3] >= '0' && p[3] <= '9' &&
	    p[4] == '>') {
		*at += 5;
		return p[3] - '0';
	}
	return -1;
}

bool regex_fits(const struct regex *r, struct slice replacement)
{
	const char *at = (const char *)replacement.ptr, *end = at + replacement.size;

	while (at < end) {
		int group = read_reference(&at, end);
		if (group > (int)r->compiled.re_nsub)
			return false;
		at += group < 0;
	}
	return true;
}

static void put_replacement(struct buf *out, struct slice replacement, const char *text,
			    const regmatch_t *groups)
{
	const char *at = (const char *)replacement.ptr, *end = at + replacement.size;

	while (at < end) {
		int group = read_reference(&at, end);
		if (group >= 0 && groups[group].rm_so >= 0)
			buf_put(out, text + groups[group].rm_so,
				(size_t)(groups[group].rm_eo - groups[group].rm_so));
		if (group >= 0)
			continue;
		/* A backslash takes the mark behind it as it is. */
		if (*at == '\\' && end - at > 1 && !is_letter(at[1]))
			at++;
		buf_put_u8(out, (uint8_t)*at++);
	}
}

static int replace_all(struct regex *r, struct slice subject, struct slice replacement,
		       struct buf *out)
{
	char text[REGEX_SUBJECT_BYTES + 1];
	regmatch_t groups[REGEX_GROUPS];
	size_t at = 0;
	int status = 1;

	if (subject.size > 0)
		memcpy(text, subject.ptr, subject.size);
	text[subject.size] = '\0';
	while (at <= subject.size) {
		bool empty;
		status = search(r, text + at, subject.size - at, at ? REG_NOTBOL : 0, groups);
		if (status <= 0)
			break;
		buf_put(out, text + at, (size_t)groups[0].rm_so);
		put_replacement(out, replacement, text + at, groups);
		empty = groups[0].rm_eo == groups[0].rm_so;
		at += (size_t)groups[0].rm_eo;
		/* An empty match would be found for ever. */
		if (empty && at < subject.size)
			buf_put(out, text + at, 1);
		at += empty;
	}
	if (status < 0)
		return status;
	if (at < subject.size)
		buf_put(out, text + at, subject.size - at);
	return buf_status(out);
}

int regex_replace(struct regex *r, struct slice subject, struct slice replacement, struct buf *out)
{
	const regmatch_t whole[REGEX_GROUPS] = {
		{ 0, (regoff_t)subject.size }, { 0, (regoff_t)subject.size },
	};

	if (r->whole) {
		put_replacement(out, replacement, (const char *)subject.ptr, whole);
		return buf_status(out);
	}
	if (subject.size > REGEX_SUBJECT_BYTES)
		return ERR_TOO_LARGE;
	return replace_all(r, subject, replacement, out);
}
