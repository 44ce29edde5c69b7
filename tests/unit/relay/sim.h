/*
 * sim.h - several relays' committers over one model store, for test_delivery.c.
 *
 * The world that can go wrong: message queues, calls of the store that are answered, lost,
 * doubled or late, a store that forgets, partials that are swapped under other names. Which of
 * it happens is drawn from the seed; `trouble` scales it and `healing` ends it. Agents and
 * sessions are test_delivery.c's. Included, not linked: only relay's tests have a relay.
 */
#ifndef TESTS_UNIT_RELAY_SIM_H
#define TESTS_UNIT_RELAY_SIM_H

#include "relay/committer.h"
#include "relay/compactor.h"

#include "proto/cell.h"
#include "proto/err.h"
#include "proto/map.h"
#include "tests/lib/bytes.h"
#include "tests/lib/model_store.h"
#include "tests/lib/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND   ((int64_t)1795176000)
#define CFG      hash_cfg(1)
#define RELAYS   3
#define COMPACTORS 2
#define AGENTS   3
#define STREAMS  24
#define SESSIONS 512
#define STEPS    300
#define HEALING  4000
#define WINDOW   5

enum message_what { TO_OPEN, TO_BATCH, TO_CONFIRM, FROM_STATE, FROM_COMMITTED, FROM_CONFIRMED,
		    FROM_REFUSED };

struct message {
	struct list link;
	enum message_what what;
	size_t stream;
	uint64_t seq; /* TO_BATCH */
	bool named;
	struct stream_state state;
	enum frame_cause cause;
};

struct link {
	struct committer_peer peer; /* first: a peer is its session */
	bool used, agent_alive, relay_knows;
	size_t relay, agent;
	struct list to_relay, to_agent;
};

struct request {
	struct list link;
	struct committer_call *call; /* NULL: a ghost, whose relay no longer listens */
	uint8_t *resp;
	size_t size;
};

struct relay {
	struct committer c;
	struct list requests;
	int64_t asleep_until;
};

struct stream {
	struct source source;
	size_t agent;
	bool opened;
	struct stream_state stored;
	uint64_t committed, sent;
};

struct sim;

struct sim_compactor {
	struct compactor c;
	struct sim *sim;
	size_t relay; /* whose partials it leaves alone, when it is polite */
	uint64_t serial;
	struct request *request; /* under way */
};

struct sim {
	uint64_t random;
	int64_t now, unix_offset;
	struct model_store store;
	struct relay_counters n;
	struct relay relays[RELAYS];
	struct stream *streams[STREAMS];
	size_t stream_count;
	size_t current[AGENTS]; /* stream */
	size_t session[AGENTS]; /* link, or SESSIONS */
	struct link *links;
	size_t link_count;
	struct list ghosts;
	bool healing;
	unsigned trouble; /* how often things go wrong */
	struct rkey_tags tags;
	struct sim_compactor compactors[COMPACTORS];
	int64_t compact_offset;
	bool polite;
	size_t swaps, swaps_refused;
	size_t refusals, rollbacks, crashes, protocol_errors;
};

static inline bool chance(struct sim *s, unsigned per_mille)
{
	return bytes_random_below(&s->random, 1000) < per_mille;
}

static inline bool mishap(struct sim *s, unsigned per_mille)
{
	return !s->healing && chance(s, per_mille * s->trouble);
}

static inline size_t pick(struct sim *s, size_t bound)
{
	return (size_t)bytes_random_below(&s->random, bound);
}

static inline void post(struct list *queue, const struct message *m)
{
	struct message *copy = malloc(sizeof(*copy));

	assert_non_null(copy);
	*copy = *m;
	copy->link = (struct list){ 0 };
	list_append(queue, &copy->link);
}

static inline bool take(struct list *queue, struct message *out)
{
	struct message *m;

	if (list_empty(queue))
		return false;
	m = LIST_ENTRY(queue->next, struct message, link);
	list_remove(&m->link);
	*out = *m;
	free(m);
	return true;
}

static inline void drop_all(struct list *queue)
{
	struct message m;

	while (take(queue, &m))
		;
}

static inline size_t stream_of(const struct sim *s, const struct stream_id *id)
{
	for (size_t i = 0; i < s->stream_count; i++)
		if (memcmp(&s->streams[i]->source.id, id, sizeof(*id)) == 0)
			return i;
	fail_msg("a stream nobody began");
	return 0;
}

/* ---- effects of the committers --------------------------------------------------------------- */

static inline struct relay *relay_of(struct sim *s, struct committer *c)
{
	for (size_t i = 0; i < RELAYS; i++)
		if (&s->relays[i].c == c)
			return &s->relays[i];
	fail_msg("a committer of no relay");
	return NULL;
}

static inline struct request *request_new(struct committer_call *call, struct slice resp)
{
	struct request *q = malloc(sizeof(*q));

	assert_non_null(q);
	*q = (struct request){ .call = call, .resp = malloc(resp.size), .size = resp.size };
	assert_non_null(q->resp);
	memcpy(q->resp, resp.ptr, resp.size);
	return q;
}

static inline bool sim_run(void *arg, struct committer *c, struct committer_call *call, struct slice resp)
{
	struct sim *s = arg;
	struct request *q;

	if (mishap(s, 2))
		return false;
	q = request_new(call, resp);
	list_append(&relay_of(s, c)->requests, &q->link);
	return true;
}

static inline void tell(struct sim *s, struct committer_peer *peer, enum message_what what,
		 enum frame_cause cause, const struct frame_stream *list, size_t count)
{
	struct link *l = (struct link *)(void *)peer;

	for (size_t i = 0; i < count && l->agent_alive; i++)
		post(&l->to_agent, &(struct message){ .what = what, .cause = cause,
						      .stream = stream_of(s, &list[i].id),
						      .state = list[i].state });
}

static inline void sim_state(void *arg, struct committer_peer *peer, enum frame_cause cause,
		      struct frame_stream *list, size_t count)
{
	tell(arg, peer, FROM_STATE, cause, list, count);
}

static inline void sim_committed(void *arg, struct committer_peer *peer, struct frame_stream *list,
			  size_t count)
{
	tell(arg, peer, FROM_COMMITTED, FRAME_OPENED, list, count);
}

static inline void sim_confirmed(void *arg, struct committer_peer *peer, uint64_t token,
			  struct frame_stream *list, size_t count)
{
	(void)token;
	tell(arg, peer, FROM_CONFIRMED, FRAME_OPENED, list, count);
}

static inline void sim_refuse(void *arg, struct committer_peer *peer, int code)
{
	struct link *l = (struct link *)(void *)peer;

	(void)arg;
	(void)code;
	if (l->agent_alive)
		post(&l->to_agent, &(struct message){ .what = FROM_REFUSED });
}

static inline uint64_t sim_random(void *arg)
{
	return bytes_random(&((struct sim *)arg)->random);
}

static inline void sim_discarded(void *arg, uint32_t partition, enum committer_reason reason, int code)
{
	(void)partition;
	(void)code;
	assert_int_not_equal(reason, COMMITTER_MERGE);
	((struct sim *)arg)->refusals++;
}

static inline void sim_foreign(void *arg, uint32_t partition, struct slice stored)
{
	(void)arg;
	(void)partition;
	(void)stored;
	fail_msg("the store is of this fleet");
}

static inline void sim_error(void *arg, uint32_t partition, enum script script, struct slice text)
{
	(void)arg;
	(void)partition;
	(void)script;
	fail_msg("%.*s", (int)text.size, (const char *)text.ptr);
}

static inline void sim_rejected(void *arg, const struct stream_id *id, const struct image_rejects *n)
{
	(void)arg;
	(void)id;
	(void)n;
	fail_msg("every hour can be written");
}

static const struct committer_effects sim_effects = {
	.run = sim_run,
	.state = sim_state,
	.committed = sim_committed,
	.confirmed = sim_confirmed,
	.refuse = sim_refuse,
	.random = sim_random,
	.discarded = sim_discarded,
	.foreign = sim_foreign,
	.error = sim_error,
	.rejected = sim_rejected,
};

static inline void relay_boot(struct sim *s, struct relay *r)
{
	struct committer_options o = { .cfg = CFG, .partitions = 1, .tag = "p0.0",
				       .commit_ms = 300, .retention_hours = 840,
				       .unix_offset_ms = &s->unix_offset, .counters = &s->n,
				       .effects = &sim_effects, .arg = s };

	committer_init(&r->c, &o);
	committer_set_floor(&r->c, 1);
	committer_store_up(&r->c, s->now);
	list_init(&r->requests);
	r->asleep_until = 0;
}

/* ---- Redis ------------------------------------------------------------------------------------- */

static inline void request_free(struct request *q)
{
	list_remove(&q->link);
	free(q->resp);
	free(q);
}

static inline void request_run(struct sim *s, struct request *q, struct relay *r)
{
	struct model_reply reply;
	struct answer a;

	model_store_run(&s->store, slice_of(q->resp, q->size), &reply);
	if (r != NULL) {
		a = answer_of_words(reply.words, reply.count);
		committer_answer(&r->c, q->call, &a, s->now);
	}
	model_reply_release(&reply);
	request_free(q);
}

static inline void request_answer(struct sim *s, struct request *q, struct relay *r,
			   const struct answer *a)
{
	committer_answer(&r->c, q->call, a, s->now);
	request_free(q);
}

/* The command is run now, later or never, and nobody hears of it. */
static inline void request_lose(struct sim *s, struct request *q)
{
	switch (pick(s, 3)) {
	case 0:
		request_run(s, q, NULL);
		break;
	case 1:
		list_move(&s->ghosts, &q->link);
		break;
	default:
		request_free(q);
	}
}

/* The connection breaks: each call was run, is run later, or never; nobody hears of it. */
static inline void connection_lost(struct sim *s, struct relay *r)
{
	struct answer unknown = answer_unknown();
	struct list lost;

	list_init(&lost);
	while (!list_empty(&r->requests))
		list_move(&lost, r->requests.next);
	while (!list_empty(&lost)) {
		struct request *q = LIST_ENTRY(lost.next, struct request, link);
		struct committer_call *call = q->call;

		q->call = NULL;
		request_lose(s, q);
		committer_answer(&r->c, call, &unknown, s->now);
	}
	committer_store_up(&r->c, s->now);
}

static inline void serve(struct sim *s, struct relay *r)
{
	struct answer oom = answer_of_error(slice_text("OOM no"));

	while (!list_empty(&r->requests) && chance(s, 600)) {
		struct request *q = LIST_ENTRY(r->requests.next, struct request, link);

		if (mishap(s, 5))
			request_answer(s, q, r, &oom);
		else
			request_run(s, q, r);
	}
	if (mishap(s, 5))
		connection_lost(s, r);
	while (!list_empty(&s->ghosts) && (s->healing || chance(s, 30)))
		request_run(s, LIST_ENTRY(s->ghosts.next, struct request, link), NULL);
}

/* A compaction gives one partial another name and version; its relay does not know. */
static inline void swap_partial(struct sim *s)
{
	struct model_entry e;
	char name[17], to[128], from[128];
	const char *at;
	size_t i = s->store.count ? pick(s, s->store.count) : 0;
	size_t prefix, count = s->store.count;

	if (s->store.count == 0)
		return;
	e = s->store.log[i];
	at = memmem(e.key.ptr, e.key.size, "}:m:", 4);
	if (at == NULL)
		return;
	prefix = (size_t)(at - (const char *)e.key.ptr) + 1;
	snprintf(from, sizeof(from), "%.*s", (int)e.key.size, (const char *)e.key.ptr);
	if (e.field.size == 0 || model_store_get(&s->store, from, e.field).size == 0)
		return;
	snprintf(name, sizeof(name), "%016llx", (unsigned long long)bytes_random(&s->random));
	snprintf(to, sizeof(to), "%.*s:c:%.*s:%s", (int)prefix, from,
		 (int)(e.key.size - prefix - 3), at + 4, name);
	snprintf(from, sizeof(from), "%.*s:c:%.*s:%.*s", (int)prefix, (const char *)e.key.ptr,
		 (int)(e.key.size - prefix - 3), at + 4, (int)e.field.size,
		 (const char *)e.field.ptr);
	for (i = 0; i < count; i++)
		if (slice_equal(s->store.log[i].key, slice_text(from)))
			model_store_set(&s->store, to, s->store.log[i].field,
					model_store_get(&s->store, from, s->store.log[i].field));
	snprintf(to, sizeof(to), "%.*s", (int)e.key.size, (const char *)e.key.ptr);
	model_store_set(&s->store, to, slice_text(name), slice_text("00000000000000cc"));
	model_store_set(&s->store, to, e.field, slice_of(NULL, 0));
	/* One swap is one call: it is forgotten whole. */
	model_store_join(&s->store, count);
}

#endif
