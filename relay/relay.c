// SPDX-License-Identifier: Apache-2.0
#include "relay/relay.h"

#include "proto/daemon/advice.h"
#include "proto/daemon/life.h"
#include "relay/admin.h"
#include "relay/compaction.h"
#include "relay/effects.h"
#include "relay/room_watch.h"
#include "relay/server.h"
#include "relay/windows.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define RELAY_TICK_MS  1000
#define RELAY_EVICT_MS 10000

/* A drain ends within 5 s whatever Redis does: what is not committed then is sent again by
 * its agents, to other relays. */
#define RELAY_DRAIN_MS 4000

/* How long agents have to say that they read our GOAWAY. A healthy one takes a round trip; what
 * one that does not answer still sends is sent again elsewhere. */
#define RELAY_PART_MS 500

enum relay_state {
	RELAY_RUNNING,
	RELAY_PARTING,  /* told agents to go; takes what was on its way */
	RELAY_DRAINING, /* commits what is merged */
	RELAY_LEAVING,  /* takes itself off the list */
	RELAY_CLOSING,
};

struct relay {
	struct config *config;
	int argc;
	char **argv;
	uv_loop_t loop;
	struct life life;
	uv_check_t check; /* after each turn: what has come due */
	uv_timer_t due;   /* and when nothing else wakes us */
	uv_timer_t tick;
	struct relay_counters counters;
	struct rkey_tags tags;
	struct committer *committers;
	struct windows windows;
	struct session_hub hub;
	struct server server;
	struct store store;
	struct membership membership;
	struct journal journal;
	struct pace pace;
	struct room_watch room;
	struct effects effects;
	struct compaction compaction;
	struct http_server *http;
	struct admin_source admin;
	char advertise[ADDR_TEXT_SIZE];
	struct slice relays[LIMIT_FRAME_RELAYS];
	int64_t floor_hour; /* the highest of all partitions */
	int64_t evict_at_ms;
	int64_t drain_end_ms;
	enum relay_state state;
	int status;
};

static void relay_stop(struct relay *r);
static void relay_work(struct relay *r);

/* ---- events of the store ---- */

static void relay_publish(struct relay *r)
{
	const struct membership *m = &r->membership;

	for (size_t i = 0; i < m->count; i++)
		r->relays[i] = slice_text(m->list[i].address);
	r->hub.relays = (struct frame_relays){ .floor_hour = r->floor_hour, .list = r->relays,
					       .count = m->count,
					       .seal_ms = (uint64_t)pace_seal_ms(&r->pace) };
	server_each(&r->server, session_tell_relays);
}

static void relay_on_relays(void *arg)
{
	struct relay *r = arg;

	relay_publish(r);
	compaction_relays(&r->compaction, r->advertise);
}

/* Agents that were told of a shorter grace window come again, to be told of this one. */
static void relay_raise_grace(struct relay *r)
{
	int64_t grace_ms = r->config->grace_ms ? r->config->grace_ms : store_grace_ms(&r->store);

	if ((uint64_t)grace_ms <= r->hub.grace_ms)
		return;
	r->hub.grace_ms = (uint64_t)grace_ms;
	log_info("grace", "ms=%lld", (long long)grace_ms);
	server_close_all(&r->server);
}

static void relay_look_again(struct relay *r)
{
	for (uint32_t p = 0; p < r->tags.partitions; p++)
		committer_store_up(&r->committers[p], life_monotonic_ms());
	compaction_store_up(&r->compaction, life_monotonic_ms());
}

static void relay_on_changed(void *arg)
{
	log_info("store_changed", "effect=\"streams are looked up again\"");
	relay_look_again(arg);
}

static void relay_on_ready(void *arg)
{
	struct relay *r = arg;

	relay_raise_grace(r);
	relay_look_again(r);
	membership_tick(&r->membership);
	life_status(&r->life, "committing");
	log_info("ready", "name=%s advertise=%s partitions=%u", r->hub.name, r->advertise,
		 (unsigned)r->tags.partitions);
}

static void relay_on_floor(void *arg, uint32_t partition, int64_t hour)
{
	struct relay *r = arg;

	committer_set_floor(&r->committers[partition], hour);
	if (hour <= r->floor_hour)
		return;
	r->floor_hour = hour;
	relay_publish(r);
}

static void relay_on_foreign(void *arg, struct slice stored)
{
	struct relay *r = arg;

	journal_foreign_fleet(redis_endpoint(store_redis(&r->store)), stored, r->tags.partitions);
	r->status = 1;
	relay_stop(r);
}

static void relay_on_answer(void *arg, struct committer_call *call, const struct answer *answer)
{
	struct relay *r = arg;

	if (call->script == SCRIPT_COMMIT)
		pace_answered(&r->pace, (uint64_t)life_monotonic_us());
	committer_answer(call->home, call, answer, life_monotonic_ms());
}

static const struct store_events relay_store_events = {
	.ready = relay_on_ready,
	.changed = relay_on_changed,
	.floor = relay_on_floor,
	.foreign = relay_on_foreign,
	.answer = relay_on_answer,
};

/* ---- the loop ---- */

static void relay_on_due(uv_timer_t *timer)
{
	relay_work(timer->data);
}

static bool relay_idle(const struct relay *r)
{
	for (uint32_t p = 0; p < r->tags.partitions; p++)
		if (!committer_idle(&r->committers[p]))
			return false;
	return true;
}

/* The last handle of the loop closes after this; what is freed in relay_run is not touched. */
static void relay_close(struct relay *r)
{
	if (r->state == RELAY_CLOSING)
		return;
	r->state = RELAY_CLOSING;
	server_stop_accepting(&r->server);
	server_close_all(&r->server);
	if (store_redis(&r->store) != NULL)
		store_close(&r->store, NULL, NULL);
	if (r->http != NULL)
		http_close(r->http, NULL, NULL);
	life_close(&r->life);
	uv_close((uv_handle_t *)&r->check, NULL);
	uv_close((uv_handle_t *)&r->due, NULL);
	uv_close((uv_handle_t *)&r->tick, NULL);
}

static void relay_on_left(void *arg, int status, const redisReply *reply)
{
	struct relay *r = arg;

	(void)status;
	(void)reply;
	if (r->state == RELAY_LEAVING)
		r->drain_end_ms = 0; /* relay_drain_on closes, outside of Redis' callbacks */
}

/* One step of leaving; drain_end_ms bounds each wait. */
static void relay_drain_on(struct relay *r, int64_t now_ms)
{
	if (r->state == RELAY_PARTING && (server_quiet(&r->server) || now_ms >= r->drain_end_ms)) {
		r->state = RELAY_DRAINING;
		r->drain_end_ms = now_ms + RELAY_DRAIN_MS;
		for (uint32_t p = 0; p < r->tags.partitions; p++)
			committer_drain(&r->committers[p]);
		uv_timer_start(&r->due, relay_on_due, 0, 0);
		return;
	}
	if (r->state == RELAY_DRAINING && (relay_idle(r) || now_ms >= r->drain_end_ms)) {
		log_info("drained", "complete=%s", relay_idle(r) ? "yes" : "no");
		r->state = RELAY_LEAVING;
		membership_leave(&r->membership, relay_on_left, r);
	}
	if (r->state == RELAY_LEAVING && now_ms >= r->drain_end_ms)
		relay_close(r);
}

static void relay_work(struct relay *r)
{
	int64_t now_ms = life_monotonic_ms(), due = INT64_MAX;

	if (r->state == RELAY_CLOSING)
		return;
	for (uint32_t p = 0; p < r->tags.partitions; p++) {
		struct committer *c = &r->committers[p];

		if (committer_due(c) <= now_ms)
			committer_tick(c, now_ms);
		due = committer_due(c) < due ? committer_due(c) : due;
	}
	server_weigh(&r->server, (int64_t)tally_get(&r->counters.held_bytes),
		     r->config->buffer_max);
	if (r->state == RELAY_RUNNING) {
		int64_t compaction_ms = compaction_tick(&r->compaction, now_ms);

		due = due < compaction_ms ? due : compaction_ms;
	} else {
		relay_drain_on(r, now_ms);
		if (r->state == RELAY_CLOSING)
			return;
		due = due < r->drain_end_ms ? due : r->drain_end_ms;
	}
	if (due == INT64_MAX)
		uv_timer_stop(&r->due);
	else
		uv_timer_start(&r->due, relay_on_due, due > now_ms ? (uint64_t)(due - now_ms) : 0,
			       0);
}

/* Our share of Redis asks for another interval. */
static void relay_set_interval(struct relay *r)
{
	int64_t interval_ms = pace_interval_ms(&r->pace);

	for (uint32_t p = 0; p < r->tags.partitions; p++)
		committer_set_interval(&r->committers[p], interval_ms);
	log_info("pace", "commit_ms=%lld store_share=%llu", (long long)interval_ms,
		 (unsigned long long)tally_get(&r->counters.store_share));
	relay_publish(r);
}

static void relay_on_check(uv_check_t *check)
{
	relay_work(check->data);
}

static void relay_on_tick(uv_timer_t *timer)
{
	struct relay *r = timer->data;
	int64_t now_ms = life_monotonic_ms();

	store_tick(&r->store, now_ms);
	r->hub.stable = store_fit(&r->store);
	relay_raise_grace(r);
	if (store_ready(&r->store))
		room_watch_tick(&r->room, now_ms);
	if (store_ready(&r->store) && r->state == RELAY_RUNNING)
		membership_tick(&r->membership);
	server_tick(&r->server, now_ms);
	if (pace_tick(&r->pace, (uint64_t)life_monotonic_us()))
		relay_set_interval(r);
	if (now_ms < r->evict_at_ms)
		return;
	r->evict_at_ms = now_ms + RELAY_EVICT_MS;
	for (uint32_t p = 0; p < r->tags.partitions; p++)
		committer_evict(&r->committers[p], now_ms,
				(size_t)(r->config->image_max / r->tags.partitions));
}

/* ---- the life ---- */

static void relay_stop(struct relay *r)
{
	if (r->state != RELAY_RUNNING)
		return;
	r->state = RELAY_PARTING;
	r->drain_end_ms = life_monotonic_ms() + RELAY_PART_MS;
	life_stopping(&r->life);
	server_stop_accepting(&r->server);
	server_each(&r->server, session_leave);
	uv_timer_start(&r->due, relay_on_due, 0, 0);
}

static void relay_on_drain(void *arg)
{
	struct relay *r = arg;

	log_info("draining", "held_bytes=%llu",
		 (unsigned long long)tally_get(&r->counters.held_bytes));
	relay_stop(r);
}

static void relay_on_reload(void *arg)
{
	struct relay *r = arg;

	if (conf_reload(config_spec(), r->argc, r->argv, r->config) < 0)
		return;
	log_set_level(config_log_level(r->config));
	if (windows_set(&r->windows, r->config->windows, (size_t)r->config->max_windows) < 0)
		log_error("reload_failed", "key=windows err=ENOMEM hint=\"reload again\"");
	else
		log_info("reloaded", "");
}

static const char *relay_unready(void *arg)
{
	const struct relay *r = arg;

	if (r->state != RELAY_RUNNING)
		return "the relay is stopping\n";
	return store_ready(&r->store) ? NULL : store_problem(&r->store);
}

static void relay_init_committers(struct relay *r)
{
	for (uint32_t p = 0; p < r->tags.partitions; p++) {
		const struct committer_options o = {
			.cfg = r->hub.cfg, .tag = r->tags.tag[p],
			.partitions = r->tags.partitions, .partition = p,
			.commit_ms = r->config->commit_ms,
			.retention_hours = r->config->retention_hours,
			.unix_offset_ms = &r->membership.unix_offset_ms,
			.counters = &r->counters, .windows = &r->windows,
			.effects = &effects_of_committers, .arg = &r->effects,
		};

		committer_init(&r->committers[p], &o);
	}
}

static struct relay *relay_new(struct config *config, int argc, char **argv)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->config = config;
	r->argc = argc;
	r->argv = argv;
	rkey_tags_init(&r->tags, (uint32_t)config->partitions);
	r->committers = calloc(r->tags.partitions, sizeof(*r->committers));
	if (r->committers == NULL || windows_init(&r->windows, config->windows,
						  (size_t)config->max_windows, &r->counters) < 0) {
		free(r->committers);
		free(r);
		return NULL;
	}
	r->hub = (struct session_hub){
		.committers = r->committers,
		.partitions = r->tags.partitions,
		.cfg = hash_cfg(r->tags.partitions),
		.name = config_name(config),
		.unix_offset_ms = &r->membership.unix_offset_ms,
		.secret = secret_view(&config->secret),
		.counters = &r->counters,
		.effects = &effects_of_sessions,
		.arg = &r->effects,
	};
	r->effects = (struct effects){ &r->tags, r->committers, &r->store, &r->membership,
					&r->journal, &r->pace };
	pace_init(&r->pace, config->commit_ms, (unsigned)config->store_share, &r->counters,
		  (uint64_t)life_monotonic_us());
	r->admin = (struct admin_source){ &r->counters, relay_unready, r };
	return r;
}

/* Opens the doors; says which failed. */
static int relay_listen(struct relay *r)
{
	const struct config *c = r->config;
	const char *what = c->listen;
	int rc = server_start(&r->server, &r->loop, c->listen, (size_t)c->max_connections,
			      &r->hub);

	if (rc == 0 && *c->admin != '\0') {
		what = c->admin;
		rc = admin_listen(&r->loop, c->admin, &r->admin, &r->http);
	}
	if (rc < 0) {
		advice_listen(what, rc);
		return rc;
	}
	config_advertise(c, server_address(&r->server), r->advertise);
	/* Ready means that agents may connect: a Redis that is away at boot is waited for, which
	 * systemd must not take for a start that hangs. /readyz says whether it is there. */
	life_ready(&r->life);
	life_status(&r->life, "waiting for Redis");
	log_info("listening", "listen=%s admin=%s advertise=%s", server_address(&r->server),
		 r->http ? http_address(r->http) : "none", r->advertise);
	return 0;
}

static int relay_start_handles(struct relay *r)
{
	static const struct life_events events = { .drain = relay_on_drain,
						   .reload = relay_on_reload };
	int rc = uv_check_init(&r->loop, &r->check);

	if (rc == 0)
		rc = uv_timer_init(&r->loop, &r->due);
	if (rc == 0)
		rc = uv_timer_init(&r->loop, &r->tick);
	r->check.data = r->due.data = r->tick.data = r;
	if (rc == 0)
		rc = life_init(&r->life, &r->loop, &events, r);
	return rc;
}

static int relay_open(struct relay *r)
{
	const struct store_options store = {
		.url = r->config->redis, .cfg = r->hub.cfg, .tags = &r->tags,
		.retention_hours = r->config->retention_hours,
		.auto_init = r->config->auto_init,
		.counters = &r->counters, .events = &relay_store_events, .arg = r,
	};
	int rc = relay_listen(r);

	if (rc == 0)
		rc = store_open(&r->store, &r->loop, &store);
	if (rc < 0)
		return rc;
	relay_raise_grace(r);
	room_watch_init(&r->room, store_redis(&r->store), &r->counters, &r->server);
	membership_init(&r->membership, store_redis(&r->store), &r->counters, relay_on_relays, r);
	membership_identity(&r->membership, r->advertise, r->hub.name, r->config->retention_hours);
	rc = uv_check_start(&r->check, relay_on_check);
	if (rc == 0)
		rc = uv_timer_start(&r->tick, relay_on_tick, RELAY_TICK_MS, RELAY_TICK_MS);
	return rc;
}

int relay_run(struct config *config, int argc, char **argv)
{
	struct relay *r;
	int status;

	log_set_level(config_log_level(config));
	if (config_read_secret(config) < 0) {
		log_error("secret_unreadable", "key=%s", "fleet_secret");
		return 1;
	}
	r = relay_new(config, argc, argv);
	if (r == NULL || uv_loop_init(&r->loop) < 0 || relay_start_handles(r) < 0)
		return 1;
	relay_init_committers(r);
	compaction_init(&r->compaction,
			&(struct compaction_options){ r->config, &r->tags, &r->store,
						      &r->membership, r->committers,
						      &r->counters });
	if (relay_open(r) < 0) {
		r->status = 1;
		relay_close(r);
	}
	uv_run(&r->loop, UV_RUN_DEFAULT);
	for (uint32_t p = 0; p < r->tags.partitions; p++)
		committer_release(&r->committers[p]);
	compaction_release(&r->compaction);
	windows_release(&r->windows);
	uv_loop_close(&r->loop);
	status = r->status;
	log_info("stopped", "status=%d", status);
	free(r->committers);
	free(r);
	return status;
}
