// SPDX-License-Identifier: Apache-2.0
#include "queryd/queryd_private.h"

#include "queryd/answer_many.h"

#include <errno.h>
#include <stdlib.h>

/* A request over many keys, while it waits for Redis. */
struct many {
	struct queryd *queryd;
	struct http_request *request;
	struct route_request asked;
	struct query query;
	struct ledger ledger;
	uint64_t begun_ns;
};

static void many_free(struct many *m)
{
	query_release(&m->query);
	ledger_release(&m->ledger);
	free(m);
}

static int put_top(struct many *m, const struct survey *survey, struct buf *body,
		   const struct agents_verdict *verdict)
{
	struct query_rank *ranks;
	size_t count;
	int status = query_top(&m->query, survey, &ranks, &count);

	if (status < 0)
		return status;
	count = count < m->asked.limit ? count : m->asked.limit;
	answer_top(body, &m->asked, &m->query, ranks, count, verdict);
	free(ranks);
	return 0;
}

static int put_answer(struct many *m, const struct survey *survey, struct buf *body)
{
	struct agents_verdict verdict = queryd_verdict(m->queryd, m->asked.to_hour);
	int status = 0;

	if (m->asked.route == ROUTE_QUERY) {
		answer_query(body, &m->asked, &m->query, survey, &verdict);
	} else if (m->asked.route == ROUTE_TOP_KEYS) {
		status = put_top(m, survey, body, &verdict);
	} else {
		status = ledger_fill(&m->ledger, survey);
		if (status == 0)
			answer_ledger(body, &m->asked, &m->ledger, &verdict);
	}
	return status;
}

static void on_fetched(void *arg, int status, void *survey)
{
	struct many *m = arg;
	struct queryd *q = m->queryd;
	struct slice match = slice_of(m->asked.key, m->asked.key_size);
	struct buf body;
	unsigned sent;

	buf_init(&body, QUERYD_ANSWER_BYTES);
	if (status == 0) {
		queryd_costs(q, survey_costs(survey));
		status = put_answer(m, survey, &body);
	}
	if (status == 0) {
		sent = respond_json(m->request, q->config, 200, &body);
	} else {
		buf_release(&body);
		sent = queryd_refuse_store(q, m->request, status, &match);
	}
	queryd_count(q, m->asked.route, sent, m->begun_ns);
	many_free(m);
}

static int build(struct many *m, const struct scope_keys *keys, struct survey **survey,
		 struct route_refusal *why)
{
	struct queryd *q = m->queryd;
	struct query_limits limits = queryd_limits(q);
	int64_t now_second = life_wall_ms() / 1000;
	int status;

	if (m->asked.route == ROUTE_LEDGER)
		status = ledger_build(&m->asked, keys, &limits, now_second, &m->ledger,
				      survey, why);
	else
		status = query_build(&m->asked, keys, &limits, now_second, &m->query,
				     survey, why);
	if (status < 0)
		return status;
	status = survey_start(*survey, fleet_partitions(&q->fleet));
	if (status < 0)
		survey_free(*survey);
	return status;
}

unsigned serve_many(struct queryd *q, struct http_request *request,
		    const struct route_request *asked, const struct scope_keys *keys,
		    uint64_t begun_ns)
{
	struct route_refusal why;
	struct survey *survey;
	struct many *m;
	unsigned sent;
	int status;

	if (!queryd_knows_names(q, request, &sent))
		return sent;
	m = calloc(1, sizeof(*m));
	if (!m)
		return queryd_refuse_store(q, request, -ENOMEM, NULL);
	m->queryd = q;
	m->request = request;
	m->asked = *asked;
	m->begun_ns = begun_ns;
	status = build(m, keys, &survey, &why);
	if (status < 0) {
		many_free(m);
		return status == -EINVAL ? respond_refusal(request, q->config, &why) :
					   queryd_refuse_store(q, request, status, NULL);
	}
	fetch_start(&q->fetches, &fetch_survey, survey,
		    uv_now(&q->loop) + (uint64_t)q->config->query_timeout_ms, on_fetched, m);
	return 0;
}
