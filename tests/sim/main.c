// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/outage.h"
#include "tests/sim/world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A rule taken away must be missed within so many seeds. */
#define SELF_TEST_SEEDS 10000
#define SELF_TEST_WHOLE 100 /* seeds of the contract as written */

struct options {
	uint64_t first, count, seed;
	double seconds;
	enum rule without;
	bool has_seed, trace, self_test, twice, has_outage;
	struct outage_options outage;
};

static double main_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int main_usage(void)
{
	fprintf(stderr, "usage: sim [--seeds N] [--first K] [--seconds S] [--without RULE] [--twice]\n"
			"       sim --seed N [--without RULE] [--trace]\n"
			"       sim --self-test\n"
			"       sim --outage disk|memory [--minutes N] [--rate N]\n"
			"Runs seeds K, K+1... until N are done or S seconds are over. --twice runs each\n"
			"a second time and compares. Rules:\n");
	for (int rule = 0; rule < RULE_COUNT; rule++)
		fprintf(stderr, "  %-12s %s\n", rule_texts[rule].word, rule_texts[rule].text);
	return 2;
}

static void main_summary(const struct world_stats *n, double seconds)
{
	printf("%" PRIu64 " seeds, %" PRIu64 " batches, %" PRIu64 " commits sent, %" PRIu64
	       " rolled back in %" PRIu64 " restarts, %" PRIu64 " agent kills, %" PRIu64
	       " relay kills, %" PRIu64 " stops, %" PRIu64 " resets, %" PRIu64 " clock jumps, ",
	       n->seeds, n->batches, n->commits, n->rolled_back, n->restarts, n->agent_kills,
	       n->relay_kills, n->pauses, n->resets, n->clock_jumps);
	printf("%" PRIu64 " machines without power, %" PRIu64 " batches found in spools, %" PRIu64
	       " torn files, %" PRIu64 " syncs of a failing disk, %" PRIu64
	       " parts gone with a disk or memory, ",
	       n->crashes, n->restored, n->torn_files, n->degraded, n->excused);
	printf("%" PRIu64 " hours compacted, %" PRIu64 " days made, %" PRIu64
	       " compactions refused, ",
	       n->compacted, n->days, n->compact_refused);
	printf("%" PRIu64 " discards, %" PRIu64 " sessions refused (%" PRIu64
	       " out of chain), %" PRIu64 " hours evicted, %" PRIu64 " late calls, %" PRIu64
	       " streams swept, ",
	       n->discards, n->sessions_refused, n->chains_broken, n->evictions, n->late_calls,
	       n->swept);
	printf("%" PRIu64 " lost, %" PRIu64 " twice, %" PRIu64 " torn, %" PRIu64 " wrong, %" PRIu64
	       " declared lost, %" PRIu64 " stuck, %.1f s (%.0f seeds/s)\n",
	       n->lost, n->twice, n->torn, n->wrong, n->declared, n->stuck, seconds,
	       (double)n->seeds / seconds);
}

static int main_one(const struct options *o)
{
	struct world_stats stats = { 0 };
	struct world_options run = { .seed = o->seed, .without = o->without, .loud = o->trace,
				     .tell = true };
	double began = main_now();
	struct world_verdict verdict = world_run(&run, &stats);

	printf("seed %" PRIu64 ": %s, trace %016" PRIx64 "\n", o->seed,
	       verdict.failed ? "FAILED" : "ok", verdict.hash);
	main_summary(&stats, main_now() - began);
	return verdict.failed;
}

/* Runs a seed. Returns whether it failed, or, run twice, was not the same. */
static bool main_seed(const struct options *o, uint64_t seed, bool tell, struct world_stats *stats)
{
	struct world_options run = { .seed = seed, .without = o->without, .tell = tell };
	struct world_stats ignored = { 0 };
	struct world_verdict verdict = world_run(&run, stats);

	if (!o->twice)
		return verdict.failed;
	run.tell = false;
	if (world_run(&run, &ignored).hash == verdict.hash)
		return verdict.failed;
	fprintf(stderr, "seed %" PRIu64 " is not the same when run again\n", seed);
	return true;
}

static int main_many(const struct options *o)
{
	struct world_stats stats = { 0 };
	double began = main_now();
	uint64_t failed = 0;

	for (uint64_t i = 0; i < o->count; i++) {
		if (o->seconds > 0 && main_now() - began >= o->seconds)
			break;
		failed += main_seed(o, o->first + i, failed == 0, &stats);
	}
	main_summary(&stats, main_now() - began);
	if (failed > 0)
		printf("%" PRIu64 " seeds FAILED\n", failed);
	return failed > 0;
}

/* Each rule taken away must be noticed, and the contract as written must not. */
static int main_self_test(struct options *o)
{
	int missed = 0;

	for (int rule = 0; rule < RULE_COUNT; rule++) {
		struct world_stats stats = { 0 };
		uint64_t seed = o->first;
		uint64_t last = seed + (rule == RULE_NONE ? SELF_TEST_WHOLE : SELF_TEST_SEEDS);
		bool failed = false;

		o->without = (enum rule)rule;
		while (!failed && seed < last)
			failed = main_seed(o, seed++, false, &stats);
		printf("without %-12s %s after %" PRIu64 " seeds: %" PRIu64 " lost, %" PRIu64
		       " twice, %" PRIu64 " stuck (%s)\n",
		       rule_texts[rule].word, failed ? "fails" : "passes", stats.seeds, stats.lost,
		       stats.twice, stats.stuck, rule_texts[rule].text);
		missed += failed != (rule != RULE_NONE);
	}
	printf("self-test: %s\n", missed ? "FAILED" : "every rule is missed when it is gone");
	return missed > 0;
}

static bool main_number(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *text != '\0' && *end == '\0';
}

/* Takes one option, with its value if it has one. False: there is no such option. */
static bool main_option(struct options *o, const char *name, const char *value, bool *took)
{
	uint64_t number = 0;
	bool is_number = value != NULL && main_number(value, &number);

	*took = false;
	if (strcmp(name, "--trace") == 0)
		return o->trace = true;
	if (strcmp(name, "--self-test") == 0)
		return o->self_test = true;
	if (strcmp(name, "--twice") == 0)
		return o->twice = true;
	*took = true;
	if (strcmp(name, "--without") == 0 && value != NULL) {
		o->without = rule_of_word(value);
		return o->without != RULE_COUNT;
	}
	if (strcmp(name, "--outage") == 0 && value != NULL) {
		o->has_outage = true;
		o->outage.on_disk = strcmp(value, "disk") == 0;
		return o->outage.on_disk || strcmp(value, "memory") == 0;
	}
	if (strcmp(name, "--seeds") == 0)
		o->count = number;
	else if (strcmp(name, "--first") == 0)
		o->first = number;
	else if (strcmp(name, "--seconds") == 0)
		o->seconds = (double)number;
	else if (strcmp(name, "--minutes") == 0)
		o->outage.minutes = (uint32_t)number;
	else if (strcmp(name, "--rate") == 0)
		o->outage.rate = (uint32_t)number;
	else if (strcmp(name, "--seed") == 0)
		o->seed = number, o->has_seed = true;
	else
		return false;
	return is_number;
}

int main(int argc, char **argv)
{
	struct options o = { .first = 1, .outage = { .minutes = 60, .rate = 50000 } };
	bool took;

	for (int i = 1; i < argc; i++) {
		if (!main_option(&o, argv[i], argv[i + 1], &took))
			return main_usage();
		i += took;
	}
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	if (o.has_outage)
		return !outage_run(&o.outage);
	if (o.self_test)
		return main_self_test(&o);
	if (o.has_seed)
		return main_one(&o);
	if (o.count == 0)
		o.count = o.seconds > 0 ? UINT64_MAX : 1000;
	return main_many(&o);
}
