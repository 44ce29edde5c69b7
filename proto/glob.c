// SPDX-License-Identifier: Apache-2.0
#include "proto/glob.h"

#include "proto/series.h"

#include <string.h>

#define LAST_ASCII 127

static void set_bit(uint64_t *words, unsigned bit)
{
	words[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool is_rest(int byte)
{
	return (byte & 0xc0) == 0x80;
}

/* The token that any character of matches[] is, then of it (`others` of the non-ASCII ones). */
static void add_class(struct glob *g, const bool matches[128], bool others)
{
	unsigned state = ++g->tokens;
	int byte;

	for (byte = 0; byte < 256; byte++) {
		if (byte == g->fence)
			continue;
		if (byte <= LAST_ASCII ? matches[byte] : others && !is_rest(byte))
			set_bit(g->step[byte], state);
	}
	if (others)
		set_bit(g->rest, state);
}

/* Reads `a-z0-9]` behind the bracket. False when it is not a class. */
static bool read_class(struct glob *g, const uint8_t **at, const uint8_t *end)
{
	bool matches[128] = { false };
	bool negated = *at < end && (**at == '!' || **at == '^');
	const uint8_t *first = *at + negated;
	const uint8_t *p = first;

	/* As in POSIX, a bracket that comes first stands for itself. */
	for (; p < end && (*p != ']' || p == first); p++) {
		uint8_t low = *p, high = *p;
		if (end - p > 2 && p[1] == '-' && p[2] != ']') {
			high = p[2];
			p += 2;
		}
		if (low > LAST_ASCII || high > LAST_ASCII || low > high)
			return false;
		memset(matches + low, true, (size_t)(high - low) + 1);
	}
	if (p >= end)
		return false;
	for (size_t i = 0; negated && i < sizeof(matches); i++)
		matches[i] = !matches[i];
	add_class(g, matches, negated);
	*at = p + 1;
	return true;
}

static void add_any(struct glob *g)
{
	bool matches[128];

	memset(matches, true, sizeof(matches));
	add_class(g, matches, true);
}

static void add_literal(struct glob *g, uint8_t byte, bool *plain)
{
	set_bit(g->step[byte], ++g->tokens);
	if (*plain)
		g->prefix[g->prefix_size++] = byte;
}

/* Compiles what stands at *at. False when it makes no sense. */
static bool read_token(struct glob *g, const uint8_t **at, const uint8_t *end, bool *plain)
{
	uint8_t byte = *(*at)++;

	switch (byte) {
	case '*':
		set_bit(g->loop, g->tokens);
		*plain = false;
		return true;
	case '?':
		add_any(g);
		*plain = false;
		return true;
	case '[':
		*plain = false;
		return read_class(g, at, end);
	case '\\':
		if (*at == end)
			return false;
		add_literal(g, *(*at)++, plain);
		return true;
	default:
		add_literal(g, byte, plain);
		return true;
	}
}

static const char *compile(struct glob *g, struct slice pattern, int fence)
{
	const uint8_t *at = pattern.ptr;
	const uint8_t *end = pattern.ptr + pattern.size;
	bool plain = true;

	memset(g, 0, sizeof(*g));
	g->fence = fence;
	if (pattern.size == 0)
		return "the pattern is empty";
	if (!series_text_valid(pattern))
		return "the pattern holds control bytes or is not UTF-8";
	while (at < end) {
		if (g->tokens == GLOB_TOKENS)
			return "the pattern is longer than 255 characters";
		if (!read_token(g, &at, end, &plain))
			return "the pattern ends in a backslash, or has a [class] that is not closed "
			       "or is not ASCII";
	}
	g->words = g->tokens / 64 + 1;
	return NULL;
}

const char *glob_compile(struct glob *g, struct slice pattern)
{
	return compile(g, pattern, -1);
}

const char *glob_compile_path(struct glob *g, struct slice pattern)
{
	return compile(g, pattern, '.');
}

/* A pattern of less than 64 tokens, as nearly all are: the same in one word. */
static bool match_short(const struct glob *g, struct slice name)
{
	uint64_t active = 1, loop = g->loop[0], rest = g->rest[0];
	size_t i;

	for (i = 0; i < name.size && active; i++) {
		uint8_t byte = name.ptr[i];
		uint64_t stay = is_rest(byte) ? loop | rest : byte == g->fence ? 0 : loop;
		active = (active << 1 & g->step[byte][0]) | (active & stay);
	}
	return (active >> g->tokens & 1) != 0;
}

bool glob_match(const struct glob *g, struct slice name)
{
	uint64_t active[GLOB_WORDS] = { 1 };
	size_t i;
	unsigned w;

	if (g->words == 1)
		return match_short(g, name);
	for (i = 0; i < name.size; i++) {
		const uint64_t *step = g->step[name.ptr[i]];
		uint64_t rest = is_rest(name.ptr[i]) ? UINT64_MAX : 0;
		uint64_t stay = name.ptr[i] == g->fence ? 0 : UINT64_MAX;
		uint64_t carry = 0, any = 0;
		for (w = 0; w < g->words; w++) {
			uint64_t now = active[w];
			active[w] = ((now << 1 | carry) & step[w]) | (now & g->loop[w] & stay) |
				    (now & g->rest[w] & rest);
			carry = now >> 63;
			any |= active[w];
		}
		if (!any)
			return false;
	}
	return (active[g->tokens / 64] >> (g->tokens % 64) & 1) != 0;
}

struct slice glob_prefix(const struct glob *g)
{
	return slice_of(g->prefix, g->prefix_size);
}
