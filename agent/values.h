/*
 * values.h - the values of one group of the table, as narrow as they are.
 *
 * Most values are small whole numbers: those are kept in two bytes each, until the first that is
 * not one; from then on a group keeps doubles. Chunks are cut from the table's arena and double, so
 * that one value costs little and many cost hardly more than themselves; a receiver writes a
 * quarter of the memory, which at millions of values a second is what it waits for. Values of
 * counters are kept as runs of equal ones, for a counter mostly counts ones, or singly where a full
 * chunk shows that this takes less; members of sets as their hashes. Order is lost, nothing else.
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
	uint16_t used;             /* numbers, two in a pair; the newest's is in struct values */
	uint8_t form;
	union {
		uint16_t shorts[4];
		uint64_t longs[1];
	} first[]; /* more follow */
};

/* The values of a group: all zero when there are none. What adding asks of the newest chunk stands
 * here, so that it touches nothing of the chunk but where the value goes. */
struct values {
	struct values_chunk *chunks; /* newest first */
	uint16_t used, capacity;     /* of the newest, in numbers */
	uint8_t form;
};

/* Whether a value fits into two bytes and comes back the same. -0 does not: it is not 0. */
static inline bool values_is_short(double value, uint16_t *out)
{
	int32_t whole;

	if (!(value >= 0 && value <= UINT16_MAX))
		return false;
	whole = (int32_t)value;
	*out = (uint16_t)whole;
	return (double)whole == value;
}

/* Where the next value goes; of no meaning while there are none. */
static inline const void *values_tail(const struct values *v)
{
	return v->form == VALUES_SHORT || v->form == VALUES_SHORT_RUNS ?
		       (const void *)(v->chunks->first[0].shorts + v->used) :
		       (const void *)(v->chunks->first[0].longs + v->used);
}

/* values_add where the newest chunk does not have room for it, or has another form. */
bool values_add_elsewhere(struct values *v, struct arena *arena, double value)
	__attribute__((warn_unused_result));

/* Adds a finite value. False when the arena is at its ceiling. */
__attribute__((warn_unused_result)) static inline bool
values_add(struct values *v, struct arena *arena, double value)
{
	uint16_t small;

	if (v->used == v->capacity || v->form != VALUES_SHORT || !values_is_short(value, &small))
		return values_add_elsewhere(v, arena, value);
	v->chunks->first[0].shorts[v->used++] = small;
	return true;
}

/* values_add_run where the value is neither the newest nor has room beside it. */
bool values_add_run_elsewhere(struct values *v, struct arena *arena, double value)
	__attribute__((warn_unused_result));

/* Adds a value that is likely to be the one before. The group must have been given no others. */
__attribute__((warn_unused_result)) static inline bool
values_add_run(struct values *v, struct arena *arena, double value)
{
	uint16_t small, *end;

	if (v->chunks == NULL || !values_is_short(value, &small))
		return values_add_run_elsewhere(v, arena, value);
	end = v->chunks->first[0].shorts + v->used;
	if (v->form == VALUES_SHORT && v->used < v->capacity) {
		*end = small;
		v->used++;
		return true;
	}
	/* A pair is there: a chunk is begun for a value. */
	if (v->form == VALUES_SHORT_RUNS && end[-2] == small && end[-1] < UINT16_MAX) {
		end[-1]++;
		return true;
	}
	return values_add_run_elsewhere(v, arena, value);
}

/* Adds a hash, in a group of hashes. */
bool values_add_hash(struct values *v, struct arena *arena, uint64_t hash)
	__attribute__((warn_unused_result));

struct values_reader {
	const struct values_chunk *chunk;
	uint32_t at, used; /* of the chunk */
	uint8_t form;
};

/* Reads them in no particular order. */
static inline struct values_reader values_read(const struct values *v)
{
	return (struct values_reader){ .chunk = v->chunks, .used = v->used, .form = v->form };
}

/* The next value (of a set: the double with the hash's bits) and how often it came. False at the
 * end. */
bool values_next(struct values_reader *r, double *value, uint64_t *run);

#endif
