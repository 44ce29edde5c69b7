/*
 * accounts.h - what a seal and a question mean for the books.
 *
 *     swap -> the counts as they then stand -> report (report.h) -> into a table that is sealed
 *                                              senders (top.h)   -> `/top`
 *
 * There is an intake for each thread that receives. One after the other is swapped, and its counts
 * are copied under the same lock, as they are with its level for a scrape: so received = sealed +
 * rejected + lost + open holds for each, and thus for the sums, in every scrape and every
 * report. intakes and ledger are borrowed. The loop's thread.
 */
#ifndef AGENT_ACCOUNTS_H
#define AGENT_ACCOUNTS_H

#include "agent/intake.h"
#include "agent/ledger.h"
#include "agent/report.h"
#include "agent/seal.h"
#include "agent/top.h"

#include <stddef.h>
#include <stdint.h>

struct accounts {
	/* private */
	struct intake *intakes;
	size_t intake_count;
	struct ledger *ledger;
	struct report report;
	struct ledger seen; /* as the counts stood at the swap */
	int64_t seen_s;     /* unix: when that was */
	struct top top;
};

/* Readies it for an agent, its id in hex; accounts_set_intakes follows. 0, -ENOMEM. */
int accounts_init(struct accounts *a, struct ledger *ledger, const char *agent_id)
	__attribute__((warn_unused_result));

/* Frees its memory; allowed on zeroes. */
void accounts_release(struct accounts *a);

/* Whose books it keeps. */
void accounts_set_intakes(struct accounts *a, struct intake *intakes, size_t count);

/* intake_swap of every intake, with the counts as they then are. tables has room for all;
 * *now_ms is the first swap's. */
void accounts_swap(struct accounts *a, struct table **tables, int64_t *now_ms);

/* Puts what was counted up to the swap, of which `samples` are about to be sealed, into the first
 * table. */
void accounts_report(struct accounts *a, uint64_t samples);

/* A table that was taken has been sealed, with these counts. */
void accounts_sealed(struct accounts *a, const struct table *taken,
		     const struct seal_counts *counts);

/* All tables of a swap have been. */
void accounts_end_seal(struct accounts *a);

/* All counts as they stand. */
void accounts_counts(struct accounts *a, struct ledger *out);

/* What the open tables hold together. */
struct intake_level accounts_level(struct accounts *a);

/* All counts as Prometheus text. */
void accounts_metrics(struct accounts *a, struct buf *out);

/* The n prefixes that send most, as JSON (top_render). */
void accounts_top(struct accounts *a, enum top_by by, size_t n, struct buf *out);

#endif
