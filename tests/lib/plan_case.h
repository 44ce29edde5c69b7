/*
 * plan_case.h - what the tests of plans share: requests and small cells.
 *
 * The time is always half past PLAN_CASE_HOUR. In the header for the reason that plan_store.h
 * gives.
 */
#ifndef TESTS_LIB_PLAN_CASE_H
#define TESTS_LIB_PLAN_CASE_H

#include "tests/lib/cell_case.h"
#include "tests/lib/plan_store.h"

#define PLAN_CASE_HOUR INT64_C(490000)
#define PLAN_CASE_RETENTION 840

/* A plan for a path and a query, with a cache. */
static inline struct plan *plan_case_cached(struct cache *cache, const char *path,
					    const char *query)
{
	static struct route_request request;
	const struct plan_settings settings = {
		.now_second = PLAN_CASE_HOUR * 3600 + 1800,
		.retention_hours = PLAN_CASE_RETENTION,
		.cache = cache,
	};
	struct route_refusal why;
	struct plan *plan;

	assert_int_equal(route_parse(slice_text(path), slice_text(query), settings.now_second,
				     &request, &why), 0);
	assert_int_equal(plan_new(&request, &settings, &plan), 0);
	return plan;
}

/* The same without one. */
static inline struct plan *plan_case_open(const char *path, const char *query)
{
	return plan_case_cached(NULL, path, query);
}

/* A plan for one hour of the key `k`; kind may be NULL. */
static inline struct plan *plan_case_hour(const char *stat, int64_t hour, const char *query)
{
	struct route_request request = { .route = ROUTE_HOUR, .from_hour = hour, .to_hour = hour + 1 };
	const struct plan_settings settings = {
		.now_second = PLAN_CASE_HOUR * 3600 + 1800,
		.retention_hours = PLAN_CASE_RETENTION,
	};
	struct plan *plan;

	assert_true(stat_parse(slice_text(stat), &request.stat));
	if (query)
		assert_true(stat_parse_kind(slice_text(query), &request.kind));
	request.key[0] = 'k';
	request.key_size = 1;
	assert_int_equal(plan_new(&request, &settings, &plan), 0);
	return plan;
}

/* Cells of one kind each. */
static inline struct cell *plan_case_values(const double *list, size_t count)
{
	struct cell *cell = cell_case_new(KIND_DISTRIBUTION);

	cell_case_values(cell, cell_case_unsampled, list, count);
	return cell;
}

static inline struct cell *plan_case_value(double v)
{
	return plan_case_values(&v, 1);
}

static inline struct cell *plan_case_total(double v)
{
	struct cell *cell = cell_case_new(KIND_COUNTER);

	cell_case_value(cell, v);
	return cell;
}

static inline struct cell *plan_case_gauge_set(double v)
{
	struct cell *cell = cell_case_new(KIND_GAUGE);

	cell_case_set_gauge(cell, 7, v, 0);
	return cell;
}

static inline struct cell *plan_case_gauge_change(double v)
{
	struct cell *cell = cell_case_new(KIND_GAUGE);

	cell_case_change_gauge(cell, 7, v);
	return cell;
}

/* Runs the plan to its value, and frees it. */
static inline double plan_case_value_of(struct plan_store *store, struct plan *plan)
{
	struct plan_result result;

	assert_int_equal(plan_store_run(store, plan), PLAN_DONE);
	result = plan_result(plan);
	assert_int_equal(result.outcome, PLAN_VALUE);
	plan_free(plan);
	return result.total.value;
}

/* Runs the plan to no data for this reason, and frees it. */
static inline void assert_plan_nothing(struct plan_store *store, struct plan *plan,
				       const char *reason)
{
	struct plan_result result;

	assert_int_equal(plan_store_run(store, plan), PLAN_DONE);
	result = plan_result(plan);
	assert_int_equal(result.outcome, PLAN_NO_DATA);
	assert_string_equal(result.reason, reason);
	plan_free(plan);
}

#endif
