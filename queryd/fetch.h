/*
 * fetch.h - runs what asks Redis in rounds: a plan (plan.h), a survey (survey.h).
 *
 * Sends a round's commands, a window of them under way at a time, so that a large question
 * does not stand in the way of small ones on the same connection; puts the answers in, and goes on
 * round by round. Reads of the same key that are asked for in one turn of the loop are one
 * (fetch_share.h). Each fetch has a deadline: when it passes, its owner is told at once, and what is
 * still on its way is dropped when it comes. Without a connection a fetch ends at once. Nothing
 * is kept between fetches; many run at the same time.
 *
 * Where replicas are read (redis_view), what a work takes in must all be of one server: when another has taken
 * its place, or it may have lost something, the work begins again with the next one, FETCH_TRIES times at
 * most and within its deadline. So nothing is ever concluded from a manifest here and cells there.
 */
#ifndef QUERYD_FETCH_H
#define QUERYD_FETCH_H

#include "proto/store/redis.h"
#include "queryd/fetch_share.h"
#include "queryd/fleet.h"
#include "queryd/plan.h"

#include <stdbool.h>
#include <stdint.h>

#define FETCH_TRIES 5

struct fetch;

struct fetches {
	/* private */
	struct redis *redis;
	const struct fleet *fleet;
	struct fetch *open; /* newest first */
	struct fetch_shares shares;
	uint64_t generation;     /* of redis_view: of the reads that are shared */
	uint64_t again;
	struct redis_view read;  /* of the fetch that is being answered */
	uint64_t count;
};

/* How a kind of work is asked for. */
struct fetch_verbs {
	/* Commands under way at a time: what others on the connection may have to wait for. */
	size_t window;
	/* Commands of the round. */
	size_t (*count)(const void *work);
	/* Whether one must be executed after all those of the round that need not be last: a
	 * manifest, after the cells it vouches for. In a Cluster commands may overtake each other. */
	bool (*last)(const void *work, size_t index);
	/* Sends one by fetch_send. 0 and its codes. */
	int (*send)(struct fetch *f, const void *work, size_t index);
	/* Takes the answer to one. False when it is not one that the command can have. */
	bool (*put)(void *work, size_t index, const redisReply *reply);
	/* All are answered. 1: another round, 0: done, negative: why it failed. */
	int (*step)(void *work);
	/* Forgets all answers, and goes back to the first round. 0, -ENOMEM. */
	int (*again)(void *work);
	void (*free)(void *work);
};

/* A plan, and a survey. */
extern const struct fetch_verbs fetch_plan, fetch_survey;

/* Called once. status 0: the work is done and lent for the call. ERR_STORE_DOWN: no connection, or
 * it was lost; ERR_STORE_ERROR: Redis answered with an error; -ETIMEDOUT; what its step() says;
 * then work is NULL. */
typedef void (*fetch_done)(void *arg, int status, void *work);

/* No fetch is open. Both are borrowed. */
void fetches_init(struct fetches *f, struct redis *redis, const struct fleet *fleet);

/* Takes the work and starts. The fleet must be known. done may be called before it returns. */
void fetch_start(struct fetches *f, const struct fetch_verbs *verbs, void *work,
		 uint64_t deadline_ms, fetch_done done, void *arg);

/* A turn of the loop is over: what was asked for leaves. Called before that. */
void fetches_end_turn(struct fetches *f);

/* Reads that were not sent, because another was on its way. */
uint64_t fetches_shared(const struct fetches *f);

/* Fetches that were begun again. */
uint64_t fetches_again(const struct fetches *f);

/* Within `done` of a work that is done: the server that all of it was read from. */
struct redis_view fetches_read(const struct fetches *f);

/* Ends those whose deadline has passed at now_ms. */
void fetches_sweep(struct fetches *f, uint64_t now_ms);

/* ---- for verbs ------------------------------------------------------------------------------- */

/* The fleet, whose tags the keys bear. */
const struct fleet *fetch_fleet(const struct fetch *f);

/* Sends the command of that index; argv[1] is its key. 0, or what redis_command says. */
int fetch_send(struct fetch *f, size_t index, size_t argc, const struct slice *argv)
	__attribute__((warn_unused_result));

/* A reply's bytes. Borrowed. */
static inline struct slice fetch_text(const redisReply *reply)
{
	return slice_of(reply->str, reply->len);
}

/* Takes the answer to HGETALL of a manifest apart, from *at = 0 on: the next partial and its version,
 * borrowed. False at its end, and at what no manifest has. */
bool fetch_next_pid(const redisReply *reply, size_t *at, struct slice *pid, struct slice *version);

/* Whether all of a manifest has been taken. */
static inline bool fetch_took_all(const redisReply *reply, size_t at)
{
	return reply->type == REDIS_REPLY_ARRAY && at == reply->elements;
}

/* What step() says of a plan's or a survey's status. */
static inline int fetch_status(enum plan_status status, int error)
{
	return status == PLAN_FAILED ? error : status == PLAN_MORE;
}

/* Sends HGETALL of a key for the command of that index, or waits with those who have just asked for it: its
 * place among the commands of the round must not matter. As above, -ENOMEM. */
int fetch_read(struct fetch *f, size_t index, struct slice key)
	__attribute__((warn_unused_result));

#endif
