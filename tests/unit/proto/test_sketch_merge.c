// SPDX-License-Identifier: Apache-2.0
/*
 * Merging sketches, and when they stop being exact: neither may depend on the order in
 * which samples came and partials met.
 */
#include "proto/sketch.h"
#include "tests/lib/sketch_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void exact_to_4096_values_of_one_decimal_and_to_1024_else(void **unused)
{
	struct sketch *coarse = sketch_new(), *fine = sketch_new();

	(void)unused;
	for (int i = 0; i < 4096; i++)
		case_add(coarse, (i - 2048) / 10.0, 1 + (uint64_t)i % 3);
	for (int i = 0; i < 1024; i++)
		case_add(fine, i / 64.0, 1 + (uint64_t)i % 3);
	assert_true(sketch_exact(coarse) && sketch_exact(fine));
	case_add(coarse, 204.7, 1000);
	case_add(fine, 1023 / 64.0, 1000);
	assert_true(sketch_exact(coarse) && sketch_exact(fine));
	assert_true(sketch_rank_error(coarse) == 0);
	case_add(coarse, 204.8, 1);
	case_add(fine, 16, 1);
	assert_false(sketch_exact(coarse) || sketch_exact(fine));
	assert_true(sketch_rank_error(coarse) == 0.0015);
	sketch_free(coarse);
	sketch_free(fine);
}

static void one_fine_value_ends_the_exactness_of_many_coarse_ones(void **unused)
{
	struct sketch *s = case_steps(0, 1, 1500), *t = case_steps(0, 1, 1500), *u;

	(void)unused;
	assert_true(sketch_exact(s));
	case_add(s, 0.25, 1);
	assert_false(sketch_exact(s));
	u = case_steps(0.25, 1, 1);
	case_merge(u, t);
	assert_false(sketch_exact(u));
	assert_int_equal(sketch_count(u), 1501);
	case_assert_same(s, u);
	sketch_free(s);
	sketch_free(t);
	sketch_free(u);
}

static void shuffle(double *values, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t j = case_bits() % i;
		double value = values[i - 1];

		values[i - 1] = values[j];
		values[j] = value;
	}
}

/* Adds the values in random order to parts that are merged in random order. */
static struct sketch *merge_shuffled(double *values, size_t count, size_t parts)
{
	struct sketch *part[8];

	shuffle(values, count);
	for (size_t p = 0; p < parts; p++)
		part[p] = case_sketch(values + p * count / parts,
				    (p + 1) * count / parts - p * count / parts);
	for (size_t left = parts; left > 1; left--) {
		size_t from = case_bits() % left, to;
		struct sketch *last = part[left - 1];

		part[left - 1] = part[from];
		part[from] = last;
		to = case_bits() % (left - 1);
		case_merge(part[to], part[left - 1]);
		sketch_free(part[left - 1]);
	}
	return part[0];
}

static void exactness_does_not_depend_on_order(void **unused)
{
	double values[1500];

	(void)unused;
	for (size_t distinct = 1020; distinct < 1030; distinct++) {
		for (size_t i = 0; i < 1500; i++)
			values[i] = (double)(i % distinct) / 8;
		for (int round = 0; round < 10; round++) {
			struct sketch *s = merge_shuffled(values, 1500, 1 + (size_t)round % 8);

			assert_int_equal(sketch_exact(s), distinct <= 1024);
			assert_int_equal(sketch_count(s), 1500);
			assert_true(sketch_min(s) == 0);
			assert_true(sketch_max(s) == (double)(distinct - 1) / 8);
			sketch_free(s);
		}
	}
}

static void merging_is_exactly_commutative_and_associative_while_exact(void **unused)
{
	double values[3000];
	struct sketch *first = NULL;

	(void)unused;
	for (size_t i = 0; i < 3000; i++)
		values[i] = 1e5 * sin((double)(i % 900));
	for (int round = 0; round < 20; round++) {
		struct sketch *s = merge_shuffled(values, 3000, 1 + (size_t)round % 8);

		if (first == NULL)
			first = s;
		assert_true(sketch_sum(s) == sketch_sum(first));
		assert_true(sketch_stddev(s) == sketch_stddev(first));
		case_assert_same(s, first);
		if (s != first)
			sketch_free(s);
	}
	sketch_free(first);
}

static struct sketch *sketch_random(size_t count)
{
	struct sketch *s = sketch_new();

	for (size_t i = 0; i < count; i++)
		case_add(s, case_unit() * case_unit() - 0.25, 1 + case_bits() % 4);
	return s;
}

static struct sketch *sketch_copy_of(struct sketch *s)
{
	struct sketch *copy = sketch_new();

	case_merge(copy, s);
	return copy;
}

static void merging_commutes_across_the_limit_and_beyond(void **unused)
{
	const size_t sizes[] = { 10, 600, 1000, 1100, 5000 };

	(void)unused;
	for (size_t i = 0; i < 25; i++) {
		struct sketch *a = sketch_random(sizes[i / 5]), *b = sketch_random(sizes[i % 5]);
		struct sketch *a_copy = sketch_copy_of(a);

		case_merge(a, b);
		case_merge(b, a_copy);
		assert_true(sketch_sum(a) == sketch_sum(b));
		assert_true(sketch_stddev(a) == sketch_stddev(b));
		case_assert_same(a, b);
		sketch_free(a);
		sketch_free(b);
		sketch_free(a_copy);
	}
}

static void merging_associates_across_the_limit_in_what_it_promises(void **unused)
{
	(void)unused;
	for (int round = 0; round < 20; round++) {
		struct sketch *a = sketch_random(700), *b = sketch_random(700);
		struct sketch *c = sketch_random(700), *left = sketch_copy_of(a);

		case_merge(left, b);
		case_merge(left, c);
		case_merge(b, c);
		case_merge(a, b);
		assert_int_equal(sketch_count(a), sketch_count(left));
		assert_true(sketch_min(a) == sketch_min(left));
		assert_true(sketch_max(a) == sketch_max(left));
		assert_int_equal(sketch_exact(a), sketch_exact(left));
		case_assert_close(sketch_sum(a), sketch_sum(left), 1e-12);
		case_assert_close(sketch_stddev(a), sketch_stddev(left), 1e-12);
		sketch_free(a);
		sketch_free(b);
		sketch_free(c);
		sketch_free(left);
	}
}

/* As hours of many keys are: each far too small to be a digest. The values are 0..count - 1, so a
 * quantile is its own rank. */
static void many_small_ones_merge_as_well_as_one_large_one(void **unused)
{
	const size_t count = 80000, of_one = 8;
	double *values = malloc(count * sizeof(*values));
	struct sketch *all = sketch_new();
	size_t i;

	(void)unused;
	assert_true(values && all);
	for (i = 0; i < count; i++)
		values[i] = (double)i;
	shuffle(values, count);
	for (i = 0; i < count; i += of_one) {
		struct sketch *one = case_sketch(values + i, of_one);
		case_merge(all, one);
		sketch_free(one);
	}
	assert_int_equal(sketch_count(all), count);
	assert_true(sketch_min(all) == 0 && sketch_max(all) == (double)(count - 1));
	assert_true(sketch_sum(all) == (double)count * (double)(count - 1) / 2);
	for (i = 1; i < 100; i++)
		assert_true(fabs(sketch_quantile(all, (double)i / 100) / (double)count -
				 (double)i / 100) < .0015);
	sketch_free(all);
	free(values);
}

static void merging_keeps_the_source(void **unused)
{
	struct sketch *a = sketch_random(3000), *copy = sketch_copy_of(a), *b = sketch_random(3000);

	(void)unused;
	case_merge(b, a);
	case_assert_same(a, copy);
	assert_true(sketch_sum(a) == sketch_sum(copy));
	sketch_free(a);
	sketch_free(b);
	sketch_free(copy);
}

static void count_min_and_max_are_exact_in_a_digest(void **unused)
{
	struct sketch *all = sketch_new();
	double min = INFINITY, max = -INFINITY;
	uint64_t count = 0;

	(void)unused;
	for (int part = 0; part < 20; part++) {
		struct sketch *s = sketch_new();

		for (int i = 0; i < 3000; i++) {
			double value = tan(3.1 * (case_unit() - 0.5));
			uint64_t weight = 1 + case_bits() % 10;

			case_add(s, value, weight);
			min = fmin(min, value);
			max = fmax(max, value);
			count += weight;
		}
		case_merge(all, s);
		sketch_free(s);
	}
	assert_int_equal(sketch_count(all), count);
	assert_true(sketch_min(all) == min && sketch_max(all) == max);
	case_assert_monotone(all, 5000);
	sketch_free(all);
}

static void the_standard_deviation_is_accurate_in_both_forms(void **unused)
{
	static double values[40000];
	double mean = 0, second = 0;
	struct sketch *s;

	(void)unused;
	for (size_t i = 0; i < 40000; i++) {
		values[i] = 1e6 + case_unit();
		mean += (values[i] - 1e6) / 40000;
	}
	for (size_t i = 0; i < 40000; i++)
		second += (values[i] - 1e6 - mean) * (values[i] - 1e6 - mean);
	s = merge_shuffled(values, 40000, 8);
	case_assert_close(sketch_stddev(s), sqrt(second / 40000), 1e-10);
	case_assert_close(sketch_mean(s), 1e6 + mean, 1e-15);
	sketch_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_to_4096_values_of_one_decimal_and_to_1024_else),
		cmocka_unit_test(one_fine_value_ends_the_exactness_of_many_coarse_ones),
		cmocka_unit_test(exactness_does_not_depend_on_order),
		cmocka_unit_test(merging_is_exactly_commutative_and_associative_while_exact),
		cmocka_unit_test(merging_commutes_across_the_limit_and_beyond),
		cmocka_unit_test(merging_associates_across_the_limit_in_what_it_promises),
		cmocka_unit_test(many_small_ones_merge_as_well_as_one_large_one),
		cmocka_unit_test(merging_keeps_the_source),
		cmocka_unit_test(count_min_and_max_are_exact_in_a_digest),
		cmocka_unit_test(the_standard_deviation_is_accurate_in_both_forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
