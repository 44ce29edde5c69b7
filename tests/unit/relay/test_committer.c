// SPDX-License-Identifier: Apache-2.0
#include "relay/committer.h"

#include "proto/cell.h"
#include "proto/err.h"
#include "tests/lib/model_store.h"
#include "tests/lib/source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * A committer with the model store behind it. Calls queue until the test lets the store
 * run them, loses the answer, or lets Redis turn them away; what sessions are told is kept.
 */

#define NOW    ((int64_t)1000)
#define SECOND ((int64_t)1795176000) /* 2026-11-20T12:00:00Z */
#define HOUR   (SECOND / 3600)
#define CFG    hash_cfg(1)
#define CALLS  256
#define HEARD  512

enum heard_what { OPENED, RESET, COMMITTED, CONFIRMED, REFUSED };

struct heard {
	enum heard_what what;
	struct committer_peer *peer;
	struct frame_stream stream;
	uint64_t token;
	int code;
};

struct queued {
	struct committer_call *call;
	uint8_t *resp;
	size_t size;
};

struct world {
	struct model_store store;
	struct committer c;
	struct relay_counters n;
	int64_t now, unix_offset;
	bool down;
	struct queued calls[CALLS];
	size_t first, last;
	struct heard heard[HEARD];
	size_t heard_count, read;
	uint64_t random;
	char foreign[32];
	size_t errors;
	enum committer_reason reason;
	struct committer_peer peer, other;
	struct source a, b;
};

static bool world_run(void *arg, struct committer *c, struct committer_call *call,
		      struct slice resp)
{
	struct world *w = arg;
	uint8_t *copy = malloc(resp.size);

	(void)c;
	if (w->down) {
		free(copy);
		return false;
	}
	assert_true(w->last < CALLS);
	memcpy(copy, resp.ptr, resp.size);
	w->calls[w->last++] = (struct queued){ call, copy, resp.size };
	return true;
}

static void world_hear(struct world *w, enum heard_what what, struct committer_peer *peer,
		       const struct frame_stream *list, size_t count, uint64_t token)
{
	for (size_t i = 0; i < count; i++) {
		assert_true(w->heard_count < HEARD);
		w->heard[w->heard_count++] = (struct heard){ what, peer, list[i], token, 0 };
	}
}

static void world_state(void *arg, struct committer_peer *peer, enum frame_cause cause,
			struct frame_stream *list, size_t count)
{
	world_hear(arg, cause == FRAME_RESET ? RESET : OPENED, peer, list, count, 0);
}

static void world_committed(void *arg, struct committer_peer *peer, struct frame_stream *list,
			    size_t count)
{
	world_hear(arg, COMMITTED, peer, list, count, 0);
}

static void world_confirmed(void *arg, struct committer_peer *peer, uint64_t token,
			    struct frame_stream *list, size_t count)
{
	world_hear(arg, CONFIRMED, peer, list, count, token);
}

static void world_refuse(void *arg, struct committer_peer *peer, int code)
{
	struct world *w = arg;

	w->heard[w->heard_count++] = (struct heard){ .what = REFUSED, .peer = peer, .code = code };
}

static uint64_t world_random(void *arg)
{
	return ++((struct world *)arg)->random;
}

static void world_discarded(void *arg, uint32_t partition, enum committer_reason reason, int code)
{
	(void)partition;
	(void)code;
	((struct world *)arg)->reason = reason;
}

static void world_foreign(void *arg, uint32_t partition, struct slice stored)
{
	(void)partition;
	snprintf(((struct world *)arg)->foreign, 32, "%.*s!", (int)stored.size,
		 (const char *)stored.ptr);
}

static void world_error(void *arg, uint32_t partition, enum script script, struct slice text)
{
	(void)partition;
	(void)script;
	(void)text;
	((struct world *)arg)->errors++;
}

static void world_rejected(void *arg, const struct stream_id *id, const struct image_rejects *n)
{
	(void)arg;
	(void)id;
	assert_true(n->too_old + n->too_new > 0);
}

static const struct committer_effects world_effects = {
	.run = world_run,
	.state = world_state,
	.committed = world_committed,
	.confirmed = world_confirmed,
	.refuse = world_refuse,
	.random = world_random,
	.discarded = world_discarded,
	.foreign = world_foreign,
	.error = world_error,
	.rejected = world_rejected,
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct committer_options o = { .cfg = CFG, .partitions = 1, .tag = "p0.0",
				       .commit_ms = 500, .retention_hours = 840,
				       .unix_offset_ms = &w->unix_offset, .counters = &w->n,
				       .effects = &world_effects, .arg = w };

	assert_non_null(w);
	w->now = NOW;
	w->unix_offset = SECOND * 1000 - NOW;
	model_store_init(&w->store, CFG);
	committer_init(&w->c, &o);
	committer_set_floor(&w->c, HOUR - 839);
	committer_store_up(&w->c, w->now);
	committer_peer_init(&w->peer, 1);
	committer_peer_init(&w->other, 2);
	source_init(&w->a, 'a', 1, 0);
	source_init(&w->b, 'b', 1, 0);
	*state = w;
	return 0;
}

static void fail_call(struct world *w, const char *error);

static int teardown(void **state)
{
	struct world *w = *state;

	committer_peer_gone(&w->peer);
	committer_peer_gone(&w->other);
	w->down = true;
	while (w->first < w->last)
		fail_call(w, NULL);
	committer_release(&w->c);
	assert_int_equal(tally_get(&w->n.batches_received),
			 tally_get(&w->n.batches_merged) + tally_get(&w->n.batches_duplicate) +
				 tally_get(&w->n.batches_stale) + tally_get(&w->n.batches_dropped) +
				 tally_get(&w->n.batches_refused));
	model_store_release(&w->store);
	source_release(&w->a);
	source_release(&w->b);
	free(w);
	return 0;
}

static void answer(struct world *w, const struct answer *a)
{
	struct queued *q = &w->calls[w->first++];

	free(q->resp);
	committer_answer(&w->c, q->call, a, w->now);
}

/* Lets the store run the oldest call and answers it. */
static void deliver(struct world *w)
{
	struct queued *q = &w->calls[w->first];
	struct model_reply reply;
	struct answer a;

	assert_true(w->first < w->last);
	model_store_run(&w->store, slice_of(q->resp, q->size), &reply);
	a = answer_of_words(reply.words, reply.count);
	answer(w, &a);
	model_reply_release(&reply);
}

/* The oldest call is run, but its answer is lost. */
static void deliver_unheard(struct world *w)
{
	struct queued *q = &w->calls[w->first];
	struct model_reply reply;
	struct answer a = answer_unknown();

	model_store_run(&w->store, slice_of(q->resp, q->size), &reply);
	model_reply_release(&reply);
	answer(w, &a);
}

/* The oldest call is turned away with an error, or (NULL) never arrives. */
static void fail_call(struct world *w, const char *error)
{
	struct answer a = error ? answer_of_error(slice_text(error)) : answer_unknown();

	assert_true(w->first < w->last);
	answer(w, &a);
}

static void tick_after(struct world *w, int64_t ms)
{
	w->now += ms;
	committer_tick(&w->c, w->now);
}

/* Time and the store go on until nothing is left to do. */
static void settle(struct world *w)
{
	for (int i = 0; i < 200; i++) {
		tick_after(w, 100);
		while (w->first < w->last)
			deliver(w);
	}
}

static size_t calls(const struct world *w)
{
	return w->last - w->first;
}

static enum script next_script(const struct world *w)
{
	assert_true(calls(w) > 0);
	return w->calls[w->first].call->script;
}

static void expect(struct world *w, enum heard_what what, const struct source *s,
		   uint64_t seq, const char *form)
{
	struct heard *h = &w->heard[w->read++];
	char text[STATE_TEXT_SIZE], wanted[STATE_TEXT_SIZE];

	assert_true(w->read <= w->heard_count);
	assert_int_equal(h->what, what);
	assert_memory_equal(h->stream.id.bytes, s->id.bytes, STREAM_ID_BYTES);
	state_format(&h->stream.state, text);
	snprintf(wanted, sizeof(wanted), "%llu:%s", (unsigned long long)seq, form);
	assert_memory_equal(text, wanted, strlen(wanted));
}

static void expect_nothing(const struct world *w)
{
	assert_int_equal(w->read, w->heard_count);
}

/* The state the last message about a stream told. */
static struct stream_state told(const struct world *w)
{
	assert_true(w->heard_count > 0);
	return w->heard[w->heard_count - 1].stream.state;
}

static void ask_open(struct world *w, struct committer_peer *peer, const struct source *s)
{
	assert_int_equal(committer_open(&w->c, peer, &s->id, 0), 0);
	committer_tick(&w->c, w->now);
}

/* Opens a stream; returns its nonce. */
static struct stream_state open_stream(struct world *w, struct committer_peer *peer,
				       const struct source *s)
{
	ask_open(w, peer, s);
	assert_int_equal(next_script(w), SCRIPT_OPEN);
	deliver(w);
	expect(w, OPENED, s, 0, "");
	return told(w);
}

static int send_frame(struct world *w, struct committer_peer *peer, const struct frame_batch *f)
{
	struct batch_header header;

	assert_int_equal(batch_peek(f->bytes, &header), 0);
	return committer_batch(&w->c, peer, f, &header, w->now);
}

static int send_batch(struct world *w, struct committer_peer *peer, const struct source *s, uint64_t seq,
		const struct stream_state *predecessor)
{
	struct frame_batch f = source_frame(s, seq, predecessor);

	return send_frame(w, peer, &f);
}

struct sum {
	double value;
	const char *series;
};

static void sum_cell(void *arg, struct slice hour, struct slice field, struct slice blob)
{
	struct sum *sum = arg;
	struct cell *cell;

	(void)hour;
	assert_int_equal(cell_decode(blob, &cell), 0);
	if (slice_equal(slice_of(field.ptr + 1, field.size - 1), slice_text(sum->series)))
		sum->value += cell_counter_sum(cell);
	cell_free(cell);
}

/* What a reader would see of a counter, over all hours. */
static double stored(struct world *w, const char *series)
{
	struct sum sum = { 0, series };

	model_store_cells(&w->store, sum_cell, &sum);
	return sum.value;
}

static const char *stored_state(struct world *w, const struct source *s)
{
	static char text[STATE_TEXT_SIZE];
	struct slice v = model_store_get(&w->store, "hg:{p0.0}:streams",
					 slice_of(s->id.bytes, STREAM_ID_BYTES));

	snprintf(text, sizeof(text), "%.*s", (int)v.size, (const char *)v.ptr);
	return text;
}

static void set_stored(struct world *w, const struct source *s, const char *text)
{
	model_store_set(&w->store, "hg:{p0.0}:streams", slice_of(s->id.bytes, STREAM_ID_BYTES),
			slice_text(text));
}

/* Stream a is open and its first batch committed. */
static void commit_first(struct world *w)
{
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
}

/* ---- opening and merging ------------------------------------------------------------------- */

static void test_an_unknown_stream_is_answered_with_a_nonce(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	assert_true(nonce.known && nonce.nonce);
	assert_int_equal(nonce.seq, 0);
}

static void test_opens_are_coalesced_into_one_call(void **state)
{
	struct world *w = *state;

	assert_int_equal(committer_open(&w->c, &w->peer, &w->a.id, 0), 0);
	assert_int_equal(committer_open(&w->c, &w->other, &w->b.id, 0), 0);
	committer_tick(&w->c, w->now);
	assert_int_equal(calls(w), 1);
	deliver(w);
	assert_int_equal(w->heard_count, 2);
	assert_ptr_not_equal(w->heard[0].peer, w->heard[1].peer);
}

static void test_the_first_batch_commits_at_once_and_the_next_after_commit_ms(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(committer_due(&w->c), NOW + 500);
	tick_after(w, 499);
	assert_int_equal(calls(w), 0);
	tick_after(w, 1);
	assert_int_equal(next_script(w), SCRIPT_COMMIT);
	deliver(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	assert_true(stored(w, "x") == 2);
	assert_true(committer_idle(&w->c));
	assert_int_equal(committer_due(&w->c), INT64_MAX);
}

static void test_nothing_is_acknowledged_before_redis_said_ok(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	tick_after(w, 60000);
	expect_nothing(w);
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
}

static void test_a_batch_without_the_nonce_is_out_of_chain(void **state)
{
	struct world *w = *state;

	open_stream(w, &w->peer, &w->a);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, NULL), ERR_BAD_CHAIN);
	tick_after(w, 1000);
	assert_int_equal(calls(w), 0);
}

static void test_a_duplicate_is_ignored_and_a_gap_refused(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, NULL), 0);
	assert_int_equal(tally_get(&w->n.batches_duplicate), 1);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), ERR_BAD_CHAIN);
	settle(w);
	assert_true(stored(w, "x") == 1);
}

static void test_a_changed_batch_breaks_the_chain_of_the_next(void **state)
{
	struct world *w = *state;
	struct source forged;

	commit_first(w);
	source_init(&forged, 'a', 1, 0);
	source_count(&forged, "x", SECOND + 1);
	source_count(&forged, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &forged, 2, NULL), ERR_BAD_CHAIN);
	source_release(&forged);
}

static void test_a_declared_gap_is_taken_and_its_loss_counted(void **state)
{
	struct world *w = *state;
	struct stream_state last;
	struct frame_batch f;

	commit_first(w);
	last = told(w);
	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	f = source_frame(&w->a, 3, &last);
	f.lost = 7;
	assert_int_equal(send_frame(w, &w->peer, &f), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 3, "c");
	assert_true(stored(w, "x") == 2);
	assert_int_equal(w->store.lost, 7);
}

static void test_a_stream_of_another_session_is_a_protocol_error(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->other, &w->a, 1, &nonce), ERR_PROTOCOL);
	assert_int_equal(send_batch(w, &w->other, &w->a, 1, &nonce), ERR_PROTOCOL);
}

static void test_a_malformed_batch_is_refused_whole(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	struct frame_batch f;

	source_count(&w->a, "x", SECOND);
	w->a.bytes[1][w->a.size[1] - 1] ^= 0xff;
	f = source_frame(&w->a, 1, &nonce);
	assert_true(send_frame(w, &w->peer, &f) < 0);
	settle(w);
	assert_true(committer_idle(&w->c));
	assert_int_equal(image_cells(&w->c.image), 0);
}

static void test_hours_out_of_reach_are_rejected_and_counted_as_lost(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	struct source_group groups[] = {
		{ "x", (HOUR - 840) * 3600 + 3599 }, { "x", (HOUR - 839) * 3600 },
		{ "x", SECOND + 300 },		     { "x", SECOND + 301 },
	};

	source_seal(&w->a, groups, 4);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 1, "c");
	assert_true(stored(w, "x") == 2);
	assert_int_equal(w->store.lost, 2);
	assert_int_equal(tally_get(&w->n.samples_too_old), 1);
	assert_int_equal(tally_get(&w->n.samples_too_new), 1);
}

static void test_a_batch_of_rejected_hours_alone_still_moves_its_stream(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", 3600);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	deliver_unheard(w);
	settle(w);
	expect(w, COMMITTED, &w->a, 1, "c");
	assert_int_equal(w->store.lost, 1);
}

/* ---- unknown outcomes and pauses -------------------------------------------------------------- */

static void test_an_unknown_outcome_is_met_with_the_identical_bytes(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	uint8_t *first;
	size_t size;

	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	size = w->calls[w->first].size;
	first = malloc(size);
	memcpy(first, w->calls[w->first].resp, size);
	/* What is merged meanwhile belongs to the next commit. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	deliver_unheard(w);
	tick_after(w, 50);
	assert_int_equal(calls(w), 1);
	assert_int_equal(w->calls[w->first].size, size);
	assert_memory_equal(w->calls[w->first].resp, first, size);
	free(first);
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
	settle(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	assert_true(stored(w, "x") == 2);
	assert_int_equal(tally_get(&w->n.commit_retries), 1);
}

static void test_commits_turned_away_are_sent_again_ever_more_slowly(void **state)
{
	static const char *const errors[] = {
		"NOSCRIPT No matching script.", "OOM command not allowed", "READONLY You can't",
		"NOREPLICAS Not enough",	"LOADING Redis is",	   "MASTERDOWN Link",
		"BUSY Redis is busy",		"CLUSTERDOWN x",	   "MOVED 1 h:1",
		"ASK 1 h:1",			"TRYAGAIN x",
	};
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	int64_t pause = 50;

	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fail_call(w, errors[i]);
		assert_int_equal(committer_due(&w->c), w->now + pause);
		tick_after(w, pause - 1);
		assert_int_equal(calls(w), 0);
		tick_after(w, 1);
		assert_int_equal(calls(w), 1);
		pause = 2 * pause < 1000 ? 2 * pause : 1000;
	}
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
	assert_true(stored(w, "x") == 1);
	assert_int_equal(w->errors, 0);
}

static void test_an_unexpected_error_is_reported_and_the_commit_kept(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	fail_call(w, "WRONGTYPE Operation against a key");
	assert_int_equal(w->errors, 1);
	settle(w);
	expect(w, COMMITTED, &w->a, 1, "c");
}

static void test_while_redis_is_down_nothing_is_lost_and_up_sends_at_once(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", SECOND);
	w->down = true;
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	for (int i = 0; i < 20; i++)
		tick_after(w, 700);
	expect_nothing(w);
	w->down = false;
	committer_store_up(&w->c, w->now);
	tick_after(w, 0);
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
}

static void test_a_failed_open_is_asked_again(void **state)
{
	struct world *w = *state;

	ask_open(w, &w->peer, &w->a);
	fail_call(w, NULL);
	assert_int_equal(committer_due(&w->c), w->now + 50);
	tick_after(w, 50);
	fail_call(w, "LOADING x");
	tick_after(w, 100);
	deliver(w);
	expect(w, OPENED, &w->a, 0, "n");
}

/* ---- refusals --------------------------------------------------------------------------------- */

/* After a refusal the agent sends again from the state that RESET told, and each sample counts
 * once. */
static void expect_recovery(struct world *w, enum committer_reason reason, uint64_t from)
{
	struct stream_state stored_now;

	assert_int_equal(w->reason, reason);
	assert_int_equal(image_cells(&w->c.image), 0);
	settle(w);
	expect(w, RESET, &w->a, from, "");
	stored_now = told(w);
	for (uint64_t seq = from + 1; seq <= w->a.count; seq++)
		assert_int_equal(send_batch(w, &w->peer, &w->a, seq, seq == from + 1 ? &stored_now : NULL),
				 0);
	settle(w);
	assert_true(stored(w, "x") == (double)w->a.count);
}

static void merge_second(struct world *w)
{
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	tick_after(w, 500);
	assert_int_equal(next_script(w), SCRIPT_COMMIT);
}

static void test_lost_partial_throws_the_image_away_and_resets(void **state)
{
	struct world *w = *state;

	commit_first(w);
	merge_second(w);
	model_store_rollback(&w->store, 1);
	deliver(w);
	expect_recovery(w, COMMITTER_LOST, 0);
}

static void test_a_stream_moved_by_another_relay_is_a_conflict(void **state)
{
	struct world *w = *state;
	char moved[STATE_TEXT_SIZE];
	struct stream_state second;

	commit_first(w);
	merge_second(w);
	second = source_state(&w->a, 2);
	set_stored(w, &w->a, (const char *)state_format(&second, moved).ptr);
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_CONFLICT);
	settle(w);
	expect(w, RESET, &w->a, 2, "c");
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	settle(w);
	/* The second sample is the other relay's to store. */
	assert_true(stored(w, "x") == 2);
}

static void test_the_conflicting_stream_pauses_ever_longer_and_others_do_not(void **state)
{
	struct world *w = *state;
	struct stream_state nonce_b;
	int64_t pause = 50;

	commit_first(w);
	nonce_b = open_stream(w, &w->other, &w->b);
	(void)nonce_b;
	for (int round = 0; round < 4; round++) {
		uint64_t seq = source_count(&w->a, "x", SECOND);
		char moved[STATE_TEXT_SIZE];
		struct stream_state next = source_state(&w->a, seq);

		assert_int_equal(send_batch(w, &w->peer, &w->a, seq, NULL), 0);
		tick_after(w, 500);
		set_stored(w, &w->a, (const char *)state_format(&next, moved).ptr);
		deliver(w);
		tick_after(w, 0);
		deliver(w);
		expect(w, RESET, &w->b, 0, "n");
		tick_after(w, pause - 1);
		assert_int_equal(calls(w), 0);
		tick_after(w, 1);
		deliver(w);
		expect(w, RESET, &w->a, seq, "c");
		pause *= 2;
	}
}

static void test_floor_refusal_raises_the_floor_and_the_rest_recovers(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	w->store.floor_hour = HOUR - 10;
	source_count(&w->a, "x", SECOND - 20 * 3600);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_FLOOR);
	assert_int_equal(w->c.floor_hour, HOUR - 10);
	settle(w);
	expect(w, RESET, &w->a, 0, "n");
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	settle(w);
	assert_true(stored(w, "x") == 1);
	assert_int_equal(w->store.lost, 1);
}

static void test_a_foreign_or_empty_redis_is_told_and_waited_for(void **state)
{
	struct world *w = *state;
	char cfg[24];

	commit_first(w);
	merge_second(w);
	memcpy(cfg, w->store.cfg, sizeof(cfg));
	w->store.cfg[0] = '\0';
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_CONFIG);
	assert_string_equal(w->foreign, "!");
	for (int i = 0; i < 5; i++) {
		tick_after(w, 1000);
		assert_int_equal(next_script(w), SCRIPT_OPEN);
		deliver(w);
	}
	memcpy(w->store.cfg, cfg, sizeof(cfg));
	settle(w);
	expect(w, RESET, &w->a, 1, "c");
}

static void test_after_a_refusal_new_partials_have_new_names(void **state)
{
	struct world *w = *state;
	uint64_t before;

	commit_first(w);
	before = w->c.image.hours[0]->pid;
	merge_second(w);
	model_store_rollback(&w->store, 1);
	deliver(w);
	expect_recovery(w, COMMITTER_LOST, 0);
	assert_int_not_equal(w->c.image.hours[0]->pid, before);
}

static void test_stale_batches_after_a_reset_are_ignored_until_one_fits(void **state)
{
	struct world *w = *state;

	commit_first(w);
	for (int i = 0; i < 3; i++)
		source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	tick_after(w, 500);
	model_store_rollback(&w->store, 1);
	deliver(w);
	/* Sent before the agent could know, read before the states are. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	settle(w);
	expect(w, RESET, &w->a, 0, "n");
	/* Sent before the agent saw RESET. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 4, NULL), 0);
	assert_int_equal(tally_get(&w->n.batches_stale), 2);
	struct stream_state nonce = told(w);

	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	/* From the first that fits on, a gap is an error again. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 4, NULL), ERR_BAD_CHAIN);
	for (uint64_t seq = 2; seq <= 4; seq++)
		assert_int_equal(send_batch(w, &w->peer, &w->a, seq, NULL), 0);
	settle(w);
	assert_true(stored(w, "x") == 4);
}

static void test_the_answer_of_a_commit_thrown_away_means_nothing(void **state)
{
	struct world *w = *state;

	commit_first(w);
	merge_second(w);
	committer_discard(&w->c, COMMITTER_MERGE, -ENOMEM, w->now);
	settle(w);
	/* The commit was in by then: the read says so, and nothing counts twice. */
	expect(w, RESET, &w->a, 2, "c");
	expect_nothing(w);
	assert_true(stored(w, "x") == 2);
}

/* ---- the closed commit ------------------------------------------------------------------------- */

static void test_a_closed_commit_lets_batches_wait_in_order(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	struct source_group groups[LIMIT_COMMIT_HOURS];

	for (int i = 0; i < LIMIT_COMMIT_HOURS; i++)
		groups[i] = (struct source_group){ "x", SECOND - i * 3600 };
	for (int i = LIMIT_COMMIT_HOURS; i-- > 0;)
		groups[LIMIT_COMMIT_HOURS - 1 - i].second = SECOND - (int64_t)i * 3600;
	source_seal(&w->a, groups, LIMIT_COMMIT_HOURS);
	source_count(&w->a, "y", SECOND);
	source_count(&w->a, "y", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	assert_int_equal(tally_get(&w->n.batches_merged), 1);
	assert_true(committer_held(&w->c) == w->a.size[1] + w->a.size[2] + w->a.size[3]);
	/* Duplicates of waiting batches are known as such. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(tally_get(&w->n.batches_duplicate), 1);
	committer_tick(&w->c, w->now);
	assert_int_equal(tally_get(&w->n.batches_merged), 3);
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
	assert_true(stored(w, "y") == 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 3, "c");
	assert_true(stored(w, "y") == 2);
	assert_int_equal(committer_held(&w->c), 0);
	assert_int_equal(tally_get(&w->n.held_bytes), 0);
}

static void test_a_closed_commit_does_not_wait_for_commit_ms(void **state)
{
	struct world *w = *state;
	struct source_group groups[LIMIT_COMMIT_HOURS];

	commit_first(w);
	for (int i = 0; i < LIMIT_COMMIT_HOURS; i++)
		groups[i] = (struct source_group){
			"x", SECOND - (int64_t)(LIMIT_COMMIT_HOURS - 1 - i) * 3600
		};
	source_seal(&w->a, groups, LIMIT_COMMIT_HOURS);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_true(committer_due(&w->c) <= w->now);
}

static void test_a_malformed_waiting_batch_ends_its_session_only(void **state)
{
	struct world *w = *state;
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);
	struct source_group groups[LIMIT_COMMIT_HOURS];

	for (int i = 0; i < LIMIT_COMMIT_HOURS; i++)
		groups[i] = (struct source_group){
			"x", SECOND - (int64_t)(LIMIT_COMMIT_HOURS - 1 - i) * 3600
		};
	source_seal(&w->a, groups, LIMIT_COMMIT_HOURS);
	source_count(&w->a, "y", SECOND);
	w->a.bytes[2][w->a.size[2] - 1] ^= 0xff;
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	committer_tick(&w->c, w->now);
	assert_int_equal(w->heard[w->heard_count - 1].what, REFUSED);
	w->read++;
	committer_peer_gone(&w->peer);
	settle(w);
	assert_true(stored(w, "x") == LIMIT_COMMIT_HOURS);
	assert_int_equal(tally_get(&w->n.streams), 0);
	/* Counted once as refused would be twice: it was received once and dropped once. */
	assert_int_equal(tally_get(&w->n.batches_dropped), 1);
}

/* ---- sessions that come and go ----------------------------------------------------------------- */

static void test_the_newest_session_takes_a_stream_over(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	ask_open(w, &w->other, &w->a);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), ERR_PROTOCOL);
	deliver(w);
	assert_ptr_equal(w->heard[w->heard_count - 1].peer, &w->other);
	expect(w, OPENED, &w->a, 1, "c");
	assert_int_equal(send_batch(w, &w->other, &w->a, 2, NULL), 0);
	committer_peer_gone(&w->peer);
	settle(w);
	assert_ptr_equal(w->heard[w->heard_count - 1].peer, &w->other);
	expect(w, COMMITTED, &w->a, 2, "c");
}

static void test_an_old_sessions_late_open_does_not_take_a_stream_back(void **state)
{
	struct world *w = *state;

	open_stream(w, &w->other, &w->a);
	assert_int_equal(committer_open(&w->c, &w->peer, &w->a.id, 0), ERR_PROTOCOL);
	source_count(&w->a, "x", SECOND);
	struct stream_state nonce = told(w);

	assert_int_equal(send_batch(w, &w->other, &w->a, 1, &nonce), 0);
}

static void test_merged_batches_are_committed_after_their_session_has_gone(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	committer_peer_gone(&w->peer);
	assert_int_equal(tally_get(&w->n.streams), 1);
	settle(w);
	assert_true(stored(w, "x") == 2);
	expect_nothing(w);
	assert_int_equal(tally_get(&w->n.streams), 0);
}

static void test_a_stream_opened_again_keeps_what_is_merged(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	committer_peer_gone(&w->peer);
	committer_peer_init(&w->peer, 3);
	ask_open(w, &w->peer, &w->a);
	deliver(w);
	expect(w, OPENED, &w->a, 1, "c");
	/* The agent sends again from what it was told; the image holds the second already. */
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 3, "c");
	assert_true(stored(w, "x") == 3);
}

static void test_opened_again_while_its_commit_is_under_way(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	tick_after(w, 500);
	ask_open(w, &w->other, &w->a);
	assert_int_equal(calls(w), 2);
	deliver(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	deliver(w);
	expect(w, OPENED, &w->a, 2, "c");
	assert_int_equal(send_batch(w, &w->other, &w->a, 3, NULL), 0);
	settle(w);
	assert_true(stored(w, "x") == 3);
}

static void test_a_stream_opened_again_that_moved_elsewhere_is_a_conflict(void **state)
{
	struct world *w = *state;
	struct stream_state second;
	char moved[STATE_TEXT_SIZE];

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	second = source_state(&w->a, 2);
	set_stored(w, &w->a, (const char *)state_format(&second, moved).ptr);
	ask_open(w, &w->peer, &w->a);
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_CONFLICT);
	settle(w);
	assert_true(stored(w, "x") == 1);
}

static void test_a_session_gone_while_its_open_is_asked_hears_nothing(void **state)
{
	struct world *w = *state;

	ask_open(w, &w->peer, &w->a);
	committer_peer_gone(&w->peer);
	deliver(w);
	expect_nothing(w);
	assert_int_equal(tally_get(&w->n.streams), 0);
}

/* ---- CONFIRM and CLOSE -------------------------------------------------------------------------- */

static void ask_confirm(struct world *w, struct committer_peer *peer, const struct source *s,
			uint64_t token)
{
	committer_confirm(&w->c, peer, token, &(struct frame_stream){ .id = s->id }, 1);
}

static void test_confirm_tells_what_is_stored(void **state)
{
	struct world *w = *state;

	commit_first(w);
	ask_confirm(w, &w->peer, &w->a, 77);
	deliver(w);
	assert_int_equal(w->heard[w->read].token, 77);
	expect(w, CONFIRMED, &w->a, 1, "c");
	ask_confirm(w, &w->peer, &w->b, 78);
	deliver(w);
	assert_false(w->heard[w->read].stream.state.known);
}

static void test_confirm_behind_our_mark_is_a_refusal(void **state)
{
	struct world *w = *state;

	commit_first(w);
	model_store_rollback(&w->store, 1);
	ask_confirm(w, &w->peer, &w->a, 1);
	deliver(w);
	expect(w, CONFIRMED, &w->a, 0, "n");
	expect_recovery(w, COMMITTER_ROLLBACK, 0);
}

static void test_confirm_asked_before_the_commit_was_in_is_no_refusal(void **state)
{
	struct world *w = *state;
	struct model_reply reply;
	struct answer early;
	struct queued question;

	commit_first(w);
	ask_confirm(w, &w->peer, &w->a, 1);
	question = w->calls[w->first];
	model_store_run(&w->store, slice_of(question.resp, question.size), &reply);
	early = answer_of_words(reply.words, reply.count);
	w->first++;
	merge_second(w);
	deliver(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	w->reason = COMMITTER_MERGE;
	committer_answer(&w->c, question.call, &early, w->now);
	free(question.resp);
	model_reply_release(&reply);
	expect(w, CONFIRMED, &w->a, 1, "c");
	assert_int_equal(w->reason, COMMITTER_MERGE);
}

static void test_confirm_of_a_stream_that_went_on_elsewhere_is_no_refusal(void **state)
{
	struct world *w = *state;

	commit_first(w);
	set_stored(w, &w->a, "5:c00000000000000ff");
	w->reason = COMMITTER_MERGE;
	ask_confirm(w, &w->peer, &w->a, 1);
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_MERGE);
}

static void test_an_open_that_shows_redis_went_back_is_a_refusal(void **state)
{
	struct world *w = *state;

	commit_first(w);
	model_store_rollback(&w->store, 1);
	ask_open(w, &w->peer, &w->a);
	deliver(w);
	assert_int_equal(w->reason, COMMITTER_ROLLBACK);
	settle(w);
	expect(w, OPENED, &w->a, 0, "n");
}

static void test_a_confirm_without_an_answer_is_forgotten(void **state)
{
	struct world *w = *state;

	commit_first(w);
	ask_confirm(w, &w->peer, &w->a, 1);
	assert_int_equal(w->peer.call_count, 1);
	fail_call(w, NULL);
	assert_int_equal(w->peer.call_count, 0);
	ask_confirm(w, &w->peer, &w->a, 2);
	committer_peer_gone(&w->peer);
	deliver(w);
	w->down = true;
	ask_confirm(w, &w->other, &w->a, 3);
	assert_int_equal(w->other.call_count, 0);
	expect_nothing(w);
}

static void test_close_forgets_a_stream_that_is_done(void **state)
{
	struct world *w = *state;
	struct frame_stream done = { .id = w->a.id };

	commit_first(w);
	done.state = told(w);
	committer_close(&w->c, &w->peer, &done, 1);
	assert_int_equal(tally_get(&w->n.streams), 1);
	deliver(w);
	assert_int_equal(tally_get(&w->n.streams), 0);
	assert_string_equal(stored_state(w, &w->a), "");
}

static void test_close_leaves_what_is_not_committed(void **state)
{
	struct world *w = *state;
	struct frame_stream done = { .id = w->a.id };

	commit_first(w);
	done.state = told(w);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	tick_after(w, 500);
	committer_close(&w->c, &w->peer, &done, 1);
	settle(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	assert_true(stored(w, "x") == 2);
}

/* ---- leaving, and memory ------------------------------------------------------------------------- */

static void test_drain_commits_what_is_merged_and_takes_no_more(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	committer_drain(&w->c);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 3, NULL), 0);
	assert_false(committer_idle(&w->c));
	tick_after(w, 0);
	deliver(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	assert_true(committer_idle(&w->c));
	assert_true(stored(w, "x") == 2);
}

static void test_evicted_hours_are_born_again_under_new_names(void **state)
{
	struct world *w = *state;

	commit_first(w);
	committer_evict(&w->c, w->now, SIZE_MAX);
	assert_int_equal(image_cells(&w->c.image), 1);
	w->now += 2 * 3600 * 1000;
	committer_evict(&w->c, w->now, SIZE_MAX);
	assert_int_equal(image_cells(&w->c.image), 0);
	assert_int_equal(tally_get(&w->n.image_bytes), 0);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	settle(w);
	expect(w, COMMITTED, &w->a, 2, "c");
	assert_true(stored(w, "x") == 2);
}

static void test_dirty_hours_are_never_evicted(void **state)
{
	struct world *w = *state;

	commit_first(w);
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	w->now += 2 * 3600 * 1000;
	committer_evict(&w->c, w->now, 0);
	assert_int_equal(image_cells(&w->c.image), 1);
	settle(w);
	assert_true(stored(w, "x") == 2);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_unknown_stream_is_answered_with_a_nonce),
		T(opens_are_coalesced_into_one_call),
		T(the_first_batch_commits_at_once_and_the_next_after_commit_ms),
		T(nothing_is_acknowledged_before_redis_said_ok),
		T(a_batch_without_the_nonce_is_out_of_chain),
		T(a_duplicate_is_ignored_and_a_gap_refused),
		T(a_changed_batch_breaks_the_chain_of_the_next),
		T(a_declared_gap_is_taken_and_its_loss_counted),
		T(a_stream_of_another_session_is_a_protocol_error),
		T(a_malformed_batch_is_refused_whole),
		T(hours_out_of_reach_are_rejected_and_counted_as_lost),
		T(a_batch_of_rejected_hours_alone_still_moves_its_stream),
		T(an_unknown_outcome_is_met_with_the_identical_bytes),
		T(commits_turned_away_are_sent_again_ever_more_slowly),
		T(an_unexpected_error_is_reported_and_the_commit_kept),
		T(while_redis_is_down_nothing_is_lost_and_up_sends_at_once),
		T(a_failed_open_is_asked_again),
		T(lost_partial_throws_the_image_away_and_resets),
		T(a_stream_moved_by_another_relay_is_a_conflict),
		T(the_conflicting_stream_pauses_ever_longer_and_others_do_not),
		T(floor_refusal_raises_the_floor_and_the_rest_recovers),
		T(a_foreign_or_empty_redis_is_told_and_waited_for),
		T(after_a_refusal_new_partials_have_new_names),
		T(stale_batches_after_a_reset_are_ignored_until_one_fits),
		T(the_answer_of_a_commit_thrown_away_means_nothing),
		T(a_closed_commit_lets_batches_wait_in_order),
		T(a_closed_commit_does_not_wait_for_commit_ms),
		T(a_malformed_waiting_batch_ends_its_session_only),
		T(the_newest_session_takes_a_stream_over),
		T(an_old_sessions_late_open_does_not_take_a_stream_back),
		T(merged_batches_are_committed_after_their_session_has_gone),
		T(a_stream_opened_again_keeps_what_is_merged),
		T(opened_again_while_its_commit_is_under_way),
		T(a_stream_opened_again_that_moved_elsewhere_is_a_conflict),
		T(a_session_gone_while_its_open_is_asked_hears_nothing),
		T(confirm_tells_what_is_stored),
		T(confirm_behind_our_mark_is_a_refusal),
		T(confirm_asked_before_the_commit_was_in_is_no_refusal),
		T(confirm_of_a_stream_that_went_on_elsewhere_is_no_refusal),
		T(an_open_that_shows_redis_went_back_is_a_refusal),
		T(a_confirm_without_an_answer_is_forgotten),
		T(close_forgets_a_stream_that_is_done),
		T(close_leaves_what_is_not_committed),
		T(drain_commits_what_is_merged_and_takes_no_more),
		T(evicted_hours_are_born_again_under_new_names),
		T(dirty_hours_are_never_evicted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
