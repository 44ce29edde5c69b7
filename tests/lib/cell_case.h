/*
 * cell_case.h - what the tests of cells share: cells with something in them.
 *
 * Cells are filled through groups, the way a relay fills them, and each group has passed
 * group_check before. A history is the same for the same seeds, and made of whole numbers, so
 * that whatever cell.h promises to be exact is. Whatever fails, fails the test.
 */
#ifndef TESTS_LIB_CELL_CASE_H
#define TESTS_LIB_CELL_CASE_H

#include "proto/buf.h"
#include "proto/cell.h"
#include "proto/group.h"

#include <stddef.h>
#include <stdint.h>

#define CELL_CASE_KINDS 5

extern const enum kind cell_case_kinds[CELL_CASE_KINDS];
extern const struct group_sampling cell_case_unsampled;

/* A repeatable random number. */
uint64_t cell_case_noise(uint64_t i);

/* An empty cell. */
struct cell *cell_case_new(enum kind kind);

/* Adds a group and releases it. */
void cell_case_group(struct cell *c, uint32_t second, struct buf *group);

/* Add at most 64 values, or one, to a counter or distribution. */
void cell_case_values(struct cell *c, struct group_sampling sampling, const double *values,
		      size_t count);
void cell_case_value(struct cell *c, double value); /* one, not sampled */

/* Sets a gauge in a second, and changes it at once by delta (0: not). */
void cell_case_set_gauge(struct cell *c, uint32_t second, double value, double delta);

/* Changes a gauge. */
void cell_case_change_gauge(struct cell *c, uint32_t second, double delta);

/* Adds members from..to-1 to a set. */
void cell_case_members(struct cell *c, uint64_t from, uint64_t to);

/* A cell in which what the seeds from..to-1 say has happened. */
struct cell *cell_case_history(enum kind kind, uint64_t from, uint64_t to);

/* Its encoding, to be released. */
struct buf cell_case_encode(struct cell *c);

/* Fails unless both have the same bytes. */
void assert_same_cell(struct cell *a, struct cell *b);

#endif
