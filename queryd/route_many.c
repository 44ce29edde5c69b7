// SPDX-License-Identifier: Apache-2.0
#include "queryd/route_private.h"

#include <errno.h>
#include <string.h>

static int read_stat(struct router *r)
{
	struct slice text = { 0 };
	int present = route_parameter(r, "stat", &text);

	if (present == 0)
		return route_bad_stat(r, text, "stat= is missing");
	return route_read_stat(r, text, present > 0);
}

/* The name of a tag to group by. */
static int read_by(struct router *r)
{
	struct slice text;
	int present = route_parameter(r, "by", &text);

	if (present == 0)
		return 0;
	if (present < 0 || text.size > sizeof(r->out->by))
		return route_refuse(r->why, 400, "bad_match", "by is the name of a tag");
	memcpy(r->out->by, text.ptr, text.size);
	r->out->by_size = text.size;
	return 0;
}

static int read_question(struct router *r)
{
	if (route_read_match(r) < 0 || read_stat(r) < 0 || route_read_kind(r, true) < 0)
		return -EINVAL;
	return route_read_ends(r);
}

int route_read_query(struct router *r)
{
	if (read_question(r) < 0 || route_read_step(r) < 0 || read_by(r) < 0)
		return -EINVAL;
	r->out->route = ROUTE_QUERY;
	return 0;
}

int route_read_top(struct router *r)
{
	if (read_question(r) < 0 || route_read_limit(r, "n", ROUTE_TOP) < 0)
		return -EINVAL;
	r->out->step = ROUTE_STEP_TOTAL;
	r->out->route = ROUTE_TOP_KEYS;
	return 0;
}

int route_read_ledger(struct router *r)
{
	if (route_read_ends(r) < 0)
		return -EINVAL;
	r->out->step = ROUTE_STEP_TOTAL;
	r->out->route = ROUTE_LEDGER;
	return 0;
}
