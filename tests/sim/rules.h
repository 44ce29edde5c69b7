/*
 * rules.h - the rules of the contract that can be taken away, to see that the checker notices.
 *
 * None needs a line in the product: each is a store that compares less, an agent or a relay told
 * something else, or a core's memory put back after it was thrown away.
 */
#ifndef TESTS_SIM_RULES_H
#define TESTS_SIM_RULES_H

#include <stddef.h>

/* X(name, word for --without, what is done instead) */
#define RULES(X)                                                                               \
	X(NONE, "nothing", "the contract as written")                                          \
	X(MEMORY, "discard", "a refused commit's cells stay in the relay's memory")            \
	X(VERSION, "version", "the script does not compare what was written of the partials")  \
	X(GRACE, "grace", "agents drop a batch at COMMITTED")          \
	X(ABSENT, "absent", "an absent state is taken for any predecessor; OPEN writes none")  \
	X(REUSE, "incarnation", "a restarted agent uses stream and seq again")                 \
	X(SPLIT, "closed", "a commit is written in two parts: cells first, states last")       \
	X(STREAMS, "streams", "a commit is written in two parts: some streams with the cells") \
	X(WRITER, "pid", "one name and one version a relay, not an hour and partial")          \
	X(SOURCE, "source", "a swap does not compare the versions of what was read")           \
	X(SIZE, "size", "a swap does not count what was written; a new connection ends no job") \
	X(DAY, "day", "a commit leaves the day that was made of its hours")                    \
	X(RESYNC, "resync", "a sync that failed is asked again")                               \
	X(LEFTOVERS, "leftovers", "a start does not send what it finds in its spool")          \
	X(BEHIND, "behind", "no look at a new connection, and no refusal when CONFIRM is behind")

enum rule {
#define RULE_ENUM(name, word, text) RULE_##name,
	RULES(RULE_ENUM)
#undef RULE_ENUM
	RULE_COUNT,
};

struct rule_text {
	const char *word;
	const char *text;
};

/* Indexed by enum rule. */
extern const struct rule_text rule_texts[RULE_COUNT];

/* The rule of a word; RULE_COUNT: there is none. */
enum rule rule_of_word(const char *word);

#endif
