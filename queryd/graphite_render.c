// SPDX-License-Identifier: Apache-2.0
/*
 * graphite_render.c - a walk that checks, a search for names, a walk that evaluates.
 *
 * The first walk binds each call to its function and notes paths as leaves, in the order in
 * which the last one will meet them; the two need no other link. What a function needs before
 * the grid begins (a moving average) is handed down as a shift, and the survey reads from the
 * earliest of all leaves. What is known to be wrong is said before Redis is asked for anything.
 */
#include "queryd/graphite_render.h"

#include "proto/err.h"
#include "proto/hour.h"
#include "queryd/graphite_answer.h"
#include "queryd/graphite_pick.h"
#include "queryd/grow.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A path or a seriesByTag() in a target. */
struct leaf {
	const struct target_node *node;
	size_t shift;        /* points before the grid */
	size_t first, count; /* of the survey's stats, and of paths */
};

struct graphite_render {
	struct graphite_request request;
	int64_t now_second;
	struct target *targets[GRAPHITE_TARGETS];
	char *texts[GRAPHITE_TARGETS];
	size_t target_count;
	struct leaf *leaves; /* in the order in which a walk meets them */
	size_t leaf_count, leaf_capacity;
	size_t next_leaf;    /* of the walk that evaluates */
	char **paths;        /* by stat of the survey */
	size_t path_count, path_capacity;
	struct graphite_effort left;
	bool brief;
	char why[GRAPHITE_WHY_SIZE];
};

static bool is_by_tag(const struct target_node *node)
{
	return node->type == TARGET_CALL && slice_equal(node->text, slice_text("seriesByTag"));
}

static struct graphite_call call_at(struct graphite_render *r, size_t shift)
{
	struct graphite_call call = {
		.grid = r->request.grid,
		.budget = &r->left.regex,
		.why = r->why,
	};

	call.grid.start -= (int64_t)shift * call.grid.step;
	call.grid.count += shift;
	return call;
}

/* ---- checking ------------------------------------------------------------------------------- */

static int refuse_function(struct graphite_render *r, const struct target_node *node)
{
	return graphite_func_wrong(r->why, "there is no function %.*s(); /functions lists what is",
				   (int)(node->text.size < 60 ? node->text.size : 60),
				   (const char *)node->text.ptr);
}

static int add_leaf(struct graphite_render *r, const struct target_node *node, size_t shift)
{
	struct leaf *leaves = grow(r->leaves, r->leaf_count, &r->leaf_capacity, sizeof(*leaves));

	if (!leaves)
		return -ENOMEM;
	r->leaves = leaves;
	leaves[r->leaf_count++] = (struct leaf){ .node = node, .shift = shift };
	return 0;
}

/* Checks a node and all below it, and notes the leaves. As deep as a target is. */
static int check(struct graphite_render *r, const struct target_node *node, size_t shift)
{
	const struct graphite_func *func;
	const struct target_node *arg;
	struct graphite_call call = call_at(r, shift);
	size_t more = 0;
	int status;

	if (node->type == TARGET_PATH || is_by_tag(node))
		return add_leaf(r, node, shift);
	if (node->type != TARGET_CALL)
		return graphite_func_wrong(r->why, "a target is a path or a call");
	func = graphite_func_find(node->text);
	if (!func)
		return refuse_function(r, node);
	status = graphite_func_bind(func, node, &call);
	if (status == 0)
		status = graphite_func_shift(func, &call, &more);
	if (status == 0 && (shift + more) * (size_t)(call.grid.step / HOUR_SECONDS) >
				   ROUTE_RANGE_HOURS)
		status = graphite_func_wrong(r->why, "a window is at most %d hours",
					     ROUTE_RANGE_HOURS);
	for (arg = node->args; arg && status == 0; arg = arg->next) {
		if (arg->type == TARGET_PATH || arg->type == TARGET_CALL)
			status = check(r, arg, shift + more);
	}
	return status;
}

static int add_target(struct graphite_render *r, struct slice text)
{
	size_t at = r->target_count;
	const char *wrong;

	r->targets[at] = malloc(sizeof(struct target));
	r->texts[at] = malloc(text.size + 1);
	r->target_count++;
	if (!r->targets[at] || !r->texts[at])
		return -ENOMEM;
	memcpy(r->texts[at], text.ptr, text.size);
	wrong = target_parse(r->targets[at], slice_of(r->texts[at], text.size));
	if (wrong)
		return graphite_func_wrong(r->why, "%s", wrong);
	return check(r, &r->targets[at]->nodes[0], 0);
}

static int refuse(const struct graphite_render *r, int status, struct route_refusal *why)
{
	if (status == -EINVAL)
		return route_refuse(why, 400, "bad_target", "%s", r->why);
	if (status == ERR_TOO_LARGE)
		return route_refuse(why, 413, "too_large", "the targets name more series "
				    "(max_series), or cost more to find, than one answer may; ask "
				    "for less");
	return status;
}

int graphite_render_new(const struct form *form, int64_t now_second, struct graphite_render **out,
			struct route_refusal *why)
{
	struct graphite_render *r = calloc(1, sizeof(*r));
	struct slice target;
	int status;

	if (!r)
		return -ENOMEM;
	r->now_second = now_second;
	graphite_render_brief(r, false);
	status = graphite_request_read(form, now_second, &r->request, why);
	if (status < 0) {
		graphite_render_free(r);
		return status;
	}
	while (status == 0 && form_value(form, "target", r->target_count, &target)) {
		if (r->target_count == GRAPHITE_TARGETS)
			status = graphite_func_wrong(r->why, "a request has at most %d targets",
						     GRAPHITE_TARGETS);
		else
			status = add_target(r, target);
	}
	if (status == 0 && r->target_count == 0)
		status = graphite_func_wrong(r->why, "target= is missing");
	if (status < 0) {
		status = refuse(r, status, why);
		graphite_render_free(r);
		return status;
	}
	*out = r;
	return 0;
}

static void forget_paths(struct graphite_render *r)
{
	while (r->path_count > 0)
		free(r->paths[--r->path_count]);
}

void graphite_render_free(struct graphite_render *r)
{
	size_t i;

	if (!r)
		return;
	for (i = 0; i < r->target_count; i++) {
		free(r->targets[i]);
		free(r->texts[i]);
	}
	forget_paths(r);
	free(r->paths);
	free(r->leaves);
	free(r);
}

bool graphite_render_needs_data(const struct graphite_render *r)
{
	return r->leaf_count > 0;
}

bool graphite_render_csv(const struct graphite_render *r)
{
	return r->request.csv;
}

/* ---- looking up ----------------------------------------------------------------------------- */

/* Where the tags of a canonical series begin: at its first `;` that is not escaped. */
static size_t end_of_name(struct slice key)
{
	size_t i;

	for (i = 0; i < key.size && key.ptr[i] != ';'; i++)
		i += key.ptr[i] == '\\';
	return i < key.size ? i : key.size;
}

/* `name.stat;tags` of a pick. */
static int add_path(struct graphite_render *r, const struct graphite_pick *pick)
{
	char node[GRAPHITE_NODE_SIZE];
	size_t end = end_of_name(pick->key);
	char **paths = grow(r->paths, r->path_count, &r->path_capacity, sizeof(*paths));
	char *path = NULL;

	if (!paths)
		return -ENOMEM;
	r->paths = paths;
	if (graphite_series_text(&path, "%.*s.%s%.*s", (int)end, (const char *)pick->key.ptr,
				 graphite_node(&pick->stat, node), (int)(pick->key.size - end),
				 (const char *)pick->key.ptr + end) < 0)
		return -ENOMEM;
	paths[r->path_count++] = path;
	return 0;
}

static int read_tags(struct graphite_render *r, const struct target_node *call,
		     struct graphite_tags *tags)
{
	const struct target_node *arg;
	const char *wrong;

	if (!call->args)
		return graphite_func_wrong(r->why,
					   "seriesByTag() needs an expression: 'tag=value'");
	for (arg = call->args; arg; arg = arg->next) {
		wrong = arg->type == TARGET_STRING ? graphite_tags_add(tags, arg->text) :
						     "it takes strings: 'tag=value'";
		if (wrong)
			return graphite_func_wrong(r->why, "seriesByTag(): %s", wrong);
	}
	return 0;
}

static int pick_by_tag(struct graphite_render *r, const struct target_node *call,
		       const struct scope_keys *keys, struct graphite_picks *picks)
{
	struct graphite_tags *tags = malloc(sizeof(*tags));
	int status;

	if (!tags)
		return -ENOMEM;
	graphite_tags_init(tags, &r->left.regex);
	status = read_tags(r, call, tags);
	if (status == 0)
		status = graphite_pick_tags(picks, keys, tags);
	graphite_tags_release(tags);
	free(tags);
	return status;
}

static int pick_by_path(struct graphite_render *r, const struct target_node *path,
			const struct scope_keys *keys, struct graphite_picks *picks)
{
	struct graphite_paths paths;
	const char *wrong;
	int status = graphite_paths_read(&paths, path->text, &wrong);

	if (status == -EINVAL)
		return graphite_func_wrong(r->why, "%s", wrong);
	if (status == 0) {
		status = graphite_pick_path(picks, keys, &paths);
		graphite_paths_release(&paths);
	}
	return status;
}

/* Makes groups of what was picked: the stats of one key in one kind are one. */
static int add_picks(struct graphite_render *r, const struct graphite_picks *picks,
		     struct survey *survey)
{
	size_t i;
	int status = 0;

	for (i = 0; i < picks->count && status == 0; i++) {
		const struct graphite_pick *pick = &picks->list[i];
		bool same = i > 0 && pick[-1].kind == pick->kind &&
			    slice_equal(pick[-1].key, pick->key);
		if (!same)
			status = survey_add_group(survey, pick->kind);
		if (!same && status == 0)
			status = survey_add_key(survey, survey_groups(survey) - 1, pick->key);
		if (status == 0)
			status = survey_add_stat(survey, &pick->stat);
		if (status == 0)
			status = add_path(r, pick);
	}
	return status;
}

static int look_up(struct graphite_render *r, struct leaf *leaf, const struct scope_keys *keys,
		   uint64_t max_series, struct survey *survey)
{
	struct graphite_picks picks = { .max = max_series - r->path_count, .looks = &r->left.looks };
	int status;

	leaf->first = r->path_count;
	if (is_by_tag(leaf->node))
		status = pick_by_tag(r, leaf->node, keys, &picks);
	else
		status = pick_by_path(r, leaf->node, keys, &picks);
	if (status == 0)
		status = add_picks(r, &picks, survey);
	leaf->count = r->path_count - leaf->first;
	graphite_picks_release(&picks);
	return status;
}

void graphite_render_brief(struct graphite_render *r, bool brief)
{
	r->left = graphite_effort(brief);
	r->brief = brief;
}

static struct survey_settings settings_of(const struct graphite_render *r,
					  const struct query_limits *limits)
{
	const struct graphite_grid *grid = &r->request.grid;
	struct survey_settings settings = {
		.step_hours = grid->step / HOUR_SECONDS,
		.now_second = r->now_second,
		.max_points = limits->max_points,
		.max_bytes = limits->max_bytes,
		.kept_from = limits->kept_from,
	};
	int64_t to = grid->start + (int64_t)grid->count * grid->step;
	size_t shift = 0, i;

	for (i = 0; i < r->leaf_count; i++)
		shift = r->leaves[i].shift > shift ? r->leaves[i].shift : shift;
	settings.from_hour = (grid->start - (int64_t)shift * grid->step) / HOUR_SECONDS;
	settings.to_hour = hour_of_second(to);
	/* There is nothing to read in hours to come. */
	if (settings.to_hour > hour_of_second(r->now_second) + 1)
		settings.to_hour = hour_of_second(r->now_second) + 1;
	if (settings.from_hour < 0)
		settings.from_hour = 0;
	if (settings.to_hour <= settings.from_hour)
		settings.to_hour = settings.from_hour + 1;
	return settings;
}

int graphite_render_survey(struct graphite_render *r, const struct scope_keys *keys,
			   const struct query_limits *limits, struct survey **survey,
			   struct route_refusal *why)
{
	struct survey_settings settings = settings_of(r, limits);
	size_t i;
	int status;

	if (names_full(keys->names))
		return route_refuse(why, 413, "too_large", "this daemon could not keep all keys "
				    "(max_names), so a path might miss some");
	status = survey_new(&settings, survey);
	if (status < 0)
		return status;
	for (i = 0; i < r->leaf_count && status == 0; i++)
		status = look_up(r, &r->leaves[i], keys, limits->max_series, *survey);
	if (status < 0) {
		survey_free(*survey);
		*survey = NULL;
		forget_paths(r);
	}
	/* What is too much of anything is said by who may look at all of it. */
	return status == ERR_TOO_LARGE && r->brief ? -EAGAIN : refuse(r, status, why);
}

/* ---- evaluating ----------------------------------------------------------------------------- */

/* The series of a leaf, from the points that were found. */
static int make_series(struct graphite_render *r, const struct leaf *leaf,
		       const struct survey *survey, struct graphite_list *list)
{
	struct graphite_grid grid = call_at(r, leaf->shift).grid;
	struct graphite_series *s;
	size_t i, j, count;
	int status = 0;

	for (i = leaf->first; i < leaf->first + leaf->count && status == 0; i++) {
		const struct plan_point *points = survey_points(survey, i, &count);
		struct slice path = slice_text(r->paths[i]);
		status = graphite_list_add(list, path, leaf->node->source, path, &s);
		if (status == 0)
			status = graphite_series_room(s, grid.start, grid.step, grid.count);
		for (j = 0; j < count && status == 0; j++) {
			/* The first span may be cut by the range that was read. */
			int64_t second = points[j].from_hour * HOUR_SECONDS;
			int64_t at = (second - second % grid.step - grid.start) / grid.step;
			if (second >= grid.start && at < (int64_t)grid.count)
				s->values[at] = points[j].result.value;
		}
	}
	return status;
}

static int evaluate(struct graphite_render *r, const struct target_node *node, size_t shift,
		    const struct survey *survey, struct graphite_list *list)
{
	struct graphite_call call = call_at(r, shift);
	const struct graphite_func *func;
	const struct target_node *arg;
	size_t more = 0;
	int status;

	if (node->type == TARGET_PATH || is_by_tag(node))
		return make_series(r, &r->leaves[r->next_leaf++], survey, list);
	func = graphite_func_find(node->text);
	status = graphite_func_bind(func, node, &call);
	if (status == 0)
		status = graphite_func_shift(func, &call, &more);
	for (arg = node->args; arg && status == 0; arg = arg->next) {
		struct graphite_list given = { 0 };
		if (arg->type != TARGET_PATH && arg->type != TARGET_CALL)
			continue;
		status = evaluate(r, arg, shift + more, survey, &given);
		if (status == 0)
			status = graphite_list_join(list, &given);
		graphite_list_release(&given);
	}
	return status ? status : func->run(&call, list);
}

int graphite_render_answer(struct graphite_render *r, const struct survey *survey,
			   struct buf *out, struct route_refusal *why)
{
	struct graphite_list all = { 0 };
	size_t i;
	int status = 0;

	r->next_leaf = 0;
	for (i = 0; i < r->target_count && status == 0; i++) {
		struct graphite_list list = { 0 };
		status = evaluate(r, &r->targets[i]->nodes[0], 0, survey, &list);
		if (status == 0)
			status = graphite_list_join(&all, &list);
		graphite_list_release(&list);
	}
	if (status == 0 && r->request.csv)
		graphite_answer_csv(out, &all);
	else if (status == 0)
		graphite_answer_json(out, &all);
	graphite_list_release(&all);
	return refuse(r, status, why);
}
