// SPDX-License-Identifier: Apache-2.0
/*
 * serve_many.c - names to keys, keys to a survey, a survey to an answer.
 *
 * Names are looked through on the loop if their prefix has few, else in the thread beside it,
 * with all that is needed held in the request. What watermarks vouch for is judged between the
 * two steps, before any data is read, and only if names and data are of one server.
 */
#include "queryd/queryd_private.h"

#include "queryd/answer_many.h"

#include <errno.h>
#include <stdlib.h>

/* A request over many keys, while it waits for Redis. */
struct many {
	struct aside_job job; /* first */
	struct queryd *queryd;
	struct http_request *request;
	struct route_request asked;
	struct query query;
	struct ledger ledger;
	uint64_t begun_ns;
	uint64_t deadline_ms;
	uint64_t names_generation; /* of the names that keys are chosen from */
	struct queryd_vouch vouch;
	/* While the names are looked through: */
	struct scope_keys *keys;
	struct query_limits limits;
	int64_t now_second;
	struct survey *survey;
	struct route_refusal why;
	int status;
};

static void many_free(struct many *m)
{
	scope_release(m->keys);
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
	const struct agents_verdict verdict = m->vouch.verdict;
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

	buf_init(&body, (size_t)q->config->max_answer);
	if (status == 0) {
		queryd_costs(q, survey_costs(survey));
		queryd_read(q, m->request, &m->vouch);
		status = put_answer(m, survey, &body);
	}
	if (status == 0) {
		sent = respond_json(m->request, &q->responder, 200, &body);
	} else {
		buf_release(&body);
		sent = queryd_refuse_store(q, m->request, status, &match);
	}
	queryd_count(q, m->asked.route, sent, m->begun_ns);
	many_free(m);
}

static void build(struct aside_job *job)
{
	struct many *m = (struct many *)job;

	if (m->asked.route == ROUTE_LEDGER)
		m->status = ledger_build(&m->asked, m->keys, &m->limits, m->now_second, &m->ledger,
					 &m->survey, &m->why);
	else
		m->status = query_build(&m->asked, m->keys, &m->limits, m->now_second, &m->query,
					&m->survey, &m->why);
}

static void on_built(struct aside_job *job, bool late)
{
	struct many *m = (struct many *)job;
	struct queryd *q = m->queryd;
	int status = late ? -EBUSY : m->status;
	unsigned sent;

	/* Redis may have been lost meanwhile, and what is known of the fleet with it. */
	if (status == 0 && !queryd_knows_names(q, m->request, &sent)) {
		survey_free(m->survey);
		queryd_count(q, m->asked.route, sent, m->begun_ns);
		many_free(m);
		return;
	}
	if (status == 0) {
		survey_use_cache(m->survey, q->cache);
		status = survey_start(m->survey, fleet_partitions(&q->fleet),
				      queryd_retention_hours(q));
	}
	if (status == 0) {
		m->vouch = queryd_vouch(q, m->asked.to_hour, &m->names_generation);
		fetch_start(&q->fetches, &fetch_survey, m->survey, m->deadline_ms, on_fetched, m);
		return;
	}
	survey_free(m->survey);
	sent = status == -EINVAL ? respond_refusal(m->request, &q->responder, &m->why) :
				   queryd_refuse_store(q, m->request, status, NULL);
	queryd_count(q, m->asked.route, sent, m->begun_ns);
	many_free(m);
}

/* Few enough to be looked through at once, without waiting for those who look through more. */
static bool has_few_names(const struct many *m)
{
	struct slice prefix = m->asked.route == ROUTE_LEDGER ? slice_text(LEDGER_PREFIX) :
							       glob_prefix(&m->asked.match);

	return scope_few(m->keys, prefix, QUERYD_FEW_NAMES);
}

unsigned serve_many(struct queryd *q, struct http_request *request,
		    const struct route_request *asked, const struct scope_keys *keys,
		    uint64_t begun_ns)
{
	struct many *m;
	unsigned sent;

	if (!queryd_knows_names(q, request, &sent))
		return sent;
	m = calloc(1, sizeof(*m));
	if (m)
		m->keys = scope_hold(keys);
	if (!m || !m->keys) {
		free(m);
		return queryd_refuse_store(q, request, -ENOMEM, NULL);
	}
	m->job.run = build;
	m->job.done = on_built;
	m->queryd = q;
	m->request = request;
	m->asked = *asked;
	m->begun_ns = begun_ns;
	m->names_generation = names_poll_generation(&q->names_poll);
	m->deadline_ms = uv_now(&q->loop) + (uint64_t)q->config->query_timeout_ms;
	m->limits = queryd_limits(q);
	m->now_second = life_wall_ms() / 1000;
	if (has_few_names(m)) {
		build(&m->job);
		on_built(&m->job, false);
	} else {
		aside_start(&q->looking, &m->job, queryd_deadline_ns(q, begun_ns));
	}
	return 0;
}
