/*
 * world.h - a committer with the model store behind it, for its tests.
 *
 * Calls queue until the test lets the store run them (deliver), loses the answer
 * (deliver_unheard), or has Redis turn them away (fail_call); what sessions are told is kept
 * in order, and expect() reads it. Time moves by tick_after and settle. Two sessions, two
 * streams of batches, one partition. Included, not linked: only relay's tests have a relay.
 */
#ifndef TESTS_UNIT_RELAY_WORLD_H
#define TESTS_UNIT_RELAY_WORLD_H

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

#define NOW    ((int64_t)1000)
#define SECOND ((int64_t)1795176000) /* 2026-11-20T12:00:00Z */
#define HOUR   (SECOND / 3600)
#define META   "hg:{p0.0}:meta"
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

static inline bool world_run(void *arg, struct committer *c, struct committer_call *call,
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

static inline void world_hear(struct world *w, enum heard_what what, struct committer_peer *peer,
		       const struct frame_stream *list, size_t count, uint64_t token)
{
	for (size_t i = 0; i < count; i++) {
		assert_true(w->heard_count < HEARD);
		w->heard[w->heard_count++] = (struct heard){ what, peer, list[i], token, 0 };
	}
}

static inline void world_state(void *arg, struct committer_peer *peer, enum frame_cause cause,
			struct frame_stream *list, size_t count)
{
	world_hear(arg, cause == FRAME_RESET ? RESET : OPENED, peer, list, count, 0);
}

static inline void world_committed(void *arg, struct committer_peer *peer, struct frame_stream *list,
			    size_t count)
{
	world_hear(arg, COMMITTED, peer, list, count, 0);
}

static inline void world_confirmed(void *arg, struct committer_peer *peer, uint64_t token,
			    struct frame_stream *list, size_t count)
{
	world_hear(arg, CONFIRMED, peer, list, count, token);
}

static inline void world_refuse(void *arg, struct committer_peer *peer, int code)
{
	struct world *w = arg;

	w->heard[w->heard_count++] = (struct heard){ .what = REFUSED, .peer = peer, .code = code };
}

static inline uint64_t world_random(void *arg)
{
	return ++((struct world *)arg)->random;
}

static inline void world_discarded(void *arg, uint32_t partition, enum committer_reason reason, int code)
{
	(void)partition;
	(void)code;
	((struct world *)arg)->reason = reason;
}

static inline void world_foreign(void *arg, uint32_t partition, struct slice stored)
{
	(void)partition;
	snprintf(((struct world *)arg)->foreign, 32, "%.*s!", (int)stored.size,
		 (const char *)stored.ptr);
}

static inline void world_error(void *arg, uint32_t partition, enum script script, struct slice text)
{
	(void)partition;
	(void)script;
	(void)text;
	((struct world *)arg)->errors++;
}

static inline void world_rejected(void *arg, const struct stream_id *id, const struct image_rejects *n)
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

static inline int setup(void **state)
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

static inline void fail_call(struct world *w, const char *error);

static inline int teardown(void **state)
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

static inline void answer(struct world *w, const struct answer *a)
{
	struct queued *q = &w->calls[w->first++];

	free(q->resp);
	committer_answer(&w->c, q->call, a, w->now);
}

/* Lets the store run the oldest call and answers it. */
static inline void deliver(struct world *w)
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
static inline void deliver_unheard(struct world *w)
{
	struct queued *q = &w->calls[w->first];
	struct model_reply reply;
	struct answer a = answer_unknown();

	model_store_run(&w->store, slice_of(q->resp, q->size), &reply);
	model_reply_release(&reply);
	answer(w, &a);
}

/* The oldest call is turned away with an error, or (NULL) never arrives. */
static inline void fail_call(struct world *w, const char *error)
{
	struct answer a = error ? answer_of_error(slice_text(error)) : answer_unknown();

	assert_true(w->first < w->last);
	answer(w, &a);
}

static inline void tick_after(struct world *w, int64_t ms)
{
	w->now += ms;
	committer_tick(&w->c, w->now);
}

/* Time and the store go on until nothing is left to do. */
static inline void settle(struct world *w)
{
	for (int i = 0; i < 200; i++) {
		tick_after(w, 100);
		while (w->first < w->last)
			deliver(w);
	}
}

static inline size_t calls(const struct world *w)
{
	return w->last - w->first;
}

static inline enum script next_script(const struct world *w)
{
	assert_true(calls(w) > 0);
	return w->calls[w->first].call->script;
}

static inline void expect(struct world *w, enum heard_what what, const struct source *s,
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

static inline void expect_nothing(const struct world *w)
{
	assert_int_equal(w->read, w->heard_count);
}

/* The state the last message about a stream told. */
static inline struct stream_state told(const struct world *w)
{
	assert_true(w->heard_count > 0);
	return w->heard[w->heard_count - 1].stream.state;
}

static inline void ask_open(struct world *w, struct committer_peer *peer, const struct source *s)
{
	assert_int_equal(committer_open(&w->c, peer, &s->id, 0), 0);
	committer_tick(&w->c, w->now);
}

/* Opens a stream; returns its nonce. */
static inline struct stream_state open_stream(struct world *w, struct committer_peer *peer,
				       const struct source *s)
{
	ask_open(w, peer, s);
	assert_int_equal(next_script(w), SCRIPT_OPEN);
	deliver(w);
	expect(w, OPENED, s, 0, "");
	return told(w);
}

static inline int send_frame(struct world *w, struct committer_peer *peer, const struct frame_batch *f)
{
	struct batch_header header;

	assert_int_equal(batch_peek(f->bytes, &header), 0);
	return committer_batch(&w->c, peer, f, &header, w->now);
}

static inline int send_batch(struct world *w, struct committer_peer *peer, const struct source *s, uint64_t seq,
		const struct stream_state *predecessor)
{
	struct frame_batch f = source_frame(s, seq, predecessor);

	return send_frame(w, peer, &f);
}

struct sum {
	double value;
	const char *series;
};

static inline void sum_cell(void *arg, struct slice hour, struct slice field, struct slice blob)
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
static inline double stored(struct world *w, const char *series)
{
	struct sum sum = { 0, series };

	model_store_cells(&w->store, sum_cell, &sum);
	return sum.value;
}

static inline const char *stored_state(struct world *w, const struct source *s)
{
	static char text[STATE_TEXT_SIZE];
	struct slice v = model_store_state(&w->store, "hg:{p0.0}:streams",
					   slice_of(s->id.bytes, STREAM_ID_BYTES));

	snprintf(text, sizeof(text), "%.*s", (int)v.size, (const char *)v.ptr);
	return text;
}

static inline void set_stored(struct world *w, const struct source *s, const char *text)
{
	model_store_set(&w->store, "hg:{p0.0}:streams", slice_of(s->id.bytes, STREAM_ID_BYTES),
			slice_text(text));
}

/* Stream a is open and its first batch committed. */
static inline void commit_first(struct world *w)
{
	struct stream_state nonce = open_stream(w, &w->peer, &w->a);

	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 1, &nonce), 0);
	committer_tick(&w->c, w->now);
	deliver(w);
	expect(w, COMMITTED, &w->a, 1, "c");
}

/* After a refusal the agent sends again from the state that RESET told, and each sample counts
 * once. */
static inline void expect_recovery(struct world *w, enum committer_reason reason, uint64_t from)
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

static inline void merge_second(struct world *w)
{
	source_count(&w->a, "x", SECOND);
	assert_int_equal(send_batch(w, &w->peer, &w->a, 2, NULL), 0);
	tick_after(w, 500);
	assert_int_equal(next_script(w), SCRIPT_COMMIT);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

#endif
