/*
 * graphite_case.h - what the tests of Graphite's ways share: names, requests, answers.
 *
 * A small index and store of keys; /render as it runs in queryd, without sockets. In the header,
 * as plan_store.h.
 */
#ifndef TESTS_LIB_GRAPHITE_CASE_H
#define TESTS_LIB_GRAPHITE_CASE_H

#include "queryd/graphite_render.h"
#include "tests/lib/plan_case.h"
#include "tests/lib/survey_store.h"

#define GRAPHITE_CASE_NOW (PLAN_CASE_HOUR * 3600 + 1800)

struct graphite_case {
	struct names names;
	struct scope_keys keys;
	struct survey_store store;
	struct query_limits limits;
	struct buf body;
	struct route_refusal why;
};

static inline void graphite_case_init(struct graphite_case *c)
{
	memset(c, 0, sizeof(*c));
	names_init(&c->names, 100000);
	c->keys.names = &c->names;
	c->limits = (struct query_limits){ 100, 10000, 1 << 20, 0 };
	buf_init(&c->body, 1 << 20);
}

static inline void graphite_case_release(struct graphite_case *c)
{
	names_release(&c->names);
	survey_store_release(&c->store);
	buf_release(&c->body);
}

/* A key that exists in a kind, without data. */
static inline void graphite_case_name(struct graphite_case *c, const char *key, enum kind kind)
{
	assert_int_equal(names_add(&c->names, slice_text(key), 1u << stat_kind_index(kind)), 0);
	assert_int_equal(names_settle(&c->names), 0);
}

/* So many keys `<prefix><number><suffix>` of one kind, without data. */
static inline void graphite_case_names(struct graphite_case *c, const char *prefix, unsigned count,
				       const char *suffix)
{
	char key[64];
	unsigned i;

	for (i = 0; i < count; i++) {
		(void)snprintf(key, sizeof(key), "%s%u%s", prefix, i, suffix);
		assert_int_equal(names_add(&c->names, slice_text(key),
					   1u << stat_kind_index(KIND_COUNTER)), 0);
	}
	assert_int_equal(names_settle(&c->names), 0);
}

/* A cell of a key in an hour that many hours ago. */
static inline void graphite_case_put(struct graphite_case *c, const char *key, int64_t ago,
				     struct cell *cell)
{
	graphite_case_name(c, key, cell_kind(cell));
	survey_store_put(&c->store, PLAN_CASE_HOUR - ago, 1, key, cell);
}

static inline int graphite_case_start(struct graphite_case *c, const struct form *form,
				      struct graphite_render **render, struct survey **survey)
{
	int status = graphite_render_new(form, GRAPHITE_CASE_NOW, render, &c->why);

	*survey = NULL;
	if (status < 0)
		return status;
	if (graphite_render_needs_data(*render))
		status = graphite_render_survey(*render, &c->keys, &c->limits, survey, &c->why);
	if (status < 0)
		graphite_render_free(*render);
	return status;
}

/* Renders a raw query. 0 with the body, or what refused it. */
static inline int graphite_case_render(struct graphite_case *c, const char *query)
{
	static struct form form;
	struct graphite_render *render;
	struct survey *survey;
	int status;

	buf_reset(&c->body);
	assert_int_equal(form_read(&form, slice_text(query), slice_text("")), 0);
	status = graphite_case_start(c, &form, &render, &survey);
	form_release(&form);
	if (status < 0)
		return status;
	if (survey) {
		assert_int_equal(survey_start(survey, SURVEY_STORE_PARTITIONS,
				      PLAN_CASE_RETENTION), 0);
		assert_int_equal(survey_store_run(&c->store, survey), PLAN_DONE);
	}
	status = graphite_render_answer(render, survey, &c->body, &c->why);
	survey_free(survey);
	graphite_render_free(render);
	buf_put_u8(&c->body, 0);
	return status;
}

/* The first `size` bytes of `"target":` and on, or all values of a target as text. */
static inline void assert_rendered(struct graphite_case *c, const char *query, const char *want)
{
	int status = graphite_case_render(c, query);

	if (status < 0)
		fail_msg("%s: refused: %s", query, c->why.message);
	if (strcmp((char *)c->body.data, want) != 0)
		fail_msg("%s:\n%s instead of\n%s", query, (char *)c->body.data, want);
}

#endif
