// SPDX-License-Identifier: Apache-2.0
#include "queryd/aside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define JOBS 5

struct job {
	struct aside_job job; /* first */
	size_t index;
	uv_thread_t thread;
	bool ran, late;
};

static uv_loop_t loop;
static struct aside aside;
static struct job jobs[JOBS + 1];
static size_t done[JOBS + 1];
static size_t done_count;
static size_t running; /* one at a time, so that nobody else touches it */

static void on_run(struct aside_job *job)
{
	struct job *j = (struct job *)job;

	assert_int_equal(running++, 0);
	j->ran = true;
	j->thread = uv_thread_self();
	running--;
}

static void start(size_t index, uint64_t deadline_ns);

static void on_done(struct aside_job *job, bool late)
{
	struct job *j = (struct job *)job;

	j->late = late;
	done[done_count++] = j->index;
	if (j->index == 0)
		start(JOBS, 0); /* behind those that wait */
}

static void start(size_t index, uint64_t deadline_ns)
{
	struct job *j = &jobs[index];

	*j = (struct job){ .index = index, .job = { .run = on_run, .done = on_done } };
	aside_start(&aside, &j->job, deadline_ns);
}

static void jobs_run_one_by_one_beside_the_loop(void **state)
{
	uv_thread_t self = uv_thread_self();
	size_t i;

	(void)state;
	done_count = 0;
	aside_init(&aside, &loop);
	assert_false(aside_busy(&aside));
	for (i = 0; i < JOBS; i++)
		start(i, 0);
	assert_true(aside_busy(&aside));
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_false(aside_busy(&aside));
	assert_int_equal(done_count, JOBS + 1);
	for (i = 0; i <= JOBS; i++) {
		assert_int_equal(done[i], i);
		assert_true(jobs[i].ran && !jobs[i].late);
		assert_false(uv_thread_equal(&jobs[i].thread, &self));
	}
}

static void what_is_late_is_not_begun(void **state)
{
	(void)state;
	done_count = 0;
	aside_init(&aside, &loop);
	start(1, uv_hrtime() - 1);
	start(2, UINT64_MAX);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(done_count, 2);
	assert_true(!jobs[1].ran && jobs[1].late);
	assert_true(jobs[2].ran && !jobs[2].late);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_run_one_by_one_beside_the_loop),
		cmocka_unit_test(what_is_late_is_not_begun),
	};
	int failed = uv_loop_init(&loop);

	failed += cmocka_run_group_tests(tests, NULL, NULL);
	return failed + uv_loop_close(&loop);
}
