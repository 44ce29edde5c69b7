/*
 * mpcheck.h - the bounded walk over untrusted msgpack that comes before msgpack-c.
 *
 * msgpack-c allocates whatever an array header claims: five bytes ask it for gigabytes.
 * So nothing from outside reaches it that has not been walked here against a schema: one
 * value and nothing after it, each count within the bytes left and the schema's limit,
 * only the schema's types (no map, float or ext exists in our formats), numbers in their
 * ranges, bounded depth and number of elements. What passes has the schema's shape, so
 * its reader needs no checks of types or counts. Numbers and lengths may come in any of
 * msgpack's widths; writers use the smallest.
 *
 * The walk allocates nothing and is not recursive; about 3 ns an element. The unpacked
 * value costs 24 bytes an element and borrows texts and bytes from the input.
 */
#ifndef PROTO_MPCHECK_H
#define PROTO_MPCHECK_H

#include "proto/limits.h"
#include "proto/slice.h"

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

/* Elements of one value, containers included. The largest schema, a STATE frame of
 * LIMIT_FRAME_STREAMS streams, has 16,387; a batch of LIMIT_BATCH_GROUPS groups 20,489.
 * Times 24 bytes this bounds what unpacking may cost. */
#define MPCHECK_ELEMENTS 24576

/* What an element may be; a rule may allow several. */
enum mpcheck_type {
	MPCHECK_INT = 1,
	MPCHECK_BOOL = 2,
	MPCHECK_NIL = 4,
	MPCHECK_TEXT = 8,   /* str */
	MPCHECK_BYTES = 16, /* bin */
	MPCHECK_TUPLE = 32, /* an array of exactly `max` elements, each with a rule of its own */
	MPCHECK_LIST = 64,  /* an array of min..max elements of one rule */
};

/* One element of a schema; schemas are static constants. */
struct mpcheck_rule {
	unsigned types;                /* mpcheck_type */
	int64_t min;                   /* of an INT; bytes of TEXT and BYTES; elements of a LIST */
	uint64_t max;                  /* the same */
	const struct mpcheck_rule *of; /* the elements of a TUPLE (max of them) or LIST (one) */
};

/* Walks bytes, which must be exactly one value that follows the rule. 0; ERR_TRUNCATED
 * (also: a count above the bytes left), ERR_TRAILING, ERR_TOO_LARGE (a size or count over
 * the schema's limit), ERR_TOO_DEEP (a container where the schema has none),
 * ERR_OUT_OF_RANGE (a number), ERR_MALFORMED (anything else). */
int mpcheck_walk(struct slice bytes, const struct mpcheck_rule *rule)
	__attribute__((warn_unused_result));

/* The same, and then msgpack-c: *out is the value, to be destroyed by the caller with
 * msgpack_unpacked_destroy, and borrows from bytes. Also -ENOMEM. */
int mpcheck_unpack(struct slice bytes, const struct mpcheck_rule *rule, msgpack_unpacked *out)
	__attribute__((warn_unused_result));

/* The str or bin behind an unpacked element, borrowed from the input. */
struct slice mpcheck_slice(const msgpack_object *element);

#endif
