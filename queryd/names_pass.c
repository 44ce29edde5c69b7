// SPDX-License-Identifier: Apache-2.0
/*
 * names_pass.c - where each partition is read on, and how many questions are open.
 *
 * A pass asks its partitions in turn, a page each, so that no large one holds the others up.
 * One for what is new goes by second: it asks again for the second that it has seen last,
 * because more may have come in it, until that second has been quiet for QUIET_PASSES; within a
 * pass it goes on behind the names of it that were taken (offset). One for all goes by ZSCAN's
 * cursors, which may have gone past what was written behind them: the pass after it begins with
 * the latest second that was known before it, or, behind a first one, as long ago as that took,
 * and SLACK.
 */
#include "queryd/names_pass.h"

#include <assert.h>

#define WHOLE_PASSES 3600 /* an hour of seconds */
#define QUIET_PASSES 5    /* then the last second seen is over for good */

/* Redis takes a quarter of a millisecond for so many, and the loop as long; a million are read in a few
 * seconds. */
#define COUNT 500

/* So that Redis works while the loop does. More is of use only where most have nothing new. */
#define WHOLE_OPEN 2
#define NEWER_OPEN 8

/* What is read anew reaches back so many seconds beyond the pass itself. */
#define SLACK 60

void names_pass_init(struct names_pass *p)
{
	*p = (struct names_pass){ .whole = true };
	names_pass_restart(p);
}

void names_pass_restart(struct names_pass *p)
{
	p->passes = WHOLE_PASSES;
}

void names_pass_turn(struct names_pass *p)
{
	uint32_t i;

	for (i = 0; i < p->partitions; i++)
		p->parts[i].quiet = 0;
}

bool names_pass_whole(const struct names_pass *p)
{
	return p->whole;
}

size_t names_pass_open(const struct names_pass *p)
{
	return p->open;
}

static void begin_part(struct names_pass_part *part, bool whole)
{
	part->since = whole ? 0 : part->start;
	part->start = part->last;
	part->last = whole ? 0 : part->last;
	part->quiet = whole ? 0 : part->quiet + 1;
	part->offset = 0;
	part->cursor = 0;
	part->more = true;
	part->asked = false;
}

void names_pass_begin(struct names_pass *p, uint32_t partitions, int64_t now_ms)
{
	uint32_t i;

	assert(p->open == 0 && partitions <= LIMIT_PARTITIONS);
	p->partitions = partitions;
	p->at = 0;
	p->began_ms = now_ms;
	p->whole = p->passes++ >= WHOLE_PASSES;
	if (p->whole)
		p->passes = 0;
	for (i = 0; i < partitions; i++)
		begin_part(&p->parts[i], p->whole);
}

bool names_pass_next(struct names_pass *p, struct names_question *question)
{
	struct names_pass_part *part;
	uint32_t tried;

	if (p->open >= (p->whole ? WHOLE_OPEN : NEWER_OPEN))
		return false;
	for (tried = 0; tried < p->partitions; tried++) {
		part = &p->parts[p->at];
		if (part->more && !part->asked)
			break;
		p->at = (p->at + 1) % p->partitions;
	}
	if (tried == p->partitions)
		return false;
	*question = (struct names_question){
		.partition = p->at,
		.count = COUNT,
		.whole = p->whole,
		.cursor = part->cursor,
		.since = part->since,
		.over = part->quiet > QUIET_PASSES,
		.offset = part->offset,
	};
	part->asked = true;
	p->open++;
	p->at = (p->at + 1) % p->partitions;
	return true;
}

void names_pass_name(struct names_pass *p, uint32_t partition, int64_t second)
{
	struct names_pass_part *part = &p->parts[partition];

	if (second > part->since && !p->whole) {
		part->since = second;
		part->offset = 0;
	}
	if (second > part->last) {
		part->last = second;
		part->quiet = 0;
	}
	part->offset++;
}

void names_pass_answered(struct names_pass *p, uint32_t partition, size_t names, uint64_t cursor)
{
	struct names_pass_part *part = &p->parts[partition];

	assert(p->open > 0 && part->asked);
	p->open--;
	part->asked = false;
	part->cursor = cursor;
	part->more = p->whole ? cursor != 0 : names == COUNT;
}

/* Where the next pass begins is not known of a first one, and another master may be behind. */
void names_pass_end(struct names_pass *p, int64_t now_ms)
{
	int64_t took = (now_ms - p->began_ms) / 1000 + SLACK;
	uint32_t i;

	for (i = 0; p->whole && i < p->partitions; i++) {
		struct names_pass_part *part = &p->parts[i];
		if (part->start == 0 || part->start > part->last)
			part->start = part->last - took;
	}
}
