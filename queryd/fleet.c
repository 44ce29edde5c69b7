// SPDX-License-Identifier: Apache-2.0
#include "queryd/fleet.h"

#include "proto/daemon/log.h"
#include "proto/hash.h"

#include <assert.h>
#include <inttypes.h>

static const char not_connected[] = "Redis cannot be reached";
static const char not_initialised[] = "no relay has set up this Redis yet (hg:{fleet} has no cfg)";
static const char not_known[] = "this Redis belongs to a fleet with another hash version";

void fleet_init(struct fleet *f, struct redis *redis, void (*known)(void *arg), void *arg)
{
	f->redis = redis;
	f->tags.partitions = 0;
	f->cfg = 0;
	f->asking = false;
	f->problem = not_connected;
	f->known = known;
	f->arg = arg;
}

/* Decimal, without anything else. 0: not a number. */
static uint64_t parse_cfg(struct slice text)
{
	uint64_t value = 0;
	size_t i;

	if (text.size > 19)
		return 0;
	for (i = 0; i < text.size; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return 0;
		value = value * 10 + (uint64_t)(text.ptr[i] - '0');
	}
	return value;
}

static void set_problem(struct fleet *f, const char *problem)
{
	/* Once is enough: it is asked again every second. */
	if (f->problem != problem)
		log_warn("fleet_unknown", "reason=\"%s\"", problem);
	f->problem = problem;
}

static void use_cfg(struct fleet *f, uint64_t cfg)
{
	uint32_t partitions = (uint32_t)cfg;

	if (partitions == 0 || partitions > LIMIT_PARTITIONS || hash_cfg(partitions) != cfg) {
		set_problem(f, not_known);
		return;
	}
	f->problem = NULL;
	if (f->cfg != cfg)
		rkey_tags_init(&f->tags, partitions);
	f->tags.partitions = partitions;
	f->cfg = cfg;
	log_info("fleet_known", "partitions=%" PRIu32 " cfg=%" PRIu64, partitions, cfg);
	f->known(f->arg);
}

static void on_cfg(void *arg, int status, const redisReply *reply)
{
	struct fleet *f = arg;

	f->asking = false;
	if (status < 0)
		return;
	if (reply->type == REDIS_REPLY_STRING)
		use_cfg(f, parse_cfg(slice_of(reply->str, reply->len)));
	else
		set_problem(f, not_initialised);
}

void fleet_poll(struct fleet *f)
{
	const struct slice argv[] = {
		slice_text("HGET"),
		slice_text(RKEY_FLEET),
		slice_text("cfg"),
	};

	if (f->asking || fleet_is_known(f) || !redis_is_up(f->redis))
		return;
	f->asking = redis_command(f->redis, rkey_slot(argv[1]), 3, argv, on_cfg, f) == 0;
}

void fleet_forget(struct fleet *f)
{
	f->tags.partitions = 0;
	f->cfg = 0;
	f->problem = not_connected;
}

bool fleet_is_known(const struct fleet *f)
{
	return f->tags.partitions > 0;
}

const char *fleet_problem(const struct fleet *f)
{
	return f->problem;
}

uint32_t fleet_partitions(const struct fleet *f)
{
	return f->tags.partitions;
}

const char *fleet_tag(const struct fleet *f, uint32_t partition)
{
	assert(partition < f->tags.partitions);
	return f->tags.tag[partition];
}

const char *fleet_tag_of(const struct fleet *f, struct slice series)
{
	return fleet_tag(f, hash_partition(series, f->tags.partitions));
}
