// SPDX-License-Identifier: Apache-2.0
/*
 * The spool on a disk that fails, and on files that were damaged. Whatever happens, no batch is
 * handed out that was not written so, and what was not hit is there.
 */
#include "agent/spool_disk.h"

#include "tests/unit/agent/spool_disk_world.h"

static bool degraded(const struct world *w)
{
	return spool_disk_state(w->spool).degraded;
}

/* All batches are the ones sealed, whether in memory or on disk. */
static void assert_all_hold(struct world *w, const uint64_t *ids, size_t count, size_t size)
{
	for (size_t seq = 1; seq <= count; seq++)
		assert_holds(w, ids[seq], 1, seq, size);
}

/* A fault strikes after 5 batches; 5 more come meanwhile; it is repaired; 5 more come. */
static void survive(struct world *w, int *fault, int reason)
{
	uint64_t ids[16];

	start(w);
	for (size_t i = 1; i <= 5; i++)
		ids[i] = append(w, 1000);
	spool_sync_now(w->spool);
	*fault = reason;
	for (size_t i = 6; i <= 10; i++)
		ids[i] = append(w, 1000);
	spool_sync_now(w->spool);
	assert_true(degraded(w));
	assert_int_equal(spool_disk_state(w->spool).reason, -reason);
	assert_int_equal(w->volatile_samples, 6 + 7 + 8 + 9 + 10);
	assert_all_hold(w, ids, 10, 1000);
	*fault = 0;
	spool_sync_now(w->spool);
	assert_false(degraded(w));
	assert_int_equal(w->volatile_samples, 0);
	for (size_t i = 11; i <= 15; i++)
		ids[i] = append(w, 1000);
	assert_all_hold(w, ids, 15, 1000);
	restart(w);
	assert_int_equal(w->found.records, 15);
	assert_int_equal(w->found.holes + w->found.torn, 0);
	assert_all_hold(w, w->ids, 15, 1000);
}

static void test_a_full_disk_is_survived_in_memory(void **state)
{
	survive(*state, &disk.write, ENOSPC);
}

static void test_a_broken_disk_is_survived_in_memory(void **state)
{
	survive(*state, &disk.write, EIO);
}

static void test_a_disk_that_cannot_sync_is_survived_in_memory(void **state)
{
	survive(*state, &disk.sync, EIO);
}

static void test_a_disk_without_room_for_a_file_is_survived_in_memory(void **state)
{
	struct world *w = *state;
	uint64_t ids[4];

	start(w);
	disk.allocate = ENOSPC;
	ids[1] = append(w, 1000);
	ids[2] = append(w, 1000);
	assert_true(degraded(w));
	assert_int_equal(count_files(w), 0);
	spool_sync_now(w->spool);
	assert_true(degraded(w));
	disk.allocate = 0;
	spool_sync_now(w->spool);
	ids[3] = append(w, 1000);
	assert_false(degraded(w));
	assert_all_hold(w, ids, 3, 1000);
	restart(w);
	assert_int_equal(w->found.records, 3);
}

static void test_a_short_write_is_continued(void **state)
{
	struct world *w = *state;

	start(w);
	disk.write_limit = 100;
	append(w, 1000);
	assert_false(degraded(w));
	restart(w);
	assert_int_equal(w->found.records, 1);
	assert_holds(w, w->ids[1], 1, 1, 1000);
}

static void test_a_write_that_stays_short_is_cut_off(void **state)
{
	struct world *w = *state;
	struct stat about;

	start(w);
	append(w, 1000);
	disk.write_limit = 200; /* the rest of the record fits one more call, which fails */
	disk.write = ENOSPC;
	append(w, 300);
	assert_true(degraded(w));
	assert_int_equal(stat_file(w, 0, &about), 0);
	assert_int_equal(about.st_size, spool_segment_size(1000));
	restart(w);
	assert_int_equal(w->found.records, 1);
	assert_int_equal(w->found.torn, 0);
}

static void test_a_failed_sync_is_never_asked_again(void **state)
{
	struct world *w = *state;
	struct stat about;
	uint64_t ids[5];

	start(w);
	ids[1] = append(w, 1000);
	ids[2] = append(w, 1000);
	spool_sync_now(w->spool);
	ids[3] = append(w, 1000);
	disk.sync = EIO;
	spool_sync_now(w->spool);
	disk.sync = 0;
	assert_int_equal(stat_file(w, 0, &about), 0);
	assert_int_equal(about.st_size, 2 * spool_segment_size(1000)); /* what is known to be there */
	spool_sync_now(w->spool);
	assert_int_equal(stat_file(w, 1, &about), 0); /* the third is there again, elsewhere */
	ids[4] = append(w, 1000);
	assert_all_hold(w, ids, 4, 1000);
	restart(w);
	assert_int_equal(w->found.records, 4);
}

static void test_a_sync_on_another_thread_may_outlive_what_it_syncs(void **state)
{
	struct world *w = *state;
	struct spool_sync *sync;
	uint64_t ids[101];

	start(w);
	for (size_t i = 1; i <= 100; i++)
		ids[i] = append(w, 4000);
	sync = spool_sync_begin(w->spool);
	assert_non_null(sync);
	for (size_t i = 1; i <= 100; i++)
		spool_drop(w->spool, ids[i]);
	append(w, 10);
	spool_sync_run(sync);
	spool_sync_done(w->spool, sync);
	sync = spool_sync_begin(w->spool);
	spool_free(w->spool);
	w->spool = NULL;
	spool_sync_run(sync);
	spool_sync_done(NULL, sync);
}

static void test_a_batch_written_during_a_sync_waits_for_the_next(void **state)
{
	struct world *w = *state;
	struct spool_sync *sync;
	uint64_t ids[3];

	start(w);
	ids[1] = append(w, 1000);
	sync = spool_sync_begin(w->spool);
	ids[2] = append(w, 1000);
	spool_sync_run(sync);
	spool_sync_done(w->spool, sync);
	disk.sync = EIO; /* the first is safe, the second is written again */
	spool_sync_now(w->spool);
	assert_int_equal(w->volatile_samples, 2);
	assert_all_hold(w, ids, 2, 1000);
}

static void test_memory_has_its_bound_while_the_disk_fails(void **state)
{
	struct world *w = *state;
	struct slice batch;
	uint64_t id;
	size_t taken = 0;

	w->options.memory_max = 20000;
	start(w);
	disk.allocate = ENOSPC;
	append(w, 1000);
	while (spool_has_room(w->spool, 1000 + SPOOL_SEGMENT_HEADER)) {
		append(w, 1000);
		taken++;
	}
	assert_in_range(taken, 10, 20);
	batch = case_next(&w->c, 4000);
	assert_int_equal(spool_append(w->spool, &w->c.record, batch, &id), ERR_SPOOL_FULL);
	assert_int_equal(spool_records(w->spool), taken + 1);
}

static void test_a_disk_too_slow_to_sync_is_written_without_copies(void **state)
{
	struct world *w = *state;
	uint64_t ids[41];

	w->options.memory_max = 20000;
	start(w);
	for (size_t i = 1; i <= 40; i++)
		ids[i] = append(w, 1000);
	assert_false(degraded(w));
	assert_all_hold(w, ids, 40, 1000);
	disk.sync = EIO;
	spool_sync_now(w->spool);
	disk.sync = 0;
	assert_all_hold(w, ids, 40, 1000);
	spool_sync_now(w->spool);
	restart(w);
	for (size_t i = 1; i <= 40; i++)
		assert_true(w->ids[i] != 0);
}

/* ---- damage ---- */

static void flip(const struct world *w, uint64_t number, off_t at, uint8_t bits)
{
	int fd = open_file(w, number);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= bits;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void test_a_record_that_rots_is_noticed_when_it_is_read(void **state)
{
	struct world *w = *state;
	struct slice batch;
	uint64_t first, second;

	start(w);
	first = append(w, 1000);
	second = append(w, 1000);
	spool_sync_now(w->spool);
	flip(w, 0, 500, 1);
	assert_int_equal(spool_view(w->spool, first, &batch), ERR_CHECKSUM);
	assert_int_equal(spool_disk_state(w->spool).damaged, 1);
	assert_holds(w, second, 1, 2, 1000);
	spool_drop(w->spool, first);
}

static void test_an_unreadable_page_costs_its_records(void **state)
{
	struct world *w = *state;
	struct slice batch;
	uint64_t id;

	start(w);
	id = append(w, 1000);
	spool_sync_now(w->spool);
	disk.read = EIO;
	assert_int_equal(spool_view(w->spool, id, &batch), ERR_CHECKSUM);
	restart(w);
	assert_int_equal(w->found.unreadable, 1);
	assert_int_equal(w->found.records, 0);
}

static void test_a_flipped_byte_anywhere_costs_one_record(void **state)
{
	struct world *w = *state;
	off_t size = (off_t)spool_segment_size(20), end = 6 * size;

	for (off_t at = 0; at < end; at++) {
		uint64_t hit = (uint64_t)(at / size) + 1;
		bool padding = at % size >= (off_t)SPOOL_SEGMENT_HEADER + 20;

		case_begin(&w->c, 1);
		start(w);
		for (size_t i = 0; i < 6; i++)
			append(w, 20);
		flip(w, 0, at, 0x11);
		restart(w);
		for (uint64_t seq = 1; seq <= 6; seq++) {
			assert_int_equal(w->ids[seq] != 0, seq != hit || padding);
			if (w->ids[seq] != 0)
				assert_holds(w, w->ids[seq], 1, seq, 20);
		}
		assert_int_equal(w->found.holes, hit < 6 && !padding);
		/* Its neighbours tell how many samples it had; at either end there is but one. */
		assert_int_equal(w->found.hole_samples, hit > 1 && hit < 6 && !padding ? hit : 0);
		for (uint64_t seq = 1; seq <= 6; seq++)
			if (w->ids[seq] != 0)
				spool_drop(w->spool, w->ids[seq]);
		spool_free(w->spool);
		w->unwanted_below = 100;
		start(w);
		assert_int_equal(count_files(w), 0);
		spool_free(w->spool);
		w->spool = NULL;
		w->unwanted_below = 0;
	}
}

static void test_a_tail_torn_at_any_byte_is_cut_off(void **state)
{
	struct world *w = *state;
	off_t size = (off_t)spool_segment_size(20);

	for (off_t left = 0; left < (off_t)SPOOL_SEGMENT_HEADER + 20; left++) {
		struct stat about;
		int fd;

		case_begin(&w->c, 1);
		start(w);
		for (size_t i = 0; i < 3; i++)
			append(w, 20);
		fd = open_file(w, w->found.files ? 1 : 0);
		assert_int_equal(ftruncate(fd, 2 * size + left), 0);
		assert_int_equal(ftruncate(fd, 65536), 0); /* preallocated zeros */
		close(fd);
		restart(w);
		assert_int_equal(w->found.records, 2);
		assert_int_equal(w->found.torn, left > 0);
		assert_int_equal(w->found.holes, 0);
		assert_int_equal(stat_file(w, 0, &about), 0);
		assert_int_equal(about.st_size, 2 * size);
		w->unwanted_below = 100;
		restart(w);
		w->unwanted_below = 0;
		spool_free(w->spool);
		w->spool = NULL;
	}
}

static void test_nonsense_is_no_spool_and_does_no_harm(void **state)
{
	struct world *w = *state;

	put_file(w, "0000000000000005.v1", "this is no record at all, but it is long enough to be "
					   "taken for the beginning of one if nobody looked");
	start(w);
	assert_int_equal(w->found.records, 0);
	assert_int_equal(w->found.torn, 1);
	assert_int_equal(count_files(w), 0);
	append(w, 10);
	restart(w);
	assert_int_equal(w->found.records, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_full_disk_is_survived_in_memory),
		T(test_a_broken_disk_is_survived_in_memory),
		T(test_a_disk_that_cannot_sync_is_survived_in_memory),
		T(test_a_disk_without_room_for_a_file_is_survived_in_memory),
		T(test_a_short_write_is_continued),
		T(test_a_write_that_stays_short_is_cut_off),
		T(test_a_failed_sync_is_never_asked_again),
		T(test_a_sync_on_another_thread_may_outlive_what_it_syncs),
		T(test_a_batch_written_during_a_sync_waits_for_the_next),
		T(test_memory_has_its_bound_while_the_disk_fails),
		T(test_a_disk_too_slow_to_sync_is_written_without_copies),
		T(test_a_record_that_rots_is_noticed_when_it_is_read),
		T(test_an_unreadable_page_costs_its_records),
		T(test_a_flipped_byte_anywhere_costs_one_record),
		T(test_a_tail_torn_at_any_byte_is_cut_off),
		T(test_nonsense_is_no_spool_and_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
