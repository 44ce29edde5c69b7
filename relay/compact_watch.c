// SPDX-License-Identifier: Apache-2.0
#include "relay/compact_watch.h"

struct compact_watch *compact_watches_find(struct compact_watches *w, uint32_t partition,
					   int64_t hour)
{
	for (size_t i = 0; i < COMPACT_WATCHES; i++) {
		struct compact_watch *watch = &w->at[i];

		if (watch->used && watch->partition == partition && watch->hour == hour)
			return watch;
	}
	return NULL;
}

void compact_watches_keep(struct compact_watches *w, uint32_t partition,
			  const struct compact_job *job, int64_t now_ms)
{
	for (size_t i = 0; i < COMPACT_WATCHES; i++) {
		struct compact_watch *watch = &w->at[i];

		if (watch->used)
			continue;
		*watch = (struct compact_watch){ .used = true, .partition = partition,
						 .hour = job->target.at, .seen_ms = now_ms,
						 .count = job->count };
		memcpy(watch->sources, job->sources, job->count * sizeof(*job->sources));
		return;
	}
}

bool compact_watch_due(const struct compact_watch *watch, int64_t now_ms)
{
	return now_ms >= watch->seen_ms + COMPACT_QUIET_MS;
}

void compact_watches_tidy(struct compact_watches *w, int64_t pass_ms)
{
	for (size_t i = 0; i < COMPACT_WATCHES; i++)
		if (w->at[i].used && compact_watch_due(&w->at[i], pass_ms))
			w->at[i].used = false;
}
