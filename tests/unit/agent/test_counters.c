// SPDX-License-Identifier: Apache-2.0
#include "agent/counters.h"

#include "proto/daemon/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

struct world {
	char folder[64], path[96];
	struct counters c;
	struct stream_id stream;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_set_level((enum log_level)2);
	snprintf(w->folder, sizeof(w->folder), "/tmp/hourglass-counters-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/counters", w->folder);
	memset(w->stream.bytes, 0x5a, sizeof(w->stream.bytes));
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	unlink(w->path);
	assert_int_equal(rmdir(w->folder), 0);
	free(w);
	return 0;
}

/* One life: counts, and ends without a word. */
static void live(struct world *w)
{
	counters_open(&w->c, w->folder);
	counters_begin(&w->c, &w->stream);
	tally_set(&w->c.page->partitions, 32);
	tally_add(&w->c.page->taken, 10);
	tally_add(&w->c.page->lost, 1);
	tally_add(&w->c.page->sealed, 7);
	counters_close(&w->c);
}

static void test_the_next_start_reads_what_was_counted(void **state)
{
	struct world *w = *state;

	live(w);
	counters_open(&w->c, w->folder);
	assert_int_equal(tally_get(&w->c.page->taken), 10);
	assert_int_equal(tally_get(&w->c.page->lost), 1);
	assert_int_equal(tally_get(&w->c.page->sealed), 7);
	assert_memory_equal(w->c.page->stream.bytes, w->stream.bytes, STREAM_ID_BYTES);
	counters_close(&w->c);
}

static void test_a_life_begins_at_zero_and_remembers_the_partitions(void **state)
{
	struct world *w = *state;
	struct stream_id next = { .bytes = { 1 } };

	live(w);
	counters_open(&w->c, w->folder);
	counters_begin(&w->c, &next);
	assert_int_equal(tally_get(&w->c.page->taken), 0);
	assert_int_equal(tally_get(&w->c.page->lost), 0);
	assert_int_equal(tally_get(&w->c.page->sealed), 0);
	assert_int_equal(tally_get(&w->c.page->partitions), 32);
	assert_memory_equal(w->c.page->stream.bytes, next.bytes, STREAM_ID_BYTES);
	counters_close(&w->c);
}

static void test_without_a_folder_counts_die(void **state)
{
	struct world *w = *state;

	counters_open(&w->c, "");
	counters_begin(&w->c, &w->stream);
	tally_add(&w->c.page->taken, 10);
	counters_close(&w->c);
	counters_open(&w->c, "");
	assert_int_equal(tally_get(&w->c.page->taken), 0);
	counters_close(&w->c);
}

static void test_an_unusable_folder_costs_only_the_memory_of_it(void **state)
{
	struct world *w = *state;

	counters_open(&w->c, "/nonexistent/hourglass");
	tally_add(&w->c.page->taken, 10);
	assert_int_equal(tally_get(&w->c.page->taken), 10);
	counters_close(&w->c);
}

static void test_a_page_of_another_kind_counts_as_zeros(void **state)
{
	struct world *w = *state;
	FILE *f = fopen(w->path, "w");
	struct stat about;

	fputs("something else, and short", f);
	fclose(f);
	counters_open(&w->c, w->folder);
	assert_int_equal(tally_get(&w->c.page->taken), 0);
	assert_int_equal(tally_get(&w->c.page->partitions), 0);
	counters_close(&w->c);
	assert_int_equal(stat(w->path, &about), 0);
	assert_int_equal(about.st_size, COUNTERS_BYTES);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_next_start_reads_what_was_counted),
		T(test_a_life_begins_at_zero_and_remembers_the_partitions),
		T(test_without_a_folder_counts_die),
		T(test_an_unusable_folder_costs_only_the_memory_of_it),
		T(test_a_page_of_another_kind_counts_as_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
