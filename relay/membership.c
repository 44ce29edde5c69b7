// SPDX-License-Identifier: Apache-2.0
/*
 * membership.c - three commands a second on one connection: TIME, our heartbeat, the list.
 *
 * They are pipelined and answered in order, so the next round begins when the list of this one is
 * there, and half of the time that TIME took is taken for its way back.
 */
#include "relay/membership.h"

#include "proto/daemon/conf.h"
#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/hour.h"
#include "proto/hex.h"
#include "proto/rkey.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MEMBERSHIP_LIVE_MS   5000
#define MEMBERSHIP_FORGET_MS (10 * 60 * 1000)
#define MEMBERSHIP_SKEW_MS   5000
#define MEMBERSHIP_WARN_MS   60000
#define MEMBERSHIP_VALUE     512
#define MEMBERSHIP_TELL_MS   (10 * 60 * 1000)
#define MEMBERSHIP_KEPT_WORD " kept="

/* How much longer than their retention hours may be there: they go a day after the last hour of their
 * day can no longer be written, and some slack. */
#define MEMBERSHIP_KEPT_HOURS 72

/* For how long readers count with a relay that does not say what it keeps, after it was last seen. */
#define MEMBERSHIP_SILENT_SECONDS (2 * HOUR_SECONDS)

void membership_init(struct membership *m, struct redis *redis, struct relay_counters *counters,
		     void (*changed)(void *arg), void *arg)
{
	m->redis = redis;
	m->counters = counters;
	m->changed = changed;
	m->arg = arg;
	m->asking = false;
	m->warn_ms = 0;
	m->tell_ms = 0;
	m->silent = false;
	m->count = 0;
	m->unix_offset_ms = life_wall_ms() - life_monotonic_ms();
}

void membership_identity(struct membership *m, const char *advertise, const char *name,
			 int64_t retention_hours)
{
	m->retention_hours = retention_hours;
	m->advertise = advertise;
	m->name = name;
}

static int64_t membership_now(const struct membership *m)
{
	return life_monotonic_ms() + m->unix_offset_ms;
}

static int64_t membership_number(const char *text, size_t size)
{
	int64_t value = 0;

	for (size_t i = 0; i < size && i < 15 && text[i] >= '0' && text[i] <= '9'; i++)
		value = 10 * value + text[i] - '0';
	return value;
}

/* ---- the clock ---- */

static void membership_on_time(void *arg, int status, const redisReply *reply)
{
	struct membership *m = arg;
	int64_t now_ms = life_monotonic_ms(), unix_ms, skew_ms;

	if (status < 0 || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_STRING)
		return;
	unix_ms = membership_number(reply->element[0]->str, reply->element[0]->len) * 1000 +
		  membership_number(reply->element[1]->str, reply->element[1]->len) / 1000;
	m->unix_offset_ms = unix_ms - (m->asked_ms + now_ms) / 2;
	skew_ms = life_wall_ms() - now_ms - m->unix_offset_ms;
	tally_set(&m->counters->clock_skew_ms, (uint64_t)llabs(skew_ms));
	if (llabs(skew_ms) < MEMBERSHIP_SKEW_MS || now_ms < m->warn_ms)
		return;
	m->warn_ms = now_ms + MEMBERSHIP_WARN_MS;
	log_warn("clock_skew", "ours_minus_redis_ms=%" PRId64 " hint=\"set the clocks by NTP\"",
		 skew_ms);
}

/* ---- the list ---- */

static int membership_compare(const void *a, const void *b)
{
	return strcmp(((const struct membership_relay *)a)->address,
		      ((const struct membership_relay *)b)->address);
}

static void membership_forget(struct membership *m, const redisReply *address)
{
	const struct slice argv[] = { slice_text("HDEL"), slice_text(RKEY_RELAYS),
				      slice_of(address->str, address->len) };

	(void)!redis_command(m->redis, rkey_slot(argv[1]), 3, argv, NULL, NULL);
}

/* Whether a heartbeat says how long its relay keeps hours: older versions do not. */
static bool membership_tells(const redisReply *value)
{
	const char *last = memrchr(value->str, ' ', value->len);

	return last != NULL && strncmp(last, MEMBERSHIP_KEPT_WORD, strlen(MEMBERSHIP_KEPT_WORD)) == 0;
}

/* Takes the live ones of the hash; returns how many. */
static size_t membership_read(struct membership *m, const redisReply *reply,
			      struct membership_relay *out)
{
	int64_t now_ms = membership_now(m);
	size_t count = 0;

	m->silent = false;
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		const redisReply *address = reply->element[i], *value = reply->element[i + 1];
		struct addr parsed;
		int64_t age_ms;

		if (address->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING)
			continue;
		age_ms = now_ms - membership_number(value->str, value->len);
		if (age_ms > MEMBERSHIP_FORGET_MS)
			membership_forget(m, address);
		if (age_ms > MEMBERSHIP_LIVE_MS || count == LIMIT_FRAME_RELAYS ||
		    address->len > FRAME_TEXT_BYTES ||
		    addr_parse(slice_of(address->str, address->len), &parsed) < 0)
			continue;
		m->silent |= !membership_tells(value);
		addr_format(&parsed, out[count++].address);
	}
	qsort(out, count, sizeof(*out), membership_compare);
	return count;
}

static void membership_tell(struct membership *m, int64_t hours, int64_t until_second)
{
	char field[sizeof(RKEY_KEPT) + 20], value[24];
	struct slice argv[] = { slice_text("HSET"), slice_text(RKEY_FLEET), slice_of(NULL, 0),
				slice_of(NULL, 0) };

	snprintf(field, sizeof(field), RKEY_KEPT "%" PRId64, hours);
	snprintf(value, sizeof(value), "%" PRId64, until_second);
	argv[2] = slice_text(field);
	argv[3] = slice_text(value);
	(void)!redis_command(m->redis, rkey_slot(argv[1]), 4, argv, NULL, NULL);
}

/* Tells readers how long what we write is kept, and whether another relay leaves that open. */
static void membership_tell_kept(struct membership *m)
{
	int64_t now_ms = life_monotonic_ms(), second = membership_now(m) / 1000;

	if (now_ms < m->tell_ms)
		return;
	m->tell_ms = now_ms + MEMBERSHIP_TELL_MS;
	membership_tell(m, m->retention_hours,
			second + (m->retention_hours + MEMBERSHIP_KEPT_HOURS) * HOUR_SECONDS);
	if (m->silent)
		membership_tell(m, 0, second + MEMBERSHIP_SILENT_SECONDS);
}

static bool membership_same(const struct membership *m, const struct membership_relay *list,
			    size_t count)
{
	if (count != m->count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].address, m->list[i].address) != 0)
			return false;
	return true;
}

static void membership_on_list(void *arg, int status, const redisReply *reply)
{
	struct membership *m = arg;
	struct membership_relay *list;
	bool was_silent = m->silent;
	size_t count;

	m->asking = false;
	if (status < 0 || reply->type != REDIS_REPLY_ARRAY)
		return;
	list = calloc(LIMIT_FRAME_RELAYS, sizeof(*list));
	if (list == NULL)
		return;
	count = membership_read(m, reply, list);
	if (m->silent && !was_silent)
		m->tell_ms = 0;
	membership_tell_kept(m);
	if (!membership_same(m, list, count)) {
		memcpy(m->list, list, count * sizeof(*list));
		m->count = count;
		tally_set(&m->counters->relays_live, count);
		m->changed(m->arg);
	}
	free(list);
}

void membership_tick(struct membership *m)
{
	char value[MEMBERSHIP_VALUE];
	const struct slice time[] = { slice_text("TIME") };
	const struct slice all[] = { slice_text("HGETALL"), slice_text(RKEY_RELAYS) };
	struct slice beat[] = { slice_text("HSET"), slice_text(RKEY_RELAYS),
				slice_text(m->advertise), slice_of(NULL, 0) };

	if (m->asking)
		return;
	snprintf(value, sizeof(value), "%" PRId64 " %s %s%s%" PRId64, membership_now(m), m->name,
		 conf_version(), MEMBERSHIP_KEPT_WORD, m->retention_hours);
	beat[3] = slice_text(value);
	m->asked_ms = life_monotonic_ms();
	(void)!redis_command(m->redis, rkey_slot(beat[1]), 1, time, membership_on_time, m);
	(void)!redis_command(m->redis, rkey_slot(beat[1]), 4, beat, NULL, NULL);
	m->asking = redis_command(m->redis, rkey_slot(beat[1]), 2, all, membership_on_list, m) == 0;
}

void membership_leave(struct membership *m, redis_reply_fn done, void *arg)
{
	const struct slice argv[] = { slice_text("HDEL"), slice_text(RKEY_RELAYS),
				      slice_text(m->advertise) };
	int rc = redis_command(m->redis, rkey_slot(argv[1]), 3, argv, done, arg);

	if (rc < 0)
		done(arg, rc, NULL);
}

void membership_watermark(struct membership *m, const uint8_t agent_id[FRAME_AGENT_BYTES],
			  const struct frame_watermark *watermark)
{
	char value[MEMBERSHIP_VALUE], field[2 * FRAME_AGENT_BYTES + 1];
	struct slice argv[] = { slice_text("HSET"), slice_text(RKEY_AGENTS),
				slice_of(field, sizeof(field) - 1), slice_of(NULL, 0) };

	hex_write(agent_id, FRAME_AGENT_BYTES, field);
	snprintf(value, sizeof(value), "%" PRId64 " %" PRId64 " %d %.*s", watermark->committed_ms,
		 membership_now(m), watermark->left, (int)watermark->host.size,
		 (const char *)watermark->host.ptr);
	argv[3] = slice_text(value);
	(void)!redis_command(m->redis, rkey_slot(argv[1]), 4, argv, NULL, NULL);
}
