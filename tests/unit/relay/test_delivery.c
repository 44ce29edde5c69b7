// SPDX-License-Identifier: Apache-2.0
#include "relay/committer.h"

#include "tests/unit/relay/sim_compact.h"

/*
 * Every sealed batch is counted exactly once: several relays' committers and model agents over
 * one model store, in random order, while messages wait, sessions break, relays crash
 * or stand still, commits are lost, doubled, late or turned away, hours are evicted, partials
 * are swapped under other names, two compactors bring hours together and roll days up, and the
 * store forgets its last calls. Agents here keep
 * everything, so that no failover may ever lose a batch.
 *
 * Each seed is a run of its own; HOURGLASS_SEEDS=<n> runs more, HOURGLASS_SEED=<n> only one.
 */

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
	sim_compact_step(s);
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

/* Each batch's own counter is 1, and what they share adds up. */
static void check_each(struct sim *s, const struct map *counts)
{
	size_t total = 0;

	for (size_t i = 0; i < s->stream_count; i++)
		for (size_t seq = 1; seq <= s->streams[i]->source.count; seq++) {
			char own[32];

			snprintf(own, sizeof(own), "b%zu.%zu", i, seq);
			assert_int_equal((uintptr_t)map_get(counts, slice_text(own)), 1);
			total++;
		}
	assert_int_equal((uintptr_t)map_get(counts, slice_text("all")) +
				 (uintptr_t)map_get(counts, slice_text("some")),
			 total);
}

/* The hours' partials hold every batch once, and so does the day that was made of them. */
static void check_counts(struct sim *s)
{
	const struct model_entry *cells[MODEL_FIELDS];
	struct map hours, day;
	size_t count;

	map_init(&hours);
	map_init(&day);
	model_store_cells(&s->store, count_cell, &hours);
	check_each(s, &hours);
	count = sim_compact_settle(s, cells);
	for (size_t i = 0; i < count; i++)
		count_cell(&day, slice_of(NULL, 0), cells[i]->field, cells[i]->value);
	if (count > 0)
		check_each(s, &day);
	map_release(&hours);
	map_release(&day);
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
	sim_compact_begin(s);
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
	sim_compact_end(s);
	while (!list_empty(&s->ghosts))
		request_free(LIST_ENTRY(s->ghosts.next, struct request, link));
	for (size_t i = 0; i < s->stream_count; i++) {
		source_release(&s->streams[i]->source);
		free(s->streams[i]);
	}
	model_store_release(&s->store);
	free(s->links);
}

static void run_seed(uint64_t seed, size_t totals[7])
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
	totals[5] += s->swaps;
	totals[6] += s->swaps_refused;
	sim_end(s);
	free(s);
}

static void test_every_batch_is_counted_exactly_once(void **state)
{
	const char *many = getenv("HOURGLASS_SEEDS"), *one = getenv("HOURGLASS_SEED");
	uint64_t seeds = many ? strtoull(many, NULL, 10) : 300;
	size_t totals[7] = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		print_message("\rseed %llu ", (unsigned long long)(one ? strtoull(one, NULL, 10) : seed));
		run_seed(one ? strtoull(one, NULL, 10) : seed, totals);
		if (one)
			break;
	}
	print_message("\r%zu batches, %zu refusals, %zu rollbacks, %zu crashes, %zu protocol errors, "
		      "%zu swaps, %zu of them refused\n",
		      totals[0], totals[1], totals[2], totals[3], totals[4], totals[5] + totals[6],
		      totals[6]);
	assert_true(one || (totals[1] > seeds && totals[2] > seeds / 2));
	assert_true(one || (totals[5] > seeds && totals[6] > seeds / 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_batch_is_counted_exactly_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
