// SPDX-License-Identifier: Apache-2.0
/*
 * reads.c - OPEN, CONFIRM and CLOSE at Redis, and what their answers mean.
 *
 * One OPEN call is under way at a time; tracks wait for it in `reads`, those with a pause in
 * `delayed`. An answer is taken only by tracks that still wait for this very call (`read_serial`):
 * what was closed, taken over or thrown back meanwhile is asked about again by whoever needs it.
 */
#include "relay/reads.h"

#include "relay/acks.h"
#include "relay/backoff.h"
#include "relay/merge.h"
#include "relay/resp.h"

#include <assert.h>
#include <stdlib.h>

#define READS_BACKOFF_MIN_MS 50
#define READS_BACKOFF_MAX_MS 1000

/* Generous for 4,096 streams of 24 bytes and a state each. */
#define READS_COMMAND_BYTES (1024 * 1024)

void reads_add(struct committer *c, struct track *t, int64_t now_ms)
{
	t->phase = TRACK_UNKNOWN;
	list_move(t->delayed_until_ms > now_ms ? &c->delayed : &c->reads, &t->read_link);
}

void reads_again(struct committer *c, struct track *t, int64_t now_ms)
{
	if (t->peer == NULL || t->phase != TRACK_READY)
		return;
	merge_drop_waiting(c, t);
	t->cause = FRAME_RESET;
	reads_add(c, t, now_ms);
}

void reads_all_again(struct committer *c, int64_t now_ms)
{
	size_t cursor = 0;
	void *value;

	while (map_next(&c->tracks, &cursor, NULL, &value))
		reads_again(c, value, now_ms);
}

/* The earliest end of a pause. Conflicts are rare, and so is anything on this list. */
static int64_t reads_delay_end(const struct committer *c)
{
	int64_t end = INT64_MAX;

	for (const struct list *at = c->delayed.next; at != &c->delayed; at = at->next) {
		const struct track *t = LIST_ENTRY(at, struct track, read_link);

		if (t->delayed_until_ms < end)
			end = t->delayed_until_ms;
	}
	return end;
}

int64_t reads_due(const struct committer *c)
{
	int64_t end = reads_delay_end(c);

	if (c->read_call != NULL)
		return INT64_MAX;
	if (!list_empty(&c->reads))
		return c->read_at_ms;
	return end > c->read_at_ms ? end : c->read_at_ms;
}

static void reads_end_delays(struct committer *c, int64_t now_ms)
{
	struct list *at = c->delayed.next;

	while (at != &c->delayed) {
		struct track *t = LIST_ENTRY(at, struct track, read_link);

		at = at->next;
		if (t->delayed_until_ms <= now_ms)
			list_move(&c->reads, &t->read_link);
	}
}

struct committer_call *reads_call_new(struct committer *c, enum script script, size_t count)
{
	struct committer_call *call = calloc(1, sizeof(*call) + count * sizeof(call->ids[0]));

	if (call == NULL)
		return NULL;
	call->home = c;
	call->script = script;
	call->serial = ++c->serial;
	call->count = count;
	return call;
}

/* Begins an EVALSHA of a script on meta and streams with arguments after the cfg. */
static void reads_begin(const struct committer *c, struct buf *out, enum script script,
			size_t arguments)
{
	char key[RKEY_SIZE];

	buf_init(out, READS_COMMAND_BYTES);
	resp_evalsha(out, script_sha(script), 2, 1 + arguments);
	resp_text(out, rkey_meta(c->o.tag, key));
	resp_text(out, rkey_streams(c->o.tag, key));
	resp_u64(out, c->o.cfg);
}

/* Sends what reads_begin began. False: Redis is down, or no memory. */
static bool reads_send(struct committer *c, struct committer_call *call, struct buf *out)
{
	bool sent = buf_status(out) == 0 && c->o.effects->run(c->o.arg, c, call, buf_view(out));

	buf_release(out);
	return sent;
}

static size_t reads_count(const struct committer *c)
{
	size_t count = 0;

	for (const struct list *at = c->reads.next; at != &c->reads && count < READS_STREAMS;
	     at = at->next)
		count++;
	return count;
}

/* The read came to nothing: its tracks wait to be read again, after a pause. */
static void reads_failed(struct committer *c, const struct committer_call *call, int64_t now_ms)
{
	for (size_t i = 0; i < call->count; i++) {
		struct track *t = track_find(&c->tracks, &call->ids[i]);

		if (t == NULL || t->phase != TRACK_READING || t->read_serial != call->serial)
			continue;
		t->phase = TRACK_UNKNOWN;
		if (t->peer != NULL)
			list_move(&c->reads, &t->read_link);
	}
	c->read_backoff_ms = backoff_next_ms(c->read_backoff_ms, READS_BACKOFF_MIN_MS,
					     READS_BACKOFF_MAX_MS);
	c->read_at_ms = now_ms + c->read_backoff_ms;
}

static void reads_put(struct committer *c, struct committer_call *call, struct buf *out)
{
	reads_begin(c, out, SCRIPT_OPEN, 3 * call->count);
	for (size_t i = 0; i < call->count; i++) {
		struct track *t = LIST_ENTRY(c->reads.next, struct track, read_link);

		list_remove(&t->read_link);
		t->phase = TRACK_READING;
		t->read_serial = call->serial;
		call->ids[i] = t->id;
		resp_bytes(out, slice_of(t->id.bytes, STREAM_ID_BYTES));
		resp_u64(out, t->base_seq);
		resp_hex(out, c->o.effects->random(c->o.arg));
	}
}

void reads_tick(struct committer *c, int64_t now_ms)
{
	struct committer_call *call;
	struct buf out;
	size_t count;

	if (c->read_call != NULL || now_ms < c->read_at_ms)
		return;
	reads_end_delays(c, now_ms);
	count = reads_count(c);
	call = count ? reads_call_new(c, SCRIPT_OPEN, count) : NULL;
	if (call == NULL)
		return;
	reads_put(c, call, &out);
	if (reads_send(c, call, &out)) {
		c->read_call = call;
		return;
	}
	reads_failed(c, call, now_ms);
	free(call);
}

void reads_complain(struct committer *c, enum script script, const struct answer *answer)
{
	const struct committer_effects *e = c->o.effects;

	switch (answer->kind) {
	case ANSWER_CONFIG:
	case ANSWER_EMPTY:
		e->foreign(c->o.arg, c->o.partition,
			   answer->count ? answer->items[0] : slice_of("", 0));
		break;
	case ANSWER_NO_SCRIPT:
	case ANSWER_NOT_APPLIED:
		tally_add(&c->o.counters->store_not_applied, 1);
		break;
	case ANSWER_ERROR:
		tally_add(&c->o.counters->store_errors, 1);
		e->error(c->o.arg, c->o.partition, script, answer->text);
		break;
	default:
		break;
	}
}

/* Parses the states of an OK; false when they are not what was asked for. The list is as long as
 * the call. */
static bool reads_parse(const struct committer *c, const struct committer_call *call,
			const struct answer *answer, struct frame_stream *list)
{
	if (answer->count != call->count)
		return false;
	for (size_t i = 0; i < call->count; i++) {
		list[i] = (struct frame_stream){ .id = call->ids[i], .partition = c->o.partition };
		if (state_parse(answer->items[i], &list[i].state) < 0)
			return false;
	}
	return true;
}

/* A track whose batches are merged but not committed keeps its `last`: what is in the image stays
 * there. Its agent hears what is stored, and what it sends again up to `last` is a
 * duplicate. False when the commit to come cannot succeed. */
static bool reads_apply_owing(struct track *t, const struct stream_state *stored)
{
	t->resync = t->in_flight || t->cause == FRAME_RESET || t->reopened;
	t->lenient = true;
	return t->in_flight || state_equal(stored, &t->built_on);
}

/* One answered state. False: the partition's memory must be thrown away. */
static bool reads_apply(struct committer *c, struct track *t, const struct frame_stream *s,
			struct acks resets[2])
{
	if (track_owes(t)) {
		if (!reads_apply_owing(t, &s->state))
			return false;
	} else {
		t->last = t->mark = s->state;
		t->mark_serial = c->serial;
		t->resync = t->cause == FRAME_RESET || t->reopened;
	}
	t->phase = TRACK_READY;
	t->lenient |= t->cause == FRAME_RESET;
	if (t->cause == FRAME_RESET)
		tally_add(&c->o.counters->streams_reset, 1);
	acks_add(&resets[t->cause], t->peer, s);
	return true;
}

static void reads_send_opened(void *arg, struct committer_peer *peer, struct frame_stream *list,
			      size_t count)
{
	struct committer *c = arg;

	c->o.effects->state(c->o.arg, peer, FRAME_OPENED, list, count);
}

static void reads_send_reset(void *arg, struct committer_peer *peer, struct frame_stream *list,
			     size_t count)
{
	struct committer *c = arg;

	c->o.effects->state(c->o.arg, peer, FRAME_RESET, list, count);
}

/* The track that an answer is for, unless it was closed, taken over or thrown back since. */
static struct track *reads_track(struct committer *c, const struct committer_call *call, size_t i)
{
	struct track *t = track_find(&c->tracks, &call->ids[i]);

	if (t == NULL || t->peer == NULL || t->phase != TRACK_READING ||
	    t->read_serial != call->serial)
		return NULL;
	return t;
}

static void reads_take_states(struct committer *c, const struct committer_call *call,
			      const struct frame_stream *list, int64_t now_ms)
{
	struct acks states[2];
	bool conflict = false;

	for (size_t i = 0; i < call->count; i++) {
		const struct track *t = reads_track(c, call, i);

		if (t == NULL || t->in_flight || !track_behind(t, &list[i].state))
			continue;
		committer_discard(c, COMMITTER_ROLLBACK, 0, now_ms);
		return;
	}
	acks_init(&states[FRAME_OPENED], call->count, reads_send_opened, c);
	acks_init(&states[FRAME_RESET], call->count, reads_send_reset, c);
	for (size_t i = 0; i < call->count; i++) {
		struct track *t = reads_track(c, call, i);

		if (t != NULL && !reads_apply(c, t, &list[i], states))
			conflict = true;
	}
	acks_finish(&states[FRAME_OPENED]);
	acks_finish(&states[FRAME_RESET]);
	if (conflict)
		committer_discard(c, COMMITTER_CONFLICT, 0, now_ms);
}

void reads_opened(struct committer *c, struct committer_call *call, const struct answer *answer,
		  int64_t now_ms)
{
	struct frame_stream *list = calloc(call->count, sizeof(*list));

	if (c->read_call == call)
		c->read_call = NULL;
	if (answer->kind == ANSWER_OK && list != NULL && reads_parse(c, call, answer, list)) {
		c->read_backoff_ms = 0;
		c->serial++;
		reads_take_states(c, call, list, now_ms);
	} else {
		reads_complain(c, SCRIPT_OPEN, answer);
		reads_failed(c, call, now_ms);
	}
	free(list);
}

/* ---- CONFIRM and CLOSE: asked once, and if that fails, by the agent again ---- */

/* Takes a CONFIRM call from its session, if that is still there. */
static void reads_unlink(struct committer_call *call)
{
	if (call->peer == NULL)
		return;
	list_remove(&call->link);
	call->peer->call_count--;
}

void committer_confirm(struct committer *c, struct committer_peer *peer, uint64_t token,
		       const struct frame_stream *list, size_t count)
{
	struct committer_call *call = reads_call_new(c, SCRIPT_CONFIRM, count);
	struct buf out;

	if (call == NULL)
		return;
	call->peer = peer;
	call->token = token;
	list_append(&peer->calls, &call->link);
	peer->call_count++;
	reads_begin(c, &out, SCRIPT_CONFIRM, count);
	for (size_t i = 0; i < count; i++) {
		call->ids[i] = list[i].id;
		resp_bytes(&out, slice_of(list[i].id.bytes, STREAM_ID_BYTES));
	}
	if (reads_send(c, call, &out))
		return;
	reads_unlink(call);
	free(call);
}

/* Whether a confirmed stream is behind what was known before the question was asked. */
static bool reads_rolled_back(const struct committer *c, const struct committer_call *call,
			      const struct frame_stream *list)
{
	for (size_t i = 0; !c->has_flight && i < call->count; i++) {
		const struct track *t = track_find(&c->tracks, &call->ids[i]);

		if (t != NULL && t->mark_serial < call->serial && track_behind(t, &list[i].state))
			return true;
	}
	return false;
}

/* A stream that another relay has taken further is not where we would merge on. Its agent may
 * follow what CONFIRMED says and send from there, so its state is read again and told. */
static void reads_follow(struct committer *c, const struct committer_call *call,
			 const struct frame_stream *list, int64_t now_ms)
{
	for (size_t i = 0; i < call->count; i++) {
		struct track *t = track_find(&c->tracks, &call->ids[i]);

		if (t == NULL || track_owes(t) || t->mark_serial >= call->serial ||
		    state_equal(&list[i].state, &t->last))
			continue;
		reads_again(c, t, now_ms);
	}
}

/* Answers the session. Streams that are being read again are left out: a CONFIRMED must not
 * overtake their RESET, or what was written a moment ago would pass for what has lasted. */
static void reads_tell_confirmed(struct committer *c, const struct committer_call *call,
				 const struct frame_stream *list, struct frame_stream *told)
{
	size_t count = 0;

	for (size_t i = 0; i < call->count; i++) {
		const struct track *t = track_find(&c->tracks, &list[i].id);

		if (t == NULL || t->phase == TRACK_READY)
			told[count++] = list[i];
	}
	if (count > 0)
		c->o.effects->confirmed(c->o.arg, call->peer, call->token, told, count);
}

void reads_confirmed(struct committer *c, struct committer_call *call,
		     const struct answer *answer, int64_t now_ms)
{
	struct frame_stream *list = calloc(2 * call->count + 1, sizeof(*list));

	reads_unlink(call);
	if (answer->kind == ANSWER_OK && list != NULL && reads_parse(c, call, answer, list)) {
		if (call->peer != NULL)
			reads_tell_confirmed(c, call, list, list + call->count);
		if (reads_rolled_back(c, call, list))
			committer_discard(c, COMMITTER_ROLLBACK, 0, now_ms);
		else
			reads_follow(c, call, list, now_ms);
	} else {
		reads_complain(c, SCRIPT_CONFIRM, answer);
	}
	free(list);
}

void committer_close(struct committer *c, struct committer_peer *peer,
		     const struct frame_stream *list, size_t count)
{
	struct committer_call *call = reads_call_new(c, SCRIPT_CLOSE, 0);
	char text[STATE_TEXT_SIZE];
	struct buf out;

	for (size_t i = 0; i < count; i++) {
		struct track *t = track_find(&c->tracks, &list[i].id);

		if (t != NULL && t->peer == peer && !track_owes(t))
			committer_forget(c, t);
	}
	if (call == NULL)
		return;
	reads_begin(c, &out, SCRIPT_CLOSE, 2 * count);
	for (size_t i = 0; i < count; i++) {
		resp_bytes(&out, slice_of(list[i].id.bytes, STREAM_ID_BYTES));
		resp_bytes(&out, state_format(&list[i].state, text));
	}
	if (!reads_send(c, call, &out))
		free(call);
}
