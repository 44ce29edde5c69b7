/*
 * accounts.h - what a seal and a question mean for the books.
 *
 *     swap -> the counts as they then stand -> report (report.h) -> into the table that is sealed
 *                                              senders (top.h)   -> `/top`
 *
 * The counts are copied under the intake's mutex, together with the swap or with the open
 * table's level: so received = sealed + rejected + lost + open in every scrape, and in every
 * report. intake and ledger are borrowed. The loop's thread.
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
	struct intake *intake;
	struct ledger *ledger;
	struct report report;
	struct ledger seen; /* as the counts stood at the swap */
	int64_t seen_s;     /* unix: when that was */
	struct top top;
};

/* Readies it for an agent, its id in hex. 0, -ENOMEM. */
int accounts_init(struct accounts *a, struct intake *intake, struct ledger *ledger,
		  const char *agent_id) __attribute__((warn_unused_result));

/* Frees its memory; allowed on zeroes. */
void accounts_release(struct accounts *a);

/* intake_swap, with the counts as they then are. */
struct table *accounts_swap(struct accounts *a, int64_t *now_ms);

/* Puts what was counted up to the swap into the table that was taken. */
void accounts_report(struct accounts *a, const struct table *taken);

/* The table that was taken has been sealed, with these counts. */
void accounts_sealed(struct accounts *a, const struct table *taken,
		     const struct seal_counts *counts);

/* All counts as Prometheus text. */
void accounts_metrics(struct accounts *a, struct buf *out);

/* The n prefixes that send most, as JSON (top_render). */
void accounts_top(struct accounts *a, enum top_by by, size_t n, struct buf *out);

#endif
