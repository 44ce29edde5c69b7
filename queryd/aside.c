// SPDX-License-Identifier: Apache-2.0
/*
 * aside.c - a queue of which libuv has only the first job.
 *
 * libuv would run as many jobs as its pool has threads; jobs of one queue must not overlap,
 * because they share what they work on. The next one is handed over when the last one is back
 * on the loop, before its owner is told, who may start another. The deadline is looked at in
 * the thread: a job that waited too long is not run at all.
 */
#include "queryd/aside.h"

#include <assert.h>
#include <stddef.h>

void aside_init(struct aside *a, uv_loop_t *loop)
{
	*a = (struct aside){ .loop = loop };
}

bool aside_busy(const struct aside *a)
{
	return a->first != NULL;
}

static void on_work(uv_work_t *work)
{
	struct aside_job *job = work->data;

	job->late = job->deadline_ns > 0 && uv_hrtime() > job->deadline_ns;
	if (!job->late)
		job->run(job);
}

static void begin(struct aside *a);

static void on_worked(uv_work_t *work, int status)
{
	struct aside_job *job = work->data;
	struct aside *a = job->aside;

	assert(status == 0); /* nobody cancels */
	a->first = job->next;
	if (!a->first)
		a->last = NULL;
	else
		begin(a);
	job->done(job, job->late);
}

static void begin(struct aside *a)
{
	int status = uv_queue_work(a->loop, &a->first->work, on_work, on_worked);

	assert(status == 0);
}

void aside_start(struct aside *a, struct aside_job *job, uint64_t deadline_ns)
{
	job->aside = a;
	job->next = NULL;
	job->deadline_ns = deadline_ns;
	job->work.data = job;
	if (a->last)
		a->last->next = job;
	else
		a->first = job;
	a->last = job;
	if (a->first == job)
		begin(a);
}
