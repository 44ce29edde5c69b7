// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/faults.h"

#include "tests/sim/agent_node.h"
#include "tests/sim/net.h"
#include "tests/sim/redis_link.h"
#include "tests/sim/relay_node.h"

#include <assert.h>

#define FAULTS_BEAT_MS     25
#define FAULTS_STORM_SEEDS 6 /* one in so many */

static const uint32_t faults_rates[FAULT_COUNT] = {
#define FAULT_RATE(name, rate) [FAULT_##name] = rate,
	FAULTS(FAULT_RATE)
#undef FAULT_RATE
};

static int64_t faults_pick(struct world *w, const int64_t *choices, uint32_t count)
{
	return choices[rng_below(&w->rng, count)];
}

#define FAULTS_PICK(w, ...)                                                                    \
	faults_pick(w, (const int64_t[]){ __VA_ARGS__ },                                       \
		    sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))

/* Some seeds are storms: relays that stop and go on with what they had in memory, while the store
 * forgets, again and again, within one grace window. */
static void faults_plan_storm(struct world *w)
{
	struct plan *p = &w->plan;

	p->confirm_ms = FAULTS_PICK(w, 150, 400);
	p->grace_ms = FAULTS_PICK(w, 400, 600);
	for (int fault = 0; fault < FAULT_COUNT; fault++)
		p->rates[fault] = 0;
	p->rates[FAULT_RELAY_PAUSE] = 200;
	p->rates[FAULT_STORE_RESTART] = 200;
	p->rates[FAULT_RESET] = 60;
	p->rates[FAULT_VIEW] = 100;
}

static void faults_plan_compaction(struct world *w)
{
	struct plan *p = &w->plan;

	p->compactors = (enum compactors)FAULTS_PICK(w, COMPACTORS_NONE, COMPACTORS_NONE,
						     COMPACTORS_ONE, COMPACTORS_ALL);
	p->compact_ms = FAULTS_PICK(w, 300, 1000, 2500);
	p->compact_ahead_ms = FAULTS_PICK(w, 0, 3600000, 2 * 86400000);
	p->compact_polite = rng_below(&w->rng, 2) == 0;
}

void faults_plan(struct world *w)
{
	struct plan *p = &w->plan;

	p->agents = 2 + rng_below(&w->rng, WORLD_AGENTS - 1);
	p->relays = 2 + rng_below(&w->rng, WORLD_RELAYS - 1);
	p->partitions = (uint32_t)FAULTS_PICK(w, 1, 1, 2, 4);
	p->delay_ms = FAULTS_PICK(w, 2, 20, 150);
	p->store_delay_ms = FAULTS_PICK(w, 2, 20, 200);
	p->seal_ms = FAULTS_PICK(w, 60, 120, 300);
	p->commit_ms = FAULTS_PICK(w, 20, 60, 200);
	p->confirm_ms = FAULTS_PICK(w, 150, 400, 1000);
	p->beat_ms = FAULTS_PICK(w, 100, 250, 500);
	p->grace_ms = FAULTS_PICK(w, 800, 1500, 3000);
	p->seal_end_ms = FAULTS_PICK(w, 3000, 6000, 9000);
	p->fault_end_ms = p->seal_end_ms + FAULTS_PICK(w, 0, 1000, 3000);
	p->cluster = rng_below(&w->rng, 3) == 0;
	p->disk = rng_below(&w->rng, 2) == 0;
	p->sync_ms = FAULTS_PICK(w, 100, 500);
	w->unix_ms = WORLD_HOUR_MS - FAULTS_PICK(w, 0, 1000, 4000, 2800000);
	faults_plan_compaction(w);
	for (int fault = 0; fault < FAULT_COUNT; fault++)
		p->rates[fault] = rng_below(&w->rng, 2) * faults_rates[fault] *
				  (1 + rng_below(&w->rng, 3)) / 2;
	if (rng_below(&w->rng, FAULTS_STORM_SEEDS) == 0)
		faults_plan_storm(w);
}

/* ---- processes ------------------------------------------------------------------------------------ */

static struct relay_node *faults_relay(struct world *w)
{
	struct relay_node *r = &w->relays[rng_below(&w->rng, w->plan.relays)];

	return r->alive ? r : NULL;
}

static struct agent_node *faults_agent(struct world *w)
{
	struct agent_node *a = &w->agents[rng_below(&w->rng, w->plan.agents)];

	return a->alive ? a : NULL;
}

/* Stops a relay or an agent for a while, as SIGSTOP would. */
static void faults_pause(struct world *w, int64_t *paused_until_ms, enum trace_kind kind,
			 uint32_t index)
{
	int64_t pause_ms = FAULTS_PICK(w, 50, 400, 2000, 5000);

	if (w->now_ms < *paused_until_ms)
		return;
	*paused_until_ms = w->now_ms + pause_ms;
	w->stats.pauses++;
	world_note(w, kind, index, (uint64_t)pause_ms, 0, 0);
}

/* ---- disks ----------------------------------------------------------------------------------------- */

static void faults_mend_disk(struct world *w, const struct event *event)
{
	struct agent_node *a = event->subject;

	if (w->now_ms < a->disk_until_ms)
		return;
	a->disk.room = SIZE_MAX;
	a->disk.broken = a->disk.unsyncable = false;
}

static void faults_break_disk(struct agent_node *a)
{
	struct world *w = a->world;
	uint32_t how = rng_below(&w->rng, 3);
	int64_t down_ms = FAULTS_PICK(w, 50, 700, 3000);

	if (!w->plan.disk)
		return;
	a->disk.room = how == 0 ? 0 : a->disk.room;
	a->disk.broken |= how == 1;
	a->disk.unsyncable |= how == 2;
	a->disk_until_ms = w->now_ms + down_ms;
	world_later(w, a->disk_until_ms, faults_mend_disk, a);
	world_note(w, TRACE_DISK, a->index, how, (uint64_t)down_ms, 0);
}

/* ---- network --------------------------------------------------------------------------------------- */

static void faults_cut(struct world *w)
{
	uint32_t agent = rng_below(&w->rng, w->plan.agents);
	uint32_t relay = rng_below(&w->rng, w->plan.relays);
	uint32_t ways = 1 + rng_below(&w->rng, 3);
	int64_t cut_ms = FAULTS_PICK(w, 100, 800, 2500);

	for (uint32_t way = 0; way < 2; way++)
		if (ways & 1u << way)
			w->cut_until_ms[agent][relay][way] = w->now_ms + cut_ms;
	world_note(w, TRACE_LINK_CUT, agent, relay, ways, (uint64_t)cut_ms);
}

static void faults_reset(struct world *w)
{
	const struct agent_node *a = faults_agent(w);
	uint32_t relay = rng_below(&w->rng, w->plan.relays);

	if (a == NULL || a->peers[relay].conn == NULL)
		return;
	w->stats.resets++;
	world_note(w, TRACE_RESET, a->index, relay, 0, 0);
	net_reset(a->peers[relay].conn);
}

/* ---- the store -------------------------------------------------------------------------------------- */

/* Forgets some of what is younger than the grace window, in one partition or in all. */
static size_t faults_forget(struct world *w)
{
	int64_t since_ms = w->now_ms - w->plan.grace_ms;
	int64_t at_ms = since_ms + rng_between(&w->rng, 0, w->plan.grace_ms);
	uint32_t only = w->plan.cluster ? rng_below(&w->rng, w->plan.partitions) : UINT32_MAX;
	size_t forgotten = 0;

	for (uint32_t p = 0; p < w->plan.partitions; p++) {
		struct model_store *store = &w->stores[p];
		size_t count = model_store_younger(store, at_ms);

		if (only != UINT32_MAX && only != p)
			continue;
		/* Of what was written in one millisecond a part may be kept. */
		if (count > 0 && rng_below(&w->rng, 2) == 0)
			count = rng_below(&w->rng, (uint32_t)count + 1);
		model_store_rollback(store, count);
		forgotten += count;
	}
	return forgotten;
}

static void faults_restart_store(struct world *w)
{
	int64_t down_ms = FAULTS_PICK(w, 1, 100, 700);
	size_t forgotten = 0;

	if (rng_below(&w->rng, 3) > 0)
		forgotten = faults_forget(w);
	w->stats.restarts++;
	w->stats.rolled_back += forgotten;
	w->store_generation++;
	w->store_down_until_ms = w->now_ms + down_ms;
	world_note(w, TRACE_STORE_RESTART, forgotten, (uint64_t)down_ms, 0, 0);
	for (uint32_t i = 0; i < w->plan.relays; i++)
		if (w->relays[i].alive)
			link_lose(&w->relays[i]);
}

static void faults_trouble(struct world *w)
{
	static const char *const errors[] = {
		"LOADING Redis is loading the dataset in memory",
		"OOM command not allowed when used memory > 'maxmemory'.",
		"NOSCRIPT No matching script. Please use EVAL.",
		"READONLY You can't write against a read only replica.",
		"NOREPLICAS Not enough good replicas to write.",
		"BUSY Redis is busy running a script.",
		"ERR something that nobody expected",
	};
	uint32_t which = rng_below(&w->rng, sizeof(errors) / sizeof(errors[0]));
	int64_t trouble_ms = FAULTS_PICK(w, 20, 200, 1000);

	w->store_error = errors[which];
	w->store_trouble_until_ms = w->now_ms + trouble_ms;
	world_note(w, TRACE_STORE_TROUBLE, which, (uint64_t)trouble_ms, 0, 0);
}

/* The sweep of idle states, long before its time: what nobody will send is forgotten. */
static void faults_sweep(struct world *w)
{
	uint32_t p = rng_below(&w->rng, w->plan.partitions);
	struct model_store *store = &w->stores[p];
	const struct stream_id *id;
	uint64_t incarnation = 0;
	char streams[RKEY_SIZE];
	struct slice stream;

	if (w->dead_count == 0)
		return;
	id = &w->dead[rng_below(&w->rng, (uint32_t)w->dead_count)];
	stream = slice_of(id->bytes, STREAM_ID_BYTES);
	rkey_streams(w->tags.tag[p], streams);
	if (model_store_get(store, streams, stream).size == 0)
		return;
	memcpy(&incarnation, id->bytes + FRAME_AGENT_BYTES, sizeof(incarnation));
	store->mark_ms = w->now_ms;
	model_store_set(store, streams, stream, slice_of("", 0));
	w->stats.swept++;
	world_note(w, TRACE_STORE_SWEEP, p, incarnation, 0, 0);
}

/* ---- clocks ----------------------------------------------------------------------------------------- */

/* Far enough from the 5 minutes that an hour may be ahead to know what is to become of every sample. */
static void faults_set_agent_clock(struct agent_node *a)
{
	struct world *w = a->world;

	a->wall_ms = FAULTS_PICK(w, -7200000, -3600000, -2000, 0, 2000, 120000, 43200000);
	w->stats.clock_jumps++;
	world_note(w, TRACE_AGENT_CLOCK, a->index, (uint64_t)a->wall_ms, 0, 0);
}

static void faults_set_store_clock(struct world *w)
{
	w->store_clock_ms = FAULTS_PICK(w, -100000, -2000, 0, 2000, 100000, 3600000);
	w->stats.clock_jumps++;
	world_note(w, TRACE_STORE_CLOCK, (uint64_t)w->store_clock_ms, 0, 0, 0);
}

/* ---- all of them ----------------------------------------------------------------------------------- */

static void faults_strike_relay(struct world *w, enum fault fault)
{
	struct relay_node *r = faults_relay(w);

	if (r == NULL)
		return;
	switch (fault) {
	case FAULT_RELAY_KILL:
		relay_kill(r, w->now_ms + FAULTS_PICK(w, 10, 300, 3000));
		break;
	case FAULT_RELAY_PAUSE:
		faults_pause(w, &r->paused_until_ms, TRACE_RELAY_PAUSE, r->index);
		break;
	case FAULT_RELAY_DRAIN:
		if (!r->leaving && w->now_ms >= r->paused_until_ms)
			relay_leave(r);
		break;
	case FAULT_BUSY:
		relay_set_busy(r, !r->hub.busy);
		break;
	case FAULT_UNSTABLE:
		r->hub.stable = !r->hub.stable;
		break;
	case FAULT_EVICT:
		relay_evict(r, rng_below(&w->rng, w->plan.partitions));
		break;
	default:
		link_lose(r);
	}
}

static void faults_strike_agent(struct world *w, enum fault fault)
{
	struct agent_node *a = faults_agent(w);

	if (a == NULL)
		return;
	if (fault == FAULT_AGENT_KILL || fault == FAULT_POWER)
		agent_kill(a, w->now_ms + FAULTS_PICK(w, 10, 500, 2000),
			   w->plan.disk && fault == FAULT_POWER);
	else if (fault == FAULT_DISK)
		faults_break_disk(a);
	else if (fault == FAULT_AGENT_PAUSE)
		faults_pause(w, &a->paused_until_ms, TRACE_AGENT_PAUSE, a->index);
	else if (fault == FAULT_AGENT_CLOCK)
		faults_set_agent_clock(a);
	else
		agent_set_view(a, rng_below(&w->rng, 1u << w->plan.relays));
}

static void faults_strike(struct world *w, enum fault fault)
{
	switch (fault) {
	case FAULT_AGENT_KILL:
	case FAULT_POWER:
	case FAULT_DISK:
	case FAULT_AGENT_PAUSE:
	case FAULT_AGENT_CLOCK:
	case FAULT_VIEW:
		faults_strike_agent(w, fault);
		break;
	case FAULT_LINK_CUT:
		faults_cut(w);
		break;
	case FAULT_RESET:
		faults_reset(w);
		break;
	case FAULT_STORE_RESTART:
		faults_restart_store(w);
		break;
	case FAULT_STORE_TROUBLE:
		faults_trouble(w);
		break;
	case FAULT_STORE_SWEEP:
		faults_sweep(w);
		break;
	case FAULT_STORE_CLOCK:
		faults_set_store_clock(w);
		break;
	default:
		faults_strike_relay(w, fault);
	}
}

void faults_beat(struct world *w)
{
	w->next_fault_ms = w->now_ms + FAULTS_BEAT_MS;
	for (int fault = 0; fault < FAULT_COUNT; fault++)
		if (rng_chance(&w->rng, w->plan.rates[fault]))
			faults_strike(w, (enum fault)fault);
}

void faults_heal(struct world *w)
{
	world_note(w, TRACE_HEAL, 0, 0, 0, 0);
	w->healed = true;
	w->next_fault_ms = INT64_MAX;
	w->store_trouble_until_ms = 0;
	w->store_down_until_ms = 0;
	memset(w->cut_until_ms, 0, sizeof(w->cut_until_ms));
	for (uint32_t i = 0; i < w->plan.relays; i++) {
		struct relay_node *r = &w->relays[i];

		r->hub.stable = true;
		if (r->alive)
			relay_set_busy(r, false);
	}
	for (uint32_t i = 0; i < w->plan.agents; i++)
		if (w->agents[i].alive)
			agent_set_view(&w->agents[i], 0);
}
