// SPDX-License-Identifier: Apache-2.0
/*
 * outbox_streams.c - a list of streams, each with a lane a partition; ours is the first.
 *
 * Earlier streams stand behind it in the order in which the spool told of them. One is done when
 * all of it has been dropped; it then waits until no copy of this agent could still send it, and is
 * closed at the relays lane by lane, as far as they can be told.
 */
#include "agent/outbox.h"

#include "agent/outbox_private.h"

#include <errno.h>
#include <stdlib.h>

#define OUTBOX_WAITING_STREAMS 16 /* empty, to be closed */

struct lane *outbox_walk(const struct outbox *o, struct outbox_walk *walk)
{
	if (walk->next == o->options.partitions) {
		walk->stream = walk->stream->next;
		walk->next = 0;
	}
	if (walk->stream == NULL)
		return NULL;
	walk->partition = walk->next++;
	return &walk->stream->lanes[walk->partition];
}

struct outbox_walk outbox_walk_start(const struct outbox *o)
{
	return (struct outbox_walk){ .stream = o->streams };
}

void outbox_free_stream(struct outbox *o, struct outbox_stream *stream)
{
	for (uint32_t p = 0; p < o->options.partitions; p++)
		lane_release(&stream->lanes[p]);
	free(stream);
}

static struct outbox_stream *outbox_new_stream(const struct outbox *o, const struct stream_id *id)
{
	uint32_t partitions = o->options.partitions;
	struct outbox_stream *stream =
		malloc(sizeof(*stream) + partitions * sizeof(struct lane));

	if (stream == NULL)
		return NULL;
	*stream = (struct outbox_stream){ .id = *id };
	for (uint32_t p = 0; p < partitions; p++) {
		lane_init(&stream->lanes[p], id, p);
		stream->lanes[p].peer = OUTBOX_NO_PEER;
	}
	return stream;
}

int outbox_begin_stream(struct outbox *o, const struct stream_id *id)
{
	struct outbox_stream *stream = outbox_new_stream(o, id);

	if (stream == NULL)
		return -ENOMEM;
	stream->next = o->streams;
	o->streams = stream;
	return 0;
}

struct outbox_stream *outbox_stream(const struct outbox *o, const struct stream_id *id)
{
	struct outbox_stream *s = o->streams;

	while (s != NULL && memcmp(s->id.bytes, id->bytes, STREAM_ID_BYTES) != 0)
		s = s->next;
	return s;
}

/* The earlier stream of an id, made if it is not there. NULL without memory. */
static struct outbox_stream *outbox_earlier_stream(struct outbox *o, const struct stream_id *id)
{
	struct outbox_stream *stream = outbox_stream(o, id), *last = o->streams;

	if (stream != NULL)
		return stream;
	while (last->next != NULL)
		last = last->next;
	last->next = outbox_new_stream(o, id);
	return last->next;
}

bool outbox_restore(struct outbox *o, const struct spool_record *record, size_t size,
		    uint64_t spool_id)
{
	struct outbox_stream *stream;

	if (record->partitions != o->options.partitions ||
	    memcmp(record->stream.bytes, o->streams->id.bytes, STREAM_ID_BYTES) == 0)
		return false;
	stream = outbox_earlier_stream(o, &record->stream);
	if (stream == NULL ||
	    !lane_restore(&stream->lanes[record->partition], record, size, spool_id))
		return false;
	if (record->since_ms > stream->since_ms)
		stream->since_ms = record->since_ms;
	o->counts.restored += record->samples;
	return true;
}

void outbox_expire(struct outbox *o, int64_t before_ms)
{
	o->expire_before_ms = before_ms;
}

/* Tells a relay that a lane's state may be forgotten. False when none can be told now. */
static bool outbox_close_lane(struct outbox *o, struct lane *l, const struct stream_id *id,
			      uint32_t partition)
{
	struct frame_stream close = { .id = *id, .partition = partition, .state = l->stored };
	size_t peer = l->peer;

	if (!l->stored.known)
		return true;
	if (peer == OUTBOX_NO_PEER)
		peer = o->effects.choose(o->arg, partition);
	if (peer == OUTBOX_NO_PEER || !o->peers[peer].up ||
	    o->effects.send_close(o->arg, peer, &close, 1) < 0)
		return false;
	l->stored = (struct stream_state){ 0 };
	o->counts.closed++;
	return true;
}

static bool outbox_is_empty(const struct outbox *o, const struct outbox_stream *stream)
{
	for (uint32_t p = 0; p < o->options.partitions; p++)
		if (lane_kept(&stream->lanes[p]) > 0)
			return false;
	return true;
}

/* Whether nothing more is to be done for a stream. Redis is asked to forget it only when no copy of
 * this agent, from a snapshot or a backup, would still send its batches: to a Redis that does not
 * know them they would be news. What is not asked in time is swept there after 30 days. */
static bool outbox_is_done(struct outbox *o, struct outbox_stream *stream, size_t waiting)
{
	if (!outbox_is_empty(o, stream))
		return false;
	if (o->effects.send_close == NULL || stream->cloned || waiting >= OUTBOX_WAITING_STREAMS)
		return true;
	if (stream->since_ms >= o->expire_before_ms)
		return false;
	for (uint32_t p = 0; p < o->options.partitions; p++)
		if (!outbox_close_lane(o, &stream->lanes[p], &stream->id, p))
			return false;
	return true;
}

void outbox_forget_streams(struct outbox *o)
{
	struct outbox_stream **link = &o->streams->next;
	size_t waiting = 0;

	while (*link != NULL) {
		struct outbox_stream *stream = *link;

		if (!outbox_is_done(o, stream, waiting)) {
			waiting += outbox_is_empty(o, stream);
			link = &stream->next;
			continue;
		}
		for (uint32_t p = 0; p < o->options.partitions; p++)
			outbox_detach(o, &stream->lanes[p]);
		*link = stream->next;
		outbox_free_stream(o, stream);
	}
}

int64_t outbox_watermark(const struct outbox *o)
{
	struct outbox_walk walk = outbox_walk_start(o);
	int64_t watermark = o->sealed_until_ms;
	struct lane *l;

	while ((l = outbox_walk(o, &walk)) != NULL)
		if (lane_since(l) < watermark)
			watermark = lane_since(l);
	return watermark;
}

bool outbox_done(const struct outbox *o)
{
	struct outbox_walk walk = outbox_walk_start(o);
	struct lane *l;

	while ((l = outbox_walk(o, &walk)) != NULL)
		if (lane_since(l) != INT64_MAX)
			return false;
	return true;
}

uint64_t outbox_undelivered(const struct outbox *o)
{
	struct outbox_walk walk = outbox_walk_start(o);
	uint64_t samples = 0;
	struct lane *l;

	while ((l = outbox_walk(o, &walk)) != NULL)
		samples += lane_undelivered(l);
	return samples;
}
