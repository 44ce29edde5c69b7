/*
 * answer_many.h - answers over many keys as JSON: /v1/query, /v1/top, /v1/ledger.
 *
 * As answer.h: fields in the order of API.md's examples, what came from outside is escaped,
 * errors stay in the buf.
 */
#ifndef QUERYD_ANSWER_MANY_H
#define QUERYD_ANSWER_MANY_H

#include "proto/buf.h"
#include "queryd/agents.h"
#include "queryd/ledger.h"
#include "queryd/query.h"
#include "queryd/route.h"
#include "queryd/survey.h"

/* What /v1/query found. */
void answer_query(struct buf *out, const struct route_request *request, const struct query *query,
		  const struct survey *survey, const struct agents_verdict *verdict);

/* What /v1/top found: `count` of the ranks. */
void answer_top(struct buf *out, const struct route_request *request, const struct query *query,
		const struct query_rank *ranks, size_t count,
		const struct agents_verdict *verdict);

/* What /v1/ledger found. */
void answer_ledger(struct buf *out, const struct route_request *request,
		   const struct ledger *ledger, const struct agents_verdict *verdict);

#endif
