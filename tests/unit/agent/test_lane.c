// SPDX-License-Identifier: Apache-2.0
#include "agent/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* What needs a lane alone: batches lost inside the spool, and the memory of the past. The rest
 * of its promises are tests of the outbox. */

struct world {
	struct lane l;
	struct spool *spool;
	struct stream_id id;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_int_equal(spool_new(1 << 20, &w->spool), 0);
	lane_init(&w->l, &w->id, 3);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	lane_release(&w->l);
	spool_free(w->spool);
	free(w);
	return 0;
}

static void seal(struct world *w, uint64_t samples)
{
	struct lane_record note = { .samples = samples, .size = 5, .since_ms = 1 };
	struct spool_record record = { .samples = samples };

	assert_int_equal(lane_reserve(&w->l), 0);
	assert_int_equal(spool_append(w->spool, &record, slice_text("batch"), &note.spool_id), 0);
	lane_append(&w->l, hash_chain_next(w->l.chain, slice_text("batch")), &note);
}

static struct lane_change told(struct world *w, enum lane_cause cause, uint64_t seq,
			       uint64_t chain)
{
	struct stream_state stored = { .known = true, .seq = seq, .value = chain };

	return lane_note_state(&w->l, &stored, cause, 1000);
}

static uint64_t chain_of(const struct world *w, uint64_t seq)
{
	for (size_t i = 0; i < w->l.count; i++)
		if (w->l.records[w->l.head + i].seq == seq)
			return w->l.records[w->l.head + i].chain_after;
	fail();
	return 0;
}

static void open_at_nonce(struct world *w)
{
	struct stream_state nonce = { .known = true, .nonce = true, .value = 9 };

	lane_note_state(&w->l, &nonce, LANE_OPENED, 1000);
}

/* Sends the next batch and returns its seq; 0 when there is none. */
static uint64_t send(struct world *w, bool *named, uint64_t *lost)
{
	struct stream_state predecessor;
	struct lane_record *r = lane_next(&w->l, &predecessor, named, lost);

	if (r == NULL)
		return 0;
	lane_mark_sent(&w->l, r, *lost);
	return r->seq;
}

static void lose(struct world *w, uint64_t seq)
{
	for (size_t i = 0; i < w->l.count; i++)
		if (w->l.records[w->l.head + i].seq == seq)
			lane_lose(&w->l, &w->l.records[w->l.head + i], w->spool);
}

static void test_a_batch_lost_in_the_spool_is_declared_by_the_next(void **state)
{
	struct world *w = *state;
	struct stream_state predecessor;
	uint64_t lost;
	bool named;

	for (uint64_t i = 1; i <= 4; i++)
		seal(w, 10 * i);
	open_at_nonce(w);
	assert_int_equal(send(w, &named, &lost), 1);
	lose(w, 2);
	lose(w, 3);
	assert_non_null(lane_next(&w->l, &predecessor, &named, &lost));
	assert_true(named && predecessor.seq == 1 && predecessor.value == chain_of(w, 1));
	assert_int_equal(send(w, &named, &lost), 4);
	assert_int_equal(lost, 50);
	assert_int_equal(told(w, LANE_COMMITTED, 4, chain_of(w, 4)).lost, 50);
	assert_int_equal(spool_records(w->spool), 2);
}

static void test_a_first_batch_lost_is_declared_against_the_nonce(void **state)
{
	struct world *w = *state;
	uint64_t lost;
	bool named;

	seal(w, 7);
	seal(w, 8);
	open_at_nonce(w);
	lose(w, 1);
	assert_int_equal(send(w, &named, &lost), 2);
	assert_true(named);
	assert_int_equal(lost, 7);
}

static void test_declared_loss_is_counted_once(void **state)
{
	struct world *w = *state;
	uint64_t lost;
	bool named;

	for (int i = 0; i < 3; i++)
		seal(w, 5);
	open_at_nonce(w);
	assert_int_equal(send(w, &named, &lost), 1);
	lose(w, 2);
	assert_int_equal(send(w, &named, &lost), 3);
	assert_int_equal(told(w, LANE_COMMITTED, 3, chain_of(w, 3)).lost, 5);
	told(w, LANE_RESET, 1, chain_of(w, 1));
	assert_int_equal(send(w, &named, &lost), 3);
	assert_int_equal(lost, 5);
	assert_int_equal(told(w, LANE_COMMITTED, 3, chain_of(w, 3)).lost, 0);
}

/* A relay that is still reading the state for our OPEN tells an older session's commit: what was sent
 * on that, it would throw away. */
static void test_only_the_answer_to_open_opens_a_lane(void **state)
{
	struct world *w = *state;
	uint64_t lost;
	bool named;

	seal(w, 10);
	seal(w, 10);
	open_at_nonce(w);
	assert_int_equal(send(w, &named, &lost), 1);
	lane_detach(&w->l);
	assert_int_equal(told(w, LANE_COMMITTED, 1, chain_of(w, 1)).committed, 10);
	assert_int_equal(send(w, &named, &lost), 0);
	told(w, LANE_OPENED, 1, chain_of(w, 1));
	assert_int_equal(send(w, &named, &lost), 2);
}

/* A state that is looked up after a doubt may have been written again a moment ago. */
static void test_the_grace_window_begins_anew_when_a_state_is_looked_up(void **state)
{
	static const enum lane_cause causes[] = { LANE_OPENED, LANE_RESET };
	struct world *w = *state;

	seal(w, 10);
	open_at_nonce(w);
	told(w, LANE_COMMITTED, 1, chain_of(w, 1));
	for (size_t i = 0; i < 2; i++) {
		struct stream_state stored = { .known = true, .seq = 1, .value = chain_of(w, 1) };

		lane_note_state(&w->l, &stored, causes[i], 5000 + (int64_t)i);
		assert_int_equal(lane_drop_stable(&w->l, 1, 4999 + (int64_t)i, w->spool), 0);
	}
	told(w, LANE_COMMITTED, 1, chain_of(w, 1));
	assert_int_equal(lane_drop_stable(&w->l, 1, 5001, w->spool), 10);
}

static void test_the_last_64_dropped_batches_are_remembered(void **state)
{
	struct world *w = *state;
	uint64_t lost, chain_36 = 0, chain_37 = 0;
	bool named;

	for (int i = 0; i < 101; i++) {
		seal(w, 1);
		chain_36 = w->l.next_seq == 37 ? w->l.chain : chain_36;
		chain_37 = w->l.next_seq == 38 ? w->l.chain : chain_37;
	}
	told(w, LANE_OPENED, 100, chain_of(w, 100));
	assert_int_equal(lane_drop_stable(&w->l, 100, 1000, w->spool), 100);
	assert_int_equal(lane_kept(&w->l), 1);
	assert_int_equal(w->l.past, LANE_PAST);
	/* 37 is remembered: exact. A chain that is not ours is seen. */
	assert_int_equal(told(w, LANE_RESET, 37, chain_37 + 1).verdict, LANE_FOREIGN);
	assert_int_equal(told(w, LANE_RESET, 37, chain_37).verdict, LANE_REWOUND);
	assert_int_equal(send(w, &named, &lost), 101);
	assert_int_equal(lost, 63);
	/* 36 still is, as what 37 was built on; 20 is too long ago: at least what we know. */
	assert_int_equal(told(w, LANE_RESET, 36, chain_36 + 1).verdict, LANE_FOREIGN);
	assert_int_equal(told(w, LANE_RESET, 20, 12345).verdict, LANE_REWOUND);
	assert_int_equal(send(w, &named, &lost), 101);
	assert_int_equal(lost, 64);
}

static void test_memory_of_notes_stays_bounded(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 100000; i++) {
		seal(w, 1);
		told(w, LANE_COMMITTED, w->l.next_seq - 1, w->l.chain);
		lane_drop_stable(&w->l, w->l.next_seq - 1, 1000, w->spool);
	}
	assert_true(w->l.capacity <= 4 * LANE_PAST);
	assert_int_equal(spool_records(w->spool), 0);
}

static void test_abandoning_counts_what_was_not_committed(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3; i++)
		seal(w, 5);
	told(w, LANE_OPENED, 1, chain_of(w, 1));
	assert_int_equal(lane_abandon(&w->l, w->spool), 10);
	assert_int_equal(lane_kept(&w->l), 0);
	assert_int_equal(lane_undelivered(&w->l), 0);
	assert_true(lane_since(&w->l) == INT64_MAX);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_batch_lost_in_the_spool_is_declared_by_the_next),
		T(test_a_first_batch_lost_is_declared_against_the_nonce),
		T(test_declared_loss_is_counted_once),
		T(test_only_the_answer_to_open_opens_a_lane),
		T(test_the_grace_window_begins_anew_when_a_state_is_looked_up),
		T(test_the_last_64_dropped_batches_are_remembered),
		T(test_memory_of_notes_stays_bounded),
		T(test_abandoning_counts_what_was_not_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
