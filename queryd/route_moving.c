// SPDX-License-Identifier: Apache-2.0
#include "queryd/route_private.h"

#include "proto/window.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static_assert(sizeof(ROUTE_MOVING_STAT) <= STAT_NAME_SIZE, "a name of a stat");

bool route_count(struct slice text, uint32_t most, uint32_t *out)
{
	uint32_t count = 0;
	size_t i;

	for (i = 0; i < text.size; i++) {
		if (i == 4 || text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		count = count * 10 + (uint32_t)(text.ptr[i] - '0');
	}
	if (count == 0 || count > most)
		return false;
	*out = count;
	return true;
}

int route_read_moving(struct router *r, struct slice text, bool decoded)
{
	struct route_request *out = r->out;

	if (!decoded || !route_count(text, WINDOW_MAX - 1, &out->limit))
		return route_refuse(r->why, 400, "bad_limit",
				    "say of how many: /KEY/" ROUTE_MOVING_STAT "/N, N from 1 to %d",
				    WINDOW_MAX - 1);
	if (route_read_kind(r, false) < 0 || route_read_end(r, "to", &out->to_hour) < 0)
		return -EINVAL;
	if (out->kind && out->kind != KIND_DISTRIBUTION) {
		(void)route_refuse(r->why, 400, "stat_not_for_kind",
				   "a %s has no " ROUTE_MOVING_STAT, kind_name(out->kind));
		r->why->list_stats = true;
		r->why->allowed_kind = out->kind;
		return -EINVAL;
	}
	strcpy(out->stat.name, ROUTE_MOVING_STAT);
	out->route = ROUTE_MOVING;
	return 0;
}
