/*
 * ledger.h - what became of every sample, by agent.
 *
 * Agents send what they know of themselves through the pipeline itself, as counters below
 * `hourglass.` with the tags `agent` and `host` (and `reason`): what was received, sealed,
 * rejected, dropped by the kernel, declared lost. The ledger finds these series among the names,
 * has them summed by a survey, and adds up by agent. Pure.
 */
#ifndef QUERYD_LEDGER_H
#define QUERYD_LEDGER_H

#include "proto/slice.h"
#include "queryd/query.h"
#include "queryd/route.h"
#include "queryd/scope.h"
#include "queryd/survey.h"

#include <stddef.h>
#include <stdint.h>

#define LEDGER_PREFIX  SCOPE_OWN
#define LEDGER_REASONS 64 /* of an agent; further ones are added up as `other` */

enum ledger_column {
	LEDGER_RECEIVED,
	LEDGER_COUNTED,     /* sealed: on its way to Redis, to arrive exactly once */
	LEDGER_REJECTED,    /* by reason */
	LEDGER_UNSUPPORTED, /* by reason */
	LEDGER_KERNEL_DROPS,
	LEDGER_TRUNCATED,
	LEDGER_LOST,
	LEDGER_COLUMNS,
};

struct ledger_reason {
	enum ledger_column column;
	struct slice reason;
	double value;
};

struct ledger_line {
	struct slice agent, host;
	double sums[LEDGER_COLUMNS];
	struct ledger_reason *reasons; /* by column and reason */
	size_t reason_count, reason_capacity;
};

/* A series that takes part, in the order of the survey's groups. */
struct ledger_entry {
	enum ledger_column column;
	struct slice agent, host, reason; /* in bytes */
	uint8_t *bytes;
};

struct ledger {
	struct ledger_line *lines; /* by agent */
	size_t line_count, line_capacity;
	struct ledger_line total;
	/* private */
	struct ledger_entry *entries;
	size_t entry_count, entry_capacity;
};

/* Finds the series and builds the survey, ready for survey_start; both are the caller's. 0; -EINVAL
 * with *why; -ENOMEM. */
int ledger_build(const struct route_request *request, const struct scope_keys *keys,
		 const struct query_limits *limits, int64_t now_second, struct ledger *out,
		 struct survey **survey, struct route_refusal *why)
	__attribute__((warn_unused_result));

/* Adds up what the survey found: lines and total. 0, -ENOMEM. */
int ledger_fill(struct ledger *l, const struct survey *survey) __attribute__((warn_unused_result));

/* Frees what it holds. */
void ledger_release(struct ledger *l);

#endif
