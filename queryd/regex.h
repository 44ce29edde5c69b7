/*
 * regex.h - regular expressions from outside, bounded.
 *
 * POSIX extended expressions by libc, with what people who come from Python write put into
 * their form: \d \D \w \W \s \S \b, also in brackets. libc takes time and memory without bound for
 * some patterns, so these are refused: back-references, repetitions above 64 or of more than 256 in
 * all, more than 9 groups, more than 256 bytes; and so is what POSIX does not have and would
 * take for something else: (?...) and lazy repetition. What is left costs at most the square of a
 * subject's size; subjects are at most 1,024 bytes, and a budget bounds what all of a request may
 * cost. Matching is by bytes.
 */
#ifndef QUERYD_REGEX_H
#define QUERYD_REGEX_H

#include "proto/buf.h"
#include "proto/slice.h"

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#define REGEX_PATTERN_BYTES 256
#define REGEX_SUBJECT_BYTES 1024
#define REGEX_GROUPS        10 /* the whole and \1 to \9 */

/* What all expressions of a request may cost, in squares of bytes; some 2.5 ns each at worst. */
#define REGEX_BUDGET UINT64_C(200000000)

struct regex {
	/* private */
	char posix[REGEX_PATTERN_BYTES * 12 + 1];
	regex_t compiled;
	bool whole;     /* `(^.*$)`, which needs no search */
	uint64_t *left; /* of the budget */
	size_t read;    /* bytes since it was compiled */
};

/* Compiles a pattern; *budget is borrowed and shared. NULL, or what is wrong with it. Static. */
const char *regex_compile(struct regex *r, struct slice pattern, uint64_t *budget);

/* Frees it. Only of one that was compiled. */
void regex_release(struct regex *r);

/* Whether it matches from the subject's beginning. 1, 0; ERR_TOO_LARGE: the subject, or the budget
 * is spent; -ENOMEM. */
int regex_match(struct regex *r, struct slice subject) __attribute__((warn_unused_result));

/* Appends the subject with every match replaced; \1 to \9 and \g<1> stand for groups, \0 and
 * \g<0> for all. 0 and the codes above. */
int regex_replace(struct regex *r, struct slice subject, struct slice replacement, struct buf *out)
	__attribute__((warn_unused_result));

/* Whether a replacement names no group that the pattern does not have. */
bool regex_fits(const struct regex *r, struct slice replacement);

#endif
