// SPDX-License-Identifier: Apache-2.0
#include "relay/answer.h"

#define ANSWER_DIGITS 20 /* of the largest 64-bit number */

/* Hours below this are whole in milliseconds too. */
#define ANSWER_HOURS UINT64_C(1000000000000)

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

bool answer_number(const struct answer *a, size_t index, uint64_t *out)
{
	struct slice text = index < a->count ? a->items[index] : slice_of(NULL, 0);
	uint64_t value = 0;

	if (text.size == 0 || text.size > ANSWER_DIGITS)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		value = 10 * value + text.ptr[i] - '0';
	}
	*out = value;
	return true;
}

int64_t answer_hour(const struct answer *a, size_t index)
{
	uint64_t hour;

	return answer_number(a, index, &hour) && hour < ANSWER_HOURS ? (int64_t)hour : 0;
}
