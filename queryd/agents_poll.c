// SPDX-License-Identifier: Apache-2.0
/*
 * agents_poll.c - one HSCAN after the other, from cursor 0 to 0.
 *
 * A walk that meets another server on its way ends without being taken over, and the next tick
 * begins anew; the generation of the one that was taken over says what it may vouch for.
 */
#include "queryd/agents_poll.h"

#include "proto/daemon/life.h"
#include "proto/rkey.h"

#include <stdio.h>
#include <string.h>

static void ask(struct agents_poll *p);

void agents_poll_init(struct agents_poll *p, struct redis *redis, struct agents *agents)
{
	*p = (struct agents_poll){ .redis = redis, .agents = agents };
}

/* [cursor, [field, value, ...]]; false when it is anything else. */
static bool take_page(struct agents_poll *p, const redisReply *reply)
{
	const redisReply *page;
	int64_t now_ms = life_wall_ms();
	size_t i;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY)
		return false;
	page = reply->element[1];
	for (i = 1; i < page->elements; i += 2) {
		const redisReply *text = page->element[i];
		if (text->type != REDIS_REPLY_STRING)
			return false;
		agents_add(p->agents, slice_of(text->str, text->len), now_ms);
	}
	(void)snprintf(p->cursor, sizeof(p->cursor), "%s", reply->element[0]->str);
	return true;
}

static void on_page(void *arg, int status, const redisReply *reply)
{
	struct agents_poll *p = arg;

	p->walking = false;
	if (status < 0 || redis_view(p->redis).generation != p->generation || !take_page(p, reply))
		return;
	if (strcmp(p->cursor, "0") != 0) {
		ask(p);
		return;
	}
	/* Short of memory: the last walk stays. */
	if (agents_commit(p->agents) < 0)
		return;
	p->loaded = true;
	p->read_generation = p->generation;
}

static void ask(struct agents_poll *p)
{
	const struct slice argv[] = {
		slice_text("HSCAN"), slice_text(RKEY_AGENTS), slice_text(p->cursor),
		slice_text("COUNT"), slice_text("1000"),
	};

	p->walking = redis_command(p->redis, rkey_slot(argv[1]), 5, argv, on_page, p) == 0;
}

bool agents_poll_loaded(const struct agents_poll *p)
{
	return p->loaded && redis_view(p->redis).generation == p->read_generation;
}

void agents_poll_tick(struct agents_poll *p)
{
	if (p->walking || !redis_is_up(p->redis))
		return;
	p->generation = redis_view(p->redis).generation;
	(void)strcpy(p->cursor, "0");
	agents_begin(p->agents);
	ask(p);
}
