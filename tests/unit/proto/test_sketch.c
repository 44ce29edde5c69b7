// SPDX-License-Identifier: Apache-2.0
/*
 * What a sketch promises of one set of samples: apart are merging (test_sketch_merge), the
 * bounds of the digest form (test_sketch_bounds) and the bytes (test_sketch_wire).
 */
#include "proto/err.h"
#include "proto/sketch.h"
#include "tests/lib/sketch_case.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void an_empty_sketch_answers_zero(void **unused)
{
	struct sketch *s = sketch_new();

	(void)unused;
	assert_int_equal(sketch_count(s), 0);
	assert_true(sketch_min(s) == 0 && sketch_max(s) == 0 && sketch_sum(s) == 0);
	assert_true(sketch_mean(s) == 0 && sketch_stddev(s) == 0);
	assert_true(sketch_quantile(s, 0.5) == 0);
	assert_true(sketch_exact(s));
	assert_true(sketch_rank_error(s) == 0);
	assert_true(sketch_memory(s) < 160);
	sketch_free(s);
	sketch_free(NULL);
}

static void what_is_not_finite_is_refused_and_changes_nothing(void **unused)
{
	const double bad[] = { NAN, -NAN, INFINITY, -INFINITY };
	double one = 7;
	struct sketch *s = case_sketch(&one, 1), *other = case_sketch(&one, 1);

	(void)unused;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(sketch_add(s, bad[i], 1), ERR_BAD_VALUE);
	case_assert_same(s, other);
	case_merge(s, other);
	assert_int_equal(sketch_count(s), 2);
	assert_true(sketch_mean(s) == 7 && sketch_quantile(s, 0.5) == 7);
	sketch_free(s);
	sketch_free(other);
}

static void negative_zero_is_zero(void **unused)
{
	double zeros[] = { -0.0, 0.0, -0.0 }, zero = 0;
	struct sketch *s = case_sketch(zeros, 3), *other = sketch_new();

	(void)unused;
	case_add(other, zero, 3);
	case_assert_same(s, other);
	assert_false(signbit(sketch_min(s)) || signbit(sketch_quantile(s, 0.5)));
	sketch_free(s);
	sketch_free(other);
}

static void the_total_weight_stays_below_2_to_53(void **unused)
{
	const uint64_t most = (UINT64_C(1) << 53) - 1;
	struct sketch *s = sketch_new(), *one = case_steps(5, 1, 1);

	(void)unused;
	case_add(s, 1, most - 1);
	assert_int_equal(sketch_add(s, 2, 2), ERR_OUT_OF_RANGE);
	assert_int_equal(sketch_add(s, 2, UINT64_MAX), ERR_OUT_OF_RANGE);
	case_add(s, 2, 1);
	assert_int_equal(sketch_merge(s, one), ERR_OUT_OF_RANGE);
	assert_int_equal(sketch_count(s), most);
	assert_true(sketch_quantile(s, 0.5) == 1);
	assert_true(sketch_max(s) == 2);
	case_assert_monotone(s, 5000);
	sketch_free(s);
	sketch_free(one);
}

static void a_huge_weight_in_a_digest_counts(void **unused)
{
	struct sketch *s = case_steps(0, 1e-5, 2000);

	(void)unused;
	assert_false(sketch_exact(s));
	case_add(s, 0.012345678901234, (UINT64_C(1) << 53) - 2001);
	assert_int_equal(sketch_count(s), (UINT64_C(1) << 53) - 1);
	assert_true(sketch_quantile(s, 0.5) == 0.012345678901234);
	case_assert_monotone(s, 5000);
	sketch_free(s);
}

static void order_statistics_are_interpolated_as_type_7(void **unused)
{
	const double values[] = { 15, 20, 35, 40, 50 };
	struct sketch *s = case_sketch(values, 5);

	(void)unused;
	assert_true(sketch_quantile(s, 0) == 15);
	assert_true(sketch_quantile(s, 0.25) == 20);
	assert_true(sketch_quantile(s, 0.5) == 35);
	case_assert_close(sketch_quantile(s, 0.4), 29, 1e-15);
	case_assert_close(sketch_quantile(s, 0.05), 16, 1e-15);
	case_assert_close(sketch_quantile(s, 0.95), 48, 1e-15);
	assert_true(sketch_quantile(s, 1) == 50);
	sketch_free(s);
}

static void the_median_of_an_even_count_is_the_middle_of_two(void **unused)
{
	const double values[] = { 1, 2, 4, 100 };
	struct sketch *s = case_sketch(values, 4);

	(void)unused;
	assert_true(sketch_quantile(s, 0.5) == 3);
	case_add(s, 4, 1);
	assert_true(sketch_quantile(s, 0.5) == 4);
	sketch_free(s);
}

static void point_masses_keep_their_edges(void **unused)
{
	struct sketch *s = sketch_new();

	(void)unused;
	case_add(s, 9000, 2);
	case_add(s, 3000, 11);
	case_add(s, 1000, 26);
	assert_true(sketch_quantile(s, 0.9) == 3000);
	assert_true(sketch_quantile(s, 0.5) == 1000);
	assert_true(sketch_quantile(s, 0.99) == 9000);
	sketch_free(s);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void the_exact_form_is_what_sorting_gives(void **unused)
{
	static double values[20000];
	struct sketch *s;

	(void)unused;
	for (size_t i = 0; i < 20000; i++)
		values[i] = floor(3000 * case_unit() * case_unit()) / 10;
	s = case_sketch(values, 20000);
	assert_true(sketch_exact(s));
	qsort(values, 20000, sizeof(double), compare_doubles);
	for (int i = 0; i <= 1000; i++) {
		double h = i / 1000.0 * 19999;
		size_t k = (size_t)h;
		double next = values[k < 19999 ? k + 1 : k];

		case_assert_close(sketch_quantile(s, i / 1000.0),
			     values[k] + (next - values[k]) * (h - floor(h)), 1e-14);
	}
	case_assert_monotone(s, 5000);
	sketch_free(s);
}

static void equal_values_stay_together_however_many(void **unused)
{
	struct sketch *s = sketch_new();

	(void)unused;
	for (int i = 0; i < 20000; i++)
		case_add(s, i % 10 < 3 ? 3.14159265358979 : 4 + case_unit(), 1);
	assert_false(sketch_exact(s));
	for (int i = 0; i <= 298; i++)
		assert_true(sketch_quantile(s, i / 1000.0) == 3.14159265358979);
	assert_true(sketch_quantile(s, 0.31) > 4);
	sketch_free(s);
}

static void a_digest_of_decimals_answers_in_decimals(void **unused)
{
	struct sketch *s = sketch_new();

	(void)unused;
	for (int i = 0; i < 50000; i++)
		case_add(s, floor(1e6 * case_unit()) / 100, 1);
	assert_false(sketch_exact(s));
	for (int i = 0; i <= 1000; i++) {
		double value = sketch_quantile(s, i / 1000.0);

		/* Between two single samples, far out, it is type 7. */
		assert_true(floor(value * 100 + 0.5) / 100 == value || i < 5 || i > 995);
	}
	case_assert_monotone(s, 5000);
	sketch_free(s);
}

static void sums_do_not_lose_small_values_beside_large_ones(void **unused)
{
	struct sketch *s = sketch_new();

	(void)unused;
	case_add(s, 1e16, 1);
	for (int i = 0; i < 5000; i++)
		case_add(s, 1 + i * 0x1p-20, 1);
	case_add(s, -1e16, 1);
	assert_false(sketch_exact(s));
	case_assert_close(sketch_sum(s), 5000 + 4999 * 2500 * 0x1p-20, 1e-15);
	sketch_free(s);
}

static void a_small_spread_at_a_large_offset_is_not_lost(void **unused)
{
	const size_t sizes[] = { 1000, 200000 };

	(void)unused;
	for (size_t k = 0; k < 2; k++) {
		struct sketch *a = sketch_new(), *b = sketch_new();

		for (size_t i = 0; i < sizes[k]; i++)
			case_add(i % 2 ? a : b, 1e9 + (double)(i % (k ? 2000 : 1000)) * 0x1p-10, 1);
		case_merge(a, b);
		/* 0..m-1 in steps of 2^-10: sqrt((m^2 - 1) / 12) steps. */
		assert_int_equal(sketch_exact(a), k == 0);
		case_assert_close(sketch_stddev(a),
				  sqrt((k ? 3999999 : 999999) / 12.0) * 0x1p-10, 1e-9);
		sketch_free(a);
		sketch_free(b);
	}
}

static void one_value_has_no_spread(void **unused)
{
	struct sketch *s = sketch_new();

	(void)unused;
	case_add(s, 0.1, 12345678901);
	assert_true(sketch_stddev(s) == 0);
	assert_true(sketch_mean(s) == 0.1);
	sketch_free(s);
}

static void the_largest_values_do_not_overflow(void **unused)
{
	const size_t counts[] = { 10, 3000 };

	(void)unused;
	for (size_t k = 0; k < 2; k++) {
		struct sketch *s = sketch_new();

		for (size_t i = 0; i < counts[k]; i++)
			case_add(s, (i % 2 ? 1 : -1) * (1e308 + 1e294 * (double)i), 1000000);
		case_add(s, DBL_MAX, 1);
		case_add(s, -DBL_MAX, 2);
		assert_true(isfinite(sketch_mean(s)));
		case_assert_close(sketch_stddev(s), 1e308, 1e-2);
		case_assert_monotone(s, 5000);
		sketch_free(s);
	}
}

static void a_mean_is_finite_when_the_sum_is_not(void **unused)
{
	struct sketch *s = sketch_new();

	(void)unused;
	case_add(s, 1.5e308, 100);
	assert_true(isinf(sketch_sum(s)));
	assert_true(sketch_mean(s) == 1.5e308);
	sketch_free(s);
}

static void denormals_are_numbers_like_others(void **unused)
{
	struct sketch *s = sketch_new();

	(void)unused;
	for (int i = 0; i < 5000; i++)
		case_add(s, i * 5e-324, 1);
	assert_true(sketch_max(s) == 4999 * 5e-324);
	case_assert_close(sketch_stddev(s), sqrt(5000.0 * 5000 / 12) * 5e-324, 1e-3);
	case_assert_close(sketch_mean(s), 2500 * 5e-324, 1e-3);
	case_assert_monotone(s, 5000);
	/* One value of the everyday world, and the rest is nothing beside it. */
	case_add(s, 1, 1);
	case_assert_close(sketch_sum(s), 1, 1e-15);
	case_assert_close(sketch_stddev(s), 1 / sqrt(5001), 1e-3);
	sketch_free(s);
}

static void memory_grows_with_content_and_ends(void **unused)
{
	struct sketch *s = case_steps(0, 1.25, 10);

	(void)unused;
	assert_true(sketch_memory(s) < 400);
	sketch_free(s);
	s = sketch_new();
	for (int i = 0; i < 4096; i++) {
		case_add(s, i / 10.0, 1);
		assert_true(sketch_memory(s) < 128 * 1024);
	}
	for (int i = 0; i < 10000; i++)
		case_add(s, case_unit(), 1);
	assert_false(sketch_exact(s));
	assert_true(sketch_memory(s) < 28 * 1024);
	sketch_free(s);
}

static void asking_between_adding_changes_nothing(void **unused)
{
	struct sketch *s = sketch_new(), *t = sketch_new();

	(void)unused;
	for (int i = 0; i < 1000; i++) {
		double value = floor(700 * case_unit());

		case_add(s, value, 1);
		case_add(t, value, 1);
		(void)sketch_quantile(s, 0.5);
		(void)sketch_sum(s);
	}
	assert_true(sketch_exact(s));
	case_assert_same(s, t);
	sketch_free(s);
	sketch_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_sketch_answers_zero),
		cmocka_unit_test(what_is_not_finite_is_refused_and_changes_nothing),
		cmocka_unit_test(negative_zero_is_zero),
		cmocka_unit_test(the_total_weight_stays_below_2_to_53),
		cmocka_unit_test(a_huge_weight_in_a_digest_counts),
		cmocka_unit_test(order_statistics_are_interpolated_as_type_7),
		cmocka_unit_test(the_median_of_an_even_count_is_the_middle_of_two),
		cmocka_unit_test(point_masses_keep_their_edges),
		cmocka_unit_test(the_exact_form_is_what_sorting_gives),
		cmocka_unit_test(equal_values_stay_together_however_many),
		cmocka_unit_test(a_digest_of_decimals_answers_in_decimals),
		cmocka_unit_test(sums_do_not_lose_small_values_beside_large_ones),
		cmocka_unit_test(a_small_spread_at_a_large_offset_is_not_lost),
		cmocka_unit_test(one_value_has_no_spread),
		cmocka_unit_test(the_largest_values_do_not_overflow),
		cmocka_unit_test(a_mean_is_finite_when_the_sum_is_not),
		cmocka_unit_test(denormals_are_numbers_like_others),
		cmocka_unit_test(memory_grows_with_content_and_ends),
		cmocka_unit_test(asking_between_adding_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
