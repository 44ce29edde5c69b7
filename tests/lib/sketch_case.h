/*
 * sketch_case.h - what the tests of sketches share: making them, and comparing them.
 *
 * All of these fail the test that calls them when something does not work out, so that a
 * test reads as what it is about. Random numbers are repeatable: case_seed says from where.
 */
#ifndef TESTS_LIB_SKETCH_CASE_H
#define TESTS_LIB_SKETCH_CASE_H

#include "proto/sketch.h"

#include <stddef.h>
#include <stdint.h>

/* Begins the sequence of random numbers again, at a place of its own for each seed. */
void case_seed(uint64_t seed);

uint64_t case_bits(void);     /* 64 random bits */
double case_unit(void);       /* uniform in (0, 1) */
double case_normal(void);     /* mean 0, deviation 1 */
double case_lognormal(void);  /* e to that */

/* sketch_add and sketch_merge, which must succeed. */
void case_add(struct sketch *s, double value, uint64_t weight);
void case_merge(struct sketch *dst, struct sketch *src);

/* A sketch of values, one sample each; to be freed. */
struct sketch *case_sketch(const double *values, size_t count);

/* A sketch of first, first + step, ... of count values; to be freed. */
struct sketch *case_steps(double first, double step, size_t count);

/* The encoding, appended to a new buffer that is to be released. */
void case_encode(struct sketch *s, struct buf *out);

/* a and b differ by at most relative x the larger of them. */
void case_assert_close(double a, double b, double relative);

/* Both encode to the same bytes. */
void case_assert_same(struct sketch *a, struct sketch *b);

/* Quantiles grow with the rank, from the minimum to the maximum. */
void case_assert_monotone(struct sketch *s, int steps);

#endif
