// SPDX-License-Identifier: Apache-2.0
#include "queryd/names_poll.h"

#include "proto/daemon/log.h"
#include "proto/rkey.h"
#include "queryd/stat.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_TEXT   "1000"
#define CHUNK        1000
#define WHOLE_PASSES 3600 /* an hour of seconds */
#define QUIET_PASSES 5    /* then the last second seen is over for good */
#define WHOLE_TAKES  60   /* seconds that reading all may have taken */
#define ROUND_PARTS  64   /* asked at a time: so many chunks may come at once */
#define RUN          65536 /* names that are worth a merge before all are there */

static void go_on(struct names_poll *p);

void names_poll_restart(struct names_poll *p)
{
	p->passes = WHOLE_PASSES;
}

bool names_poll_loaded(const struct names_poll *p)
{
	return p->loaded;
}

static void fail(struct names_poll *p)
{
	names_discard(p->names);
	names_poll_restart(p);
}

/* One name and its second. False without memory, or when it is none. */
static bool take_name(struct names_poll_part *part, const redisReply *name, const redisReply *score)
{
	int64_t second;

	if (name->type != REDIS_REPLY_STRING || score->type != REDIS_REPLY_STRING || name->len < 2)
		return false;
	second = strtoll(score->str, NULL, 10);
	if (second > part->since) {
		part->since = second;
		part->offset = 0;
	}
	if (second > part->last) {
		part->last = second;
		part->quiet = 0;
	}
	part->offset++;
	/* The first byte is the kind; a key of several kinds is one key. */
	if (!kind_known(name->str[0]))
		return true;
	return names_add(part->poll->names, slice_of(name->str + 1, name->len - 1),
			 1u << stat_kind_index((enum kind)name->str[0])) == 0;
}

static void on_chunk(void *arg, int status, const redisReply *reply)
{
	struct names_poll_part *part = arg;
	struct names_poll *p = part->poll;
	size_t i;

	p->outstanding--;
	if (status < 0 || reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		p->failed = true;
	for (i = 0; !p->failed && i < reply->elements; i += 2)
		p->failed = !take_name(part, reply->element[i], reply->element[i + 1]);
	part->more = !p->failed && reply->elements == (size_t)2 * CHUNK;
	if (p->outstanding == 0)
		go_on(p);
}

static void ask(struct names_poll_part *part)
{
	struct names_poll *p = part->poll;
	char key[RKEY_SIZE], since[24], offset[24];
	const char *tag = fleet_tag(p->fleet, (uint32_t)(part - p->parts));
	struct slice argv[] = {
		slice_text("ZRANGE"), slice_text(rkey_names_first(tag, key)), slice_text(since),
		slice_text("+inf"), slice_text("BYSCORE"), slice_text("LIMIT"),
		slice_text(offset), slice_text(CHUNK_TEXT), slice_text("WITHSCORES"),
	};

	argv[2].size = (size_t)snprintf(since, sizeof(since), "%s%" PRId64,
					part->quiet > QUIET_PASSES ? "(" : "", part->since);
	argv[6].size = (size_t)snprintf(offset, sizeof(offset), "%zu", part->offset);
	if (redis_command(p->redis, rkey_slot(argv[1]), 9, argv, on_chunk, part) < 0)
		p->failed = true;
	else
		p->outstanding++;
}

/* Asks parts that have more, a round's worth. */
static void ask_round(struct names_poll *p)
{
	uint32_t i;
	size_t asked = 0;

	for (i = 0; i < p->partitions && asked < ROUND_PARTS; i++) {
		if (!p->parts[i].more)
			continue;
		ask(&p->parts[i]);
		asked++;
	}
}

static bool has_more(const struct names_poll *p)
{
	uint32_t i;

	for (i = 0; i < p->partitions; i++) {
		if (p->parts[i].more)
			return true;
	}
	return false;
}

static struct names_poll *poll_of(struct aside_job *job)
{
	return (struct names_poll *)((char *)job - offsetof(struct names_poll, job));
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
	go_on(p);
}

/* In another thread, as above. An index is freed in many small pieces, which malloc would keep for
 * the next one, an hour on. */
static void forget(struct aside_job *job)
{
	names_release(&poll_of(job)->old);
	(void)malloc_trim(0);
}

static void on_forgotten(struct aside_job *job, bool late)
{
	(void)late;
	poll_of(job)->merging = false;
}

static void start_job(struct names_poll *p, void (*run)(struct aside_job *),
		      void (*done)(struct aside_job *, bool))
{
	p->merging = true;
	p->job.run = run;
	p->job.done = done;
	aside_start(p->aside, &p->job, 0);
}

/* Where the next pass begins is not known of a first one, and another master may be behind. */
static void end_whole(struct names_poll *p)
{
	uint32_t i;

	for (i = 0; i < p->partitions; i++) {
		struct names_poll_part *part = &p->parts[i];
		if (part->start == 0 || part->start > part->last)
			part->start = part->last - WHOLE_TAKES;
	}
	names_replace(p->names, &p->old);
	p->loaded = true;
	start_job(p, forget, on_forgotten);
}

/* A round, or a merge, is over: the next one, or the end of the pass. */
static void go_on(struct names_poll *p)
{
	bool more = has_more(p);
	size_t waiting = names_waiting(p->names);

	/* While names were merged nobody told that the connection is lost. */
	if (p->failed || !p->redis || !redis_is_up(p->redis) ||
	    fleet_partitions(p->fleet) != p->partitions) {
		fail(p);
	} else if (waiting >= RUN || (waiting > 0 && !more)) {
		names_merge_take(p->names, p->whole, &p->merge);
		start_job(p, merge, on_merged);
	} else if (more) {
		ask_round(p);
		if (p->outstanding == 0)
			fail(p);
	} else if (p->whole) {
		end_whole(p);
	}
}

void names_poll_init(struct names_poll *p, struct redis *redis, const struct fleet *fleet,
		     struct names *names, struct aside *aside)
{
	size_t i;

	*p = (struct names_poll){
		.redis = redis, .fleet = fleet, .names = names, .aside = aside, .whole = true,
	};
	for (i = 0; i < LIMIT_PARTITIONS; i++)
		p->parts[i].poll = p;
	names_poll_restart(p);
}

void names_poll_tick(struct names_poll *p)
{
	uint32_t i;

	if (p->outstanding > 0 || p->merging || !p->redis || !redis_is_up(p->redis))
		return;
	p->partitions = fleet_partitions(p->fleet);
	if (p->partitions == 0)
		return;
	p->whole = p->passes++ >= WHOLE_PASSES;
	p->failed = false;
	if (p->whole)
		p->passes = 0;
	for (i = 0; i < p->partitions; i++) {
		struct names_poll_part *part = &p->parts[i];
		part->since = p->whole ? 0 : part->start;
		part->start = part->last;
		part->last = p->whole ? 0 : part->last;
		part->quiet = p->whole ? 0 : part->quiet + 1;
		part->offset = 0;
		part->more = true;
	}
	go_on(p);
}

void names_poll_stop(struct names_poll *p)
{
	p->redis = NULL;
}
