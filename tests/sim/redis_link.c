// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/redis_link.h"

#include "tests/sim/relay_node.h"

#include <assert.h>
#include <stdlib.h>

#define LINK_RETRY_MS 50
#define LINK_LATE_MS  3000
#define LINK_VERSION_AT 1 /* the new version, in a commit's arguments */

/* A command on its way, and its reply on the way back. */
struct link_request {
	uint32_t relay;
	uint32_t partition;
	uint64_t epoch;      /* of the connection */
	uint64_t generation; /* of the store's process */
	struct slice resp;
	enum script script;
	struct slice writer;
	const char *error;   /* the reply is this error */
	struct slice *words; /* or these */
	size_t count;
};

static int64_t link_arrival(struct relay_node *r, int64_t *last)
{
	struct world *w = r->world;
	int64_t most = w->healed ? 1 : w->plan.store_delay_ms;
	int64_t at = w->now_ms + rng_between(&w->rng, 0, most);

	if (at < *last)
		at = *last;
	*last = at;
	return at;
}

/* ---- the way back ------------------------------------------------------------------------------ */

static struct relay_call *link_pop(struct relay_node *r)
{
	struct relay_call *first = r->calls;

	assert(first != NULL);
	r->calls = first->next;
	if (r->calls == NULL)
		r->calls_end = &r->calls;
	return first;
}

static void link_keep_version(struct relay_node *r, const struct relay_call *call,
			      const struct answer *answer)
{
	const struct committer *c = call->committer;

	if (call->version.size > 0 && answer->kind == ANSWER_OK && c->has_flight &&
	    c->flight_serial == call->call->serial)
		r->writer_version[c->o.partition] = call->version;
}

static void link_hand_over(struct relay_node *r, const struct answer *answer)
{
	struct relay_call *call = link_pop(r);

	world_note(r->world, TRACE_RELAY_ANSWER, r->index, call->partition, call->script,
		   answer->kind);
	if (call->committer == NULL) {
		relay_compacted(r, call->serial, answer);
		return;
	}
	link_keep_version(r, call, answer);
	relay_answer(r, call->committer, call->call, answer);
}

static void link_reply(struct world *w, const struct event *event)
{
	const struct link_request *q = event->subject;
	struct relay_node *r = &w->relays[q->relay];
	struct answer answer;

	if (q->epoch != r->link_epoch)
		return;
	if (w->now_ms < r->paused_until_ms) {
		queue_put_back(&w->queue, event, r->paused_until_ms);
		return;
	}
	answer = q->error != NULL ? answer_of_error(slice_text(q->error)) :
				    answer_of_words(q->words, q->count);
	link_hand_over(r, &answer);
	relay_run(r);
}

/* ---- at the store --------------------------------------------------------------------------------- */

/* Whether a command of a connection that is lost meanwhile still arrives; if so, when. */
static bool link_is_late(struct relay_node *r, const struct link_request *q, int64_t *at_ms)
{
	for (size_t i = 0; i < WORLD_OLD_LINKS; i++) {
		if (r->old[i].epoch != q->epoch)
			continue;
		*at_ms = r->old[i].late_until_ms;
		return !r->old[i].dropped;
	}
	return false;
}

/* An error that says the script was not run, or one that says nothing; then it may have been. */
static const char *link_trouble(struct world *w, bool *runs)
{
	*runs = true;
	if (w->now_ms >= w->store_trouble_until_ms || rng_below(&w->rng, 4) == 0)
		return NULL;
	*runs = w->store_error[0] == 'E' && rng_below(&w->rng, 2) == 0;
	return w->store_error;
}

/* Runs the script; the reply's words are kept in the arena. */
static void link_run_script(struct world *w, struct link_request *q)
{
	static struct model_reply reply; /* large, and one thread's */
	struct model_store *store = &w->stores[q->partition];

	store->now_ms = world_store_ms(w);
	store->mark_ms = w->now_ms;
	store->writer = q->writer;
	model_store_run(store, q->resp, &reply);
	q->count = reply.count;
	q->words = arena_copy(&w->arena, reply.words, reply.count * sizeof(*reply.words));
	for (size_t i = 0; i < reply.count; i++)
		q->words[i].ptr = arena_copy(&w->arena, reply.words[i].ptr, reply.words[i].size);
	model_reply_release(&reply);
}

static void link_execute(struct world *w, const struct event *event)
{
	struct link_request *q = event->subject;
	struct relay_node *r = &w->relays[q->relay];
	bool stale = q->epoch != r->link_epoch, runs;
	struct event reply = { .run = link_reply, .subject = q };
	int64_t at_ms = 0;

	if (q->generation != w->store_generation || (stale && !link_is_late(r, q, &at_ms)))
		return;
	if (at_ms > w->now_ms) {
		queue_put_back(&w->queue, event, at_ms);
		return;
	}
	w->stats.late_calls += stale;
	world_note(w, TRACE_STORE_CALL, q->relay, q->partition, q->script, stale);
	q->error = link_trouble(w, &runs);
	if (runs)
		link_run_script(w, q);
	if (stale)
		return;
	reply.at_ms = link_arrival(r, &r->from_store_ms);
	queue_put(&w->queue, &reply);
}

/* ---- at the relay --------------------------------------------------------------------------------- */

bool link_send(struct relay_node *r, const struct relay_call *call, struct slice resp)
{
	struct world *w = r->world;
	struct link_request *q;
	struct relay_call *kept;
	struct event event = { .run = link_execute };

	if (!r->link_up)
		return false;
	q = arena_alloc(&w->arena, sizeof(*q));
	kept = arena_copy(&w->arena, call, sizeof(*call));
	*q = (struct link_request){ .relay = r->index, .partition = call->partition,
				    .script = call->script, .epoch = r->link_epoch,
				    .generation = w->store_generation,
				    .writer = r->writer_version[call->partition] };
	q->resp = slice_of(arena_copy(&w->arena, resp.ptr, resp.size), resp.size);
	if (call->script == SCRIPT_COMMIT && w->without == RULE_WRITER)
		kept->version = model_store_argument(q->resp, LINK_VERSION_AT);
	*r->calls_end = kept;
	r->calls_end = &kept->next;
	event.subject = q;
	event.at_ms = link_arrival(r, &r->to_store_ms);
	queue_put(&w->queue, &event);
	return true;
}

void link_forget(struct relay_node *r)
{
	while (r->calls != NULL)
		free(link_pop(r)->call);
}

/* The process hears that its connection is gone. */
static void link_down(struct world *w, const struct event *event)
{
	struct relay_node *r = event->subject;
	struct answer unknown = answer_unknown();

	if (!r->alive || event->number != r->link_epoch)
		return;
	if (w->now_ms < r->paused_until_ms) {
		queue_put_back(&w->queue, event, r->paused_until_ms);
		return;
	}
	while (r->calls != NULL)
		link_hand_over(r, &unknown);
	relay_run(r);
}

void link_lose(struct relay_node *r)
{
	struct world *w = r->world;
	struct event event = { .at_ms = w->now_ms, .run = link_down, .subject = r };
	struct old_link *old = &r->old[r->link_epoch % WORLD_OLD_LINKS];

	if (!r->link_up)
		return;
	*old = (struct old_link){ .epoch = r->link_epoch, .dropped = rng_below(&w->rng, 2) == 0,
				  .late_until_ms = w->now_ms + rng_between(&w->rng, 0,
									   LINK_LATE_MS) };
	world_note(w, TRACE_STORE_LINK, r->index, 0, 0, 0);
	r->link_up = false;
	r->link_retry_ms = w->now_ms + rng_between(&w->rng, 1, 4 * LINK_RETRY_MS);
	event.number = ++r->link_epoch;
	queue_put(&w->queue, &event);
}

void link_run(struct relay_node *r)
{
	struct world *w = r->world;

	/* Not before the process knows what became of the last one's calls. */
	if (r->link_up || r->calls != NULL || w->now_ms < r->link_retry_ms)
		return;
	r->link_retry_ms = w->now_ms + LINK_RETRY_MS;
	if (w->now_ms < w->store_down_until_ms)
		return;
	r->link_up = true;
	r->link_epoch++;
	r->to_store_ms = r->from_store_ms = w->now_ms;
	world_note(w, TRACE_STORE_LINK, r->index, 1, 0, 0);
	if (w->without != RULE_SIZE)
		compactor_restart(&r->compactor, relay_now(r));
	for (uint32_t p = 0; p < w->plan.partitions; p++) {
		committer_set_floor(&r->committers[p], w->floor_hour);
		/* What waits for the store goes on by itself, only later. */
		if (w->without != RULE_BEHIND)
			committer_store_up(&r->committers[p], relay_now(r));
	}
}
