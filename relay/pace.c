// SPDX-License-Identifier: Apache-2.0
/*
 * pace.c - windows of measuring, and a level that doubles or halves the interval.
 *
 * Commits of several partitions overlap: busy is the time from the first that goes out to the last
 * that is answered. A window in which something was in flight and nothing was answered says that
 * Redis stands still, not that it is short of time.
 */
#include "relay/pace.h"

#include <assert.h>

#define PACE_PATIENCE 2 /* windows: one hiccup of Redis is no lack of room */

void pace_init(struct pace *p, int64_t commit_ms, unsigned percent,
	       struct relay_counters *counters, uint64_t now_us)
{
	*p = (struct pace){ .counters = counters, .commit_ms = commit_ms, .percent = percent,
			    .window_us = now_us };
	tally_set(&counters->commit_interval_ms, (uint64_t)commit_ms);
}

void pace_sent(struct pace *p, uint64_t now_us)
{
	if (p->in_flight++ == 0)
		p->busy_since_us = now_us;
}

void pace_answered(struct pace *p, uint64_t now_us)
{
	assert(p->in_flight > 0);
	p->answered++;
	if (--p->in_flight == 0)
		p->busy_us += now_us - p->busy_since_us;
}

int64_t pace_interval_ms(const struct pace *p)
{
	int64_t interval_ms = p->commit_ms << p->level;

	return p->level > 0 && interval_ms > PACE_MAX_MS ? PACE_MAX_MS : interval_ms;
}

int64_t pace_seal_ms(const struct pace *p)
{
	return p->level > 0 ? pace_interval_ms(p) : 0;
}

/* Ends the window: busy and all time of it, in microseconds, and the next begins. */
static void pace_window(struct pace *p, uint64_t now_us, uint64_t *busy_us, uint64_t *all_us)
{
	if (p->in_flight > 0) {
		p->busy_us += now_us - p->busy_since_us;
		p->busy_since_us = now_us;
	}
	*busy_us = p->busy_us;
	*all_us = now_us - p->window_us;
	p->busy_us = 0;
	p->answered = 0;
	p->window_us = now_us;
}

static bool pace_judge(struct pace *p, uint64_t busy_us, uint64_t all_us)
{
	uint64_t share = busy_us * 100, ours = all_us * p->percent;

	if (share <= ours)
		p->over = 0;
	else
		p->over++;
	if (p->over >= PACE_PATIENCE && pace_interval_ms(p) < PACE_MAX_MS) {
		p->over = 0;
		p->level++;
		return true;
	}
	if (share * 5 < ours * 2 && p->level > 0) {
		p->level--;
		return true;
	}
	return false;
}

bool pace_tick(struct pace *p, uint64_t now_us)
{
	uint64_t least_us = 2000 * (uint64_t)pace_interval_ms(p);
	bool stalled = p->in_flight > 0 && p->answered == 0;
	uint64_t busy_us, all_us;
	bool changed;

	if (now_us - p->window_us < (least_us > PACE_WINDOW_US ? least_us : PACE_WINDOW_US))
		return false;
	pace_window(p, now_us, &busy_us, &all_us);
	tally_set(&p->counters->store_share, 100 * busy_us / all_us);
	if (stalled)
		return false;
	changed = pace_judge(p, busy_us, all_us);
	tally_set(&p->counters->commit_interval_ms, (uint64_t)pace_interval_ms(p));
	return changed;
}
