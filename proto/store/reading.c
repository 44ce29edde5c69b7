// SPDX-License-Identifier: Apache-2.0
#include "proto/store/reading.h"

#include <string.h>

void reading_init(struct reading *r, int64_t stale_max_ms, uint32_t seed)
{
	*r = (struct reading){
		.stale_max_ms = stale_max_ms,
		.next = seed % REPLICA_MAX,
		.named_fresh_ms = REPLICA_NO_MOMENT,
	};
	replica_watch_init(&r->watch);
	replica_watch_init(&r->named);
}

/* ---- the master ----------------------------------------------------------------------------- */

void reading_master_up(struct reading *r, int64_t now_ms, bool is_replica)
{
	r->master_up = true;
	r->master_heard = false;
	r->master_is_replica = is_replica;
	r->named_fresh_ms = REPLICA_NO_MOMENT;
	r->master_up_ms = now_ms;
	r->serial[READING_MASTER]++;
	replica_turn(&r->named);
}

void reading_master_down(struct reading *r)
{
	r->master_up = false;
}

/* A new master lists nobody for a moment: the old list is better than none. */
static void take_list(struct reading *r, const struct replica_info *info)
{
	if (info->replica_count == 0)
		return;
	memcpy(r->known, info->replicas, sizeof(r->known));
	r->known_count = info->replica_count;
}

void reading_hear_master(struct reading *r, int64_t asked_ms, const struct replica_info *info)
{
	if (!r->master_up)
		return;
	r->master_heard = true;
	if (r->master_is_replica == info->master) {
		r->master_is_replica = !info->master;
		r->serial[READING_MASTER]++;
	}
	if (info->master) {
		replica_hear_master(&r->watch, asked_ms, info);
		take_list(r, info);
	} else {
		r->serial[READING_MASTER] += !replica_hear(&r->named, info);
		r->named_fresh_ms = replica_own_fresh_ms(info, asked_ms, r->named_fresh_ms);
	}
}

/* ---- the replica ---------------------------------------------------------------------------- */

bool reading_next(struct reading *r, struct addr *out)
{
	if (r->known_count == 0)
		return false;
	r->at = *out = r->known[r->next++ % r->known_count];
	return true;
}

void reading_replica_up(struct reading *r, int64_t now_ms)
{
	r->replica_up = true;
	r->replica_heard = r->replica_linked = false;
	r->idle_since_ms = now_ms;
	r->serial[READING_REPLICA]++;
	replica_turn(&r->watch);
}

void reading_replica_down(struct reading *r)
{
	r->replica_up = false;
}

void reading_hear_replica(struct reading *r, const struct replica_info *info)
{
	if (!r->replica_up)
		return;
	r->replica_heard = true;
	r->replica_linked = !info->master && info->linked;
	r->serial[READING_REPLICA] += !replica_hear(&r->watch, info);
}

void reading_refused(struct reading *r)
{
	r->replica_heard = false;
}

/* ---- which one ------------------------------------------------------------------------------ */

static bool is_young(const struct reading *r, int64_t fresh_ms, int64_t now_ms)
{
	return fresh_ms != REPLICA_NO_MOMENT && now_ms - fresh_ms <= r->stale_max_ms;
}

static bool replica_is_usable(const struct reading *r, int64_t now_ms)
{
	return r->replica_up && r->replica_heard &&
	       is_young(r, replica_fresh_ms(&r->watch), now_ms);
}

static bool master_is_usable(const struct reading *r, int64_t now_ms)
{
	bool waits = !r->begun && now_ms < r->master_up_ms + READING_FIRST_WAIT_MS &&
		     !(r->master_heard && r->known_count == 0);

	if (!r->master_up || waits)
		return false;
	return !r->master_is_replica || is_young(r, r->named_fresh_ms, now_ms);
}

static enum reading_source choose(const struct reading *r, int64_t now_ms)
{
	bool replica = replica_is_usable(r, now_ms);

	if (replica && r->replica_linked)
		return READING_REPLICA;
	if (master_is_usable(r, now_ms))
		return READING_MASTER;
	return replica ? READING_REPLICA : READING_NONE;
}

struct reading_view reading_view(struct reading *r, int64_t now_ms)
{
	enum reading_source source = choose(r, now_ms);
	struct reading_view view = { .source = source, .fresh_ms = now_ms };

	if (source != r->source || r->serial[source] != r->source_serial)
		r->generation++;
	r->source = source;
	r->source_serial = r->serial[source];
	r->begun |= source != READING_NONE;
	view.generation = r->generation;
	view.replica = source == READING_REPLICA ||
		       (source == READING_MASTER && r->master_is_replica);
	if (view.replica)
		view.fresh_ms = source == READING_REPLICA ? replica_fresh_ms(&r->watch) :
							    r->named_fresh_ms;
	return view;
}

static bool has_another(const struct reading *r)
{
	size_t i;

	for (i = 0; i < r->known_count; i++) {
		if (r->known[i].port != r->at.port || strcmp(r->known[i].host, r->at.host) != 0)
			return true;
	}
	return false;
}

bool reading_must_leave(struct reading *r, int64_t now_ms)
{
	if (reading_view(r, now_ms).source == READING_REPLICA)
		r->idle_since_ms = now_ms;
	return r->replica_up && now_ms >= r->idle_since_ms + READING_LEAVE_MS && has_another(r);
}
