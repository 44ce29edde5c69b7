/*
 * journal.h - what committers and sessions have to say, as log lines.
 *
 * The pure cores tell of refusals, foreign stores and rejected samples through effects; here
 * they become events with their severity, each kind at most once a second.
 */
#ifndef RELAY_JOURNAL_H
#define RELAY_JOURNAL_H

#include "proto/daemon/log.h"
#include "relay/committer.h"
#include "relay/session_fsm.h"

#include <stdint.h>

struct journal {
	/* private */
	struct log_limit discarded, foreign, error, rejected, refused;
};

/* A partition's memory was thrown away. */
void journal_discarded(struct journal *j, uint32_t partition, enum committer_reason reason,
		       int code);

/* A script said CONFIG. */
void journal_foreign(struct journal *j, uint32_t partition, struct slice stored);

/* A script ended with an error nobody expected. */
void journal_error(struct journal *j, uint32_t partition, enum script script,
		   struct slice text);

/* Samples lie in hours that cannot be written. */
void journal_rejected(struct journal *j, const struct stream_id *id,
		      const struct image_rejects *n);

/* An agent said hello. */
void journal_greeted(const char *peer, const struct frame_hello *hello);

/* A session was refused. */
void journal_refused(struct journal *j, const char *peer, int code);

/* The Redis at this endpoint is of a fleet with another cfg than ours. */
void journal_foreign_fleet(const char *endpoint, struct slice stored, uint32_t partitions);

#endif
