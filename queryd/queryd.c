// SPDX-License-Identifier: Apache-2.0
/*
 * queryd.c - wires the parts, judges each request, and ends in order.
 *
 * The tick keeps deadlines and, once a second, reads what is known of fleet, agents and names;
 * the prepare handle sends what a turn has gathered. An end is a chain: HTTP has answered all,
 * then Redis is closed, then the handles of the loop; what is in other threads is waited for
 * last.
 */
#include "queryd/queryd.h"

#include "proto/daemon/advice.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/hour.h"
#include "queryd/queryd_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS        50   /* how exactly deadlines are kept */
#define TICKS_A_SECOND 20
#define METRICS_BYTES  (1u << 20)
#define BODY_BYTES     65536 /* of a form for Graphite; of other POSTs ignored: they hear 405 */

/* ---- answers -------------------------------------------------------------------------------- */

void queryd_count(struct queryd *q, enum route route, unsigned status, uint64_t begun_ns)
{
	metrics_request(&q->metrics, route, status, (uv_hrtime() - begun_ns) / 1000);
}

void queryd_costs(struct queryd *q, struct plan_costs costs)
{
	tally_add(&q->metrics.cells, costs.cells);
	tally_add(&q->metrics.cell_bytes, costs.bytes);
	tally_add(&q->metrics.retries, costs.retries);
}

static const char *store_problem(struct queryd *q)
{
	const char *problem = fleet_problem(&q->fleet);

	if (q->config->get && !redis_is_up(q->redis))
		return local_problem(q);
	return problem ? problem : "the connection to Redis was lost";
}

static void refuse_store(struct route_refusal *why, int status, const char *problem)
{
	if (status == ERR_STORE_DOWN || status == -ENOBUFS)
		(void)route_refuse(why, 503, "store_unavailable", "%s", problem);
	else if (status == -ETIMEDOUT)
		(void)route_refuse(why, 503, "store_unavailable",
				   "Redis does not answer in time (ask for less, if it was much)");
	else if (status == -EBUSY)
		(void)route_refuse(why, 503, "busy",
				   "too many look through the names; ask again, or for less");
	else if (status == -EAGAIN)
		(void)route_refuse(why, 503, "store_unavailable",
				   "the hour is being rewritten; ask again");
	else if (status == ERR_TOO_LARGE)
		(void)route_refuse(why, 413, "too_large", "this takes more points (max_points) or "
				   "bytes (max_read) than one answer may; ask for less");
	else
		(void)route_refuse(why, 503, "store_unavailable",
				   "what Redis has cannot be read: %s", err_text(status));
}

static void log_spoilt(struct slice what, int status)
{
	static struct log_limit limit;
	char quoted[LOG_QUOTE_SIZE];

	if (status == ERR_STORE_DOWN || status == ERR_TOO_LARGE ||
	    !log_allowed(&limit, life_monotonic_ms(), NULL))
		return;
	log_warn("query_failed", "key=%s err=%s", log_quote(what, quoted), err_name(status));
}

unsigned queryd_refuse_store(struct queryd *q, struct http_request *request, int status,
			     const struct slice *log)
{
	struct route_refusal why;

	if (log)
		log_spoilt(*log, status);
	refuse_store(&why, status, store_problem(q));
	return respond_refusal(request, &q->responder, &why);
}

bool queryd_knows_names(struct queryd *q, struct http_request *request, unsigned *sent)
{
	struct route_refusal why;

	if (redis_is_up(q->redis) && fleet_is_known(&q->fleet) &&
	    names_poll_loaded(&q->names_poll))
		return true;
	(void)route_refuse(&why, 503, "store_unavailable", "%s",
			   fleet_is_known(&q->fleet) ? "the keys are being read; ask again" :
						       store_problem(q));
	*sent = respond_refusal(request, &q->responder, &why);
	return false;
}

int64_t queryd_retention_hours(const struct queryd *q)
{
	return fleet_retention_hours(&q->fleet, q->config->retention_hours);
}

int64_t queryd_kept_from(const struct queryd *q)
{
	return fleet_kept_from(&q->fleet, q->config->retention_hours, life_wall_ms() / 1000);
}

struct query_limits queryd_limits(const struct queryd *q)
{
	return (struct query_limits){
		.max_series = (uint64_t)q->config->max_series,
		.max_points = (uint64_t)q->config->max_points,
		.max_bytes = (uint64_t)q->config->max_read,
		.kept_from = queryd_kept_from(q),
	};
}

uint64_t queryd_deadline_ns(const struct queryd *q, uint64_t begun_ns)
{
	return begun_ns + (uint64_t)q->config->query_timeout_ms * 1000000;
}

/* ---- requests ------------------------------------------------------------------------------- */

static unsigned answer_health(struct queryd *q, struct http_request *request, bool ready)
{
	struct buf body;

	buf_init(&body, (size_t)q->config->max_answer);
	buf_put_text(&body, ready ? "{\"ready\":true}\n" : "{\"alive\":true}\n");
	return respond_json(request, &q->responder, 200, &body);
}

static void refresh_view(struct queryd *q)
{
	struct redis_view view = redis_view(q->redis);

	tally_set(&q->metrics.replica, redis_is_up(q->redis) && view.replica);
	tally_set(&q->metrics.age_s,
		  view.replica ? (uv_now(&q->loop) - (uint64_t)view.fresh_ms + 999) / 1000 : 0);
}

static void refresh_gauges(struct queryd *q)
{
	tally_set(&q->metrics.in_flight, q->fetches.count);
	tally_set(&q->metrics.shared, fetches_shared(&q->fetches));
	tally_set(&q->metrics.again, fetches_again(&q->fetches));
	refresh_view(q);
	tally_set(&q->metrics.redis_up, redis_is_up(q->redis));
	tally_set(&q->metrics.partitions, fleet_partitions(&q->fleet));
	tally_set(&q->metrics.kept_hours, (uint64_t)fleet_retention_hours(&q->fleet, 0));
	tally_set(&q->metrics.names, names_count(&q->names));
	tally_set(&q->metrics.names_dropped, names_dropped(&q->names));
	tally_set(&q->metrics.agents, agents_count(&q->agents));
	if (q->cache)
		metrics_cache(&q->metrics, cache_counts(q->cache));
}

static unsigned answer_metrics(struct queryd *q, struct http_request *request)
{
	struct buf body;

	refresh_gauges(q);
	buf_init(&body, METRICS_BYTES);
	metrics_render(&q->metrics, &body);
	return respond_metrics(request, &body);
}

/* 0 when the answer comes later. */
static unsigned serve(struct queryd *q, struct http_request *request,
		      const struct route_request *asked, const struct scope *scope,
		      uint64_t begun_ns)
{
	const struct scope_keys keys = { &q->names, scope };

	switch (asked->route) {
	case ROUTE_KEYS:
		return serve_keys(q, request, asked, &keys, begun_ns);
	case ROUTE_QUERY:
	case ROUTE_TOP_KEYS:
	case ROUTE_LEDGER:
		return serve_many(q, request, asked, &keys, begun_ns);
	case ROUTE_RENDER:
	case ROUTE_FIND:
	case ROUTE_EXPAND:
	case ROUTE_VERSION:
	case ROUTE_FUNCTIONS:
	case ROUTE_TAG_NAMES:
	case ROUTE_TAG_VALUES:
	case ROUTE_EVENTS:
		return serve_graphite(q, request, asked->route, &keys, begun_ns);
	case ROUTE_PAGE:
		return page_serve(request, asked->page);
	case ROUTE_METRICS:
		return answer_metrics(q, request);
	case ROUTE_HEALTH:
		return answer_health(q, request, false);
	case ROUTE_READY:
		if (!redis_is_up(q->redis) || !fleet_is_known(&q->fleet))
			return queryd_refuse_store(q, request, ERR_STORE_DOWN, NULL);
		return answer_health(q, request, true);
	default:
		return serve_one(q, request, asked, begun_ns);
	}
}

/* Grafana posts forms to Graphite. */
static int judge_method(enum route route, const char *method, struct route_refusal *why)
{
	bool form = route >= ROUTE_RENDER && route <= ROUTE_EVENTS;

	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
	    (form && strcmp(method, "POST") == 0))
		return 0;
	(void)route_refuse(why, 405, "bad_method", "only %s are served here",
			   form ? "GET, HEAD and forms by POST" : "GET and HEAD");
	why->allow = form ? "GET, HEAD, POST" : "GET, HEAD";
	return -EINVAL;
}

void queryd_serve(void *queryd, struct http_request *request)
{
	struct queryd *q = queryd;
	const char *method = http_method(request);
	uint64_t begun_ns = uv_hrtime();
	struct route_request asked;
	const struct scope *scope = NULL;
	struct route_refusal why, unfit;
	unsigned sent;
	int status;

	if (respond_preflight(request, &q->responder)) {
		queryd_count(q, ROUTE_NONE, 204, begun_ns);
		return;
	}
	status = route_parse(http_path(request), http_query(request), life_wall_ms() / 1000, &asked,
			     &why);
	if (judge_method(asked.route, method, &unfit) < 0) {
		asked.route = ROUTE_NONE;
		status = -EINVAL;
		why = unfit;
	}
	if (queryd_admit(q, request, &asked, &scope, &unfit) < 0)
		sent = respond_refusal(request, &q->responder, &unfit);
	else
		sent = status < 0 ? respond_refusal(request, &q->responder, &why) :
				    serve(q, request, &asked, scope, begun_ns);
	if (sent > 0)
		queryd_count(q, asked.route, sent, begun_ns);
}

/* ---- events --------------------------------------------------------------------------------- */

static void on_fleet_known(void *arg)
{
	struct queryd *q = arg;

	life_status(&q->life, "answering");
	names_poll_tick(&q->names_poll);
	agents_poll_tick(&q->agents_poll);
}

static void on_redis_up(void *arg)
{
	struct queryd *q = arg;

	names_poll_restart(&q->names_poll);
	fleet_poll(&q->fleet);
}

/* What another master has may lack what the one before it had. */
static void on_redis_changed(void *arg)
{
	struct queryd *q = arg;

	names_poll_restart(&q->names_poll);
}

static void on_redis_down(void *arg, int reason)
{
	struct queryd *q = arg;

	(void)reason;
	fleet_forget(&q->fleet);
	life_status(&q->life, "Redis cannot be reached");
}

/* Nothing is complete before the watermarks of another server are read. */
static void follow_server(struct queryd *q)
{
	uint64_t generation = redis_view(q->redis).generation;

	if (generation == q->generation)
		return;
	q->generation = generation;
	agents_poll_tick(&q->agents_poll);
}

static void on_tick(uv_timer_t *timer)
{
	struct queryd *q = timer->data;

	fetches_sweep(&q->fetches, uv_now(&q->loop));
	local_tick(q);
	follow_server(q);
	if (q->drain_by_ms > 0 && life_monotonic_ms() > q->drain_by_ms) {
		log_warn("drain_late", "requests=%llu", (unsigned long long)q->fetches.count);
		uv_stop(&q->loop);
	}
	if (++q->ticks % TICKS_A_SECOND != 0 || q->drain_by_ms > 0)
		return;
	fleet_poll(&q->fleet);
	agents_poll_tick(&q->agents_poll);
	names_poll_tick(&q->names_poll);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct queryd *q = prepare->data;

	fetches_end_turn(&q->fetches);
}

static void on_redis_closed(void *arg)
{
	struct queryd *q = arg;

	uv_close((uv_handle_t *)&q->timer, NULL);
	uv_close((uv_handle_t *)&q->prepare, NULL);
	life_close(&q->life);
}

void queryd_close(struct queryd *q)
{
	names_poll_stop(&q->names_poll);
	redis_close(q->redis, on_redis_closed, q);
}

static void on_http_closed(void *arg)
{
	struct queryd *q = arg;

	q->http = NULL;
	queryd_close(q);
}

static void on_drain(void *arg)
{
	struct queryd *q = arg;

	life_stopping(&q->life);
	q->drain_by_ms = life_monotonic_ms() + QUERYD_DRAIN_MS;
	if (!q->http)
		uv_stop(&q->loop); /* --get was interrupted */
	else
		http_close(q->http, on_http_closed, q);
}

static void on_reload(void *arg)
{
	struct queryd *q = arg;

	if (conf_reload(config_spec(), q->argc, q->argv, q->config) < 0)
		return;
	config_apply(q->config);
	if (tokens_load(&q->tokens, q->config->tokens) < 0)
		log_error("tokens_kept", "err=%s", err_name(-ENOMEM));
	log_info("reloaded", "%s", "");
}

/* ---- start ---------------------------------------------------------------------------------- */

static int start_redis(struct queryd *q)
{
	static const struct redis_events events = {
		.up = on_redis_up,
		.down = on_redis_down,
		.changed = on_redis_changed,
	};
	const struct redis_options options = {
		.stale_max_ms = q->config->stale_ok ? q->config->stale_max_ms : 0,
		/* One that hangs is left in time to ask the master, within the same read_timeout. */
		.stale_timeout_ms = (uint64_t)q->config->read_timeout_ms / 2,
	};
	int status = redis_open(&q->loop, q->config->redis, &options, &events, q, &q->redis);

	if (status < 0)
		return status;
	if (q->config->stale_ok && redis_url_kind(q->config->redis) == REDIS_CLUSTER)
		log_warn("stale_ok_ignored", "reason=\"the masters of a Cluster are read\"");
	fleet_init(&q->fleet, q->redis, on_fleet_known, q);
	fetches_init(&q->fetches, q->redis, &q->fleet);
	agents_init(&q->agents);
	agents_poll_init(&q->agents_poll, q->redis, &q->agents);
	names_init(&q->names, (size_t)q->config->max_names);
	aside_init(&q->merging, &q->loop);
	aside_init(&q->looking, &q->loop);
	names_poll_init(&q->names_poll, q->redis, &q->fleet, &q->names, &q->merging);
	return 0;
}

static int start_cache(struct queryd *q)
{
	uint64_t seed;

	if (q->config->cache == 0)
		return 0;
	life_random(&seed, sizeof(seed));
	return cache_new((size_t)q->config->cache, seed, &q->cache);
}

static int start(struct queryd *q)
{
	static const struct life_events events = { on_drain, on_reload };
	const struct http_options options = {
		.max_connections = (uint32_t)q->config->max_connections,
		.max_unread_bytes = (size_t)q->config->max_unread,
		.slow_seconds = (uint32_t)(q->config->slow_client_ms / 1000),
		.max_body_bytes = BODY_BYTES,
	};
	int status = life_init(&q->life, &q->loop, &events, q);

	status = status ? status : uv_timer_init(&q->loop, &q->timer);
	status = status ? status : uv_prepare_init(&q->loop, &q->prepare);
	if (status < 0)
		return status;
	respond_init(&q->responder, q->config, &q->loop);
	q->timer.data = q;
	q->prepare.data = q;
	status = start_redis(q);
	status = status ? status : start_cache(q);
	if (status < 0)
		return status;
	status = tokens_load(&q->tokens, q->config->tokens);
	if (status < 0)
		return status;
	uv_timer_start(&q->timer, on_tick, TICK_MS, TICK_MS);
	uv_prepare_start(&q->prepare, on_prepare);
	if (q->config->get)
		return local_start(q);
	status = http_listen(&q->loop, q->config->listen, "http", &options, queryd_serve, q,
			     &q->http);
	if (status < 0) {
		advice_listen(q->config->listen, status);
		return status;
	}
	log_info("listening", "listen=%s redis=%s", http_address(q->http),
		 redis_endpoint(q->redis));
	life_ready(&q->life);
	log_info("ready", "version=%s", conf_version());
	return 0;
}

int queryd_run(struct config *config, int argc, char **argv)
{
	struct queryd *q = calloc(1, sizeof(*q));
	int status;

	if (!q)
		return -ENOMEM;
	q->config = config;
	q->argc = argc;
	q->argv = argv;
	status = uv_loop_init(&q->loop);
	assert(status == 0);
	status = start(q);
	if (status == 0) {
		uv_run(&q->loop, UV_RUN_DEFAULT);
		log_info("stopped", "");
		status = q->local_exit;
	}
	/* After a drain that came too late, what runs in other threads still has parts of q. */
	while (aside_busy(&q->looking) || aside_busy(&q->merging) || respond_busy(&q->responder))
		uv_run(&q->loop, UV_RUN_ONCE);
	cache_free(q->cache);
	plan_stock_release(&q->plans);
	tokens_release(&q->tokens);
	names_release(&q->names);
	agents_release(&q->agents);
	(void)uv_loop_close(&q->loop);
	free(q);
	return status;
}
