// SPDX-License-Identifier: Apache-2.0
/*
 * query.c - names that match become groups of keys.
 *
 * First all that matches is picked, one kind a key; then, since what is merged must be of one
 * kind, all but those of the first kind go; then what each is grouped by is written down in one
 * block of bytes, sorted, and each run of equal texts is a group. The best of /v1/top are
 * groups of one key each, sorted by value once they are read.
 */
#include "queryd/query.h"

#include "proto/series.h"
#include "queryd/grow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A key that takes part. */
struct pick {
	struct slice name;  /* of the index */
	enum kind kind;
	struct slice text;  /* what it is grouped by; in the query's bytes */
	bool has;
};

struct picker {
	const struct route_request *request;
	struct pick *picks;
	size_t count;
	unsigned seen; /* kinds of the names that match; bits by stat_kind_index() */
	size_t bytes;  /* of the names */
};

static int refuse_many(struct route_refusal *why, uint64_t max)
{
	return route_refuse(why, 413, "too_large",
			    "more than %llu keys match (max_series); match fewer",
			    (unsigned long long)max);
}

/* Collects the names that match. 0, -ENOMEM, -EINVAL. */
static int pick_names(struct picker *p, const struct scope_keys *keys, uint64_t max,
		      struct route_refusal *why)
{
	struct scope_walk walk = scope_begin(keys, glob_prefix(&p->request->match));
	struct pick pick = { 0 };
	size_t capacity = 0;
	unsigned kinds;

	while (scope_next(&walk, &pick.name, &kinds)) {
		if (!glob_match(&p->request->match, pick.name))
			continue;
		p->seen |= kinds;
		if (p->request->kind)
			kinds &= 1u << stat_kind_index(p->request->kind);
		pick.kind = stat_first_kind(kinds, p->request->stat.id);
		if (!pick.kind)
			continue;
		if (p->count == max)
			return refuse_many(why, max);
		struct pick *picks = grow(p->picks, p->count, &capacity, sizeof(*picks));
		if (!picks)
			return -ENOMEM;
		p->picks = picks;
		picks[p->count++] = pick;
		p->bytes += pick.name.size;
	}
	return 0;
}

/* What is merged is of one kind: the first that any key has. */
static enum kind keep_one_kind(struct picker *p)
{
	enum kind best = 0;
	size_t kept = 0, i;

	for (i = 0; i < p->count; i++) {
		if (!best || stat_kind_index(p->picks[i].kind) < stat_kind_index(best))
			best = p->picks[i].kind;
	}
	for (i = 0; i < p->count; i++) {
		if (p->picks[i].kind == best)
			p->picks[kept++] = p->picks[i];
	}
	p->count = kept;
	return best;
}

/* ---- groups --------------------------------------------------------------------------------- */

/* The value of a tag of a canonical series, into out; false when it has none of that name. */
static bool tag_value(struct slice name, struct slice tag, uint8_t *out, size_t *size)
{
	struct series series;
	size_t i;

	if (!memchr(name.ptr, ';', name.size) || series_parse(name, &series) < 0)
		return false;
	for (i = 0; i < series.tag_count; i++) {
		if (!slice_equal(series.tags[i].key, tag))
			continue;
		*size = series.tags[i].value.size;
		memcpy(out, series.tags[i].value.ptr, *size);
		return true;
	}
	return false;
}

/* Writes down what each key is grouped by; a text is never longer than its name. */
static void write_texts(struct picker *p, struct query *q)
{
	const struct route_request *request = p->request;
	struct slice tag = slice_of(request->by, request->by_size);
	uint8_t *at = q->bytes;
	size_t i, size;

	for (i = 0; i < p->count; i++) {
		struct pick *pick = &p->picks[i];
		size = 0;
		if (request->route == ROUTE_TOP_KEYS) {
			size = pick->name.size;
			memcpy(at, pick->name.ptr, size);
			pick->has = true;
		} else if (tag.size > 0) {
			pick->has = tag_value(pick->name, tag, at, &size);
		}
		pick->text = slice_of(at, size);
		at += size;
	}
}

/* By group; those without the tag come first. */
static int compare_picks(const void *a, const void *b)
{
	const struct pick *x = a, *y = b;

	if (x->has != y->has)
		return x->has ? 1 : -1;
	return slice_compare(x->text, y->text);
}

static bool same_group(const struct pick *a, const struct pick *b)
{
	return compare_picks(a, b) == 0;
}

static int add_groups(const struct picker *p, struct query *q, struct survey *survey)
{
	size_t i;
	int status = 0;

	for (i = 0; i < p->count && status == 0; i++) {
		const struct pick *pick = &p->picks[i];
		if (i == 0 || !same_group(&p->picks[i - 1], pick)) {
			q->groups[q->group_count++] = (struct query_group){
				.text = pick->text, .has = pick->has, .kind = pick->kind,
			};
			status = survey_add_group(survey, pick->kind);
			if (status == 0)
				status = survey_add_stat(survey, &p->request->stat);
		}
		q->groups[q->group_count - 1].keys++;
		if (status == 0)
			status = survey_add_key(survey, q->group_count - 1, pick->name);
	}
	return status;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static int refuse_kind(const struct picker *p, struct route_refusal *why)
{
	size_t i = 0;

	while (!(p->seen & 1u << i))
		i++;
	(void)route_refuse(why, 400, "stat_not_for_kind", "what matches is of a kind without %s",
			   p->request->stat.name);
	why->list_stats = true;
	why->allowed_kind = stat_kinds[i];
	return -EINVAL;
}

static struct survey_settings settings_of(const struct route_request *request,
					  const struct query_limits *limits, int64_t now_second)
{
	static const int64_t steps[] = { 1, 24, 0 };

	return (struct survey_settings){
		.from_hour = request->from_hour,
		.to_hour = request->to_hour,
		.step_hours = steps[request->step],
		.now_second = now_second,
		.totals = true,
		.max_points = limits->max_points,
		.max_bytes = limits->max_bytes,
		.kept_from = limits->kept_from,
	};
}

static int build(struct picker *p, struct query *q, struct survey *survey)
{
	if (p->request->route == ROUTE_QUERY)
		q->kind = keep_one_kind(p);
	q->keys = p->count;
	q->bytes = malloc(p->bytes + 1);
	q->groups = calloc(p->count + 1, sizeof(*q->groups));
	if (!q->bytes || !q->groups)
		return -ENOMEM;
	write_texts(p, q);
	if (p->count > 1)
		qsort(p->picks, p->count, sizeof(*p->picks), compare_picks);
	return add_groups(p, q, survey);
}

int query_build(const struct route_request *request, const struct scope_keys *keys,
		const struct query_limits *limits, int64_t now_second, struct query *out,
		struct survey **survey, struct route_refusal *why)
{
	struct picker p = { .request = request };
	struct survey_settings settings = settings_of(request, limits, now_second);
	int status;

	*out = (struct query){ 0 };
	*survey = NULL;
	if (names_full(keys->names))
		return route_refuse(why, 413, "too_large", "this daemon could not keep all keys "
				    "(max_names), so a glob might miss some");
	status = pick_names(&p, keys, limits->max_series, why);
	if (status == 0 && p.count == 0 && p.seen)
		status = refuse_kind(&p, why);
	if (status == 0)
		status = survey_new(&settings, survey);
	if (status == 0)
		status = build(&p, out, *survey);
	free(p.picks);
	if (status < 0) {
		query_release(out);
		survey_free(*survey);
		*survey = NULL;
	}
	return status;
}

void query_release(struct query *q)
{
	free(q->groups);
	free(q->bytes);
	*q = (struct query){ 0 };
}

/* ---- top ------------------------------------------------------------------------------------ */

/* The highest first; of equal ones in the order of their keys. */
static int compare_ranks(const void *a, const void *b)
{
	const struct query_rank *x = a, *y = b;

	if (x->result.value != y->result.value)
		return x->result.value > y->result.value ? -1 : 1;
	return (x->group > y->group) - (x->group < y->group);
}

int query_top(const struct query *q, const struct survey *survey, struct query_rank **ranks,
	      size_t *count)
{
	struct query_rank *list = malloc((q->group_count + 1) * sizeof(*list));
	size_t i;

	if (!list)
		return -ENOMEM;
	*count = 0;
	for (i = 0; i < q->group_count; i++) {
		struct stat_result result = survey_total(survey, i);
		if (result.has)
			list[(*count)++] = (struct query_rank){ result, i };
	}
	if (*count > 1)
		qsort(list, *count, sizeof(*list), compare_ranks);
	*ranks = list;
	return 0;
}
