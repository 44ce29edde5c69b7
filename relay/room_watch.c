// SPDX-License-Identifier: Apache-2.0
#include "relay/room_watch.h"

#include "proto/daemon/log.h"

void room_watch_init(struct room_watch *w, struct redis *redis, struct relay_counters *counters,
		     struct server *server)
{
	*w = (struct room_watch){ .redis = redis, .counters = counters, .server = server };
}

static void room_watch_end(struct room_watch *w)
{
	bool changed = room_end(&w->room);

	tally_set(&w->counters->store_memory_percent, w->room.percent);
	tally_set(&w->counters->store_full, w->room.full);
	if (!changed)
		return;
	if (w->room.full)
		log_warn("store_full",
			 "endpoint=%s memory_percent=%u effect=\"agents begin no new series; known "
			 "ones are committed\" hint=\"raise maxmemory or keep less\"",
			 redis_endpoint(w->redis), w->room.percent);
	else
		log_info("store_has_room", "endpoint=%s memory_percent=%u",
			 redis_endpoint(w->redis), w->room.percent);
	w->server->hub->full = w->room.full;
	server_each(w->server, session_tell_store);
}

static void room_watch_on_info(void *arg, int status, const redisReply *reply)
{
	struct room_watch *w = arg;
	bool good = status == 0 && reply->type == REDIS_REPLY_STRING;

	room_note(&w->room, good ? slice_of(reply->str, reply->len) : slice_text(""));
	if (--w->waiting == 0)
		room_watch_end(w);
}

void room_watch_tick(struct room_watch *w, int64_t now_ms)
{
	const struct slice argv[] = { slice_text("INFO"), slice_text("memory") };

	if (w->waiting > 0 || now_ms < w->next_ms)
		return;
	w->next_ms = now_ms + ROOM_WATCH_MS;
	room_begin(&w->room);
	w->waiting = redis_command_all(w->redis, 2, argv, room_watch_on_info, w);
}
