// SPDX-License-Identifier: Apache-2.0
#include "agent/framing.h"

#include "proto/err.h"

#include <stdlib.h>
#include <string.h>

/* A buffer up to so large is kept for the next half line. */
#define FRAMING_KEEP_BYTES 2048

void framing_init(struct framing *f)
{
	*f = (struct framing){ 0 };
}

void framing_release(struct framing *f)
{
	free(f->held);
	framing_init(f);
}

static void framing_forget(struct framing *f)
{
	f->size = 0;
	if (f->capacity <= FRAMING_KEEP_BYTES)
		return;
	free(f->held);
	f->held = NULL;
	f->capacity = 0;
}

static bool framing_reserve(struct framing *f, size_t size)
{
	size_t capacity = f->capacity ? f->capacity : 256;
	uint8_t *grown;

	while (capacity < size)
		capacity *= 2;
	if (capacity == f->capacity)
		return true;
	grown = realloc(f->held, capacity);
	if (grown == NULL)
		return false;
	f->held = grown;
	f->capacity = capacity;
	return true;
}

/* Holds a piece of a line. One that would be too long, or for which there is no memory, is
 * refused. */
static void framing_hold(struct framing *f, struct slice piece, const struct framing_sink *sink)
{
	if (f->skipping || piece.size == 0)
		return;
	if (f->size + piece.size <= FRAMING_LINE_BYTES &&
	    framing_reserve(f, f->size + piece.size)) {
		memcpy(f->held + f->size, piece.ptr, piece.size);
		f->size += piece.size;
		return;
	}
	sink->refuse(sink->arg, f->size ? slice_of(f->held, f->size) : piece, ERR_TOO_LARGE);
	f->skipping = true;
	framing_forget(f);
}

/* The rest of a line has come. */
static void framing_finish(struct framing *f, struct slice rest, const struct framing_sink *sink)
{
	if (f->size == 0 && !f->skipping && rest.size <= FRAMING_LINE_BYTES) {
		sink->line(sink->arg, rest);
		return;
	}
	framing_hold(f, rest, sink);
	if (!f->skipping)
		sink->line(sink->arg, slice_of(f->held, f->size));
	f->skipping = false;
	framing_forget(f);
}

bool framing_feed(struct framing *f, struct slice bytes, const struct framing_sink *sink)
{
	bool ended = false;

	while (bytes.size > 0) {
		const uint8_t *newline = memchr(bytes.ptr, '\n', bytes.size);
		size_t size = newline ? (size_t)(newline - bytes.ptr) : bytes.size;

		if (newline == NULL) {
			framing_hold(f, bytes, sink);
			break;
		}
		framing_finish(f, slice_of(bytes.ptr, size), sink);
		bytes = slice_of(newline + 1, bytes.size - size - 1);
		ended = true;
	}
	return ended;
}

void framing_end(struct framing *f, bool in_order, const struct framing_sink *sink)
{
	struct slice held = slice_of(f->held, f->size);

	if (f->size > 0 && in_order)
		sink->line(sink->arg, held);
	else if (f->size > 0)
		sink->refuse(sink->arg, held, ERR_TRUNCATED);
	framing_release(f);
}
