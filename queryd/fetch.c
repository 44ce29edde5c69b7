// SPDX-License-Identifier: Apache-2.0
/*
 * fetch.c - rounds of commands, of whatever kind of work.
 *
 * A slot a command is the argument of its reply and finds the way back. An owner is told once
 * and may be gone before all replies are in: `done` is then NULL, and the last reply frees the
 * fetch. The next commands leave while replies come in, so that the window stays full; what
 * goes wrong is noted and told once nothing is outstanding, since slots are in Redis' hands
 * until then. In a Cluster a round is sent in two parts, those that come last when all others
 * are answered.
 */
#include "queryd/fetch.h"

#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/rkey.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Of keys of at most LIMIT_SERIES_BYTES, so many make no large command (redis_link.c: 64 KiB). */
#define SMALL_ARGS 7

/* Which command of which fetch a reply is for. */
struct fetch_slot {
	struct fetch *fetch;
	size_t command;
	struct fetch_waiter waiter; /* of fetch_read */
};

struct fetch {
	struct fetches *all;
	struct fetch *next, **at; /* in all->open, while it is not answered */
	const struct fetch_verbs *verbs;
	void *work;
	uint64_t deadline_ms;
	fetch_done done; /* NULL: answered */
	void *arg;
	struct fetch_slot *slots;
	size_t slot_capacity;
	size_t at_command; /* of the round: the next one to look at */
	bool lasting;      /* only those that come last are left */
	size_t outstanding;
	struct redis_view read; /* what it reads, as it was when it began */
	unsigned tries;
	int status;
};

static int send_read(void *redis, struct slice key, redis_reply_fn reply, void *arg)
{
	const struct slice argv[] = { slice_text("HGETALL"), key };

	return redis_command(redis, rkey_slot(key), 2, argv, reply, arg);
}

void fetches_init(struct fetches *f, struct redis *redis, const struct fleet *fleet)
{
	*f = (struct fetches){ .redis = redis, .fleet = fleet };
	fetch_shares_init(&f->shares, send_read, redis);
}

void fetches_end_turn(struct fetches *f)
{
	fetch_shares_end_turn(&f->shares);
}

uint64_t fetches_shared(const struct fetches *f)
{
	return f->shares.joined;
}

uint64_t fetches_again(const struct fetches *f)
{
	return f->again;
}

struct redis_view fetches_read(const struct fetches *f)
{
	return f->read;
}

const struct fleet *fetch_fleet(const struct fetch *f)
{
	return f->all->fleet;
}

/* Tells the owner, once. */
static void answer(struct fetch *f, int status)
{
	fetch_done done = f->done;

	if (!done)
		return;
	f->done = NULL;
	*f->at = f->next;
	if (f->next)
		f->next->at = f->at;
	f->all->count--;
	f->all->read = f->read;
	done(f->arg, status, status == 0 ? f->work : NULL);
}

static void fetch_free(struct fetch *f)
{
	assert(f->outstanding == 0 && !f->done);
	f->verbs->free(f->work);
	free(f->slots);
	free(f);
}

/* ---- rounds --------------------------------------------------------------------------------- */

static void run_rounds(struct fetch *f);

static void log_reply(const redisReply *reply)
{
	static struct log_limit limit;
	char quoted[LOG_QUOTE_SIZE];
	struct slice text = slice_text("an answer of an unexpected type");

	if (reply->type == REDIS_REPLY_ERROR)
		text = slice_of(reply->str, reply->len);
	if (log_allowed(&limit, life_monotonic_ms(), NULL))
		log_warn("redis_answer", "text=%s", log_quote(text, quoted));
}

/* Finds the next command to send. Where commands may overtake each other, those that must come
 * last wait until all others are answered. */
static bool find_next(struct fetch *f, size_t count)
{
	bool ordered = !redis_may_reorder(f->all->redis);

	for (;;) {
		while (f->at_command < count && !ordered &&
		       f->verbs->last(f->work, f->at_command) != f->lasting)
			f->at_command++;
		if (f->at_command < count || ordered || f->lasting || f->outstanding > 0)
			return f->at_command < count;
		f->lasting = true;
		f->at_command = 0;
	}
}

/* Sends what the window has room for; what cannot be sent spoils the fetch once the rest is
 * back. */
static void send_more(struct fetch *f)
{
	size_t count = f->verbs->count(f->work);

	while (f->status == 0 && f->outstanding < f->verbs->window && find_next(f, count)) {
		size_t index = f->at_command++;

		f->slots[index] = (struct fetch_slot){ .fetch = f, .command = index };
		f->status = f->verbs->send(f, f->work, index);
		f->outstanding += f->status == 0;
	}
}

static void on_reply(void *arg, int status, const redisReply *reply)
{
	struct fetch_slot *slot = arg;
	struct fetch *f = slot->fetch;

	f->outstanding--;
	if (status < 0) {
		f->status = status;
	} else if (f->done && f->status == 0) {
		if (f->verbs->put(f->work, slot->command, reply)) {
			send_more(f);
		} else {
			log_reply(reply);
			f->status = ERR_STORE_ERROR;
		}
	}
	if (f->outstanding == 0)
		run_rounds(f);
}

int fetch_send(struct fetch *f, size_t index, size_t argc, const struct slice *argv)
{
	/* A large command leaves at once, and takes along what was gathered before it. */
	if (argc > SMALL_ARGS)
		fetches_end_turn(f->all);
	return redis_command(f->all->redis, rkey_slot(argv[1]), argc, argv, on_reply,
			     &f->slots[index]);
}

int fetch_read(struct fetch *f, size_t index, struct slice key)
{
	struct fetch_waiter *waiter = &f->slots[index].waiter;

	waiter->reply = on_reply;
	waiter->arg = &f->slots[index];
	return fetch_share_read(&f->all->shares, key, waiter);
}

/* Starts a round. */
static int send_round(struct fetch *f)
{
	size_t count = f->verbs->count(f->work);

	if (count > f->slot_capacity) {
		free(f->slots);
		f->slots = malloc(count * sizeof(*f->slots));
		f->slot_capacity = f->slots ? count : 0;
		if (!f->slots)
			return -ENOMEM;
	}
	f->at_command = 0;
	f->lasting = false;
	f->status = 0;
	send_more(f);
	return f->status;
}

/* What is read from now on. Who asks another server shares nothing with those before. */
static struct redis_view look(struct fetches *all)
{
	struct redis_view view = redis_view(all->redis);

	if (view.generation != all->generation)
		fetches_end_turn(all);
	all->generation = view.generation;
	return view;
}

/* Another server is read than when the fetch began. What the last one did not answer, or refused, the next
 * one may give. */
static bool must_begin_again(struct fetch *f)
{
	bool lost = f->status == ERR_STORE_DOWN || f->status == ERR_STORE_ERROR;

	return f->done && (f->status == 0 || lost) &&
	       look(f->all).generation != f->read.generation;
}

static int begin_again(struct fetch *f)
{
	int status;

	if (!redis_is_up(f->all->redis) || ++f->tries == FETCH_TRIES)
		return ERR_STORE_DOWN;
	f->all->again++;
	f->read = look(f->all);
	status = f->verbs->again(f->work);
	return status ? status : send_round(f);
}

/* The round is answered: the next one, or the end. */
static void run_rounds(struct fetch *f)
{
	int more;

	if (must_begin_again(f)) {
		f->status = begin_again(f);
	} else if (f->done && f->status == 0) {
		more = f->verbs->step(f->work);
		f->status = more > 0 ? send_round(f) : more;
	}
	if (f->outstanding > 0)
		return;
	answer(f, f->status);
	fetch_free(f);
}

void fetch_start(struct fetches *all, const struct fetch_verbs *verbs, void *work,
		 uint64_t deadline_ms, fetch_done done, void *arg)
{
	struct fetch *f = malloc(sizeof(*f));

	if (!f) {
		verbs->free(work);
		done(arg, -ENOMEM, NULL);
		return;
	}
	*f = (struct fetch){
		.all = all,
		.next = all->open,
		.at = &all->open,
		.verbs = verbs,
		.work = work,
		.deadline_ms = deadline_ms,
		.done = done,
		.arg = arg,
	};
	if (f->next)
		f->next->at = &f->next;
	all->open = f;
	all->count++;
	f->read = look(all);
	f->status = send_round(f);
	if (f->outstanding > 0)
		return;
	answer(f, f->status);
	fetch_free(f);
}

void fetches_sweep(struct fetches *all, uint64_t now_ms)
{
	struct fetch *f = all->open, *next;

	for (; f; f = next) {
		next = f->next;
		if (now_ms >= f->deadline_ms)
			answer(f, -ETIMEDOUT);
	}
}

bool fetch_next_pid(const redisReply *reply, size_t *at, struct slice *pid, struct slice *version)
{
	const redisReply *field, *value;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements - *at < 2)
		return false;
	field = reply->element[*at];
	value = reply->element[*at + 1];
	if (field->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
		return false;
	*pid = fetch_text(field);
	*version = fetch_text(value);
	*at += 2;
	return true;
}
