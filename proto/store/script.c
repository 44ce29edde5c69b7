// SPDX-License-Identifier: Apache-2.0
#include "proto/store/script.h"

#include <assert.h>
#include <stddef.h>

/* ISO C promises string literals of 4,095 bytes; every compiler we build with takes more. */
#pragma GCC diagnostic ignored "-Woverlength-strings"

static const struct {
	const char *name;
	const char *text;
} script_all[] = {
#define SCRIPT(name, text) { #name, text },
#include "scripts.inc"
#undef SCRIPT
};

static_assert(sizeof(script_all) / sizeof(script_all[0]) == SCRIPT_COUNT,
	      "proto/store/scripts and enum script list the same scripts");

static char script_shas[SCRIPT_COUNT][SCRIPT_SHA_HEX + 1];

const char *script_name(enum script s)
{
	static const char *const names[SCRIPT_COUNT] = {
		[SCRIPT_INIT] = "init",	      [SCRIPT_OPEN] = "open",	[SCRIPT_COMMIT] = "commit",
		[SCRIPT_CONFIRM] = "confirm", [SCRIPT_CLOSE] = "close",
		[SCRIPT_SURVEY] = "survey",   [SCRIPT_GATHER] = "gather", [SCRIPT_STAGE] = "stage",
		[SCRIPT_SWAP] = "swap",	      [SCRIPT_ROLL] = "roll",	  [SCRIPT_SWEEP] = "sweep",
		[SCRIPT_FORGET] = "forget",
	};

	assert((unsigned)s < SCRIPT_COUNT);
	return names[s];
}

struct slice script_text(enum script s)
{
	const char *name = script_name(s);

	for (size_t i = 0; i < SCRIPT_COUNT; i++)
		if (strcmp(script_all[i].name, name) == 0)
			return slice_text(script_all[i].text);
	assert(false && "a script without a text");
	return slice_of(NULL, 0);
}

bool script_set_sha(enum script s, struct slice sha)
{
	char *kept = script_shas[s];

	assert((unsigned)s < SCRIPT_COUNT);
	if (sha.size != SCRIPT_SHA_HEX)
		return false;
	for (size_t i = 0; i < sha.size; i++)
		if (memchr("0123456789abcdef", sha.ptr[i], 16) == NULL)
			return false;
	if (kept[0] != '\0')
		return memcmp(kept, sha.ptr, sha.size) == 0;
	memcpy(kept, sha.ptr, sha.size);
	return true;
}

const char *script_sha(enum script s)
{
	assert((unsigned)s < SCRIPT_COUNT);
	return script_shas[s];
}
