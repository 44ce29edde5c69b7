/*
 * framing.h - a byte stream is cut into lines.
 *
 * Bytes come in pieces that end anywhere. What is whole is handed on from where it lies; only the
 * half line at the end of a piece is copied, and waits for the next piece. A line of more than
 * FRAMING_LINE_BYTES is refused once, by ERR_TOO_LARGE, and skipped to its newline: so a stream
 * costs at most that much memory, whatever comes. Pure.
 */
#ifndef AGENT_FRAMING_H
#define AGENT_FRAMING_H

#include "proto/limits.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMING_LINE_BYTES LIMIT_DATAGRAM_BYTES

struct framing {
	/* private */
	uint8_t *held; /* the half line */
	size_t size;
	size_t capacity;
	bool skipping; /* to the newline of a line that was refused */
};

struct framing_sink {
	void (*line)(void *arg, struct slice line); /* whole, without its newline; borrowed */
	void (*refuse)(void *arg, struct slice begin, int reason); /* what there was of it */
	void *arg;
};

/* Nothing is held, nothing allocated. */
void framing_init(struct framing *f);

/* Frees its memory. */
void framing_release(struct framing *f);

/* Takes the next bytes. Returns whether a newline was among them. */
bool framing_feed(struct framing *f, struct slice bytes, const struct framing_sink *sink);

/* The stream is over. In order: what is held is its last line. Otherwise it may have been cut, and
 * is refused by ERR_TRUNCATED. */
void framing_end(struct framing *f, bool in_order, const struct framing_sink *sink);

#endif
