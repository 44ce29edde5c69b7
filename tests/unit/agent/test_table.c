// SPDX-License-Identifier: Apache-2.0
#include "agent/table.h"

#include "proto/err.h"
#include "proto/hash.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define NOW 1795179600

struct world {
	struct arena_pool pool;
	struct carry carry;
	struct table t;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	arena_pool_init(&w->pool, 64 << 20);
	carry_init(&w->carry);
	table_init(&w->t, &w->pool, &w->carry, 100000);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	table_release(&w->t);
	carry_release(&w->carry);
	arena_pool_release(&w->pool);
	free(w);
	return 0;
}

static struct line_sample sample(enum kind kind, const char *series, double value, double rate)
{
	return (struct line_sample){ .kind = kind, .series = slice_text(series), .value = value,
				     .rate = rate, .member = slice_text("joe") };
}

static int add(struct world *w, enum kind kind, const char *series, double value, double rate,
	       int64_t second)
{
	struct line_sample s = sample(kind, series, value, rate);

	return table_add(&w->t, &s, second);
}

static void delta(struct world *w, const char *series, double value, int64_t second)
{
	struct line_sample s = sample(KIND_GAUGE, series, value, 1);

	s.gauge_delta = true;
	assert_int_equal(table_add(&w->t, &s, second), 0);
}

static struct table_series *find(struct world *w, enum kind kind, const char *series)
{
	struct table_series *s;
	size_t cursor = 0;

	while ((s = table_next(&w->t, &cursor)) != NULL)
		if (s->kind == (uint8_t)kind &&
		    slice_equal(slice_of(s->bytes, s->size), slice_text(series)))
			return s;
	return NULL;
}

static size_t groups(const struct table_series *s)
{
	size_t count = 0;

	for (const struct table_group *g = s->groups; g != NULL; g = g->next)
		count++;
	return count;
}

static void test_one_name_may_be_of_several_kinds(void **state)
{
	struct world *w = *state;

	assert_int_equal(add(w, KIND_COUNTER, "x", 1, 1, NOW), 0);
	assert_int_equal(add(w, KIND_DISTRIBUTION, "x", 2, 1, NOW), 0);
	assert_int_equal(add(w, KIND_GAUGE, "x", 3, 1, NOW), 0);
	assert_int_equal(add(w, KIND_SET, "x", 0, 1, NOW), 0);
	assert_int_equal(w->t.series_count, 4);
	assert_int_equal(w->t.samples, 4);
	assert_non_null(find(w, KIND_SET, "x"));
}

static void test_every_value_of_a_distribution_is_kept(void **state)
{
	struct world *w = *state;
	struct table_group *g;
	struct values_reader reader;
	double value, sum = 0;
	uint64_t run;
	size_t count = 0;

	for (int i = 0; i < 5000; i++)
		assert_int_equal(add(w, KIND_DISTRIBUTION, "x", i, 1, NOW), 0);
	g = find(w, KIND_DISTRIBUTION, "x")->groups;
	assert_null(g->next);
	assert_int_equal(g->samples, 5000);
	reader = values_read(&g->values);
	for (; values_next(&reader, &value, &run); count += run)
		sum += value;
	assert_int_equal(count, 5000);
	assert_true(sum == 5000.0 * 4999 / 2);
}

static void test_equal_values_of_a_counter_cost_one_run(void **state)
{
	struct world *w = *state;
	struct table_group *g;

	for (int i = 0; i < 100000; i++)
		assert_int_equal(add(w, KIND_COUNTER, "x", 1, 1, NOW), 0);
	assert_int_equal(add(w, KIND_COUNTER, "x", 2, 1, NOW), 0);
	g = find(w, KIND_COUNTER, "x")->groups;
	assert_int_equal(g->samples, 100001);
	/* Pairs of two bytes each: 65,535 ones, the other ones, a two. */
	assert_null(g->values.chunks->next->next);
}

static void test_seconds_are_groups_of_their_own(void **state)
{
	struct world *w = *state;

	for (int round = 0; round < 3; round++)
		for (int64_t s = 0; s < 500; s++)
			assert_int_equal(add(w, KIND_COUNTER, "x", 1, 1, NOW - s), 0);
	assert_int_equal(w->t.series_count, 1);
	assert_int_equal(groups(find(w, KIND_COUNTER, "x")), 500);
	for (const struct table_group *g = find(w, KIND_COUNTER, "x")->groups; g; g = g->next)
		assert_int_equal(g->samples, 3);
}

static void test_weights_of_a_rate_add_up(void **state)
{
	struct world *w = *state;
	uint64_t total = 0;

	for (int i = 0; i < 3000; i++)
		assert_int_equal(add(w, KIND_DISTRIBUTION, "x", i, 0.3, NOW), 0);
	for (const struct table_group *g = find(w, KIND_DISTRIBUTION, "x")->groups; g != NULL;
	     g = g->next) {
		assert_true(g->rate == 0.3 && (g->weight == 3 || g->weight == 4));
		total += g->samples * g->weight;
	}
	assert_int_equal(total, 10000);
}

static void test_the_carry_goes_on_over_seals(void **state)
{
	struct world *w = *state;
	uint64_t total = 0;

	for (int i = 0; i < 300; i++) {
		assert_int_equal(add(w, KIND_DISTRIBUTION, "x", 1, 0.3, NOW), 0);
		total += find(w, KIND_DISTRIBUTION, "x")->groups->weight;
		table_reset(&w->t);
	}
	assert_int_equal(total, 1000);
}

static void test_a_whole_weight_is_exact_for_each_value(void **state)
{
	struct world *w = *state;
	static const double rates[] = { 0.5, 0.25, 0.2, 0.1, 0.05, 0.02, 0.01, 0.001, 0.0001 };

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		assert_int_equal(add(w, KIND_DISTRIBUTION, "x", 1, rates[i], NOW), 0);
		assert_int_equal(find(w, KIND_DISTRIBUTION, "x")->groups->weight,
				 lround(1 / rates[i]));
	}
}

static void test_more_sampled_series_than_slots_keep_the_weight_right_on_average(void **state)
{
	struct world *w = *state;
	uint64_t total = 0;

	/* The first of a series is rounded to the nearest: that is not what is measured. */
	for (uint64_t i = 0; i < 250000; i++) {
		uint32_t weight = carry_weight(&w->carry, (i % 50000) * 0x9e3779b97f4a7c15u, 0.3);

		total += i >= 50000 ? weight : 0;
	}
	assert_true(fabs((double)total / 200000 - 1 / 0.3) < 0.01);
}

static void test_rates_of_gauges_and_sets_are_ignored(void **state)
{
	struct world *w = *state;

	assert_int_equal(add(w, KIND_GAUGE, "x", 1, 0.1, NOW), 0);
	assert_int_equal(add(w, KIND_GAUGE, "x", 1, 1, NOW), 0);
	assert_int_equal(add(w, KIND_SET, "x", 1, 0.1, NOW), 0);
	assert_int_equal(add(w, KIND_SET, "x", 1, 1, NOW), 0);
	assert_int_equal(groups(find(w, KIND_GAUGE, "x")), 1);
	assert_int_equal(groups(find(w, KIND_SET, "x")), 1);
}

static void test_what_cannot_be_expressed_is_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(add(w, KIND_DISTRIBUTION, "x", 1, 1e-7, NOW), ERR_BAD_RATE);
	assert_int_equal(add(w, KIND_DISTRIBUTION, "x", 1, 1e-6, NOW), 0);
	assert_int_equal(add(w, KIND_COUNTER, "x", 1e300, 1e-10, NOW), ERR_BAD_VALUE);
	assert_int_equal(w->t.samples, 1);
}

static void test_a_gauge_is_folded_in_order_of_arrival(void **state)
{
	struct world *w = *state;
	struct group_gauge *g;

	delta(w, "x", 100, NOW);
	assert_int_equal(add(w, KIND_GAUGE, "x", 10, 1, NOW), 0);
	delta(w, "x", 3, NOW);
	assert_int_equal(add(w, KIND_GAUGE, "x", 4, 1, NOW), 0);
	delta(w, "x", -1, NOW);
	delta(w, "x", -1, NOW);
	g = find(w, KIND_GAUGE, "x")->groups->gauge;
	assert_true(g->has_set && g->last == 4 && g->delta == -2);
	assert_true(g->min == 4 && g->max == 10 && g->sum == 14);
	assert_int_equal(g->sets, 2);
	assert_int_equal(g->samples, 6);
}

static void test_a_gauge_of_deltas_only_sums_them(void **state)
{
	struct world *w = *state;
	struct group_gauge *g;

	delta(w, "x", 2, NOW);
	delta(w, "x", 3, NOW);
	g = find(w, KIND_GAUGE, "x")->groups->gauge;
	assert_true(!g->has_set && g->delta == 5 && g->samples == 2 && g->sets == 0);
}

static void test_a_gauge_never_becomes_infinite(void **state)
{
	struct world *w = *state;
	struct group_gauge *g;

	for (int i = 0; i < 4; i++) {
		assert_int_equal(add(w, KIND_GAUGE, "x", DBL_MAX, 1, NOW), 0);
		delta(w, "y", -DBL_MAX, NOW);
	}
	g = find(w, KIND_GAUGE, "x")->groups->gauge;
	assert_true(isfinite(g->sum));
	assert_true(isfinite(find(w, KIND_GAUGE, "y")->groups->gauge->delta));
}

static void test_an_earlier_fold_goes_before_the_later(void **state)
{
	struct world *w = *state;
	struct group_gauge earlier = { .has_set = true, .last = 9, .delta = 2, .min = 9, .max = 9,
				       .sum = 9, .sets = 1, .samples = 2 };
	struct group_gauge *g;

	delta(w, "x", 5, NOW);
	assert_int_equal(table_add_earlier(&w->t, slice_text("x"), NOW, &earlier), 0);
	g = find(w, KIND_GAUGE, "x")->groups->gauge;
	assert_true(g->has_set && g->last == 9 && g->delta == 7 && g->samples == 3);
	assert_int_equal(w->t.samples, 3);
}

static void test_series_over_the_limit_are_refused_known_ones_not(void **state)
{
	struct world *w = *state;

	w->t.max_keys = 2;
	assert_int_equal(add(w, KIND_COUNTER, "a", 1, 1, NOW), 0);
	assert_int_equal(add(w, KIND_COUNTER, "b", 1, 1, NOW), 0);
	assert_int_equal(add(w, KIND_COUNTER, "c", 1, 1, NOW), ERR_OVER_LIMIT);
	assert_int_equal(add(w, KIND_COUNTER, "a", 1, 1, NOW + 1), 0);
	assert_int_equal(w->t.samples, 3);
}

static void test_memory_is_bounded_by_the_pool(void **state)
{
	struct world *w = *state;
	char name[32];
	int refused = 0;

	table_release(&w->t);
	arena_pool_release(&w->pool);
	arena_pool_init(&w->pool, 1 << 20);
	for (int i = 0; i < 50000; i++) {
		snprintf(name, sizeof(name), "series.%d", i);
		refused += add(w, KIND_DISTRIBUTION, name, 1, 1, NOW) == ERR_OVER_LIMIT;
	}
	assert_true(refused > 20000 && refused < 50000);
	assert_true(arena_pool_bytes(&w->pool) <= 1 << 20);
	assert_int_equal(w->t.samples, 50000 - refused);
}

static void test_a_hundred_thousand_keys_of_ten_values_fit_in_thirty_megabytes(void **state)
{
	struct world *w = *state;
	char name[32];

	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "service.key%06d.time", i);
		for (int j = 0; j < 10; j++)
			assert_int_equal(add(w, KIND_DISTRIBUTION, name, j * 1.25, 1, NOW), 0);
	}
	assert_int_equal(w->t.samples, 1000000);
	assert_true(table_bytes(&w->t) + w->t.series_capacity * sizeof(void *) < 30 << 20);
}

static void test_a_reset_table_reuses_its_memory(void **state)
{
	struct world *w = *state;
	size_t held = 0;

	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 50000; i++)
			assert_int_equal(add(w, KIND_DISTRIBUTION, "x", i, 1, NOW), 0);
		if (round > 0)
			assert_int_equal(arena_pool_bytes(&w->pool), held);
		held = arena_pool_bytes(&w->pool);
		table_reset(&w->t);
		assert_int_equal(w->t.samples, 0);
		assert_null(find(w, KIND_DISTRIBUTION, "x"));
	}
	/* And gives it back when it is not wanted any more. */
	for (int round = 0; round < 50; round++)
		table_reset(&w->t);
	assert_true(arena_pool_bytes(&w->pool) <= 2 * ARENA_CHUNK_BYTES);
}

/* Limits that the world's table is under from now on. */
static void limit(struct world *w, struct limits *l, size_t max_keys, size_t per_prefix)
{
	struct limits_options options = { .max_keys = max_keys,
					  .max_keys_per_prefix = per_prefix,
					  .max_new_keys_per_second = 1000000 };

	limits_init(l, &options);
	table_set_limits(&w->t, l);
}

static void test_what_is_over_a_limit_overflows_and_totals_stay_exact(void **state)
{
	struct world *w = *state;
	struct limits l;
	char series[32];

	limit(w, &l, 100, 1000);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 500; i++) {
			snprintf(series, sizeof(series), "web.k%d", i);
			assert_int_equal(add(w, KIND_COUNTER, series, 1, 1, NOW), 0);
			assert_int_equal(add(w, KIND_DISTRIBUTION, series, i, 0.5, NOW), 0);
		}
		assert_int_equal(w->t.samples, 1000 * (round + 1));
	}
	/* A hundred of 1,000 (kind, series) are kept; the rest is in one of each kind. */
	assert_int_equal(w->t.user_count, 100);
	assert_int_equal(w->t.series_count, 102);
	assert_int_equal(w->t.overflowed[LIMITS_KEYS], 1800);
	assert_int_equal(find(w, KIND_COUNTER, "hourglass.overflow;prefix=web")->groups->samples,
			 900);
	assert_int_equal(
		find(w, KIND_DISTRIBUTION, "hourglass.overflow;prefix=web")->groups->samples, 900);
	assert_int_equal(find(w, KIND_COUNTER, "hourglass.overflow;prefix=web")->role,
			 TABLE_OVERFLOW);
	table_reset(&w->t);
	assert_int_equal(w->t.overflowed[LIMITS_KEYS] + w->t.user_count, 0);
	limits_release(&l);
}

static void test_every_kind_overflows_into_its_own(void **state)
{
	struct world *w = *state;
	struct limits l;

	limit(w, &l, 1000, 1);
	for (int i = 0; i < 2; i++) {
		const char *series = i ? "web.b" : "web.a";

		assert_int_equal(add(w, KIND_SET, series, 0, 1, NOW), 0);
		assert_int_equal(add(w, KIND_GAUGE, series, 7, 1, NOW), 0);
	}
	assert_int_equal(w->t.overflowed[LIMITS_PREFIX], 3);
	assert_int_equal(find(w, KIND_SET, "hourglass.overflow;prefix=web")->groups->samples, 1);
	assert_int_equal(find(w, KIND_GAUGE, "hourglass.overflow;prefix=web")->groups->samples,
			 2);
	limits_release(&l);
}

static void test_a_gauge_that_is_held_back_is_not_judged_again(void **state)
{
	struct world *w = *state;
	const struct group_gauge earlier = { .has_set = true, .last = 3, .samples = 1 };
	struct limits l;

	limit(w, &l, 10, 1);
	assert_int_equal(add(w, KIND_COUNTER, "web.a", 1, 1, NOW), 0);
	assert_int_equal(table_add_earlier(&w->t, slice_text("web.g"), NOW, &earlier), 0);
	assert_int_equal(find(w, KIND_GAUGE, "web.g")->role, TABLE_USER);
	assert_int_equal(table_add_earlier(&w->t, slice_text("hourglass.overflow;prefix=web"),
					   NOW, &earlier),
			 0);
	assert_int_equal(find(w, KIND_GAUGE, "hourglass.overflow;prefix=web")->role,
			 TABLE_OVERFLOW);
	assert_int_equal(w->t.samples, 3);
	limits_release(&l);
}

static void test_own_counters_are_beside_all_counts_and_limits(void **state)
{
	struct world *w = *state;
	struct values_reader reader;
	struct limits l;
	double value;
	uint64_t run;

	limit(w, &l, 1, 1);
	assert_int_equal(add(w, KIND_COUNTER, "a", 1, 1, NOW), 0);
	assert_int_equal(table_add_own(&w->t, slice_text("hourglass.x"), 12, NOW), 0);
	assert_int_equal(table_add_own(&w->t, slice_text("hourglass.y"), 13, NOW), 0);
	assert_int_equal(w->t.samples, 1);
	assert_int_equal(w->t.own_samples, 2);
	assert_int_equal(w->t.user_count, 1);
	reader = values_read(&find(w, KIND_COUNTER, "hourglass.y")->groups->values);
	assert_true(values_next(&reader, &value, &run) && value == 13 && run == 1);
	limits_release(&l);
}

static void test_lines_are_counted_for_the_last_sample_s_series(void **state)
{
	struct world *w = *state;

	table_count_line(&w->t); /* of nothing */
	assert_int_equal(add(w, KIND_COUNTER, "a", 1, 1, NOW), 0);
	assert_int_equal(add(w, KIND_COUNTER, "a", 2, 1, NOW), 0);
	table_count_line(&w->t);
	assert_int_equal(add(w, KIND_COUNTER, "b", 2, 1, NOW), 0);
	table_count_line(&w->t);
	assert_int_equal(find(w, KIND_COUNTER, "a")->lines, 1);
	assert_int_equal(find(w, KIND_COUNTER, "b")->lines, 1);
	table_reset(&w->t);
	table_count_line(&w->t);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_one_name_may_be_of_several_kinds),
		T(test_every_value_of_a_distribution_is_kept),
		T(test_equal_values_of_a_counter_cost_one_run),
		T(test_seconds_are_groups_of_their_own),
		T(test_weights_of_a_rate_add_up),
		T(test_the_carry_goes_on_over_seals),
		T(test_a_whole_weight_is_exact_for_each_value),
		T(test_more_sampled_series_than_slots_keep_the_weight_right_on_average),
		T(test_rates_of_gauges_and_sets_are_ignored),
		T(test_what_cannot_be_expressed_is_refused),
		T(test_a_gauge_is_folded_in_order_of_arrival),
		T(test_a_gauge_of_deltas_only_sums_them),
		T(test_a_gauge_never_becomes_infinite),
		T(test_an_earlier_fold_goes_before_the_later),
		T(test_series_over_the_limit_are_refused_known_ones_not),
		T(test_memory_is_bounded_by_the_pool),
		T(test_a_hundred_thousand_keys_of_ten_values_fit_in_thirty_megabytes),
		T(test_a_reset_table_reuses_its_memory),
		T(test_what_is_over_a_limit_overflows_and_totals_stay_exact),
		T(test_every_kind_overflows_into_its_own),
		T(test_a_gauge_that_is_held_back_is_not_judged_again),
		T(test_own_counters_are_beside_all_counts_and_limits),
		T(test_lines_are_counted_for_the_last_sample_s_series),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
