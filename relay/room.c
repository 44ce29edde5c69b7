// SPDX-License-Identifier: Apache-2.0
#include "relay/room.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_DIGITS       20
#define ROOM_PERCENT_MOST 1000

/* The number behind a name ("\nmaxmemory:"). False where there is none. */
static bool room_read(struct slice info, const char *name, uint64_t *out)
{
	const uint8_t *at = memmem(info.ptr, info.size, name, strlen(name));
	const uint8_t *end = info.ptr + info.size;
	char digits[ROOM_DIGITS + 1];
	size_t size = 0;

	if (at == NULL)
		return false;
	for (at += strlen(name); at < end && *at >= '0' && *at <= '9' && size < ROOM_DIGITS; at++)
		digits[size++] = (char)*at;
	digits[size] = '\0';
	*out = strtoull(digits, NULL, 10);
	return size > 0;
}

void room_begin(struct room *r)
{
	r->worst = 0;
	r->heard = 0;
	r->missed = 0;
}

void room_note(struct room *r, struct slice info)
{
	uint64_t used, most, apart;
	double percent;

	if (info.size == 0 || !room_read(info, "\nused_memory:", &used) ||
	    !room_read(info, "\nmaxmemory:", &most)) {
		r->missed++;
		return;
	}
	r->heard++;
	if (most == 0)
		return;
	if (room_read(info, "\nmem_not_counted_for_evict:", &apart))
		used = used > apart ? used - apart : 0;
	percent = 100.0 * (double)used / (double)most;
	if (percent > ROOM_PERCENT_MOST)
		percent = ROOM_PERCENT_MOST;
	if ((unsigned)percent > r->worst)
		r->worst = (unsigned)percent;
}

bool room_end(struct room *r)
{
	bool was = r->full;

	if (r->heard == 0)
		return false;
	if (r->worst >= ROOM_FULL_PERCENT)
		r->full = true;
	else if (r->missed == 0 && r->worst < ROOM_AGAIN_PERCENT)
		r->full = false;
	r->percent = r->worst;
	return r->full != was;
}
