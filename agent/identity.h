/*
 * identity.h - who this agent is.
 *
 * agent_id is 16 random bytes for the life of a state folder: in `agent_id` as 32 hex digits,
 * written once and synced. A lock on `lock` is held as long as the process lives, so two
 * agents never share a folder. An incarnation is drawn at every start: together they name a
 * stream, and no stream is ever written by two processes (CONTRACT.md).
 */
#ifndef AGENT_IDENTITY_H
#define AGENT_IDENTITY_H

#include "proto/hash.h"

#include <stdint.h>

#define IDENTITY_BYTES     16
#define IDENTITY_TEXT_SIZE (2 * IDENTITY_BYTES + 1)

struct identity {
	uint8_t agent_id[IDENTITY_BYTES];
	uint64_t incarnation;
	int lock; /* a descriptor, or -1 */
};

/* Reads or makes the identity of a state folder ("": one for this start only), and draws an
 * incarnation. 0; a negative errno, -EBUSY when another agent has the folder,
 * ERR_MALFORMED for a damaged file: logged. */
int identity_open(struct identity *id, const char *state_dir)
	__attribute__((warn_unused_result));

/* Gives the folder back. */
void identity_close(struct identity *id);

/* Draws a new incarnation. */
void identity_renew(struct identity *id);

/* The stream of the incarnation. */
struct stream_id identity_stream(const struct identity *id);

/* agent_id in 32 lower-case hex digits. Returns out. */
const char *identity_text(const struct identity *id, char out[IDENTITY_TEXT_SIZE]);

#endif
