/*
 * fitness.h - whether all masters are set up to keep what they took, by what their INFO says.
 *
 *     unfit:  some master has a defect
 *     fit:    every master was heard of, and none has one
 *
 * Where some master did not answer and the others have no defect it stays as it is: the one that was
 * not heard of may be the unfit one. Pure: the text is an argument.
 */
#ifndef RELAY_FITNESS_H
#define RELAY_FITNESS_H

#include "proto/slice.h"
#include "proto/store/redis.h"

#include <stdbool.h>

struct fitness {
	bool fit;
	const char *defect; /* of one that was looked at last; NULL: none */
	/* private: of the look that is under way */
	bool missed;
};

/* A look at all masters begins. */
void fitness_begin(struct fitness *f);

/* What one said to INFO. False when it does not count, because it is no master or said nothing (an
 * empty text). */
bool fitness_note(struct fitness *f, enum redis_kind kind, struct slice info);

/* The look is over. Whether it was good enough to judge by. */
bool fitness_end(struct fitness *f);

#endif
