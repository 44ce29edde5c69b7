// SPDX-License-Identifier: Apache-2.0
#include "queryd/names_poll.h"

#include "proto/daemon/log.h"
#include "proto/rkey.h"
#include "queryd/stat.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_TEXT   "1000"
#define CHUNK        1000
#define WHOLE_PASSES 3600 /* an hour of seconds */
#define QUIET_PASSES 5    /* then the last second seen is over for good */

static void ask(struct names_poll_part *part);

void names_poll_init(struct names_poll *p, struct redis *redis, const struct fleet *fleet,
		     struct names *names)
{
	size_t i;

	*p = (struct names_poll){ .redis = redis, .fleet = fleet, .names = names, .whole = true };
	for (i = 0; i < LIMIT_PARTITIONS; i++)
		p->parts[i].poll = p;
	names_poll_restart(p);
}

void names_poll_restart(struct names_poll *p)
{
	p->passes = WHOLE_PASSES;
}

bool names_poll_loaded(const struct names_poll *p)
{
	return p->loaded;
}

static void end_pass(struct names_poll *p)
{
	if (p->failed) {
		names_discard(p->names);
		names_poll_restart(p);
		return;
	}
	if (p->whole) {
		names_replace(p->names);
		p->loaded = true;
	} else if (names_settle(p->names) < 0) {
		names_discard(p->names);
		names_poll_restart(p);
	}
}

/* One name and its second. A name over the ceiling is counted by names.h; nothing else fails. */
static bool take_name(struct names_poll_part *part, const redisReply *name, const redisReply *score)
{
	int64_t second;
	int status;

	if (name->type != REDIS_REPLY_STRING || score->type != REDIS_REPLY_STRING || name->len < 2)
		return false;
	second = strtoll(score->str, NULL, 10);
	if (second > part->since) {
		part->since = second;
		part->offset = 0;
		part->quiet = 0;
	}
	part->offset++;
	/* The first byte is the kind; a key of several kinds is one key. */
	if (!kind_known(name->str[0]))
		return true;
	status = names_add(part->poll->names, slice_of(name->str + 1, name->len - 1),
			   1u << stat_kind_index((enum kind)name->str[0]));
	return status == 0 || status == -ENOBUFS;
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
	if (!p->failed && reply->elements == (size_t)2 * CHUNK)
		ask(part);
	if (p->outstanding == 0)
		end_pass(p);
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

void names_poll_tick(struct names_poll *p)
{
	uint32_t partitions = fleet_partitions(p->fleet);
	uint32_t i;

	if (p->outstanding > 0 || partitions == 0 || !redis_is_up(p->redis))
		return;
	p->whole = p->passes++ >= WHOLE_PASSES;
	p->failed = false;
	if (p->whole)
		p->passes = 0;
	for (i = 0; i < partitions; i++) {
		struct names_poll_part *part = &p->parts[i];
		if (p->whole)
			part->since = 0;
		part->quiet = p->whole ? 0 : part->quiet + 1;
		part->offset = 0;
		ask(part);
	}
	if (p->outstanding == 0)
		end_pass(p);
}
