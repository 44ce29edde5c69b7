// SPDX-License-Identifier: Apache-2.0
/*
 * The bounds SKETCH.md promises for the digest form, measured: data of many laws goes
 * through a sketch in one of several ways, and the rank of every answer is looked up in
 * the sorted data. Everything is seeded, so a figure that holds once holds always.
 *
 * By default sizes are a tenth of what the promise was made for and the whole takes a few
 * seconds; HOURGLASS_LONG=1 runs the full ones and prints what was measured.
 */
#include "proto/sketch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- numbers ---- */

static uint64_t state;

static double uniform(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return ((double)(state * UINT64_C(2685821657736338717) >> 11) + 0.5) * 0x1p-53;
}

static double normal(void)
{
	double radius = sqrt(-2 * log(uniform()));

	return radius * cos(6.283185307179586 * uniform());
}

/* ---- laws ---- */

static double law_uniform(void)
{
	return uniform();
}

static double law_normal(void)
{
	return normal();
}

static double law_lognormal(void)
{
	return exp(normal());
}

static double law_pareto(void)
{
	return pow(uniform(), -1 / 1.5);
}

static double law_exponential(void)
{
	return -log(uniform());
}

/* Latencies of some 20 ms, to the microsecond. */
static double law_microseconds(void)
{
	return floor(20000 * exp(normal())) / 1000;
}

static double law_offset(void)
{
	return 1e9 + normal();
}

/* Whole milliseconds of a wide law: more distinct ones than the exact form may hold. */
static double law_integers(void)
{
	return floor(5000 * exp(normal()));
}

static double law_zipf(void)
{
	return floor(pow(uniform(), -1 / 0.4));
}

/* Cache hits at 0, time-outs at 30 s, and something between. */
static double law_atoms(void)
{
	double u = uniform();

	if (u < 0.3)
		return 0;
	return u > 0.95 ? 30000 : floor(200000 * exp(normal())) / 1000;
}

/* The same with real numbers for atoms. */
static double law_real_atoms(void)
{
	double u = uniform();

	if (u < 0.3)
		return 3.141592653589793;
	return u > 0.95 ? 2718.281828459045 : 4 + 100 * exp(normal());
}

static double law_bimodal(void)
{
	return uniform() < 0.3 ? 10 + normal() : 1000 + 50 * normal();
}

/* Smooth but for a jump of the density to several times what it was. */
static double law_edge(void)
{
	return uniform() < 0.8 ? 200 * law_exponential() : 50 * law_pareto();
}

static double law_log_uniform(void)
{
	double value = pow(10, 600 * uniform() - 300);

	return uniform() < 0.5 ? value : -value;
}

/* Relays that see different things, all of them smooth. */
static double law_by_relay(size_t part)
{
	switch (part % 5) {
	case 0:
		return 100 * law_exponential();
	case 1:
		return 20 * law_lognormal();
	case 2:
		return 300 + 20 * normal();
	case 3:
		return 50 * (law_pareto() - 1);
	default:
		return 500 * uniform();
	}
}

/* ---- ways through the sketch ---- */

enum order { AS_IS, UPWARDS, DOWNWARDS, OUTSIDE_IN };

struct data {
	double *values; /* in the order they are added */
	double *sorted;
	size_t count;
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void put_in_order(struct data *d, enum order order)
{
	size_t n = d->count;

	for (size_t i = 0; order != AS_IS && i < n; i++) {
		size_t outside = i % 2 ? n - 1 - i / 2 : i / 2;

		d->values[i] = d->sorted[order == UPWARDS     ? i
					 : order == DOWNWARDS ? n - 1 - i
							      : outside];
	}
}

static struct data make_data(size_t count, double (*law)(void), enum order order)
{
	struct data d = { .count = count };

	state = 88172645463325252u + count;
	d.values = calloc(count, sizeof(double));
	d.sorted = calloc(count, sizeof(double));
	assert_true(d.values != NULL && d.sorted != NULL);
	for (size_t i = 0; i < count; i++)
		d.values[i] = d.sorted[i] = law ? law() : law_by_relay(i * 10 / count);
	qsort(d.sorted, count, sizeof(double), compare_doubles);
	put_in_order(&d, order);
	return d;
}

static void free_data(struct data *d)
{
	free(d->values);
	free(d->sorted);
}

static struct sketch *sketch_range(const struct data *d, size_t from, size_t to)
{
	struct sketch *s = sketch_new();

	assert_non_null(s);
	for (size_t i = from; i < to; i++)
		assert_int_equal(sketch_add(s, d->values[i], 1), 0);
	return s;
}

/* Through bytes and back, as between a relay and a reader. */
static struct sketch *reencode(struct sketch *s, size_t *bytes)
{
	struct sketch *back;
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(sketch_encode(s, &out), 0);
	assert_int_equal(sketch_decode(buf_view(&out), &back), 0);
	*bytes = out.size;
	buf_release(&out);
	sketch_free(s);
	return back;
}

static struct sketch *merge_partials(const struct data *d, size_t parts, size_t *bytes)
{
	struct sketch *all = sketch_new();
	size_t each = d->count / parts;

	for (size_t i = 0; i < parts; i++) {
		struct sketch *part = reencode(sketch_range(d, i * each, (i + 1) * each), bytes);

		assert_int_equal(sketch_merge(all, part), 0);
		sketch_free(part);
	}
	return reencode(all, bytes);
}

/* A tree of levels: each node merges two that went through bytes. */
static struct sketch *merge_tree(const struct data *d, size_t from, size_t to, int levels,
				 size_t *bytes)
{
	size_t middle = from + (to - from) / 2;
	struct sketch *left, *right;

	if (levels == 0)
		return reencode(sketch_range(d, from, to), bytes);
	left = merge_tree(d, from, middle, levels - 1, bytes);
	right = merge_tree(d, middle, to, levels - 1, bytes);
	assert_int_equal(sketch_merge(left, right), 0);
	sketch_free(right);
	return reencode(left, bytes);
}

/* ---- measuring ---- */

/* How many of the sorted values are below x, or at most x. */
static size_t count_below(const struct data *d, double x, bool or_equal)
{
	size_t from = 0, to = d->count;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (d->sorted[middle] < x || (or_equal && d->sorted[middle] == x))
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static double rank_error(const struct data *d, struct sketch *s, double q)
{
	double x = sketch_quantile(s, q), n = (double)d->count;
	double low = (double)count_below(d, x, false) / n;
	double high = (double)count_below(d, x, true) / n;

	return q < low ? low - q : q > high ? q - high : 0;
}

/* Rank errors: any permille, p50, p90 and p95, p99, p99.9, p99.99; the last two grow by 1/n. */
struct bound {
	double any, p50, p90, p99, p999, p9999;
};

static struct bound measure(const struct data *d, struct sketch *s)
{
	struct bound b = {
		.p50 = rank_error(d, s, 0.5),
		.p90 = fmax(rank_error(d, s, 0.9), rank_error(d, s, 0.95)),
		.p99 = rank_error(d, s, 0.99),
		.p999 = rank_error(d, s, 0.999),
		.p9999 = rank_error(d, s, 0.9999),
	};

	for (int i = 1; i < 1000; i++)
		b.any = fmax(b.any, rank_error(d, s, i / 1000.0));
	return b;
}

static bool is_long(void)
{
	return getenv("HOURGLASS_LONG") != NULL;
}

struct run {
	const char *name;
	struct bound bound;
	double (*law)(void);
	enum order order;
	size_t parts; /* 1: one sketch; more: merged partials */
	int levels;   /* of a tree */
};

static void check(const struct run *run, const struct data *d, struct sketch *s, size_t bytes)
{
	struct bound b = measure(d, s);
	double one = 1 / (double)d->count;

	if (is_long())
		printf("%-22s n=%-8zu parts=%-4zu levels=%-2d any %.5f p50 %.5f p90 %.5f p99 %.5f "
		       "p99.9 %.6f p99.99 %.6f %4zu B\n",
		       run->name, d->count, run->parts, run->levels, b.any, b.p50, b.p90, b.p99,
		       b.p999, b.p9999, bytes);
	assert_int_equal(sketch_count(s), d->count);
	assert_true(sketch_min(s) == d->sorted[0]);
	assert_true(sketch_max(s) == d->sorted[d->count - 1]);
	assert_false(sketch_exact(s));
	assert_true(b.any <= run->bound.any);
	assert_true(b.p50 <= run->bound.p50);
	assert_true(b.p90 <= run->bound.p90);
	assert_true(b.p99 <= run->bound.p99);
	assert_true(b.p999 <= run->bound.p999 + one);
	assert_true(b.p9999 <= run->bound.p9999 + one);
}

static void go(const struct run *run)
{
	size_t count = run->levels ? 1024 * 1100 : run->parts > 1 ? 2000000 : 1000000;
	struct data d = make_data(is_long() ? count * (run->parts > 100 ? 5 : 1) : count / 10,
				  run->law, run->order);
	struct sketch *s;
	size_t bytes = 0;

	if (run->levels)
		s = merge_tree(&d, 0, d.count, is_long() ? run->levels : run->levels - 3, &bytes);
	else if (run->parts > 1)
		s = merge_partials(&d, is_long() ? run->parts : run->parts / 10, &bytes);
	else
		s = reencode(sketch_range(&d, 0, d.count), &bytes);
	check(run, &d, s, bytes);
	sketch_free(s);
	free_data(&d);
}

static const struct bound smooth = { .0015, .001, .001, .0003, 1e-4, 5e-5 };
static const struct bound deep = { .0025, .002, .001, .0005, 1e-4, 5e-5 };
static const struct bound lumpy = { .012, .002, .002, .0006, 1e-4, 5e-5 };
static const struct bound gapped = { .04, .001, .001, .0005, 1e-4, 5e-5 };
static const struct bound widest = { .06, .06, .01, .005, 5e-4, 5e-5 };

static const struct {
	const char *name;
	double (*law)(void);
} smooth_laws[] = {
	{ "uniform", law_uniform },           { "normal", law_normal },
	{ "lognormal", law_lognormal },       { "pareto", law_pareto },
	{ "exponential", law_exponential },   { "microseconds", law_microseconds },
	{ "large offset", law_offset },
};

#define SMOOTH_LAWS (sizeof(smooth_laws) / sizeof(smooth_laws[0]))

static void one_digest_of_smooth_data_is_within_bounds(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SMOOTH_LAWS; i++)
		go(&(struct run){ smooth_laws[i].name, smooth, smooth_laws[i].law, AS_IS, 1, 0 });
}

static void sorted_arrival_is_within_bounds(void **unused)
{
	(void)unused;
	go(&(struct run){ "uniform, upwards", smooth, law_uniform, UPWARDS, 1, 0 });
	go(&(struct run){ "lognormal, upwards", smooth, law_lognormal, UPWARDS, 1, 0 });
	go(&(struct run){ "uniform, downwards", smooth, law_uniform, DOWNWARDS, 1, 0 });
	go(&(struct run){ "lognormal, downwards", smooth, law_lognormal, DOWNWARDS, 1, 0 });
}

static void merged_partials_are_within_bounds(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SMOOTH_LAWS; i++)
		go(&(struct run){ smooth_laws[i].name, smooth, smooth_laws[i].law, AS_IS, 1000,
				  0 });
	go(&(struct run){ "lognormal, upwards", smooth, law_lognormal, UPWARDS, 1000, 0 });
	go(&(struct run){ "lognormal, downwards", smooth, law_lognormal, DOWNWARDS, 1000, 0 });
}

static void a_tree_of_reencoded_merges_is_within_bounds(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < SMOOTH_LAWS; i++)
		go(&(struct run){ smooth_laws[i].name, deep, smooth_laws[i].law, AS_IS, 1, 10 });
}

static void relays_that_see_different_laws_are_within_bounds(void **unused)
{
	(void)unused;
	go(&(struct run){ "each relay its law", deep, NULL, AS_IS, 100, 0 });
	go(&(struct run){ "each relay its law", deep, NULL, AS_IS, 1000, 0 });
}

static void lumpy_data_is_within_bounds(void **unused)
{
	(void)unused;
	for (size_t parts = 1; parts <= 1000; parts *= 1000) {
		go(&(struct run){ "integers", lumpy, law_integers, AS_IS, parts, 0 });
		go(&(struct run){ "zipf", lumpy, law_zipf, AS_IS, parts, 0 });
		go(&(struct run){ "atoms", lumpy, law_atoms, AS_IS, parts, 0 });
		go(&(struct run){ "real atoms", lumpy, law_real_atoms, AS_IS, parts, 0 });
		go(&(struct run){ "an edge", lumpy, law_edge, AS_IS, parts, 0 });
	}
	go(&(struct run){ "atoms", lumpy, law_atoms, AS_IS, 1, 10 });
	go(&(struct run){ "zipf", lumpy, law_zipf, AS_IS, 1, 10 });
}

static void a_gap_between_two_modes_is_within_bounds(void **unused)
{
	(void)unused;
	go(&(struct run){ "bimodal", gapped, law_bimodal, AS_IS, 1, 0 });
	go(&(struct run){ "bimodal", gapped, law_bimodal, AS_IS, 1000, 0 });
}

static void the_whole_range_of_doubles_is_within_bounds(void **unused)
{
	(void)unused;
	go(&(struct run){ "log-uniform", widest, law_log_uniform, OUTSIDE_IN, 1, 0 });
	go(&(struct run){ "log-uniform", widest, law_log_uniform, AS_IS, 1, 0 });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_digest_of_smooth_data_is_within_bounds),
		cmocka_unit_test(sorted_arrival_is_within_bounds),
		cmocka_unit_test(merged_partials_are_within_bounds),
		cmocka_unit_test(a_tree_of_reencoded_merges_is_within_bounds),
		cmocka_unit_test(relays_that_see_different_laws_are_within_bounds),
		cmocka_unit_test(lumpy_data_is_within_bounds),
		cmocka_unit_test(a_gap_between_two_modes_is_within_bounds),
		cmocka_unit_test(the_whole_range_of_doubles_is_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
