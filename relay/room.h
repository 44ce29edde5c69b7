/*
 * room.h - whether Redis has room for new series, by what its INFO says of memory.
 *
 *     full:   some master uses ROOM_FULL_PERCENT of its maxmemory or more
 *     room:   every master was heard of, and each uses less than ROOM_AGAIN_PERCENT
 *
 * Between the two it stays as it is, and also where no master answers. A master without a maxmemory
 * is never full. What Redis itself leaves out when it compares with maxmemory (the buffers of
 * replicas and of the append-only file) is left out here. Pure: the text is an argument.
 */
#ifndef RELAY_ROOM_H
#define RELAY_ROOM_H

#include "proto/slice.h"

#include <stdbool.h>

#define ROOM_FULL_PERCENT  80
#define ROOM_AGAIN_PERCENT 75

struct room {
	bool full;
	unsigned percent; /* of the fullest master, when all were last heard; at most 1000 */
	/* private: of the look that is under way */
	unsigned worst;
	unsigned heard, missed;
};

/* A look at all masters begins. */
void room_begin(struct room *r);

/* What one master said to INFO; an empty text: it did not. */
void room_note(struct room *r, struct slice info);

/* The look is over. Returns whether `full` has changed. */
bool room_end(struct room *r);

#endif
