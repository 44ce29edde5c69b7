// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/relay_compaction.h"

#include "tests/sim/redis_link.h"
#include "tests/sim/relay_node.h"

#define COMPACTION_RETENTION_H 840
#define COMPACTION_RETENTION_D 400
#define COMPACTION_PARTIALS    2

static uint32_t compaction_partition(const struct world *w, const char *tag)
{
	uint32_t p = 0;

	while (p < w->plan.partitions && strcmp(w->tags.tag[p], tag) != 0)
		p++;
	return p < w->plan.partitions ? p : 0; /* hg:{agents} lies in the first one's store */
}

/* Which script a command is does not matter to anybody but the trace. */
static bool compaction_on_run(void *arg, uint64_t serial, const char *tag, struct slice resp)
{
	struct relay_node *r = arg;
	struct relay_call call = { .serial = serial, .script = SCRIPT_COUNT,
				   .partition = compaction_partition(r->world, tag) };

	return link_send(r, &call, resp);
}

static bool compaction_on_ours(void *arg, uint32_t partition)
{
	const struct relay_node *r = arg;
	const struct plan *plan = &r->world->plan;

	return plan->compactors == COMPACTORS_ALL || partition % plan->relays == r->index;
}

static bool compaction_on_holds(void *arg, uint32_t partition, int64_t hour, uint64_t pid)
{
	const struct relay_node *r = arg;

	return r->world->plan.compact_polite &&
	       committer_holds(&r->committers[partition], hour, pid);
}

static uint64_t compaction_on_random(void *arg)
{
	struct relay_node *r = arg;

	return rng_next(&r->world->rng);
}

static void compaction_on_told(void *arg, const struct compactor_news *news)
{
	struct relay_node *r = arg;
	struct world_stats *n = &r->world->stats;
	bool done = news->result == COMPACT_DONE;

	n->compacted += done && !news->is_day;
	n->days += done && news->is_day;
	n->compact_refused += news->result == COMPACT_REFUSED;
	n->wrong += news->result == COMPACT_BROKEN;
	world_note(r->world, TRACE_COMPACTION, r->index, news->partition, (uint64_t)news->at,
		   news->result);
}

static const struct compactor_effects compaction_effects = {
	.run = compaction_on_run,
	.ours = compaction_on_ours,
	.holds = compaction_on_holds,
	.random = compaction_on_random,
	.told = compaction_on_told,
};

void relay_compaction_start(struct relay_node *r)
{
	const struct world *w = r->world;
	const struct compactor_options options = {
		.cfg = hash_cfg(w->plan.partitions),
		.tags = &w->tags,
		.retention_hours = COMPACTION_RETENTION_H,
		.retention_days = COMPACTION_RETENTION_D,
		.partials = COMPACTION_PARTIALS,
		.every_ms = w->plan.compactors == COMPACTORS_NONE ? 0 : w->plan.compact_ms,
		.unix_offset_ms = &r->compact_offset_ms,
		.counters = &r->counters,
		.effects = &compaction_effects,
		.arg = r,
	};

	compactor_init(&r->compactor, &options);
}

int64_t relay_compaction_run(struct relay_node *r)
{
	int64_t due_ms;

	if (r->leaving || !r->link_up)
		return INT64_MAX;
	compactor_tick(&r->compactor, relay_now(r));
	due_ms = compactor_due(&r->compactor);
	return due_ms == INT64_MAX ? due_ms : due_ms - r->skew_ms;
}
