// SPDX-License-Identifier: Apache-2.0
/*
 * Ties are drawn by a hash of the group and the run, as CELL.md says to the byte: every relay that
 * merges a batch must draw the same, or windows of the same elements would differ. A run of r
 * equal values takes r places an even step apart, beginning at a random point of the first step.
 */
#include "proto/cell_window.h"

#include "proto/cell_number.h"
#include "proto/err.h"
#include "proto/group.h"
#include "proto/hash.h"
#include "proto/hour.h"
#include "proto/le.h"

#include <errno.h>

#define TIE_MASK ((UINT64_C(1) << WINDOW_TIE_BITS) - 1)

/* A gap, a tie and a number are at least so many bytes. */
#define ELEMENT_BYTES 4

/* Runs beyond this are spread as if they were so long, which keeps the products below 2^64. */
#define RUN_MAX (UINT64_C(1) << 40)

/* Adds a value that came `run` times, spread evenly over the second from a random beginning. Of
 * those only as many as a window holds can be among the last. */
static int cell_window_add_run(struct window *w, uint32_t second, uint64_t draw, double value,
			       uint64_t run)
{
	uint64_t length = run < RUN_MAX ? run : RUN_MAX;
	uint64_t i = length > window_capacity(w) ? length - window_capacity(w) : 0;
	int rc = 0;

	for (; i < length && rc == 0; i++) {
		uint64_t tie = ((i << WINDOW_TIE_BITS) + (draw & TIE_MASK)) / length;

		rc = window_add(w, window_position(second, (uint16_t)tie), value);
	}
	return rc;
}

int cell_window_add(struct window *w, uint32_t second, uint64_t draw, struct slice group,
		    uint64_t *samples, bool *sampled)
{
	struct group_reader reader;
	uint64_t run, index = 0;
	uint8_t name[8];
	double value;
	int rc = group_open(&reader, KIND_DISTRIBUTION, group);

	*samples = 0;
	*sampled = rc == 0 && reader.sampled;
	if (rc < 0 || reader.codec == GROUP_SKETCH)
		return rc;
	while ((rc = group_next(&reader, &value, &run)) == 1) {
		uint64_t tie;

		le_put_u64(name, index++);
		tie = hash64_seeded(slice_of(name, sizeof(name)), draw);
		*samples += run;
		rc = cell_window_add_run(w, second, tie, value, run);
		if (rc < 0)
			return rc;
	}
	return rc;
}

void cell_window_put(const struct window *w, struct buf *out)
{
	int64_t second = 0;

	buf_put_varint(out, window_capacity(w));
	for (uint32_t i = 0; i < window_count(w); i++) {
		struct window_element e = window_at(w, i);

		buf_put_varint(out, (uint64_t)(window_second(e.position) - second));
		buf_put_u16(out, (uint16_t)(e.position & TIE_MASK));
		cell_number_put_double(e.value, out);
		second = window_second(e.position);
	}
}

/* The element that follows `last`; false for one that does not. */
static bool cell_window_get_element(struct reader *in, const struct window_element *last,
				    struct window_element *out)
{
	int64_t second = window_second(last->position);
	uint64_t gap = reader_varint(in);
	uint16_t tie = reader_u16(in);

	if (in->failed || gap >= (uint64_t)(HOUR_SECONDS - second) ||
	    !cell_number_get_double(in, &out->value))
		return false;
	out->position = window_position(second + (int64_t)gap, tie);
	return true;
}

int cell_window_get(struct reader *in, uint64_t samples, struct window *w)
{
	uint64_t capacity = reader_varint(in);
	uint64_t count = samples < capacity ? samples : capacity;
	struct window_element last = { 0 }, next;

	window_init(w, 1); /* there is one to release, whatever is refused */
	if (in->failed || capacity < 1 || capacity > WINDOW_MAX ||
	    count > reader_left(in) / ELEMENT_BYTES)
		return ERR_MALFORMED;
	window_init(w, (uint32_t)capacity);
	for (uint64_t i = 0; i < count; i++, last = next) {
		if (!cell_window_get_element(in, &last, &next))
			return ERR_MALFORMED;
		if (i > 0 && (next.position < last.position ||
			      (next.position == last.position && next.value < last.value)))
			return ERR_MALFORMED;
		if (window_add(w, next.position, next.value) < 0)
			return -ENOMEM;
	}
	return 0;
}
