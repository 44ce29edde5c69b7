// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/net.h"

#include "tests/sim/agent_node.h"
#include "tests/sim/relay_node.h"

#include <assert.h>
#include <stdlib.h>

#define NET_TO_RELAY 0
#define NET_TO_AGENT 1

/* When bytes sent now arrive: after a delay, the cut and all that was sent before. */
static int64_t net_arrival(struct conn *c, int way)
{
	struct world *w = c->world;
	int64_t *last = way == NET_TO_RELAY ? &c->to_relay_ms : &c->to_agent_ms;
	int64_t cut = w->cut_until_ms[c->agent][c->relay][way];
	int64_t at = w->now_ms + (w->healed ? 1 : rng_between(&w->rng, 0, w->plan.delay_ms));

	if (at < cut)
		at = cut;
	if (at < *last)
		at = *last;
	*last = at;
	return at;
}

static void net_put(struct conn *c, int way, event_fn run, struct slice bytes)
{
	struct world *w = c->world;
	struct event event = { .at_ms = net_arrival(c, way), .run = run, .subject = c,
			       .size = bytes.size };

	if (bytes.size > 0)
		event.bytes = arena_copy(&w->arena, bytes.ptr, bytes.size);
	queue_put(&w->queue, &event);
}

/* What cannot be read now is read when the process goes on. True: put back. */
static bool net_waits(struct world *w, const struct event *event, int64_t paused_until_ms)
{
	if (w->now_ms >= paused_until_ms)
		return false;
	queue_put_back(&w->queue, event, paused_until_ms);
	return true;
}

/* ---- at the agent ---------------------------------------------------------------------------- */

static void net_agent_end(struct world *w, const struct event *event)
{
	struct conn *c = event->subject;
	struct agent_node *a = &w->agents[c->agent];

	if (!c->agent_open || net_waits(w, event, a->paused_until_ms))
		return;
	c->agent_open = false;
	agent_closed(a, c);
}

static void net_relay_end(struct world *w, const struct event *event);

static void net_agent_reads(struct world *w, const struct event *event)
{
	struct conn *c = event->subject;
	struct agent_node *a = &w->agents[c->agent];

	if (!c->agent_open) {
		/* Nobody is there any more: a reset goes back. */
		net_put(c, NET_TO_RELAY, net_relay_end, slice_of(NULL, 0));
		return;
	}
	if (!net_waits(w, event, a->paused_until_ms))
		agent_data(a, c, slice_of(event->bytes, event->size));
}

static void net_agent_connected(struct world *w, const struct event *event)
{
	struct conn *c = event->subject;
	struct agent_node *a = &w->agents[c->agent];

	if (c->agent_open && !net_waits(w, event, a->paused_until_ms))
		agent_connected(a, c);
}

/* ---- at the relay ---------------------------------------------------------------------------- */

static void net_relay_end(struct world *w, const struct event *event)
{
	struct conn *c = event->subject;
	struct relay_node *r = &w->relays[c->relay];

	if (!c->relay_open || net_waits(w, event, r->paused_until_ms))
		return;
	c->relay_open = false;
	c->relay_gone = true;
	relay_closed(r, c);
}

static void net_relay_reads(struct world *w, const struct event *event)
{
	struct conn *c = event->subject;
	struct relay_node *r = &w->relays[c->relay];

	if (c->relay_gone) {
		net_put(c, NET_TO_AGENT, net_agent_end, slice_of(NULL, 0));
		return;
	}
	if (!net_waits(w, event, r->paused_until_ms))
		relay_data(r, c, slice_of(event->bytes, event->size));
}

static void net_relay_accepts(struct world *w, const struct event *event)
{
	struct conn *c = event->subject;
	struct relay_node *r = &w->relays[c->relay];

	if (c->relay_gone || !net_waits(w, event, r->paused_until_ms)) {
		if (c->relay_gone)
			return;
		c->relay_open = true;
		relay_accepted(r, c);
	}
}

/* SYN arrives: the kernel of a living process answers, whether or not it is stopped. */
static void net_syn(struct world *w, const struct event *event)
{
	struct conn *c = event->subject;
	struct relay_node *r = &w->relays[c->relay];

	if (!r->alive || r->leaving) {
		c->relay_gone = true;
		net_put(c, NET_TO_AGENT, net_agent_end, slice_of(NULL, 0));
		return;
	}
	world_later(w, w->now_ms, net_relay_accepts, c);
	net_put(c, NET_TO_AGENT, net_agent_connected, slice_of(NULL, 0));
}

/* ---- from the ends ---------------------------------------------------------------------------- */

static struct conn *net_new(struct world *w)
{
	struct conn *c = arena_alloc(&w->arena, sizeof(*c));

	if (w->conn_count == w->conn_capacity) {
		w->conn_capacity = w->conn_capacity ? 2 * w->conn_capacity : 64;
		w->conns = realloc(w->conns, w->conn_capacity * sizeof(struct conn *));
		if (w->conns == NULL)
			abort();
	}
	w->conns[w->conn_count++] = c;
	return c;
}

struct conn *net_connect(struct world *w, uint32_t agent, uint32_t relay)
{
	struct conn *c = net_new(w);

	c->world = w;
	c->agent = agent;
	c->relay = relay;
	c->agent_open = true;
	buf_init(&c->in, SIZE_MAX);
	net_put(c, NET_TO_RELAY, net_syn, slice_of(NULL, 0));
	return c;
}

/* Now and then bytes arrive in two pieces, cut anywhere. */
static void net_send(struct conn *c, int way, event_fn run, struct slice bytes)
{
	size_t first = bytes.size;

	if (rng_chance(&c->world->rng, 500))
		first = 1 + rng_below(&c->world->rng, (uint32_t)bytes.size);
	net_put(c, way, run, slice_of(bytes.ptr, first));
	if (first < bytes.size)
		net_put(c, way, run, slice_of(bytes.ptr + first, bytes.size - first));
}

void net_to_relay(struct conn *c, struct slice bytes)
{
	if (c->agent_open)
		net_send(c, NET_TO_RELAY, net_relay_reads, bytes);
}

void net_to_agent(struct conn *c, struct slice bytes)
{
	if (c->relay_open)
		net_send(c, NET_TO_AGENT, net_agent_reads, bytes);
}

void net_agent_closes(struct conn *c)
{
	if (!c->agent_open)
		return;
	c->agent_open = false;
	/* A host that vanishes says nothing: the relay finds out by itself. */
	if (c->world->healed || rng_below(&c->world->rng, 4) > 0)
		net_put(c, NET_TO_RELAY, net_relay_end, slice_of(NULL, 0));
}

void net_relay_closes(struct conn *c)
{
	bool open = c->relay_open;

	if (c->relay_gone)
		return;
	c->relay_gone = true;
	c->relay_open = false;
	net_put(c, NET_TO_AGENT, net_agent_end, slice_of(NULL, 0));
	if (open)
		relay_closed(&c->world->relays[c->relay], c);
}

void net_reset(struct conn *c)
{
	world_later(c->world, c->world->now_ms, net_agent_end, c);
	world_later(c->world, c->world->now_ms, net_relay_end, c);
}
