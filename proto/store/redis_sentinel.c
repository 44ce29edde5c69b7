// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_private.h"

#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/store/sentinel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/*
 * Two links: one to a sentinel at a time, one to the master. The sentinel is asked when the
 * master's link wants an address and each second besides, so that a master that hangs, or
 * was replaced behind our back, is left as soon as its sentinels know.
 */
#define WATCH_MS          1000
#define ASK_TIMEOUT_MS    1000
#define ASK_WRITE_CEILING (64u << 10)
#define ATTEMPTS          2 /* at a master that cannot be reached, before another is asked */

struct shell {
	struct redis *redis;
	struct sentinel sentinel;
	struct redis_link *asked;
	struct redis_link *master;
	uv_timer_t timer;
	unsigned open;     /* of the three above */
	bool wanted;       /* the master's link waits for an address */
	bool asking;       /* answers are on their way */
	unsigned attempts; /* at the same master since one was up or another sentinel was asked */
	struct sentinel_facts facts;
	struct log_limit log_limit;
};

static void on_part_closed(void *arg)
{
	struct shell *s = arg;
	struct redis *r = s->redis;

	if (--s->open > 0)
		return;
	free(s);
	redis_closed(r);
}

/* ---- asking ---- */

/* The next one in turn is connected to and asked. */
static void ask_another(struct shell *s)
{
	s->attempts = 0;
	redis_link_drop(s->asked, 0);
}

static void connect_master(struct shell *s)
{
	s->wanted = false;
	s->attempts++;
	redis_link_connect(s->master, &s->sentinel.master);
}

static void use_master(struct shell *s, bool is_new)
{
	char text[ADDR_TEXT_SIZE];

	if (is_new) {
		s->attempts = 0;
		log_info("redis_master", "endpoint=%s master=%s epoch=%llu", s->redis->url.endpoint,
			 addr_format(&s->sentinel.master, text),
			 (unsigned long long)s->facts.epoch);
	}
	if (s->wanted || (is_new && redis_link_is_waiting(s->master)))
		connect_master(s);
	else if (is_new)
		redis_link_drop(s->master, 0);
}

static void complain(struct shell *s, const redisReply *reply)
{
	char quoted[LOG_QUOTE_SIZE];
	struct slice text = slice_text("it does not know this name");

	if (reply->type == REDIS_REPLY_ERROR)
		text = slice_of(reply->str, reply->len);
	redis_link_tell(s->redis->trouble, s->redis->url.endpoint, "no sentinel names a master",
			"does `redis` end with the name that sentinels know it by?");
	if (log_allowed(&s->log_limit, (int64_t)uv_now(s->redis->loop), NULL))
		log_error("sentinel_knows_no_master", "endpoint=%s reason=%s",
			  s->redis->url.endpoint, log_quote(text, quoted));
}

static void on_address(void *arg, int status, const redisReply *reply)
{
	struct shell *s = arg;
	enum sentinel_verdict verdict;
	struct addr master;

	s->asking = false;
	if (status < 0 || s->redis->closing)
		return;
	if (sentinel_read_address(reply, &master) < 0) {
		complain(s, reply);
		ask_another(s);
		return;
	}
	verdict = sentinel_take(&s->sentinel, &master, s->facts.epoch);
	if (verdict == SENTINEL_STALE)
		ask_another(s);
	else
		use_master(s, verdict == SENTINEL_NEW);
}

static void on_facts(void *arg, int status, const redisReply *reply)
{
	struct shell *s = arg;

	if (status == 0 && sentinel_read_facts(reply, &s->facts) == 0)
		s->redis->detection_ms = s->facts.down_after_ms;
	else
		s->facts = (struct sentinel_facts){ 0 };
}

static void ask(struct shell *s)
{
	struct slice argv[] = { slice_text("SENTINEL"), slice_text("MASTER"),
				slice_text(s->redis->url.service) };

	if (s->asking || !redis_link_is_up(s->asked))
		return;
	if (redis_link_command(s->asked, 3, argv, on_facts, s) < 0)
		return;
	argv[1] = slice_text("GET-MASTER-ADDR-BY-NAME");
	s->asking = redis_link_command(s->asked, 3, argv, on_address, s) == 0;
}

static void on_watch(uv_timer_t *timer)
{
	ask(timer->data);
}

static void on_sentinel_wanted(void *arg)
{
	struct shell *s = arg;

	redis_link_connect(s->asked, &s->redis->url.seeds[sentinel_next(&s->sentinel)]);
}

static void on_sentinel_up(void *arg)
{
	ask(arg);
}

/* ---- the master ---- */

static void on_master_wanted(void *arg)
{
	struct shell *s = arg;

	s->wanted = true;
	if (s->attempts >= ATTEMPTS)
		ask_another(s);
	else
		ask(s);
}

static void on_master_up(void *arg)
{
	struct shell *s = arg;

	s->attempts = 0;
	redis_tell_up(s->redis, redis_link_info(s->master));
}

static void on_master_down(void *arg, int reason)
{
	redis_tell_down(((struct shell *)arg)->redis, reason);
}

/* It is a replica now: the sentinels know, or will know, which one is not. */
static void on_master_error(void *arg, const redisReply *reply)
{
	struct shell *s = arg;

	if (strncmp(reply->str, "READONLY", 8) == 0)
		redis_link_drop(s->master, ERR_STORE_UNFIT);
}

/* ---- the kind ---- */

static int open_links(struct shell *s)
{
	static const struct redis_link_events of_sentinel = {
		.wanted = on_sentinel_wanted,
		.up = on_sentinel_up,
	};
	static const struct redis_link_events of_master = {
		.wanted = on_master_wanted,
		.up = on_master_up,
		.down = on_master_down,
		.error = on_master_error,
	};
	struct redis_link_options options = redis_link_options(s->redis, "standalone");
	int status;

	options.master = true;
	status = redis_link_open(s->redis->loop, &options, &of_master, s, &s->master);
	if (status < 0)
		return status;
	s->open++;
	options = redis_link_options(s->redis, "sentinel");
	options.scripts = false;
	options.timeout_ms = ASK_TIMEOUT_MS;
	options.write_ceiling_bytes = ASK_WRITE_CEILING;
	status = redis_link_open(s->redis->loop, &options, &of_sentinel, s, &s->asked);
	s->open += status == 0;
	return status;
}

static void on_failed_closed(void *arg)
{
	free(arg);
}

static int sentinel_open(struct redis *r)
{
	struct shell *s = calloc(1, sizeof(*s));
	int status;

	if (!s)
		return -ENOMEM;
	s->redis = r;
	s->wanted = true;
	sentinel_init(&s->sentinel, r->url.seed_count);
	status = open_links(s);
	if (status < 0) {
		if (s->open > 0)
			redis_link_close(s->master, on_failed_closed, s);
		else
			free(s);
		return status;
	}
	status = uv_timer_init(r->loop, &s->timer);
	assert(status == 0); /* it only links a handle into the loop */
	s->open++;
	s->timer.data = s;
	uv_timer_start(&s->timer, on_watch, WATCH_MS, WATCH_MS);
	r->shell = s;
	on_sentinel_wanted(s);
	return 0;
}

static struct redis_link *sentinel_link(struct redis *r, uint16_t slot)
{
	(void)slot;
	return r->up ? ((struct shell *)r->shell)->master : NULL;
}

static struct redis_link *sentinel_each(struct redis *r, size_t *cursor)
{
	return (*cursor)++ == 0 ? sentinel_link(r, 0) : NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
	on_part_closed(handle->data);
}

static void sentinel_close(struct redis *r)
{
	struct shell *s = r->shell;

	redis_link_close(s->master, on_part_closed, s);
	redis_link_close(s->asked, on_part_closed, s);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

const struct redis_ops redis_sentinel_ops = {
	.open = sentinel_open,
	.link = sentinel_link,
	.next = sentinel_each,
	.close = sentinel_close,
};
