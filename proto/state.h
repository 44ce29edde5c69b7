/*
 * state.h - how far a stream has come, as Redis stores it.
 *
 *     <seq>:c<16 hex>     seq batches are in, chain_seq is the hex
 *     <seq>:n<16 hex>     a fresh nonce of an OPEN: nothing of ours is in since `seq`
 *
 * Compared as exact strings by the commit script, so the form is canonical: decimal
 * without leading zeros, lower-case hex. In Redis `@<unix seconds>` follows (CONTRACT.md).
 */
#ifndef PROTO_STATE_H
#define PROTO_STATE_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define STATE_TEXT_SIZE 40 /* 20 digits, ':', 'c', 16 hex digits, terminator */

struct stream_state {
	bool known;     /* false: Redis has no state for the stream; the rest is 0 */
	bool nonce;     /* value is a nonce, not a chain */
	uint64_t seq;
	uint64_t value;
};

/* Writes the text ("" when unknown) into out and returns a view of it. */
struct slice state_format(const struct stream_state *state, char out[STATE_TEXT_SIZE]);

/* Reads exactly one text; "" is unknown. 0, ERR_MALFORMED. */
int state_parse(struct slice text, struct stream_state *out) __attribute__((warn_unused_result));

/* Whether both are the same string. */
bool state_equal(const struct stream_state *a, const struct stream_state *b);

#endif
