// SPDX-License-Identifier: Apache-2.0
#include "proto/store/sentinel.h"

#include "proto/err.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void sentinel_init(struct sentinel *s, size_t count)
{
	assert(count > 0);
	*s = (struct sentinel){ .count = count };
}

size_t sentinel_next(struct sentinel *s)
{
	size_t next = s->next;

	s->next = (next + 1) % s->count;
	return next;
}

static bool is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING;
}

/* Decimal and nothing else. */
static bool read_number(const redisReply *reply, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;
	size_t i;

	if (!is_text(reply) || reply->len == 0 || reply->len > 18)
		return false;
	for (i = 0; i < reply->len; i++) {
		if (reply->str[i] < '0' || reply->str[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(reply->str[i] - '0');
	}
	*out = value;
	return value <= max;
}

int sentinel_read_address(const redisReply *reply, struct addr *out)
{
	const redisReply *host;
	uint64_t port;

	if (reply->type == REDIS_REPLY_NIL)
		return -ENOENT;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    !is_text(reply->element[0]) || !read_number(reply->element[1], UINT16_MAX, &port))
		return ERR_MALFORMED;
	host = reply->element[0];
	if (host->len == 0 || host->len >= sizeof(out->host) || strlen(host->str) != host->len ||
	    port == 0)
		return ERR_MALFORMED;
	*out = (struct addr){ .scheme = ADDR_TCP, .port = (uint16_t)port };
	memcpy(out->host, host->str, host->len);
	return 0;
}

int sentinel_read_facts(const redisReply *reply, struct sentinel_facts *out)
{
	uint64_t down_after_ms = 0;
	size_t i;

	*out = (struct sentinel_facts){ 0 };
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		return ERR_MALFORMED;
	for (i = 0; i < reply->elements; i += 2) {
		const redisReply *name = reply->element[i], *value = reply->element[i + 1];
		bool good = is_text(name);
		if (good && strcmp(name->str, "config-epoch") == 0)
			good = read_number(value, UINT64_MAX, &out->epoch);
		else if (good && strcmp(name->str, "down-after-milliseconds") == 0)
			good = read_number(value, INT32_MAX, &down_after_ms);
		if (!good)
			return ERR_MALFORMED;
	}
	out->down_after_ms = (int64_t)down_after_ms;
	return 0;
}

enum sentinel_verdict sentinel_take(struct sentinel *s, const struct addr *master, uint64_t epoch)
{
	bool same = s->known && s->master.port == master->port &&
		    strcmp(s->master.host, master->host) == 0;

	if (s->known && epoch < s->epoch && ++s->stale < s->count)
		return SENTINEL_STALE;
	s->stale = 0;
	s->known = true;
	s->epoch = epoch;
	s->master = *master;
	return same ? SENTINEL_SAME : SENTINEL_NEW;
}
