/*
 * values.h - the values of one group of the table, as narrow as they are.
 *
 * Most values are small whole numbers: those are kept in two bytes each, until the first that is
 * not one; from then on a group keeps doubles. Chunks are cut from the table's arena and double, so
 * that one value costs little and many cost hardly more than themselves; a receiver writes a
 * quarter of the memory, which at millions of values a second is what it waits for. Values of
 * counters are kept as runs of equal ones, for a counter mostly counts ones; members of sets as their
 * hashes. Order is lost, nothing else.
 */
#ifndef AGENT_VALUES_H
#define AGENT_VALUES_H

#include "agent/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum values_form {
	VALUES_SHORT,      /* a whole number of two bytes each */
	VALUES_SHORT_RUNS, /* pairs of such: a value, how often it came */
	VALUES_LONG,       /* eight bytes each: a double, or a hash */
	VALUES_LONG_RUNS,  /* pairs: a double, how often it came */
};

struct values_chunk {
	struct values_chunk *next; /* older */
	uint16_t used, capacity;   /* numbers, two in a pair */
	uint8_t form;
	union {
		uint16_t shorts[4];
		uint64_t longs[1];
	} first[]; /* more follow */
};

/* The values of a group: all zero when there are none. */
struct values {
	struct values_chunk *chunks; /* newest first */
};

/* Adds a finite value. False when the arena is at its ceiling. */
bool values_add(struct values *v, struct arena *arena, double value)
	__attribute__((warn_unused_result));

/* Adds a value that is likely to be the one before. The group must have been given no others. */
bool values_add_run(struct values *v, struct arena *arena, double value)
	__attribute__((warn_unused_result));

/* Adds a hash, in a group of hashes. */
bool values_add_hash(struct values *v, struct arena *arena, uint64_t hash)
	__attribute__((warn_unused_result));

struct values_reader {
	const struct values_chunk *chunk;
	uint32_t at;
};

/* Reads them in no particular order. */
static inline struct values_reader values_read(const struct values *v)
{
	return (struct values_reader){ .chunk = v->chunks };
}

/* The next value (of a set: the double with the hash's bits) and how often it came. False at the
 * end. */
bool values_next(struct values_reader *r, double *value, uint64_t *run);

#endif
