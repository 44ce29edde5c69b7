// SPDX-License-Identifier: Apache-2.0
#include "agent/delivery.h"

#include "agent/delivery_private.h"
#include "proto/daemon/life.h"
#include "proto/daemon/log.h"
#include "proto/err.h"
#include "proto/hour.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

bool delivery_is_ready(void *arg, size_t slot)
{
	const struct delivery *d = arg;

	return d->peers[slot] != NULL && peer_state(d->peers[slot]) == PEER_READY;
}

/* ---- what peers tell ---- */

static void delivery_hello(void *arg, struct frame_hello *hello, struct slice *secret)
{
	struct delivery *d = arg;

	hello->cfg = d->partitions && !delivery_is_loose(d) ? hash_cfg(d->partitions) : 0;
	memcpy(hello->agent_id, d->identity->agent_id, FRAME_AGENT_BYTES);
	hello->incarnation = d->identity->incarnation;
	hello->capabilities = FRAME_KNOWS_STORE;
	hello->host = slice_text(d->host);
	*secret = secret_view(&d->config->secret);
	tally_add(&d->ledger->relay_connects, 1);
}

static int delivery_welcome(void *arg, size_t slot, const struct frame_welcome *welcome)
{
	struct delivery *d = arg;
	int64_t grace_ms = d->config->grace_ms;
	int status = 0;

	(void)slot;
	if (welcome->partitions != d->partitions && delivery_is_loose(d))
		delivery_leave(d);
	if (welcome->partitions == 0 || welcome->partitions > LIMIT_PARTITIONS ||
	    welcome->cfg != hash_cfg(welcome->partitions) ||
	    (d->partitions != 0 && welcome->partitions != d->partitions)) {
		tally_add(&d->ledger->relays_foreign, 1);
		return ERR_FOREIGN_CONFIG;
	}
	if (d->partitions == 0)
		status = delivery_join(d, keeper_spool(d->keeper), welcome->partitions);
	if (status < 0)
		return status;
	d->remembered = false;
	/* Relays of one store say the same; should they not, the longer one is safe. */
	if (grace_ms == 0)
		grace_ms = welcome->grace_ms < INT32_MAX ? (int64_t)welcome->grace_ms : INT32_MAX;
	if (grace_ms > d->grace_ms)
		d->grace_ms = grace_ms;
	outbox_set_grace(&d->outbox, d->grace_ms);
	return 0;
}

static void delivery_up(void *arg, size_t slot, uint64_t session)
{
	struct delivery *d = arg;

	outbox_peer_up(&d->outbox, slot, session);
	delivery_publish(d, false);
}

static void delivery_clock(void *arg, size_t slot, int64_t clock_ms, int64_t round_trip_ms)
{
	struct delivery *d = arg;
	bool warn = skew_note(&d->skew, clock_ms, round_trip_ms, life_monotonic_ms(),
			      life_wall_ms());

	tally_set(&d->ledger->clock_skew_ms, (uint64_t)llabs(d->skew.skew_ms));
	if (warn)
		log_warn("clock_skew", "peer=%s relay_ahead_ms=%" PRId64 " hint=\"set the clocks by "
			 "NTP\"", peer_name(d->peers[slot]), d->skew.skew_ms);
}

static void delivery_leaving(void *arg, size_t slot)
{
	struct delivery *d = arg;

	outbox_peer_leaving(&d->outbox, slot);
}

static void delivery_note_store(struct delivery *d, size_t slot, bool says)
{
	bool full = live_full(&d->live, slot, says);

	if (full == d->full)
		return;
	d->full = full;
	tally_set(&d->ledger->store_full, full);
	if (full)
		log_warn("store_full",
			 "peer=%s effect=\"new series count under hourglass.overflow\"",
			 peer_name(d->peers[slot]));
	else
		log_info("store_has_room", "effect=\"new series are begun again\"");
	d->events->full(d->arg, full);
}

static void delivery_down(void *arg, size_t slot)
{
	struct delivery *d = arg;

	outbox_peer_down(&d->outbox, slot);
	d->events->pace(d->arg, live_pace(&d->live, slot, 0));
	delivery_note_store(d, slot, false);
}

static void delivery_drained(void *arg, size_t slot)
{
	struct delivery *d = arg;

	if (d->partitions != 0)
		outbox_peer_drained(&d->outbox, slot);
}

static void delivery_note_relays(struct delivery *d, size_t slot, const struct frame_relays *relays)
{
	live_keep(&d->live, relays);
	if (relays->floor_hour > 0 && relays->floor_hour < INT32_MAX)
		d->events->floor(d->arg, relays->floor_hour * HOUR_SECONDS);
	d->events->pace(d->arg, live_pace(&d->live, slot, relays->seal_ms));
}

static void delivery_frame(void *arg, size_t slot, uint64_t session, const struct frame *f)
{
	struct delivery *d = arg;
	int64_t now_ms = life_monotonic_ms();

	switch (f->type) {
	case FRAME_STATE:
		outbox_note_states(&d->outbox, slot, session,
				   f->streams.cause == FRAME_RESET ? LANE_RESET : LANE_OPENED,
				   &f->streams, now_ms);
		break;
	case FRAME_COMMITTED:
		outbox_note_states(&d->outbox, slot, session, LANE_COMMITTED, &f->streams, now_ms);
		break;
	case FRAME_CONFIRMED:
		outbox_note_confirmed(&d->outbox, slot, session, &f->streams, now_ms);
		break;
	case FRAME_RELAYS:
		delivery_note_relays(d, slot, &f->relays);
		break;
	case FRAME_BUSY:
		outbox_peer_busy(&d->outbox, slot, f->busy);
		break;
	case FRAME_STORE:
		delivery_note_store(d, slot, f->full);
		break;
	default:
		assert(false && "peer.c hands on nothing else");
	}
}

static void delivery_settled(void *arg)
{
	const struct delivery *d = arg;

	d->events->settled(d->arg);
}

static const struct peer_events delivery_peer_events = {
	.hello = delivery_hello,
	.welcome = delivery_welcome,
	.up = delivery_up,
	.leaving = delivery_leaving,
	.down = delivery_down,
	.frame = delivery_frame,
	.clock = delivery_clock,
	.drained = delivery_drained,
	.settled = delivery_settled,
};

/* ---- connections ---- */

static void delivery_drop_peer(struct delivery *d, size_t slot, bool flush)
{
	struct peer *p = d->peers[slot];

	d->peers[slot] = NULL;
	if (p != NULL)
		peer_close(p, flush);
}

static void delivery_take_live(struct delivery *d)
{
	if (!live_waits(&d->live))
		return;
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		if (!route_would_keep(&d->route, slot, d->live.names, d->live.count))
			delivery_drop_peer(d, slot, true);
	if (route_set_live(&d->route, d->live.names, d->live.count) < 0)
		log_error("no_memory", "for=relays");
	log_debug("relays", "live=%zu", d->live.count);
	live_forget(&d->live);
}

/* Whether any relay that is not a last resort is ready. */
static bool delivery_has_first(struct delivery *d)
{
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		if (delivery_is_ready(d, slot) && !route_is_last_resort(&d->route, slot))
			return true;
	return false;
}

/* Opens the connections that are wanted and closes those that are not. */
static void delivery_connect(struct delivery *d)
{
	bool has_first = delivery_has_first(d);

	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++) {
		const char *name = route_name(&d->route, slot);
		bool spare = name != NULL && has_first && route_is_last_resort(&d->route, slot);

		if (d->peers[slot] != NULL && spare &&
		    (d->partitions == 0 || outbox_peer_idle(&d->outbox, slot)))
			delivery_drop_peer(d, slot, true);
		if (d->peers[slot] == NULL && name != NULL && !spare &&
		    peer_new(d->loop, name, slot, d->config->peer_timeout_ms,
			     &delivery_peer_events, d, &d->peers[slot]) == -EINVAL)
			log_debug("relay_name", "slot=%zu", slot);
	}
}

static void delivery_tick_peers(struct delivery *d, int64_t now_ms)
{
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++) {
		struct peer *p = d->peers[slot];

		if (p == NULL)
			continue;
		peer_tick(p, now_ms);
		if (d->partitions != 0 && peer_queued(p) == 0)
			outbox_peer_drained(&d->outbox, slot);
	}
}

static void delivery_note_quiet(struct delivery *d, int64_t now_ms)
{
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++) {
		struct peer *p = d->peers[slot];

		if (p == NULL)
			continue;
		peer_set_quiet(p, outbox_peer_idle(&d->outbox, slot), now_ms);
		peer_tick(p, now_ms);
	}
}

void delivery_run(struct delivery *d, int64_t now_ms)
{
	delivery_take_live(d);
	delivery_tick_peers(d, now_ms);
	delivery_connect(d);
	if (d->partitions == 0)
		return;
	if (d->config->spool_age_max > 0)
		outbox_expire(&d->outbox, d->clock_ms + now_ms - d->config->spool_age_max);
	outbox_run(&d->outbox, now_ms);
	/* What has just been sent goes with a ping. */
	delivery_note_quiet(d, now_ms);
}

void delivery_judge(struct delivery *d, int64_t now_ms)
{
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		if (d->peers[slot] != NULL)
			peer_judge(d->peers[slot], now_ms);
}

int64_t delivery_next_ms(const struct delivery *d)
{
	int64_t next_ms = d->partitions ? outbox_next_ms(&d->outbox) : INT64_MAX;

	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		if (d->peers[slot] != NULL && peer_next_ms(d->peers[slot]) < next_ms)
			next_ms = peer_next_ms(d->peers[slot]);
	return next_ms;
}

/* ---- life ---- */

/* Opens the spool. P is what its batches were sealed for, else what the agent before knew. */
static int delivery_open_spool(struct delivery *d)
{
	struct stream_id stream = identity_stream(d->identity);
	int status = keeper_new(d->loop, d->config, d->ledger, &stream, delivery_restore, d,
				&d->keeper);
	uint64_t known;

	if (status < 0)
		return status;
	known = tally_get(&keeper_counters(d->keeper)->page->partitions);
	if (d->partitions == 0 && known > 0 && known <= LIMIT_PARTITIONS) {
		d->remembered = true;
		status = delivery_join(d, keeper_spool(d->keeper), (uint32_t)known);
	}
	return status;
}

int delivery_new(uv_loop_t *loop, const struct config *config, struct identity *identity,
		 struct ledger *ledger, const struct delivery_events *events, void *arg,
		 struct delivery **out)
{
	struct delivery *d = calloc(1, sizeof(*d));
	struct slice relays[CONFIG_RELAYS];
	int status;

	if (d == NULL)
		return -ENOMEM;
	d->loop = loop;
	d->config = config;
	d->identity = identity;
	d->ledger = ledger;
	d->events = events;
	d->arg = arg;
	route_init(&d->route);
	skew_init(&d->skew);
	if (gethostname(d->host, sizeof(d->host) - 1) < 0)
		d->host[0] = '\0';
	d->clock_ms = life_wall_ms() - life_monotonic_ms();
	status = route_set_configured(&d->route, relays, config_relays(config, relays));
	if (status == 0)
		status = delivery_open_spool(d);
	if (status < 0) {
		delivery_close(d, false);
		return status;
	}
	*out = d;
	delivery_connect(d);
	return 0;
}

void delivery_close(struct delivery *d, bool flush)
{
	if (d == NULL)
		return;
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		delivery_drop_peer(d, slot, flush);
	if (d->partitions != 0)
		outbox_release(&d->outbox);
	keeper_close(d->keeper);
	route_release(&d->route);
	live_forget(&d->live);
	free(d);
}

uint32_t delivery_partitions(const struct delivery *d)
{
	return d->partitions;
}

bool delivery_has_room(const struct delivery *d, size_t bytes)
{
	/* Into an empty spool anything goes, or a table that has grown past it could never be
	 * sealed: the spool's bound is then the table's. */
	return spool_records(keeper_spool(d->keeper)) == 0 ||
	       spool_has_room(keeper_spool(d->keeper), bytes);
}

unsigned delivery_quarters(const struct delivery *d)
{
	return spool_quarters(keeper_spool(d->keeper));
}

int delivery_append(struct delivery *d, uint32_t partition, const struct batch_writer *w,
		    uint64_t samples, int64_t since_ms)
{
	int status = outbox_append(&d->outbox, partition, w, samples, since_ms);

	if (status == 0)
		tally_add(&keeper_counters(d->keeper)->page->sealed, samples);
	return status;
}

void delivery_mark_unfinished(struct delivery *d, bool unfinished)
{
	keeper_mark_unfinished(d->keeper, unfinished);
}

uint64_t delivery_before(const struct delivery *d, struct stream_id *stream)
{
	return keeper_before(d->keeper, stream);
}

uint64_t delivery_sealed(struct delivery *d, struct stream_id *stream)
{
	const struct counters_page *page = keeper_counters(d->keeper)->page;

	*stream = page->stream;
	return tally_get(&page->sealed);
}

void delivery_lost(struct delivery *d, uint64_t samples)
{
	tally_add(&keeper_counters(d->keeper)->page->lost, samples);
}

tally_count *delivery_taken(struct delivery *d)
{
	return &keeper_counters(d->keeper)->page->taken;
}

bool delivery_durable(const struct delivery *d)
{
	return keeper_is_durable(d->keeper);
}

void delivery_sealed_until(struct delivery *d, int64_t sealed_until_ms)
{
	keeper_sealed(d->keeper);
	if (d->partitions != 0)
		outbox_sealed_until(&d->outbox, sealed_until_ms);
}

void delivery_publish(struct delivery *d, bool left)
{
	struct frame f = { .type = FRAME_WATERMARK };

	if (d->partitions == 0)
		return;
	f.watermark = (struct frame_watermark){
		.committed_ms = skew_watermark(&d->skew, outbox_watermark(&d->outbox),
					       life_monotonic_ms()),
		.left = left, .host = slice_text(d->host)
	};
	if (f.watermark.committed_ms == 0)
		return; /* nothing was sealed yet: there is nothing to say */
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		if (delivery_is_ready(d, slot) && peer_send(d->peers[slot], &f) == 0)
			break;
	d->watermark_ms = f.watermark.committed_ms;
}

void delivery_reload(struct delivery *d)
{
	struct slice relays[CONFIG_RELAYS];
	size_t count = config_relays(d->config, relays);

	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		if (!route_would_stay(&d->route, slot, relays, count))
			delivery_drop_peer(d, slot, true);
	if (route_set_configured(&d->route, relays, count) < 0)
		log_error("no_memory", "for=relays");
	delivery_run(d, life_monotonic_ms());
}

bool delivery_done(const struct delivery *d)
{
	return d->partitions == 0 || outbox_done(&d->outbox);
}

uint64_t delivery_undelivered(const struct delivery *d)
{
	return d->partitions ? outbox_undelivered(&d->outbox) : 0;
}

bool delivery_ready(const struct delivery *d)
{
	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++)
		if (d->peers[slot] != NULL && peer_state(d->peers[slot]) == PEER_READY)
			return true;
	return false;
}

void delivery_count(struct delivery *d)
{
	struct ledger *l = d->ledger;
	uint64_t known = 0, ready = 0, unproven = 0;

	for (size_t slot = 0; slot < ROUTE_SLOTS; slot++) {
		known += route_name(&d->route, slot) != NULL;
		ready += delivery_is_ready(d, slot);
		unproven += d->peers[slot] && peer_refusal(d->peers[slot]) == ERR_BAD_AUTH;
	}
	tally_set(&l->relays_known, known);
	tally_set(&l->relays_ready, ready);
	tally_set(&l->relays_unproven, unproven);
	keeper_count(d->keeper);
	tally_set(&l->partitions, d->partitions);
	tally_set(&l->watermark_seconds, (uint64_t)(d->watermark_ms / 1000));
	tally_set(&l->samples_undelivered, delivery_undelivered(d));
	ledger_note_outbox(l, &d->outbox.counts);
}
