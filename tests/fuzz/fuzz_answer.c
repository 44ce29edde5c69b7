// SPDX-License-Identifier: Apache-2.0
/*
 * fuzz_answer - any answers of Redis to a relay's committer.
 *
 * Each line of the input answers one script call, in the order of the calls: words apart by
 * spaces, an error after `-`, nothing at all after `?`. A session opens two streams, sends a batch on each state
 * that it is told, and asks to confirm; whatever Redis says, no batch counts twice or is lost from the
 * counts, and nothing is acknowledged that was not sent to Redis.
 */
#include "relay/committer.h"

#include "proto/group.h"

#include <assert.h>
#include <stdlib.h>

#define CALLS      64
#define STREAMS    2
#define BATCHES    40
#define STEPS      200
#define WORDS      64
#define NOW        1000
#define SECOND     INT64_C(1795176000)

struct fuzz_world {
	struct committer c;
	struct relay_counters counters;
	struct committer_peer peer;
	struct stream_id ids[STREAMS];
	struct stream_state told[STREAMS];
	bool send[STREAMS]; /* told a state, and no batch was sent on it yet */
	struct committer_call *calls[CALLS];
	size_t first, last;
	size_t batches;
	uint64_t random;
	bool refused;
};

static bool fuzz_run(void *arg, struct committer *c, struct committer_call *call, struct slice resp)
{
	struct fuzz_world *w = arg;

	(void)c;
	assert(resp.size > 0 && resp.ptr[0] == '*');
	if (w->last - w->first == CALLS)
		return false;
	w->calls[w->last++ % CALLS] = call;
	return true;
}

/* The session is told where streams stand. */
static void fuzz_hear(struct fuzz_world *w, const struct frame_stream *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t s = 0; s < STREAMS; s++)
			if (memcmp(&list[i].id, &w->ids[s], sizeof(w->ids[s])) == 0) {
				w->told[s] = list[i].state;
				w->send[s] = list[i].state.known;
			}
}

static void fuzz_state(void *arg, struct committer_peer *peer, enum frame_cause cause,
		       struct frame_stream *list, size_t count)
{
	(void)peer;
	(void)cause;
	fuzz_hear(arg, list, count);
}

static void fuzz_committed(void *arg, struct committer_peer *peer, struct frame_stream *list, size_t count)
{
	const struct fuzz_world *w = arg;

	(void)peer;
	assert(w->batches > 0);
	fuzz_hear(arg, list, count);
}

static void fuzz_confirmed(void *arg, struct committer_peer *peer, uint64_t token,
			   struct frame_stream *list, size_t count)
{
	(void)arg;
	(void)peer;
	(void)list;
	assert(token == 7 && count <= STREAMS);
}

static void fuzz_refuse(void *arg, struct committer_peer *peer, int code)
{
	(void)peer;
	assert(code < 0);
	((struct fuzz_world *)arg)->refused = true;
}

static uint64_t fuzz_random(void *arg)
{
	return ++((struct fuzz_world *)arg)->random;
}

static void fuzz_discarded(void *arg, uint32_t partition, enum committer_reason reason, int code)
{
	(void)arg;
	(void)code;
	assert(partition == 0 && reason <= COMMITTER_MERGE);
}

static void fuzz_foreign(void *arg, uint32_t partition, struct slice stored)
{
	(void)arg;
	(void)partition;
	(void)stored;
}

static void fuzz_error(void *arg, uint32_t partition, enum script script, struct slice text)
{
	(void)arg;
	(void)partition;
	(void)script;
	(void)text;
}

static void fuzz_rejected(void *arg, const struct stream_id *id, const struct image_rejects *n)
{
	(void)arg;
	(void)id;
	assert(n->too_old + n->too_new > 0);
}

static const struct committer_effects fuzz_effects = {
	.run = fuzz_run,
	.state = fuzz_state,
	.committed = fuzz_committed,
	.confirmed = fuzz_confirmed,
	.refuse = fuzz_refuse,
	.random = fuzz_random,
	.discarded = fuzz_discarded,
	.foreign = fuzz_foreign,
	.error = fuzz_error,
	.rejected = fuzz_rejected,
};

/* One sample, sealed on what the stream is told to stand at. */
static void fuzz_seal(const struct stream_state *on, struct batch_header *header, struct buf *out)
{
	double one = 1;
	struct batch_writer writer;
	struct buf group;
	int status;

	*header = (struct batch_header){ .cfg = hash_cfg(1), .seq = on->seq + 1, .chain_before = on->value };
	buf_init(&group, 64);
	group_put_values(&group, (struct group_sampling){ 1, 1 }, &one, 1);
	batch_writer_init(&writer, SECOND);
	batch_writer_add(&writer, &(struct batch_group){ KIND_COUNTER, slice_text("k"), SECOND,
							 buf_view(&group) }, 1);
	buf_init(out, LIMIT_BATCH_BYTES);
	status = batch_finish(&writer, header, out);
	assert(status == 0);
	batch_writer_release(&writer);
	buf_release(&group);
}

static void fuzz_send(struct fuzz_world *w, size_t stream, int64_t now_ms)
{
	struct stream_state on = w->told[stream];
	struct frame_batch frame = { .id = w->ids[stream], .has_predecessor = true, .predecessor = on };
	struct batch_header header;
	struct buf bytes;

	w->send[stream] = false;
	if (w->refused || w->batches == BATCHES || on.seq >= UINT64_C(1) << 48)
		return;
	fuzz_seal(&on, &header, &bytes);
	frame.bytes = buf_view(&bytes);
	w->batches++;
	w->refused = committer_batch(&w->c, &w->peer, &frame, &header, now_ms) < 0;
	buf_release(&bytes);
}

/* Answers the oldest call with a line. */
static void fuzz_answer(struct fuzz_world *w, struct slice line, int64_t now_ms)
{
	struct slice words[WORDS];
	struct answer answer;
	size_t count = 0;

	while (line.size > 0 && count < WORDS) {
		const uint8_t *space = memchr(line.ptr, ' ', line.size);
		size_t size = space ? (size_t)(space - line.ptr) : line.size;

		words[count++] = slice_of(line.ptr, size);
		size += space != NULL;
		line = slice_of(line.ptr + size, line.size - size);
	}
	if (count > 0 && words[0].size > 0 && words[0].ptr[0] == '-')
		answer = answer_of_error(slice_of(words[0].ptr + 1, words[0].size - 1));
	else if (count > 0 && words[0].size > 0 && words[0].ptr[0] == '?')
		answer = answer_unknown();
	else
		answer = answer_of_words(words, count);
	committer_answer(&w->c, w->calls[w->first++ % CALLS], &answer, now_ms);
}

static void fuzz_start(struct fuzz_world *w, const int64_t *offset_ms)
{
	const struct committer_options o = { .cfg = hash_cfg(1), .partitions = 1, .tag = "p0.0",
					     .commit_ms = 500, .retention_hours = 840,
					     .unix_offset_ms = offset_ms, .counters = &w->counters,
					     .effects = &fuzz_effects, .arg = w };

	for (int script = 0; script < SCRIPT_COUNT; script++) {
		bool good = script_set_sha((enum script)script,
					   slice_text("0123456789012345678901234567890123456789"));

		assert(good);
	}
	committer_init(&w->c, &o);
	committer_set_floor(&w->c, SECOND / 3600 - 839);
	committer_store_up(&w->c, NOW);
	committer_peer_init(&w->peer, 1);
	for (size_t s = 0; s < STREAMS; s++) {
		int status;

		memset(w->ids[s].bytes, 'a' + (int)s, sizeof(w->ids[s].bytes));
		status = committer_open(&w->c, &w->peer, &w->ids[s], 0);
		assert(status == 0);
	}
}

static void fuzz_end(struct fuzz_world *w, int64_t now_ms)
{
	committer_peer_gone(&w->peer);
	while (w->first < w->last) {
		struct answer unknown = answer_unknown();

		committer_answer(&w->c, w->calls[w->first++ % CALLS], &unknown, now_ms);
	}
	committer_release(&w->c);
	assert(tally_get(&w->counters.batches_received) ==
	       tally_get(&w->counters.batches_merged) + tally_get(&w->counters.batches_duplicate) +
		       tally_get(&w->counters.batches_stale) + tally_get(&w->counters.batches_dropped) +
		       tally_get(&w->counters.batches_refused));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int64_t offset_ms = SECOND * 1000 - NOW;
	struct fuzz_world *w = calloc(1, sizeof(*w));
	struct frame_stream asked[1] = { 0 };
	int64_t now_ms = NOW;

	assert(w != NULL);
	fuzz_start(w, &offset_ms);
	asked[0].id = w->ids[0];
	for (size_t step = 0, at = 0; step < STEPS && at < size; step++) {
		const uint8_t *end = memchr(data + at, '\n', size - at);
		size_t line = (end ? (size_t)(end - data) : size) - at;

		committer_tick(&w->c, now_ms += 400);
		for (size_t s = 0; s < STREAMS; s++)
			if (w->send[s])
				fuzz_send(w, s, now_ms);
		if (step % 16 == 7)
			committer_confirm(&w->c, &w->peer, 7, asked, 1);
		if (w->first == w->last)
			continue;
		fuzz_answer(w, slice_of(data + at, line), now_ms);
		at += line + 1;
	}
	fuzz_end(w, now_ms);
	free(w);
	return 0;
}
