/*
 * ingest.h - lines into an intake: what every receiving thread does with the bytes it got.
 *
 *     begin (locks) -> text, line... -> end (counts, unlocks, shows one refused line a second)
 *
 * One parser and one set of rules for all inputs: what a line means, which names are not the
 * sender's to use, which seconds are too old or too new. What is counted between begin and end
 * stands in the intake's counts before its mutex goes. One thread at a time, but for the floor and
 * the lines, which any thread may set.
 */
#ifndef AGENT_INGEST_H
#define AGENT_INGEST_H

#include "agent/intake.h"
#include "proto/daemon/log.h"
#include "proto/line.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define INGEST_SHOWN_BYTES 120

struct ingest {
	struct intake *intake;
	/* Of the burst at hand, or the last one. */
	uint64_t lines, samples, taken;
	uint64_t refusals; /* of lines, and of samples of good lines */
	/* private */
	tally_count *count_taken; /* or NULL */
	struct line_parser parser;
	_Atomic int64_t floor_second;
	int64_t max_age_s;
	int64_t now_s;
	int refused;   /* why the line, or a sample of it, was refused; 0 */
	bool reserved; /* its name is not the sender's to use */
	struct slice line;
	bool warms; /* the table is worth it */
	size_t ahead_count;
	struct line_plain ahead[TABLE_AHEAD]; /* taken apart, not yet added */
	uint64_t hashes[TABLE_AHEAD];         /* theirs */
	char shown[INGEST_SHOWN_BYTES]; /* the line that will be logged */
	size_t shown_size;
	int shown_reason;
	struct log_limit limit;
};

/* Readies it over an intake (borrowed). |T older than max_age_s is refused, whatever the floor. */
void ingest_init(struct ingest *r, struct intake *intake, const struct line_options *lines,
		 int64_t max_age_s);

/* What is put into the open table is also counted here (borrowed). Before anything is read. */
void ingest_set_taken(struct ingest *r, tally_count *taken);

/* Lines are read so from now on; what the options borrowed before may go after it. Any thread. */
void ingest_set_lines(struct ingest *r, const struct line_options *lines);

/* Samples of earlier seconds are refused from now on. Any thread. */
void ingest_set_floor(struct ingest *r, int64_t floor_second);

/* A burst begins: locks the intake. cold: after a pause, in which others have used the caches. */
void ingest_begin(struct ingest *r, bool cold);

/* Reads a text of lines; the last one may lack its newline. The text stays until ingest_end: plain
 * lines of several texts are taken apart first, so that all they need of a large table, or of a
 * cold one, is fetched at the same time. */
void ingest_text(struct ingest *r, struct slice text);

/* Reads one line, without its newline. */
void ingest_line(struct ingest *r, struct slice line);

/* Refuses a line that cannot be read, by its reason; what there is of it is shown. */
void ingest_refuse_line(struct ingest *r, struct slice line, int reason);

/* The burst has ended: counts it, unlocks. */
void ingest_end(struct ingest *r);

#endif
