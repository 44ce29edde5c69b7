// SPDX-License-Identifier: Apache-2.0
#include "proto/window.h"

#include "tests/lib/cell_case.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY UINT64_C(10000000)

static struct window window_of(uint32_t capacity)
{
	struct window w;

	window_init(&w, capacity);
	return w;
}

static void add(struct window *w, int64_t second, double value)
{
	assert_int_equal(window_add(w, window_position(second, 0), value), 0);
}

static void assert_holds(const struct window *w, const double *values, uint32_t count)
{
	assert_int_equal(window_count(w), count);
	for (uint32_t i = 0; i < count; i++)
		assert_true(window_at(w, i).value == values[i]);
}

/* The same elements, bit by bit, and the same sum. */
static void assert_same(const struct window *a, const struct window *b)
{
	assert_int_equal(window_capacity(a), window_capacity(b));
	assert_int_equal(window_count(a), window_count(b));
	for (uint32_t i = 0; i < window_count(a); i++) {
		struct window_element left = window_at(a, i), right = window_at(b, i);

		assert_true(left.position == right.position);
		assert_memory_equal(&left.value, &right.value, sizeof(left.value));
	}
	if (window_count(a) > 0)
		assert_true(window_average(a, window_count(a)) == window_average(b, window_count(b)));
}

static void the_last_n_are_kept(void **state)
{
	struct window w = window_of(3);

	(void)state;
	assert_int_equal(window_count(&w), 0);
	assert_int_equal(window_memory(&w), 0);
	for (int i = 1; i <= 5; i++)
		add(&w, i, i * 10);
	assert_holds(&w, (double[]){ 30, 40, 50 }, 3);
	assert_int_equal(window_second(window_at(&w, 0).position), 3);
	assert_true(window_average(&w, 3) == 40);
	assert_true(window_average(&w, 2) == 45);
	assert_true(window_average(&w, 1) == 50);
	window_release(&w);
}

static void late_elements_find_their_place(void **state)
{
	struct window w = window_of(4);

	(void)state;
	add(&w, 10, 10);
	add(&w, 30, 30);
	add(&w, 20, 20);
	add(&w, 5, 5);
	assert_holds(&w, (double[]){ 5, 10, 20, 30 }, 4);
	add(&w, 25, 25);
	assert_holds(&w, (double[]){ 10, 20, 25, 30 }, 4);
	assert_true(window_is_past(&w, window_position(9, 65535)));
	assert_false(window_is_past(&w, window_position(10, 0)));
	add(&w, 9, 9);
	assert_holds(&w, (double[]){ 10, 20, 25, 30 }, 4);
	assert_true(window_average(&w, 4) == 21.25);
	window_release(&w);
}

static void a_second_is_ordered_by_tie_and_value(void **state)
{
	struct window w = window_of(3);

	(void)state;
	assert_int_equal(window_add(&w, window_position(7, 9), 1), 0);
	assert_int_equal(window_add(&w, window_position(7, 2), 100), 0);
	assert_int_equal(window_add(&w, window_position(7, 9), -1), 0);
	assert_holds(&w, (double[]){ 100, -1, 1 }, 3);
	assert_int_equal(window_add(&w, window_position(7, 9), -0.0), 0);
	assert_holds(&w, (double[]){ -1, 0, 1 }, 3);
	assert_false(signbit(window_at(&w, 1).value));
	window_release(&w);
}

/* Elements in 40 seconds with few ties, so that many positions are equal. */
static struct window_element element(uint64_t seed)
{
	uint64_t dice = cell_case_noise(seed);

	return (struct window_element){ window_position((int64_t)(dice % 40), dice >> 8 & 3),
					(double)(dice >> 16 & 7) };
}

static struct window history(uint32_t capacity, uint64_t from, uint64_t to, uint64_t step)
{
	struct window w = window_of(capacity);

	for (; from < to; from += step)
		assert_int_equal(window_add(&w, element(from).position, element(from).value), 0);
	return w;
}

/* Whatever order a history was added in, and however it was cut into parts with capacities of their
 * own, its window is the same. */
static void parts_merge_to_the_window_of_the_whole(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		uint64_t size = 3 + cell_case_noise(seed) % 200;
		uint32_t least = 1 + (uint32_t)(cell_case_noise(seed + 1000) % 60);
		struct window whole = history(least, 0, size, 1);
		struct window left = history(least + (uint32_t)seed % 9, 0, size, 3);
		struct window middle = history(least, 1, size, 3);
		struct window right = history(least + (uint32_t)seed % 7, 2, size, 3);
		struct window other = history(least + (uint32_t)seed % 7, 2, size, 3);

		assert_int_equal(window_merge(&left, &middle), 0);
		assert_int_equal(window_merge(&left, &right), 0);
		assert_same(&left, &whole);
		/* Now (right + whole's thirds in another order). */
		window_release(&left);
		left = history(least + (uint32_t)seed % 9, 0, size, 3);
		assert_int_equal(window_merge(&other, &left), 0);
		assert_int_equal(window_merge(&middle, &other), 0);
		assert_same(&middle, &whole);
		/* A merged window goes on as any other. */
		add(&middle, 99, 7);
		add(&whole, 99, 7);
		assert_same(&middle, &whole);
		window_release(&whole);
		window_release(&left);
		window_release(&middle);
		window_release(&right);
		window_release(&other);
	}
}

static void an_empty_one_changes_nothing_but_the_capacity(void **state)
{
	struct window w = history(20, 0, 50, 1), same = history(20, 0, 50, 1);
	struct window empty = window_of(WINDOW_MAX);

	(void)state;
	assert_int_equal(window_merge(&w, &empty), 0);
	assert_same(&w, &same);
	assert_int_equal(window_merge(&empty, &w), 0);
	assert_same(&empty, &same);
	window_release(&empty);
	empty = window_of(5);
	assert_int_equal(window_merge(&w, &empty), 0);
	assert_int_equal(window_count(&w), 5);
	assert_true(window_at(&w, 4).value == window_at(&same, 19).value);
	window_release(&w);
	window_release(&same);
	window_release(&empty);
}

/* A value of a size that changes by many orders: 1e-6 to 1e15, now and then 1e200, either sign. */
static double mixed(uint64_t i)
{
	uint64_t dice = cell_case_noise(i);
	double value = (double)(dice >> 11) / (double)(UINT64_C(1) << 53) + 0.5;

	value *= pow(10, (double)(dice % 22) - 6);
	if (dice % 99991 == 0)
		value = 1e200;
	return dice & 1 ? value : -value;
}

/* The same once more, from the elements alone (Neumaier's sum, in long doubles). */
static long double recomputed(const struct window *w, long double *size)
{
	long double sum = 0, rest = 0;

	*size = 0;
	for (uint32_t i = 0; i < window_count(w); i++) {
		long double value = (long double)window_at(w, i).value;
		long double next = sum + value;

		rest += fabsl(sum) >= fabsl(value) ? (sum - next) + value : (value - next) + sum;
		sum = next;
		*size += fabsl(value);
	}
	return (sum + rest) / (long double)window_count(w);
}

/* What a running sum in a double comes to in the same history: the test's data must be such that
 * drifting shows. */
static void ten_million_elements_do_not_make_it_drift(void **state)
{
	struct window w = window_of(1000);
	double ring[1000] = { 0 }, naive = 0;
	long double worst = 0, worst_naive = 0, size;

	(void)state;
	for (uint64_t i = 0; i < MANY; i++) {
		double value = mixed(i);

		add(&w, (int64_t)i, value);
		naive += value - ring[i % 1000];
		ring[i % 1000] = value;
		if (i % 9973 == 0 || i + 1 == MANY) {
			long double want = recomputed(&w, &size);
			long double off = fabsl((long double)window_average(&w, window_count(&w)) - want);

			/* A rounding of the result, and what the recomputation itself may be off. */
			assert_true(off <= fabsl(want) * 0x1p-52L + size * 0x1p-100L);
			if (want != 0 && off / fabsl(want) > worst)
				worst = off / fabsl(want);
			off = fabsl((long double)naive / 1000 - want);
			if (size < 1e20L && i > 1000 && off / fabsl(want) > worst_naive)
				worst_naive = off / fabsl(want);
		}
	}
	print_message("relative error over 10,000,000 adds: %.2Lg; of a running sum: %.2Lg\n", worst,
		      worst_naive);
	assert_true(worst < 2.3e-16L);
	assert_true(worst_naive > 1e-3L);
	assert_true(window_memory(&w) <= 1024 * sizeof(struct window_element));
	window_release(&w);
}

static void the_average_of_a_part_is_as_exact(void **state)
{
	struct window w = window_of(WINDOW_MAX), part;

	(void)state;
	for (uint64_t i = 0; i < 5000; i++)
		add(&w, (int64_t)i, mixed(i));
	for (uint32_t n = 1; n < WINDOW_MAX; n += 31) {
		part = window_of(n);
		assert_int_equal(window_merge(&part, &w), 0);
		assert_true(window_average(&w, n) == window_average(&part, n));
		window_release(&part);
	}
	window_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_n_are_kept),
		cmocka_unit_test(late_elements_find_their_place),
		cmocka_unit_test(a_second_is_ordered_by_tie_and_value),
		cmocka_unit_test(parts_merge_to_the_window_of_the_whole),
		cmocka_unit_test(an_empty_one_changes_nothing_but_the_capacity),
		cmocka_unit_test(ten_million_elements_do_not_make_it_drift),
		cmocka_unit_test(the_average_of_a_part_is_as_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
