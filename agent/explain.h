/*
 * explain.h - `--explain`: what the agent would make of a line (LINE.md).
 *
 * Reads lines and writes one JSON object for each, so that a person can ask why a line was
 * refused and a test what was understood. The answer is the parser's own, with the
 * operator's options; whether a timestamp is too old or too new depends on the clock and is
 * not said. Whatever bytes come in, what goes out is valid JSON in UTF-8.
 */
#ifndef AGENT_EXPLAIN_H
#define AGENT_EXPLAIN_H

#include "proto/line.h"

#include <stdbool.h>
#include <stdio.h>

/* Explains all lines of `in` on `out`. datagram: all of the input is one datagram, and an
 * error if it is larger than one can be (told on standard error); otherwise each line is
 * its own, and one that is larger is answered with the reason too_large, its text cut.
 * options as for line_parser_init, may be NULL. 0; ERR_TOO_LARGE, -ENOMEM, -EIO. */
int explain_run(FILE *in, FILE *out, bool datagram, const struct line_options *options)
	__attribute__((warn_unused_result));

#endif
