/*
 * glob.h - `*`, `?` and `[a-z]` over key names.
 *
 * A pattern is compiled into a bit-parallel automaton (Shift-And of Baeza-Yates and Gonnet,
 * with a loop where a `*` stands), so a match costs a few operations a byte whatever the
 * pattern: no backtracking that a hostile pattern could drive. `?` and classes match one
 * character, not one byte. `[!a]` and `[^a]` negate; classes hold ASCII; a backslash takes
 * the next character as it is. Pure.
 */
#ifndef PROTO_GLOB_H
#define PROTO_GLOB_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define GLOB_TOKENS 255 /* most bytes of a pattern; a class counts as one, a star as none */
#define GLOB_WORDS  4   /* of 64 states */

struct glob {
	/* private: state i means that the first i tokens have matched */
	uint64_t step[256][GLOB_WORDS]; /* states that a byte leads into from the one before */
	uint64_t loop[GLOB_WORDS];      /* states with a star behind them */
	uint64_t rest[GLOB_WORDS];      /* states that take the rest of a character */
	int fence;      /* a byte that no star, `?` or class is; -1: none */
	unsigned tokens;
	unsigned words;
	uint8_t prefix[GLOB_TOKENS];
	size_t prefix_size;
};

/* Compiles a pattern. NULL, or what is wrong with it. Static. */
const char *glob_compile(struct glob *g, struct slice pattern);

/* The same, but no star, `?` or class matches a dot, as in Graphite's paths. */
const char *glob_compile_path(struct glob *g, struct slice pattern);

/* Whether the whole name matches. */
bool glob_match(const struct glob *g, struct slice name);

/* The bytes that every match begins with. Borrowed. */
struct slice glob_prefix(const struct glob *g);

#endif
