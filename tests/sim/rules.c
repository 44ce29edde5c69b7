// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/rules.h"

#include <string.h>

const struct rule_text rule_texts[RULE_COUNT] = {
#define RULE_TEXT(name, word, text) [RULE_##name] = { word, text },
	RULES(RULE_TEXT)
#undef RULE_TEXT
};

enum rule rule_of_word(const char *word)
{
	for (int rule = 0; rule < RULE_COUNT; rule++)
		if (strcmp(rule_texts[rule].word, word) == 0)
			return (enum rule)rule;
	return RULE_COUNT;
}
