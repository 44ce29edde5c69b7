/*
 * compactor.h - keeps hours in few partials, rolls days up, forgets what is over.
 *
 *     IDLE --every_ms--> for each of our partitions:
 *                        (SWEEP, once an hour)
 *                        SURVEY a day, newest first --> JOB for each hour that needs one
 *                                    ^                  JOB for the day, when it needs one
 *                                    +--------------------+
 *                        (FORGET agents, once an hour) --> IDLE
 *
 * An hour needs one when it is closed (over for close_ms) and in two pieces or more, or open and in
 * `partials` or more, in two passes (compact_watch.h); a day, when it is closed, all its hours are
 * in one piece and it is not rolled up.
 * Any number of compactors may run on one partition; `ours` only saves them the work.
 *
 * One command at a time for the whole process, with a pause after each of three times what it took,
 * so that Redis is ours for a quarter of the time at most. Memory: one piece (compact_job.h).
 * Pure: time is an argument, effects leave through struct compactor_effects.
 */
#ifndef RELAY_COMPACTOR_H
#define RELAY_COMPACTOR_H

#include "relay/compact_job.h"
#include "relay/compact_watch.h"
#include "relay/counters.h"

/* What became of a job that had something to do. */
struct compactor_news {
	uint32_t partition;
	bool is_day;
	int64_t at; /* the hour, or the day */
	enum compact_result result;
	size_t taken;    /* partials, or hours */
	uint64_t fields; /* in what they became */
	int code;        /* COMPACT_BROKEN: why */
};

struct compactor_effects {
	/* Sends a command about the keys of a tag. True: compactor_answer will be called with
	 * the serial, once. False: it could not be sent. */
	bool (*run)(void *arg, uint64_t serial, const char *tag, struct slice resp);
	/* Whether a partition is for us to see to. */
	bool (*ours)(void *arg, uint32_t partition);
	/* Whether we ourselves hold a partial and may write it again. */
	bool (*holds)(void *arg, uint32_t partition, int64_t hour, uint64_t pid);
	/* 64 random bits. */
	uint64_t (*random)(void *arg);
	/* For the log. */
	void (*told)(void *arg, const struct compactor_news *news);
};

struct compactor_options {
	uint64_t cfg;
	const struct rkey_tags *tags;
	int64_t retention_hours;
	int64_t retention_days;
	int64_t partials; /* of an open hour, from which on it is compacted */
	int64_t close_ms; /* an hour is closed so long after its end */
	int64_t every_ms; /* 0: never */
	const int64_t *unix_offset_ms; /* unix time is now_ms + this; may change at any time */
	struct relay_counters *counters;
	const struct compactor_effects *effects;
	void *arg;
};

enum compactor_state {
	COMPACTOR_IDLE,
	COMPACTOR_SWEEP,
	COMPACTOR_SURVEY,
	COMPACTOR_JOB,
	COMPACTOR_FORGET,
};

struct compactor {
	/* private */
	struct compactor_options o;
	enum compactor_state state;
	bool waiting;    /* for the answer with this serial */
	uint64_t serial;
	int64_t sent_ms;
	int64_t due_ms;
	int64_t pass_ms;  /* when this pass began */
	int64_t sweep_ms; /* when the next one that sweeps may begin */
	bool sweeping;
	uint32_t partition;
	uint64_t cursor; /* of SWEEP and FORGET */
	int64_t day;
	int64_t floor_hour;
	uint64_t counts[DAY_HOURS]; /* partials of the day's hours */
	bool rolled;
	int64_t hour_at;  /* the next hour of the day to look at; DAY_HOURS: the day itself */
	struct compact_job job;
	struct compact_watches watches;
	struct buf out;
};

/* Readies it; the first pass begins with the first tick. What options point to outlives it. */
void compactor_init(struct compactor *c, const struct compactor_options *options);

/* Frees it. */
void compactor_release(struct compactor *c);

/* When compactor_tick has something to do; INT64_MAX: only after an answer, or never. */
int64_t compactor_due(const struct compactor *c);

/* Does what is due. */
void compactor_tick(struct compactor *c, int64_t now_ms);

/* The answer of the command with that serial. */
void compactor_answer(struct compactor *c, uint64_t serial, const struct answer *answer,
		      int64_t now_ms);

/* The connection to the store is a new one: gives up what is under way and begins anew. */
void compactor_restart(struct compactor *c, int64_t now_ms);

/* For the log: `swapped`... */
const char *compactor_result_name(enum compact_result result);

#endif
