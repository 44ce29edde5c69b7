/*
 * names_pass.h - which names to ask Redis for next.
 *
 * A pass goes over all partitions. A whole one, after each connect and every hour, walks through all names
 * by Redis' cursor: each piece costs Redis the same however many there are, and what is there all the while
 * is met. Another pass, each second, asks for the seconds (Redis' own) since the last one seen when the pass before it
 * began: earlier ones were over and are read for good, later ones may have grown behind its back.
 * Once a second has been asked for several times without anything new, it is over as well. Few
 * questions are open at a time, with small answers, so that whoever asks for a key meanwhile waits for one
 * of them. Pure; time is an argument.
 */
#ifndef QUERYD_NAMES_PASS_H
#define QUERYD_NAMES_PASS_H

#include "proto/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct names_pass_part {
	int64_t start;     /* where the next pass begins */
	int64_t last;      /* the last second seen */
	int64_t since;     /* the second that this pass is reading */
	size_t offset;     /* names of the second `since` read in this pass */
	uint64_t cursor;   /* of a whole pass */
	unsigned quiet;    /* passes without anything newer */
	bool more;         /* of this pass there is more to ask for */
	bool asked;        /* and it is */
};

struct names_pass {
	/* private */
	struct names_pass_part parts[LIMIT_PARTITIONS];
	uint32_t partitions;
	uint32_t at;       /* who is asked next, in a ring */
	size_t open;       /* questions without an answer */
	bool whole;
	unsigned passes;   /* since the last whole one */
	int64_t began_ms;
};

/* What to ask of a partition: `count` names behind the cursor; or of those first seen in the second `since`
 * or later (with `over` only later), `count` behind the first `offset`, in that order. */
struct names_question {
	uint32_t partition;
	unsigned count;
	bool whole;
	uint64_t cursor;
	int64_t since;
	bool over;
	size_t offset;
};

void names_pass_init(struct names_pass *p); /* the first pass will be a whole one */

void names_pass_restart(struct names_pass *p); /* the next pass will be a whole one */

/* Another server is asked from now on, which has all that the last one had: seconds that were over may not
 * be. */
void names_pass_turn(struct names_pass *p);

/* Begins a pass; now_ms is of a clock that never goes back. None is under way. */
void names_pass_begin(struct names_pass *p, uint32_t partitions, int64_t now_ms);

bool names_pass_whole(const struct names_pass *p); /* the one under way is */

/* What to ask next; false when nothing is to be asked before the next answer, or at all. */
bool names_pass_next(struct names_pass *p, struct names_question *question);

size_t names_pass_open(const struct names_pass *p); /* questions that wait for their answer */

/* A name of an answer, with its second. */
void names_pass_name(struct names_pass *p, uint32_t partition, int64_t second);

/* An answer is over: it had so many names, and (of a whole pass) leads to a cursor. An answer that cannot
 * be used is 0, 0: the pass is then for nothing. */
void names_pass_answered(struct names_pass *p, uint32_t partition, size_t names, uint64_t cursor);

/* All is read. Works out where the next pass begins. */
void names_pass_end(struct names_pass *p, int64_t now_ms);

#endif
