/*
 * sentinel.h - whom to ask for the master, and what to believe.
 *
 * Sentinels are asked in turn. One that is cut off from the others goes on naming the master it
 * last knew; each answer therefore bears the epoch of the failover that it knows of, and an
 * answer of an older epoch than one seen before is stale. When as many stale ones in a row as there
 * are sentinels were heard, they are right and we are not (they were set up anew).
 * Pure: replies in, verdicts out. For proto/store alone.
 */
#ifndef PROTO_STORE_SENTINEL_H
#define PROTO_STORE_SENTINEL_H

#include "proto/net/addr.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sentinel_verdict {
	SENTINEL_SAME,  /* the master we know */
	SENTINEL_NEW,   /* another; it is the one we know from now on */
	SENTINEL_STALE, /* ask another sentinel */
};

/* What SENTINEL MASTER says of a master. */
struct sentinel_facts {
	uint64_t epoch;
	int64_t down_after_ms;
};

struct sentinel {
	/* private, but for master */
	size_t count;
	size_t next;
	bool known;
	struct addr master; /* once a verdict was not STALE */
	uint64_t epoch;
	size_t stale;
};

/* Knows count sentinels (at least 1) and no master. */
void sentinel_init(struct sentinel *s, size_t count);

/* The number of the next one to ask. */
size_t sentinel_next(struct sentinel *s);

/* Reads the reply to SENTINEL GET-MASTER-ADDR-BY-NAME. 0, -ENOENT (it knows no such master),
 * ERR_MALFORMED. */
int sentinel_read_address(const redisReply *reply, struct addr *out)
	__attribute__((warn_unused_result));

/* Reads the reply to SENTINEL MASTER. What is not told stays 0. 0, ERR_MALFORMED. */
int sentinel_read_facts(const redisReply *reply, struct sentinel_facts *out)
	__attribute__((warn_unused_result));

/* Judges an answer. */
enum sentinel_verdict sentinel_take(struct sentinel *s, const struct addr *master, uint64_t epoch);

#endif
