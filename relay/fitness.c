// SPDX-License-Identifier: Apache-2.0
#include "relay/fitness.h"

#include <string.h>

static bool fitness_says(struct slice info, const char *line)
{
	return info.size > 0 && memmem(info.ptr, info.size, line, strlen(line)) != NULL;
}

/* Why a master may not be trusted to keep what it took; NULL when it may. A promoted replica
 * lacks what the master had not passed on: min-replicas-to-write bounds for how long a master that
 * is cut off goes on taking. INFO counts good replicas only where that is set. */
static const char *fitness_find_defect(enum redis_kind kind, struct slice info)
{
	bool bounded = fitness_says(info, "min_slaves_good_slaves:");
	bool alone = fitness_says(info, "connected_slaves:0\r");

	if (!fitness_says(info, "maxmemory_policy:noeviction"))
		return "maxmemory-policy is not noeviction";
	if (!fitness_says(info, "aof_enabled:1"))
		return "appendonly is no";
	if (!bounded && (kind == REDIS_SENTINEL || (kind == REDIS_CLUSTER && !alone)))
		return "min-replicas-to-write is 0";
	return NULL;
}

void fitness_begin(struct fitness *f)
{
	f->defect = NULL;
	f->missed = false;
}

bool fitness_note(struct fitness *f, enum redis_kind kind, struct slice info)
{
	const char *defect = info.size > 0 ? fitness_find_defect(kind, info) : NULL;
	bool counts = fitness_says(info, "role:master");

	if (defect != NULL)
		f->defect = defect;
	f->missed |= !counts;
	return counts;
}

bool fitness_end(struct fitness *f)
{
	if (f->missed && f->defect == NULL)
		return false;
	f->fit = f->defect == NULL;
	return true;
}
