/*
 * encoding.h - in which coding a client takes an answer: plain, or gzip by zlib (RFC 9110, 12.5.3).
 *
 * zlib's fastest level: a MiB of JSON costs 2 ms (names) to 5 ms (points) and becomes a tenth to a sixth
 * of itself, a KiB 7 us (zlib 1.2.13 on the EPYC of the figures). Below ENCODING_LEAST a packet is a
 * packet and stays plain. Pure.
 */
#ifndef QUERYD_ENCODING_H
#define QUERYD_ENCODING_H

#include "proto/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define ENCODING_LEAST 1024u

/* What a client takes: weights in thousandths, negative when it has not named the coding. */
struct encoding_wishes {
	int gzip;
	int identity;
	int any;
};

#define ENCODING_NO_WISHES { -1, -1, -1 } /* no Accept-Encoding was sent */

/* Reads a line of Accept-Encoding; all lines of a request are one list. A weight that cannot be read
 * is 0. */
void encoding_accept(struct encoding_wishes *wishes, const char *line);

/* Whether a body of size bytes goes out as gzip. Weights count: q=0 refuses, a coding that is preferred
 * wins, `*` stands for what is not named. Who refuses plain text and takes gzip gets it at any size. */
bool encoding_is_gzip(const struct encoding_wishes *wishes, size_t size);

/* Replaces the body, of at most 1 GiB, by its gzip form, in any thread: beside both it takes 256 KiB. 0; -ENOMEM, then the
 * body is as it was. */
int encoding_gzip(struct buf *body) __attribute__((warn_unused_result));

#endif
