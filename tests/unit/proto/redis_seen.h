/*
 * redis_seen.h - what a test sees of a redis on a loop of its own.
 *
 * For test_redis.c and test_redis_kinds.c; both share one real redis-server a program.
 */
#ifndef TESTS_UNIT_PROTO_REDIS_SEEN_H
#define TESTS_UNIT_PROTO_REDIS_SEEN_H

#include "proto/store/redis.h"

#include "proto/daemon/log.h"
#include "proto/err.h"
#include "tests/lib/redis_server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define GUARD_MS 10000

/* What a test has seen. */
struct seen {
	uv_loop_t loop;
	struct redis *redis;
	unsigned ups, downs;
	int down_reason;
	unsigned replies, unknown;
	char last[256]; /* of the last reply: text or number */
	int last_type;
	bool in_order;
	unsigned next_echo;
	unsigned unknown_before_down;
	bool closed;
};

static void on_up(void *arg)
{
	((struct seen *)arg)->ups++;
}

static void on_down(void *arg, int reason)
{
	struct seen *seen = arg;

	seen->downs++;
	seen->down_reason = reason;
	seen->unknown_before_down = seen->unknown;
	assert_false(redis_is_up(seen->redis));
}

static const struct redis_events events = { .up = on_up, .down = on_down };

static void on_reply(void *arg, int status, const redisReply *reply)
{
	struct seen *seen = arg;

	if (status == ERR_STORE_DOWN) {
		assert_null(reply);
		seen->unknown++;
		return;
	}
	assert_int_equal(status, 0);
	seen->replies++;
	seen->last_type = reply->type;
	if (reply->str)
		(void)snprintf(seen->last, sizeof(seen->last), "%s", reply->str);
	else
		(void)snprintf(seen->last, sizeof(seen->last), "%lld", reply->integer);
}

static void on_done(void *arg)
{
	((struct seen *)arg)->closed = true;
}

static void on_guard(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

/* Turns the loop until *counter reaches target; fails the test after GUARD_MS. */
static void run_until(struct seen *seen, const unsigned *counter, unsigned target)
{
	bool late = false;
	uv_timer_t guard;

	uv_timer_init(&seen->loop, &guard);
	guard.data = &late;
	uv_timer_start(&guard, on_guard, GUARD_MS, 0);
	while (*counter < target && !late)
		uv_run(&seen->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&guard, NULL);
	uv_run(&seen->loop, UV_RUN_NOWAIT);
	assert_false(late);
}

static void open_redis(struct seen *seen, const char *url, uint64_t timeout_ms)
{
	const struct redis_options options = { .timeout_ms = timeout_ms };

	memset(seen, 0, sizeof(*seen));
	seen->in_order = true;
	assert_int_equal(uv_loop_init(&seen->loop), 0);
	assert_int_equal(redis_open(&seen->loop, url, &options, &events, seen, &seen->redis), 0);
}

static void close_redis(struct seen *seen)
{
	redis_close(seen->redis, on_done, seen);
	redis_close(seen->redis, on_done, seen);
	uv_run(&seen->loop, UV_RUN_DEFAULT);
	assert_true(seen->closed);
	assert_int_equal(uv_loop_close(&seen->loop), 0);
}

/* Sends the words of a text. */
static int send_words(struct seen *seen, const char *text, redis_reply_fn reply)
{
	struct slice argv[8];
	size_t argc = 0;
	char copy[256];
	char *rest = NULL, *word;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = slice_text(word);
	return redis_command(seen->redis, 0, argc, argv, reply, seen);
}

static int start_shared(void **state)
{
	static struct redis_server server;

	log_set_level(LOG_LEVEL_ERROR);
	(void)signal(SIGPIPE, SIG_IGN); /* as life.h does */
	redis_server_start(&server, NULL);
	*state = &server;
	return 0;
}

static int stop_shared(void **state)
{
	redis_server_stop(*state);
	return 0;
}

#endif
