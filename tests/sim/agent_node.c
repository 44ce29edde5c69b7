// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/agent_node.h"

#include "proto/err.h"
#include "tests/sim/agent_spool.h"
#include "tests/sim/net.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define AGENT_TIMEOUT_MS  1500

static int64_t agent_now(const struct agent_node *a)
{
	return a->world->now_ms + a->skew_ms;
}

/* What it takes for the time of day. */
static int64_t agent_unix_ms(const struct agent_node *a)
{
	return world_unix_ms(a->world) + a->wall_ms;
}

static void agent_step(struct agent_node *a, uint32_t relay, enum peer_event event);

/* ---- the outbox's effects ---------------------------------------------------------------------- */

static int agent_send(struct agent_node *a, size_t relay, const struct frame *f)
{
	struct agent_peer *p = &a->peers[relay];
	struct buf out;

	if (p->conn == NULL)
		return -ENOTCONN;
	buf_init(&out, SIZE_MAX);
	frame_encode(&out, f);
	assert(buf_status(&out) == 0);
	net_to_relay(p->conn, buf_view(&out));
	buf_release(&out);
	return 0;
}

static int agent_send_open(void *arg, size_t peer, struct frame_stream *list, size_t count)
{
	struct frame f = { .type = FRAME_OPEN, .streams = { .list = list, .count = count } };

	return agent_send(arg, peer, &f);
}

static int agent_send_confirm(void *arg, size_t peer, uint64_t token, struct frame_stream *list,
			      size_t count)
{
	struct frame f = { .type = FRAME_CONFIRM,
			   .streams = { .token = token, .list = list, .count = count } };

	return agent_send(arg, peer, &f);
}

static int agent_send_batch(void *arg, size_t peer, const struct frame_batch *batch)
{
	struct agent_node *a = arg;
	struct frame f = { .type = FRAME_BATCH, .batch = *batch };
	struct batch_header header;

	/* The socket's queue is full now and then. */
	if (!a->world->healed && rng_chance(&a->world->rng, 200))
		return -ENOBUFS;
	if (batch_peek(batch->bytes, &header) < 0)
		abort();
	world_note(a->world, TRACE_AGENT_SENDS, a->index, peer, header.partition, header.seq);
	return agent_send(a, peer, &f);
}

static bool agent_is_ready(void *arg, size_t slot)
{
	struct agent_node *a = arg;

	return a->peers[slot].fsm.state == PEER_READY;
}

static size_t agent_choose(void *arg, uint32_t partition)
{
	struct agent_node *a = arg;

	return route_choose(&a->route, partition, agent_is_ready, a);
}

static void agent_new_stream(struct agent_node *a)
{
	for (size_t i = 0; i < FRAME_AGENT_BYTES; i++)
		a->stream.bytes[i] = (uint8_t)(a->index + 1);
	for (size_t i = 0; i < 8; i++)
		a->stream.bytes[FRAME_AGENT_BYTES + i] = (uint8_t)(a->incarnation >> 8 * i);
}

static void agent_on_foreign(void *arg, const struct stream_id *id, uint32_t partition)
{
	struct agent_node *a = arg;

	(void)id;
	world_note(a->world, TRACE_AGENT_FOREIGN, a->index, partition, 0, 0);
	a->incarnation = rng_next(&a->world->rng);
	agent_new_stream(a);
	if (outbox_begin_stream(&a->outbox, &a->stream) < 0)
		abort();
}

static const struct outbox_effects agent_effects = {
	.send_open = agent_send_open,
	.send_batch = agent_send_batch,
	.send_confirm = agent_send_confirm,
	.choose = agent_choose,
	.foreign = agent_on_foreign,
};

/* ---- life ---------------------------------------------------------------------------------------- */

void agent_set_view(struct agent_node *a, uint32_t relays)
{
	struct world *w = a->world;
	struct slice names[WORLD_RELAYS];
	size_t count = 0;

	for (uint32_t i = 0; i < w->plan.relays; i++)
		if (relays & 1u << i)
			names[count++] = slice_text(w->names[i]);
	if (route_set_live(&a->route, names, count) < 0)
		abort();
}

static void agent_make_route(struct agent_node *a)
{
	struct world *w = a->world;
	struct slice names[WORLD_RELAYS];

	route_init(&a->route);
	for (uint32_t i = 0; i < w->plan.relays; i++)
		names[i] = slice_text(w->names[i]);
	if (route_set_configured(&a->route, names, w->plan.relays) < 0 ||
	    route_set_partitions(&a->route, w->plan.partitions) < 0)
		abort();
	/* All are configured, so a slot is a relay's index for good. */
	for (uint32_t i = 0; i < w->plan.relays; i++)
		assert(slice_equal(slice_text(route_name(&a->route, i)), names[i]));
}

void agent_start(struct agent_node *a)
{
	struct world *w = a->world;
	struct outbox_options options = { .partitions = w->plan.partitions,
					  .confirm_ms = w->plan.confirm_ms,
					  .window_batches = 1 + rng_below(&w->rng, 12) };

	if (w->without != RULE_REUSE || a->incarnation == 0)
		a->incarnation = rng_next(&w->rng);
	agent_new_stream(a);
	a->alive = true;
	a->paused_until_ms = 0;
	a->life++;
	agent_spool_open(a, &options, &agent_effects);
	agent_make_route(a);
	world_note(w, TRACE_AGENT_UP, a->index, a->incarnation, 0, 0);
	for (uint32_t i = 0; i < w->plan.relays; i++) {
		a->peers[i] = (struct agent_peer){ .session = rng_next(&w->rng) };
		peer_fsm_init(&a->peers[i].fsm, AGENT_TIMEOUT_MS);
		agent_step(a, i, PEER_EVENT_START);
	}
	a->seal_at_ms = w->now_ms + rng_between(&w->rng, 0, w->plan.seal_ms);
	a->beat_at_ms = w->now_ms;
}

static void agent_end(struct agent_node *a)
{
	a->alive = false;
	route_release(&a->route);
}

void agent_release(struct agent_node *a)
{
	if (!a->alive)
		return;
	agent_spool_release(a);
	agent_end(a);
}

void agent_kill(struct agent_node *a, int64_t back_ms, bool machine)
{
	struct world *w = a->world;

	world_note(w, TRACE_AGENT_KILL, a->index, spool_records(a->spool), machine, 0);
	w->stats.agent_kills++;
	w->stats.declared += a->outbox.counts.lost;
	for (uint32_t i = 0; i < w->plan.relays; i++)
		if (a->peers[i].conn != NULL)
			net_agent_closes(a->peers[i].conn);
	agent_spool_die(a, machine);
	agent_end(a);
	a->back_ms = back_ms;
}

/* ---- connections --------------------------------------------------------------------------------- */

static void agent_say_hello(struct agent_node *a, uint32_t relay)
{
	struct frame f = { .type = FRAME_HELLO,
			   .hello = { .version_min = FRAME_VERSION_MIN,
				      .version_max = FRAME_VERSION_MAX,
				      .cfg = hash_cfg(a->world->plan.partitions),
				      .incarnation = a->incarnation,
				      .clock_ms = agent_unix_ms(a) } };

	memcpy(f.hello.agent_id, a->stream.bytes, FRAME_AGENT_BYTES);
	(void)agent_send(a, relay, &f);
}

static void agent_unlink(struct agent_node *a, uint32_t relay)
{
	struct conn *c = a->peers[relay].conn;

	if (c == NULL)
		return;
	a->peers[relay].conn = NULL;
	buf_release(&c->in);
	net_agent_closes(c);
}

static void agent_step(struct agent_node *a, uint32_t relay, enum peer_event event)
{
	struct agent_peer *p = &a->peers[relay];
	struct frame ping = { .type = FRAME_PING, .ping = { .token = 1, .clock_ms = 1 } };
	enum peer_state before = p->fsm.state;
	uint32_t random = event == PEER_EVENT_BYTES ? 0 : (uint32_t)rng_next(&a->world->rng);
	unsigned actions = peer_fsm_step(&p->fsm, event, agent_now(a), random);

	if (p->fsm.state != before)
		world_note(a->world, TRACE_AGENT_PEER, a->index, relay, p->fsm.state, 0);
	if (actions & PEER_DO_CLOSE)
		agent_unlink(a, relay);
	if (actions & PEER_DO_DOWN)
		outbox_peer_down(&a->outbox, relay);
	if (actions & PEER_DO_CONNECT)
		p->conn = net_connect(a->world, a->index, relay);
	if (actions & PEER_DO_HELLO)
		agent_say_hello(a, relay);
	if (actions & PEER_DO_UP)
		outbox_peer_up(&a->outbox, relay, ++p->session);
	if (actions & PEER_DO_LEAVING)
		outbox_peer_leaving(&a->outbox, relay);
	if (actions & PEER_DO_PING)
		(void)agent_send(a, relay, &ping);
}

void agent_connected(struct agent_node *a, struct conn *c)
{
	if (a->peers[c->relay].conn == c)
		agent_step(a, c->relay, PEER_EVENT_CONNECTED);
}

void agent_closed(struct agent_node *a, struct conn *c)
{
	buf_release(&c->in);
	if (a->peers[c->relay].conn != c)
		return;
	a->peers[c->relay].conn = NULL;
	agent_step(a, c->relay, PEER_EVENT_CLOSED);
	agent_run(a);
}

static void agent_note_states(struct agent_node *a, uint32_t relay, const struct frame *f)
{
	const struct frame_streams *s = &f->streams;

	world_note(a->world, TRACE_AGENT_TOLD, a->index, relay, f->type, s->count);
	for (size_t i = 0; i < s->count; i++) {
		uint64_t incarnation = 0;

		memcpy(&incarnation, s->list[i].id.bytes + FRAME_AGENT_BYTES, 8);
		world_note(a->world, TRACE_STATE, incarnation, s->list[i].partition,
			   s->list[i].state.seq, s->list[i].state.nonce);
	}
}

/* RULE_GRACE: a COMMITTED is taken for a CONFIRM that was asked long enough after it. */
static void agent_drop_committed(struct agent_node *a, uint32_t relay,
				 const struct frame_streams *states)
{
	uint64_t session = a->peers[relay].session;
	struct frame_streams forged = *states;

	outbox_set_grace(&a->outbox, 0);
	forged.stable = true;
	forged.token = UINT64_MAX >> 1;
	for (struct outbox_stream *s = a->outbox.streams; s != NULL; s = s->next)
		for (uint32_t p = 0; p < a->world->plan.partitions; p++) {
			s->lanes[p].confirm_token = forged.token;
			s->lanes[p].confirm_stored = s->lanes[p].stored;
		}
	outbox_note_confirmed(&a->outbox, relay, session, &forged, agent_now(a));
}

static void agent_answer_ping(struct agent_node *a, uint32_t relay, const struct frame_ping *ping)
{
	struct frame pong = { .type = FRAME_PONG,
			      .ping = { .token = ping->token,
					.clock_ms = agent_unix_ms(a) } };

	(void)agent_send(a, relay, &pong);
}

static void agent_frame(struct agent_node *a, uint32_t relay, const struct frame *f)
{
	uint64_t session = a->peers[relay].session;
	enum lane_cause cause = LANE_COMMITTED;

	switch (f->type) {
	case FRAME_WELCOME:
		outbox_set_grace(&a->outbox, (int64_t)f->welcome.grace_ms);
		agent_step(a, relay, PEER_EVENT_WELCOME);
		break;
	case FRAME_REFUSED:
		agent_step(a, relay, PEER_EVENT_REFUSED);
		break;
	case FRAME_GOAWAY:
		agent_step(a, relay, PEER_EVENT_GOAWAY);
		break;
	case FRAME_STATE:
		cause = f->streams.cause == FRAME_RESET ? LANE_RESET : LANE_OPENED;
		/* fall through */
	case FRAME_COMMITTED:
		agent_note_states(a, relay, f);
		outbox_note_states(&a->outbox, relay, session, cause, &f->streams, agent_now(a));
		if (a->world->without == RULE_GRACE && f->type == FRAME_COMMITTED)
			agent_drop_committed(a, relay, &f->streams);
		break;
	case FRAME_CONFIRMED:
		agent_note_states(a, relay, f);
		outbox_note_confirmed(&a->outbox, relay, session, &f->streams, agent_now(a));
		break;
	case FRAME_PING:
		agent_answer_ping(a, relay, &f->ping);
		break;
	case FRAME_BUSY:
		outbox_peer_busy(&a->outbox, relay, f->busy);
		break;
	default:
		break;
	}
}

/* Handles whole frames; what is left of the bytes stays in the connection's buffer. */
void agent_data(struct agent_node *a, struct conn *c, struct slice bytes)
{
	struct slice left;
	struct frame_header header;
	struct slice payload;
	struct frame f;
	struct buf rest;

	if (a->peers[c->relay].conn != c)
		return;
	agent_step(a, c->relay, PEER_EVENT_BYTES);
	buf_put_slice(&c->in, bytes);
	left = buf_view(&c->in);
	while (a->peers[c->relay].conn == c && frame_next(&left, &header, &payload) == 1) {
		if (frame_decode(&header, payload, &f) < 0)
			abort();
		/* A refusal closes the connection, and with it the bytes that f borrows. */
		if (f.type == FRAME_REFUSED)
			left = slice_of(NULL, 0);
		agent_frame(a, c->relay, &f);
		frame_release(&f);
	}
	if (a->peers[c->relay].conn == c) {
		buf_init(&rest, SIZE_MAX);
		buf_put_slice(&rest, left);
		buf_release(&c->in);
		c->in = rest;
	}
	agent_run(a);
}

/* ---- time ---------------------------------------------------------------------------------------- */

static void agent_seal(struct agent_node *a)
{
	struct world *w = a->world;
	uint32_t batches = 1 + rng_below(&w->rng, w->plan.partitions);

	for (uint32_t i = 0; i < batches; i++) {
		uint32_t partition = rng_below(&w->rng, w->plan.partitions);
		const struct batch_writer *writer =
			book_write(&w->book, &w->rng, partition, agent_unix_ms(a) / 1000,
				   world_unix_ms(w) / 1000);
		struct book_batch *b = &w->book.batches[w->book.count - 1];

		b->stream = a->outbox.streams->id;
		b->seq = a->outbox.streams->lanes[partition].next_seq;
		if (outbox_append(&a->outbox, partition, writer, 2 * (uint64_t)b->part_count,
				  agent_unix_ms(a)) < 0)
			abort();
		world_note(w, TRACE_SEAL, a->index, partition, b->seq, w->book.count - 1);
		w->stats.batches++;
	}
	outbox_sealed_until(&a->outbox, agent_unix_ms(a));
}

static void agent_beat(struct agent_node *a)
{
	struct world *w = a->world;

	a->beat_at_ms = w->now_ms + w->plan.beat_ms;
	for (uint32_t i = 0; i < w->plan.relays; i++) {
		if (peer_fsm_is_late(&a->peers[i].fsm, agent_now(a)))
			agent_step(a, i, PEER_EVENT_JUDGE);
		if (peer_fsm_may_tick(&a->peers[i].fsm, agent_now(a)))
			agent_step(a, i, PEER_EVENT_TICK);
		outbox_peer_drained(&a->outbox, i);
	}
}

void agent_run(struct agent_node *a)
{
	struct world *w = a->world;

	if (!a->alive || w->now_ms < a->paused_until_ms)
		return;
	if (w->now_ms >= a->beat_at_ms)
		agent_beat(a);
	if (w->now_ms >= a->seal_at_ms) {
		a->seal_at_ms = w->now_ms + 1 + rng_between(&w->rng, 0, 2 * w->plan.seal_ms);
		if (w->now_ms < w->plan.seal_end_ms)
			agent_seal(a);
		else
			a->seal_at_ms = INT64_MAX;
	}
	agent_spool_run(a);
	outbox_run(&a->outbox, agent_now(a));
	for (uint32_t i = 0; i < w->plan.relays; i++)
		peer_fsm_set_quiet(&a->peers[i].fsm, outbox_peer_idle(&a->outbox, i), agent_now(a));
	a->wake_ms = outbox_next_ms(&a->outbox);
	if (a->wake_ms != INT64_MAX)
		a->wake_ms -= a->skew_ms;
}

int64_t agent_due(const struct agent_node *a)
{
	int64_t due = a->wake_ms;

	if (!a->alive)
		return a->back_ms;
	if (a->seal_at_ms < due)
		due = a->seal_at_ms;
	if (a->beat_at_ms < due)
		due = a->beat_at_ms;
	if (a->sync_at_ms < due)
		due = a->sync_at_ms;
	return due < a->paused_until_ms ? a->paused_until_ms : due;
}

const char *agent_unsettled(const struct agent_node *a)
{
	const struct outbox_counts *n = &a->outbox.counts;

	if (!a->alive)
		return "an agent is dead";
	if (spool_records(a->spool) > 0)
		return "an agent holds batches";
	if (n->committed != n->sealed + n->restored || n->stable != n->committed)
		return "an agent's counts do not add up";
	if (outbox_undelivered(&a->outbox) > 0)
		return "an agent has undelivered samples and no batches";
	if (outbox_watermark(&a->outbox) != a->outbox.sealed_until_ms)
		return "an agent's watermark stays behind";
	return NULL;
}
