/*
 * compact_job.h - one hour's partials made into one, or one day's hours, command by command.
 *
 *     LIST --enough partials--> GATHER <--> STAGE --all walked--> FINISH --> over
 *       |                         |          |                      |
 *       +-- too few, or to watch: +----------+----- refused: over --+
 *           over
 *
 * LIST reads which partials there are. Of an hour that is still open only those are taken that have
 * not changed since an earlier look, because a relay whose partial is taken away throws its
 * partition's memory away; without such a look the job ends with what is to be watched
 * (compact_watch.h). GATHER walks one source after the other, STAGE writes what was
 * merged under a random name with a time to live, FINISH (swap, roll) compares and renames.
 *
 * What makes it safe whatever happens in between (CONTRACT.md): a partial's version names its
 * content for ever; each piece is seen together with the versions of all sources; FINISH compares
 * them again, and the number of fields with what STAGE said was new. So two jobs at once, a relay
 * that goes on writing, and a store that forgets cost work, never samples.
 *
 * Pure, one command at a time. Memory: one piece of some COMPACT_PIECE_BYTES in and out.
 */
#ifndef RELAY_COMPACT_JOB_H
#define RELAY_COMPACT_JOB_H

#include "proto/buf.h"
#include "proto/hour.h"
#include "proto/rkey.h"
#include "relay/answer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMPACT_SOURCES     64 /* partials taken at a time */
#define COMPACT_PIECE_BYTES ((size_t)256 * 1024)
#define COMPACT_VERSION     16

struct compact_source {
	int64_t hour;
	uint64_t pid;
	char version[COMPACT_VERSION];
};

enum compact_step {
	COMPACT_LIST,
	COMPACT_GATHER,
	COMPACT_STAGE,
	COMPACT_FINISH,
};

enum compact_result {
	COMPACT_MORE,     /* the next command can be sent */
	COMPACT_DONE,     /* swapped, or rolled up */
	COMPACT_NOTHING,  /* there was nothing to do */
	COMPACT_WATCH,    /* an open hour was listed, to be compared later: in sources, count */
	COMPACT_REFUSED,  /* something changed meanwhile: nothing happened */
	COMPACT_BROKEN,   /* a cell cannot be read or merged, or no memory: code says why */
	COMPACT_DOUBT,    /* no answer, or not applied: nothing happened, or all of it */
	COMPACT_FOREIGN,  /* another fleet's store */
};

struct compact_target {
	const char *tag;
	uint64_t cfg;
	bool is_day;
	int64_t at;       /* the hour, or the day */
	bool open;        /* the hour is not closed */
	int64_t expire_second;
	uint64_t random[3]; /* temporary name, pid, version */
	/* An open hour's partials as they were a while ago; NULL: not known yet. */
	const struct compact_source *seen;
	size_t seen_count;
	/* Whether a partial should be left alone; may be NULL. */
	bool (*holds)(void *arg, int64_t hour, uint64_t pid);
	void *arg;
};

struct compact_job {
	/* private, but for sources, count, taken, fields and code */
	struct compact_target target;
	enum compact_step step;
	struct compact_source sources[COMPACT_SOURCES];
	size_t count;
	size_t which;      /* source being walked */
	uint64_t cursor;   /* of its walk */
	uint64_t per_piece;
	struct buf piece;  /* fields and cells as arguments */
	struct buf scratch;
	size_t piece_fields;
	uint64_t fields;   /* that are in the temporary */
	size_t taken;      /* partials that became one */
	int code;          /* COMPACT_BROKEN: why */
};

/* Begins a job. What target points to must outlive it; seen, its first answer. */
void compact_job_start(struct compact_job *job, const struct compact_target *target);

/* Frees its memory; the temporary key, if any, goes away by itself. */
void compact_job_release(struct compact_job *job);

/* Appends the next command. Errors by buf_status(out). */
void compact_job_command(const struct compact_job *job, struct buf *out);

/* Its answer. The job is over unless it says MORE. */
enum compact_result compact_job_answer(struct compact_job *job, const struct answer *answer);

/* The highest floor at which partials of a day may still be rewritten: their hours expire
 * later (commit_expire_second). */
int64_t compact_last_floor(int64_t day);

#endif
