// SPDX-License-Identifier: Apache-2.0
#include "agent/keeper.h"

#include "tests/lib/folder.h"
#include "tests/lib/test_loop.h"
#include "tests/unit/agent/spool_case.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
	struct test_loop t;
	char folder[64];
	struct config config;
	struct ledger ledger;
	struct spool_case c;
	struct keeper *k;
	unsigned restored;
};

static bool on_restored(void *arg, struct spool *s, const struct spool_record *record, size_t size,
			uint64_t id)
{
	struct world *w = arg;

	(void)s;
	(void)size;
	(void)id;
	w->restored++;
	return record->seq > 0;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	log_set_level((enum log_level)2);
	test_loop_init(&w->t);
	snprintf(w->folder, sizeof(w->folder), "/tmp/hourglass-keeper-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	w->config = (struct config){ .state_dir = w->folder, .spool_max = 1 << 20,
				     .segment_bytes = 1 << 16, .spool_memory_max = 1 << 20 };
	case_begin(&w->c, 1);
	*state = w;
	return 0;
}

static void start(struct world *w)
{
	memset(&w->ledger, 0, sizeof(w->ledger));
	w->restored = 0;
	assert_int_equal(keeper_new(&w->t.loop, &w->config, &w->ledger, &w->c.stream, on_restored, w,
				    &w->k), 0);
}

static int teardown(void **state)
{
	struct world *w = *state;
	char path[128];

	keeper_close(w->k);
	test_loop_finish(&w->t);
	snprintf(path, sizeof(path), "%s/spool", w->folder);
	folder_remove(path);
	folder_remove(w->folder);
	free(w);
	return 0;
}

/* Seals a batch as the delivery does. */
static void seal(struct world *w)
{
	struct slice batch = case_next(&w->c, 100);
	uint64_t id;

	assert_int_equal(spool_append(keeper_spool(w->k), &w->c.record, batch, &id), 0);
	tally_add(&keeper_counters(w->k)->page->sealed, w->c.record.samples);
	keeper_sealed(w->k);
}

/* The next agent, of another stream. */
static void restart(struct world *w)
{
	keeper_close(w->k);
	case_begin(&w->c, (uint8_t)(w->c.stream.bytes[STREAM_ID_BYTES - 1] + 1));
	start(w);
}

static void test_without_a_folder_the_spool_is_in_memory(void **state)
{
	struct world *w = *state;

	w->config.state_dir = "";
	start(w);
	assert_false(keeper_is_durable(w->k));
	seal(w);
	restart(w);
	assert_int_equal(w->restored, 0);
	keeper_count(w->k);
	assert_int_equal(tally_get(&w->ledger.spool_degraded), 0);
}

static void test_what_was_sealed_is_handed_out_at_the_next_start(void **state)
{
	struct world *w = *state;

	start(w);
	assert_true(keeper_is_durable(w->k));
	for (int i = 0; i < 3; i++)
		seal(w);
	keeper_count(w->k);
	assert_int_equal(tally_get(&w->ledger.spool_batches), 3);
	restart(w);
	assert_int_equal(w->restored, 3);
	assert_int_equal(tally_get(&w->ledger.lost_unsealed), 0);
	assert_int_equal(tally_get(&w->ledger.lost_spool), 0);
}

static void test_what_was_taken_and_not_sealed_is_lost_by_number(void **state)
{
	struct world *w = *state;

	start(w);
	tally_add(&keeper_counters(w->k)->page->taken, 10);
	tally_add(&keeper_counters(w->k)->page->lost, 2); /* at a seal: reported there */
	seal(w);
	seal(w); /* 1 + 2 samples */
	restart(w);
	assert_int_equal(tally_get(&w->ledger.lost_unsealed), 5);
	restart(w);
	assert_int_equal(tally_get(&w->ledger.lost_unsealed), 0);
}

static void test_a_record_knows_what_the_page_was_not_told_any_more(void **state)
{
	struct world *w = *state;

	start(w);
	tally_add(&keeper_counters(w->k)->page->taken, 10);
	seal(w);
	tally_set(&keeper_counters(w->k)->page->sealed, 0); /* killed between the two */
	restart(w);
	assert_int_equal(tally_get(&w->ledger.lost_unsealed), 9);
}

/* Killed within the seal of what POSTs brought: nothing of it is there, neither for the next start nor
 * for those after it. */
static void test_a_seal_of_posts_counts_all_or_nothing(void **state)
{
	struct world *w = *state;
	struct stream_id before;

	start(w);
	tally_add(&keeper_counters(w->k)->page->taken, 30);
	seal(w);
	seal(w); /* 1 + 2 samples */
	keeper_mark_unfinished(w->k, true);
	seal(w);
	seal(w);
	restart(w);
	assert_int_equal(w->restored, 2);
	assert_int_equal(keeper_before(w->k, &before), 3);
	assert_int_equal(tally_get(&w->ledger.lost_unsealed), 27);
	assert_int_equal(tally_get(&w->ledger.lost_spool), 0);
	restart(w);
	assert_int_equal(w->restored, 2);
	assert_int_equal(tally_get(&w->ledger.lost_unsealed), 0);
}

static void test_a_seal_of_posts_alone_leaves_no_file(void **state)
{
	struct world *w = *state;

	start(w);
	keeper_mark_unfinished(w->k, true);
	seal(w);
	restart(w);
	keeper_count(w->k);
	assert_int_equal(w->restored, 0);
	assert_int_equal(tally_get(&w->ledger.spool_bytes), 0);
}

static void test_a_seal_of_posts_that_ended_is_kept(void **state)
{
	struct world *w = *state;

	start(w);
	keeper_mark_unfinished(w->k, true);
	seal(w);
	keeper_mark_unfinished(w->k, false);
	seal(w);
	restart(w);
	assert_int_equal(w->restored, 2);
}

/* After another start of the system nobody knows what had been sent. */
static void test_an_unfinished_seal_is_kept_when_the_system_was_started_since(void **state)
{
	struct world *w = *state;
	struct stream_id before;

	start(w);
	keeper_mark_unfinished(w->k, true);
	seal(w);
	tally_add(&keeper_counters(w->k)->page->boot_ms, 60000);
	restart(w);
	assert_int_equal(w->restored, 1);
	assert_int_equal(keeper_before(w->k, &before), 1);
}

static void test_what_was_only_in_memory_is_lost(void **state)
{
	struct world *w = *state;

	start(w);
	tally_add(&keeper_counters(w->k)->page->taken, 30);
	tally_add(&keeper_counters(w->k)->page->sealed, 30);
	tally_add(&keeper_counters(w->k)->page->in_memory, 12);
	restart(w);
	assert_int_equal(tally_get(&w->ledger.lost_spool), 12);
	assert_int_equal(tally_get(&w->ledger.lost_unsealed), 0);
}

static void test_a_torn_last_batch_is_lost_by_number(void **state)
{
	struct world *w = *state;
	char path[256], name[SPOOL_FILE_NAME_SIZE];
	int fd;

	start(w);
	for (int i = 0; i < 3; i++)
		seal(w);
	snprintf(path, sizeof(path), "%s/spool/%s", w->folder, spool_file_name(0, name));
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, "x", 1, 2 * (off_t)spool_segment_size(100) + 50), 1);
	close(fd);
	tally_add(&keeper_counters(w->k)->page->taken, 6);
	restart(w);
	assert_int_equal(w->restored, 2);
	assert_int_equal(tally_get(&w->ledger.lost_spool), 3);
	assert_int_equal(tally_get(&w->ledger.lost_unsealed), 0);
}

static void test_a_folder_that_cannot_be_used_is_an_alarm_and_no_more(void **state)
{
	struct world *w = *state;
	char path[128];

	snprintf(path, sizeof(path), "%s/spool", w->folder);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	start(w);
	assert_false(keeper_is_durable(w->k));
	seal(w);
	keeper_count(w->k);
	assert_int_equal(tally_get(&w->ledger.spool_batches), 1);
	assert_int_equal(tally_get(&w->ledger.spool_degraded), 1);
	unlink(path);
}

static void test_always_means_synced_when_the_seal_is_done(void **state)
{
	struct world *w = *state;
	struct spool_sync *sync;

	w->config.spool_fsync = 1;
	start(w);
	seal(w);
	sync = spool_sync_begin(keeper_spool(w->k));
	assert_null(sync);
}

static void test_it_may_be_closed_while_the_disk_is_being_waited_for(void **state)
{
	struct world *w = *state;

	start(w);
	seal(w);
	uv_run(&w->t.loop, UV_RUN_ONCE); /* the timer; then the work is under way */
	restart(w);
	assert_int_equal(w->restored, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_without_a_folder_the_spool_is_in_memory),
		T(test_what_was_sealed_is_handed_out_at_the_next_start),
		T(test_what_was_taken_and_not_sealed_is_lost_by_number),
		T(test_a_record_knows_what_the_page_was_not_told_any_more),
		T(test_a_seal_of_posts_counts_all_or_nothing),
		T(test_a_seal_of_posts_alone_leaves_no_file),
		T(test_a_seal_of_posts_that_ended_is_kept),
		T(test_an_unfinished_seal_is_kept_when_the_system_was_started_since),
		T(test_what_was_only_in_memory_is_lost),
		T(test_a_torn_last_batch_is_lost_by_number),
		T(test_a_folder_that_cannot_be_used_is_an_alarm_and_no_more),
		T(test_always_means_synced_when_the_seal_is_done),
		T(test_it_may_be_closed_while_the_disk_is_being_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
