// SPDX-License-Identifier: Apache-2.0
/*
 * The model store beside a real Redis: 10,000 random commands of all scripts, every reply and,
 * again and again, all that is stored must be equal. HOURGLASS_SEED=N runs that seed, HOURGLASS_COMMANDS=N so many.
 */
#include "tests/lib/model_store.h"

#include "proto/map.h"
#include "tests/lib/redis_server.h"

#include <ctype.h>
#include <hiredis/hiredis.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include <cmocka.h>

#include "tests/unit/relay/random_commands.h"

#define COMMANDS  10000
#define SEED      20261121
#define DUMP_EACH 40
#define SLACK_S   3  /* between the model's clock and Redis' */
#define SHOWN     60 /* bytes of a word in a message */

struct fixture {
	struct redis_server server;
	redisContext *redis;
	struct model_store model;
	struct random_commands commands;
	uint64_t seed;
	size_t command;
	enum script script;
	size_t said[SCRIPT_COUNT][2]; /* OK; anything else */
};

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static redisReply *ask(struct fixture *f, const char *command)
{
	redisReply *reply = redisCommand(f->redis, command);

	assert_non_null(reply);
	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	return reply;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	redis_server_start(&f->server, NULL);
	f->redis = redisConnect("127.0.0.1", f->server.port);
	assert_true(f->redis != NULL && f->redis->err == 0);
	for (int s = 0; s < SCRIPT_COUNT; s++) {
		struct slice text = script_text((enum script)s);
		redisReply *sha = redisCommand(f->redis, "SCRIPT LOAD %b", text.ptr, text.size);

		assert_true(sha != NULL && sha->type == REDIS_REPLY_STRING);
		assert_true(script_set_sha((enum script)s, slice_of(sha->str, sha->len)));
		freeReplyObject(sha);
	}
	model_store_init(&f->model, 0);
	f->model.tolerant = true;
	f->seed = setting("HOURGLASS_SEED", SEED);
	f->commands.random = f->seed;
	f->commands.model = &f->model;
	buf_init(&f->commands.text, SIZE_MAX);
	buf_init(&f->commands.resp, SIZE_MAX);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	redisFree(f->redis);
	redis_server_stop(&f->server);
	model_store_release(&f->model);
	buf_release(&f->commands.text);
	buf_release(&f->commands.resp);
	free(f);
	return 0;
}

/* ---- comparing ---- */

static void differ(const struct fixture *f, const char *what, struct slice redis, struct slice model)
{
	size_t shown[] = { redis.size < SHOWN ? redis.size : SHOWN,
			   model.size < SHOWN ? model.size : SHOWN };

	fail_msg("HOURGLASS_SEED=%llu, command %zu (%s): %s: Redis has '%.*s', the model '%.*s'",
		 (unsigned long long)f->seed, f->command, script_name(f->script), what,
		 (int)shown[0], (const char *)redis.ptr, (int)shown[1], (const char *)model.ptr);
}

/* A number at the end of a text: its length, *value. */
static size_t tail_number(struct slice text, int64_t *value)
{
	size_t digits = 0;
	char copy[24] = "";

	while (digits < text.size && digits < sizeof(copy) - 1 &&
	       isdigit(text.ptr[text.size - digits - 1]))
		digits++;
	memcpy(copy, text.ptr + text.size - digits, digits);
	*value = atoll(copy);
	return digits;
}

/* Equal, or the same but for a time at the end. */
static bool same_but_time(struct slice a, struct slice b)
{
	int64_t left, right;
	size_t left_digits = tail_number(a, &left), right_digits = tail_number(b, &right);

	return left_digits >= 10 && right_digits >= 10 && left - right <= SLACK_S &&
	       right - left <= SLACK_S &&
	       slice_equal(slice_of(a.ptr, a.size - left_digits),
			   slice_of(b.ptr, b.size - right_digits));
}

static struct slice word_of(const redisReply *reply)
{
	return slice_of(reply->str, reply->len);
}

/* Both as rows of so many words, in any order and twice if they like. */
static void same_rows(const struct fixture *f, const redisReply *redis,
		      const struct model_reply *model, size_t first, size_t width)
{
	size_t count[2] = { (redis->elements - first) / width, (model->count - first) / width };

	for (size_t side = 0; side < 2; side++) {
		for (size_t row = 0; row < count[side]; row++) {
			bool found = false;

			for (size_t other = 0; other < count[!side] && !found; other++) {
				size_t r = first + width * (side == 0 ? row : other);
				size_t m = first + width * (side == 0 ? other : row);
				size_t i = 0;

				while (i < width && slice_equal(word_of(redis->element[r + i]),
								model->words[m + i]))
					i++;
				found = i == width;
			}
			if (!found)
				differ(f, side ? "a row too many" : "a row too few", slice_text(""),
				       slice_text(""));
		}
	}
}

/* Which partials are listed, when not all are, is Redis' choice: only how many is said. */
static void same_survey(const struct fixture *f, const redisReply *redis,
			const struct model_reply *model)
{
	size_t at = 2;

	assert_int_equal(redis->elements, model->count);
	while (at < model->count) {
		size_t listed = strtoul(redis->element[at + 1]->str, NULL, 10);
		redisReply part = { .elements = 2 * listed, .element = redis->element + at + 2 };
		static struct model_reply rows;

		for (size_t i = at; i < at + 2; i++)
			if (!slice_equal(word_of(redis->element[i]), model->words[i]))
				differ(f, "a count", word_of(redis->element[i]), model->words[i]);
		rows.count = 2 * listed;
		memcpy(rows.words, model->words + at + 2, rows.count * sizeof(rows.words[0]));
		if (slice_equal(model->words[at], model->words[at + 1]))
			same_rows(f, &part, &rows, 0, 2);
		at += 2 + 2 * listed;
	}
}

/* How many of the first words are said in this order. */
static size_t ordered(const struct fixture *f, const struct model_reply *model)
{
	bool ok = slice_equal(model->words[0], slice_text("OK"));

	if (ok && (f->script == SCRIPT_SURVEY || f->script == SCRIPT_GATHER))
		return 2;
	return model->count;
}

static void same_reply(const struct fixture *f, const redisReply *redis,
		       const struct model_reply *model)
{
	size_t first = ordered(f, model);

	if (model->error || redis->type == REDIS_REPLY_ERROR) {
		if (!model->error || redis->type != REDIS_REPLY_ERROR ||
		    strncmp(redis->str, (const char *)model->words[0].ptr, model->words[0].size) != 0)
			differ(f, "error", word_of(redis), model->words[0]);
		return;
	}
	assert_int_equal(redis->type, REDIS_REPLY_ARRAY);
	for (size_t i = 0; i < first; i++)
		if (i >= redis->elements ||
		    (!slice_equal(word_of(redis->element[i]), model->words[i]) &&
		     !same_but_time(word_of(redis->element[i]), model->words[i])))
			differ(f, "reply", i < redis->elements ? word_of(redis->element[i]) :
								 slice_text("less"),
			       model->words[i]);
	if (first == model->count) {
		assert_int_equal(redis->elements, model->count);
	} else if (f->script == SCRIPT_SURVEY) {
		same_survey(f, redis, model);
	} else {
		/* field, then a blob of each source */
		same_rows(f, redis, model, 2, 1 + f->commands.keys / 2);
	}
}

/* ---- all that is stored ---- */

static void same_field(const struct fixture *f, struct slice key, struct slice field,
		       struct slice redis)
{
	char name[RKEY_SIZE];
	struct slice model;

	snprintf(name, sizeof(name), "%.*s", (int)key.size, (const char *)key.ptr);
	model = model_store_get(&f->model, name, field);
	if (!slice_equal(redis, model) && !same_but_time(redis, model))
		differ(f, name, redis, model);
}

static void same_key(struct fixture *f, struct slice key)
{
	const struct model_entry *fields[MODEL_FIELDS];
	size_t count = model_store_fields(&f->model, key, fields);
	bool is_zset = key.ptr[key.size - 2] == 'n';
	redisReply *all, *ttl = redisCommand(f->redis, "TTL %b", key.ptr, key.size);

	all = is_zset ? redisCommand(f->redis, "ZRANGE %b 0 -1 WITHSCORES", key.ptr, key.size) :
			redisCommand(f->redis, "HGETALL %b", key.ptr, key.size);
	assert_true(all != NULL && ttl != NULL && all->type == REDIS_REPLY_ARRAY);
	if (all->elements != 2 * count || (ttl->integer >= 0) != model_store_expires(&f->model, key))
		differ(f, "fields or time to live", key, key);
	for (size_t i = 0; i < all->elements; i += 2)
		same_field(f, key, word_of(all->element[i]), word_of(all->element[i + 1]));
	freeReplyObject(all);
	freeReplyObject(ttl);
}

/* Redis may have no key but the model's, and each of the model's with all that is in it. */
static void same_dump(struct fixture *f)
{
	redisReply *size = ask(f, "DBSIZE");
	size_t cursor = 0, keys = 0;
	struct slice key;

	while (model_store_next_key(&f->model, &cursor, &key)) {
		same_key(f, key);
		keys++;
	}
	if ((size_t)size->integer != keys)
		fail_msg("HOURGLASS_SEED=%llu, command %zu (%s): Redis has %lld keys, the model %zu",
			 (unsigned long long)f->seed, f->command, script_name(f->script),
			 size->integer, keys);
	freeReplyObject(size);
}

/* ---- the run ---- */

static int64_t wall_ms(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
}

/* An agent that is seen now, or was long ago: relays write these without a script. */
static void see_agent(struct fixture *f)
{
	int64_t seen_ms = rc_chance(&f->commands, 50) ? wall_ms() : 1000;
	char name[8], value[64];

	snprintf(name, sizeof(name), "%llu",
		 (unsigned long long)rc_below(&f->commands, RANDOM_AGENTS));
	snprintf(value, sizeof(value), "1 %lld 0 host", (long long)seen_ms);
	freeReplyObject(redisCommand(f->redis, "HSET " RKEY_AGENTS " %s %s", name, value));
	model_store_set(&f->model, RKEY_AGENTS, slice_text(name), slice_text(value));
}

static void run_one(struct fixture *f, struct model_reply *model)
{
	const struct buf *resp = &f->commands.resp;
	redisReply *redis;

	f->script = random_command(&f->commands);
	redisAppendFormattedCommand(f->redis, (const char *)resp->data, resp->size);
	assert_int_equal(redisGetReply(f->redis, (void **)&redis), REDIS_OK);
	f->model.now_ms = wall_ms();
	/* The floor hangs on the hour: both must mean the same one. */
	if (f->script == SCRIPT_INIT && redis->type == REDIS_REPLY_ARRAY && redis->elements == 4)
		f->model.now_ms = strtoll(redis->element[3]->str, NULL, 10) * 1000;
	model_store_run(&f->model, buf_view(resp), model);
	same_reply(f, redis, model);
	f->said[f->script][model->error || !slice_equal(model->words[0], slice_text("OK"))]++;
	freeReplyObject(redis);
	model_reply_release(model);
}

/* Both begin anew: a log without end makes the model slow. */
static void clear(struct fixture *f)
{
	same_dump(f);
	freeReplyObject(ask(f, "FLUSHALL"));
	model_store_rollback(&f->model, SIZE_MAX);
}

static void test_replies_and_dumps_are_those_of_a_real_redis(void **state)
{
	static struct model_reply reply; /* large */
	struct fixture *f = *state;
	size_t commands = setting("HOURGLASS_COMMANDS", COMMANDS);

	for (f->command = 1; f->command <= commands; f->command++) {
		if (rc_chance(&f->commands, 2))
			see_agent(f);
		run_one(f, &reply);
		if (f->command % DUMP_EACH == 0)
			same_dump(f);
		if (f->command % 1000 == 0)
			clear(f);
	}
	clear(f);
	print_message("seed %llu, %zu commands:\n", (unsigned long long)f->seed, commands);
	for (int s = 0; s < SCRIPT_COUNT; s++) {
		print_message("  %-8s %5zu OK %5zu refused\n", script_name((enum script)s),
			      f->said[s][0], f->said[s][1]);
		/* A script that never ran to its end was not compared. */
		assert_true(commands < COMMANDS || f->said[s][0] > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replies_and_dumps_are_those_of_a_real_redis,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
