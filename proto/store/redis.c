// SPDX-License-Identifier: Apache-2.0
#include "proto/store/redis.h"

#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/net/stream.h"
#include "proto/store/redis_codec.h"
#include "proto/store/redis_info.h"
#include "proto/store/redis_queue.h"
#include "proto/store/redis_url.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/*
 *            timer               connected             all answers good
 *   WAITING -------> CONNECTING -----------> GREETING -------------------> UP
 *      ^                 |                      |                           |
 *      |   closed        v                      v  error, timeout, EOF      |
 *      +------------------------------------ DROPPING <---------------------+
 *
 * CLOSING can follow any of them and ends with the last handle's close callback.
 */
enum redis_state {
	REDIS_WAITING,
	REDIS_CONNECTING,
	REDIS_GREETING,
	REDIS_UP,
	REDIS_DROPPING,
	REDIS_CLOSING,
};

#define DEFAULT_TIMEOUT_MS     5000
#define DEFAULT_WRITE_CEILING  (64u << 20)
#define BACKOFF_FIRST_MS       50
#define BACKOFF_MAX_MS         1000
#define SWEEP_MS               50
#define REASON_SIZE            160
/* A command as large as this is not gathered with others, to spare a copy. */
#define DIRECT_BYTES           (64u << 10)
#define KEEP_BYTES             (1u << 20)

struct redis {
	uv_loop_t *loop;
	struct redis_url url;
	uint64_t timeout_ms;
	size_t write_ceiling;
	struct redis_events events;
	void *arg;
	enum redis_state state;
	struct stream *stream; /* NULL while WAITING */
	struct redis_codec codec;
	struct redis_queue queue;
	struct buf scratch; /* one command being formatted */
	struct buf out;     /* commands of this turn of the loop, written before it polls */
	uv_timer_t timer;   /* the sweep while there is a stream, else the back-off */
	uv_prepare_t prepare;
	unsigned handles;
	uint64_t backoff_ms;
	bool was_up; /* this connection has been UP */
	struct redis_info info;
	char reason[REASON_SIZE]; /* why the greeting failed */
	int drop_reason;
	struct log_limit log_limit;
	void (*done)(void *arg);
	void *done_arg;
};

static void connect_now(struct redis *r);

/* ---- ending --------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct redis *r = handle->data;
	void (*done)(void *arg) = r->done;
	void *done_arg = r->done_arg;

	if (--r->handles > 0)
		return;
	redis_codec_release(&r->codec);
	redis_queue_release(&r->queue);
	buf_release(&r->scratch);
	buf_release(&r->out);
	free(r);
	if (done)
		done(done_arg);
}

static void close_handles(struct redis *r)
{
	uv_close((uv_handle_t *)&r->timer, on_handle_closed);
	uv_close((uv_handle_t *)&r->prepare, on_handle_closed);
}

static void fail_waiting(struct redis *r)
{
	struct redis_waiter waiter;

	while (redis_queue_pop(&r->queue, &waiter)) {
		if (waiter.reply)
			waiter.reply(waiter.arg, ERR_STORE_DOWN, NULL);
	}
}

/* Ends the connection, not the redis; the rest follows in on_closed. */
static void drop(struct redis *r, int reason)
{
	if (r->state == REDIS_DROPPING || r->state == REDIS_CLOSING)
		return;
	r->drop_reason = reason;
	r->state = REDIS_DROPPING;
	stream_close(r->stream, false);
}

static void on_backoff(uv_timer_t *timer)
{
	connect_now(timer->data);
}

static void wait_and_connect(struct redis *r)
{
	uint32_t random;
	uint64_t delay_ms;

	life_random(&random, sizeof(random));
	delay_ms = r->backoff_ms / 2 + random % (r->backoff_ms / 2 + 1);
	r->backoff_ms = r->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : r->backoff_ms * 2;
	r->state = REDIS_WAITING;
	uv_timer_start(&r->timer, on_backoff, delay_ms, 0);
}

/* libuv has codes beside errno's and ours (UV_EOF), and texts for them. */
static void log_failure(struct redis *r, bool was_up, int reason)
{
	bool ours = reason <= -1000 && reason > -2000;
	const char *text = ours ? err_text(reason) : uv_strerror(reason);
	char quoted[LOG_QUOTE_SIZE];

	if (!log_allowed(&r->log_limit, (int64_t)uv_now(r->loop), NULL))
		return;
	log_warn(was_up ? "redis_down" : "redis_unreachable", "endpoint=%s err=%s reason=%s",
		 r->url.endpoint, ours ? err_name(reason) : uv_err_name(reason),
		 log_quote(slice_text(r->reason[0] ? r->reason : text), quoted));
}

/* The stream is gone. A callback in here may call redis_close, which then closes the handles
 * itself, having no stream to wait for. */
static void on_closed(void *arg, int reason)
{
	struct redis *r = arg;
	bool closing = r->state == REDIS_CLOSING;
	bool was_up = r->was_up;

	r->stream = NULL;
	r->was_up = false;
	buf_reset(&r->out);
	if (closing) {
		fail_waiting(r);
		close_handles(r);
		return;
	}
	reason = r->state == REDIS_DROPPING ? r->drop_reason : reason;
	r->state = REDIS_DROPPING;
	log_failure(r, was_up, reason);
	fail_waiting(r);
	if (was_up && r->events.down && r->state != REDIS_CLOSING)
		r->events.down(r->arg, reason);
	if (r->state != REDIS_CLOSING)
		wait_and_connect(r);
}

/* ---- the greeting --------------------------------------------------------------------------- */

static void refuse(struct redis *r, struct slice why)
{
	(void)snprintf(r->reason, sizeof(r->reason), "%.*s",
		       (int)(why.size < REASON_SIZE ? why.size : REASON_SIZE),
		       (const char *)why.ptr);
	drop(r, ERR_STORE_UNFIT);
}

/* The answer to AUTH and SELECT, and the start of every other's judgement. */
static bool greeting_good(struct redis *r, const redisReply *reply)
{
	if (r->state != REDIS_GREETING || !reply)
		return false;
	if (reply->type != REDIS_REPLY_ERROR)
		return true;
	refuse(r, slice_of(reply->str, reply->len));
	return false;
}

static void on_accepted(void *arg, int status, const redisReply *reply)
{
	(void)status;
	(void)greeting_good(arg, reply);
}

static void on_info(void *arg, int status, const redisReply *reply)
{
	struct redis *r = arg;
	struct slice text;

	(void)status;
	if (!greeting_good(r, reply))
		return;
	text = slice_of(reply->str, reply->type == REDIS_REPLY_STRING ? reply->len : 0);
	if (!redis_info_parse(text, &r->info)) {
		refuse(r, slice_text("INFO names no redis_version"));
		return;
	}
	if (r->info.loading) {
		refuse(r, slice_text("Redis is loading its data"));
		return;
	}
	r->state = REDIS_UP;
	r->was_up = true;
	r->backoff_ms = BACKOFF_FIRST_MS;
	log_info("redis_up", "endpoint=%s version=%s role=%s", r->url.endpoint, r->info.version,
		 r->info.role);
	if (r->events.up)
		r->events.up(r->arg);
}

/* ---- commands ------------------------------------------------------------------------------- */

/* Hands the gathered commands to the stream. The ceiling was asked before, so only a lack of
 * memory or a dying connection can refuse: nobody knows then what was sent. */
static void flush(struct redis *r)
{
	int status;

	if (!r->stream || r->out.size == 0)
		return;
	status = stream_write(r->stream, buf_view(&r->out));
	if (r->out.capacity > KEEP_BYTES)
		buf_release(&r->out);
	buf_reset(&r->out);
	if (status < 0)
		drop(r, status);
}

static void on_prepare(uv_prepare_t *prepare)
{
	flush(prepare->data);
}

/* Gathers small commands, and passes large ones on at once. */
static int put_command(struct redis *r, struct slice resp)
{
	int status;

	if (resp.size > r->write_ceiling - r->out.size ||
	    stream_queued(r->stream) > r->write_ceiling - r->out.size - resp.size)
		return -ENOBUFS;
	if (resp.size >= DIRECT_BYTES) {
		flush(r);
		status = stream_write(r->stream, resp);
		return status == -ENOTCONN ? ERR_STORE_DOWN : status;
	}
	buf_put_slice(&r->out, resp);
	status = buf_status(&r->out);
	if (status < 0) {
		flush(r);
		buf_reset(&r->out); /* clears the failure; nothing is left in it */
	}
	return status;
}

static int send_raw(struct redis *r, struct slice resp, redis_reply_fn reply, void *arg)
{
	struct redis_waiter waiter = { reply, arg, uv_now(r->loop) + r->timeout_ms };
	int status = redis_queue_reserve(&r->queue);

	if (status == 0)
		status = put_command(r, resp);
	if (status == 0)
		redis_queue_push(&r->queue, &waiter);
	return status;
}

static int send_command(struct redis *r, size_t argc, const struct slice *argv,
			redis_reply_fn reply, void *arg)
{
	int status;

	buf_reset(&r->scratch);
	redis_format(&r->scratch, argc, argv);
	status = buf_status(&r->scratch);
	if (status == 0)
		status = send_raw(r, buf_view(&r->scratch), reply, arg);
	if (r->scratch.capacity > KEEP_BYTES)
		buf_release(&r->scratch);
	return status;
}

int redis_command(struct redis *r, uint16_t slot, size_t argc, const struct slice *argv,
		  redis_reply_fn reply, void *arg)
{
	(void)slot;
	if (r->state != REDIS_UP)
		return ERR_STORE_DOWN;
	return send_command(r, argc, argv, reply, arg);
}

int redis_command_raw(struct redis *r, uint16_t slot, struct slice resp, redis_reply_fn reply,
		      void *arg)
{
	(void)slot;
	if (r->state != REDIS_UP)
		return ERR_STORE_DOWN;
	return send_raw(r, resp, reply, arg);
}

/* ---- the connection ------------------------------------------------------------------------- */

static void greet(struct redis *r)
{
	struct slice auth[3] = { slice_text("AUTH") };
	struct slice selecting[2] = { slice_text("SELECT") };
	struct slice info[1] = { slice_text("INFO") };
	size_t argc = 1;
	char database[16];
	int status = 0;

	if (r->url.user[0])
		auth[argc++] = slice_text(r->url.user);
	auth[argc++] = slice_text(r->url.password);
	(void)snprintf(database, sizeof(database), "%u", r->url.database);
	selecting[1] = slice_text(database);
	if (r->url.password[0])
		status = send_command(r, argc, auth, on_accepted, r);
	if (status == 0 && r->url.database > 0)
		status = send_command(r, 2, selecting, on_accepted, r);
	if (status == 0)
		status = send_command(r, 1, info, on_info, r);
	if (status < 0)
		drop(r, status);
}

static bool is_talking(const struct redis *r)
{
	return r->state == REDIS_GREETING || r->state == REDIS_UP;
}

/* One late answer ends the connection: those behind it are late too, and a new connection can
 * never take an old answer for a new one. */
static void on_sweep(uv_timer_t *timer)
{
	struct redis *r = timer->data;
	const struct redis_waiter *first = redis_queue_first(&r->queue);

	if (is_talking(r) && first && uv_now(r->loop) >= first->deadline_ms)
		drop(r, -ETIMEDOUT);
}

static void on_connected(void *arg)
{
	struct redis *r = arg;
	int status = redis_codec_start(&r->codec);

	if (r->state != REDIS_CONNECTING)
		return;
	if (status < 0) {
		drop(r, status);
		return;
	}
	uv_timer_start(&r->timer, on_sweep, SWEEP_MS, SWEEP_MS);
	r->state = REDIS_GREETING;
	greet(r);
}

static void on_data(void *arg, struct slice bytes)
{
	struct redis *r = arg;
	struct redis_waiter waiter;
	redisReply *reply;
	int status;

	if (!is_talking(r))
		return;
	status = redis_codec_feed(&r->codec, bytes);
	/* A reply's callback may close or drop r; it lives until the stream has closed. */
	while (status == 0 && is_talking(r)) {
		status = redis_codec_next(&r->codec, &reply);
		if (status <= 0)
			break;
		status = redis_queue_pop(&r->queue, &waiter) ? 0 : ERR_PROTOCOL;
		if (status == 0 && waiter.reply)
			waiter.reply(waiter.arg, 0, reply);
		freeReplyObject(reply);
	}
	if (status < 0)
		drop(r, status);
}

static void connect_now(struct redis *r)
{
	const struct stream_options options = {
		.connect_timeout_ms = r->timeout_ms,
		.write_ceiling_bytes = r->write_ceiling + DIRECT_BYTES,
	};
	const struct stream_events events = {
		.connected = on_connected,
		.data = on_data,
		.closed = on_closed,
	};
	int status;

	uv_timer_stop(&r->timer);
	r->reason[0] = '\0';
	r->state = REDIS_CONNECTING;
	status = stream_connect(r->loop, &r->url.address, &options, &events, r, &r->stream);
	if (status < 0) {
		r->stream = NULL;
		log_failure(r, false, status);
		wait_and_connect(r);
	}
}

static void init_handles(struct redis *r)
{
	int status = uv_timer_init(r->loop, &r->timer);

	/* These only link a handle into the loop; they cannot fail. */
	status = status ? status : uv_prepare_init(r->loop, &r->prepare);
	status = status ? status : uv_prepare_start(&r->prepare, on_prepare);
	assert(status == 0);
	r->timer.data = r;
	r->prepare.data = r;
	r->handles = 2;
}

int redis_open(uv_loop_t *loop, const char *url, const struct redis_options *options,
	       const struct redis_events *events, void *arg, struct redis **out)
{
	struct redis *r = calloc(1, sizeof(*r));
	size_t ceiling = options ? options->write_ceiling_bytes : 0;
	uint64_t timeout_ms = options ? options->timeout_ms : 0;
	int status;

	if (!r)
		return -ENOMEM;
	status = redis_url_parse(url, &r->url);
	if (status < 0) {
		free(r);
		return status;
	}
	r->loop = loop;
	r->timeout_ms = timeout_ms ? timeout_ms : DEFAULT_TIMEOUT_MS;
	r->write_ceiling = ceiling ? ceiling : DEFAULT_WRITE_CEILING;
	if (events)
		r->events = *events;
	r->arg = arg;
	r->backoff_ms = BACKOFF_FIRST_MS;
	buf_init(&r->scratch, r->write_ceiling);
	buf_init(&r->out, r->write_ceiling);
	init_handles(r);
	connect_now(r);
	*out = r;
	return 0;
}

bool redis_is_up(const struct redis *r)
{
	return r->state == REDIS_UP;
}

bool redis_is_master(const struct redis *r)
{
	return r->state == REDIS_UP && strcmp(r->info.role, "master") == 0;
}

const char *redis_endpoint(const struct redis *r)
{
	return r->url.endpoint;
}

const char *redis_version(const struct redis *r)
{
	return r->info.version;
}

void redis_close(struct redis *r, void (*done)(void *arg), void *arg)
{
	if (r->state == REDIS_CLOSING)
		return;
	r->done = done;
	r->done_arg = arg;
	r->state = REDIS_CLOSING;
	uv_timer_stop(&r->timer);
	if (r->stream)
		stream_close(r->stream, false);
	else
		close_handles(r);
}
