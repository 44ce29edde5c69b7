/*
 * agents.h - how far every agent has come, and so whether an hour is complete.
 *
 * hg:{agents} holds for each agent `<committed ms> <seen ms> <left 0|1> <host>`. A reading
 * replaces the last one only when it is whole. An hour is complete when it is over and every
 * agent that was seen lately and has not left has committed past its end; one not seen for
 * gone_after is not waited for, only counted. Pure: text in, counts out; bounded by AGENTS_MAX.
 */
#ifndef QUERYD_AGENTS_H
#define QUERYD_AGENTS_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENTS_MAX 1000000

struct agents_mark {
	int64_t committed_ms;
	int64_t seen_ms;
};

struct agents_list {
	struct agents_mark *marks;
	size_t count;
	size_t capacity;
};

struct agents_verdict {
	bool complete;
	uint64_t waiting; /* agents that may still send samples of the span */
	uint64_t gone;    /* agents that have not reported past it and are not seen any more */
};

/* A verdict and what it was asked with. */
struct agents_judged {
	int64_t end_ms, now_ms, gone_after_ms;
	struct agents_verdict verdict;
	bool valid;
};

struct agents {
	/* private */
	struct agents_list current; /* the last whole reading */
	struct agents_list reading;
	int64_t least_ms;           /* committed by all of the current ones */
	struct agents_judged last;
	bool loaded;
	int failed;
};

void agents_init(struct agents *a);    /* knows nothing: nothing is complete */
void agents_release(struct agents *a); /* frees what it holds */

/* Starts a reading; one that was under way is dropped. */
void agents_begin(struct agents *a);

/* Adds the text of one agent. A malformed one counts as an agent that has committed nothing and is
 * seen now: what cannot be read must not make an hour look complete. */
void agents_add(struct agents *a, struct slice text, int64_t now_ms);

/* The reading is whole and takes effect. 0; -ENOMEM, -ENOBUFS: the last one stays. */
int agents_commit(struct agents *a) __attribute__((warn_unused_result));

/* Forgets all, as after a lost connection for long: nothing is complete. */
void agents_forget(struct agents *a);

size_t agents_count(const struct agents *a); /* of the last whole reading, those who left not in */

/* Judges a span that ends at end_ms. Does not look at each agent when all are past it, nor for the same span
 * again in the same millisecond: each of many answers asks. */
struct agents_verdict agents_judge(struct agents *a, int64_t end_ms, int64_t now_ms,
				   int64_t gone_after_ms);

#endif
