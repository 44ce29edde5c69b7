// SPDX-License-Identifier: Apache-2.0
/*
 * store.c - a state asks and counts what it is `waiting` for; its last good answer begins the next.
 * A bad answer fails the state: the tick begins again once nothing is under way.
 */
#include "relay/store.h"

#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "relay/resp.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A commit holds up to 1 MiB and a batch a partition; a store that stops reading must not take
 * more than a few of each partition. */
#define STORE_WRITE_CEILING ((size_t)512 * 1024 * 1024)
#define STORE_WORDS_INLINE  16
#define STORE_REFRESH_MS    (60 * 1000)

/* CONTRACT.md, "Store": longer than a failover may forget. */
#define STORE_GRACE_SINGLE_MS   (10 * 1000)
#define STORE_GRACE_FAILOVER_MS (120 * 1000)
#define STORE_GRACE_CLUSTER_MS  (60 * 1000)

static void store_begin(struct store *s, enum store_state state);

/* ---- replies ---- */

static struct slice store_word(const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
		return slice_of(reply->str, reply->len);
	return slice_of("", 0);
}

/* Calls use with the reply as an answer; the words live for that long. */
static void store_translate(int status, const redisReply *reply,
			    void (*use)(void *arg, const struct answer *answer), void *arg)
{
	struct slice few[STORE_WORDS_INLINE], *words = few;
	struct answer answer = answer_unknown();

	if (status == 0 && reply->type == REDIS_REPLY_ERROR) {
		answer = answer_of_error(slice_of(reply->str, reply->len));
	} else if (status == 0 && reply->type == REDIS_REPLY_ARRAY) {
		if (reply->elements > STORE_WORDS_INLINE)
			words = calloc(reply->elements, sizeof(*words));
		for (size_t i = 0; words != NULL && i < reply->elements; i++)
			words[i] = store_word(reply->element[i]);
		/* Without memory to read it an answer is as good as none. */
		if (words != NULL)
			answer = answer_of_words(words, reply->elements);
	} else if (status == 0) {
		answer = answer_of_words(NULL, 0);
	}
	use(arg, &answer);
	if (words != few)
		free(words);
}

/* Ends a state's turn when all its answers are in. */
static void store_settle(struct store *s, bool good, enum store_state next)
{
	assert(s->waiting > 0);
	s->failed |= !good;
	if (--s->waiting > 0 || s->failed)
		return;
	store_begin(s, next);
}

/* Why the store is not ready, logged when it changes. */
static void store_trouble(struct store *s, const char *problem, const char *detail)
{
	s->failed = true;
	if (s->problem != problem)
		log_error("store_not_ready", "endpoint=%s reason=\"%s\" %s",
			  redis_endpoint(s->redis), problem, detail);
	s->problem = problem;
}

static void store_trouble_empty(struct store *s)
{
	store_trouble(s, "this Redis is empty and auto_init is off",
		      "hint=\"start one relay once with -o auto_init=yes\"");
}

/* ---- CHECKING ---- */

/* All masters were looked at: told when it changes, aloud. */
static void store_judge(struct store *s)
{
	bool fit = s->fitness.fit;

	tally_set(&s->o.counters->store_fit, fit);
	if (!fit && !s->told_unfit)
		log_error("store_unfit", "endpoint=%s reason=\"%s\" effect=\"nothing is declared "
			  "stable: agents keep what they sent\" hint=\"change it in redis.conf "
			  "and by CONFIG SET\"",
			  redis_endpoint(s->redis), s->fitness.defect);
	else if (fit && s->told_unfit)
		log_info("store_fit", "endpoint=%s", redis_endpoint(s->redis));
	s->told_unfit = !fit;
}

static void store_on_info(void *arg, int status, const redisReply *reply)
{
	struct store *s = arg;
	bool told = status == 0 && reply->type == REDIS_REPLY_STRING;
	struct slice info = told ? store_word(reply) : slice_of("", 0);
	bool good = fitness_note(&s->fitness, redis_url_kind(s->o.url), info);

	if (told && !good)
		store_trouble(s, "this Redis is a replica",
			      "hint=\"name its master, or use sentinel://\"");
	if (--s->looking == 0 && fitness_end(&s->fitness))
		store_judge(s);
	if (s->state == STORE_CHECKING)
		store_settle(s, good, STORE_FLEET);
	else
		s->waiting--;
}

static void store_command(struct store *s, const char *key, size_t argc, const struct slice *argv,
			  redis_reply_fn reply)
{
	s->waiting++;
	if (redis_command(s->redis, rkey_slot(slice_text(key)), argc, argv, reply, s) < 0)
		reply(s, ERR_STORE_DOWN, NULL);
}

/* Asks every master. */
static void store_look(struct store *s)
{
	const struct slice argv[] = { slice_text("INFO") };

	fitness_begin(&s->fitness);
	s->looking = (uint32_t)redis_command_all(s->redis, 1, argv, store_on_info, s);
	s->waiting += s->looking;
	s->failed |= s->looking == 0;
}

/* ---- FLEET ---- */

static void store_read_fleet(struct store *s);

static void store_on_fleet_written(void *arg, int status, const redisReply *reply)
{
	struct store *s = arg;

	s->waiting--;
	if (status == 0 && reply->type == REDIS_REPLY_INTEGER)
		store_read_fleet(s); /* of several relays the first has written it */
	else
		s->failed = true;
}

static void store_write_fleet(struct store *s)
{
	char cfg[24];
	struct slice argv[] = { slice_text("HSETNX"), slice_text(RKEY_FLEET), slice_text("cfg"),
				slice_of(NULL, 0) };

	snprintf(cfg, sizeof(cfg), "%" PRIu64, s->o.cfg);
	argv[3] = slice_text(cfg);
	log_info("fleet_init", "endpoint=%s partitions=%" PRIu32, redis_endpoint(s->redis),
		 s->o.tags->partitions);
	store_command(s, RKEY_FLEET, 4, argv, store_on_fleet_written);
}

static void store_on_fleet(void *arg, int status, const redisReply *reply)
{
	struct store *s = arg;
	char cfg[24];
	bool same;

	if (status == 0 && reply->type == REDIS_REPLY_NIL) {
		if (s->o.auto_init)
			store_write_fleet(s);
		else
			store_trouble_empty(s);
		s->waiting--;
		return;
	}
	snprintf(cfg, sizeof(cfg), "%" PRIu64, s->o.cfg);
	same = status == 0 && slice_equal(store_word(reply), slice_text(cfg));
	if (status == 0 && reply->type == REDIS_REPLY_STRING && !same)
		s->o.events->foreign(s->o.arg, store_word(reply));
	store_settle(s, same, STORE_PARTITIONS);
}

static void store_read_fleet(struct store *s)
{
	const struct slice argv[] = { slice_text("HGET"), slice_text(RKEY_FLEET),
				      slice_text("cfg") };

	store_command(s, RKEY_FLEET, 3, argv, store_on_fleet);
}

/* ---- PARTITIONS ---- */

struct store_init {
	struct store *store;
	uint32_t partition;
};

static void store_use_init(void *arg, const struct answer *answer)
{
	struct store_init *init = arg;
	struct store *s = init->store;
	bool good = answer->kind == ANSWER_OK && answer->count == 3;
	char quoted[LOG_QUOTE_SIZE], detail[LOG_QUOTE_SIZE + 8];

	snprintf(detail, sizeof(detail), "error=%s", log_quote(answer->text, quoted));
	if (good)
		s->o.events->floor(s->o.arg, init->partition, answer_hour(answer, 1));
	else if (answer->kind == ANSWER_CONFIG && answer->count == 1)
		s->o.events->foreign(s->o.arg, answer->items[0]);
	else if (answer->kind == ANSWER_EMPTY)
		store_trouble_empty(s);
	else if (answer->kind != ANSWER_UNKNOWN)
		store_trouble(s, "a partition cannot be initialised", detail);
	if (s->state == STORE_PARTITIONS)
		store_settle(s, good, STORE_READY);
	else
		s->waiting--;
	free(init);
}

static void store_on_partition(void *arg, int status, const redisReply *reply)
{
	store_translate(status, reply, store_use_init, arg);
}

static void store_init_partition(struct store *s, uint32_t partition, struct slice epoch)
{
	struct store_init *init = malloc(sizeof(*init));
	char key[RKEY_SIZE], cfg[24], retention[24];
	const char *meta = rkey_meta(s->o.tags->tag[partition], key);
	struct slice argv[] = {
		slice_text("EVALSHA"), slice_text(script_sha(SCRIPT_INIT)), slice_text("1"),
		slice_text(meta),      slice_text(cfg),			    epoch,
		slice_text(retention), slice_text(s->o.auto_init ? "1" : "0"),
	};

	snprintf(cfg, sizeof(cfg), "%" PRIu64, s->o.cfg);
	snprintf(retention, sizeof(retention), "%" PRId64, s->o.retention_hours);
	argv[4] = slice_text(cfg);
	argv[6] = slice_text(retention);
	if (init == NULL) {
		s->waiting--;
		s->failed = true;
		return;
	}
	*init = (struct store_init){ s, partition };
	if (redis_command(s->redis, rkey_slot(slice_text(meta)), 8, argv, store_on_partition,
			  init) < 0)
		store_on_partition(init, ERR_STORE_DOWN, NULL);
}

static void store_init_partitions(struct store *s)
{
	uint8_t epoch[RESP_HEX_BYTES];
	uint64_t random;

	life_random(&random, sizeof(random));
	resp_format_hex(random, epoch);
	s->waiting += s->o.tags->partitions;
	for (uint32_t p = 0; p < s->o.tags->partitions; p++)
		store_init_partition(s, p, slice_of(epoch, sizeof(epoch)));
}

/* ---- states ---- */

static void store_begin(struct store *s, enum store_state state)
{
	s->state = state;
	s->failed = false;
	tally_set(&s->o.counters->store_up, state == STORE_READY);
	switch (state) {
	case STORE_DOWN:
		break;
	case STORE_CHECKING:
		store_look(s);
		break;
	case STORE_FLEET:
		store_read_fleet(s);
		break;
	case STORE_PARTITIONS:
		store_init_partitions(s);
		break;
	case STORE_READY:
		s->problem = NULL;
		s->refresh_at_ms = life_monotonic_ms() + STORE_REFRESH_MS;
		log_info("store_ready", "endpoint=%s version=%s", redis_endpoint(s->redis),
			 redis_version(s->redis));
		s->o.events->ready(s->o.arg);
		break;
	}
}

/* Looks again at what is looked at when the connection is new; script calls go on. */
static void store_refresh(struct store *s)
{
	s->refresh_at_ms = life_monotonic_ms() + STORE_REFRESH_MS;
	store_look(s);
	store_init_partitions(s);
}

static void store_on_up(void *arg)
{
	struct store *s = arg;

	tally_add(&s->o.counters->store_connects, 1);
	s->problem = "Redis has not been looked at yet";
	s->state = STORE_CHECKING;
	s->failed = true; /* the next tick begins, unless nothing is under way */
	if (s->waiting == 0)
		store_begin(s, STORE_CHECKING);
}

static void store_on_down(void *arg, int reason)
{
	struct store *s = arg;

	(void)reason;
	s->problem = "Redis cannot be reached";
	s->told_unfit = false;
	store_begin(s, STORE_DOWN);
}

/* Another master: it has not been looked at, and the next tick does that. */
static void store_on_changed(void *arg)
{
	struct store *s = arg;

	if (s->state != STORE_READY)
		return;
	s->refresh_at_ms = 0;
	s->o.events->changed(s->o.arg);
}

int store_open(struct store *s, uv_loop_t *loop, const struct store_options *options)
{
	static const struct redis_events events = {
		.up = store_on_up,
		.down = store_on_down,
		.changed = store_on_changed,
	};
	const struct redis_options redis = { .write_ceiling_bytes = STORE_WRITE_CEILING,
					     .scripts = true };

	*s = (struct store){ .o = *options, .problem = "Redis cannot be reached" };
	return redis_open(loop, options->url, &redis, &events, s, &s->redis);
}

void store_close(struct store *s, void (*done)(void *arg), void *arg)
{
	redis_close(s->redis, done, arg);
}

void store_tick(struct store *s, int64_t now_ms)
{
	if (s->state != STORE_DOWN && s->state != STORE_READY && s->failed && s->waiting == 0)
		store_begin(s, STORE_CHECKING);
	if (s->state != STORE_READY || s->waiting > 0 || now_ms < s->refresh_at_ms)
		return;
	store_refresh(s);
}

void store_doubt(struct store *s)
{
	if (s->state != STORE_READY || s->waiting > 0)
		return;
	s->problem = "a partition is not this fleet's";
	store_begin(s, STORE_FLEET);
}

/* ---- script calls ---- */

static void store_use_answer(void *arg, const struct answer *answer)
{
	struct committer_call *call = arg;
	struct store *s = call->shell;

	s->o.events->answer(s->o.arg, call, answer);
}

static void store_on_answer(void *arg, int status, const redisReply *reply)
{
	store_translate(status, reply, store_use_answer, arg);
}

bool store_run(struct store *s, const char *tag, struct committer_call *call, struct slice resp)
{
	char key[RKEY_SIZE];

	if (s->state != STORE_READY)
		return false;
	call->shell = s;
	return redis_command_raw(s->redis, rkey_slot(slice_text(rkey_meta(tag, key))), resp,
				 store_on_answer, call) == 0;
}

struct store_any {
	void (*use)(void *arg, const struct answer *answer);
	void *arg;
};

static void store_on_any(void *arg, int status, const redisReply *reply)
{
	struct store_any call = *(struct store_any *)arg;

	free(arg);
	store_translate(status, reply, call.use, call.arg);
}

bool store_call(struct store *s, const char *tag, struct slice resp,
		void (*use)(void *arg, const struct answer *answer), void *arg)
{
	struct store_any *call = s->state == STORE_READY ? malloc(sizeof(*call)) : NULL;
	char key[RKEY_SIZE];

	if (call == NULL)
		return false;
	*call = (struct store_any){ use, arg };
	if (redis_command_raw(s->redis, rkey_slot(slice_text(rkey_meta(tag, key))), resp,
			      store_on_any, call) == 0)
		return true;
	free(call);
	return false;
}

int64_t store_grace_ms(const struct store *s)
{
	int64_t detection_ms = redis_detection_ms(s->redis), grace_ms = 0;

	switch (redis_url_kind(s->o.url)) {
	case REDIS_SINGLE:
		return STORE_GRACE_SINGLE_MS;
	case REDIS_SENTINEL:
		grace_ms = 12 * detection_ms;
		break;
	case REDIS_CLUSTER:
		grace_ms = 2 * detection_ms + STORE_GRACE_CLUSTER_MS;
		break;
	}
	return grace_ms > STORE_GRACE_FAILOVER_MS ? grace_ms : STORE_GRACE_FAILOVER_MS;
}

bool store_ready(const struct store *s)
{
	return s->state == STORE_READY;
}

bool store_fit(const struct store *s)
{
	return s->fitness.fit;
}

const char *store_problem(const struct store *s)
{
	return s->problem;
}

struct redis *store_redis(struct store *s)
{
	return s->redis;
}
