/*
 * replica.h - how old what a replica holds may be.
 *
 * A master counts the bytes of its history (an id, an offset); a replica says how far into which history
 * it has come. The master is asked at a moment: once the replica has come to the offset it named, the
 * replica holds all that the master held at that moment, whatever clocks, networks and full buffers
 * lie between. One such mark waits at a time, so the age found is at most twice the real lag and
 * two rounds of asking. A replica whose link is cut keeps its mark and grows old. A replica that was made
 * the master begins another history that goes on from the old one at an offset: marks before that stay
 * true. Any other history, or an offset behind the mark (it restarted from less), ends it.
 *
 * A server that was named itself and turns out to be a replica has no master that is asked: for it
 * counts when it says to have heard of its master.
 *
 * Pure: the text of INFO replication and moments in, ages out. For proto/store alone.
 */
#ifndef PROTO_STORE_REPLICA_H
#define PROTO_STORE_REPLICA_H

#include "proto/net/addr.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLICA_MAX       16 /* of one master that are known; further ones are not used */
#define REPLICA_HISTORY   41 /* 40 hex digits and a terminator */
#define REPLICA_NO_MOMENT INT64_MIN

/* What INFO replication says. */
struct replica_info {
	bool master;                    /* else a replica */
	bool linked;                    /* a replica that is connected to its master and in step */
	char history[REPLICA_HISTORY];  /* "" when not told */
	char before[REPLICA_HISTORY];   /* the history that this one goes on from... */
	int64_t parted;                 /* ...behind this offset */
	int64_t offset;                 /* all up to here is held */
	int64_t heard_s;                /* of a replica: seconds since it heard of its master; or -1 */
	struct addr replicas[REPLICA_MAX]; /* of a master: those in step */
	size_t replica_count;
};

/* Reads INFO replication. False when it names neither role nor history. */
bool replica_info_parse(struct slice text, struct replica_info *out);

/* The master stood at an offset at a moment. */
struct replica_mark {
	int64_t at_ms; /* or REPLICA_NO_MOMENT */
	int64_t offset;
};

struct replica_watch {
	/* private */
	char history[REPLICA_HISTORY]; /* the master's; "" before it was heard */
	char own[REPLICA_HISTORY];     /* the replica's; "" before it was heard */
	int64_t own_offset;
	struct replica_mark latest;    /* of the master */
	struct replica_mark waiting;   /* not yet reached */
	struct replica_mark reached;
};

/* Has heard nothing. */
void replica_watch_init(struct replica_watch *w);

/* The master answered what it was asked at asked_ms. */
void replica_hear_master(struct replica_watch *w, int64_t asked_ms, const struct replica_info *info);

/* Another replica is asked from now on, or the same over another connection. */
void replica_turn(struct replica_watch *w);

/* The replica answered. False when it may have lost something since it was heard last: what
 * was read from it before says nothing about it now. */
bool replica_hear(struct replica_watch *w, const struct replica_info *info);

/* All that the master held at this moment the replica holds; REPLICA_NO_MOMENT when none is known. */
int64_t replica_fresh_ms(const struct replica_watch *w);

/* The same of a replica that was named itself, which answered at now_ms; former is what was said
 * last, or REPLICA_NO_MOMENT. */
int64_t replica_own_fresh_ms(const struct replica_info *info, int64_t now_ms, int64_t former);

#endif
