// SPDX-License-Identifier: Apache-2.0
#include "proto/cell_window.h"

#include "proto/cell.h"
#include "proto/group.h"
#include "proto/hash.h"
#include "proto/sketch.h"
#include "tests/lib/cell_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cell *window_cell(uint32_t capacity)
{
	struct cell *c = cell_new_window(capacity);

	assert_non_null(c);
	return c;
}

static void add(struct cell *c, uint32_t second, uint64_t draw, double *values, size_t count)
{
	struct buf group;

	buf_init(&group, 1 << 20);
	group_put_values(&group, cell_case_unsampled, values, count);
	assert_int_equal(buf_status(&group), 0);
	assert_int_equal(cell_add_elements(c, second, draw, buf_view(&group)), 0);
	buf_release(&group);
}

static void add_one(struct cell *c, uint32_t second, double value)
{
	add(c, second, second, &value, 1);
}

static double average(const struct cell *c)
{
	return window_average(cell_window(c), window_count(cell_window(c)));
}

static void seconds_are_in_order_whatever_came_first(void **state)
{
	struct cell *c = window_cell(3);

	(void)state;
	add_one(c, 30, 3);
	add_one(c, 10, 1);
	add_one(c, 40, 4);
	add_one(c, 20, 2);
	assert_int_equal(cell_samples(c), 4);
	assert_int_equal(window_count(cell_window(c)), 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(window_at(cell_window(c), i).value == i + 2);
		assert_int_equal(window_second(window_at(cell_window(c), i).position), 10 * (i + 2));
	}
	cell_free(c);
}

/* Where a window ends inside a second, neither small nor large values are preferred: over many
 * groups of 1..100 the average of the tenth that is kept is that of all. */
static void what_is_kept_of_a_second_is_chance(void **state)
{
	double sum = 0;

	(void)state;
	for (uint64_t draw = 0; draw < 2000; draw++) {
		struct cell *c = window_cell(10);
		double values[100];

		for (size_t i = 0; i < 100; i++)
			values[i] = (double)i + 1;
		add(c, 7, draw, values, 100);
		sum += average(c);
		cell_free(c);
	}
	/* One window's average has a standard deviation of 9.1 / sqrt(2000) = 0.2 here. */
	assert_true(sum / 2000 > 49.5 && sum / 2000 < 51.5);
}

/* A run stands for each of its values: 900 zeros and 100 tens are mixed, not one after the other. */
static void runs_are_spread_over_their_second(void **state)
{
	double sum = 0, least = 10, greatest = 0;

	(void)state;
	for (uint64_t draw = 0; draw < 200; draw++) {
		struct cell *c = window_cell(100);
		double values[1000] = { 0 };

		for (size_t i = 0; i < 100; i++)
			values[i] = 10;
		add(c, 7, draw, values, 1000);
		assert_int_equal(cell_samples(c), 1000);
		sum += average(c);
		least = average(c) < least ? average(c) : least;
		greatest = average(c) > greatest ? average(c) : greatest;
		cell_free(c);
	}
	assert_true(sum / 200 > 0.95 && sum / 200 < 1.05);
	assert_true(least >= 0.8 && greatest <= 1.2);
}

/* A group of a few bytes may stand for 2^53 values: that costs what a window costs. */
static void an_endless_run_is_bounded(void **state)
{
	struct cell *c = window_cell(WINDOW_MAX);
	struct buf group;

	(void)state;
	buf_init(&group, 64);
	buf_put(&group, "\x01\x00\x01\x0e", 4); /* decimal, scale 0, one run, 7 */
	buf_put_varint(&group, GROUP_SAMPLES_MAX - 1);
	for (uint32_t second = 0; second < 100; second++)
		assert_int_equal(cell_add_elements(c, second, second, buf_view(&group)), 0);
	assert_int_equal(window_count(cell_window(c)), WINDOW_MAX);
	assert_int_equal(cell_samples(c), 100 * GROUP_SAMPLES_MAX);
	assert_int_equal(window_second(window_at(cell_window(c), 0).position), 99);
	assert_true(average(c) == 7);
	buf_release(&group);
	cell_free(c);
}

static void a_sketch_has_no_elements(void **state)
{
	struct sketch *sketch = sketch_new();
	struct cell *c = window_cell(10);
	struct buf group;

	(void)state;
	assert_non_null(sketch);
	assert_int_equal(sketch_add(sketch, 5, 3), 0);
	buf_init(&group, 4096);
	buf_put_u8(&group, GROUP_SKETCH);
	buf_put_varint(&group, 3);
	assert_int_equal(sketch_encode(sketch, &group), 0);
	assert_int_equal(cell_add_elements(c, 1, 1, buf_view(&group)), 0);
	assert_int_equal(cell_samples(c), 0);
	assert_int_equal(window_count(cell_window(c)), 0);
	buf_release(&group);
	cell_free(c);
	sketch_free(sketch);
}

static void a_rate_is_marked_and_does_not_multiply(void **state)
{
	struct group_sampling tenth = { .rate = 0.1, .weight = 10 };
	struct cell *c = window_cell(10);
	double values[] = { 1, 2 };
	struct buf group;

	(void)state;
	buf_init(&group, 4096);
	group_put_values(&group, tenth, values, 2);
	assert_int_equal(cell_add_elements(c, 1, 1, buf_view(&group)), 0);
	assert_true(cell_sampled(c));
	assert_int_equal(cell_samples(c), 2);
	assert_int_equal(window_count(cell_window(c)), 2);
	buf_release(&group);
	cell_free(c);
}

/* The bytes of CELL.md: they lie in somebody's Redis. */
static void the_bytes_are_those_documented(void **state)
{
	static const uint8_t bytes[] = { 0x01, 0x77, 0x00, 0x03, 0xe8, 0x07, 0xf2, 0x05, 0x34,
					 0x12, 0xf1, 0x1a, 0x00, 0xdc, 0xfe, 0xa0, 0x02, 0x02,
					 0xff, 0x00, 0x8a, 0x03, 0xc9, 0x1c, 0x82, 0x82 };
	const struct window *w;
	struct cell *c;
	struct buf out;

	(void)state;
	assert_int_equal(cell_decode(slice_of(bytes, sizeof(bytes)), &c), 0);
	w = cell_window(c);
	assert_int_equal(window_capacity(w), 1000);
	assert_int_equal(window_count(w), 3);
	assert_true(window_at(w, 0).position == window_position(754, 0x1234));
	assert_true(window_at(w, 0).value == 21.5);
	assert_true(window_at(w, 1).position == window_position(754, 0xfedc));
	assert_true(window_at(w, 1).value == 18);
	assert_true(window_at(w, 2).position == window_position(756, 0x00ff));
	assert_true(window_at(w, 2).value == -0.25);
	out = cell_case_encode(c);
	assert_true(slice_equal(buf_view(&out), slice_of(bytes, sizeof(bytes))));
	buf_release(&out);
	cell_free(c);
}

/* Bodies with their checksum made good. */
static void what_is_never_written_is_refused(void **state)
{
	static const struct {
		uint8_t bytes[24];
		size_t size;
	} rows[] = {
		{ { 1, 'w', 0, 0, 0 }, 5 },                     /* of no elements */
		{ { 1, 'w', 0, 0, 0x82, 8 }, 6 },               /* of 1,026 */
		{ { 1, 'w', 1, 0, 9 }, 5 },                     /* sampled, but no samples */
		{ { 1, 'w', 0, 1, 9 }, 5 },                     /* an element too few */
		{ { 1, 'w', 0, 1, 9, 5, 0, 0, 16, 0, 0, 0, 16 }, 13 }, /* too many */
		{ { 1, 'w', 0, 9, 1, 5, 0, 0, 16, 0, 0, 0, 16 }, 13 }, /* more than it may hold */
		{ { 1, 'w', 0, 1, 9, 0x90, 0x1c, 0, 0, 16 }, 10 },     /* second 3600 */
		{ { 1, 'w', 0, 2, 9, 5, 1, 0, 16, 0, 0, 0, 16 }, 13 }, /* ties fall */
		{ { 1, 'w', 0, 2, 9, 5, 1, 0, 32, 0, 1, 0, 16 }, 13 }, /* values of one tie fall */
		{ { 1, 'w', 0, 1, 9, 5, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f }, 17 }, /* infinite */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct cell *c = NULL;
		struct buf bytes;

		buf_init(&bytes, 64);
		buf_put(&bytes, rows[i].bytes, rows[i].size);
		buf_put_u32(&bytes, hash_crc32c(0, buf_view(&bytes)));
		assert_true(cell_decode(buf_view(&bytes), &c) < 0);
		assert_null(c);
		buf_release(&bytes);
	}
}

static void the_largest_fits(void **state)
{
	struct cell *c = window_cell(WINDOW_MAX), *back;
	struct buf out;

	(void)state;
	for (uint32_t second = 0; second < 3600; second++)
		add_one(c, second, 1.0 / (second + 3));
	out = cell_case_encode(c);
	assert_true(out.size < 14 * 1024);
	assert_int_equal(cell_decode(buf_view(&out), &back), 0);
	assert_same_cell(c, back);
	assert_true(cell_memory(back) < 20 * 1024);
	cell_free(back);
	cell_free(c);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seconds_are_in_order_whatever_came_first),
		cmocka_unit_test(what_is_kept_of_a_second_is_chance),
		cmocka_unit_test(runs_are_spread_over_their_second),
		cmocka_unit_test(an_endless_run_is_bounded),
		cmocka_unit_test(a_sketch_has_no_elements),
		cmocka_unit_test(a_rate_is_marked_and_does_not_multiply),
		cmocka_unit_test(the_bytes_are_those_documented),
		cmocka_unit_test(what_is_never_written_is_refused),
		cmocka_unit_test(the_largest_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
