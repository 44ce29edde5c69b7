// SPDX-License-Identifier: Apache-2.0
/*
 * compaction.c - effects of the pure compactor, and the ring that says which partitions are ours.
 *
 * A command carries its serial in an allocation of its own: the compactor may have given it up when
 * the answer comes, and knows that by the number.
 */
#include "relay/compaction.h"

#include "proto/daemon/life.h"
#include "proto/err.h"

#include <inttypes.h>
#include <stdlib.h>

/* A command under way: the compactor knows it by its serial, and may have given it up. */
struct compaction_call {
	struct compaction *owner;
	uint64_t serial;
};

static void compaction_on_answer(void *arg, const struct answer *answer)
{
	struct compaction_call *call = arg;
	struct compaction *c = call->owner;
	uint64_t serial = call->serial;

	free(call);
	compactor_answer(&c->compactor, serial, answer, life_monotonic_ms());
}

/* ---- effects ---- */

static bool compaction_run(void *arg, uint64_t serial, const char *tag, struct slice resp)
{
	struct compaction *c = arg;
	struct compaction_call *call = malloc(sizeof(*call));

	if (call == NULL)
		return false;
	*call = (struct compaction_call){ c, serial };
	if (store_call(c->o.store, tag, resp, compaction_on_answer, call))
		return true;
	free(call);
	return false;
}

static bool compaction_ours(void *arg, uint32_t partition)
{
	const struct compaction *c = arg;

	return c->ring != NULL && ring_at(c->ring, partition, 0) == c->self;
}

static bool compaction_holds(void *arg, uint32_t partition, int64_t hour, uint64_t pid)
{
	const struct compaction *c = arg;

	return committer_holds(&c->o.committers[partition], hour, pid);
}

static uint64_t compaction_random(void *arg)
{
	uint64_t random;

	(void)arg;
	life_random(&random, sizeof(random));
	return random;
}

static void compaction_told(void *arg, const struct compactor_news *news)
{
	struct compaction *c = arg;
	enum log_level level = LOG_LEVEL_DEBUG;
	char text[HOUR_TEXT_SIZE];

	if (news->result == COMPACT_BROKEN) {
		if (!log_allowed(&c->broken, life_monotonic_ms(), NULL))
			return;
		level = LOG_LEVEL_ERROR;
	}
	log_event(level, "compaction",
		  "partition=%" PRIu32 " %s=%s result=%s from=%zu fields=%" PRIu64 " err=%s",
		  news->partition, news->is_day ? "day" : "hour",
		  news->is_day ? hour_format_day(news->at, text) : hour_format(news->at, text),
		  compactor_result_name(news->result), news->taken, news->fields,
		  news->code ? err_name(news->code) : "none");
}

static const struct compactor_effects compaction_effects = {
	.run = compaction_run,
	.ours = compaction_ours,
	.holds = compaction_holds,
	.random = compaction_random,
	.told = compaction_told,
};

/* ---- events ---- */

void compaction_init(struct compaction *c, const struct compaction_options *options)
{
	const struct config *config = options->config;
	const struct compactor_options o = {
		.cfg = hash_cfg(options->tags->partitions),
		.tags = options->tags,
		.retention_hours = config->retention_hours,
		.retention_days = config->retention_days,
		.partials = config->compact_partials,
		.close_ms = config->close_after_ms,
		.every_ms = config->compact_every_ms,
		.unix_offset_ms = &options->membership->unix_offset_ms,
		.counters = options->counters,
		.effects = &compaction_effects,
		.arg = c,
	};

	*c = (struct compaction){ .o = *options };
	compactor_init(&c->compactor, &o);
}

void compaction_release(struct compaction *c)
{
	compactor_release(&c->compactor);
	ring_free(c->ring);
	c->ring = NULL;
}

void compaction_relays(struct compaction *c, const char *self)
{
	const struct membership *m = c->o.membership;
	const char *names[LIMIT_FRAME_RELAYS];
	bool listed = false;

	ring_free(c->ring);
	c->ring = NULL;
	for (size_t i = 0; i < m->count; i++) {
		names[i] = m->list[i].address;
		if (strcmp(names[i], self) == 0) {
			listed = true;
			c->self = i;
		}
	}
	/* Without memory or a place in the list nothing is ours until it changes again. */
	if (listed && ring_new(names, m->count, c->o.tags->partitions, &c->ring) < 0)
		c->ring = NULL;
}

void compaction_store_up(struct compaction *c, int64_t now_ms)
{
	compactor_restart(&c->compactor, now_ms);
}

int64_t compaction_tick(struct compaction *c, int64_t now_ms)
{
	if (!store_ready(c->o.store))
		return INT64_MAX;
	compactor_tick(&c->compactor, now_ms);
	return compactor_due(&c->compactor);
}
