// SPDX-License-Identifier: Apache-2.0
#include "proto/exact_sum.h"

#include "tests/lib/cell_case.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double sum_of(const double *values, size_t count)
{
	struct exact_sum s = { { 0 } };

	for (size_t i = 0; i < count; i++)
		exact_sum_add(&s, values[i]);
	return exact_sum_average(&s, 1);
}

/* Any double there is. */
static double any_double(uint64_t seed)
{
	for (;; seed += UINT64_C(1) << 32) {
		uint64_t bits = cell_case_noise(seed);
		double value;

		memcpy(&value, &bits, sizeof(value));
		if (isfinite(value))
			return value;
	}
}

static void one_value_is_given_back(void **state)
{
	const double edges[] = { 0, 1, -1, 0.1, DBL_MAX, -DBL_MAX, DBL_MIN, DBL_TRUE_MIN,
				 -DBL_TRUE_MIN, DBL_MIN - DBL_TRUE_MIN, 4294967296.0, 1e300 };

	(void)state;
	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++)
		assert_true(sum_of(&edges[i], 1) == edges[i]);
	for (uint64_t seed = 0; seed < 100000; seed++) {
		double value = any_double(seed);

		assert_true(sum_of(&value, 1) == value);
	}
}

static void what_is_small_beside_something_large_is_kept(void **state)
{
	(void)state;
	assert_true(sum_of((double[]){ 1e300, 1, -1e300 }, 3) == 1);
	assert_true(sum_of((double[]){ DBL_MAX, DBL_TRUE_MIN, -DBL_MAX }, 3) == DBL_TRUE_MIN);
	assert_true(sum_of((double[]){ 0.1, 0.2, -0.3 }, 3) == 0x1p-55);
	assert_true(sum_of((double[]){ -1e16, -1, 1e16 }, 3) == -1);
}

/* Of two numbers the processor's own sum is the nearest double. */
static void a_sum_of_two_is_rounded_to_nearest(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 100000; seed++) {
		double a = any_double(seed);
		double b = ldexp(a, (int)(seed % 120) - 60) * (seed & 1 ? -1 : 1);
		double c = any_double(seed * 77 + 5);

		if (isfinite(a + b) && isfinite(b))
			assert_true(sum_of((double[]){ a, b }, 2) == a + b);
		if (isfinite(a + c))
			assert_true(sum_of((double[]){ a, c }, 2) == a + c);
	}
	/* Halves go to the even one, and the least bit far below tips the scale. */
	assert_true(sum_of((double[]){ 0x1p53, 1 }, 2) == 0x1p53);
	assert_true(sum_of((double[]){ 0x1p53, 1, DBL_TRUE_MIN }, 3) == 0x1p53 + 2);
	assert_true(sum_of((double[]){ 0x1p53, 1, -DBL_TRUE_MIN }, 3) == 0x1p53);
}

static void what_is_removed_leaves_no_trace(void **state)
{
	const struct exact_sum empty = { { 0 } };
	struct exact_sum s = empty;

	(void)state;
	for (uint64_t i = 0; i < 200000; i++) {
		exact_sum_add(&s, any_double(i));
		if (i >= 1000)
			exact_sum_remove(&s, any_double(i - 1000));
	}
	for (uint64_t i = 199000; i < 200000; i++)
		exact_sum_remove(&s, any_double(i));
	assert_memory_equal(&s, &empty, sizeof(s));
}

static void the_order_does_not_matter(void **state)
{
	struct exact_sum there = { { 0 } }, back = { { 0 } };

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		exact_sum_add(&there, any_double(i));
	for (uint64_t i = 1000; i > 0; i--)
		exact_sum_add(&back, any_double(i - 1));
	assert_memory_equal(&there, &back, sizeof(there));
}

static void an_average_is_finite_where_the_sum_is_not(void **state)
{
	struct exact_sum s = { { 0 } };

	(void)state;
	for (int i = 0; i < 1024; i++)
		exact_sum_add(&s, DBL_MAX);
	assert_true(exact_sum_average(&s, 1024) == DBL_MAX);
	for (int i = 0; i < 512; i++)
		exact_sum_add(&s, -DBL_MAX);
	assert_true(exact_sum_average(&s, 1024) == DBL_MAX / 2);
	assert_true(exact_sum_average(&s, 3) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_value_is_given_back),
		cmocka_unit_test(what_is_small_beside_something_large_is_kept),
		cmocka_unit_test(a_sum_of_two_is_rounded_to_nearest),
		cmocka_unit_test(what_is_removed_leaves_no_trace),
		cmocka_unit_test(the_order_does_not_matter),
		cmocka_unit_test(an_average_is_finite_where_the_sum_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
