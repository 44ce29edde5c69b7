/*
 * heard.h - what a line parser reports, as text that a test can spell.
 *
 * Samples as a person would write them down, one after the other with `, ` between:
 * `series type value[ @rate][ delta][ T<seconds>]`, a set's member in quotes.
 */
#ifndef TESTS_LIB_HEARD_H
#define TESTS_LIB_HEARD_H

#include "proto/line.h"

struct heard {
	char text[4096];
	size_t size;
	int count;
	enum kind kind; /* of the last */
};

/* Parses a copy of the line with its own parser, and checks that the count is told right and
 * that a refused line reports nothing. Returns what line_parse did. */
int heard_parse(const struct line_options *options, struct slice line, struct heard *h);

/* Checks that a line is accepted as these samples; options may be NULL. */
void heard_expect_with(const struct line_options *options, const char *line, const char *samples);

/* heard_expect_with the default options. */
void heard_expect(const char *line, const char *samples);

/* Checks that a line is refused for this reason. */
void heard_refuse(const char *line, int reason);

#endif
