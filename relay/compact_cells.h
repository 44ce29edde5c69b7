/*
 * compact_cells.h - one field's cells of several partials, made into one.
 *
 * Cells of one hour merge in any order; cells of a day's hours follow each other in rising order
 * (cell_follow), but for windows, which days do not have. A cell that is alone is passed on as it
 * is, byte for byte. Pure.
 */
#ifndef RELAY_COMPACT_CELLS_H
#define RELAY_COMPACT_CELLS_H

#include "proto/buf.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>

/* Whether a field is of hours alone: days have no windows of last elements. */
bool compact_cells_of_hours(struct slice field);

/* Appends field and merged cell to out as two arguments of a command. Of blobs the empty ones are
 * absent; at least one is not. follow: they are of rising hours. scratch is overwritten.
 * 0; -ENOMEM, -ENOBUFS, ERR_MALFORMED (a field or a cell that is not what KEYS.md says) and the
 * codes of cell_decode and cell_merge. */
int compact_cells_put(struct buf *out, struct slice field, const struct slice *blobs, size_t count,
		      bool follow, struct buf *scratch) __attribute__((warn_unused_result));

#endif
