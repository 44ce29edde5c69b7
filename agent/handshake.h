/*
 * handshake.h - the agent's side of proving the fleet's secret (auth.h), on one connection.
 *
 *     begin (HELLO) --challenge--> proven --welcome that proves the relay--> trusted
 *
 * Without a secret nothing is offered, and a challenge is out of place. With one, a WELCOME that
 * proves nothing is refused: samples are not given to whoever took a relay's address. Pure:
 * the nonce is given; secrets are borrowed.
 */
#ifndef AGENT_HANDSHAKE_H
#define AGENT_HANDSHAKE_H

#include "proto/auth.h"
#include "proto/frame.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct handshake {
	/* private */
	struct slice secret;
	struct auth_facts facts;
	bool challenged;
	uint8_t offer[AUTH_OFFER_BYTES];
	uint8_t proof[AUTH_PROOF_BYTES];
};

/* A new connection that begins with this HELLO, complete but for auth, which is filled in and
 * borrows from h. secret: empty for none. nonce: fresh random bytes. */
void handshake_begin(struct handshake *h, struct slice secret, struct frame_hello *hello,
		     const uint8_t nonce[AUTH_NONCE_BYTES]);

/* A CHALLENGE came; *proof, borrowed from h, goes back. 0; ERR_PROTOCOL: it was out of place. */
int handshake_challenge(struct handshake *h, struct slice nonce, struct slice *proof)
	__attribute__((warn_unused_result));

/* A WELCOME came. 0; ERR_BAD_AUTH: there is a secret and the relay did not prove it. */
int handshake_welcome(const struct handshake *h, const struct frame_welcome *welcome)
	__attribute__((warn_unused_result));

/* What a person can do about a connection refused for ERR_BAD_AUTH; by us: we refused the relay.
 * Static. */
const char *handshake_hint(const struct handshake *h, bool by_us);

#endif
