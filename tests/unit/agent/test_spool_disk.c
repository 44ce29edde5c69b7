// SPDX-License-Identifier: Apache-2.0
#include "agent/spool_disk.h"

#include "tests/unit/agent/spool_disk_world.h"

#include <sys/stat.h>

static void test_a_batch_is_read_before_and_after_it_is_synced(void **state)
{
	struct world *w = *state;
	uint64_t id;

	start(w);
	id = append(w, 1000);
	assert_holds(w, id, 1, 1, 1000);
	spool_sync_now(w->spool);
	assert_holds(w, id, 1, 1, 1000);
	assert_int_equal(spool_records(w->spool), 1);
	assert_int_equal(spool_bytes(w->spool), spool_segment_size(1000));
}

static void test_a_start_finds_what_was_written_without_any_sync(void **state)
{
	struct world *w = *state;

	start(w);
	for (size_t i = 1; i <= 100; i++)
		append(w, 10 * i);
	restart(w);
	assert_int_equal(w->found.records, 100);
	assert_int_equal(w->found.samples, 5050);
	assert_int_equal(w->found.last_total, 5050);
	assert_int_equal(w->found.holes + w->found.torn + w->found.unreadable, 0);
	for (uint64_t seq = 1; seq <= 100; seq++)
		assert_holds(w, w->ids[seq], 1, seq, 10 * seq);
}

/* Killed before it synced: the system has the pages and the disk not yet, and nobody else would ask
 * for it before the machine loses power. */
static void test_a_start_syncs_what_it_finds(void **state)
{
	struct world *w = *state;

	start(w);
	append(w, 100);
	disk.syncs = 0;
	restart(w);
	assert_int_equal(w->found.records, 1);
	assert_int_equal(disk.syncs, 1);
	disk.sync = EIO;
	restart(w);
	assert_int_equal(w->found.records, 1);
	assert_int_equal(spool_disk_state(w->spool).faults, 1);
	assert_holds(w, w->ids[1], 1, 1, 100);
}

static void test_files_are_of_one_stream_and_go_with_their_last_record(void **state)
{
	struct world *w = *state;
	uint64_t ids[101];

	start(w);
	for (size_t i = 1; i <= 100; i++)
		ids[i] = append(w, 4000);
	assert_int_equal(count_files(w), 7); /* 64 KiB each */
	for (size_t i = 1; i <= 60; i++)
		spool_drop(w->spool, ids[i]);
	assert_int_equal(count_files(w), 4);
	case_begin(&w->c, 2);
	append(w, 10);
	assert_int_equal(count_files(w), 5);
	for (size_t i = 100; i > 60; i--)
		spool_drop(w->spool, ids[i]);
	assert_int_equal(count_files(w), 1);
	restart(w);
	assert_int_equal(w->found.records, 1);
}

static void test_full_files_are_cut_to_their_content(void **state)
{
	struct world *w = *state;
	struct stat about;

	start(w);
	for (int i = 0; i < 20; i++)
		append(w, 3000);
	append(w, 4000);
	assert_int_equal(stat_file(w, 0, &about), 0);
	assert_int_equal(about.st_size, 20 * spool_segment_size(3000));
	assert_int_equal(stat_file(w, 1, &about), 0);
	assert_int_equal(about.st_size, 65536);
}

static void test_a_record_larger_than_a_file_has_a_file_of_its_own(void **state)
{
	static uint8_t large[256 * 1024];
	struct world *w = *state;
	struct spool_record record = { .partitions = 1, .seq = 1, .samples = 1 };
	struct slice batch = slice_of(large, sizeof(large));
	uint64_t id;

	start(w);
	record.chain_after = hash_chain_next(0, batch);
	assert_int_equal(spool_append(w->spool, &record, batch, &id), 0);
	spool_sync_now(w->spool);
	assert_int_equal(spool_view(w->spool, id, &batch), 0);
	assert_int_equal(batch.size, sizeof(large));
	assert_memory_equal(batch.ptr, large, sizeof(large));
}

static void test_room_ends_at_the_limit(void **state)
{
	struct world *w = *state;

	w->options.max_bytes = 100000;
	start(w);
	assert_true(spool_has_room(w->spool, 100000));
	assert_false(spool_has_room(w->spool, 100001));
	for (int i = 0; i < 10; i++)
		append(w, 4000);
	assert_true(spool_has_room(w->spool, 100000 - spool_bytes(w->spool)));
	assert_false(spool_has_room(w->spool, 100001 - spool_bytes(w->spool)));
}

static void test_room_ends_with_the_memory_for_notes(void **state)
{
	struct world *w = *state;

	w->options.memory_max = 128 * 100;
	start(w);
	for (int i = 0; i < 60; i++)
		append(w, 10);
	assert_int_equal(spool_quarters(w->spool), 2);
	for (int i = 60; i < 99; i++)
		append(w, 10);
	assert_true(spool_has_room(w->spool, 10));
	append(w, 10);
	assert_false(spool_has_room(w->spool, 10));
}

static void test_unwanted_records_are_forgotten(void **state)
{
	struct world *w = *state;

	start(w);
	for (int i = 0; i < 40; i++)
		append(w, 4000);
	w->unwanted_below = 33;
	restart(w);
	assert_int_equal(w->found.records, 8);
	assert_int_equal(count_files(w), 1);
	w->unwanted_below = 100;
	restart(w);
	assert_int_equal(count_files(w), 0);
}

static void test_other_files_are_left_alone(void **state)
{
	struct world *w = *state;
	struct stat about;

	start(w);
	append(w, 10);
	put_file(w, "0000000000000009.v2", "x");
	put_file(w, "notes", "x");
	restart(w);
	assert_int_equal(w->found.records, 1);
	assert_int_equal(w->found.files, 1);
	assert_int_equal(stat_name(w, "0000000000000009.v2", &about), 0);
	assert_int_equal(stat_name(w, "notes", &about), 0);
}

static void test_a_start_makes_no_number_twice(void **state)
{
	struct world *w = *state;
	struct stat about;

	start(w);
	append(w, 10);
	restart(w);
	case_begin(&w->c, 2);
	append(w, 10);
	assert_int_equal(stat_file(w, 0, &about), 0);
	assert_int_equal(stat_file(w, 1, &about), 0);
	restart(w);
	assert_int_equal(w->found.records, 2);
}

static void test_many_files_need_few_descriptors(void **state)
{
	struct world *w = *state;
	uint64_t last = 0;

	w->options.max_bytes = 100 << 20;
	start(w);
	for (int i = 0; i < 600; i++)
		append(w, 4000);
	restart(w);
	assert_true(count_files(w) >= 35);
	for (int round = 0; round < 2; round++)
		for (uint64_t seq = 1; seq <= 600; seq += 10)
			assert_holds(w, w->ids[seq], 1, seq, 4000);
	last = count_descriptors();
	assert_true(last < 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_batch_is_read_before_and_after_it_is_synced),
		T(test_a_start_finds_what_was_written_without_any_sync),
		T(test_a_start_syncs_what_it_finds),
		T(test_files_are_of_one_stream_and_go_with_their_last_record),
		T(test_full_files_are_cut_to_their_content),
		T(test_a_record_larger_than_a_file_has_a_file_of_its_own),
		T(test_room_ends_at_the_limit),
		T(test_room_ends_with_the_memory_for_notes),
		T(test_unwanted_records_are_forgotten),
		T(test_other_files_are_left_alone),
		T(test_a_start_makes_no_number_twice),
		T(test_many_files_need_few_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
