/*
 * bytes.h - what tests of byte formats share: hex, exact copies, repeatable randomness.
 *
 * Hostile input is handed over as a copy of exactly its size, so that the address
 * sanitizer and valgrind see a read of even one byte past its end. Random numbers come
 * from splitmix64 with the seed that the test names: the same on every machine and run.
 */
#ifndef TESTS_LIB_BYTES_H
#define TESTS_LIB_BYTES_H

#include "proto/buf.h"
#include "proto/slice.h"

#include <stddef.h>
#include <stdint.h>

/* A heap copy of exactly the slice's size (NULL when empty), to be freed. */
uint8_t *bytes_copy(struct slice bytes);

/* Fails the test unless the bytes are what hex says; spaces in hex are free. */
void bytes_assert_hex(struct slice bytes, const char *hex);

/* The bytes that hex says, in out (room for `room`); returns a view of them. */
struct slice bytes_of_hex(const char *hex, uint8_t *out, size_t room);

/* Fails the test unless both hold the same bytes; releases both. */
void bytes_assert_same(struct buf a, struct buf b);

/* Calls try with an exact copy of every shorter prefix of bytes. */
void bytes_each_prefix(struct slice bytes, void (*try)(struct slice mutant, void *arg), void *arg);

/* Calls try with an exact copy of bytes for every single flipped bit. */
void bytes_each_flip(struct slice bytes, void (*try)(struct slice mutant, void *arg), void *arg);

/* The next number of the sequence that *state began. */
uint64_t bytes_random(uint64_t *state);

/* A number below bound (> 0), near enough uniform for a test. */
uint64_t bytes_random_below(uint64_t *state, uint64_t bound);

#endif
