// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis_link.h"

#include "proto/daemon/advice.h"
#include "proto/daemon/life.h"
#include "proto/err.h"
#include "proto/store/redis_link_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS   1000
#define SWEEP_MS         50

/* A command as large as this is not gathered with others, to spare a copy. */
#define DIRECT_BYTES     (64u << 10)
#define KEEP_BYTES       (1u << 20)

static void connect_now(struct redis_link *l);

/* ---- ending ---- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct redis_link *l = handle->data;
	void (*done)(void *arg) = l->done;
	void *done_arg = l->done_arg;

	if (--l->handles > 0)
		return;
	redis_codec_release(&l->codec);
	redis_queue_release(&l->queue);
	buf_release(&l->scratch);
	buf_release(&l->out);
	free(l);
	if (done)
		done(done_arg);
}

static void close_handles(struct redis_link *l)
{
	uv_close((uv_handle_t *)&l->timer, on_handle_closed);
	uv_close((uv_handle_t *)&l->prepare, on_handle_closed);
}

static void fail_waiting(struct redis_link *l)
{
	struct redis_waiter waiter;

	while (redis_queue_pop(&l->queue, &waiter)) {
		if (waiter.reply)
			waiter.reply(waiter.arg, ERR_STORE_DOWN, NULL);
	}
}

/* The rest follows in on_closed. */
void redis_link_drop(struct redis_link *l, int reason)
{
	if (!l->stream || l->state == REDIS_LINK_DROPPING || l->state == REDIS_LINK_CLOSING)
		return;
	l->drop_reason = reason;
	l->state = REDIS_LINK_DROPPING;
	stream_close(l->stream, false);
}

static void on_backoff(uv_timer_t *timer)
{
	struct redis_link *l = timer->data;

	if (l->events.wanted)
		l->events.wanted(l->arg);
	else
		connect_now(l);
}

static void wait_and_connect(struct redis_link *l)
{
	uint32_t random;
	uint64_t delay_ms;

	life_random(&random, sizeof(random));
	delay_ms = l->backoff_ms / 2 + random % (l->backoff_ms / 2 + 1);
	l->backoff_ms = l->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : l->backoff_ms * 2;
	l->state = REDIS_LINK_WAITING;
	uv_timer_start(&l->timer, on_backoff, delay_ms, 0);
}

void redis_link_tell(char *trouble, const char *endpoint, const char *reason, const char *hint)
{
	(void)snprintf(trouble, REDIS_TROUBLE_SIZE, "%s: %s%s%s", endpoint, reason,
		       *hint ? "; " : "", hint);
}

/* libuv has codes beside errno's and ours (UV_EOF), and texts for them. */
static void log_failure(struct redis_link *l, bool was_up, int reason)
{
	bool ours = reason <= -1000 && reason > -2000;
	const char *text = ours ? err_text(reason) : uv_strerror(reason);
	const char *hint = advice_redis(l->reason, reason);
	char quoted[LOG_QUOTE_SIZE];

	if (reason == 0)
		return;
	redis_link_tell(l->o.trouble, l->endpoint, l->reason[0] ? l->reason : text, hint);
	if (!log_allowed(&l->log_limit, (int64_t)uv_now(l->loop), NULL))
		return;
	log_warn(was_up ? "redis_down" : "redis_unreachable", "endpoint=%s err=%s reason=%s%s%s%s",
		 l->endpoint, ours ? err_name(reason) : uv_err_name(reason),
		 log_quote(slice_text(l->reason[0] ? l->reason : text), quoted),
		 *hint ? " hint=\"" : "", hint, *hint ? "\"" : "");
}

/* The stream is gone. A callback in here may call redis_close, which then closes the handles
 * itself, having no stream to wait for. */
static void on_closed(void *arg, int reason)
{
	struct redis_link *l = arg;
	bool closing = l->state == REDIS_LINK_CLOSING;
	bool was_up = l->was_up;

	l->stream = NULL;
	l->was_up = false;
	buf_reset(&l->out);
	if (closing) {
		fail_waiting(l);
		close_handles(l);
		return;
	}
	reason = l->state == REDIS_LINK_DROPPING ? l->drop_reason : reason;
	l->state = REDIS_LINK_DROPPING;
	log_failure(l, was_up, reason);
	fail_waiting(l);
	if (was_up && l->events.down && l->state != REDIS_LINK_CLOSING)
		l->events.down(l->arg, reason);
	if (l->state != REDIS_LINK_CLOSING)
		wait_and_connect(l);
}

/* ---- commands ---- */

/* Hands the gathered commands to the stream. The ceiling was asked before, so only a lack of
 * memory or a dying connection can refuse: nobody knows then what was sent. */
static void flush(struct redis_link *l)
{
	int status;

	if (!l->stream || l->out.size == 0)
		return;
	status = stream_write(l->stream, buf_view(&l->out));
	if (l->out.capacity > KEEP_BYTES)
		buf_release(&l->out);
	buf_reset(&l->out);
	if (status < 0)
		redis_link_drop(l, status);
}

static void on_prepare(uv_prepare_t *prepare)
{
	flush(prepare->data);
}

/* Gathers small commands, and passes large ones on at once. */
static int put_command(struct redis_link *l, struct slice resp)
{
	int status;

	if (resp.size > l->o.write_ceiling_bytes - l->out.size ||
	    stream_queued(l->stream) > l->o.write_ceiling_bytes - l->out.size - resp.size)
		return -ENOBUFS;
	if (resp.size >= DIRECT_BYTES) {
		flush(l);
		status = stream_write(l->stream, resp);
		return status == -ENOTCONN ? ERR_STORE_DOWN : status;
	}
	buf_put_slice(&l->out, resp);
	status = buf_status(&l->out);
	if (status < 0) {
		flush(l);
		buf_reset(&l->out); /* clears the failure; nothing is left in it */
	}
	return status;
}

static int send_raw(struct redis_link *l, struct slice resp, redis_reply_fn reply, void *arg)
{
	struct redis_waiter waiter = { reply, arg, uv_now(l->loop) + l->o.timeout_ms };
	int status = redis_queue_reserve(&l->queue);

	if (status == 0)
		status = put_command(l, resp);
	if (status == 0)
		redis_queue_push(&l->queue, &waiter);
	return status;
}

int redis_link_send(struct redis_link *l, size_t argc, const struct slice *argv,
		    redis_reply_fn reply, void *arg)
{
	int status;

	buf_reset(&l->scratch);
	redis_format(&l->scratch, argc, argv);
	status = buf_status(&l->scratch);
	if (status == 0)
		status = send_raw(l, buf_view(&l->scratch), reply, arg);
	if (l->scratch.capacity > KEEP_BYTES)
		buf_release(&l->scratch);
	return status;
}

int redis_link_command(struct redis_link *l, size_t argc, const struct slice *argv,
		       redis_reply_fn reply, void *arg)
{
	if (l->state != REDIS_LINK_UP)
		return ERR_STORE_DOWN;
	return redis_link_send(l, argc, argv, reply, arg);
}

int redis_link_command_raw(struct redis_link *l, struct slice resp, redis_reply_fn reply, void *arg)
{
	if (l->state != REDIS_LINK_UP)
		return ERR_STORE_DOWN;
	return send_raw(l, resp, reply, arg);
}

/* ---- the connection ---- */

static bool is_talking(const struct redis_link *l)
{
	return l->state == REDIS_LINK_GREETING || l->state == REDIS_LINK_UP;
}

/* One late answer ends the connection: those behind it are late too, and a new connection can
 * never take an old answer for a new one. */
static void on_sweep(uv_timer_t *timer)
{
	struct redis_link *l = timer->data;
	const struct redis_waiter *first = redis_queue_first(&l->queue);

	if (is_talking(l) && first && uv_now(l->loop) >= first->deadline_ms)
		redis_link_drop(l, -ETIMEDOUT);
}

static void on_connected(void *arg)
{
	struct redis_link *l = arg;
	int status = redis_codec_start(&l->codec);

	if (l->state != REDIS_LINK_CONNECTING)
		return;
	if (status < 0) {
		redis_link_drop(l, status);
		return;
	}
	uv_timer_start(&l->timer, on_sweep, SWEEP_MS, SWEEP_MS);
	l->state = REDIS_LINK_GREETING;
	redis_greet(l);
}

void redis_link_greeted(struct redis_link *l)
{
	l->state = REDIS_LINK_UP;
	l->was_up = true;
	l->backoff_ms = BACKOFF_FIRST_MS;
	log_event(strcmp(l->o.mode, "sentinel") == 0 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "redis_up",
		  "endpoint=%s version=%s role=%s", l->endpoint, l->info.version,
		  l->info.role[0] ? l->info.role : l->o.mode);
	if (l->events.up)
		l->events.up(l->arg);
}

/* What an error says about the server, before its waiter learns of it. */
static void look_at_error(struct redis_link *l, const redisReply *reply)
{
	if (l->state != REDIS_LINK_UP)
		return;
	if (l->o.scripts && strncmp(reply->str, "NOSCRIPT", 8) == 0)
		redis_greet_scripts(l);
	if (l->events.error)
		l->events.error(l->arg, reply);
}

static void on_data(void *arg, struct slice bytes)
{
	struct redis_link *l = arg;
	struct redis_waiter waiter;
	redisReply *reply;
	int status;

	if (!is_talking(l))
		return;
	status = redis_codec_feed(&l->codec, bytes);
	/* A reply's callback may close or drop l; it lives until the stream has closed. */
	while (status == 0 && is_talking(l)) {
		status = redis_codec_next(&l->codec, &reply);
		if (status <= 0)
			break;
		status = redis_queue_pop(&l->queue, &waiter) ? 0 : ERR_PROTOCOL;
		if (status == 0 && reply->type == REDIS_REPLY_ERROR)
			look_at_error(l, reply);
		if (status == 0 && waiter.reply)
			waiter.reply(waiter.arg, 0, reply);
		freeReplyObject(reply);
	}
	if (status < 0)
		redis_link_drop(l, status);
}

static void connect_now(struct redis_link *l)
{
	const struct stream_options options = {
		.connect_timeout_ms = l->o.timeout_ms,
		.write_ceiling_bytes = l->o.write_ceiling_bytes + DIRECT_BYTES,
	};
	const struct stream_events events = {
		.connected = on_connected,
		.data = on_data,
		.closed = on_closed,
	};
	int status;

	uv_timer_stop(&l->timer);
	l->reason[0] = '\0';
	l->state = REDIS_LINK_CONNECTING;
	status = stream_connect(l->loop, &l->address, &options, &events, l, &l->stream);
	if (status < 0) {
		l->stream = NULL;
		log_failure(l, false, status);
		wait_and_connect(l);
	}
}

void redis_link_connect(struct redis_link *l, const struct addr *to)
{
	assert(redis_link_is_waiting(l));
	l->address = *to;
	redis_url_endpoint(l->o.mode, to, l->o.url->database, l->endpoint);
	connect_now(l);
}

static void init_handles(struct redis_link *l)
{
	int status = uv_timer_init(l->loop, &l->timer);

	/* These only link a handle into the loop; they cannot fail. */
	status = status ? status : uv_prepare_init(l->loop, &l->prepare);
	status = status ? status : uv_prepare_start(&l->prepare, on_prepare);
	assert(status == 0);
	l->timer.data = l;
	l->prepare.data = l;
	l->handles = 2;
}

int redis_link_open(uv_loop_t *loop, const struct redis_link_options *options,
		    const struct redis_link_events *events, void *arg, struct redis_link **out)
{
	struct redis_link *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->loop = loop;
	l->o = *options;
	l->events = *events;
	l->arg = arg;
	l->backoff_ms = BACKOFF_FIRST_MS;
	buf_init(&l->scratch, l->o.write_ceiling_bytes);
	buf_init(&l->out, l->o.write_ceiling_bytes);
	init_handles(l);
	*out = l;
	return 0;
}

bool redis_link_is_up(const struct redis_link *l)
{
	return l->state == REDIS_LINK_UP;
}

bool redis_link_is_waiting(const struct redis_link *l)
{
	return l->state == REDIS_LINK_WAITING;
}

const struct addr *redis_link_address(const struct redis_link *l)
{
	return &l->address;
}

const struct redis_info *redis_link_info(const struct redis_link *l)
{
	return &l->info;
}

void redis_link_close(struct redis_link *l, void (*done)(void *arg), void *arg)
{
	if (l->state == REDIS_LINK_CLOSING)
		return;
	l->done = done;
	l->done_arg = arg;
	l->state = REDIS_LINK_CLOSING;
	uv_timer_stop(&l->timer);
	if (l->stream)
		stream_close(l->stream, false);
	else
		close_handles(l);
}
