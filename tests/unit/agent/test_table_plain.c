// SPDX-License-Identifier: Apache-2.0
/* The short way into the table. */
#include "agent/table.h"

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
	static struct world w;

	arena_pool_init(&w.pool, 1 << 20);
	carry_init(&w.carry);
	table_init(&w.t, &w.pool, &w.carry, 2000);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	table_release(&w->t);
	carry_release(&w->carry);
	arena_pool_release(&w->pool);
	return 0;
}

/* The series of x. */
static const struct table_series *only(struct world *w, enum kind kind)
{
	const struct table_series *s;
	size_t cursor = 0;

	do {
		s = table_next(&w->t, &cursor);
		assert_non_null(s);
	} while (s->kind != kind);
	return s;
}

/* A plain line of a key. */
static void add_plain(struct world *w, enum kind kind, const char *series, double value, int64_t second)
{
	struct line_plain line = { .series = slice_text(series), .value = value, .kind = kind };

	assert_int_equal(table_add_plain(&w->t, &line, table_hash(kind, line.series), second), 0);
}

static void add_sample(struct world *w, enum kind kind, double value, double rate, int64_t second)
{
	struct line_sample sample = { .kind = kind, .series = slice_text("x"), .value = value, .rate = rate };

	assert_int_equal(table_add(&w->t, &sample, second), 0);
}

static uint64_t samples(const struct table_series *s, int64_t second)
{
	uint64_t found = 0;

	for (const struct table_group *g = s->groups; g != NULL; g = g->next)
		found += g->second == second ? g->samples : 0;
	return found;
}

static void test_plain_lines_count_as_others_do(void **state)
{
	static const enum kind kinds[] = { KIND_DISTRIBUTION, KIND_COUNTER, KIND_GAUGE };
	struct world *w = *state;

	for (int i = 0; i < 3000; i++) {
		enum kind kind = kinds[i % 3];
		int64_t second = NOW + i / 300 % 5;

		add_plain(w, kind, "x", i, second);
		add_sample(w, kind, i + 0.5, 1, second);
		add_sample(w, kind, 1, 0.5, second);
	}
	assert_int_equal(w->t.samples, 9000);
	for (size_t i = 0; i < 3; i++) {
		const struct table_series *s = only(w, kinds[i]);

		for (int64_t second = NOW; second < NOW + 5; second++)
			assert_int_equal(samples(s, second), 600);
		for (const struct table_group *g = s->groups; g != NULL; g = g->next) {
			struct values_reader reader = values_read(&g->values);
			uint64_t run, count = 0;
			double value;

			while (kinds[i] != KIND_GAUGE && values_next(&reader, &value, &run))
				count += run;
			assert_int_equal(count, kinds[i] == KIND_GAUGE ? 0 : g->samples);
		}
	}
}

static void test_warming_changes_nothing(void **state)
{
	struct world *w = *state;
	uint64_t hashes[TABLE_AHEAD];
	char name[16];

	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		add_plain(w, i % 2 ? KIND_GAUGE : KIND_COUNTER, name, i, NOW);
	}
	for (size_t i = 0; i < TABLE_AHEAD; i++) {
		snprintf(name, sizeof(name), "k%zu", i * 31);
		hashes[i] = table_hash(i * 31 % 2 ? KIND_GAUGE : KIND_COUNTER, slice_text(name));
		table_warm_slot(&w->t, hashes[i]);
	}
	table_warm(&w->t, hashes, TABLE_AHEAD);
	assert_int_equal(w->t.series_count, 1000);
	assert_int_equal(w->t.samples, 1000);
}

/* Gauges are folded in order of arrival, whichever way they come. */
static void test_a_gauge_keeps_its_order(void **state)
{
	struct world *w = *state;

	add_plain(w, KIND_GAUGE, "x", 7, NOW);
	add_sample(w, KIND_GAUGE, 5, 1, NOW);
	assert_true(only(w, KIND_GAUGE)->groups->gauge->last == 5);
	add_plain(w, KIND_GAUGE, "x", 6, NOW);
	assert_true(only(w, KIND_GAUGE)->groups->gauge->last == 6);
	assert_int_equal(only(w, KIND_GAUGE)->groups->gauge->sets, 3);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_plain_lines_count_as_others_do),
		T(test_warming_changes_nothing),
		T(test_a_gauge_keeps_its_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
