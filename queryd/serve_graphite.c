// SPDX-License-Identifier: Apache-2.0
/*
 * serve_graphite.c - small requests at once, large ones in the thread beside the loop.
 *
 * How large one is shows only by doing it: each is tried on the loop with little effort
 * allowed, and begun anew with all of it in the thread when that was not enough. It holds names
 * and scope as they were; Redis may have gone meanwhile, which is asked again before the survey
 * starts.
 */
#include "queryd/queryd_private.h"

#include "proto/err.h"
#include "queryd/form.h"
#include "queryd/graphite_answer.h"
#include "queryd/graphite_find.h"
#include "queryd/graphite_render.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define VERSION "1.1.10" /* of Graphite whose ways these are: Grafana asks */

/* A /render that looks through the names and then waits for Redis. */
struct rendering {
	struct aside_job job; /* first */
	struct queryd *queryd;
	struct http_request *request;
	struct graphite_render *render;
	uint64_t begun_ns;
	uint64_t deadline_ms;
	struct scope_keys *keys;
	struct query_limits limits;
	struct survey *survey;
	struct route_refusal why;
	int status;
};

/* What an editor asks, while the names are looked through. */
struct search {
	struct aside_job job; /* first */
	struct queryd *queryd;
	struct http_request *request;
	enum route route;
	struct form *form;
	struct scope_keys *keys;
	uint64_t begun_ns;
	struct buf body;
	struct route_refusal why;
	int status;
};

static unsigned refuse(struct queryd *q, struct http_request *request, int status,
		       const struct route_refusal *why)
{
	return status == -EINVAL ? respond_refusal(request, &q->responder, why) :
				   queryd_refuse_store(q, request, status, NULL);
}

/* ---- /render -------------------------------------------------------------------------------- */

static unsigned answer_render(struct queryd *q, struct http_request *request,
			      struct graphite_render *render, const struct survey *survey)
{
	struct route_refusal why;
	struct buf body;
	int status;

	buf_init(&body, (size_t)q->config->max_answer);
	status = graphite_render_answer(render, survey, &body, &why);
	if (status < 0) {
		buf_release(&body);
		return refuse(q, request, status, &why);
	}
	return graphite_render_csv(render) ?
		       respond_text(request, &q->responder, "text/csv; charset=utf-8", &body) :
		       respond_json(request, &q->responder, 200, &body);
}

static void end_render(struct rendering *r, unsigned sent)
{
	queryd_count(r->queryd, ROUTE_RENDER, sent, r->begun_ns);
	graphite_render_free(r->render);
	scope_release(r->keys);
	free(r);
}

static void on_fetched(void *arg, int status, void *survey)
{
	struct rendering *r = arg;
	const struct slice log = slice_text("/render");
	unsigned sent;

	if (status == 0) {
		queryd_costs(r->queryd, survey_costs(survey));
		queryd_read(r->queryd, r->request, NULL);
		sent = answer_render(r->queryd, r->request, r->render, survey);
	} else {
		sent = queryd_refuse_store(r->queryd, r->request, status, &log);
	}
	end_render(r, sent);
}

static void pick(struct aside_job *job)
{
	struct rendering *r = (struct rendering *)job;

	r->status = graphite_render_survey(r->render, r->keys, &r->limits, &r->survey, &r->why);
}

static void on_picked(struct aside_job *job, bool late)
{
	struct rendering *r = (struct rendering *)job;
	struct queryd *q = r->queryd;
	int status = late ? -EBUSY : r->status;
	unsigned sent;

	/* Redis may have been lost meanwhile, and what is known of the fleet with it. */
	if (status == 0 && !queryd_knows_names(q, r->request, &sent)) {
		survey_free(r->survey);
		end_render(r, sent);
		return;
	}
	if (status == 0) {
		survey_use_cache(r->survey, q->cache);
		status = survey_start(r->survey, fleet_partitions(&q->fleet),
				      queryd_retention_hours(q));
	}
	if (status == 0) {
		fetch_start(&q->fetches, &fetch_survey, r->survey, r->deadline_ms, on_fetched, r);
		return;
	}
	survey_free(r->survey);
	end_render(r, refuse(q, r->request, status, &r->why));
}

/* Starts what needs names and Redis; takes the rendering. 0, or the status that was sent. */
static unsigned start_render(struct queryd *q, struct http_request *request,
			     struct graphite_render *render, const struct scope_keys *keys,
			     uint64_t begun_ns)
{
	struct rendering *r = calloc(1, sizeof(*r));

	if (r)
		r->keys = scope_hold(keys);
	if (!r || !r->keys) {
		free(r);
		graphite_render_free(render);
		return queryd_refuse_store(q, request, -ENOMEM, NULL);
	}
	r->job.run = pick;
	r->job.done = on_picked;
	r->queryd = q;
	r->request = request;
	r->render = render;
	r->begun_ns = begun_ns;
	r->deadline_ms = uv_now(&q->loop) + (uint64_t)q->config->query_timeout_ms;
	r->limits = queryd_limits(q);
	graphite_render_brief(render, true);
	pick(&r->job);
	graphite_render_brief(render, false);
	if (r->status == -EAGAIN)
		aside_start(&q->looking, &r->job, queryd_deadline_ns(q, begun_ns));
	else
		on_picked(&r->job, false);
	return 0;
}

static unsigned serve_render(struct queryd *q, struct http_request *request,
			     const struct form *form, const struct scope_keys *keys,
			     uint64_t begun_ns)
{
	struct graphite_render *render;
	struct route_refusal why;
	unsigned sent;
	int status = graphite_render_new(form, life_wall_ms() / 1000, &render, &why);

	if (status < 0)
		return refuse(q, request, status, &why);
	if (graphite_render_needs_data(render)) {
		if (queryd_knows_names(q, request, &sent))
			return start_render(q, request, render, keys, begun_ns);
	} else {
		sent = answer_render(q, request, render, NULL);
	}
	graphite_render_free(render);
	return sent;
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void search_free(struct search *s)
{
	form_release(s->form);
	free(s->form);
	scope_release(s->keys);
	free(s);
}

static void find_within(struct search *s, bool brief)
{
	const struct graphite_ask ask = { s->route, s->form, s->keys, brief };

	s->status = graphite_find(&ask, &s->body, &s->why);
}

static void find(struct aside_job *job)
{
	struct search *s = (struct search *)job;

	find_within(s, false);
}

static void on_found(struct aside_job *job, bool late)
{
	struct search *s = (struct search *)job;
	struct queryd *q = s->queryd;
	int status = late ? -EBUSY : s->status;
	unsigned sent;

	if (status == 0) {
		queryd_read_names(q, s->request);
		sent = respond_json(s->request, &q->responder, 200, &s->body);
	} else {
		buf_release(&s->body);
		sent = refuse(q, s->request, status, &s->why);
	}
	queryd_count(q, s->route, sent, s->begun_ns);
	search_free(s);
}

/* Takes the search's form. 0, or the status that was sent. */
static unsigned serve_find(const struct search *wanted, const struct scope_keys *keys)
{
	struct queryd *q = wanted->queryd;
	struct search *s = malloc(sizeof(*s));

	if (!s) {
		form_release(wanted->form);
		free(wanted->form);
		return queryd_refuse_store(q, wanted->request, -ENOMEM, NULL);
	}
	*s = *wanted;
	s->keys = scope_hold(keys);
	if (!s->keys) {
		search_free(s);
		return queryd_refuse_store(q, wanted->request, -ENOMEM, NULL);
	}
	s->job.run = find;
	s->job.done = on_found;
	buf_init(&s->body, (size_t)q->config->max_answer);
	find_within(s, true);
	if (s->status == -EAGAIN)
		aside_start(&q->looking, &s->job, queryd_deadline_ns(q, s->begun_ns));
	else
		on_found(&s->job, false);
	return 0;
}

/* What is the same whatever is asked. */
static unsigned serve_constant(struct queryd *q, struct http_request *request, enum route route)
{
	struct buf body;

	buf_init(&body, (size_t)q->config->max_answer);
	if (route == ROUTE_VERSION) {
		buf_put_text(&body, VERSION);
		return respond_text(request, &q->responder, "text/plain; charset=utf-8", &body);
	}
	if (route == ROUTE_FUNCTIONS)
		graphite_answer_functions(&body);
	else
		buf_put_text(&body, "[]\n"); /* there are no events */
	return respond_json(request, &q->responder, 200, &body);
}

static bool is_form(const struct http_request *request)
{
	const char *type = http_header(request, "Content-Type");

	return type && strncasecmp(type, "application/x-www-form-urlencoded", 33) == 0;
}

unsigned serve_graphite(struct queryd *q, struct http_request *request, enum route route,
			const struct scope_keys *keys, uint64_t begun_ns)
{
	struct slice body = is_form(request) ? http_body(request) : slice_of(NULL, 0);
	struct form *form;
	struct route_refusal why;
	unsigned sent;
	int status;

	if (route == ROUTE_VERSION || route == ROUTE_FUNCTIONS || route == ROUTE_EVENTS)
		return serve_constant(q, request, route);
	form = malloc(sizeof(*form));
	status = form ? form_read(form, http_query(request), body) : -ENOMEM;
	if (status == ERR_MALFORMED || status == ERR_TOO_LARGE)
		status = route_refuse(&why, 400, "bad_target",
				      "a parameter has a bad escape, or there are more than %d",
				      FORM_FIELDS);
	if (status < 0) {
		free(form);
		return refuse(q, request, status, &why);
	}
	if (route == ROUTE_RENDER)
		sent = serve_render(q, request, form, keys, begun_ns);
	else if (queryd_knows_names(q, request, &sent))
		return serve_find(&(struct search){ .queryd = q, .request = request, .route = route,
						    .form = form, .begun_ns = begun_ns }, keys);
	form_release(form);
	free(form);
	return sent;
}
