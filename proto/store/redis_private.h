/*
 * redis_private.h - what redis.c shares with its kinds.
 *
 * redis.c keeps what all have in common and a table of what differs: `struct redis_ops`, one for
 * a single server (redis.c), for one behind sentinels (redis_sentinel.c) and for a Cluster
 * (redis_cluster.c). A kind owns its links and keeps its own struct in `shell`.
 */
#ifndef PROTO_STORE_REDIS_PRIVATE_H
#define PROTO_STORE_REDIS_PRIVATE_H

#include "proto/store/redis_link.h"

struct redis_ops {
	/* Starts. 0, -ENOMEM (nothing is left). */
	int (*open)(struct redis *r);
	/* The link for a slot if it is up, else NULL. */
	struct redis_link *(*link)(struct redis *r, uint16_t slot);
	/* A master's link that is up, from *cursor (0 at first) on; NULL after the last. */
	struct redis_link *(*next)(struct redis *r, size_t *cursor);
	/* As redis_command; NULL: redis_link_command on the link. */
	int (*command)(struct redis *r, uint16_t slot, struct slice resp, redis_reply_fn reply,
		       void *arg);
	/* As redis_trouble; NULL: r->trouble. */
	const char *(*trouble)(const struct redis *r);
	/* As redis_view; NULL: always the same. */
	struct redis_view (*view)(struct redis *r);
	/* Closes all; the last thing it does, later, is redis_closed. */
	void (*close)(struct redis *r);
};

struct redis {
	uv_loop_t *loop;
	const char *text; /* the URL, while it is opened */
	struct redis_url url;
	struct redis_options o; /* without zeros */
	struct redis_events events;
	void *arg;
	const struct redis_ops *ops;
	void *shell;
	bool up;
	bool closing;
	int64_t detection_ms;
	char version[REDIS_INFO_TEXT_SIZE];
	char trouble[REDIS_TROUBLE_SIZE];
	struct buf scratch; /* one command being formatted */
	void (*done)(void *arg);
	void *done_arg;
};

extern const struct redis_ops redis_sentinel_ops;
extern const struct redis_ops redis_cluster_ops;
extern const struct redis_ops redis_reader_ops;

/* The options of a link of this redis to a server of a mode. */
struct redis_link_options redis_link_options(struct redis *r, const char *mode);

/* Keeps that it is up, and tells it, unless it is known. */
void redis_tell_up(struct redis *r, const struct redis_info *info);

/* The same of down. */
void redis_tell_down(struct redis *r, int reason);

/* The kind has closed all it had: frees r. */
void redis_closed(struct redis *r);

#endif
