// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/relay_node.h"

#include "proto/err.h"
#include "proto/hour.h"
#include "tests/sim/net.h"
#include "tests/sim/redis_link.h"
#include "tests/sim/relay_compaction.h"

#include <assert.h>
#include <stdlib.h>

#define RELAY_TICK_MS      1000
#define RELAY_LEAVE_MS     2000 /* each of two waits */
#define RELAY_EVICT_MS     300
#define RELAY_RETENTION_H  840

/* ---- effects ------------------------------------------------------------------------------------ */

static bool relay_on_run(void *arg, struct committer *c, struct committer_call *call,
			 struct slice resp)
{
	struct relay_node *r = arg;

	struct relay_call kept = { .call = call, .committer = c, .script = call->script,
				   .partition = c->o.partition };

	r->world->stats.commits += call->script == SCRIPT_COMMIT && r->link_up;
	return link_send(r, &kept, resp);
}

static void relay_on_state(void *arg, struct committer_peer *peer, enum frame_cause cause,
			   struct frame_stream *list, size_t count)
{
	(void)arg;
	session_state(peer, cause, list, count);
}

static void relay_on_committed(void *arg, struct committer_peer *peer, struct frame_stream *list,
			       size_t count)
{
	(void)arg;
	session_committed(peer, list, count);
}

static void relay_on_confirmed(void *arg, struct committer_peer *peer, uint64_t token,
			       struct frame_stream *list, size_t count)
{
	(void)arg;
	session_confirmed(peer, token, list, count);
}

static void relay_on_refuse(void *arg, struct committer_peer *peer, int code)
{
	(void)arg;
	session_refuse_peer(peer, code);
}

static uint64_t relay_on_random(void *arg)
{
	struct relay_node *r = arg;

	return rng_next(&r->world->rng);
}

/* RULE_WRITER: all partials of a relay have one name. */
static uint64_t relay_on_pid(void *arg)
{
	return *(const uint64_t *)arg;
}

static void relay_new_writer(struct relay_node *r, uint32_t partition)
{
	r->writer_name[partition] = rng_next(&r->world->rng);
	r->writer_version[partition] = slice_of("", 0);
}

static void relay_on_discarded(void *arg, uint32_t partition, enum committer_reason reason,
			       int code)
{
	struct relay_node *r = arg;

	(void)code;
	r->world->stats.discards++;
	relay_new_writer(r, partition);
	world_note(r->world, TRACE_RELAY_DISCARDS, r->index, partition, reason, 0);
}

static void relay_on_foreign(void *arg, uint32_t partition, struct slice stored)
{
	(void)arg;
	(void)partition;
	(void)stored;
	assert(false && "the store is this fleet's");
}

static void relay_on_error(void *arg, uint32_t partition, enum script script, struct slice text)
{
	(void)arg;
	(void)partition;
	(void)script;
	(void)text;
}

static void relay_on_rejected(void *arg, const struct stream_id *id,
			      const struct image_rejects *n)
{
	(void)arg;
	(void)id;
	(void)n;
}

static const struct committer_effects relay_effects = {
	.run = relay_on_run,
	.state = relay_on_state,
	.committed = relay_on_committed,
	.confirmed = relay_on_confirmed,
	.refuse = relay_on_refuse,
	.random = relay_on_random,
	.discarded = relay_on_discarded,
	.foreign = relay_on_foreign,
	.error = relay_on_error,
	.rejected = relay_on_rejected,
};

static void relay_on_send(void *arg, struct session *s, struct slice bytes)
{
	(void)arg;
	net_to_agent(s->owner, bytes);
}

/* The connection ends once what was sent is out, and not within the session's own call. */
static void relay_end_conn(struct world *w, const struct event *event)
{
	(void)w;
	net_relay_closes(event->subject);
}

static void relay_on_close(void *arg, struct session *s)
{
	struct relay_node *r = arg;

	world_later(r->world, r->world->now_ms, relay_end_conn, s->owner);
}

static void relay_on_watermark(void *arg, const uint8_t agent_id[FRAME_AGENT_BYTES],
			       const struct frame_watermark *watermark)
{
	(void)arg;
	(void)agent_id;
	(void)watermark;
}

static void relay_on_greeted(void *arg, struct session *s, const struct frame_hello *hello)
{
	(void)arg;
	(void)s;
	(void)hello;
}

static void relay_on_refused(void *arg, struct session *s, int code, const char *text)
{
	struct relay_node *r = arg;
	const struct conn *c = s->owner;

	(void)text;
	r->world->stats.sessions_refused++;
	r->world->stats.chains_broken += code == ERR_BAD_CHAIN;
	world_note(r->world, TRACE_RELAY_REFUSES, r->index, c->agent, (uint64_t)(int64_t)code, 0);
}

static const struct session_effects relay_session_effects = {
	.send = relay_on_send,
	.close = relay_on_close,
	.watermark = relay_on_watermark,
	.greeted = relay_on_greeted,
	.refused = relay_on_refused,
};

/* ---- life ------------------------------------------------------------------------------------------ */

static void relay_start_committer(struct relay_node *r, uint32_t partition)
{
	struct world *w = r->world;
	struct committer_options options = {
		.cfg = hash_cfg(w->plan.partitions),
		.partitions = w->plan.partitions,
		.partition = partition,
		.tag = w->tags.tag[partition],
		.commit_ms = w->plan.commit_ms,
		.retention_hours = RELAY_RETENTION_H,
		.unix_offset_ms = &r->unix_offset_ms,
		.counters = &r->counters,
		.effects = &relay_effects,
		.arg = r,
	};

	committer_init(&r->committers[partition], &options);
	relay_new_writer(r, partition);
	if (w->without == RULE_WRITER)
		image_init(&r->committers[partition].image, relay_on_pid,
			   &r->writer_name[partition], NULL);
}

/* As membership.c does it, from what Redis says its time is. */
static void relay_read_clock(struct relay_node *r)
{
	r->unix_offset_ms = world_store_ms(r->world) - relay_now(r);
	r->compact_offset_ms = r->unix_offset_ms + r->world->plan.compact_ahead_ms;
}

void relay_start(struct relay_node *r)
{
	struct world *w = r->world;

	r->alive = true;
	r->leaving = false;
	r->paused_until_ms = 0;
	relay_read_clock(r);
	r->counters = (struct relay_counters){ 0 };
	r->hub = (struct session_hub){ .committers = r->committers,
				       .partitions = w->plan.partitions,
				       .cfg = hash_cfg(w->plan.partitions),
				       .name = w->names[r->index],
				       .grace_ms = (uint64_t)w->plan.grace_ms,
				       .unix_offset_ms = &r->unix_offset_ms,
				       .stable = true,
				       .counters = &r->counters,
				       .effects = &relay_session_effects,
				       .arg = r };
	r->hub.relays.list = r->live;
	r->link_up = false;
	r->link_epoch++;
	r->link_retry_ms = w->now_ms;
	r->calls = NULL;
	r->calls_end = &r->calls;
	r->session_tick_ms = w->now_ms + RELAY_TICK_MS;
	r->wake_ms = w->now_ms;
	world_note(w, TRACE_RELAY_UP, r->index, 0, 0, 0);
	for (uint32_t p = 0; p < w->plan.partitions; p++)
		relay_start_committer(r, p);
	relay_compaction_start(r);
}

void relay_release(struct relay_node *r)
{
	struct world *w = r->world;

	if (!r->alive)
		return;
	r->alive = false;
	for (size_t i = 0; i < w->conn_count; i++) {
		struct conn *c = w->conns[i];

		if (c->relay == r->index)
			net_relay_closes(c);
	}
	link_forget(r);
	compactor_release(&r->compactor);
	for (uint32_t p = 0; p < w->plan.partitions; p++)
		committer_release(&r->committers[p]);
}

void relay_kill(struct relay_node *r, int64_t back_ms)
{
	world_note(r->world, TRACE_RELAY_KILL, r->index, 0, 0, 0);
	r->world->stats.relay_kills++;
	link_lose(r);
	relay_release(r);
	r->back_ms = back_ms;
}

static void relay_each_session(struct relay_node *r, void (*fn)(struct session *s))
{
	struct world *w = r->world;

	for (size_t i = 0; i < w->conn_count; i++)
		if (w->conns[i]->relay == r->index && w->conns[i]->relay_open)
			fn(&w->conns[i]->session);
}

void relay_leave(struct relay_node *r)
{
	struct world *w = r->world;

	world_note(w, TRACE_RELAY_LEAVE, r->index, 0, 0, 0);
	r->leaving = true;
	r->draining = false;
	r->leave_until_ms = w->now_ms + RELAY_LEAVE_MS;
	relay_each_session(r, session_leave);
	relay_run(r);
}

static bool relay_is_quiet(const struct relay_node *r)
{
	const struct world *w = r->world;

	for (size_t i = 0; i < w->conn_count; i++)
		if (w->conns[i]->relay == r->index && w->conns[i]->relay_open &&
		    !session_quiet(&w->conns[i]->session))
			return false;
	return true;
}

static bool relay_is_idle(const struct relay_node *r)
{
	for (uint32_t p = 0; p < r->world->plan.partitions; p++)
		if (!committer_idle(&r->committers[p]))
			return false;
	return true;
}

/* First what is on its way is awaited, then what is held is committed; each for a while only. */
static void relay_go_on_leaving(struct relay_node *r)
{
	struct world *w = r->world;
	bool overdue = w->now_ms >= r->leave_until_ms;

	if (!r->draining && (overdue || relay_is_quiet(r))) {
		r->draining = true;
		r->leave_until_ms = w->now_ms + RELAY_LEAVE_MS;
		for (uint32_t p = 0; p < w->plan.partitions; p++)
			committer_drain(&r->committers[p]);
		r->wake_ms = w->now_ms + 1;
	} else if (r->draining && (overdue || relay_is_idle(r))) {
		link_lose(r);
		relay_release(r);
		r->back_ms = w->now_ms + rng_between(&w->rng, 100, 3000);
	}
}


/* ---- what happens -------------------------------------------------------------------------------- */

void relay_accepted(struct relay_node *r, struct conn *c)
{
	session_init(&c->session, &r->hub, c, relay_now(r));
}

void relay_data(struct relay_node *r, struct conn *c, struct slice bytes)
{
	assert(c->relay_open);
	world_note(r->world, TRACE_RELAY_HEARS, r->index, c->agent, bytes.size, 0);
	session_data(&c->session, bytes, relay_now(r));
	relay_run(r);
}

void relay_closed(struct relay_node *r, struct conn *c)
{
	(void)r;
	session_release(&c->session);
}

/* Keeps a partition's image over the discard that the committer makes of it. */
static void relay_answer_remembering(struct relay_node *r, struct committer *c,
				     struct committer_call *call, const struct answer *answer)
{
	struct image kept = c->image;

	image_init(&c->image, kept.random, kept.random_arg, NULL);
	committer_answer(c, call, answer, relay_now(r));
	image_reset(&c->image);
	c->image = kept;
}

void relay_answer(struct relay_node *r, struct committer *c, struct committer_call *call,
		  const struct answer *answer)
{
	uint64_t before = tally_get(&r->counters.refused_conflict);
	enum rule without = r->world->without;

	world_note(r->world, TRACE_STORE_SAYS, r->index, c->o.partition, answer->kind, before);
	if (without == RULE_BEHIND && call->script == SCRIPT_CONFIRM)
		call->serial = 0;
	if (without == RULE_MEMORY && answer->kind == ANSWER_CONFLICT)
		relay_answer_remembering(r, c, call, answer);
	else
		committer_answer(c, call, answer, relay_now(r));
}

void relay_compacted(struct relay_node *r, uint64_t serial, const struct answer *answer)
{
	compactor_answer(&r->compactor, serial, answer, relay_now(r));
}

void relay_evict(struct relay_node *r, uint32_t partition)
{
	struct world *w = r->world;
	struct committer *c = &r->committers[partition];
	int64_t hour = hour_of_second(world_store_ms(w) / 1000);
	size_t hours;

	/* As committer_evict, but sooner. */
	if (c->has_flight)
		return;
	hours = image_evict(&c->image, hour + (int64_t)rng_below(&w->rng, 2),
			    relay_now(r) - RELAY_EVICT_MS, SIZE_MAX);
	w->stats.evictions += hours;
	if (hours > 0)
		world_note(w, TRACE_RELAY_EVICTS, r->index, partition, hours, 0);
}

void relay_set_busy(struct relay_node *r, bool busy)
{
	r->hub.busy = busy;
	relay_each_session(r, session_tell_busy);
}

/* ---- time ----------------------------------------------------------------------------------------- */

static void relay_tick_sessions(struct relay_node *r)
{
	struct world *w = r->world;

	r->session_tick_ms = w->now_ms + RELAY_TICK_MS;
	relay_read_clock(r);
	for (size_t i = 0; i < w->conn_count; i++)
		if (w->conns[i]->relay == r->index && w->conns[i]->relay_open)
			session_tick(&w->conns[i]->session, relay_now(r));
}

static int64_t relay_tick_committers(struct relay_node *r)
{
	int64_t due = INT64_MAX;

	for (uint32_t p = 0; p < r->world->plan.partitions; p++) {
		struct committer *c = &r->committers[p];

		if (committer_due(c) <= relay_now(r))
			committer_tick(c, relay_now(r));
		if (committer_due(c) < due)
			due = committer_due(c);
	}
	return due == INT64_MAX ? due : due - r->skew_ms;
}

void relay_run(struct relay_node *r)
{
	struct world *w = r->world;
	int64_t compact_ms;

	if (!r->alive || w->now_ms < r->paused_until_ms)
		return;
	link_run(r);
	if (w->now_ms >= r->session_tick_ms)
		relay_tick_sessions(r);
	r->wake_ms = relay_tick_committers(r);
	compact_ms = relay_compaction_run(r);
	if (compact_ms < r->wake_ms)
		r->wake_ms = compact_ms;
	/* Due now and still due: it waits for an answer or for the link, not for a spinning loop. */
	if (r->wake_ms <= w->now_ms)
		r->wake_ms = w->now_ms + 1;
	if (r->leaving)
		relay_go_on_leaving(r);
}

int64_t relay_due(const struct relay_node *r)
{
	int64_t due = r->wake_ms;

	if (!r->alive)
		return r->back_ms;
	if (r->session_tick_ms < due)
		due = r->session_tick_ms;
	if (!r->link_up && r->link_retry_ms < due)
		due = r->link_retry_ms;
	if (r->leaving && r->leave_until_ms < due)
		due = r->leave_until_ms;
	return due < r->paused_until_ms ? r->paused_until_ms : due;
}
