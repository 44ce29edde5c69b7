/*
 * session_world.h - one session before two partitions, for test_session_fsm.c.
 *
 * Script calls wait until settle() lets the model store run them. What is sent to the agent is
 * decoded into `said`, and next() reads it in order; hear() is the agent speaking.
 */
#ifndef TESTS_UNIT_RELAY_SESSION_WORLD_H
#define TESTS_UNIT_RELAY_SESSION_WORLD_H

#include "relay/session_fsm.h"

#include "proto/err.h"
#include "proto/limits.h"
#include "tests/lib/bytes.h"
#include "tests/lib/model_store.h"
#include "tests/lib/source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW    ((int64_t)1000)
#define SECOND ((int64_t)1795176000)
#define CFG    hash_cfg(2)
#define SAID   64
#define AGENT  'q' /* every byte of its id, as source_init makes it */

struct world {
	struct model_store store;
	struct relay_counters n;
	int64_t now, unix_offset;
	struct committer c[2];
	struct session_hub hub;
	struct session s;
	struct buf said_bytes;
	struct frame said[SAID];
	struct buf kept[SAID];
	size_t count, read;
	bool closed;
	int64_t watermark_ms;
	uint64_t random;
	struct {
		struct committer_call *call;
		uint8_t *resp;
		size_t size;
	} calls[SAID];
	size_t call_count;
};

static inline bool on_run(void *arg, struct committer *c, struct committer_call *call, struct slice resp)
{
	struct world *w = arg;

	(void)c;
	assert_true(w->call_count < SAID);
	w->calls[w->call_count].call = call;
	w->calls[w->call_count].resp = bytes_copy(resp);
	w->calls[w->call_count++].size = resp.size;
	return true;
}

static inline void on_state(void *arg, struct committer_peer *peer, enum frame_cause cause,
		     struct frame_stream *list, size_t count)
{
	(void)arg;
	session_state(peer, cause, list, count);
}

static inline void on_committed(void *arg, struct committer_peer *peer, struct frame_stream *list,
			 size_t count)
{
	(void)arg;
	session_committed(peer, list, count);
}

static inline void on_confirmed(void *arg, struct committer_peer *peer, uint64_t token,
			 struct frame_stream *list, size_t count)
{
	(void)arg;
	session_confirmed(peer, token, list, count);
}

static inline void on_refuse(void *arg, struct committer_peer *peer, int code)
{
	(void)arg;
	session_refuse_peer(peer, code);
}

static inline uint64_t on_random(void *arg)
{
	return ++((struct world *)arg)->random;
}

static inline void on_discarded(void *arg, uint32_t partition, enum committer_reason reason, int code)
{
	(void)arg;
	(void)partition;
	(void)reason;
	(void)code;
}

static const struct committer_effects committer_effects = {
	.run = on_run,
	.state = on_state,
	.committed = on_committed,
	.confirmed = on_confirmed,
	.refuse = on_refuse,
	.random = on_random,
	.discarded = on_discarded,
};

static inline void on_send(void *arg, struct session *s, struct slice bytes)
{
	struct world *w = arg;

	assert_ptr_equal(s, &w->s);
	assert_false(w->closed);
	while (bytes.size > 0) {
		struct frame_header header;
		struct slice payload;
		struct buf *kept = &w->kept[w->count];

		assert_true(w->count < SAID);
		assert_int_equal(frame_next(&bytes, &header, &payload), 1);
		buf_init(kept, SIZE_MAX);
		buf_put_slice(kept, payload);
		assert_int_equal(frame_decode(&header, buf_view(kept), &w->said[w->count++]), 0);
	}
}

static inline void on_close(void *arg, struct session *s)
{
	(void)s;
	((struct world *)arg)->closed = true;
}

static inline void on_watermark(void *arg, const uint8_t agent_id[FRAME_AGENT_BYTES],
			 const struct frame_watermark *watermark)
{
	assert_int_equal(agent_id[0], AGENT);
	((struct world *)arg)->watermark_ms = watermark->committed_ms;
}

static inline void on_greeted(void *arg, struct session *s, const struct frame_hello *hello)
{
	(void)arg;
	(void)s;
	assert_true(slice_equal(hello->host, slice_text("web-3")));
}

static inline void on_refused(void *arg, struct session *s, int code, const char *text)
{
	(void)arg;
	(void)s;
	assert_true(code < 0 && *text != '\0');
}

/* A nonce that a test can tell: the next bytes of a count. */
static inline void on_nonce(void *arg, void *bytes, size_t size)
{
	struct world *w = arg;

	for (size_t i = 0; i < size; i++)
		((uint8_t *)bytes)[i] = (uint8_t)++w->random;
}

static const struct session_effects session_effects = {
	.send = on_send,
	.close = on_close,
	.watermark = on_watermark,
	.greeted = on_greeted,
	.refused = on_refused,
	.random = on_nonce,
};

static inline int setup(void **state)
{
	static const char *const tags[] = { "p0.0", "p1.0" };
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->now = NOW;
	w->unix_offset = SECOND * 1000 - NOW;
	model_store_init(&w->store, CFG);
	for (uint32_t p = 0; p < 2; p++) {
		struct committer_options o = { .cfg = CFG, .partitions = 2, .partition = p,
					       .tag = tags[p], .commit_ms = 500,
					       .retention_hours = 840,
					       .unix_offset_ms = &w->unix_offset,
					       .counters = &w->n, .effects = &committer_effects,
					       .arg = w };

		committer_init(&w->c[p], &o);
	}
	w->hub = (struct session_hub){ .committers = w->c, .partitions = 2, .cfg = CFG,
				       .name = "r1", .grace_ms = 10000,
				       .unix_offset_ms = &w->unix_offset, .stable = true,
				       .counters = &w->n, .effects = &session_effects, .arg = w };
	session_init(&w->s, &w->hub, NULL, w->now);
	*state = w;
	return 0;
}

/* The store runs what it was asked; committers go on until nothing is asked any more. */
static inline void settle(struct world *w)
{
	for (int turn = 0; turn < 4; turn++) {
		committer_tick(&w->c[0], w->now);
		committer_tick(&w->c[1], w->now);
		for (size_t i = 0; i < w->call_count; i++) {
			struct model_reply reply;
			struct answer a;

			model_store_run(&w->store, slice_of(w->calls[i].resp, w->calls[i].size),
					&reply);
			a = answer_of_words(reply.words, reply.count);
			committer_answer(w->calls[i].call->home, w->calls[i].call, &a, w->now);
			model_reply_release(&reply);
			free(w->calls[i].resp);
		}
		w->call_count = 0;
	}
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	session_release(&w->s);
	settle(w);
	for (size_t i = 0; i < w->count; i++) {
		frame_release(&w->said[i]);
		buf_release(&w->kept[i]);
	}
	committer_release(&w->c[0]);
	committer_release(&w->c[1]);
	model_store_release(&w->store);
	free(w);
	return 0;
}

/* The same relay, another connection. */
static inline void again(struct world *w)
{
	session_release(&w->s);
	w->closed = false;
	session_init(&w->s, &w->hub, NULL, w->now);
}

static inline void hear(struct world *w, const struct frame *f)
{
	struct buf out;

	buf_init(&out, SIZE_MAX);
	frame_encode(&out, f);
	assert_int_equal(buf_status(&out), 0);
	session_data(&w->s, buf_view(&out), w->now);
	buf_release(&out);
}

static inline struct frame hello(void)
{
	struct frame f = { .type = FRAME_HELLO,
			   .hello = { .version_min = 1, .version_max = 1, .cfg = CFG,
				      .incarnation = 5, .host = slice_text("web-3") } };

	memset(f.hello.agent_id, AGENT, sizeof(f.hello.agent_id));
	return f;
}

/* A stream of the agent that says hello. */
static inline struct stream_id stream_of(uint64_t incarnation)
{
	struct stream_id id;

	memset(id.bytes, AGENT, sizeof(id.bytes));
	memcpy(id.bytes + FRAME_AGENT_BYTES, &incarnation, sizeof(incarnation));
	return id;
}

static const struct frame *next(struct world *w, enum frame_type type)
{
	assert_true(w->read < w->count);
	assert_string_equal(frame_type_name(w->said[w->read].type), frame_type_name(type));
	return &w->said[w->read++];
}

static inline void expect_refused(struct world *w, int code)
{
	assert_int_equal(next(w, FRAME_REFUSED)->refused.code, code);
	assert_true(w->closed);
	assert_int_equal(w->s.state, SESSION_ENDED);
	assert_int_equal(w->read, w->count);
}

static inline void greet(struct world *w)
{
	struct frame f = hello();

	hear(w, &f);
	next(w, FRAME_WELCOME);
	next(w, FRAME_RELAYS);
}

#endif
