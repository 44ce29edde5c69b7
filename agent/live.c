// SPDX-License-Identifier: Apache-2.0
#include "agent/live.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void live_keep(struct live *l, const struct frame_relays *relays)
{
	size_t size = 0, count = relays->count < LIMIT_FRAME_RELAYS ? relays->count :
								      LIMIT_FRAME_RELAYS;
	char *text;

	for (size_t i = 0; i < count; i++)
		size += relays->list[i].size;
	text = malloc(size + 1);
	if (text == NULL)
		return; /* the next list will do */
	live_forget(l);
	l->text = text;
	l->count = count;
	for (size_t i = 0; i < count; i++) {
		struct slice name = relays->list[i];

		if (name.size > 0)
			memcpy(text, name.ptr, name.size);
		l->names[i] = slice_of(text, name.size);
		text += name.size;
	}
}

bool live_waits(const struct live *l)
{
	return l->text != NULL;
}

void live_forget(struct live *l)
{
	free(l->text);
	l->text = NULL;
	l->count = 0;
}

int64_t live_pace(struct live *l, size_t slot, uint64_t seal_ms)
{
	uint32_t longest_ms = 0;

	assert(slot < LIVE_SLOTS);
	l->pace_ms[slot] = seal_ms < LIVE_PACE_MAX_MS ? (uint32_t)seal_ms : LIVE_PACE_MAX_MS;
	for (size_t i = 0; i < LIVE_SLOTS; i++)
		longest_ms = l->pace_ms[i] > longest_ms ? l->pace_ms[i] : longest_ms;
	return longest_ms;
}

bool live_full(struct live *l, size_t slot, bool full)
{
	assert(slot < LIVE_SLOTS);
	if (full != l->full[slot])
		l->fulls += full ? 1 : SIZE_MAX;
	l->full[slot] = full;
	return l->fulls > 0;
}
