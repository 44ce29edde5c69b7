// SPDX-License-Identifier: Apache-2.0
/*
 * gauges.c - the last sealed second of each gauge, in a table that forgets.
 *
 * A slot belongs to whoever had it last: two gauges of one slot push each other out, and one that
 * was pushed out is sealed as it comes, which is less exact within a second and nowhere else. So
 * nothing grows and nothing is searched.
 */
#include "agent/gauges.h"

#include "proto/hour.h"

#include <assert.h>
#include <stdlib.h>

struct gauges_slot {
	uint64_t hash;
	int64_t second; /* the newest that was sealed; 0: none */
};

void gauges_init(struct gauges *g)
{
	*g = (struct gauges){ 0 };
}

void gauges_release(struct gauges *g)
{
	free(g->slots);
	gauges_init(g);
}

static struct table_group *gauges_find(struct table_series *s, int64_t second)
{
	for (struct table_group *group = s->groups; group != NULL; group = group->next)
		if (group->second == second && group->samples > 0)
			return group;
	return NULL;
}

static void gauges_empty(struct table *t, struct table_group *group)
{
	t->samples -= group->samples;
	group->samples = 0;
}

/* Moves the rest of a second into the next one, before what that has. */
static void gauges_push(struct table_series *s, struct table_group *rest)
{
	struct table_group *next = gauges_find(s, rest->second + 1);

	if (hour_of_second(rest->second) != hour_of_second(rest->second + 1))
		return;
	if (next == NULL) {
		rest->second++;
		return;
	}
	table_fold_gauge(rest->gauge, next->gauge);
	next->samples += rest->samples;
	rest->samples = 0;
}

/* The newest second at or before `now` that the series has samples of; 0 when none. */
static int64_t gauges_newest(const struct table_series *s, int64_t now_second)
{
	int64_t newest = 0;

	for (const struct table_group *group = s->groups; group != NULL; group = group->next)
		if (group->samples > 0 && group->second > newest && group->second <= now_second)
			newest = group->second;
	return newest;
}

uint64_t gauges_settle(struct gauges *g, struct table *sealed, int64_t now_second,
		       gauges_hold_fn hold, void *arg)
{
	struct table_series *s;
	size_t cursor = 0;
	uint64_t held = 0;

	if (sealed->gauge_count == 0)
		return 0;
	if (g->slots == NULL)
		g->slots = calloc(GAUGES_SLOTS, sizeof(*g->slots));
	if (g->slots == NULL)
		return 0;
	while ((s = table_next(sealed, &cursor)) != NULL) {
		struct gauges_slot *slot = &g->slots[s->hash % GAUGES_SLOTS];
		struct table_group *rest;
		int64_t newest;

		if (s->kind != KIND_GAUGE)
			continue;
		rest = slot->hash == s->hash ? gauges_find(s, slot->second) : NULL;
		if (rest != NULL && rest->second != now_second) {
			gauges_push(s, rest);
		} else if (rest != NULL && hold(arg, rest)) {
			held += rest->samples;
			gauges_empty(sealed, rest);
		}
		newest = gauges_newest(s, now_second);
		/* A second that is still to come was sealed by a clock that has gone back. */
		if (newest > 0 && (slot->hash != s->hash || newest > slot->second ||
				   slot->second > now_second))
			*slot = (struct gauges_slot){ .hash = s->hash, .second = newest };
	}
	return held;
}
