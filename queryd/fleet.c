// SPDX-License-Identifier: Apache-2.0
/*
 * fleet.c - one hash of Redis, read until it is known and then once a minute.
 *
 * A cfg is the number of partitions and how keys are hashed; it is used only if this program
 * would have written the same. How long hours are kept is the greatest that any relay says
 * whose word is not out of date, and open when one is there that says nothing readable.
 */
#include "queryd/fleet.h"

#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/hash.h"
#include "proto/hour.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define KEPT_MOST  1000000 /* hours */
#define KEPT_POLLS 60      /* of a second each, until what is kept is read again */

/* A day's hours go a day after the last of them can no longer be written, and at the earliest an hour after
 * they were (KEYS.md); clocks differ. */
#define KEPT_SLACK_HOURS 50

static const char not_connected[] = "Redis cannot be reached";
static const char not_initialised[] = "no relay has set up this Redis yet (hg:{fleet} has no cfg)";
static const char not_known[] = "this Redis belongs to a fleet with another hash version";

void fleet_init(struct fleet *f, struct redis *redis, void (*known)(void *arg), void *arg)
{
	f->redis = redis;
	f->tags.partitions = 0;
	f->cfg = 0;
	f->kept = (struct fleet_kept){ 0 };
	f->polls = 0;
	f->asking = false;
	f->problem = not_connected;
	f->known = known;
	f->arg = arg;
}

/* Decimal, without anything else. 0: not a number. */
static uint64_t parse_number(struct slice text)
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
	log_info("fleet_known", "partitions=%" PRIu32 " cfg=%" PRIu64 " kept_hours=%" PRId64,
		 partitions, cfg, f->kept.hours);
	f->known(f->arg);
}

/* ---- what is read ----------------------------------------------------------------------------- */

void fleet_kept_put(struct fleet_kept *kept, struct slice field, struct slice value,
		    int64_t now_second)
{
	struct slice prefix = slice_text(RKEY_KEPT);
	int64_t until = (int64_t)parse_number(value), hours;

	if (field.size < prefix.size || memcmp(field.ptr, prefix.ptr, prefix.size) != 0 ||
	    until <= now_second)
		return;
	hours = (int64_t)parse_number(slice_of(field.ptr + prefix.size, field.size - prefix.size));
	/* What cannot be one of ours is as good as not said. */
	if (hours == 0 || hours > KEPT_MOST)
		kept->open = true;
	else if (hours > kept->hours)
		kept->hours = hours;
}

static bool is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING;
}

/* Takes all fields; false without a cfg. */
static bool read_fields(const redisReply *reply, struct fleet_kept *kept, uint64_t *cfg)
{
	int64_t now_second = life_wall_ms() / 1000;
	bool found = false;
	size_t i;

	for (i = 0; i + 1 < reply->elements; i += 2) {
		const redisReply *field = reply->element[i], *value = reply->element[i + 1];
		if (!is_text(field) || !is_text(value))
			continue;
		if (strcmp(field->str, "cfg") == 0) {
			*cfg = parse_number(slice_of(value->str, value->len));
			found = true;
		}
		fleet_kept_put(kept, slice_of(field->str, field->len),
			       slice_of(value->str, value->len), now_second);
	}
	return found;
}

static void on_fields(void *arg, int status, const redisReply *reply)
{
	struct fleet *f = arg;
	struct fleet_kept kept = { 0 };
	uint64_t cfg = 0;

	f->asking = false;
	if (status < 0 || reply->type != REDIS_REPLY_ARRAY)
		return;
	if (!read_fields(reply, &kept, &cfg)) {
		if (!fleet_is_known(f))
			set_problem(f, not_initialised);
		return;
	}
	f->kept = kept;
	if (!fleet_is_known(f))
		use_cfg(f, cfg);
}

void fleet_poll(struct fleet *f)
{
	const struct slice argv[] = { slice_text("HGETALL"), slice_text(RKEY_FLEET) };

	if (f->asking || !redis_is_up(f->redis) ||
	    (fleet_is_known(f) && ++f->polls < KEPT_POLLS))
		return;
	f->polls = 0;
	f->asking = redis_command(f->redis, rkey_slot(argv[1]), 2, argv, on_fields, f) == 0;
}

void fleet_forget(struct fleet *f)
{
	f->tags.partitions = 0;
	f->cfg = 0;
	f->kept = (struct fleet_kept){ 0 };
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

int64_t fleet_retention_hours(const struct fleet *f, int64_t configured)
{
	bool said = f->kept.hours > 0 && !f->kept.open;

	return said ? f->kept.hours : configured;
}

int64_t fleet_kept_from(const struct fleet *f, int64_t configured, int64_t now_second)
{
	int64_t hours = f->kept.hours > configured ? f->kept.hours : configured, first;

	if (f->kept.hours == 0 || f->kept.open)
		return 0;
	first = hour_of_second(now_second) - hours - KEPT_SLACK_HOURS;
	return first > 0 ? first - first % DAY_HOURS : 0;
}
