/*
 * cell_window.h - what a cell keeps of the last elements of a distribution's hour.
 *
 * A group (group.h) tells the values of one second, not their order. So each element draws a tie,
 * 16 bits that are its place within its second: where a window ends inside a second, which of that
 * second's elements are in it is chance, the same wherever the same batch is merged, and neither
 * the smallest nor the largest are preferred. Equal values of a group share the second evenly among
 * themselves, so a run of a million costs no more than a window of them.
 *
 * The window's storage is the caller's. Pure.
 */
#ifndef PROTO_CELL_WINDOW_H
#define PROTO_CELL_WINDOW_H

#include "proto/buf.h"
#include "proto/slice.h"
#include "proto/window.h"

#include <stdbool.h>
#include <stdint.h>

/* Adds the values of a distribution's group that group_check() has passed. Values stand for
 * themselves, whatever their rate. draw names the group: it decides the ties. *samples is how many
 * values there were, 0 for a group that holds a sketch: of that no elements are known. 0; -ENOMEM
 * or ERR_...: a part was added. */
int cell_window_add(struct window *w, uint32_t second, uint64_t draw, struct slice group,
		    uint64_t *samples, bool *sampled) __attribute__((warn_unused_result));

/* Appends the body (CELL.md). Errors by buf_status(out). */
void cell_window_put(const struct window *w, struct buf *out);

/* Reads the body of a cell of so many samples into a window that is then the caller's, also after
 * an error. 0; ERR_MALFORMED (all that cell_window_put would not write), -ENOMEM. */
int cell_window_get(struct reader *in, uint64_t samples, struct window *w)
	__attribute__((warn_unused_result));

#endif
