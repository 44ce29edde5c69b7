// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/proto/redis_seen.h"

#include <errno.h>
#include <stdlib.h>

static void on_echo(void *arg, int status, const redisReply *reply)
{
	struct seen *seen = arg;

	on_reply(arg, status, reply);
	if (status == 0 && (unsigned)atoi(reply->str) != seen->next_echo++)
		seen->in_order = false;
}

static void speaks_over(const char *url, const char *endpoint_start)
{
	struct seen seen;

	open_redis(&seen, url, 0);
	assert_false(redis_is_up(seen.redis));
	assert_string_equal(redis_version(seen.redis), "");
	assert_int_equal(send_words(&seen, "PING", on_reply), ERR_STORE_DOWN);
	run_until(&seen, &seen.ups, 1);
	assert_true(redis_is_up(seen.redis));
	assert_true(redis_version(seen.redis)[0] >= '6');
	assert_int_equal(strncmp(redis_endpoint(seen.redis), endpoint_start,
				 strlen(endpoint_start)), 0);
	assert_null(strstr(redis_endpoint(seen.redis), "secret"));
	assert_int_equal(send_words(&seen, "SET k v", on_reply), 0);
	assert_int_equal(send_words(&seen, "GET k", on_reply), 0);
	run_until(&seen, &seen.replies, 2);
	assert_string_equal(seen.last, "v");
	assert_int_equal(seen.unknown, 0);
	close_redis(&seen);
	assert_int_equal(seen.downs, 0);
}

static void speaks_over_unix_and_tcp(void **state)
{
	struct redis_server *server = *state;

	speaks_over(server->unix_url, "unix:///tmp/");
	speaks_over(server->tcp_url, "redis://127.0.0.1:");
}

static void answers_in_the_order_asked(void **state)
{
	struct redis_server *server = *state;
	struct seen seen;
	char text[32];
	unsigned i;

	open_redis(&seen, server->unix_url, 0);
	run_until(&seen, &seen.ups, 1);
	for (i = 0; i < 5000; i++) {
		(void)snprintf(text, sizeof(text), "ECHO %u", i);
		assert_int_equal(send_words(&seen, text, on_echo), 0);
	}
	run_until(&seen, &seen.replies, 5000);
	assert_true(seen.in_order);
	assert_int_equal(seen.next_echo, 5000);
	close_redis(&seen);
}

static void error_replies_are_answers(void **state)
{
	struct redis_server *server = *state;
	struct seen seen;

	open_redis(&seen, server->unix_url, 0);
	run_until(&seen, &seen.ups, 1);
	assert_int_equal(send_words(&seen, "EVALSHA 0000000000000000000000000000000000000000 0",
				    on_reply), 0);
	run_until(&seen, &seen.replies, 1);
	assert_int_equal(seen.last_type, REDIS_REPLY_ERROR);
	assert_int_equal(strncmp(seen.last, "NOSCRIPT", 8), 0);
	assert_true(redis_is_up(seen.redis));
	close_redis(&seen);
}

static void large_and_raw_commands_keep_their_place(void **state)
{
	static uint8_t big[300000];
	struct redis_server *server = *state;
	const struct slice set[] = { slice_text("SET"), slice_text("big"),
				     slice_of(big, sizeof(big)) };
	struct seen seen;
	struct buf raw;

	open_redis(&seen, server->tcp_url, 0);
	run_until(&seen, &seen.ups, 1);
	memset(big, 'b', sizeof(big));
	buf_init(&raw, 1 << 20);
	redis_format(&raw, 3, set);
	assert_int_equal(send_words(&seen, "DEL big", on_reply), 0);
	assert_int_equal(redis_command_raw(seen.redis, 0, buf_view(&raw), on_reply, &seen), 0);
	assert_int_equal(send_words(&seen, "STRLEN big", on_reply), 0);
	run_until(&seen, &seen.replies, 3);
	assert_string_equal(seen.last, "300000");
	buf_release(&raw);
	close_redis(&seen);
}

static void what_is_over_the_ceiling_is_not_sent(void **state)
{
	static uint8_t big[5000];
	const struct redis_options options = { .write_ceiling_bytes = 8000 };
	struct redis_server *server = *state;
	struct slice echo[] = { slice_text("ECHO"), slice_of(big, sizeof(big)) };
	struct seen seen;

	memset(&seen, 0, sizeof(seen));
	memset(big, 'b', sizeof(big));
	assert_int_equal(uv_loop_init(&seen.loop), 0);
	assert_int_equal(redis_open(&seen.loop, server->unix_url, &options, &events, &seen,
				    &seen.redis), 0);
	run_until(&seen, &seen.ups, 1);
	assert_int_equal(redis_command(seen.redis, 0, 2, echo, on_reply, &seen), 0);
	assert_int_equal(redis_command(seen.redis, 0, 2, echo, on_reply, &seen), -ENOBUFS);
	run_until(&seen, &seen.replies, 1);
	assert_int_equal(redis_command(seen.redis, 0, 2, echo, on_reply, &seen), 0);
	run_until(&seen, &seen.replies, 2);
	close_redis(&seen);
	assert_int_equal(seen.unknown, 0);
}

static void a_killed_server_leaves_the_outcome_unknown(void **state)
{
	struct redis_server server;
	struct seen seen;
	unsigned i;

	(void)state;
	redis_server_start(&server, NULL);
	open_redis(&seen, server.tcp_url, 0);
	run_until(&seen, &seen.ups, 1);
	(void)kill(server.pid, SIGSTOP);
	for (i = 0; i < 3; i++)
		assert_int_equal(send_words(&seen, "INCR n", on_reply), 0);
	uv_run(&seen.loop, UV_RUN_NOWAIT);
	redis_server_kill(&server);
	run_until(&seen, &seen.downs, 1);
	assert_int_equal(seen.unknown, 3);
	assert_int_equal(seen.unknown_before_down, 3);
	assert_int_equal(seen.replies, 0);
	assert_int_equal(send_words(&seen, "PING", on_reply), ERR_STORE_DOWN);

	redis_server_restart(&server);
	run_until(&seen, &seen.ups, 2);
	assert_int_equal(send_words(&seen, "PING", on_reply), 0);
	run_until(&seen, &seen.replies, 1);
	assert_string_equal(seen.last, "PONG");
	assert_int_equal(seen.downs, 1);
	close_redis(&seen);
	redis_server_stop(&server);
}

static void a_late_answer_is_never_taken_for_another(void **state)
{
	struct redis_server *server = *state;
	struct seen seen;

	open_redis(&seen, server->unix_url, 100);
	run_until(&seen, &seen.ups, 1);
	assert_int_equal(send_words(&seen, "CLIENT PAUSE 300", on_reply), 0);
	run_until(&seen, &seen.replies, 1);
	assert_int_equal(send_words(&seen, "ECHO old", on_reply), 0);
	run_until(&seen, &seen.downs, 1);
	assert_int_equal(seen.unknown, 1);
	assert_int_equal(seen.down_reason, -ETIMEDOUT);
	run_until(&seen, &seen.ups, 2);
	assert_int_equal(send_words(&seen, "ECHO new", on_reply), 0);
	run_until(&seen, &seen.replies, 2);
	assert_string_equal(seen.last, "new");
	close_redis(&seen);
}

static void waits_for_a_server_that_comes_later(void **state)
{
	struct redis_server server;
	struct seen seen;

	(void)state;
	redis_server_start(&server, NULL);
	redis_server_kill(&server);
	open_redis(&seen, server.tcp_url, 0);
	uv_run(&seen.loop, UV_RUN_ONCE);
	redis_server_restart(&server);
	run_until(&seen, &seen.ups, 1);
	assert_string_equal(redis_trouble(seen.redis), "");
	assert_int_equal(seen.downs, 0);
	close_redis(&seen);
	redis_server_stop(&server);
}

static void a_password_and_a_database_are_used(void **state)
{
	struct redis_server server;
	struct seen seen;
	char url[256];

	(void)state;
	redis_server_start(&server, "secret");
	speaks_over(server.tcp_url, "redis://127.0.0.1:");
	(void)snprintf(url, sizeof(url), "redis://default:secret@127.0.0.1:%u/5", server.port);
	open_redis(&seen, url, 0);
	run_until(&seen, &seen.ups, 1);
	assert_int_equal(send_words(&seen, "EXISTS k", on_reply), 0);
	run_until(&seen, &seen.replies, 1);
	assert_string_equal(seen.last, "0"); /* speaks_over wrote k in database 0 */
	close_redis(&seen);
	redis_server_stop(&server);
}

/* With a wrong password it must neither come up nor spin. */
static void a_refused_greeting_backs_off(void **state)
{
	static const char *const secrets[] = { "", ":wrong@" };
	struct redis_server server;
	struct seen seen;
	char url[256];
	size_t i;

	(void)state;
	redis_server_start(&server, "secret");
	for (i = 0; i < 2; i++) {
		unsigned turns = 0;
		bool late = false;
		uv_timer_t guard;

		(void)snprintf(url, sizeof(url), "redis://%s127.0.0.1:%u", secrets[i], server.port);
		open_redis(&seen, url, 0);
		uv_timer_init(&seen.loop, &guard);
		guard.data = &late;
		uv_timer_start(&guard, on_guard, 300, 0);
		while (!late) {
			uv_run(&seen.loop, UV_RUN_ONCE);
			turns++;
		}
		uv_close((uv_handle_t *)&guard, NULL);
		assert_int_equal(seen.ups, 0);
		assert_int_equal(seen.downs, 0);
		assert_true(turns < 200);
		close_redis(&seen);
	}
	redis_server_stop(&server);
}

static void close_on_reply(void *arg, int status, const redisReply *reply)
{
	struct seen *seen = arg;

	on_reply(arg, status, reply);
	redis_close(seen->redis, on_done, seen);
}

static void may_be_closed_from_a_reply(void **state)
{
	struct redis_server *server = *state;
	struct seen seen;

	open_redis(&seen, server->unix_url, 0);
	run_until(&seen, &seen.ups, 1);
	assert_int_equal(send_words(&seen, "ECHO 0", close_on_reply), 0);
	assert_int_equal(send_words(&seen, "ECHO 1", on_reply), 0);
	assert_int_equal(send_words(&seen, "ECHO 2", NULL), 0);
	uv_run(&seen.loop, UV_RUN_DEFAULT);
	assert_true(seen.closed);
	assert_int_equal(seen.replies, 1);
	assert_int_equal(seen.unknown, 1);
	assert_int_equal(uv_loop_close(&seen.loop), 0);
}

static void close_on_unknown(void *arg, int status, const redisReply *reply)
{
	close_on_reply(arg, status, reply);
}

static void may_be_closed_while_the_pending_are_reported(void **state)
{
	struct redis_server server;
	struct seen seen;

	(void)state;
	redis_server_start(&server, NULL);
	open_redis(&seen, server.unix_url, 0);
	run_until(&seen, &seen.ups, 1);
	(void)kill(server.pid, SIGSTOP);
	assert_int_equal(send_words(&seen, "ECHO 0", close_on_unknown), 0);
	assert_int_equal(send_words(&seen, "ECHO 1", on_reply), 0);
	uv_run(&seen.loop, UV_RUN_NOWAIT);
	redis_server_kill(&server);
	uv_run(&seen.loop, UV_RUN_DEFAULT);
	assert_true(seen.closed);
	assert_int_equal(seen.unknown, 2);
	assert_int_equal(seen.downs, 0);
	assert_int_equal(uv_loop_close(&seen.loop), 0);
	redis_server_stop(&server);
}

static void bad_urls_start_nothing(void **state)
{
	struct redis *redis = NULL;
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(redis_open(&loop, "http://x", NULL, NULL, NULL, &redis), -EINVAL);
	assert_null(redis);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_urls_start_nothing),
		cmocka_unit_test(speaks_over_unix_and_tcp),
		cmocka_unit_test(answers_in_the_order_asked),
		cmocka_unit_test(error_replies_are_answers),
		cmocka_unit_test(large_and_raw_commands_keep_their_place),
		cmocka_unit_test(what_is_over_the_ceiling_is_not_sent),
		cmocka_unit_test(a_killed_server_leaves_the_outcome_unknown),
		cmocka_unit_test(a_late_answer_is_never_taken_for_another),
		cmocka_unit_test(waits_for_a_server_that_comes_later),
		cmocka_unit_test(a_password_and_a_database_are_used),
		cmocka_unit_test(a_refused_greeting_backs_off),
		cmocka_unit_test(may_be_closed_from_a_reply),
		cmocka_unit_test(may_be_closed_while_the_pending_are_reported),
	};

	return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
