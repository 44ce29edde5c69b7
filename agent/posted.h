/*
 * posted.h - which Idempotency-Keys of POST /v1/samples have counted.
 *
 *     NEW --add--> WAITING --(sealing: log, then the batches are sealed, then log)--> SEALED
 *                                                          or PARTLY, when that was cut short
 *
 * A key is kept for a day, and the last POSTED_KEYS of them; of a key and of its body only hashes.
 * In a state folder they are also in the file `posted`, 80 bytes a record: before a seal a record
 * of each waiting key says how many samples this process had sealed and will have, after it another
 * one says what came of it. An agent that is killed between the two leaves it to the spool: a later
 * start knows how far the one before had come (keeper.h), and so whether all, nothing or a part of
 * what the key stood for was sealed. Without a state folder keys die with the process, as their
 * samples do. The loop's thread.
 */
#ifndef AGENT_POSTED_H
#define AGENT_POSTED_H

#include "proto/hash.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define POSTED_KEYS        65536 /* a power of two */
#define POSTED_TTL_MS      (24 * 3600 * 1000LL)
#define POSTED_RECORD_SIZE 80

struct posted;

enum posted_state {
	POSTED_NEW,     /* not known, or no longer */
	POSTED_WAITING, /* its samples are in the open table */
	POSTED_SEALED,  /* they have counted */
	POSTED_PARTLY,  /* a part of them has; an agent was killed in the midst of it */
	POSTED_OTHER,   /* the key came with another body before */
};

/* Reads what is in a state folder ("": there is none). before: the stream that the process before
 * wrote, of which it had sealed so many samples. Whatever fails, it works in memory, with an error
 * logged. *out: posted_close. 0, -ENOMEM. */
int posted_open(const char *state_dir, const struct stream_id *before, uint64_t before_sealed,
		struct posted **out) __attribute__((warn_unused_result));

/* Frees it. NULL is allowed. */
void posted_close(struct posted *p);

/* What is known of a key that comes with a body. now_ms: unix. */
enum posted_state posted_find(const struct posted *p, struct slice key, struct slice body,
			      int64_t now_ms);

/* Notes a new key: it waits. 0, -ENOMEM. */
int posted_add(struct posted *p, struct slice key, struct slice body, int64_t now_ms)
	__attribute__((warn_unused_result));

/* What the waiting keys stand for is about to be sealed: `samples`, after `sealed` ones of this
 * stream. sync: on disk before it returns. */
void posted_sealing(struct posted *p, const struct stream_id *stream, uint64_t sealed,
		    uint64_t samples, bool sync);

/* It has been: all of it, or not. */
void posted_sealed(struct posted *p, bool whole);

#endif
