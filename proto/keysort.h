/*
 * keysort.h - sorts 64-bit keys in place, fast, without allocating.
 *
 * The agent sorts every distribution it seals, millions of values a second, in the thread
 * that also serves its sockets; qsort's 60-80 ns a value would be most of that thread.
 * Small inputs are sorted by insertion; many keys of few values (whole milliseconds) are
 * counted and written back; the rest is dealt into buckets by the highest bits in which
 * the keys differ, in place, and each bucket again by the bits below.
 *
 * Cost a key: 2-3 ns counted, 10-20 ns dealt; some 20 KiB of stack. Hostile
 * input cannot make it quadratic: every deal uses up bits, and only buckets of at most
 * 32 keys are sorted by insertion.
 */
#ifndef PROTO_KEYSORT_H
#define PROTO_KEYSORT_H

#include <stddef.h>
#include <stdint.h>

/* A key may live where a double was: the type tells the compiler so. */
typedef uint64_t __attribute__((may_alias)) keysort_key;

/* Sorts count keys, ascending. count may be 0. */
void keysort(keysort_key *keys, size_t count);

/* An order-preserving key of a finite double: a < b exactly when key(a) < key(b). -0 and
 * +0 have different keys; normalise before. */
static inline uint64_t keysort_of_bits(uint64_t bits)
{
	return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

/* The bits of the double behind a key. */
static inline uint64_t keysort_to_bits(uint64_t key)
{
	return key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
}

#endif
