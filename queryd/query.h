/*
 * query.h - from a glob to a survey: /v1/query and /v1/top.
 *
 * The names that match make the groups: of /v1/query by the value of a tag (or all in one), of
 * /v1/top each key its own. A key counts in the first of its kinds that has the stat; what is
 * merged is of one kind, the first that any key has. Names come from the index, so a key takes
 * part a second or two after its first commit. Pure.
 */
#ifndef QUERYD_QUERY_H
#define QUERYD_QUERY_H

#include "queryd/route.h"
#include "queryd/scope.h"
#include "queryd/survey.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one answer may cost. */
struct query_limits {
	uint64_t max_series;
	uint64_t max_points;
	uint64_t max_bytes; /* of cells */
	int64_t kept_from;  /* what fleet_kept_from() says */
};

/* A group of the survey: the value of the tag, or the key. */
struct query_group {
	struct slice text;
	bool has; /* false: the keys that do not have the tag */
	enum kind kind;
	size_t keys;
};

struct query {
	/* private but for reading */
	struct query_group *groups; /* in the order of the survey's groups, and of their stats */
	size_t group_count;
	size_t keys;
	enum kind kind; /* of all, for /v1/query; 0: no key matches */
	uint8_t *bytes; /* the groups' texts */
};

/* Chooses keys and builds the survey, ready for survey_start; both are the caller's. 0; -EINVAL
 * with *why; -ENOMEM. */
int query_build(const struct route_request *request, const struct scope_keys *keys,
		const struct query_limits *limits, int64_t now_second, struct query *out,
		struct survey **survey, struct route_refusal *why)
	__attribute__((warn_unused_result));

/* Frees what it holds. */
void query_release(struct query *q);

/* A place of a top. */
struct query_rank {
	struct stat_result result;
	size_t group;
};

/* The groups that have a value, the highest first, equal ones by key. *ranks is the caller's
 * (free). 0, -ENOMEM. */
int query_top(const struct query *q, const struct survey *survey, struct query_rank **ranks,
	      size_t *count) __attribute__((warn_unused_result));

#endif
