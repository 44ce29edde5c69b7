/*
 * sim_compact.h - compactors beside the relays of sim.h.
 *
 * Two of them on the one partition, so that they meet; each sees its own relay's partials as held in
 * half of the runs, and none in the others. Their commands are lost, late, and run without an answer like
 * everybody's, and the store goes back under them without their being told.
 */
#ifndef TESTS_UNIT_RELAY_SIM_COMPACT_H
#define TESTS_UNIT_RELAY_SIM_COMPACT_H

#include "tests/unit/relay/sim.h"

#include "proto/hour.h"

#define SIM_DAY      (SECOND / 86400)
#define SIM_SETTLING 1000

static inline bool sim_compact_run(void *arg, uint64_t serial, const char *tag, struct slice resp)
{
	struct sim_compactor *k = arg;

	if (strcmp(tag, "agents") == 0 || mishap(k->sim, 5))
		return false;
	assert_null(k->request);
	k->serial = serial;
	k->request = request_new(NULL, resp);
	return true;
}

static inline bool sim_compact_ours(void *arg, uint32_t partition)
{
	(void)arg;
	return partition == 0;
}

static inline bool sim_compact_holds(void *arg, uint32_t partition, int64_t hour, uint64_t pid)
{
	struct sim_compactor *k = arg;

	(void)partition;
	return k->sim->polite && committer_holds(&k->sim->relays[k->relay].c, hour, pid);
}

static inline uint64_t sim_compact_random(void *arg)
{
	return bytes_random(&((struct sim_compactor *)arg)->sim->random);
}

static inline void sim_compact_told(void *arg, const struct compactor_news *news)
{
	struct sim *s = ((struct sim_compactor *)arg)->sim;

	assert_int_not_equal(news->result, COMPACT_BROKEN);
	assert_int_not_equal(news->result, COMPACT_FOREIGN);
	s->swaps += news->result == COMPACT_DONE;
	s->swaps_refused += news->result == COMPACT_REFUSED;
}

static const struct compactor_effects sim_compact_effects = {
	.run = sim_compact_run,
	.ours = sim_compact_ours,
	.holds = sim_compact_holds,
	.random = sim_compact_random,
	.told = sim_compact_told,
};

/* In two runs of three all hours are long closed, so days are rolled up and made anew all the time. */
static inline void sim_compact_begin(struct sim *s)
{
	s->polite = pick(s, 2);
	s->compact_offset = s->unix_offset + (pick(s, 3) ? 2 * 86400 * 1000 : 0);
	s->store.floor_hour = SECOND / HOUR_SECONDS - 10;
	rkey_tags_init(&s->tags, 1);
	for (size_t i = 0; i < COMPACTORS; i++) {
		struct sim_compactor *k = &s->compactors[i];
		const struct compactor_options o = {
			.cfg = CFG, .tags = &s->tags, .retention_hours = 840, .retention_days = 400,
			.partials = 2, .every_ms = 3000, .unix_offset_ms = &s->compact_offset,
			.counters = &s->n, .effects = &sim_compact_effects, .arg = k,
		};

		*k = (struct sim_compactor){ .sim = s, .relay = i };
		compactor_init(&k->c, &o);
	}
}

static inline void sim_compact_end(struct sim *s)
{
	for (size_t i = 0; i < COMPACTORS; i++) {
		if (s->compactors[i].request != NULL)
			request_free(s->compactors[i].request);
		compactor_release(&s->compactors[i].c);
	}
}

/* The command is run now, later or never, and nobody hears of it. */
static inline void sim_compact_lose(struct sim *s, struct sim_compactor *k)
{
	struct request *q = k->request;
	struct answer unknown = answer_unknown();

	k->request = NULL;
	request_lose(s, q);
	if (pick(s, 2))
		compactor_restart(&k->c, s->now);
	else
		compactor_answer(&k->c, k->serial, &unknown, s->now);
}

static inline void sim_compact_serve(struct sim *s, struct sim_compactor *k)
{
	struct request *q = k->request;
	struct model_reply reply;
	struct answer a;

	k->request = NULL;
	model_store_run(&s->store, slice_of(q->resp, q->size), &reply);
	a = answer_of_words(reply.words, reply.count);
	compactor_answer(&k->c, k->serial, &a, s->now);
	model_reply_release(&reply);
	request_free(q);
}

static inline void sim_compact_step(struct sim *s)
{
	for (size_t i = 0; i < COMPACTORS; i++) {
		struct sim_compactor *k = &s->compactors[i];

		/* Sometimes many commands fit between two events, sometimes none. */
		for (size_t n = pick(s, 12); n > 0; n--) {
			compactor_tick(&k->c, s->now);
			if (k->request == NULL)
				break;
			if (mishap(s, 3))
				sim_compact_lose(s, k);
			else
				sim_compact_serve(s, k);
		}
	}
}

static inline size_t sim_compact_day(struct sim *s, const struct model_entry **cells)
{
	char key[RKEY_SIZE];

	if (model_store_fields(&s->store, slice_text(rkey_day_manifest("p0.0", SIM_DAY, key)),
			       cells) == 0)
		return 0;
	return model_store_fields(&s->store, slice_text(rkey_day_cells("p0.0", SIM_DAY, key)), cells);
}

/* Lets them finish; where days are closed there is one in the end. Returns its cells. */
static inline size_t sim_compact_settle(struct sim *s, const struct model_entry *cells[MODEL_FIELDS])
{
	size_t count = sim_compact_day(s, cells);

	/* As time does it in a daemon: what is over and clean leaves memory. */
	for (size_t i = 0; i < RELAYS; i++)
		image_evict(&s->relays[i].c.image, INT64_MAX, INT64_MAX, SIZE_MAX);
	for (int i = 0; count == 0 && i < SIM_SETTLING && s->compact_offset != s->unix_offset; i++) {
		s->now += 100;
		sim_compact_step(s);
		count = sim_compact_day(s, cells);
	}
	assert_true(count > 0 || s->compact_offset == s->unix_offset || s->store.count == 0);
	return count;
}

#endif
