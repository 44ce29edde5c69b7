// SPDX-License-Identifier: Apache-2.0
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

/* A /render that waits for Redis. */
struct rendering {
	struct queryd *queryd;
	struct http_request *request;
	struct graphite_render *render;
	uint64_t begun_ns;
};

static unsigned refuse(struct queryd *q, struct http_request *request, int status,
		       const struct route_refusal *why)
{
	return status == -EINVAL ? respond_refusal(request, q->config, why) :
				   queryd_refuse_store(q, request, status, NULL);
}

/* ---- /render -------------------------------------------------------------------------------- */

static unsigned answer_render(struct queryd *q, struct http_request *request,
			      struct graphite_render *render, const struct survey *survey)
{
	struct route_refusal why;
	struct buf body;
	int status;

	buf_init(&body, QUERYD_ANSWER_BYTES);
	status = graphite_render_answer(render, survey, &body, &why);
	if (status < 0) {
		buf_release(&body);
		return refuse(q, request, status, &why);
	}
	return graphite_render_csv(render) ?
		       respond_text(request, q->config, "text/csv; charset=utf-8", &body) :
		       respond_json(request, q->config, 200, &body);
}

static void on_fetched(void *arg, int status, void *survey)
{
	struct rendering *r = arg;
	const struct slice log = slice_text("/render");
	unsigned sent;

	if (status == 0) {
		queryd_costs(r->queryd, survey_costs(survey));
		sent = answer_render(r->queryd, r->request, r->render, survey);
	} else {
		sent = queryd_refuse_store(r->queryd, r->request, status, &log);
	}
	queryd_count(r->queryd, ROUTE_RENDER, sent, r->begun_ns);
	graphite_render_free(r->render);
	free(r);
}

/* Starts what needs Redis; takes the rendering. 0, or the status that was sent. */
static unsigned start_render(struct queryd *q, struct http_request *request,
			     struct graphite_render *render, const struct scope_keys *keys,
			     uint64_t begun_ns)
{
	struct query_limits limits = queryd_limits(q);
	struct rendering *r = malloc(sizeof(*r));
	struct survey *survey = NULL;
	struct route_refusal why;
	int status = r ? 0 : -ENOMEM;

	if (status == 0)
		status = graphite_render_survey(render, keys, &limits, &survey, &why);
	if (status == 0)
		status = survey_start(survey, fleet_partitions(&q->fleet));
	if (status < 0) {
		survey_free(survey);
		graphite_render_free(render);
		free(r);
		return refuse(q, request, status, &why);
	}
	*r = (struct rendering){ q, request, render, begun_ns };
	fetch_start(&q->fetches, &fetch_survey, survey,
		    uv_now(&q->loop) + (uint64_t)q->config->query_timeout_ms, on_fetched, r);
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

static unsigned serve_find(struct queryd *q, struct http_request *request, enum route route,
			   const struct form *form, const struct scope_keys *keys)
{
	struct route_refusal why;
	struct buf body;
	unsigned sent;
	int status;

	if (!queryd_knows_names(q, request, &sent))
		return sent;
	buf_init(&body, QUERYD_ANSWER_BYTES);
	status = graphite_find(route, form, keys, &body, &why);
	if (status == 0)
		return respond_json(request, q->config, 200, &body);
	buf_release(&body);
	return refuse(q, request, status, &why);
}

/* What is the same whatever is asked. */
static unsigned serve_constant(struct queryd *q, struct http_request *request, enum route route)
{
	struct buf body;

	buf_init(&body, QUERYD_ANSWER_BYTES);
	if (route == ROUTE_VERSION) {
		buf_put_text(&body, VERSION);
		return respond_text(request, q->config, "text/plain; charset=utf-8", &body);
	}
	if (route == ROUTE_FUNCTIONS)
		graphite_answer_functions(&body);
	else
		buf_put_text(&body, "[]\n"); /* there are no events */
	return respond_json(request, q->config, 200, &body);
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
	else
		sent = serve_find(q, request, route, form, keys);
	form_release(form);
	free(form);
	return sent;
}
