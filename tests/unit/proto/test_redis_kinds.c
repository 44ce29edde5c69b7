// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/proto/redis_seen.h"

#include "proto/store/script.h"

/* Turns the loop for a while; nobody may have come up, and where and why is known. */
static void never_up(const char *url, const char *why)
{
	const struct redis_options options = { .scripts = true };
	struct seen seen;
	bool late = false;
	uv_timer_t guard;

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(uv_loop_init(&seen.loop), 0);
	assert_int_equal(redis_open(&seen.loop, url, &options, &events, &seen, &seen.redis), 0);
	uv_timer_init(&seen.loop, &guard);
	guard.data = &late;
	uv_timer_start(&guard, on_guard, 300, 0);
	while (!late)
		uv_run(&seen.loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&guard, NULL);
	assert_int_equal(seen.ups + seen.downs, 0);
	assert_false(redis_is_up(seen.redis));
	assert_int_equal(send_words(&seen, "PING", on_reply), ERR_STORE_DOWN);
	assert_non_null(strstr(redis_trouble(seen.redis), "127.0.0.1:"));
	assert_non_null(strstr(redis_trouble(seen.redis), why));
	assert_null(strstr(redis_trouble(seen.redis), "pw"));
	close_redis(&seen);
	assert_int_equal(seen.unknown, 0);
}

static void a_server_of_another_kind_is_refused(void **state)
{
	struct redis_server *server = *state;
	char url[256];

	(void)snprintf(url, sizeof(url), "sentinel://127.0.0.1:1,127.0.0.1:%u/main", server->port);
	never_up(url, ": ");
	(void)snprintf(url, sizeof(url), "cluster://127.0.0.1:1,127.0.0.1:%u", server->port);
	never_up(url, ": ");
	never_up("cluster://127.0.0.1:1", "connection refused; start Redis");
	never_up("sentinel://:pw@127.0.0.1:1/x", "connection refused; start Redis");
}

/* Closed before, while and after it connects. */
static void every_kind_may_be_closed_at_any_time(void **state)
{
	static const char *const urls[] = { "redis://127.0.0.1:1", "sentinel://127.0.0.1:1/m",
					    "cluster://127.0.0.1:1" };
	size_t i, turns;

	(void)state;
	for (i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
		for (turns = 0; turns < 5; turns++) {
			struct seen seen;
			size_t n;

			open_redis(&seen, urls[i], 0);
			for (n = 0; n < turns; n++)
				uv_run(&seen.loop, UV_RUN_NOWAIT);
			close_redis(&seen);
		}
	}
}

static void scripts_are_there_when_it_is_up_and_come_back(void **state)
{
	const struct redis_options options = { .scripts = true };
	struct redis_server *server = *state;
	struct seen seen;
	char call[128];
	int i;

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(uv_loop_init(&seen.loop), 0);
	assert_int_equal(redis_open(&seen.loop, server->unix_url, &options, &events, &seen,
				    &seen.redis), 0);
	run_until(&seen, &seen.ups, 1);
	for (i = 0; i < SCRIPT_COUNT; i++)
		assert_int_equal(strlen(script_sha((enum script)i)), SCRIPT_SHA_HEX);
	(void)snprintf(call, sizeof(call), "EVALSHA %s 0", script_sha(SCRIPT_INIT));
	assert_int_equal(send_words(&seen, call, on_reply), 0);
	run_until(&seen, &seen.replies, 1);
	assert_string_equal(seen.last, "HOURGLASS init: arguments");
	/* The first call after a flush is told so; the second finds it loaded again. */
	assert_int_equal(send_words(&seen, "SCRIPT FLUSH", on_reply), 0);
	assert_int_equal(send_words(&seen, call, on_reply), 0);
	run_until(&seen, &seen.replies, 3);
	assert_int_equal(strncmp(seen.last, "NOSCRIPT", 8), 0);
	assert_int_equal(send_words(&seen, call, on_reply), 0);
	run_until(&seen, &seen.replies, 4);
	assert_string_equal(seen.last, "HOURGLASS init: arguments");
	assert_int_equal(seen.downs, 0);
	close_redis(&seen);
}

static void a_command_to_all_masters_is_one_here(void **state)
{
	const struct slice ping[] = { slice_text("PING") };
	struct redis_server *server = *state;
	struct seen seen;

	open_redis(&seen, server->unix_url, 0);
	assert_int_equal(redis_command_all(seen.redis, 1, ping, on_reply, &seen), 0);
	run_until(&seen, &seen.ups, 1);
	assert_int_equal(redis_command_all(seen.redis, 1, ping, on_reply, &seen), 1);
	run_until(&seen, &seen.replies, 1);
	assert_string_equal(seen.last, "PONG");
	assert_false(redis_may_reorder(seen.redis));
	assert_int_equal(redis_detection_ms(seen.redis), 0);
	close_redis(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_of_another_kind_is_refused),
		cmocka_unit_test(every_kind_may_be_closed_at_any_time),
		cmocka_unit_test(scripts_are_there_when_it_is_up_and_come_back),
		cmocka_unit_test(a_command_to_all_masters_is_one_here),
	};

	return cmocka_run_group_tests(tests, start_shared, stop_shared);
}
