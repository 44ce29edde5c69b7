// SPDX-License-Identifier: Apache-2.0
/*
 * accounts.c - sums over the loop's ledger and every intake's, taken under each one's mutex.
 *
 * Receivers go on between two intakes, so the sum is of no single instant; but each addend agrees
 * with itself, and so the equations of ledger.h hold for the sum.
 */
#include "agent/accounts.h"

#include "proto/daemon/life.h"
#include "proto/daemon/log.h"

#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

int accounts_init(struct accounts *a, struct ledger *ledger, const char *agent_id)
{
	char host[HOST_NAME_MAX + 1];

	*a = (struct accounts){ .ledger = ledger };
	top_init(&a->top);
	if (gethostname(host, sizeof(host)) < 0)
		host[0] = '\0';
	host[sizeof(host) - 1] = '\0';
	return report_init(&a->report, agent_id, host);
}

void accounts_release(struct accounts *a)
{
	report_release(&a->report);
	top_release(&a->top);
}

void accounts_set_intakes(struct accounts *a, struct intake *intakes, size_t count)
{
	a->intakes = intakes;
	a->intake_count = count;
}

void accounts_swap(struct accounts *a, struct table **tables, int64_t *now_ms)
{
	int64_t swap_ms;

	ledger_copy(&a->seen, a->ledger);
	*now_ms = INT64_MAX;
	for (size_t i = 0; i < a->intake_count; i++) {
		struct intake *in = &a->intakes[i];

		intake_lock(in);
		tables[i] = intake_swap(in, &swap_ms);
		ledger_add(&a->seen, &in->counts);
		intake_unlock(in);
		if (swap_ms < *now_ms)
			*now_ms = swap_ms;
	}
	a->seen_s = *now_ms / 1000;
}

static int accounts_add(void *arg, struct slice series, double increment)
{
	struct accounts *a = arg;

	return intake_add_own(&a->intakes[0], series, increment, a->seen_s);
}

void accounts_report(struct accounts *a, uint64_t samples)
{
	/* What is about to be sealed counts as sealed: then the sums agree in every report. */
	tally_add(&a->seen.samples_sealed, samples);
	report_run(&a->report, &a->seen, accounts_add, a);
}

/* Notes who has sent what is in a table. */
static void accounts_note_senders(struct accounts *a, const struct table *taken)
{
	int64_t now_ms = life_monotonic_ms();
	const struct table_series *s;
	size_t cursor = 0;

	while ((s = table_next(taken, &cursor)) != NULL) {
		struct slice series = slice_of(s->bytes, s->size);
		struct top_counts counts = { .lines = s->lines, .keys = s->role == TABLE_USER };

		if (s->role == TABLE_OWN)
			continue;
		if (s->role == TABLE_OVERFLOW)
			for (const struct table_group *g = s->groups; g != NULL; g = g->next)
				counts.overflowed += g->samples;
		top_add(&a->top,
			s->role == TABLE_OVERFLOW ? limits_overflowed_segment(series) :
						    limits_segment(series),
			&counts, now_ms);
	}
}

void accounts_end_seal(struct accounts *a)
{
	tally_add(&a->ledger->seals, 1);
	top_end_interval(&a->top);
}

void accounts_sealed(struct accounts *a, const struct table *taken,
		     const struct seal_counts *counts)
{
	struct ledger *l = a->ledger;

	tally_add(&l->lost_memory, counts->lost);
	tally_add(&l->own_sealed, counts->own);
	tally_add(&l->own_lost, counts->own_lost);
	tally_add(&l->overflowed_keys, taken->overflowed[LIMITS_KEYS]);
	tally_add(&l->overflowed_prefix, taken->overflowed[LIMITS_PREFIX]);
	tally_add(&l->overflowed_store, taken->overflowed[LIMITS_STORE]);
	tally_add(&l->overflowed_new_keys, taken->overflowed[LIMITS_NEW_KEYS]);
	accounts_note_senders(a, taken);
	if (counts->lost > 0)
		log_error("no_memory", "for=batch lost_samples=%" PRIu64, counts->lost);
}

/* Adds up what the open tables hold and, where wanted, what their receivers have counted. */
static struct intake_level accounts_add_up(struct accounts *a, struct ledger *counts)
{
	struct intake_level all = { 0 };

	for (size_t i = 0; i < a->intake_count; i++) {
		struct intake *in = &a->intakes[i];
		struct intake_level level;

		intake_lock(in);
		level = intake_level_locked(in);
		if (counts != NULL)
			ledger_add(counts, &in->counts);
		intake_unlock(in);
		all.samples += level.samples;
		all.series += level.series;
		all.bytes += level.bytes;
	}
	return all;
}

void accounts_counts(struct accounts *a, struct ledger *out)
{
	ledger_copy(out, a->ledger);
	(void)accounts_add_up(a, out);
}

struct intake_level accounts_level(struct accounts *a)
{
	return accounts_add_up(a, NULL);
}

void accounts_metrics(struct accounts *a, struct buf *out)
{
	struct intake_level level;
	struct ledger now;

	ledger_copy(&now, a->ledger);
	level = accounts_add_up(a, &now);
	tally_set(&now.samples_open, level.samples);
	tally_set(&now.table_bytes, level.bytes);
	tally_set(&now.table_series, level.series);
	ledger_render(&now, out);
}

void accounts_top(struct accounts *a, enum top_by by, size_t n, struct buf *out)
{
	struct top rejects;

	top_init(&rejects);
	for (size_t i = 0; i < a->intake_count; i++)
		if (intake_merge_rejects(&a->intakes[i], &rejects) < 0)
			break; /* no memory: of some only */
	top_render(&a->top, &rejects, by, n, life_monotonic_ms(), out);
	top_release(&rejects);
}
