// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/world.h"

#include "proto/hour.h"
#include "tests/sim/agent_node.h"
#include "tests/sim/faults.h"
#include "tests/sim/relay_node.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#define WORLD_LATE_HOURS  30    /* what is older than this is below the floor */
#define WORLD_HEAL_MS     90000 /* by then all must be settled */
#define WORLD_LOOK_MS     100
#define WORLD_COMPACT_MS  2600
#define WORLD_SKEW_MS     100000

void world_note(struct world *w, enum trace_kind kind, uint64_t a, uint64_t b, uint64_t c,
		uint64_t d)
{
	struct trace_event event = { .at_ms = w->now_ms, .kind = kind, .numbers = { a, b, c, d } };

	trace_note(&w->trace, &event);
}

void world_later(struct world *w, int64_t at_ms, event_fn run, void *subject)
{
	struct event event = { .at_ms = at_ms, .run = run, .subject = subject };

	queue_put(&w->queue, &event);
}

/* ---- begin and end ------------------------------------------------------------------------------- */

static void world_init_store(const struct world *w, struct model_store *store)
{
	static const unsigned flaws[RULE_COUNT] = {
		[RULE_VERSION] = MODEL_NO_VERSION,
		[RULE_ABSENT] = MODEL_NO_ABSENT,
		[RULE_SPLIT] = MODEL_IN_PARTS,
		[RULE_STREAMS] = MODEL_BY_STREAMS,
		[RULE_SOURCE] = MODEL_NO_SOURCE,
		[RULE_SIZE] = MODEL_NO_SIZE,
		[RULE_DAY] = MODEL_DAY_STAYS,
		[RULE_WRITER] = MODEL_BY_WRITER,
	};

	model_store_init(store, hash_cfg(w->plan.partitions));
	store->floor_hour = w->floor_hour;
	store->flaws = flaws[w->without];
}

static void world_init(struct world *w, const struct world_options *options)
{
	w->seed = options->seed;
	w->without = options->without;
	w->rng.state = options->seed * 0x2545f4914f6cdd1dU + 1;
	w->trace.loud = options->loud;
	faults_plan(w);
	rkey_tags_init(&w->tags, w->plan.partitions);
	w->floor_hour = hour_of_second(w->unix_ms / 1000) - WORLD_LATE_HOURS;
	for (uint32_t p = 0; p < w->plan.partitions; p++)
		world_init_store(w, &w->stores[p]);
	book_init(&w->book, w->plan.partitions, w->floor_hour);
	for (uint32_t i = 0; i < w->plan.relays; i++) {
		snprintf(w->names[i], sizeof(w->names[i]), "10.0.0.%u:8127", i + 1);
		w->relays[i].world = w;
		w->relays[i].index = i;
		w->relays[i].skew_ms = rng_between(&w->rng, 0, WORLD_SKEW_MS);
		relay_start(&w->relays[i]);
	}
	for (uint32_t i = 0; i < w->plan.agents; i++) {
		w->agents[i].world = w;
		w->agents[i].index = i;
		w->agents[i].skew_ms = rng_between(&w->rng, 0, WORLD_SKEW_MS);
		vdisk_init(&w->agents[i].disk, i, &w->rng);
		w->agents[i].disk.asked_again = w->without == RULE_RESYNC;
		agent_start(&w->agents[i]);
	}
}

static void world_release(struct world *w)
{
	for (uint32_t i = 0; i < w->plan.relays; i++)
		relay_release(&w->relays[i]);
	for (uint32_t i = 0; i < w->plan.agents; i++) {
		agent_release(&w->agents[i]);
		vdisk_release(&w->agents[i].disk);
	}
	for (size_t i = 0; i < w->conn_count; i++)
		buf_release(&w->conns[i]->in);
	for (uint32_t p = 0; p < w->plan.partitions; p++)
		model_store_release(&w->stores[p]);
	book_release(&w->book);
	queue_release(&w->queue);
	arena_release(&w->arena);
	free(w->conns);
	free(w->dead);
	free(w);
}

/* ---- time ------------------------------------------------------------------------------------------ */

static void world_run_agent(struct agent_node *a)
{
	if (a->alive)
		agent_run(a);
	else
		agent_start(a);
}

static void world_run_relay(struct relay_node *r)
{
	if (r->alive)
		relay_run(r);
	else
		relay_start(r);
}

/* When the first of the nodes has something to do. */
static int64_t world_nodes_due(const struct world *w)
{
	int64_t due = w->next_fault_ms;

	for (uint32_t i = 0; i < w->plan.agents; i++)
		if (agent_due(&w->agents[i]) < due)
			due = agent_due(&w->agents[i]);
	for (uint32_t i = 0; i < w->plan.relays; i++)
		if (relay_due(&w->relays[i]) < due)
			due = relay_due(&w->relays[i]);
	return due;
}

static void world_run_nodes(struct world *w)
{
	if (w->next_fault_ms <= w->now_ms)
		faults_beat(w);
	for (uint32_t i = 0; i < w->plan.agents; i++)
		if (agent_due(&w->agents[i]) <= w->now_ms)
			world_run_agent(&w->agents[i]);
	for (uint32_t i = 0; i < w->plan.relays; i++)
		if (relay_due(&w->relays[i]) <= w->now_ms)
			world_run_relay(&w->relays[i]);
}

/* Runs until a time; all that is due at it is done. */
static void world_run_until(struct world *w, int64_t until_ms)
{
	for (;;) {
		int64_t event_ms = queue_next_ms(&w->queue), node_ms = world_nodes_due(w);
		int64_t next_ms = event_ms < node_ms ? event_ms : node_ms;

		if (next_ms > until_ms)
			break;
		/* What a beat of before changed may be due at once. */
		if (next_ms > w->now_ms)
			w->now_ms = next_ms;
		if (event_ms <= node_ms) {
			struct event event = queue_take(&w->queue);

			event.run(w, &event);
		} else {
			world_run_nodes(w);
		}
	}
	w->now_ms = until_ms;
}

/* ---- the verdict --------------------------------------------------------------------------------- */

static const char *world_unsettled(const struct world *w)
{
	const char *why = NULL;

	for (uint32_t i = 0; i < w->plan.agents && why == NULL; i++)
		why = agent_unsettled(&w->agents[i]);
	for (uint32_t i = 0; i < w->plan.relays && why == NULL; i++)
		for (uint32_t p = 0; w->relays[i].alive && p < w->plan.partitions; p++)
			if (!committer_idle(&w->relays[i].committers[p]))
				why = "a relay holds batches";
	return why;
}

static void world_settle(struct world *w)
{
	int64_t deadline_ms = w->now_ms + WORLD_HEAL_MS;

	do {
		world_run_until(w, w->now_ms + WORLD_LOOK_MS);
		w->stuck = world_unsettled(w);
	} while (w->stuck != NULL && w->now_ms < deadline_ms);
	/* Compactors may have something to bring to an end, that is then looked at. */
	if (w->plan.compactors != COMPACTORS_NONE)
		world_run_until(w, w->now_ms + WORLD_COMPACT_MS);
}

static void world_tell(const struct world *w, const struct book_result *result)
{
	trace_print(&w->trace, stderr);
	fprintf(stderr,
		"seed %" PRIu64 " without %s: lost %" PRIu64 ", twice %" PRIu64 ", torn %" PRIu64
		", wrong %" PRIu64 ", declared lost %" PRIu64 ", out of chain %" PRIu64
		", %s\n",
		w->seed, rule_texts[w->without].word, result->lost, result->twice, result->torn,
		result->wrong, w->stats.declared, w->stats.chains_broken,
		w->stuck ? w->stuck : "all settled");
	if (result->first_bad < w->book.count) {
		const struct book_batch *b = &w->book.batches[result->first_bad];
		uint64_t incarnation;

		memcpy(&incarnation, b->stream.bytes + FRAME_AGENT_BYTES, sizeof(incarnation));
		fprintf(stderr, "first: batch %" PRIu64 " of agent %u, incarnation %" PRId64
			", partition %" PRIu32 ", seq %" PRIu64 "\n",
			result->first_bad, b->stream.bytes[0] - 1u, (int64_t)incarnation,
			b->partition, b->seq);
	}
	fprintf(stderr, "replay: sim --seed %" PRIu64 " --without %s --trace\n", w->seed,
		rule_texts[w->without].word);
}

static void world_add(struct world_stats *sum, const struct world_stats *n)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)n;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

struct world_verdict world_run(const struct world_options *options, struct world_stats *stats)
{
	struct world *w = calloc(1, sizeof(*w));
	struct world_verdict verdict;
	struct book_result result;

	if (w == NULL)
		abort();
	world_init(w, options);
	world_run_until(w, w->plan.fault_end_ms);
	faults_heal(w);
	world_settle(w);
	result = book_check(&w->book, w->stores, &w->tags);
	for (uint32_t i = 0; i < w->plan.agents; i++)
		if (w->agents[i].alive)
			w->stats.declared += w->agents[i].outbox.counts.lost;
	w->stats.seeds = 1;
	w->stats.lost = result.lost;
	w->stats.twice = result.twice;
	w->stats.torn = result.torn;
	w->stats.wrong = result.wrong;
	w->stats.stuck = w->stuck != NULL;
	w->stats.excused = result.excused;
	/* Only what died with a disk may have been declared lost. */
	verdict.failed = result.lost || result.twice || result.torn || result.wrong || w->stuck ||
			 (w->stats.declared && !(w->plan.disk && result.doubted));
	verdict.hash = w->trace.hash;
	if (verdict.failed && options->tell)
		world_tell(w, &result);
	world_add(stats, &w->stats);
	world_release(w);
	return verdict;
}
