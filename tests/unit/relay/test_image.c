// SPDX-License-Identifier: Apache-2.0
#include "relay/image.h"

#include "proto/err.h"
#include "proto/group.h"
#include "proto/rkey.h"
#include "tests/lib/source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECOND ((int64_t)1795176000) /* 2026-11-20T12:00:00Z */
#define HOUR   (SECOND / 3600)

static uint64_t next_pid(void *arg)
{
	return ++*(uint64_t *)arg;
}

struct fixture {
	uint64_t random;
	struct image im;
	struct source source;
	struct image_rules rules;
	struct image_rejects rejects;
	struct windows windows;
	struct relay_counters counters;
};

static int setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	image_init(&f.im, next_pid, &f.random, NULL);
	source_init(&f.source, 's', 1, 0);
	f.rules = (struct image_rules){ .floor_hour = HOUR - 10, .latest_second = SECOND + 300,
					.now_ms = 1000 };
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	image_reset(&f->im);
	assert_int_equal(image_memory(&f->im), 0);
	source_release(&f->source);
	windows_release(&f->windows);
	return 0;
}

static void merge(struct fixture *f, const struct source_group *groups, size_t count)
{
	uint64_t seq = source_seal(&f->source, groups, count);
	struct batch batch;

	assert_int_equal(batch_decode(slice_of(f->source.bytes[seq], f->source.size[seq]), 1,
				      &batch),
			 0);
	assert_int_equal(image_merge(&f->im, &batch, &f->rules, &f->rejects), 0);
	batch_release(&batch);
}

static void merge_one(struct fixture *f, const char *series, int64_t second)
{
	merge(f, &(struct source_group){ series, second }, 1);
}

static void take_all(struct fixture *f)
{
	for (size_t i = 0; i < f->im.hour_count; i++)
		image_hour_taken(&f->im, f->im.hours[i]);
}

static void test_cells_of_one_hour_share_a_name_and_hours_do_not(void **state)
{
	struct fixture *f = *state;

	merge_one(f, "b", SECOND);
	merge_one(f, "a", SECOND - 3600);
	merge_one(f, "c", SECOND + 59);
	assert_int_equal(f->im.hour_count, 2);
	assert_int_equal(f->im.hours[0]->hour, HOUR - 1);
	assert_int_equal(f->im.hours[1]->hour, HOUR);
	assert_int_not_equal(f->im.hours[0]->pid, f->im.hours[1]->pid);
	assert_int_equal(image_cells(&f->im), 3);
}

/* An image whose keys `w.*` have windows of 2, one at a time at most. */
static void use_windows(struct fixture *f, size_t max)
{
	assert_int_equal(windows_init(&f->windows, "w.* = 1\n", max, &f->counters), 0);
	image_reset(&f->im);
	image_init(&f->im, next_pid, &f->random, &f->windows);
}

/* A batch of one distribution group with one value. */
static void merge_value(struct fixture *f, const char *series, int64_t second, double value)
{
	struct buf group;
	struct batch_group one = { .kind = KIND_DISTRIBUTION, .series = slice_text(series),
				   .second = second };
	struct batch batch = { .header = { .seq = ++f->random }, .groups = &one, .group_count = 1 };

	buf_init(&group, 64);
	group_put_values(&group, (struct group_sampling){ .rate = 1, .weight = 1 }, &value, 1);
	one.bytes = buf_view(&group);
	assert_int_equal(image_merge(&f->im, &batch, &f->rules, &f->rejects), 0);
	buf_release(&group);
}

static const struct window *window_in(struct fixture *f, size_t hour, const char *series)
{
	uint8_t storage[RKEY_FIELD_SIZE];
	struct image_cell *cell = map_get(&f->im.hours[hour]->cells,
					  rkey_field(KIND_WINDOW, slice_text(series), storage));

	return cell ? cell_window(cell->cell) : NULL;
}

static void test_a_named_distribution_has_its_window_beside_it(void **state)
{
	struct fixture *f = *state;
	const struct window *w;
	struct image_hour *h;

	use_windows(f, 10);
	merge_value(f, "w.a", SECOND + 3, 30);
	merge_value(f, "w.a", SECOND + 1, 10);
	merge_value(f, "w.a", SECOND + 2, 20);
	merge_value(f, "x.a", SECOND, 5);
	merge_one(f, "w.a", SECOND);
	h = f->im.hours[0];
	w = window_in(f, 0, "w.a");
	assert_non_null(w);
	assert_null(window_in(f, 0, "x.a"));
	assert_int_equal(window_count(w), 2);
	assert_true(window_average(w, 2) == 25);
	/* Its bytes go with the commit, its name does not. */
	assert_int_equal(h->dirty_count, 4);
	assert_int_equal(h->fresh_count, 3);
	take_all(f);
	merge_value(f, "w.a", SECOND + 9, 90);
	assert_int_equal(h->dirty_count, 2);
	assert_int_equal(tally_get(&f->counters.windows), 1);
	/* An hour has its own. */
	merge_value(f, "w.a", SECOND - 3600, 1);
	assert_int_equal(window_count(window_in(f, 0, "w.a")), 1);
	assert_int_equal(tally_get(&f->counters.windows), 2);
}

static void test_windows_are_bounded_and_given_back(void **state)
{
	struct fixture *f = *state;

	use_windows(f, 1);
	merge_value(f, "w.a", SECOND, 1);
	merge_value(f, "w.b", SECOND, 1);
	merge_value(f, "w.b", SECOND, 1);
	assert_non_null(window_in(f, 0, "w.a"));
	assert_null(window_in(f, 0, "w.b"));
	assert_int_equal(tally_get(&f->counters.windows_over_limit), 1);
	take_all(f);
	f->rules.now_ms = 2000;
	assert_int_equal(image_evict(&f->im, INT64_MAX, INT64_MAX, SIZE_MAX), 1);
	assert_int_equal(tally_get(&f->counters.windows), 0);
	merge_value(f, "w.b", SECOND, 1);
	assert_non_null(window_in(f, 0, "w.b"));
	image_reset(&f->im);
	assert_int_equal(tally_get(&f->counters.windows), 0);
	merge_value(f, "w.c", SECOND, 1);
	assert_non_null(window_in(f, 0, "w.c"));
}

static void test_many_hours_stay_in_order(void **state)
{
	struct fixture *f = *state;

	f->rules.floor_hour = 0;
	for (int64_t i = 0; i < 40; i++)
		merge_one(f, "a", SECOND - 3600 * (i * 17 % 40));
	assert_int_equal(f->im.hour_count, 40);
	for (size_t i = 0; i < 40; i++)
		assert_int_equal(f->im.hours[i]->hour, HOUR - 39 + (int64_t)i);
}

static void test_only_what_changed_is_dirty_and_only_once(void **state)
{
	struct fixture *f = *state;
	struct image_hour *h;

	merge_one(f, "a", SECOND);
	merge_one(f, "a", SECOND);
	merge_one(f, "b", SECOND);
	h = f->im.hours[0];
	assert_int_equal(h->dirty_count, 2);
	assert_int_equal(h->fresh_count, 2);
	assert_int_equal(image_dirty_hours(&f->im), 1);
	assert_true(image_dirty_bytes(&f->im) > 0);
	take_all(f);
	assert_int_equal(h->dirty_count, 0);
	assert_int_equal(image_dirty_hours(&f->im), 0);
	assert_int_equal(image_dirty_bytes(&f->im), 0);
	merge_one(f, "b", SECOND);
	assert_int_equal(h->dirty_count, 1);
	assert_int_equal(h->fresh_count, 0);
	assert_memory_equal(h->dirty->field, "cb", 2);
}

static void test_cells_are_cumulative_since_birth(void **state)
{
	struct fixture *f = *state;

	merge_one(f, "a", SECOND);
	take_all(f);
	merge_one(f, "a", SECOND + 1);
	assert_true(cell_counter_sum(f->im.hours[0]->dirty->cell) == 2);
}

static void test_groups_beyond_the_rules_are_counted_not_merged(void **state)
{
	struct fixture *f = *state;
	struct source_group groups[] = {
		{ "a", 0 },
		{ "a", (HOUR - 10) * 3600 - 1 },
		{ "a", (HOUR - 10) * 3600 },
		{ "a", SECOND + 300 },
		{ "a", SECOND + 301 },
	};

	merge(f, groups, 5);
	assert_int_equal(f->rejects.too_old, 2);
	assert_int_equal(f->rejects.too_new, 1);
	assert_int_equal(f->im.hour_count, 2);
	merge_one(f, "a", SECOND);
	assert_int_equal(f->rejects.too_old + f->rejects.too_new, 0);
}

static void test_encoding_remembers_the_size_for_the_next_estimate(void **state)
{
	struct fixture *f = *state;
	struct image_cell *cell;
	struct buf out;

	merge_one(f, "a", SECOND);
	cell = f->im.hours[0]->dirty;
	buf_init(&out, LIMIT_CELL_BYTES);
	assert_int_equal(image_cell_encode(&f->im, f->im.hours[0], cell, &out), 0);
	assert_int_equal(cell->encoded_bytes, out.size);
	buf_release(&out);
	buf_init(&out, 1);
	assert_int_equal(image_cell_encode(&f->im, f->im.hours[0], cell, &out), -ENOBUFS);
	buf_release(&out);
}

static void test_a_version_is_kept_for_the_partial_it_was_written_for(void **state)
{
	struct fixture *f = *state;
	struct image_hour *h;

	merge_one(f, "a", SECOND);
	h = f->im.hours[0];
	image_set_version(&f->im, HOUR, h->pid + 1, 5);
	assert_false(h->stored);
	image_set_version(&f->im, HOUR + 1, h->pid, 5);
	assert_false(h->stored);
	image_set_version(&f->im, HOUR, h->pid, 5);
	assert_true(h->stored);
	assert_int_equal(h->version, 5);
}

static void test_a_reset_forgets_all_and_draws_new_names(void **state)
{
	struct fixture *f = *state;
	uint64_t pid;

	merge_one(f, "a", SECOND);
	pid = f->im.hours[0]->pid;
	image_reset(&f->im);
	assert_int_equal(image_memory(&f->im) + image_cells(&f->im), 0);
	assert_int_equal(image_dirty_hours(&f->im) + image_dirty_bytes(&f->im), 0);
	merge_one(f, "a", SECOND);
	assert_int_not_equal(f->im.hours[0]->pid, pid);
	assert_false(f->im.hours[0]->stored);
}

static void test_memory_is_counted_by_hour_and_given_back(void **state)
{
	struct fixture *f = *state;
	size_t one;

	merge_one(f, "a", SECOND);
	one = image_memory(&f->im);
	assert_true(one > 100);
	merge_one(f, "a", SECOND - 3600);
	assert_int_equal(image_memory(&f->im), f->im.hours[0]->memory + f->im.hours[1]->memory);
	take_all(f);
	assert_int_equal(image_evict(&f->im, HOUR, INT64_MAX, SIZE_MAX), 1);
	assert_int_equal(image_memory(&f->im), one);
	assert_int_equal(image_cells(&f->im), 1);
}

static void test_eviction_takes_idle_hours_that_are_over(void **state)
{
	struct fixture *f = *state;

	merge_one(f, "a", SECOND - 3600);
	f->rules.now_ms = 5000;
	merge_one(f, "a", SECOND - 7200);
	take_all(f);
	assert_int_equal(image_evict(&f->im, HOUR - 2, INT64_MAX, SIZE_MAX), 0);
	assert_int_equal(image_evict(&f->im, HOUR, 1000, SIZE_MAX), 0);
	assert_int_equal(image_evict(&f->im, HOUR, 1001, SIZE_MAX), 1);
	assert_int_equal(f->im.hours[0]->hour, HOUR - 2);
}

static void test_above_the_ceiling_the_oldest_go_but_never_dirty_ones(void **state)
{
	struct fixture *f = *state;

	merge_one(f, "a", SECOND - 3600);
	merge_one(f, "a", SECOND);
	take_all(f);
	merge_one(f, "a", SECOND - 7200);
	/* Room for two of the three. */
	assert_int_equal(image_evict(&f->im, 0, INT64_MAX, image_memory(&f->im) - 1), 1);
	assert_int_equal(f->im.hour_count, 2);
	assert_int_equal(f->im.hours[0]->hour, HOUR - 2);
	assert_int_equal(f->im.hours[1]->hour, HOUR);
	assert_int_equal(image_evict(&f->im, 0, INT64_MAX, 0), 1);
	assert_int_equal(f->im.hours[0]->dirty_count, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(cells_of_one_hour_share_a_name_and_hours_do_not),
		T(many_hours_stay_in_order),
		T(a_named_distribution_has_its_window_beside_it),
		T(windows_are_bounded_and_given_back),
		T(only_what_changed_is_dirty_and_only_once),
		T(cells_are_cumulative_since_birth),
		T(groups_beyond_the_rules_are_counted_not_merged),
		T(encoding_remembers_the_size_for_the_next_estimate),
		T(a_version_is_kept_for_the_partial_it_was_written_for),
		T(a_reset_forgets_all_and_draws_new_names),
		T(memory_is_counted_by_hour_and_given_back),
		T(eviction_takes_idle_hours_that_are_over),
		T(above_the_ceiling_the_oldest_go_but_never_dirty_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
