/*
 * answer.h - what a script call came to, as the contract tells outcomes apart.
 *
 * Three families. *Answered*: the script ran and said OK or refused (CONFLICT, LOST, FLOOR, CONFIG,
 * EMPTY). *Not applied*: Redis said why it did not run the script; the same call goes again after a
 * pause. *Unknown*: no answer, or one nobody expected; the call may have been applied, so only the
 * identical call may follow. Pure: the shell turns hiredis' replies into slices.
 */
#ifndef RELAY_ANSWER_H
#define RELAY_ANSWER_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum answer_kind {
	ANSWER_OK,
	ANSWER_CONFLICT,
	ANSWER_LOST,
	ANSWER_FLOOR,
	ANSWER_CONFIG,
	ANSWER_EMPTY,
	ANSWER_NO_SCRIPT,   /* not applied: the script must be loaded first */
	ANSWER_NOT_APPLIED, /* not applied: OOM, READONLY, LOADING... */
	ANSWER_UNKNOWN,     /* nothing came back */
	ANSWER_ERROR,       /* an error we do not know: as unknown, and a person must look */
};

struct answer {
	enum answer_kind kind;
	const struct slice *items; /* what followed the first word; borrowed */
	size_t count;
	struct slice text;         /* of an error; borrowed */
};

/* An array reply of count words (>= 0; elements that are not strings come as empty ones). */
struct answer answer_of_words(const struct slice *words, size_t count);

/* An error reply, by its first word. */
struct answer answer_of_error(struct slice text);

/* No reply: the outcome is unknown. */
struct answer answer_unknown(void);

/* The item at index as a number. False where there is none, or something other than 1 to 20 decimal
 * digits; then *out stays. */
bool answer_number(const struct answer *a, size_t index, uint64_t *out);

/* The item at index as an hour, a floor. 0, which is below all that is written, where it is
 * none. */
int64_t answer_hour(const struct answer *a, size_t index);

#endif
