/*
 * utf8.h - what is text: UTF-8 as RFC 3629 has it.
 *
 * Overlong forms, surrogates and code points above U+10FFFF are not UTF-8. Nothing is
 * ever read past the bytes given, which need no terminator. No locale.
 */
#ifndef PROTO_UTF8_H
#define PROTO_UTF8_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* Looks at the first sequence of text (not empty). Returns its size, with *valid true; or
 * how many bytes one replacement character stands for (the longest part that could have
 * begun a sequence, at least 1: Unicode 15, 3.9 "maximal subpart"), with *valid false. */
size_t utf8_sequence(struct slice text, bool *valid);

/* Whether all of text is UTF-8 and holds no control byte (0..31, 127). True when empty. */
bool utf8_is_text(struct slice text);

#endif
