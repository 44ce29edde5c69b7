// SPDX-License-Identifier: Apache-2.0
/*
 * A state is the number of tokens that have matched: bit i of `active` says that the first i of
 * them can be made to cover all bytes read so far. A byte takes state i to i + 1 where the token
 * behind i is one that it can begin, and leaves it where it is under a star. All states move at
 * once by a shift and two masks, so a name costs its length times the words of the pattern.
 *
 * Tokens are bytes but for `?` and the classes that take what is not ASCII. Of those the first
 * byte of a character makes the step and its other bytes keep the state behind it (`rest`); a name
 * is UTF-8, so such bytes only come where they belong.
 */
#include "proto/glob.h"

#include "proto/series.h"

#include <string.h>

#define LAST_ASCII 127

static void glob_set_bit(uint64_t *words, unsigned bit)
{
	words[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool glob_is_rest(int byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Adds a token that takes the ASCII characters of matches[] and, if `others`, all beyond ASCII. */
static void glob_add_class(struct glob *g, const bool matches[128], bool others)
{
	unsigned state = ++g->tokens;

	for (int byte = 0; byte < 256; byte++) {
		if (byte == g->fence)
			continue;
		if (byte <= LAST_ASCII ? matches[byte] : others && !glob_is_rest(byte))
			glob_set_bit(g->step[byte], state);
	}
	if (others)
		glob_set_bit(g->rest, state);
}

/* Reads `a-z0-9]` behind the bracket. False when it is not a class. */
static bool glob_read_class(struct glob *g, const uint8_t **at, const uint8_t *end)
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
	glob_add_class(g, matches, negated);
	*at = p + 1;
	return true;
}

static void glob_add_any(struct glob *g)
{
	bool matches[128];

	memset(matches, true, sizeof(matches));
	glob_add_class(g, matches, true);
}

static void glob_add_literal(struct glob *g, uint8_t byte, bool *plain)
{
	glob_set_bit(g->step[byte], ++g->tokens);
	if (*plain)
		g->prefix[g->prefix_size++] = byte;
}

/* Compiles what stands at *at. False when it makes no sense. */
static bool glob_read_token(struct glob *g, const uint8_t **at, const uint8_t *end, bool *plain)
{
	uint8_t byte = *(*at)++;

	switch (byte) {
	case '*':
		glob_set_bit(g->loop, g->tokens);
		*plain = false;
		return true;
	case '?':
		glob_add_any(g);
		*plain = false;
		return true;
	case '[':
		*plain = false;
		return glob_read_class(g, at, end);
	case '\\':
		if (*at == end)
			return false;
		glob_add_literal(g, *(*at)++, plain);
		return true;
	default:
		glob_add_literal(g, byte, plain);
		return true;
	}
}

static const char *glob_build(struct glob *g, struct slice pattern, int fence)
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
		if (g->tokens == GLOB_TOKENS && *at != '*')
			return "the pattern is longer than 255 characters";
		if (!glob_read_token(g, &at, end, &plain))
			return "the pattern ends in a backslash, or has a [class] that is not "
			       "closed or is not ASCII";
	}
	g->words = g->tokens / 64 + 1;
	return NULL;
}

const char *glob_compile(struct glob *g, struct slice pattern)
{
	return glob_build(g, pattern, -1);
}

const char *glob_compile_path(struct glob *g, struct slice pattern)
{
	return glob_build(g, pattern, '.');
}

/* A pattern of less than 64 tokens, as nearly all are: the same in one word. */
static bool glob_match_short(const struct glob *g, struct slice name)
{
	uint64_t active = 1, loop = g->loop[0], rest = g->rest[0];

	for (size_t i = 0; i < name.size && active; i++) {
		uint8_t byte = name.ptr[i];
		uint64_t stay = glob_is_rest(byte) ? loop | rest : byte == g->fence ? 0 : loop;

		active = (active << 1 & g->step[byte][0]) | (active & stay);
	}
	return (active >> g->tokens & 1) != 0;
}

bool glob_match(const struct glob *g, struct slice name)
{
	uint64_t active[GLOB_WORDS] = { 1 };

	if (g->words == 1)
		return glob_match_short(g, name);
	for (size_t i = 0; i < name.size; i++) {
		const uint64_t *step = g->step[name.ptr[i]];
		uint64_t rest = glob_is_rest(name.ptr[i]) ? UINT64_MAX : 0;
		uint64_t stay = name.ptr[i] == g->fence ? 0 : UINT64_MAX;
		uint64_t carry = 0, any = 0;

		for (unsigned w = 0; w < g->words; w++) {
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
