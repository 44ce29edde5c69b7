// SPDX-License-Identifier: Apache-2.0
#include "agent/delivery.h"

#include "agent/delivery_private.h"
#include "proto/daemon/log.h"
#include "proto/hash.h"

#include <assert.h>
#include <inttypes.h>

static_assert(ROUTE_SLOTS == OUTBOX_PEERS && ROUTE_NONE == OUTBOX_NO_PEER &&
	      ROUTE_SLOTS == LIVE_SLOTS, "a slot of the route is a peer of the outbox");

/* ---- the outbox's effects ---- */

static int delivery_send_streams(struct delivery *d, size_t peer, enum frame_type type,
				 struct frame_streams streams)
{
	struct frame f = { .type = type, .streams = streams };

	return peer_send(d->peers[peer], &f);
}

static int delivery_send_open(void *arg, size_t peer, struct frame_stream *list, size_t count)
{
	return delivery_send_streams(arg, peer, FRAME_OPEN,
				     (struct frame_streams){ .list = list, .count = count });
}

static int delivery_send_confirm(void *arg, size_t peer, uint64_t token,
				 struct frame_stream *list, size_t count)
{
	return delivery_send_streams(
		arg, peer, FRAME_CONFIRM,
		(struct frame_streams){ .token = token, .list = list, .count = count });
}

static int delivery_send_batch(void *arg, size_t peer, const struct frame_batch *batch)
{
	struct delivery *d = arg;
	struct frame f = { .type = FRAME_BATCH, .batch = *batch };

	return peer_send(d->peers[peer], &f);
}

static int delivery_send_close(void *arg, size_t peer, struct frame_stream *list, size_t count)
{
	return delivery_send_streams(arg, peer, FRAME_CLOSE,
				     (struct frame_streams){ .list = list, .count = count });
}

static size_t delivery_choose(void *arg, uint32_t partition)
{
	struct delivery *d = arg;

	return route_choose(&d->route, partition, delivery_is_ready, d);
}

static void delivery_foreign(void *arg, const struct stream_id *id, uint32_t partition)
{
	struct delivery *d = arg;
	struct stream_id stream;

	(void)id;
	identity_renew(d->identity);
	stream = identity_stream(d->identity);
	counters_set_stream(keeper_counters(d->keeper), &stream);
	log_error("foreign_chain", "partition=%u hint=\"a copy of this agent has run; what it "
		  "had not delivered here is counted as lost\"", partition);
	if (outbox_begin_stream(&d->outbox, &stream) < 0)
		log_error("no_memory", "for=stream");
}

static const struct outbox_effects delivery_effects = {
	.send_open = delivery_send_open,
	.send_batch = delivery_send_batch,
	.send_confirm = delivery_send_confirm,
	.send_close = delivery_send_close,
	.choose = delivery_choose,
	.foreign = delivery_foreign,
};

/* ---- the fleet ---- */

int delivery_join(struct delivery *d, struct spool *spool, uint32_t partitions)
{
	struct outbox_options options = { .partitions = partitions,
					  .confirm_ms = d->config->confirm_ms };
	struct stream_id stream = identity_stream(d->identity);
	int status;

	if (d->outbox.streams == NULL) {
		status = outbox_init(&d->outbox, &options, &delivery_effects, d, spool, &stream);
		if (status < 0)
			return status;
	}
	status = route_set_partitions(&d->route, partitions);
	if (status < 0) {
		outbox_release(&d->outbox);
		return status;
	}
	d->partitions = partitions;
	if (d->keeper != NULL)
		tally_set(&keeper_counters(d->keeper)->page->partitions, partitions);
	log_info("fleet", "partitions=%u cfg=%" PRIu64, partitions, hash_cfg(partitions));
	return 0;
}

bool delivery_is_loose(const struct delivery *d)
{
	return d->remembered && spool_records(keeper_spool(d->keeper)) == 0;
}

void delivery_leave(struct delivery *d)
{
	outbox_release(&d->outbox);
	d->partitions = 0;
	d->remembered = false;
}

bool delivery_restore(void *arg, struct spool *spool, const struct spool_record *record,
		      size_t size, uint64_t spool_id)
{
	struct delivery *d = arg;

	if (d->partitions == 0 && delivery_join(d, spool, record->partitions) < 0)
		return false;
	return outbox_restore(&d->outbox, record, size, spool_id);
}
