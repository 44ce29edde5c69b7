// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_private.h"

#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/store/reading.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/*
 * A redis around another: the inner one is the master as without us, single or behind sentinels; beside
 * it is a link to one of its replicas at a time. Both are asked for INFO replication, and
 * reading.h says which of them is read.
 */
#define POLL_MS 500

struct shell {
	struct redis *redis;
	struct redis *master;
	struct redis_link *replica;
	uv_timer_t timer;
	unsigned open; /* of the three above */
	struct reading reading;
	bool wanted; /* the replica's link waits for an address */
	bool master_asked, replica_asked;
	int64_t master_asked_ms;
	uint64_t logged; /* the generation that was logged */
};

static int64_t now_of(const struct shell *s)
{
	return (int64_t)uv_now(s->redis->loop);
}

static struct redis_link *master_link(struct shell *s)
{
	struct redis_link *link = s->master->ops->link(s->master, 0);

	return link && redis_link_is_up(link) ? link : NULL;
}

/* A link that was lost fails its commands before it says so, and their callers want to go on. */
static struct reading_view view_now(struct shell *s)
{
	if (!redis_link_is_up(s->replica))
		reading_replica_down(&s->reading);
	if (!master_link(s))
		reading_master_down(&s->reading);
	return reading_view(&s->reading, now_of(s));
}

static struct redis_link *link_of(struct shell *s, enum reading_source source)
{
	if (source == READING_NONE)
		return NULL;
	return source == READING_REPLICA ? s->replica : master_link(s);
}

static void log_source(struct shell *s, const struct reading_view *view)
{
	char text[ADDR_TEXT_SIZE];
	struct redis_link *link = link_of(s, view->source);

	if (view->generation == s->logged || !link)
		return;
	s->logged = view->generation;
	log_info("reading", "server=%s replica=%s age_ms=%lld",
		 addr_format(redis_link_address(link), text), view->replica ? "yes" : "no",
		 (long long)(now_of(s) - view->fresh_ms));
}

/* Tells what there is to tell. */
static void settle(struct shell *s)
{
	struct reading_view view = view_now(s);

	if (s->redis->closing)
		return;
	log_source(s, &view);
	if (view.source == READING_NONE)
		redis_tell_down(s->redis, ERR_STORE_DOWN);
	else
		redis_tell_up(s->redis, redis_link_info(link_of(s, view.source)));
}

/* ---- asking --------------------------------------------------------------------------------- */

static const char info_word[] = "INFO", section_word[] = "replication";

static bool read_info(int status, const redisReply *reply, struct replica_info *out)
{
	return status == 0 && reply->type == REDIS_REPLY_STRING &&
	       replica_info_parse(slice_of(reply->str, reply->len), out);
}

static void connect_replica(struct shell *s)
{
	struct addr to;

	if (!s->wanted || !reading_next(&s->reading, &to))
		return;
	s->wanted = false;
	redis_link_connect(s->replica, &to);
}

static void on_master_info(void *arg, int status, const redisReply *reply)
{
	struct shell *s = arg;
	struct replica_info info;

	s->master_asked = false;
	if (s->redis->closing || !read_info(status, reply, &info))
		return;
	reading_hear_master(&s->reading, s->master_asked_ms, &info);
	connect_replica(s);
	settle(s);
}

static void on_replica_info(void *arg, int status, const redisReply *reply)
{
	struct shell *s = arg;
	struct replica_info info;

	s->replica_asked = false;
	if (s->redis->closing || !read_info(status, reply, &info))
		return;
	reading_hear_replica(&s->reading, &info);
	settle(s);
}

static void ask_master(struct shell *s)
{
	const struct slice argv[] = { slice_text(info_word), slice_text(section_word) };

	if (s->master_asked)
		return;
	s->master_asked_ms = now_of(s);
	s->master_asked = redis_command(s->master, 0, 2, argv, on_master_info, s) == 0;
}

static void ask_replica(struct shell *s)
{
	const struct slice argv[] = { slice_text(info_word), slice_text(section_word) };

	if (!s->replica_asked)
		s->replica_asked =
			redis_link_command(s->replica, 2, argv, on_replica_info, s) == 0;
}

static void on_tick(uv_timer_t *timer)
{
	struct shell *s = timer->data;

	if (s->redis->closing)
		return;
	ask_master(s);
	ask_replica(s);
	if (reading_must_leave(&s->reading, now_of(s)))
		redis_link_drop(s->replica, 0);
	connect_replica(s);
	settle(s);
}

/* ---- events --------------------------------------------------------------------------------- */

static void on_master_up(void *arg)
{
	struct shell *s = arg;
	const struct redis_link *link = master_link(s);

	assert(link);
	reading_master_up(&s->reading, now_of(s),
			  strcmp(redis_link_info(link)->role, "slave") == 0);
	ask_master(s);
	settle(s);
}

static void on_master_down(void *arg, int reason)
{
	(void)reason;
	settle(arg);
}

static void on_replica_wanted(void *arg)
{
	struct shell *s = arg;

	s->wanted = true;
	connect_replica(s);
}

static void on_replica_up(void *arg)
{
	struct shell *s = arg;

	reading_replica_up(&s->reading, now_of(s));
	ask_replica(s);
}

static void on_replica_down(void *arg, int reason)
{
	(void)reason;
	settle(arg);
}

/* One that has lost its master may be set up not to answer. */
static void on_replica_error(void *arg, const redisReply *reply)
{
	struct shell *s = arg;

	if (strncmp(reply->str, "MASTERDOWN", 10) == 0)
		reading_refused(&s->reading);
}

/* ---- the kind ------------------------------------------------------------------------------- */

static void on_part_closed(void *arg)
{
	struct shell *s = arg;
	struct redis *r = s->redis;

	if (--s->open > 0)
		return;
	free(s);
	redis_closed(r);
}

static int open_replica(struct shell *s)
{
	static const struct redis_link_events events = {
		.wanted = on_replica_wanted,
		.up = on_replica_up,
		.down = on_replica_down,
		.error = on_replica_error,
	};
	struct redis_link_options options = redis_link_options(s->redis, "standalone");

	if (s->redis->o.stale_timeout_ms > 0)
		options.timeout_ms = s->redis->o.stale_timeout_ms;
	return redis_link_open(s->redis->loop, &options, &events, s, &s->replica);
}

static void on_failed_closed(void *arg)
{
	free(arg);
}

static int open_both(struct shell *s)
{
	static const struct redis_events events = { .up = on_master_up, .down = on_master_down };
	struct redis_options options = s->redis->o;
	int status = open_replica(s);

	options.stale_max_ms = 0;
	if (status == 0) {
		status = redis_open(s->redis->loop, s->redis->text, &options, &events, s,
				    &s->master);
		if (status < 0)
			redis_link_close(s->replica, on_failed_closed, s);
	} else {
		free(s);
	}
	return status;
}

static int reader_open(struct redis *r)
{
	struct shell *s = calloc(1, sizeof(*s));
	uint32_t seed;
	int status;

	if (!s)
		return -ENOMEM;
	life_random(&seed, sizeof(seed));
	s->redis = r;
	s->wanted = true;
	reading_init(&s->reading, r->o.stale_max_ms, seed);
	status = open_both(s);
	if (status < 0)
		return status;
	status = uv_timer_init(r->loop, &s->timer);
	assert(status == 0); /* it only links a handle into the loop */
	s->timer.data = s;
	uv_timer_start(&s->timer, on_tick, POLL_MS, POLL_MS);
	s->open = 3;
	r->shell = s;
	return 0;
}

static struct redis_link *reader_link(struct redis *r, uint16_t slot)
{
	struct shell *s = r->shell;

	(void)slot;
	return r->up ? link_of(s, view_now(s).source) : NULL;
}

static struct redis_link *reader_next(struct redis *r, size_t *cursor)
{
	return (*cursor)++ == 0 ? reader_link(r, 0) : NULL;
}

static struct redis_view reader_view(struct redis *r)
{
	struct reading_view view = view_now(r->shell);

	return (struct redis_view){
		.generation = view.generation,
		.replica = view.replica,
		.fresh_ms = view.fresh_ms,
	};
}

static void on_timer_closed(uv_handle_t *handle)
{
	on_part_closed(handle->data);
}

/* Without a master there is no replica to read either, unless one was known before. */
static const char *reader_trouble(const struct redis *r)
{
	const char *of_master = redis_trouble(((const struct shell *)r->shell)->master);

	return *of_master ? of_master : r->trouble;
}

static void reader_close(struct redis *r)
{
	struct shell *s = r->shell;

	redis_link_close(s->replica, on_part_closed, s);
	redis_close(s->master, on_part_closed, s);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

const struct redis_ops redis_reader_ops = {
	.open = reader_open,
	.link = reader_link,
	.next = reader_next,
	.trouble = reader_trouble,
	.view = reader_view,
	.close = reader_close,
};
