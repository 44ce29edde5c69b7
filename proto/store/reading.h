/*
 * reading.h - which server is read: a replica in step, else the master, else a replica that was.
 *
 *     replica: connected, its link to its master up, at most stale_max old        first
 *     master, or the server that was named, if that is no replica too old         else
 *     replica: connected, its master lost, at most stale_max old                  else
 *
 * A view is of one server that has not lost anything since the view's generation began: another server,
 * another connection, or a server that began another history is another generation. Who reads
 * several things that must fit together compares the generations before and after.
 *
 * At the start the master is not read for a second, unless it has no replicas: else all would be read
 * twice. Pure: what happened and when goes in; a replica to connect to, and a view, come out. For proto/store
 * alone.
 */
#ifndef PROTO_STORE_READING_H
#define PROTO_STORE_READING_H

#include "proto/store/replica.h"

#define READING_FIRST_WAIT_MS 1000
#define READING_LEAVE_MS      3000 /* a replica that cannot be used, when there are others */

enum reading_source {
	READING_NONE,
	READING_MASTER, /* or the server that was named */
	READING_REPLICA,
	READING_SOURCES,
};

struct reading_view {
	enum reading_source source;
	bool replica;        /* it is one, also if it was named itself */
	uint64_t generation; /* from 1 on */
	int64_t fresh_ms;    /* all that the master held then is there; of a master now */
};

struct reading {
	/* private */
	int64_t stale_max_ms;
	struct replica_watch watch; /* of the replica */
	struct replica_watch named; /* of the server that was named, if it is a replica */
	struct addr known[REPLICA_MAX];
	size_t known_count, next;
	struct addr at; /* the replica */
	bool master_up, master_heard, master_is_replica;
	bool replica_up, replica_heard, replica_linked;
	int64_t named_fresh_ms;
	int64_t master_up_ms, idle_since_ms;
	bool begun;
	uint64_t serial[READING_SOURCES]; /* of connections and histories */
	enum reading_source source;
	uint64_t source_serial, generation;
};

/* Nothing is connected. seed chooses the replica to begin with, so that many readers spread. */
void reading_init(struct reading *r, int64_t stale_max_ms, uint32_t seed);

/* The master's connection came up; its greeting said whether it is a replica. */
void reading_master_up(struct reading *r, int64_t now_ms, bool is_replica);

/* It is lost. May be told twice. */
void reading_master_down(struct reading *r);

/* The master, asked at asked_ms, answered. */
void reading_hear_master(struct reading *r, int64_t asked_ms, const struct replica_info *info);

/* A replica to connect to; false when none is known. */
bool reading_next(struct reading *r, struct addr *out);

/* The replica's connection came up. */
void reading_replica_up(struct reading *r, int64_t now_ms);

/* It is lost. May be told twice. */
void reading_replica_down(struct reading *r);

/* The replica answered what it was asked about itself. */
void reading_hear_replica(struct reading *r, const struct replica_info *info);

/* It refused to be read (MASTERDOWN): not before it is heard again. */
void reading_refused(struct reading *r);

/* What is read now. */
struct reading_view reading_view(struct reading *r, int64_t now_ms);

/* Whether the replica's connection should end, for another one's. Asked now and then. */
bool reading_must_leave(struct reading *r, int64_t now_ms);

#endif
