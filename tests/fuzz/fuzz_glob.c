// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_glob - a pattern, and after the first line feed a name: what the automaton says, a
 * plain search says as well, where the pattern is of stars, `?` and ASCII alone.
 */
#include "proto/glob.h"

#include <assert.h>
#include <string.h>

/* The plain search: exponential at worst, so for short patterns only. */
static bool plain_match(struct slice pattern, struct slice name, bool path)
{
	bool star;

	if (pattern.size == 0)
		return name.size == 0;
	star = pattern.ptr[0] == '*';
	if (star && plain_match(slice_of(pattern.ptr + 1, pattern.size - 1), name, path))
		return true;
	if (name.size == 0)
		return false;
	if ((star || pattern.ptr[0] == '?') ? path && name.ptr[0] == '.' : pattern.ptr[0] != name.ptr[0])
		return false;
	name = slice_of(name.ptr + 1, name.size - 1);
	return plain_match(star ? pattern : slice_of(pattern.ptr + 1, pattern.size - 1), name, path);
}

static bool plain_pattern(struct slice pattern)
{
	size_t stars = 0;

	for (size_t i = 0; i < pattern.size; i++) {
		if (pattern.ptr[i] >= 0x80 || strchr("[]\\{}", pattern.ptr[i]) != NULL)
			return false;
		stars += pattern.ptr[i] == '*';
	}
	return stars <= 3 && pattern.size <= 40;
}

static bool ascii(struct slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.ptr[i] >= 0x80)
			return false;
	return text.size <= 60;
}

static void check(const struct glob *g, struct slice pattern, struct slice name, bool path)
{
	struct slice prefix = glob_prefix(g);
	bool matches = glob_match(g, name);

	assert(prefix.size <= GLOB_TOKENS);
	if (matches)
		assert(name.size >= prefix.size && (prefix.size == 0 ||
						    memcmp(name.ptr, prefix.ptr, prefix.size) == 0));
	if (plain_pattern(pattern) && ascii(name))
		assert(matches == plain_match(pattern, name, path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct glob g;
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t head = end ? (size_t)(end - data) : size;
	struct slice pattern = slice_of(data, head);
	struct slice name = slice_of(data + head + (end != NULL), size - head - (end != NULL));

	if (glob_compile(&g, pattern) == NULL)
		check(&g, pattern, name, false);
	if (glob_compile_path(&g, pattern) == NULL)
		check(&g, pattern, name, true);
	return 0;
}
