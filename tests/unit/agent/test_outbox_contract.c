// SPDX-License-Identifier: Apache-2.0
/*
 * The outbox against relays and a Redis that fail, seeded: messages are late, connections
 * break, relays die or sleep, Redis forgets less than the grace window. Whatever happens, every
 * batch sealed is counted exactly once in the end, and nothing stays in the spool. The relays
 * here are as simple as CONTRACT.md allows: merge what fits, commit by comparing, throw all
 * away when refused.
 */
#include "agent/outbox.h"

#include "proto/group.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define LANES    2
#define RELAYS   3
#define BATCHES  120 /* a lane */
#define TICK     100
#define GRACE    6000
#define CONFIRM  700
#define QUEUE    4096
#define HISTORY  4096
#define PENDING  64

/* What Redis has: the lanes' states and how often each batch was counted. */
struct content {
	struct stream_state state[LANES];
	uint8_t counted[LANES][BATCHES + 1];
};

struct message {
	int64_t at;
	uint64_t session;
	size_t relay;
	bool to_agent;
	char what; /* O, B, C; to the agent also S (OPENED), R (RESET), K (COMMITTED) */
	uint32_t lane;
	uint64_t base, token;
	bool named;
	struct stream_state state;
	struct batch_header header;
	struct stream_state after;
};

struct pending {
	uint64_t seq;
	struct stream_state on, after;
};

struct relay {
	uint64_t session; /* 0: no connection */
	int64_t asleep_until;
	bool ready[LANES];
	struct stream_state last[LANES], mark[LANES];
	struct pending pending[LANES][PENDING];
	size_t pending_count[LANES];
};

struct world {
	struct outbox o;
	struct spool *spool;
	uint64_t random;
	int64_t now;
	uint64_t sessions;
	struct relay relays[RELAYS];
	struct content redis;
	struct { int64_t at; struct content content; } history[HISTORY];
	size_t history_count;
	struct message queue[QUEUE];
	size_t queue_count;
	uint64_t sealed[LANES];
	uint64_t nonces;
	bool healed;
	unsigned rollbacks, conflicts, kills;
};

static uint32_t dice(struct world *w, uint32_t sides)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(w->random >> 33) % sides;
}

static void post(struct world *w, struct message m)
{
	m.at = w->now + (w->healed ? TICK : TICK * (int64_t)(1 + dice(w, 8)));
	/* A connection keeps order. */
	for (size_t i = 0; i < w->queue_count; i++)
		if (w->queue[i].session == m.session && w->queue[i].to_agent == m.to_agent &&
		    w->queue[i].at > m.at)
			m.at = w->queue[i].at;
	assert_true(w->queue_count < QUEUE);
	w->queue[w->queue_count++] = m;
}

/* ---- Redis ---- */

static void redis_changed(struct world *w)
{
	if (w->history_count == HISTORY) {
		memmove(w->history, w->history + HISTORY / 2,
			HISTORY / 2 * sizeof(w->history[0]));
		w->history_count /= 2;
	}
	w->history[w->history_count].at = w->now;
	w->history[w->history_count++].content = w->redis;
}

/* Forgets everything of the last `ms`. */
static void redis_roll_back(struct world *w, int64_t ms)
{
	size_t keep = w->history_count;

	while (keep > 1 && w->history[keep - 1].at > w->now - ms)
		keep--;
	w->rollbacks += w->history_count - keep > 0;
	w->history_count = keep;
	w->redis = w->history[keep - 1].content;
}

static struct stream_state redis_open(struct world *w, uint32_t lane, uint64_t base)
{
	if (!w->redis.state[lane].known) {
		w->redis.state[lane] = (struct stream_state){ .known = true, .nonce = true,
							      .seq = base, .value = ++w->nonces };
		redis_changed(w);
	}
	return w->redis.state[lane];
}

/* ---- relays ---- */

static void relay_tell(struct world *w, size_t r, char what, uint32_t lane,
		       struct stream_state state, uint64_t token)
{
	if (w->relays[r].session != 0)
		post(w, (struct message){ .session = w->relays[r].session, .relay = r,
					  .to_agent = true, .what = what, .lane = lane,
					  .state = state, .token = token });
}

/* Any refusal: throws all away and says where Redis stands. */
static void relay_discard(struct world *w, size_t r)
{
	struct relay *relay = &w->relays[r];

	w->conflicts++;
	for (uint32_t lane = 0; lane < LANES; lane++) {
		relay->pending_count[lane] = 0;
		if (!relay->ready[lane])
			continue;
		relay->last[lane] = relay->mark[lane] = w->redis.state[lane];
		relay_tell(w, r, 'R', lane, relay->last[lane], 0);
	}
}

static void relay_commit(struct world *w, size_t r)
{
	struct relay *relay = &w->relays[r];
	bool any = false;

	for (uint32_t lane = 0; lane < LANES; lane++) {
		if (relay->pending_count[lane] == 0)
			continue;
		any = true;
		if (!state_equal(&relay->pending[lane][0].on, &w->redis.state[lane])) {
			relay_discard(w, r);
			return;
		}
	}
	for (uint32_t lane = 0; any && lane < LANES; lane++) {
		size_t count = relay->pending_count[lane];

		for (size_t i = 0; i < count; i++)
			w->redis.counted[lane][relay->pending[lane][i].seq]++;
		if (count == 0)
			continue;
		w->redis.state[lane] = relay->mark[lane] = relay->pending[lane][count - 1].after;
		relay->pending_count[lane] = 0;
		relay_tell(w, r, 'K', lane, w->redis.state[lane], 0);
	}
	if (any)
		redis_changed(w);
}

static void relay_batch(struct world *w, size_t r, const struct message *m)
{
	struct relay *relay = &w->relays[r];
	struct stream_state *last = &relay->last[m->lane];
	bool fits = m->named ? state_equal(&m->state, last) :
			       !last->nonce && m->header.seq == last->seq + 1 &&
				       m->header.chain_before == last->value;

	if (!relay->ready[m->lane] || !last->known || m->header.seq <= last->seq || !fits ||
	    relay->pending_count[m->lane] == PENDING)
		return;
	relay->pending[m->lane][relay->pending_count[m->lane]++] =
		(struct pending){ .seq = m->header.seq, .on = *last, .after = m->after };
	*last = m->after;
}

static void relay_take(struct world *w, const struct message *m)
{
	struct relay *relay = &w->relays[m->relay];
	struct stream_state stored;

	switch (m->what) {
	case 'O':
		stored = redis_open(w, m->lane, m->base);
		relay->pending_count[m->lane] = 0;
		relay->ready[m->lane] = true;
		relay->last[m->lane] = relay->mark[m->lane] = stored;
		relay_tell(w, m->relay, 'S', m->lane, stored, 0);
		break;
	case 'B':
		relay_batch(w, m->relay, m);
		break;
	case 'C':
		stored = w->redis.state[m->lane];
		relay_tell(w, m->relay, 'C', m->lane, stored, m->token);
		if (relay->mark[m->lane].known && !state_equal(&stored, &relay->mark[m->lane]))
			relay_discard(w, m->relay);
		break;
	default:
		fail();
	}
}

/* ---- the agent's effects ---- */

static int agent_post(struct world *w, size_t peer, struct message m)
{
	m.session = w->relays[peer].session;
	m.relay = peer;
	post(w, m);
	return 0;
}

static int send_open(void *arg, size_t peer, struct frame_stream *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		agent_post(arg, peer, (struct message){ .what = 'O', .lane = list[i].partition,
							.base = list[i].base_seq });
	return 0;
}

static int send_batch(void *arg, size_t peer, const struct frame_batch *batch)
{
	struct world *w = arg;
	struct message m = { .what = 'B', .named = batch->has_predecessor,
			     .state = batch->predecessor };

	if (dice(w, 20) == 0)
		return -ENOBUFS;
	assert_int_equal(batch_peek(batch->bytes, &m.header), 0);
	assert_int_equal(batch->lost, 0);
	m.lane = m.header.partition;
	m.after = (struct stream_state){
		.known = true, .seq = m.header.seq,
		.value = hash_chain_next(m.header.chain_before, batch->bytes),
	};
	return agent_post(w, peer, m);
}

static int send_confirm(void *arg, size_t peer, uint64_t token, struct frame_stream *list,
			size_t count)
{
	for (size_t i = 0; i < count; i++)
		agent_post(arg, peer, (struct message){ .what = 'C', .lane = list[i].partition,
							.token = token });
	return 0;
}

static size_t choose(void *arg, uint32_t partition)
{
	struct world *w = arg;

	for (size_t i = 0; i < RELAYS; i++)
		if (w->relays[(partition + i) % RELAYS].session != 0)
			return (partition + i) % RELAYS;
	return OUTBOX_NO_PEER;
}

static void foreign(void *arg, const struct stream_id *id, uint32_t partition)
{
	(void)arg;
	(void)id;
	fail_msg("partition %u: our own chain was taken for a foreign one", partition);
}

static void agent_take(struct world *w, const struct message *m)
{
	struct frame_stream one = { .partition = m->lane, .state = m->state };
	struct frame_streams list = { .token = m->token, .stable = true, .list = &one, .count = 1 };

	memset(one.id.bytes, 1, sizeof(one.id.bytes));
	if (m->what == 'C')
		outbox_note_confirmed(&w->o, m->relay, m->session, &list, w->now);
	else
		outbox_note_states(&w->o, m->relay, m->session,
				   m->what == 'S' ? LANE_OPENED :
				   m->what == 'R' ? LANE_RESET :
						    LANE_COMMITTED,
				   &list, w->now);
}

static void seal(struct world *w, uint32_t lane)
{
	struct batch_group group = { .kind = KIND_COUNTER, .series = slice_text("a"),
				     .second = 1795179600 };
	struct batch_writer writer;
	struct buf bytes;
	double value = 1 + (double)w->sealed[lane];

	if (w->sealed[lane] == BATCHES)
		return;
	buf_init(&bytes, 1024);
	group_put_values(&bytes, (struct group_sampling){ .rate = 1, .weight = 1 }, &value, 1);
	group.bytes = buf_view(&bytes);
	batch_writer_init(&writer, group.second);
	batch_writer_add(&writer, &group, 1);
	assert_int_equal(outbox_append(&w->o, lane, &writer, 1, w->now), 0);
	w->sealed[lane]++;
	batch_writer_release(&writer);
	buf_release(&bytes);
}

/* ---- the world ---- */

static void disconnect(struct world *w, size_t r)
{
	if (w->relays[r].session != 0)
		outbox_peer_down(&w->o, r);
	w->relays[r].session = 0;
	memset(w->relays[r].ready, 0, sizeof(w->relays[r].ready));
}

/* Half of the time what was under way still arrives at the relay, or at the agent: late. */
static void misfortune(struct world *w)
{
	size_t r = dice(w, RELAYS);

	switch (dice(w, 60)) {
	case 0:
		disconnect(w, r);
		break;
	case 1: /* killed */
		disconnect(w, r);
		memset(&w->relays[r], 0, sizeof(w->relays[r]));
		w->kills++;
		break;
	case 2:
		w->relays[r].asleep_until = w->now + TICK * (int64_t)dice(w, 100);
		break;
	case 3:
		if (dice(w, 4) == 0)
			redis_roll_back(w, dice(w, GRACE - 2 * TICK));
		break;
	default:
		break;
	}
}

static void deliver(struct world *w)
{
	size_t kept = 0;
	struct message due[QUEUE / 8];
	size_t due_count = 0;

	for (size_t i = 0; i < w->queue_count; i++) {
		struct message *m = &w->queue[i];
		bool asleep = w->relays[m->relay].asleep_until > w->now;

		if (m->at <= w->now && !asleep && due_count < QUEUE / 8)
			due[due_count++] = *m;
		else
			w->queue[kept++] = *m;
	}
	w->queue_count = kept;
	for (size_t i = 0; i < due_count; i++) {
		/* The relay reads what was in its buffer although the connection is gone; the
		 * outbox must see through what comes of an old session by itself. */
		if (due[i].to_agent)
			agent_take(w, &due[i]);
		else if (due[i].session == w->relays[due[i].relay].session)
			relay_take(w, &due[i]);
	}
}

static void tick(struct world *w)
{
	w->now += TICK;
	if (!w->healed)
		misfortune(w);
	for (size_t r = 0; r < RELAYS; r++) {
		if (w->relays[r].session == 0 && (w->healed || dice(w, 10) == 0)) {
			w->relays[r].session = ++w->sessions;
			outbox_peer_up(&w->o, r, w->sessions);
		}
	}
	if (dice(w, 3) == 0)
		seal(w, dice(w, LANES));
	deliver(w);
	for (size_t r = 0; r < RELAYS; r++) {
		outbox_peer_drained(&w->o, r);
		if (w->relays[r].asleep_until <= w->now && dice(w, 3) == 0)
			relay_commit(w, r);
	}
	outbox_run(&w->o, w->now);
}

static void run_seed(uint64_t seed, struct world *w)
{
	static const struct outbox_effects effects = { .send_open = send_open,
						       .send_batch = send_batch,
						       .send_confirm = send_confirm,
						       .choose = choose,
						       .foreign = foreign };
	struct outbox_options options = { .partitions = LANES, .confirm_ms = CONFIRM,
					  .window_batches = 8 };
	struct stream_id id;

	memset(w, 0, sizeof(*w));
	memset(id.bytes, 1, sizeof(id.bytes));
	w->random = seed * 2654435761u + 1;
	w->now = 1000000;
	redis_changed(w);
	assert_int_equal(spool_new(1 << 20, &w->spool), 0);
	assert_int_equal(outbox_init(&w->o, &options, &effects, w, w->spool, &id), 0);
	outbox_set_grace(&w->o, GRACE);
	for (int i = 0; i < 600; i++)
		tick(w);
	w->healed = true;
	for (int i = 0; i < 1000 && (w->sealed[0] < BATCHES || spool_records(w->spool) > 0); i++)
		tick(w);
}

static void check_seed(uint64_t seed, const struct world *w)
{
	uint64_t sealed = 0;

	for (size_t lane = 0; lane < LANES; lane++) {
		sealed += w->sealed[lane];
		for (uint64_t seq = 1; seq <= w->sealed[lane]; seq++)
			if (w->redis.counted[lane][seq] != 1)
				fail_msg("seed %lu lane %zu seq %lu counted %u times", seed, lane,
					 seq, w->redis.counted[lane][seq]);
	}
	if (spool_records(w->spool) > 0)
		fail_msg("seed %lu: %zu batches are stuck", seed, spool_records(w->spool));
	assert_int_equal(w->o.counts.committed, sealed);
	assert_int_equal(w->o.counts.stable, sealed);
	assert_int_equal(w->o.counts.lost, 0);
	assert_int_equal(w->o.counts.sealed, sealed);
}

static void test_every_sealed_batch_is_counted_exactly_once(void **state)
{
	struct world *w = malloc(sizeof(*w));
	unsigned rollbacks = 0, conflicts = 0, kills = 0;
	const char *more = getenv("HOURGLASS_SEEDS");
	uint64_t seeds = more ? strtoull(more, NULL, 10) : 60, rewinds = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		run_seed(seed, w);
		check_seed(seed, w);
		rollbacks += w->rollbacks;
		conflicts += w->conflicts;
		kills += w->kills;
		rewinds += w->o.counts.rewinds;
		outbox_release(&w->o);
		spool_free(w->spool);
	}
	/* The seeds must have been worth it. */
	assert_true(rollbacks > seeds / 4 && conflicts > seeds && kills > seeds && rewinds > seeds);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_sealed_batch_is_counted_exactly_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
