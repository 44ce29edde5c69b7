// SPDX-License-Identifier: Apache-2.0
#include "relay/effects.h"

#include "proto/daemon/life.h"
#include "relay/server.h"

static bool effects_run_script(void *arg, struct committer *c, struct committer_call *call,
			       struct slice resp)
{
	const struct effects *e = arg;
	bool commits = call->script == SCRIPT_COMMIT;

	if (!store_run(e->store, e->tags->tag[c - e->committers], call, resp))
		return false;
	if (commits)
		pace_sent(e->pace, (uint64_t)life_monotonic_us());
	return true;
}

static void effects_state(void *arg, struct committer_peer *peer, enum frame_cause cause,
			  struct frame_stream *list, size_t count)
{
	(void)arg;
	session_state(peer, cause, list, count);
}

static void effects_committed(void *arg, struct committer_peer *peer, struct frame_stream *list,
			      size_t count)
{
	(void)arg;
	session_committed(peer, list, count);
}

static void effects_confirmed(void *arg, struct committer_peer *peer, uint64_t token,
			      struct frame_stream *list, size_t count)
{
	(void)arg;
	session_confirmed(peer, token, list, count);
}

static void effects_refuse(void *arg, struct committer_peer *peer, int code)
{
	(void)arg;
	session_refuse_peer(peer, code);
}

static uint64_t effects_random(void *arg)
{
	uint64_t random;

	(void)arg;
	life_random(&random, sizeof(random));
	return random;
}

static void effects_discarded(void *arg, uint32_t partition, enum committer_reason reason, int code)
{
	journal_discarded(((struct effects *)arg)->journal, partition, reason, code);
}

static void effects_foreign(void *arg, uint32_t partition, struct slice stored)
{
	const struct effects *e = arg;

	journal_foreign(e->journal, partition, stored);
	store_doubt(e->store);
}

static void effects_error(void *arg, uint32_t partition, enum script script, struct slice text)
{
	journal_error(((struct effects *)arg)->journal, partition, script, text);
}

static void effects_rejected(void *arg, const struct stream_id *id, const struct image_rejects *n)
{
	journal_rejected(((struct effects *)arg)->journal, id, n);
}

static void effects_watermark(void *arg, const uint8_t agent_id[FRAME_AGENT_BYTES],
			      const struct frame_watermark *watermark)
{
	const struct effects *e = arg;

	/* A Redis that is refused is left as it is. */
	if (store_ready(e->store))
		membership_watermark(e->membership, agent_id, watermark);
}

static void effects_greeted(void *arg, struct session *s, const struct frame_hello *hello)
{
	(void)arg;
	journal_greeted(server_peer(s), hello);
}

static void effects_refused(void *arg, struct session *s, int code, const char *text)
{
	(void)text;
	journal_refused(((struct effects *)arg)->journal, server_peer(s), code);
}

static void effects_bytes(void *arg, void *bytes, size_t size)
{
	(void)arg;
	life_random(bytes, size);
}

const struct committer_effects effects_of_committers = {
	.run = effects_run_script,
	.state = effects_state,
	.committed = effects_committed,
	.confirmed = effects_confirmed,
	.refuse = effects_refuse,
	.random = effects_random,
	.discarded = effects_discarded,
	.foreign = effects_foreign,
	.error = effects_error,
	.rejected = effects_rejected,
};

const struct session_effects effects_of_sessions = {
	.send = server_send,
	.close = server_close_session,
	.watermark = effects_watermark,
	.greeted = effects_greeted,
	.refused = effects_refused,
	.random = effects_bytes,
};
