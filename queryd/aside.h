/*
 * aside.h - work beside the loop, one piece at a time.
 *
 * What takes longer than a turn of the loop should (looking through a million names) runs in
 * libuv's thread pool, and its answer is sent from the loop again. One thread at a time for each
 * `aside`, in the order of asking: somebody who asks for much takes one core at most, and others
 * who do the same wait for him, not those who ask for a key. The work may touch only what its owner
 * has given it and nobody else changes. Work whose time was over before its turn came is not begun.
 */
#ifndef QUERYD_ASIDE_H
#define QUERYD_ASIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct aside_job;

struct aside {
	/* private */
	uv_loop_t *loop;
	struct aside_job *first, *last; /* the first one runs */
};

/* In its owner's struct, which stays where it is until done() was called. */
struct aside_job {
	/* private */
	uv_work_t work;
	struct aside *aside;
	struct aside_job *next;
	uint64_t deadline_ns;
	bool late;
	void (*run)(struct aside_job *job);
	void (*done)(struct aside_job *job, bool late);
};

void aside_init(struct aside *a, uv_loop_t *loop); /* nothing runs; the loop is borrowed */

/* Calls run() in another thread, then done() from the loop; with late, when run() was not called
 * because the deadline (of uv_hrtime(); 0: none) had passed. The job is borrowed until then. */
void aside_start(struct aside *a, struct aside_job *job, uint64_t deadline_ns);

/* Whether anything runs or waits. */
bool aside_busy(const struct aside *a);

#endif
