/*
 * encoding.h - in which coding a client takes an answer: plain, or gzip by zlib (RFC 9110, 12.5.3).
 *
 * Answers are compressed on the loop, at zlib's fastest level and between two bounds: below
 * ENCODING_LEAST a packet is a packet, and above ENCODING_MOST one client's bytes would be bought with
 * everybody's milliseconds: a MiB of JSON costs 2 ms (names) to 5 ms (points) and becomes a tenth to a sixth
 * of itself, a KiB 7 us (zlib 1.2.13 on the EPYC of the figures). Pure.
 */
#ifndef QUERYD_ENCODING_H
#define QUERYD_ENCODING_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define ENCODING_LEAST 1024u
#define ENCODING_MOST  (2u << 20)

/* Whether a body of size bytes goes out as gzip to who has sent this Accept-Encoding (NULL: none).
 * Weights count: q=0 refuses, a coding that is preferred wins, `*` stands for what is not named. A weight that cannot be read is 0. Who refuses
 * plain text and takes gzip gets it at any size up to the upper bound. */
bool encoding_is_gzip(const char *accept, size_t size);

/* Replaces the body by its gzip form. 0; -ENOMEM, then the body is as it was. */
int encoding_gzip(struct buf *body) __attribute__((warn_unused_result));

#endif
