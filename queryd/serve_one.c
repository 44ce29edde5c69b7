// SPDX-License-Identifier: Apache-2.0
/*
 * serve_one.c - a plan, its wait for Redis, its answer.
 *
 * The verdict of the watermarks is made before the plan is started. Answers of an hour and a
 * day are tagged by what was read.
 */
#include "queryd/queryd_private.h"

#include "proto/err.h"
#include "queryd/answer.h"
#include "queryd/etag.h"

#include <errno.h>
#include <stdlib.h>

/* Most answers about one key are shorter. */
#define ONE_BYTES 512

/* A request that waits for Redis. */
struct question {
	struct queryd *queryd;
	struct http_request *request;
	struct answer_about about;
	struct queryd_vouch vouch;
	int64_t now_second;
	uint64_t begun_ns;
};

static unsigned answer_plan(struct question *question, struct plan *plan)
{
	struct queryd *q = question->queryd;
	struct plan_result result = plan_result(plan);
	struct answer_about *about = &question->about;
	struct route_refusal why;
	char etag[ETAG_SIZE];
	struct buf body;

	about->key = plan_key(plan);
	queryd_read(q, question->request, &question->vouch);
	if (result.outcome != PLAN_VALUE) {
		answer_explain(&why, about, &result);
		return respond_refusal(question->request, &q->responder, &why);
	}
	about->verdict = question->vouch.verdict;
	buf_init(&body, (size_t)q->config->max_answer);
	buf_reserve(&body, ONE_BYTES);
	answer_result(&body, about, &result);
	if (about->route != ROUTE_HOUR && about->route != ROUTE_DAY)
		return respond_json(question->request, &q->responder, 200, &body);
	etag_make(about, plan_digest(plan), question->now_second, etag);
	return respond_tagged(question->request, &q->responder, etag, &body);
}

static void on_fetched(void *arg, int status, void *plan)
{
	struct question *question = arg;
	struct queryd *q = question->queryd;
	unsigned sent;

	if (status == 0) {
		queryd_costs(q, plan_costs(plan));
		sent = answer_plan(question, plan);
	} else {
		sent = queryd_refuse_store(q, question->request, status, &question->about.key);
	}
	queryd_count(q, question->about.route, sent, question->begun_ns);
	free(question);
}

unsigned serve_one(struct queryd *q, struct http_request *request,
		   const struct route_request *asked, uint64_t begun_ns)
{
	const struct plan_settings settings = {
		.now_second = life_wall_ms() / 1000,
		.retention_hours = queryd_retention_hours(q),
		.kept_from = queryd_kept_from(q),
		.cache = q->cache,
		.stock = &q->plans,
	};
	struct question *question;
	struct plan *plan;

	if (!redis_is_up(q->redis) || !fleet_is_known(&q->fleet))
		return queryd_refuse_store(q, request, ERR_STORE_DOWN, NULL);
	if (plan_new(asked, &settings, &plan) < 0)
		return queryd_refuse_store(q, request, -ENOMEM, NULL);
	question = malloc(sizeof(*question));
	if (!question) {
		plan_free(plan);
		return queryd_refuse_store(q, request, -ENOMEM, NULL);
	}
	*question = (struct question){
		.queryd = q,
		.request = request,
		.begun_ns = begun_ns,
		.now_second = settings.now_second,
		.vouch = queryd_vouch(q, asked->to_hour, NULL),
		.about = {
			.key = plan_key(plan),
			.route = asked->route,
			.stat = asked->stat,
			.kind = asked->kind,
			.step = asked->step,
			.limit = asked->limit,
			.from_hour = asked->from_hour,
			.to_hour = asked->to_hour,
		},
	};
	fetch_start(&q->fetches, &fetch_plan, plan, uv_now(&q->loop) + (uint64_t)q->config->read_timeout_ms,
		    on_fetched, question);
	return 0;
}
