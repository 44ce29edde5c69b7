// SPDX-License-Identifier: Apache-2.0
/*
 * names_poll.c - turns of asking and merging, one at a time.
 *
 * go_on() is the whole machine: it runs after each answer and after each job, and does the
 * first of these that applies: ask more, wait for what is open, give up, merge what has
 * gathered, end the pass. While names are merged in the other thread nothing is asked, so the
 * batch does not grow behind it. A pass during which the connection, the server or the fleet
 * changed is thrown away as a whole, and the next one reads everything.
 */
#include "queryd/names_poll.h"

#include "proto/daemon/life.h"
#include "proto/rkey.h"
#include "queryd/stat.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define RUN 65536 /* names that are worth a merge before all are there */

static void go_on(struct names_poll *p);

void names_poll_restart(struct names_poll *p)
{
	names_pass_restart(&p->pass);
}

bool names_poll_loaded(const struct names_poll *p)
{
	return p->loaded;
}

uint64_t names_poll_generation(const struct names_poll *p)
{
	return p->read_generation;
}

/* ---- answers -------------------------------------------------------------------------------- */

/* One name and its second. False without memory, or when it is none. */
static bool take_name(struct names_poll *p, uint32_t partition, const redisReply *name,
		      const redisReply *score)
{
	if (name->type != REDIS_REPLY_STRING || score->type != REDIS_REPLY_STRING || name->len < 2)
		return false;
	names_pass_name(&p->pass, partition, strtoll(score->str, NULL, 10));
	/* The first byte is the kind; a key of several kinds is one key. */
	if (!kind_known(name->str[0]))
		return true;
	return names_add(p->names, slice_of(name->str + 1, name->len - 1),
			 1u << stat_kind_index((enum kind)name->str[0])) == 0;
}

/* Names and seconds in turn. */
static bool take_names(struct names_poll *p, uint32_t partition, const redisReply *list)
{
	size_t i;

	if (list->type != REDIS_REPLY_ARRAY || list->elements % 2 != 0)
		return false;
	for (i = 0; i < list->elements; i += 2) {
		if (!take_name(p, partition, list->element[i], list->element[i + 1]))
			return false;
	}
	return true;
}

/* ZSCAN's answer is a cursor and such a list. */
static const redisReply *take_cursor(const redisReply *reply, uint64_t *cursor)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING)
		return NULL;
	*cursor = strtoull(reply->element[0]->str, NULL, 10);
	return reply->element[1];
}

static void on_answer(void *arg, int status, const redisReply *reply)
{
	struct names_poll_part *part = arg;
	struct names_poll *p = part->poll;
	uint32_t partition = (uint32_t)(part - p->parts);
	const redisReply *list = status < 0 ? NULL : reply;
	uint64_t cursor = 0;

	if (list && names_pass_whole(&p->pass))
		list = take_cursor(reply, &cursor);
	if (!p->failed && list && take_names(p, partition, list)) {
		names_pass_answered(&p->pass, partition, list->elements / 2, cursor);
	} else {
		p->failed = true;
		names_pass_answered(&p->pass, partition, 0, 0);
	}
	go_on(p);
}

/* ---- questions ------------------------------------------------------------------------------ */

static int ask_all(struct names_poll *p, const struct names_question *q, struct slice key)
{
	char cursor[24], count[24];
	struct slice argv[] = {
		slice_text("ZSCAN"), key, slice_text(cursor), slice_text("COUNT"), slice_text(count),
	};

	argv[2].size = (size_t)snprintf(cursor, sizeof(cursor), "%" PRIu64, q->cursor);
	argv[4].size = (size_t)snprintf(count, sizeof(count), "%u", q->count);
	return redis_command(p->redis, rkey_slot(key), 5, argv, on_answer, &p->parts[q->partition]);
}

static int ask_newer(struct names_poll *p, const struct names_question *q, struct slice key)
{
	char since[24], offset[24], count[24];
	struct slice argv[] = {
		slice_text("ZRANGE"), key, slice_text(since), slice_text("+inf"),
		slice_text("BYSCORE"), slice_text("LIMIT"), slice_text(offset), slice_text(count),
		slice_text("WITHSCORES"),
	};

	argv[2].size = (size_t)snprintf(since, sizeof(since), "%s%" PRId64, q->over ? "(" : "", q->since);
	argv[6].size = (size_t)snprintf(offset, sizeof(offset), "%zu", q->offset);
	argv[7].size = (size_t)snprintf(count, sizeof(count), "%u", q->count);
	return redis_command(p->redis, rkey_slot(key), 9, argv, on_answer, &p->parts[q->partition]);
}

static void ask(struct names_poll *p, const struct names_question *q)
{
	char key[RKEY_SIZE];
	struct slice names = slice_text(rkey_names_first(fleet_tag(p->fleet, q->partition), key));

	if ((q->whole ? ask_all(p, q, names) : ask_newer(p, q, names)) == 0)
		return;
	p->failed = true;
	names_pass_answered(&p->pass, q->partition, 0, 0);
}

/* ---- merging -------------------------------------------------------------------------------- */

static struct names_poll *poll_of(struct aside_job *job)
{
	return (struct names_poll *)((char *)job - offsetof(struct names_poll, job));
}

static void start_job(struct names_poll *p, void (*run)(struct aside_job *),
		      void (*done)(struct aside_job *, bool))
{
	p->merging = true;
	p->job.run = run;
	p->job.done = done;
	aside_start(p->aside, &p->job, 0);
}

/* In another thread: of the poll only this is touched there. */
static void merge(struct aside_job *job)
{
	names_merge_run(&poll_of(job)->merge);
}

static void on_merged(struct aside_job *job, bool late)
{
	struct names_poll *p = poll_of(job);

	(void)late; /* it has no deadline */
	p->merging = false;
	if (names_merge_done(p->names, &p->merge) < 0)
		p->failed = true;
	names_merge_release(&p->merge);
	go_on(p);
}

/* In another thread, as above. */
static void forget(struct aside_job *job)
{
	names_merge_release(&poll_of(job)->merge);
}

static void on_forgotten(struct aside_job *job, bool late)
{
	struct names_poll *p = poll_of(job);

	(void)late;
	p->merging = false;
	p->busy = false;
}

static void fail(struct names_poll *p)
{
	names_discard(p->names);
	names_poll_restart(p);
	p->busy = false;
}

/* All is read anew: the index is what was met. */
static void on_replaced(struct aside_job *job, bool late)
{
	struct names_poll *p = poll_of(job);

	(void)late;
	p->merging = false;
	if (names_merge_done(p->names, &p->merge) < 0) {
		names_merge_release(&p->merge);
		fail(p);
		return;
	}
	names_pass_end(&p->pass, life_monotonic_ms());
	p->read_generation = p->generation;
	p->loaded = true;
	start_job(p, forget, on_forgotten);
}

/* Nothing is asked for and nothing is to be: what still waits is merged. */
static void end_pass(struct names_poll *p)
{
	if (names_pass_whole(&p->pass)) {
		names_merge_take(p->names, NAMES_REPLACE, &p->merge);
		start_job(p, merge, on_replaced);
	} else if (names_waiting(p->names) > 0) {
		names_merge_take(p->names, NAMES_ADD, &p->merge);
		start_job(p, merge, on_merged);
	} else {
		p->read_generation = p->generation;
		p->busy = false;
	}
}

static bool is_lost(const struct names_poll *p)
{
	/* While names were merged nobody told that the connection is. */
	return p->failed || !p->redis || !redis_is_up(p->redis) ||
	       redis_view(p->redis).generation != p->generation ||
	       fleet_partitions(p->fleet) != p->pass.partitions;
}

/* An answer has come, or a merge is over: the next questions, a merge, or the end of the pass. */
static void go_on(struct names_poll *p)
{
	bool enough = names_waiting(p->names) >= RUN;
	struct names_question question;

	while (!is_lost(p) && !enough && names_pass_next(&p->pass, &question))
		ask(p, &question);
	if (names_pass_open(&p->pass) > 0)
		return;
	if (is_lost(p)) {
		fail(p);
	} else if (enough) {
		names_merge_take(p->names, names_pass_whole(&p->pass) ? NAMES_ANEW : NAMES_ADD,
				 &p->merge);
		start_job(p, merge, on_merged);
	} else {
		end_pass(p);
	}
}

/* ---- from outside --------------------------------------------------------------------------- */

void names_poll_init(struct names_poll *p, struct redis *redis, const struct fleet *fleet,
		     struct names *names, struct aside *aside)
{
	size_t i;

	*p = (struct names_poll){ .redis = redis, .fleet = fleet, .names = names, .aside = aside };
	for (i = 0; i < LIMIT_PARTITIONS; i++)
		p->parts[i].poll = p;
	names_pass_init(&p->pass);
}

/* A master has what its replica has, and may have more of the last second. The other way round
 * there may be less, so that seconds that were over are not. */
static void look_at_server(struct names_poll *p)
{
	struct redis_view view = redis_view(p->redis);

	if (view.generation == p->generation)
		return;
	p->generation = view.generation;
	if (view.replica)
		names_poll_restart(p);
	else
		names_pass_turn(&p->pass);
}

void names_poll_tick(struct names_poll *p)
{
	uint32_t partitions = fleet_partitions(p->fleet);

	if (p->busy || !p->redis || !redis_is_up(p->redis) || partitions == 0)
		return;
	p->busy = true;
	p->failed = false;
	look_at_server(p);
	names_pass_begin(&p->pass, partitions, life_monotonic_ms());
	go_on(p);
}

void names_poll_stop(struct names_poll *p)
{
	p->redis = NULL;
}
