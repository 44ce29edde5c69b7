// SPDX-License-Identifier: Apache-2.0
#include "tests/lib/sketch_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static uint64_t case_state = 1;

void case_seed(uint64_t seed)
{
	case_state = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) | 1;
}

uint64_t case_bits(void)
{
	/* xorshift64* */
	case_state ^= case_state >> 12;
	case_state ^= case_state << 25;
	case_state ^= case_state >> 27;
	return case_state * UINT64_C(2685821657736338717);
}

double case_unit(void)
{
	return ((double)(case_bits() >> 11) + 0.5) * 0x1p-53;
}

double case_normal(void)
{
	double radius = sqrt(-2 * log(case_unit()));

	return radius * cos(6.283185307179586 * case_unit());
}

double case_lognormal(void)
{
	return exp(case_normal());
}

void case_add(struct sketch *s, double value, uint64_t weight)
{
	assert_int_equal(sketch_add(s, value, weight), 0);
}

void case_merge(struct sketch *dst, struct sketch *src)
{
	assert_int_equal(sketch_merge(dst, src), 0);
}

struct sketch *case_sketch(const double *values, size_t count)
{
	struct sketch *s = sketch_new();

	assert_non_null(s);
	for (size_t i = 0; i < count; i++)
		case_add(s, values[i], 1);
	return s;
}

struct sketch *case_steps(double first, double step, size_t count)
{
	struct sketch *s = sketch_new();

	assert_non_null(s);
	for (size_t i = 0; i < count; i++)
		case_add(s, first + step * (double)i, 1);
	return s;
}

void case_encode(struct sketch *s, struct buf *out)
{
	buf_init(out, 1 << 20);
	assert_int_equal(sketch_encode(s, out), 0);
}

void case_assert_close(double a, double b, double relative)
{
	double difference = fabs(a - b), largest = fmax(fabs(a), fabs(b));

	if (!(difference <= relative * largest))
		fail_msg("%.17g and %.17g differ by more than %g of them", a, b, relative);
}

void case_assert_same(struct sketch *a, struct sketch *b)
{
	struct buf x, y;

	case_encode(a, &x);
	case_encode(b, &y);
	assert_true(slice_equal(buf_view(&x), buf_view(&y)));
	buf_release(&x);
	buf_release(&y);
}

void case_assert_monotone(struct sketch *s, int steps)
{
	double previous = sketch_min(s);

	assert_true(sketch_quantile(s, 0) == sketch_min(s));
	assert_true(sketch_quantile(s, 1) == sketch_max(s));
	for (int i = 0; i <= steps; i++) {
		double value = sketch_quantile(s, (double)i / steps);

		assert_true(value >= previous && value <= sketch_max(s));
		previous = value;
	}
}
