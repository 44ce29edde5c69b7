// SPDX-License-Identifier: Apache-2.0
/* What is held and counted, answers that are not as they should be, and answers out of turn. */
#include "relay/committer.h"

#include "tests/unit/relay/world.h"

/* ---- what is held, counted, and due ------------------------------------------------------------- */

static void test_what_is_merged_in_flight_and_waiting_is_held(void **state)
{
	struct world *w = *state;
	size_t size;

	commit_first(w);
	assert_int_equal(committer_held(&w->c), 0);
	source_count(&w->a, "x", SECOND);
	size = source_frame(&w->a, 2, NULL).bytes.size;
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(committer_held(&w->c), size);
	tick_after(w, 500); /* in flight */
	assert_int_equal(committer_held(&w->c), size);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	assert_int_equal(committer_held(&w->c), size + source_frame(&w->a, 3, NULL).bytes.size);
	assert_int_equal(tally_get(&w->n.held_bytes), committer_held(&w->c));
	settle(w);
	assert_int_equal(committer_held(&w->c), 0);
	assert_int_equal(tally_get(&w->n.held_bytes), 0);
}

static void test_gauges_follow_the_image_both_ways(void **state)
{
	struct world *w = *state;

	commit_first(w);
	assert_int_equal(tally_get(&w->n.image_cells), 1);
	source_count(&w->a, "y", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(tally_get(&w->n.image_cells), 2);
	committer_discard(&w->c, COMMITTER_MERGE, -ENOMEM, w->now);
	committer_tick(&w->c, w->now);
	assert_int_equal(tally_get(&w->n.image_cells), 0);
}

static void test_a_commit_s_time_is_from_its_building_to_its_answer(void **state)
{
	struct world *w = *state;
	uint64_t before;

	commit_first(w);
	before = tally_get(&w->n.commit_usec);
	merge_second(w);
	w->now += 7;
	deliver(w);
	assert_int_equal(tally_get(&w->n.commit_usec) - before, 7000);
}

static void test_another_interval_counts_from_the_last_commit(void **state)
{
	struct world *w = *state;

	commit_first(w);
	committer_set_interval(&w->c, 2000);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	tick_after(w, 1999);
	assert_int_equal(calls(w), 0);
	tick_after(w, 1);
	assert_int_equal(calls(w), 1);
	deliver(w);
	committer_set_interval(&w->c, 300);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	tick_after(w, 299);
	assert_int_equal(calls(w), 0);
	tick_after(w, 1);
	assert_int_equal(calls(w), 1);
}

static void test_with_nothing_to_do_nothing_is_due(void **state)
{
	struct world *w = *state;

	assert_true(committer_due(&w->c) == INT64_MAX);
	commit_first(w);
	assert_true(committer_due(&w->c) == INT64_MAX);
}

static void test_a_session_s_streams_are_counted_both_ways(void **state)
{
	struct world *w = *state;

	(void)open_stream(w, &w->peer, &w->a);
	(void)open_stream(w, &w->peer, &w->b);
	assert_int_equal(w->peer.track_count, 2);
	ask_open(w, &w->other, &w->a);
	assert_int_equal(w->peer.track_count, 1);
	assert_int_equal(w->other.track_count, 1);
	deliver(w);
	committer_peer_gone(&w->peer);
	assert_int_equal(w->peer.track_count, 0);
}

static void test_an_hour_leaves_memory_when_it_was_idle_for_ten_minutes(void **state)
{
	struct world *w = *state;

	commit_first(w);
	w->unix_offset += 2 * 3600 * 1000; /* the hour is over, and was just written */
	committer_evict(&w->c, w->now, SIZE_MAX);
	assert_int_equal(image_cells(&w->c.image), 1);
	w->now += 10 * 60 * 1000;
	committer_evict(&w->c, w->now, SIZE_MAX);
	assert_int_equal(image_cells(&w->c.image), 1);
	w->now += 1;
	committer_evict(&w->c, w->now, SIZE_MAX);
	assert_int_equal(image_cells(&w->c.image), 0);
}

static void test_a_close_that_fails_is_reported(void **state)
{
	struct world *w = *state;
	struct frame_stream done = { .id = w->a.id };

	commit_first(w);
	done.state = told(w);
	committer_close(&w->c, &w->peer, &done, 1);
	fail_call(w, "ERR something");
	assert_int_equal(w->errors, 1);
	committer_close(&w->c, &w->peer, &done, 1);
	deliver(w);
	assert_int_equal(w->errors, 1);
}

/* ---- answers that are not as they should be ------------------------------------------------------- */

static void answer_words(struct world *w, const struct slice *words, size_t count)
{
	/* On the heap, so that reading past the end is seen. */
	struct slice *copy = malloc(count * sizeof(*copy));
	struct answer a;

	memcpy(copy, words, count * sizeof(*copy));
	a = answer_of_words(copy, count);
	answer(w, &a);
	free(copy);
}

static void test_every_stream_of_a_conflict_pauses(void **state)
{
	struct world *w = *state;
	struct stream_state nonce_b;
	struct slice words[5];

	commit_first(w);
	nonce_b = open_stream(w, &w->other, &w->b);
	source_count(&w->b, "x", SECOND);
	assert_int_equal(send_batch(w, &w->other, &w->b, 1, &nonce_b), 0);
	merge_second(w);
	words[0] = slice_text("CONFLICT");
	words[1] = slice_of(w->a.id.bytes, STREAM_ID_BYTES);
	words[2] = slice_text("9:c1111111111111111");
	words[3] = slice_of(w->b.id.bytes, STREAM_ID_BYTES);
	words[4] = slice_text("");
	answer_words(w, words, 5);
	assert_int_equal(w->reason, COMMITTER_CONFLICT);
	tick_after(w, 49);
	assert_int_equal(calls(w), 0);
	tick_after(w, 1);
	assert_int_equal(calls(w), 1);
}

static void test_a_conflict_may_name_nobody_or_half_of_somebody(void **state)
{
	struct world *w = *state;
	struct slice words[2];

	commit_first(w);
	merge_second(w);
	words[0] = slice_text("CONFLICT");
	words[1] = slice_of(w->a.id.bytes, STREAM_ID_BYTES);
	answer_words(w, words, 2); /* a stream without its state */
	assert_int_equal(w->reason, COMMITTER_CONFLICT);
	tick_after(w, 0);
	assert_int_equal(calls(w), 1); /* not paused */
}

static void test_a_floor_that_is_no_number_raises_nothing(void **state)
{
	static const char *const floors[] = { "", "12x", "9999999999999", ":", "/" };
	struct world *w = *state;
	int64_t floor;

	commit_first(w);
	floor = w->c.floor_hour;
	for (size_t i = 0; i <= sizeof(floors) / sizeof(floors[0]); i++) {
		struct slice words[2] = { slice_text("FLOOR") };
		bool none = i == sizeof(floors) / sizeof(floors[0]);

		merge_second(w);
		words[1] = none ? slice_of(NULL, 0) : slice_text(floors[i]);
		answer_words(w, words, none ? 1 : 2);
		assert_int_equal(w->reason, COMMITTER_FLOOR);
		assert_true(w->c.floor_hour == floor);
		settle(w);
		expect(w, RESET, &w->a, 1, "c");
		free(w->a.bytes[w->a.count--]); /* the next round makes it anew */
	}
}

static void test_a_floor_of_twelve_digits_is_a_number(void **state)
{
	struct world *w = *state;
	struct slice words[2] = { slice_text("FLOOR") };
	char text[16];

	commit_first(w);
	merge_second(w);
	snprintf(text, sizeof(text), "%012lld", (long long)HOUR - 5);
	words[1] = slice_text(text);
	answer_words(w, words, 2);
	assert_true(w->c.floor_hour == HOUR - 5);
}

/* ---- answers out of turn: commands may overtake each other in a Cluster --------------------------- */

/* Runs a queued call and keeps what Redis says to it. */
static void run_early(struct world *w, size_t index, struct model_reply *reply)
{
	model_store_run(&w->store, slice_of(w->calls[index].resp, w->calls[index].size), reply);
}

static void answer_early(struct world *w, struct model_reply *reply)
{
	struct answer a = answer_of_words(reply->words, reply->count);

	answer(w, &a);
	model_reply_release(reply);
}

static void test_a_confirm_that_was_read_before_the_commit_and_heard_after_it_is_no_refusal(void **state)
{
	struct world *w = *state;
	struct frame_stream about = { .id = w->a.id };
	struct model_reply before;

	commit_first(w);
	merge_second(w);
	committer_confirm(&w->c, &w->peer, 5, &about, 1);
	run_early(w, w->first + 1, &before);
	w->reason = COMMITTER_MERGE;
	deliver(w); /* the commit */
	expect(w, COMMITTED, &w->a, 2, "c");
	answer_early(w, &before);
	assert_int_equal(w->reason, COMMITTER_MERGE); /* nothing was thrown away */
	assert_true(image_cells(&w->c.image) > 0);
}

/* A commit is run, and thrown away before its answer came; a third batch is being committed. */
struct late {
	struct committer_call *call;
	struct model_reply reply;
};

static struct late commit_late(struct world *w)
{
	struct late late;
	struct queued old;

	commit_first(w);
	merge_second(w);
	old = w->calls[w->first++];
	late.call = old.call;
	model_store_run(&w->store, slice_of(old.resp, old.size), &late.reply);
	free(old.resp);
	committer_discard(&w->c, COMMITTER_MERGE, -ENOMEM, w->now);
	tick_after(w, 0);
	deliver(w); /* the states are read again */
	expect(w, RESET, &w->a, 2, "c");
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	tick_after(w, 500);
	assert_int_equal(next_script(w), SCRIPT_COMMIT);
	return late;
}

static void answer_late(struct world *w, struct late *late)
{
	struct answer a = answer_of_words(late->reply.words, late->reply.count);

	committer_answer(&w->c, late->call, &a, w->now);
	model_reply_release(&late->reply);
	expect_nothing(w); /* batch 3 is not in yet */
}

static void test_a_late_answer_is_not_taken_for_that_of_the_next_commit(void **state)
{
	struct world *w = *state;
	struct late late = commit_late(w);

	answer_late(w, &late);
	deliver(w);
	expect(w, COMMITTED, &w->a, 3, "c");
	assert_true(stored(w, "x") == 3);
}

static void test_a_late_answer_is_not_taken_for_that_of_a_commit_that_waits(void **state)
{
	struct world *w = *state;
	struct late late = commit_late(w);

	fail_call(w, "READONLY You can't write against a read only replica.");
	answer_late(w, &late);
	settle(w);
	expect(w, COMMITTED, &w->a, 3, "c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_merged_in_flight_and_waiting_is_held),
		T(gauges_follow_the_image_both_ways),
		T(a_commit_s_time_is_from_its_building_to_its_answer),
		T(another_interval_counts_from_the_last_commit),
		T(with_nothing_to_do_nothing_is_due),
		T(a_session_s_streams_are_counted_both_ways),
		T(an_hour_leaves_memory_when_it_was_idle_for_ten_minutes),
		T(a_close_that_fails_is_reported),
		T(every_stream_of_a_conflict_pauses),
		T(a_conflict_may_name_nobody_or_half_of_somebody),
		T(a_floor_that_is_no_number_raises_nothing),
		T(a_floor_of_twelve_digits_is_a_number),
		T(a_confirm_that_was_read_before_the_commit_and_heard_after_it_is_no_refusal),
		T(a_late_answer_is_not_taken_for_that_of_the_next_commit),
		T(a_late_answer_is_not_taken_for_that_of_a_commit_that_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
