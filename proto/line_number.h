/*
 * line_number.h - the numbers of the line protocol: strict finite decimals.
 *
 *     [+-] ( digits [ . [digits] ] | . digits ) [ (e|E) [+-] digits ]
 *
 * Nothing else: no NaN, Inf, hexadecimal, underscores, spaces or locale. The result is the
 * double nearest to the text, always; too small a number becomes a subnormal or 0, too
 * large a one is refused, and -0 is +0. Texts longer than 400 bytes are refused: nobody
 * prints them, and the exact conversion of one costs time. Nothing allocates.
 */
#ifndef PROTO_LINE_NUMBER_H
#define PROTO_LINE_NUMBER_H

#include "proto/slice.h"

#include <stdbool.h>

#define LINE_NUMBER_BYTES 400

/* Reads all of text as one number. 0; ERR_EMPTY_VALUE, ERR_BAD_VALUE. */
int line_number_parse(struct slice text, double *value) __attribute__((warn_unused_result));

/* Whether text has the form of a number, in range or not. */
bool line_number_like(struct slice text);

/* 10^power exactly, for 0 <= power <= 22: all the powers of ten that a double holds. */
double line_number_power(unsigned power);

#endif
