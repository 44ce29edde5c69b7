// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis.h"

#include "proto/err.h"
#include "proto/store/redis_private.h"

#include <errno.h>
#include <stdlib.h>

#define DEFAULT_TIMEOUT_MS    5000
#define DEFAULT_WRITE_CEILING (64u << 20)
#define KEEP_BYTES            (1u << 20)

/* ---- a single server ---- */

static void on_up(void *arg)
{
	struct redis *r = arg;

	redis_tell_up(r, redis_link_info(r->shell));
}

static void on_down(void *arg, int reason)
{
	redis_tell_down(arg, reason);
}

static int single_open(struct redis *r)
{
	static const struct redis_link_events events = { .up = on_up, .down = on_down };
	const struct redis_link_options options = redis_link_options(r, "standalone");
	struct redis_link *link;
	int status = redis_link_open(r->loop, &options, &events, r, &link);

	if (status < 0)
		return status;
	r->shell = link;
	redis_link_connect(link, &r->url.address);
	return 0;
}

static struct redis_link *single_link(struct redis *r, uint16_t slot)
{
	(void)slot;
	return r->up ? r->shell : NULL;
}

static struct redis_link *single_next(struct redis *r, size_t *cursor)
{
	return (*cursor)++ == 0 ? single_link(r, 0) : NULL;
}

static void single_closed(void *arg)
{
	redis_closed(arg);
}

static void single_close(struct redis *r)
{
	redis_link_close(r->shell, single_closed, r);
}

static const struct redis_ops single_ops = {
	.open = single_open,
	.link = single_link,
	.next = single_next,
	.close = single_close,
};

/* ---- for the kinds ---- */

struct redis_link_options redis_link_options(struct redis *r, const char *mode)
{
	return (struct redis_link_options){
		.trouble = r->trouble,
		.url = &r->url,
		.mode = mode,
		.timeout_ms = r->o.timeout_ms,
		.write_ceiling_bytes = r->o.write_ceiling_bytes,
		.scripts = r->o.scripts,
	};
}

void redis_tell_up(struct redis *r, const struct redis_info *info)
{
	if (r->up || r->closing)
		return;
	r->up = true;
	r->trouble[0] = '\0';
	memcpy(r->version, info->version, sizeof(r->version));
	if (r->events.up)
		r->events.up(r->arg);
}

void redis_tell_down(struct redis *r, int reason)
{
	if (!r->up)
		return;
	r->up = false;
	if (r->events.down && !r->closing)
		r->events.down(r->arg, reason);
}

void redis_closed(struct redis *r)
{
	void (*done)(void *arg) = r->done;
	void *done_arg = r->done_arg;

	buf_release(&r->scratch);
	free(r);
	if (done)
		done(done_arg);
}

/* ---- all kinds ---- */

int redis_open(uv_loop_t *loop, const char *url, const struct redis_options *options,
	       const struct redis_events *events, void *arg, struct redis **out)
{
	static const struct redis_ops *const ops[] = {
		[REDIS_SINGLE] = &single_ops,
		[REDIS_SENTINEL] = &redis_sentinel_ops,
		[REDIS_CLUSTER] = &redis_cluster_ops,
	};
	struct redis *r = calloc(1, sizeof(*r));
	int status;

	if (!r)
		return -ENOMEM;
	status = redis_url_parse(url, &r->url);
	if (status == 0) {
		r->loop = loop;
		if (options)
			r->o = *options;
		if (r->o.timeout_ms == 0)
			r->o.timeout_ms = DEFAULT_TIMEOUT_MS;
		if (r->o.write_ceiling_bytes == 0)
			r->o.write_ceiling_bytes = DEFAULT_WRITE_CEILING;
		if (events)
			r->events = *events;
		r->arg = arg;
		buf_init(&r->scratch, r->o.write_ceiling_bytes);
		r->ops = ops[r->url.kind];
		if (r->o.stale_max_ms > 0 && r->url.kind != REDIS_CLUSTER)
			r->ops = &redis_reader_ops;
		r->text = url;
		status = r->ops->open(r);
		r->text = NULL;
	}
	if (status < 0)
		free(r);
	else
		*out = r;
	return status;
}

int redis_command(struct redis *r, uint16_t slot, size_t argc, const struct slice *argv,
		  redis_reply_fn reply, void *arg)
{
	struct redis_link *link = r->closing ? NULL : r->ops->link(r, slot);
	int status;

	if (!link)
		return ERR_STORE_DOWN;
	if (!r->ops->command)
		return redis_link_command(link, argc, argv, reply, arg);
	buf_reset(&r->scratch);
	redis_format(&r->scratch, argc, argv);
	status = buf_status(&r->scratch);
	if (status == 0)
		status = r->ops->command(r, slot, buf_view(&r->scratch), reply, arg);
	if (r->scratch.capacity > KEEP_BYTES)
		buf_release(&r->scratch);
	return status;
}

int redis_command_raw(struct redis *r, uint16_t slot, struct slice resp, redis_reply_fn reply,
		      void *arg)
{
	struct redis_link *link = r->closing ? NULL : r->ops->link(r, slot);

	return link ? redis_link_command_raw(link, resp, reply, arg) : ERR_STORE_DOWN;
}

size_t redis_command_all(struct redis *r, size_t argc, const struct slice *argv,
			 redis_reply_fn reply, void *arg)
{
	struct redis_link *link;
	size_t cursor = 0, sent = 0;

	while (!r->closing && (link = r->ops->next(r, &cursor)) != NULL)
		sent += redis_link_command(link, argc, argv, reply, arg) == 0;
	return sent;
}

bool redis_is_up(const struct redis *r)
{
	return r->up && !r->closing;
}

bool redis_may_reorder(const struct redis *r)
{
	return r->url.kind == REDIS_CLUSTER;
}

const char *redis_endpoint(const struct redis *r)
{
	return r->url.endpoint;
}

const char *redis_trouble(const struct redis *r)
{
	return r->ops->trouble ? r->ops->trouble(r) : r->trouble;
}

const char *redis_version(const struct redis *r)
{
	return r->version;
}

struct redis_view redis_view(struct redis *r)
{
	const struct redis_view same = { .fresh_ms = (int64_t)uv_now(r->loop) };

	return r->ops->view && !r->closing ? r->ops->view(r) : same;
}

int64_t redis_detection_ms(const struct redis *r)
{
	return r->detection_ms;
}

void redis_close(struct redis *r, void (*done)(void *arg), void *arg)
{
	if (r->closing)
		return;
	r->closing = true;
	r->done = done;
	r->done_arg = arg;
	r->ops->close(r);
}
