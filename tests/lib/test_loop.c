// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/test_loop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define TEST_DEADLINE_MS 10000

static void test_loop_expired(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("the deadline of %d ms passed", TEST_DEADLINE_MS);
}

void test_loop_init(struct test_loop *t)
{
	signal(SIGPIPE, SIG_IGN); /* as life.c does in the daemons */
	assert_int_equal(uv_loop_init(&t->loop), 0);
	uv_timer_init(&t->loop, &t->deadline);
	uv_timer_start(&t->deadline, test_loop_expired, TEST_DEADLINE_MS, 0);
}

void test_loop_until(struct test_loop *t, const bool *flag)
{
	while (!*flag)
		uv_run(&t->loop, UV_RUN_ONCE);
}

void test_loop_until_count(struct test_loop *t, const unsigned *count, unsigned wanted)
{
	while (*count < wanted)
		uv_run(&t->loop, UV_RUN_ONCE);
}

void test_loop_turn(struct test_loop *t)
{
	uv_run(&t->loop, UV_RUN_NOWAIT);
}

void test_loop_finish(struct test_loop *t)
{
	/* Without a reference the deadline still fires, but does not keep the loop alive. */
	uv_unref((uv_handle_t *)&t->deadline);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&t->deadline, NULL);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&t->loop), 0);
}
