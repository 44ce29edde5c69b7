/*
 * graphite_render.h - /render: targets -> a survey -> series -> an answer.
 *
 * Targets are taken apart and checked first, so a mistake is answered before anything is read.
 * Every path in them is a leaf: the keys it names become groups of one survey, which reads
 * as far back as the widest moving window needs. When the survey is done the functions work on what
 * it found. Pure.
 */
#ifndef QUERYD_GRAPHITE_RENDER_H
#define QUERYD_GRAPHITE_RENDER_H

#include "proto/buf.h"
#include "queryd/form.h"
#include "queryd/graphite_request.h"
#include "queryd/query.h"
#include "queryd/scope.h"
#include "queryd/survey.h"

#include <stdbool.h>

struct graphite_render;

/* Reads the request and its targets. *out is the caller's. 0; -EINVAL with *why; -ENOMEM. */
int graphite_render_new(const struct form *form, int64_t now_second, struct graphite_render **out,
			struct route_refusal *why) __attribute__((warn_unused_result));

/* Whether any target names a path: without one there is nothing to ask Redis. */
bool graphite_render_needs_data(const struct graphite_render *r);

/* What it may spend from now on: as graphite_effort() says (graphite_pick.h). */
void graphite_render_brief(struct graphite_render *r, bool brief);

/* Looks up what the paths name and builds the survey, the caller's. 0; -EINVAL with *why;
 * -ENOMEM; -EAGAIN: it takes more than brief allows, and may be called again. */
int graphite_render_survey(struct graphite_render *r, const struct scope_keys *keys,
			   const struct query_limits *limits, struct survey **survey,
			   struct route_refusal *why) __attribute__((warn_unused_result));

/* Runs the functions and writes the answer. The survey may be NULL when none is needed. 0; -EINVAL
 * with *why; -ENOMEM. */
int graphite_render_answer(struct graphite_render *r, const struct survey *survey,
			   struct buf *out, struct route_refusal *why)
	__attribute__((warn_unused_result));

/* Whether the answer is CSV, not JSON. */
bool graphite_render_csv(const struct graphite_render *r);

/* Frees it. NULL is allowed. */
void graphite_render_free(struct graphite_render *r);

#endif
