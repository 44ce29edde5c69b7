// SPDX-License-Identifier: Apache-2.0
#include "relay/committer.h"

#include "proto/cell.h"
#include "proto/err.h"
#include "proto/map.h"
#include "tests/lib/bytes.h"
#include "tests/lib/model_store.h"
#include "tests/lib/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * Every sealed batch is counted exactly once: several relays' committers and model agents over
 * one model store, in random order, while messages wait, sessions break, relays crash
 * or stand still, commits are lost, doubled, late or turned away, hours are evicted, partials
 * are swapped under other names, and the store forgets its last calls. Agents here keep
 * everything, so that no failover may ever lose a batch.
 *
 * Each seed is a run of its own; HOURGLASS_SEEDS=<n> runs more, HOURGLASS_SEED=<n> only one.
 */

#define SECOND   ((int64_t)1795176000)
#define CFG      hash_cfg(1)
#define RELAYS   3
#define AGENTS   3
#define STREAMS  24
#define SESSIONS 512
#define STEPS    300
#define HEALING  4000
#define WINDOW   5

enum message_what { TO_OPEN, TO_BATCH, TO_CONFIRM, FROM_STATE, FROM_COMMITTED, FROM_CONFIRMED,
		    FROM_REFUSED };

struct message {
	struct list link;
	enum message_what what;
	size_t stream;
	uint64_t seq; /* TO_BATCH */
	bool named;
	struct stream_state state;
	enum frame_cause cause;
};

struct link {
	struct committer_peer peer; /* first: a peer is its session */
	bool used, agent_alive, relay_knows;
	size_t relay, agent;
	struct list to_relay, to_agent;
};

struct request {
	struct list link;
	struct committer_call *call; /* NULL: a ghost, whose relay no longer listens */
	uint8_t *resp;
	size_t size;
};

struct relay {
	struct committer c;
	struct list requests;
	int64_t asleep_until;
};

struct stream {
	struct source source;
	size_t agent;
	bool opened;
	struct stream_state stored;
	uint64_t committed, sent;
};

struct sim {
	uint64_t random;
	int64_t now, unix_offset;
	struct model_store store;
	struct relay_counters n;
	struct relay relays[RELAYS];
	struct stream *streams[STREAMS];
	size_t stream_count;
	size_t current[AGENTS]; /* stream */
	size_t session[AGENTS]; /* link, or SESSIONS */
	struct link *links;
	size_t link_count;
	struct list ghosts;
	bool healing;
	unsigned trouble; /* how often things go wrong */
	size_t refusals, rollbacks, crashes, protocol_errors;
};

static bool chance(struct sim *s, unsigned per_mille)
{
	return bytes_random_below(&s->random, 1000) < per_mille;
}

static bool mishap(struct sim *s, unsigned per_mille)
{
	return !s->healing && chance(s, per_mille * s->trouble);
}

static size_t pick(struct sim *s, size_t bound)
{
	return (size_t)bytes_random_below(&s->random, bound);
}

static void post(struct list *queue, const struct message *m)
{
	struct message *copy = malloc(sizeof(*copy));

	assert_non_null(copy);
	*copy = *m;
	copy->link = (struct list){ 0 };
	list_append(queue, &copy->link);
}

static bool take(struct list *queue, struct message *out)
{
	struct message *m;

	if (list_empty(queue))
		return false;
	m = LIST_ENTRY(queue->next, struct message, link);
	list_remove(&m->link);
	*out = *m;
	free(m);
	return true;
}

static void drop_all(struct list *queue)
{
	struct message m;

	while (take(queue, &m))
		;
}

static size_t stream_of(const struct sim *s, const struct stream_id *id)
{
	for (size_t i = 0; i < s->stream_count; i++)
		if (memcmp(&s->streams[i]->source.id, id, sizeof(*id)) == 0)
			return i;
	fail_msg("a stream nobody began");
	return 0;
}

/* ---- effects of the committers --------------------------------------------------------------- */

static struct relay *relay_of(struct sim *s, struct committer *c)
{
	for (size_t i = 0; i < RELAYS; i++)
		if (&s->relays[i].c == c)
			return &s->relays[i];
	fail_msg("a committer of no relay");
	return NULL;
}

static bool sim_run(void *arg, struct committer *c, struct committer_call *call, struct slice resp)
{
	struct sim *s = arg;
	struct request *q;

	if (mishap(s, 2))
		return false;
	q = malloc(sizeof(*q));
	assert_non_null(q);
	*q = (struct request){ .call = call, .resp = malloc(resp.size), .size = resp.size };
	memcpy(q->resp, resp.ptr, resp.size);
	list_append(&relay_of(s, c)->requests, &q->link);
	return true;
}

static void tell(struct sim *s, struct committer_peer *peer, enum message_what what,
		 enum frame_cause cause, const struct frame_stream *list, size_t count)
{
	struct link *l = (struct link *)(void *)peer;

	for (size_t i = 0; i < count && l->agent_alive; i++)
		post(&l->to_agent, &(struct message){ .what = what, .cause = cause,
						      .stream = stream_of(s, &list[i].id),
						      .state = list[i].state });
}

static void sim_state(void *arg, struct committer_peer *peer, enum frame_cause cause,
		      struct frame_stream *list, size_t count)
{
	tell(arg, peer, FROM_STATE, cause, list, count);
}

static void sim_committed(void *arg, struct committer_peer *peer, struct frame_stream *list,
			  size_t count)
{
	tell(arg, peer, FROM_COMMITTED, FRAME_OPENED, list, count);
}

static void sim_confirmed(void *arg, struct committer_peer *peer, uint64_t token,
			  struct frame_stream *list, size_t count)
{
	(void)token;
	tell(arg, peer, FROM_CONFIRMED, FRAME_OPENED, list, count);
}

static void sim_refuse(void *arg, struct committer_peer *peer, int code)
{
	struct link *l = (struct link *)(void *)peer;

	(void)arg;
	(void)code;
	if (l->agent_alive)
		post(&l->to_agent, &(struct message){ .what = FROM_REFUSED });
}

static uint64_t sim_random(void *arg)
{
	return bytes_random(&((struct sim *)arg)->random);
}

static void sim_discarded(void *arg, uint32_t partition, enum committer_reason reason, int code)
{
	(void)partition;
	(void)code;
	assert_int_not_equal(reason, COMMITTER_MERGE);
	((struct sim *)arg)->refusals++;
}

static void sim_foreign(void *arg, uint32_t partition, struct slice stored)
{
	(void)arg;
	(void)partition;
	(void)stored;
	fail_msg("the store is of this fleet");
}

static void sim_error(void *arg, uint32_t partition, enum script script, struct slice text)
{
	(void)arg;
	(void)partition;
	(void)script;
	fail_msg("%.*s", (int)text.size, (const char *)text.ptr);
}

static void sim_rejected(void *arg, const struct stream_id *id, const struct image_rejects *n)
{
	(void)arg;
	(void)id;
	(void)n;
	fail_msg("every hour can be written");
}

static const struct committer_effects sim_effects = {
	.run = sim_run,
	.state = sim_state,
	.committed = sim_committed,
	.confirmed = sim_confirmed,
	.refuse = sim_refuse,
	.random = sim_random,
	.discarded = sim_discarded,
	.foreign = sim_foreign,
	.error = sim_error,
	.rejected = sim_rejected,
};

static void relay_boot(struct sim *s, struct relay *r)
{
	struct committer_options o = { .cfg = CFG, .partitions = 1, .tag = "p0.0",
				       .commit_ms = 300, .retention_hours = 840,
				       .unix_offset_ms = &s->unix_offset, .counters = &s->n,
				       .effects = &sim_effects, .arg = s };

	committer_init(&r->c, &o);
	committer_set_floor(&r->c, 1);
	committer_store_up(&r->c, s->now);
	list_init(&r->requests);
	r->asleep_until = 0;
}

/* ---- Redis ------------------------------------------------------------------------------------- */

static void request_free(struct request *q)
{
	list_remove(&q->link);
	free(q->resp);
	free(q);
}

static void request_run(struct sim *s, struct request *q, struct relay *r)
{
	struct model_reply reply;
	struct answer a;

	model_store_run(&s->store, slice_of(q->resp, q->size), &reply);
	if (r != NULL) {
		a = answer_of_words(reply.words, reply.count);
		committer_answer(&r->c, q->call, &a, s->now);
	}
	model_reply_release(&reply);
	request_free(q);
}

static void request_answer(struct sim *s, struct request *q, struct relay *r,
			   const struct answer *a)
{
	committer_answer(&r->c, q->call, a, s->now);
	request_free(q);
}

/* The connection breaks: each call was run, is run later, or never; nobody hears of it. */
static void connection_lost(struct sim *s, struct relay *r)
{
	struct answer unknown = answer_unknown();
	struct list lost;

	list_init(&lost);
	while (!list_empty(&r->requests))
		list_move(&lost, r->requests.next);
	while (!list_empty(&lost)) {
		struct request *q = LIST_ENTRY(lost.next, struct request, link);
		struct committer_call *call = q->call;

		q->call = NULL;
		switch (pick(s, 3)) {
		case 0:
			request_run(s, q, NULL);
			break;
		case 1:
			list_move(&s->ghosts, &q->link);
			break;
		default:
			request_free(q);
		}
		committer_answer(&r->c, call, &unknown, s->now);
	}
	committer_store_up(&r->c, s->now);
}

static void serve(struct sim *s, struct relay *r)
{
	struct answer oom = answer_of_error(slice_text("OOM no"));

	while (!list_empty(&r->requests) && chance(s, 600)) {
		struct request *q = LIST_ENTRY(r->requests.next, struct request, link);

		if (mishap(s, 5))
			request_answer(s, q, r, &oom);
		else
			request_run(s, q, r);
	}
	if (mishap(s, 5))
		connection_lost(s, r);
	while (!list_empty(&s->ghosts) && (s->healing || chance(s, 30)))
		request_run(s, LIST_ENTRY(s->ghosts.next, struct request, link), NULL);
}

/* A compaction gives one partial another name and version; its relay does not know. */
static void swap_partial(struct sim *s)
{
	struct model_entry e;
	char name[17], to[128], from[128];
	const char *at;
	size_t i = s->store.count ? pick(s, s->store.count) : 0;
	size_t prefix, count = s->store.count;

	if (s->store.count == 0)
		return;
	e = s->store.log[i];
	at = memmem(e.key.ptr, e.key.size, "}:m:", 4);
	if (at == NULL)
		return;
	prefix = (size_t)(at - (const char *)e.key.ptr) + 1;
	snprintf(from, sizeof(from), "%.*s", (int)e.key.size, (const char *)e.key.ptr);
	if (model_store_get(&s->store, from, e.field).size == 0)
		return;
	snprintf(name, sizeof(name), "%016llx", (unsigned long long)bytes_random(&s->random));
	snprintf(to, sizeof(to), "%.*s:c:%.*s:%s", (int)prefix, from,
		 (int)(e.key.size - prefix - 3), at + 4, name);
	snprintf(from, sizeof(from), "%.*s:c:%.*s:%.*s", (int)prefix, (const char *)e.key.ptr,
		 (int)(e.key.size - prefix - 3), at + 4, (int)e.field.size,
		 (const char *)e.field.ptr);
	for (i = 0; i < count; i++)
		if (slice_equal(s->store.log[i].key, slice_text(from)))
			model_store_set(&s->store, to, s->store.log[i].field,
					model_store_get(&s->store, from, s->store.log[i].field));
	snprintf(to, sizeof(to), "%.*s", (int)e.key.size, (const char *)e.key.ptr);
	model_store_set(&s->store, to, slice_text(name), slice_text("00000000000000cc"));
	model_store_set(&s->store, to, e.field, slice_of(NULL, 0));
	/* One swap is one call: it is forgotten whole. */
	while (s->store.mark_count > 1 && s->store.marks[s->store.mark_count - 2] >= count + 1)
		s->store.marks[s->store.mark_count-- - 2] = s->store.count;
}

/* ---- sessions ----------------------------------------------------------------------------------- */

static void relay_hears(struct sim *s, struct link *l, const struct message *m)
{
	struct relay *r = &s->relays[l->relay];
	struct stream *st = s->streams[m->stream];
	struct frame_stream question = { .id = st->source.id };
	struct frame_batch f;
	struct batch_header header;

	switch (m->what) {
	case TO_OPEN:
		if (committer_open(&r->c, &l->peer, &st->source.id, 0) < 0)
			sim_refuse(s, &l->peer, ERR_PROTOCOL);
		break;
	case TO_CONFIRM:
		committer_confirm(&r->c, &l->peer, 0, &question, 1);
		break;
	default:
		f = source_frame(&st->source, m->seq, m->named ? &m->state : NULL);
		assert_int_equal(batch_peek(f.bytes, &header), 0);
		if (committer_batch(&r->c, &l->peer, &f, &header, s->now) == 0)
			return;
		s->protocol_errors++;
		drop_all(&l->to_relay);
		sim_refuse(s, &l->peer, ERR_PROTOCOL);
	}
}

static void agent_leaves(struct sim *s, size_t agent)
{
	size_t at = s->session[agent];

	if (at == SESSIONS)
		return;
	s->links[at].agent_alive = false;
	drop_all(&s->links[at].to_agent);
	s->session[agent] = SESSIONS;
	for (size_t i = 0; i < s->stream_count; i++)
		if (s->streams[i]->agent == agent)
			s->streams[i]->opened = false;
}

static void agent_hears(struct sim *s, struct link *l, const struct message *m)
{
	struct stream *st = s->streams[m->stream];
	const struct stream_state *state = &m->state;

	if (m->what == FROM_REFUSED) {
		agent_leaves(s, l->agent);
		return;
	}
	if (!state->known) {
		st->opened = false;
		post(&l->to_relay, &(struct message){ .what = TO_OPEN, .stream = m->stream });
		return;
	}
	/* Whatever is stored is ours: nobody else uses this stream. */
	assert_in_range(state->seq, 0, st->source.count);
	assert_true(state->nonce || state->value == st->source.chain[state->seq]);
	if (m->what == FROM_STATE)
		st->opened = true;
	else if (!st->opened || state->seq < st->committed)
		if (m->what == FROM_COMMITTED || !st->opened)
			return;
	if (m->what == FROM_STATE || state->seq < st->committed ||
	    (state->nonce && !state_equal(state, &st->stored)))
		st->sent = state->seq;
	st->stored = *state;
	st->committed = state->seq;
	if (st->sent < st->committed)
		st->sent = st->committed;
}

static void agent_connects(struct sim *s, size_t agent)
{
	struct link *l;

	assert_true(s->link_count < SESSIONS);
	l = &s->links[s->link_count];
	*l = (struct link){ .used = true, .agent_alive = true, .relay_knows = true,
			    .relay = pick(s, RELAYS), .agent = agent };
	committer_peer_init(&l->peer, s->link_count);
	list_init(&l->to_relay);
	list_init(&l->to_agent);
	s->session[agent] = s->link_count++;
	for (size_t i = 0; i < s->stream_count; i++)
		if (s->streams[i]->agent == agent && s->streams[i]->source.count > 0)
			post(&l->to_relay, &(struct message){ .what = TO_OPEN, .stream = i });
}

static void agent_begins(struct sim *s, size_t agent)
{
	struct stream *st = calloc(1, sizeof(*st));

	assert_non_null(st);
	source_init(&st->source, (uint8_t)(s->stream_count + 1), 1, 0);
	st->agent = agent;
	s->current[agent] = s->stream_count;
	s->streams[s->stream_count++] = st;
}

static void agent_seals(struct sim *s, size_t agent)
{
	struct stream *st = s->streams[s->current[agent]];
	char own[32];
	struct source_group groups[2];

	snprintf(own, sizeof(own), "b%zu.%zu", s->current[agent], st->source.count + 1);
	groups[0] = (struct source_group){ own, SECOND - 3600 * (int64_t)pick(s, 3) };
	groups[1] = (struct source_group){ pick(s, 2) ? "all" : "some", groups[0].second };
	source_seal(&st->source, groups, 2);
	if (st->source.count == 1 && s->session[agent] != SESSIONS)
		post(&s->links[s->session[agent]].to_relay,
		     &(struct message){ .what = TO_OPEN, .stream = s->current[agent] });
}

static void agent_sends(struct sim *s, size_t agent)
{
	struct link *l = &s->links[s->session[agent]];

	for (size_t i = 0; i < s->stream_count; i++) {
		struct stream *st = s->streams[i];

		if (st->agent != agent || !st->opened)
			continue;
		if (chance(s, 60))
			post(&l->to_relay, &(struct message){ .what = TO_CONFIRM, .stream = i });
		while (st->sent < st->source.count && st->sent < st->committed + WINDOW &&
		       chance(s, 700)) {
			struct message m = { .what = TO_BATCH, .stream = i, .seq = ++st->sent };

			m.named = st->stored.nonce && m.seq == st->stored.seq + 1;
			m.state = st->stored;
			post(&l->to_relay, &m);
		}
	}
}

/* ---- a step --------------------------------------------------------------------------------------- */

static void step_links(struct sim *s)
{
	struct message m;

	for (size_t i = 0; i < s->link_count; i++) {
		struct link *l = &s->links[i];

		if (!l->used)
			continue;
		while (s->relays[l->relay].asleep_until <= s->now && l->relay_knows &&
		       chance(s, 500) && take(&l->to_relay, &m))
			relay_hears(s, l, &m);
		while (l->agent_alive && chance(s, 500) && take(&l->to_agent, &m))
			agent_hears(s, l, &m);
		if (l->agent_alive && (!l->relay_knows || mishap(s, 3)))
			agent_leaves(s, l->agent);
		/* The relay notices when it has read what was still in its socket. */
		if (!l->agent_alive && (!l->relay_knows || (list_empty(&l->to_relay) && chance(s, 100)))) {
			if (l->relay_knows)
				committer_peer_gone(&l->peer);
			drop_all(&l->to_relay);
			drop_all(&l->to_agent);
			l->used = false;
		}
	}
}

static void relay_end(struct sim *s, struct relay *r)
{
	struct answer unknown = answer_unknown();

	while (!list_empty(&r->requests))
		request_answer(s, LIST_ENTRY(r->requests.next, struct request, link), r, &unknown);
	committer_release(&r->c);
}

static void relay_crash(struct sim *s, size_t at)
{
	struct relay *r = &s->relays[at];

	s->crashes++;
	for (size_t i = 0; i < s->link_count; i++) {
		struct link *l = &s->links[i];

		if (!l->used || l->relay != at || !l->relay_knows)
			continue;
		committer_peer_gone(&l->peer);
		l->relay_knows = false;
		drop_all(&l->to_relay);
		drop_all(&l->to_agent);
	}
	connection_lost(s, r);
	relay_end(s, r);
	relay_boot(s, r);
}

static void step_relays(struct sim *s)
{
	for (size_t i = 0; i < RELAYS; i++) {
		struct relay *r = &s->relays[i];

		if (mishap(s, 2))
			relay_crash(s, i);
		if (mishap(s, 2))
			r->asleep_until = s->now + 100 * (int64_t)(20 + pick(s, 200));
		if (r->asleep_until > s->now && !s->healing)
			continue;
		serve(s, r);
		committer_tick(&r->c, s->now);
		if (!r->c.has_flight && mishap(s, 5))
			image_evict(&r->c.image, INT64_MAX, INT64_MAX, SIZE_MAX);
	}
}

static void step(struct sim *s)
{
	s->now += 100;
	for (size_t agent = 0; agent < AGENTS; agent++) {
		if (!s->healing && chance(s, 150))
			agent_seals(s, agent);
		if (mishap(s, 1) && s->stream_count < STREAMS) {
			agent_leaves(s, agent); /* killed; what is sealed is in its spool */
			agent_begins(s, agent);
		}
		if (s->session[agent] == SESSIONS && chance(s, 300))
			agent_connects(s, agent);
		if (s->session[agent] != SESSIONS)
			agent_sends(s, agent);
	}
	step_links(s);
	step_relays(s);
	if (mishap(s, 4)) {
		model_store_rollback(&s->store, 1 + pick(s, 12));
		s->rollbacks++;
	}
	if (mishap(s, 4))
		swap_partial(s);
}

static bool all_committed(struct sim *s)
{
	for (size_t i = 0; i < s->stream_count; i++)
		if (s->streams[i]->committed != s->streams[i]->source.count)
			return false;
	for (size_t i = 0; i < RELAYS; i++)
		if (!committer_idle(&s->relays[i].c))
			return false;
	return true;
}

/* Everybody asks once more before the end: an agent that was told COMMITTED must still be right. */
static void heal(struct sim *s)
{
	int quiet = 0;

	s->healing = true;
	for (size_t i = 0; i < RELAYS; i++)
		s->relays[i].asleep_until = 0;
	for (int i = 0; i < HEALING && quiet < 200; i++) {
		step(s);
		quiet = all_committed(s) ? quiet + 1 : 0;
	}
	if (quiet < 200) {
		for (size_t i = 0; i < s->stream_count; i++)
			print_message("stream %zu: %zu sealed, committed %llu sent %llu opened %d\n", i,
				      s->streams[i]->source.count,
				      (unsigned long long)s->streams[i]->committed,
				      (unsigned long long)s->streams[i]->sent, s->streams[i]->opened);
		fail_msg("it never came to rest");
	}
}

/* ---- the sum ---------------------------------------------------------------------------------------- */

static void count_cell(void *arg, struct slice hour, struct slice field, struct slice blob)
{
	struct map *counts = arg;
	struct slice series = slice_of(field.ptr + 1, field.size - 1);
	uintptr_t before = (uintptr_t)map_get(counts, series);
	struct cell *cell;

	(void)hour;
	assert_int_equal(cell_decode(blob, &cell), 0);
	before += (uintptr_t)cell_counter_sum(cell);
	assert_int_equal(map_put(counts, series, (void *)before), 0);
	cell_free(cell);
}

static void check_counts(struct sim *s)
{
	struct map counts;
	size_t total = 0;

	map_init(&counts);
	model_store_cells(&s->store, count_cell, &counts);
	for (size_t i = 0; i < s->stream_count; i++)
		for (size_t seq = 1; seq <= s->streams[i]->source.count; seq++) {
			char own[32];

			snprintf(own, sizeof(own), "b%zu.%zu", i, seq);
			assert_int_equal((uintptr_t)map_get(&counts, slice_text(own)), 1);
			total++;
		}
	assert_int_equal((uintptr_t)map_get(&counts, slice_text("all")) +
				 (uintptr_t)map_get(&counts, slice_text("some")),
			 total);
	map_release(&counts);
}

static void sim_begin(struct sim *s, uint64_t seed)
{
	s->random = seed;
	s->now = 1000;
	s->unix_offset = SECOND * 1000;
	s->trouble = (unsigned)pick(s, 4);
	s->links = calloc(SESSIONS, sizeof(*s->links));
	list_init(&s->ghosts);
	model_store_init(&s->store, CFG);
	for (size_t i = 0; i < RELAYS; i++)
		relay_boot(s, &s->relays[i]);
	for (size_t i = 0; i < AGENTS; i++) {
		s->session[i] = SESSIONS;
		agent_begins(s, i);
	}
}

static void sim_end(struct sim *s)
{
	for (size_t i = 0; i < s->link_count; i++) {
		struct link *l = &s->links[i];

		if (!l->used)
			continue;
		if (l->relay_knows)
			committer_peer_gone(&l->peer);
		drop_all(&l->to_relay);
		drop_all(&l->to_agent);
	}
	for (size_t i = 0; i < RELAYS; i++)
		relay_end(s, &s->relays[i]);
	while (!list_empty(&s->ghosts))
		request_free(LIST_ENTRY(s->ghosts.next, struct request, link));
	for (size_t i = 0; i < s->stream_count; i++) {
		source_release(&s->streams[i]->source);
		free(s->streams[i]);
	}
	model_store_release(&s->store);
	free(s->links);
}

static void run_seed(uint64_t seed, size_t totals[5])
{
	struct sim *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	sim_begin(s, seed);
	for (int i = 0; i < STEPS; i++)
		step(s);
	heal(s);
	check_counts(s);
	for (size_t i = 0; i < s->stream_count; i++)
		totals[0] += s->streams[i]->source.count;
	totals[1] += s->refusals;
	totals[2] += s->rollbacks;
	totals[3] += s->crashes;
	totals[4] += s->protocol_errors;
	sim_end(s);
	free(s);
}

static void test_every_batch_is_counted_exactly_once(void **state)
{
	const char *many = getenv("HOURGLASS_SEEDS"), *one = getenv("HOURGLASS_SEED");
	uint64_t seeds = many ? strtoull(many, NULL, 10) : 60;
	size_t totals[5] = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		print_message("\rseed %llu ", (unsigned long long)(one ? strtoull(one, NULL, 10) : seed));
		run_seed(one ? strtoull(one, NULL, 10) : seed, totals);
		if (one)
			break;
	}
	print_message("\r%zu batches, %zu refusals, %zu rollbacks, %zu crashes, %zu protocol errors\n",
		      totals[0], totals[1], totals[2], totals[3], totals[4]);
	assert_true(one || (totals[1] > seeds && totals[2] > seeds / 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_batch_is_counted_exactly_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
