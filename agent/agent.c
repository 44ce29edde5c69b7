// SPDX-License-Identifier: Apache-2.0
/*
 * agent.c - whatever has happened, agent_work does what is due and sets the one timer.
 *
 *     RUNNING --drain: inputs end, all is sealed--> DRAINING --delivered, or drain_ms--> ENDED
 *
 * A seal takes every intake's table at one go, then works on them at leisure: gauges whose second
 * is not over go back into the open tables, the report goes into the first, each becomes batches.
 * What POSTs brought comes last, under a mark by which a start knows that it was cut short.
 */
#include "agent/agent.h"

#include "agent/agent_private.h"
#include "agent/rest.h"
#include "agent/skew.h"
#include "proto/err.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define AGENT_WATERMARK_MS 1000
/* Room that a report may take in the spool: some forty batches of one counter. */
#define AGENT_REPORT_BYTES (16 * 1024)

/* ---- sealing ---- */

static int agent_emit(void *arg, uint32_t partition, const struct batch_writer *w,
		      uint64_t samples)
{
	struct agent *a = arg;

	return delivery_append(a->delivery, partition, w, samples, a->since_ms);
}

static bool agent_hold(void *arg, const struct table_group *group)
{
	return intake_hold(arg, group);
}

/* Whether to seal now. Not before P is known; not into a full spool, but the last seal must
 * go somewhere, and memory is all there is. */
static bool agent_may_seal(struct agent *a, bool last)
{
	struct intake_level level;
	uint64_t suppressed;

	if (delivery_partitions(a->delivery) == 0)
		return false;
	level = accounts_level(&a->accounts);
	if (last || level.samples == 0 || delivery_has_room(a->delivery, level.bytes))
		return true;
	tally_add(&a->ledger.seals_postponed, 1);
	if (log_allowed(&a->postponed, life_monotonic_ms(), &suppressed))
		log_warn("spool_full", "open_samples=%" PRIu64 " suppressed=%" PRIu64
			 " hint=\"bring relays back, or raise spool_max: what table_max does not "
			 "hold is refused\"", level.samples, suppressed);
	return false;
}

/* Whether a seal may be left out. */
static bool agent_may_rest(struct agent *a, int64_t now_ms)
{
	int64_t rest_ms = rest_after_seal_ms(delivery_quarters(a->delivery), a->seal_ms,
					     accounts_level(&a->accounts).bytes);

	return now_ms - a->sealed_ms < rest_ms;
}

/* What a POST brought is not held: its answer would have to wait. */
static bool agent_hold_nothing(void *arg, const struct table_group *group)
{
	(void)arg;
	(void)group;
	return false;
}

/* Turns one table that was taken away into batches. */
static struct seal_counts agent_seal_table(struct agent *a, struct intake *in, struct table *table)
{
	struct seal_counts counts = seal_run(&a->seal, table, delivery_partitions(a->delivery),
					     agent_emit, a);

	accounts_sealed(&a->accounts, table, &counts);
	delivery_lost(a->delivery, counts.lost);
	intake_done(in);
	return counts;
}

/* The same for what POSTs brought, which is asked for after a kill. Returns what was lost. */
static uint64_t agent_seal_posts(struct agent *a, struct table *table)
{
	struct stream_id stream;
	uint64_t sealed = delivery_sealed(a->delivery, &stream), lost;

	posts_sealing(&a->inputs.posts, &stream, sealed, table->samples,
		      config_spool_always(a->config));
	/* A body counts all or not at all, also when we are killed here. */
	delivery_mark_unfinished(a->delivery, true);
	lost = agent_seal_table(a, inputs_posts_intake(&a->inputs), table).lost;
	delivery_mark_unfinished(a->delivery, false);
	return lost;
}

void agent_seal(struct agent *a, bool last)
{
	struct table *tables[INPUTS_INTAKES];
	size_t bytes = AGENT_REPORT_BYTES, posts = a->inputs.intake_count - 1;
	uint64_t held = 0, samples = 0, lost;
	int64_t now_ms;

	receive_count_drops(a->inputs.receiver);
	if (!agent_may_seal(a, last))
		return;
	delivery_count(a->delivery);
	accounts_swap(&a->accounts, tables, &now_ms);
	commands_interval(a->commands, tables, a->inputs.intake_count);
	for (size_t i = 0; i < a->inputs.intake_count; i++) {
		held += gauges_settle(&a->gauges, tables[i], last ? INT64_MAX : now_ms / 1000,
				      i == posts ? agent_hold_nothing : agent_hold,
				      &a->inputs.intakes[i]);
		samples += tables[i]->samples;
		bytes += table_bytes(tables[i]);
	}
	if (a->config->ledger && (last || delivery_has_room(a->delivery, bytes)))
		accounts_report(&a->accounts, samples);
	for (size_t i = 0; i < posts; i++)
		agent_seal_table(a, &a->inputs.intakes[i], tables[i]);
	lost = agent_seal_posts(a, tables[posts]);
	accounts_end_seal(&a->accounts);
	receive_drops_reported(a->inputs.receiver);
	a->sealed_ms = life_monotonic_ms();
	a->since_ms = skew_sealed_until(a->since_ms, now_ms, held > 0);
	delivery_sealed_until(a->delivery, a->since_ms);
	posts_sealed(&a->inputs.posts, lost, agent_is_durable(a));
}

/* ---- draining ---- */

static void agent_on_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void agent_end(struct agent *a)
{
	uint64_t undelivered = delivery_undelivered(a->delivery);
	uint64_t unsealed = accounts_level(&a->accounts).samples;

	delivery_publish(a->delivery, delivery_done(a->delivery) && unsealed == 0);
	delivery_lost(a->delivery, unsealed);
	if (unsealed > 0 || (undelivered > 0 && !delivery_durable(a->delivery)))
		log_warn("stopped",
			 "undelivered_samples=%" PRIu64 " unsealed_samples=%" PRIu64
			 " hint=\"what is not in a spool on disk is lost\"",
			 undelivered, unsealed);
	else
		log_info("stopped", "undelivered_samples=%" PRIu64 " unsealed_samples=0",
			 undelivered);
	a->phase = AGENT_ENDED;
	posts_abandon(&a->inputs.posts);
	commands_close(a->commands);
	a->commands = NULL;
	delivery_close(a->delivery, true);
	a->delivery = NULL;
	if (a->admin != NULL)
		http_close(a->admin, NULL, NULL);
	a->admin = NULL;
	uv_close((uv_handle_t *)&a->timer, agent_on_closed);
	life_close(&a->life);
}

/* Whether draining has come to its end, delivered or not. */
static bool agent_drained(struct agent *a, int64_t now_ms)
{
	if (accounts_level(&a->accounts).samples > 0)
		agent_seal(a, true); /* P may have become known only now */
	if (now_ms >= a->drain_until_ms)
		return true;
	/* Nobody takes it now, and the next start will find it. */
	if (delivery_durable(a->delivery) && !delivery_ready(a->delivery))
		return accounts_level(&a->accounts).samples == 0;
	return accounts_level(&a->accounts).samples == 0 && delivery_done(a->delivery);
}

static void agent_on_drain(void *arg)
{
	struct agent *a = arg;

	log_info("draining", "drain_ms=%" PRId64, a->config->drain_ms);
	life_stopping(&a->life);
	inputs_stop(&a->inputs);
	a->phase = AGENT_DRAINING;
	a->drain_until_ms = life_monotonic_ms() + a->config->drain_ms;
	agent_seal(a, true);
	agent_work(a);
}

/* ---- what a reload may change ---- */

static void agent_reload_input(struct agent *a)
{
	struct reading *reading = reading_new(a->config), *before = a->reading;

	if (reading == NULL) {
		log_error("no_memory", "for=add_tags");
		return;
	}
	inputs_change(&a->inputs, a->config, reading);
	a->reading = reading;
	reading_free(before);
}

static void agent_on_reload(void *arg)
{
	struct agent *a = arg;

	if (a->phase != AGENT_RUNNING ||
	    conf_reload(config_spec(), a->argc, a->argv, a->config) < 0)
		return;
	log_set_level(config_log_level(a->config));
	agent_reload_input(a);
	delivery_reload(a->delivery);
	log_info("reloaded", "");
	agent_work(a);
}

/* ---- the loop ---- */

static void agent_on_timer(uv_timer_t *timer)
{
	struct agent *a = timer->data;

	if (a->phase != AGENT_ENDED)
		delivery_judge(a->delivery, life_monotonic_ms());
	agent_work(a);
}

static int64_t agent_least(int64_t x, int64_t y)
{
	return x < y ? x : y;
}

/* Sets the timer to what is due next. */
static void agent_arm(struct agent *a, int64_t now_ms)
{
	int64_t next_ms = agent_least(delivery_next_ms(a->delivery), a->next_watermark_ms);

	if (a->phase == AGENT_RUNNING)
		next_ms = agent_least(next_ms, a->next_seal_ms);
	else
		next_ms = agent_least(next_ms, a->drain_until_ms);
	uv_update_time(&a->loop);
	uv_timer_start(&a->timer, agent_on_timer,
		       next_ms > now_ms ? (uint64_t)(next_ms - now_ms) : 0, 0);
}

void agent_work(struct agent *a)
{
	int64_t now_ms = life_monotonic_ms();

	if (a->phase == AGENT_ENDED)
		return;
	if (a->phase == AGENT_RUNNING && now_ms >= a->next_seal_ms) {
		/* Late by more than an interval (a stopped process): begin a new beat. */
		a->next_seal_ms += a->seal_ms;
		if (a->next_seal_ms <= now_ms)
			a->next_seal_ms = now_ms + a->seal_ms;
		if (posts_is_waiting(&a->inputs.posts) || commands_is_waiting(a->commands) ||
		    !agent_may_rest(a, now_ms))
			agent_seal(a, false);
	}
	delivery_run(a->delivery, now_ms);
	/* A little early, so as to fall in step with a seal. */
	if (now_ms >= a->next_watermark_ms - AGENT_WATERMARK_MS / 4) {
		a->next_watermark_ms = now_ms + AGENT_WATERMARK_MS;
		delivery_publish(a->delivery, false);
	}
	if (a->phase == AGENT_DRAINING && agent_drained(a, now_ms)) {
		agent_end(a);
		return;
	}
	agent_arm(a, now_ms);
}

static void agent_on_floor(void *arg, int64_t floor_second)
{
	struct agent *a = arg;

	inputs_set_floor(&a->inputs, floor_second);
}

static void agent_on_pace(void *arg, int64_t seal_ms)
{
	struct agent *a = arg;

	a->seal_ms = seal_ms > a->config->seal_ms ? seal_ms : a->config->seal_ms;
}

static void agent_on_full(void *arg, bool full)
{
	struct agent *a = arg;

	inputs_set_full(&a->inputs, full);
}

static void agent_on_settled(void *arg)
{
	agent_work(arg);
}

static const struct delivery_events agent_delivery_events = {
	.floor = agent_on_floor,
	.pace = agent_on_pace,
	.full = agent_on_full,
	.settled = agent_on_settled,
};

static const struct life_events agent_life_events = {
	.drain = agent_on_drain,
	.reload = agent_on_reload,
};

/* ---- life ---- */

static int agent_open_inputs(struct agent *a)
{
	char id[IDENTITY_TEXT_SIZE];
	int status = identity_open(&a->identity, config_state_dir(a->config));

	a->reading = reading_new(a->config);
	if (status == 0 && a->reading == NULL)
		status = -ENOMEM;
	if (status == 0)
		status = accounts_init(&a->accounts, &a->ledger,
				       identity_text(&a->identity, id));
	if (status == 0)
		status = inputs_open(&a->inputs, a->config, a->reading, &a->ledger);
	accounts_set_intakes(&a->accounts, a->inputs.intakes, a->inputs.intake_count);
	return status < 0 ? status : seal_init(&a->seal);
}

static int agent_open(struct agent *a)
{
	char addresses[LISTEN_TEXT_SIZE] = "";
	int status = agent_open_inputs(a);

	if (status == 0)
		status = agent_open_admin(a);
	if (status == 0)
		status = delivery_new(&a->loop, a->config, &a->identity, &a->ledger,
				      &agent_delivery_events, a, &a->delivery);
	if (status == 0)
		status = agent_open_posts(a);
	if (status == 0)
		status = life_init(&a->life, &a->loop, &agent_life_events, a);
	if (status < 0)
		return status;
	inputs_set_taken(&a->inputs, delivery_taken(a->delivery));
	status = inputs_start(&a->inputs);
	if (status < 0)
		return status;
	a->since_ms = life_wall_ms();
	a->seal_ms = a->config->seal_ms;
	inputs_addresses(&a->inputs, addresses);
	log_info("listening", "listen=%s admin=%s", addresses,
		 a->admin ? http_address(a->admin) : "none");
	return 0;
}

static void agent_close(struct agent *a)
{
	inputs_close(&a->inputs);
	delivery_close(a->delivery, false);
	seal_release(&a->seal);
	gauges_release(&a->gauges);
	accounts_release(&a->accounts);
	reading_free(a->reading);
	posted_close(a->posted);
	identity_close(&a->identity);
}

int agent_run(struct config *config, int argc, char **argv)
{
	struct agent *a = calloc(1, sizeof(*a));
	int status;

	if (a == NULL)
		return 1;
	a->config = config;
	a->argc = argc;
	a->argv = argv;
	a->identity.lock = -1;
	gauges_init(&a->gauges);
	log_set_level(config_log_level(config));
	if (config_read_secrets(config) < 0) {
		log_error("secret_unreadable", "%s", "key=\"fleet_secret or admin_secret\"");
		return 1;
	}
	if (uv_loop_init(&a->loop) < 0)
		return 1;
	uv_timer_init(&a->loop, &a->timer);
	a->timer.data = a;
	status = agent_open(a);
	if (status < 0) {
		/* The process ends now: open handles need no farewell. */
		log_error("start_failed", "err=%s", err_name(status));
		agent_close(a);
		return 1;
	}
	a->next_seal_ms = life_monotonic_ms() + a->seal_ms;
	agent_work(a);
	life_ready(&a->life);
	log_info("ready", "version=%s", conf_version());
	uv_run(&a->loop, UV_RUN_DEFAULT);
	agent_close(a);
	inputs_release(&a->inputs);
	uv_loop_close(&a->loop);
	free(a);
	return 0;
}
