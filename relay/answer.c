// SPDX-License-Identifier: Apache-2.0
#include "relay/answer.h"

struct answer answer_of_words(const struct slice *words, size_t count)
{
	static const struct {
		const char *word;
		enum answer_kind kind;
	} known[] = {
		{ "OK", ANSWER_OK },	     { "CONFLICT", ANSWER_CONFLICT },
		{ "LOST", ANSWER_LOST },     { "FLOOR", ANSWER_FLOOR },
		{ "CONFIG", ANSWER_CONFIG }, { "EMPTY", ANSWER_EMPTY },
	};

	for (size_t i = 0; count > 0 && i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_equal(words[0], slice_text(known[i].word)))
			return (struct answer){ .kind = known[i].kind, .items = words + 1,
						.count = count - 1 };
	return (struct answer){ .kind = ANSWER_ERROR, .text = slice_text("unexpected answer") };
}

static bool answer_begins(struct slice text, const char *word)
{
	size_t size = strlen(word);

	return text.size >= size && memcmp(text.ptr, word, size) == 0 &&
	       (text.size == size || text.ptr[size] == ' ');
}

struct answer answer_of_error(struct slice text)
{
	/* Redis gives these before a script with `#!lua` and no flags has run, or (UNKILLABLE,
	 * BUSY) about another script: nothing of ours was applied. */
	static const char *const not_applied[] = {
		"OOM",	       "READONLY", "NOREPLICAS", "LOADING", "MASTERDOWN", "BUSY",
		"CLUSTERDOWN", "MOVED",	   "ASK",	 "TRYAGAIN", "MISCONF",	  "NOAUTH",
		"NOPERM",      "UNKILLABLE",
	};

	if (answer_begins(text, "NOSCRIPT"))
		return (struct answer){ .kind = ANSWER_NO_SCRIPT, .text = text };
	for (size_t i = 0; i < sizeof(not_applied) / sizeof(not_applied[0]); i++)
		if (answer_begins(text, not_applied[i]))
			return (struct answer){ .kind = ANSWER_NOT_APPLIED, .text = text };
	return (struct answer){ .kind = ANSWER_ERROR, .text = text };
}

struct answer answer_unknown(void)
{
	return (struct answer){ .kind = ANSWER_UNKNOWN, .text = slice_text("no answer") };
}
