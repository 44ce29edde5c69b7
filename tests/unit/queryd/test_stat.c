// SPDX-License-Identifier: Apache-2.0
#include "queryd/stat.h"

#include "tests/lib/cell_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct stat_asked asked(const char *name)
{
	struct stat_asked stat;

	assert_true(stat_parse(slice_text(name), &stat));
	return stat;
}

static struct stat_result eval(const char *name, struct cell *cell)
{
	const struct stat_subject subject = {
		.kind = cell_kind(cell),
		.cell = cell,
		.samples = cell_samples(cell),
		.seconds = 100,
	};
	struct stat_asked stat = asked(name);

	return stat_eval(&stat, &subject);
}

static void names_and_aliases_are_read(void **state)
{
	static const struct {
		const char *text, *name;
		enum stat_id id;
		double q;
	} cases[] = {
		{ "average", "average", STAT_AVERAGE, 0 }, { "avg", "average", STAT_AVERAGE, 0 },
		{ "mean", "average", STAT_AVERAGE, 0 },    { "median", "median", STAT_MEDIAN, 0.5 },
		{ "p50", "p50", STAT_RANK, 0.5 },          { "p99.9", "p99.9", STAT_RANK, 0.999 },
		{ "p99.90", "p99.9", STAT_RANK, 0.999 },   { "p0", "p0", STAT_RANK, 0 },
		{ "p100", "p100", STAT_RANK, 1 },          { "p099", "p99", STAT_RANK, 0.99 },
		{ "p0.1", "p0.1", STAT_RANK, 0.001 },      { "last", "last", STAT_LAST, 0 },
		{ "unique", "unique", STAT_UNIQUE, 0 },    { "samples", "samples", STAT_SAMPLES, 0 },
		{ "stddev", "stddev", STAT_STDDEV, 0 },    { "rate", "rate", STAT_RATE, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct stat_asked stat = asked(cases[i].text);
		assert_int_equal(stat.id, cases[i].id);
		assert_string_equal(stat.name, cases[i].name);
		assert_true(stat.q == cases[i].q);
	}
}

static void other_names_are_not(void **state)
{
	static const char *const cases[] = {
		"", "p", "p100.1", "p101", "p999", "p-1", "p+1", "p1e1", "p.5", "p5.", "p1.2.3", "P99",
		"pxx", "p0x10", "p9 ", "Average", "average ", "p<rank>", "sum\n", "pnan", "pinf",
		"p999999999999999999999999999",
	};
	struct stat_asked stat;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_false(stat_parse(slice_text(cases[i]), &stat));
	assert_false(stat_parse(slice_of("p5\0", 3), &stat));
}

static void the_nearest_is_what_was_meant(void **state)
{
	static const struct {
		const char *text, *nearest;
	} cases[] = {
		{ "p999", "p99.9" }, { "p9999", "p99.99" }, { "p99_9", "p99.9" }, { "p99,9", "p99.9" },
		{ "P95", "p95" },    { "99", "p99" },       { "p101", "p10.1" },  { "medain", "median" },
		{ "Average", "average" }, { "averge", "average" }, { "cnt", "count" }, { "counts", "count" },
		{ "sample", "samples" },  { "std_dev", "stddev" }, { "zebra", NULL }, { "", NULL },
		{ "p1.2.3", NULL },       { "unqiue", "unique" },
		{ "averageaverageaverageaverageaverageaverage", NULL },
	};
	char out[STAT_NAME_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *nearest = stat_nearest(slice_text(cases[i].text), out);
		if (cases[i].nearest)
			assert_string_equal(nearest, cases[i].nearest);
		else
			assert_null(nearest);
	}
}

/* The table of API.md, row by row; nothing else. */
static void each_kind_has_its_stats_and_no_other(void **state)
{
	static const char *const of[STAT_KINDS] = {
		"average min max median p<rank> count sum rate stddev ",
		"count sum samples rate ",
		"average min max last samples ",
		"unique samples ",
	};
	char list[256];
	const char *name;
	size_t kind, i;

	(void)state;
	for (kind = 0; kind < STAT_KINDS; kind++) {
		list[0] = '\0';
		for (i = 0; (name = stat_allowed(stat_kinds[kind], i)) != NULL; i++) {
			strcat(strcat(list, name), " ");
			if (strcmp(name, "p<rank>") != 0)
				assert_true(stat_has(stat_kinds[kind], asked(name).id));
		}
		assert_string_equal(list, of[kind]);
	}
	assert_true(stat_has(KIND_DISTRIBUTION, STAT_RANK));
	assert_false(stat_has(KIND_COUNTER, STAT_RANK));
	assert_false(stat_has(KIND_DISTRIBUTION, STAT_SAMPLES));
	assert_false(stat_has(KIND_SET, STAT_COUNT));
	for (i = 0; stat_allowed(0, i); i++)
		;
	assert_int_equal(i, 12);
}

static void overviews_show_what_the_kind_has(void **state)
{
	struct stat_asked stat;
	size_t kind, i, seen = 0;

	(void)state;
	for (kind = 0; kind < STAT_KINDS; kind++) {
		for (i = 0; stat_overview(stat_kinds[kind], i, &stat); i++) {
			assert_true(stat_has(stat_kinds[kind], stat.id));
			seen++;
		}
	}
	assert_int_equal(seen, 12 + 4 + 5 + 2);
	assert_true(stat_overview(KIND_DISTRIBUTION, 7, &stat));
	assert_string_equal(stat.name, "p99.9");
	assert_true(stat.q == 0.999);
}

static void kinds_are_read_by_name(void **state)
{
	enum kind kind;

	(void)state;
	assert_true(stat_parse_kind(slice_text("distribution"), &kind));
	assert_int_equal(kind, KIND_DISTRIBUTION);
	assert_true(stat_parse_kind(slice_text("set"), &kind));
	assert_int_equal(kind, KIND_SET);
	assert_false(stat_parse_kind(slice_text("d"), &kind));
	assert_false(stat_parse_kind(slice_text("unknown"), &kind));
}

static void a_distribution_is_what_sorting_would_give(void **state)
{
	const double values[] = { 1, 2, 3, 10 };
	struct cell *cell = cell_case_new(KIND_DISTRIBUTION);

	(void)state;
	cell_case_values(cell, cell_case_unsampled, values, 4);
	assert_true(eval("average", cell).value == 4);
	assert_true(eval("min", cell).value == 1);
	assert_true(eval("max", cell).value == 10);
	assert_true(eval("median", cell).value == 2.5);
	assert_true(eval("p0", cell).value == 1);
	assert_true(eval("p100", cell).value == 10);
	assert_true(eval("count", cell).value == 4);
	assert_true(eval("sum", cell).value == 16);
	assert_true(eval("rate", cell).value == 0.04);
	assert_true(fabs(eval("stddev", cell).value - sqrt(12.5)) < 1e-12);
	assert_true(eval("median", cell).exact);
	assert_true(eval("median", cell).has);
	assert_false(eval("median", cell).sampled);
	assert_true(eval("median", cell).count == 4);
	assert_true(eval("median", cell).rank_error == 0);
	cell_free(cell);
}

static void sampled_data_is_never_exact(void **state)
{
	const struct group_sampling tenth = { .rate = 0.1, .weight = 10 };
	const struct group_sampling counted = { .rate = 0.1, .weight = 1 };
	const double values[] = { 1, 2 };
	struct cell *d = cell_case_new(KIND_DISTRIBUTION);
	struct cell *c = cell_case_new(KIND_COUNTER);

	(void)state;
	cell_case_values(d, tenth, values, 2);
	cell_case_values(c, counted, values, 2);
	assert_true(eval("count", d).value == 20);
	assert_true(eval("average", d).sampled);
	assert_false(eval("average", d).exact);
	assert_false(eval("max", d).exact);
	assert_false(eval("count", d).exact);
	assert_true(eval("sum", c).value == 30);
	assert_true(eval("count", c).value == 30);
	assert_true(eval("samples", c).value == 2);
	assert_true(eval("rate", c).value == 0.3);
	assert_false(eval("sum", c).exact);
	assert_true(eval("sum", c).sampled);
	cell_free(d);
	cell_free(c);
}

/* Beyond the exact limit the ranks are approximate, and say by how much; what is kept beside
 * them stays exact. */
static void a_large_distribution_says_what_it_promises(void **state)
{
	struct cell *cell = cell_case_new(KIND_DISTRIBUTION);
	double values[64];
	int i;

	(void)state;
	for (i = 0; i < 6400; i++) {
		values[i % 64] = i;
		if (i % 64 == 63)
			cell_case_values(cell, cell_case_unsampled, values, 64);
	}
	assert_false(eval("median", cell).exact);
	assert_true(eval("median", cell).rank_error > 0);
	assert_true(fabs(eval("median", cell).value - 3199.5) <
		    eval("median", cell).rank_error * 6400);
	assert_true(eval("max", cell).exact);
	assert_true(eval("max", cell).rank_error == 0);
	assert_true(eval("max", cell).value == 6399);
	assert_true(eval("count", cell).exact);
	assert_true(eval("rate", cell).exact);
	assert_false(eval("stddev", cell).exact);
	cell_free(cell);
}

static void a_gauge_has_what_was_set(void **state)
{
	const struct stat_subject subject = {
		.kind = KIND_GAUGE,
		.gauge = { .has_last = true, .last = 7, .has_set = true, .min = 2, .max = 8, .sum = 20,
			   .sets = 4 },
		.samples = 5,
		.seconds = 1,
	};
	const struct stat_subject changed = {
		.kind = KIND_GAUGE,
		.gauge = { .last = -3 },
		.samples = 2,
		.seconds = 1,
	};
	static const char *const names[] = { "last", "min", "max", "average", "samples" };
	const double values[] = { 7, 2, 8, 5, 5 };
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		struct stat_asked stat = asked(names[i]);
		struct stat_result r = stat_eval(&stat, &subject);
		assert_true(r.has && r.exact && r.value == values[i] && r.count == 5);
		r = stat_eval(&stat, &changed);
		assert_int_equal(r.has, i == 0 || i == 4);
	}
}

static void a_set_counts_its_members(void **state)
{
	struct cell *cell = cell_case_new(KIND_SET);

	(void)state;
	cell_case_members(cell, 0, 10);
	cell_case_members(cell, 5, 15);
	assert_true(eval("unique", cell).value == 15);
	assert_true(eval("unique", cell).exact);
	assert_true(eval("unique", cell).rank_error == 0);
	assert_true(eval("samples", cell).value == 20);
	assert_true(eval("unique", cell).count == 20);
	cell_case_members(cell, 1000, 1000 + 5000);
	assert_false(eval("unique", cell).exact);
	assert_true(eval("unique", cell).rank_error == 0.0081);
	assert_true(eval("samples", cell).exact);
	cell_free(cell);
}

static void rates_are_per_second_that_has_passed(void **state)
{
	(void)state;
	assert_int_equal(stat_seconds_passed(10, 11, 11 * 3600), 3600);
	assert_int_equal(stat_seconds_passed(10, 11, 99 * 3600), 3600);
	assert_int_equal(stat_seconds_passed(10, 11, 10 * 3600 + 60), 60);
	assert_int_equal(stat_seconds_passed(10, 34, 12 * 3600), 7200);
	assert_int_equal(stat_seconds_passed(10, 11, 10 * 3600), 1);
	assert_int_equal(stat_seconds_passed(10, 11, 9 * 3600), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_aliases_are_read),
		cmocka_unit_test(other_names_are_not),
		cmocka_unit_test(the_nearest_is_what_was_meant),
		cmocka_unit_test(each_kind_has_its_stats_and_no_other),
		cmocka_unit_test(overviews_show_what_the_kind_has),
		cmocka_unit_test(kinds_are_read_by_name),
		cmocka_unit_test(a_distribution_is_what_sorting_would_give),
		cmocka_unit_test(sampled_data_is_never_exact),
		cmocka_unit_test(a_large_distribution_says_what_it_promises),
		cmocka_unit_test(a_gauge_has_what_was_set),
		cmocka_unit_test(a_set_counts_its_members),
		cmocka_unit_test(rates_are_per_second_that_has_passed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
