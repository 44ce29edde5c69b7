/*
 * auth.h - how an agent and a relay prove to each other that they know the fleet's secret.
 *
 *     agent                                  relay
 *     HELLO      offer: agent nonce  ----->
 *                <-----  relay nonce  CHALLENGE
 *     PROOF      agent's proof       ----->          compared; else REFUSED
 *                <-----  relay's proof  WELCOME      compared; else the agent goes
 *
 * A proof is HMAC-SHA-256 under the secret over the role that proves, both nonces and what the
 * HELLO or the WELCOME said (BATCH.md has the bytes). Fresh nonces on both sides make a replay
 * worthless, the role makes a reflection worthless. The agent proves first, so whoever
 * merely connects to a relay learns nothing to guess at. Only the opening of a connection is
 * protected, not the bytes after it: who can change packets on their way needs TLS to be
 * stopped.
 *
 * Pure: nonces are given. Secrets are borrowed.
 */
#ifndef PROTO_AUTH_H
#define PROTO_AUTH_H

#include "proto/slice.h"

#include <stdbool.h>
#include <stdint.h>

#define AUTH_NONCE_BYTES 32
#define AUTH_PROOF_BYTES 32
#define AUTH_OFFER_BYTES (1 + AUTH_NONCE_BYTES)
#define AUTH_AGENT_BYTES 16

enum auth_role {
	AUTH_AGENT,
	AUTH_RELAY,
};

/* What a proof is about. The agent's holds the HELLO's version range and cfg; the relay's the
 * WELCOME's version, twice, and its cfg. */
struct auth_facts {
	uint8_t version_min, version_max;
	uint8_t agent_nonce[AUTH_NONCE_BYTES];
	uint8_t relay_nonce[AUTH_NONCE_BYTES];
	uint8_t agent_id[AUTH_AGENT_BYTES];
	uint64_t incarnation;
	uint64_t cfg;
};

/* HMAC-SHA-256 (RFC 2104, FIPS 180-4). Constant time in the key's and the message's content. */
void auth_hmac(struct slice key, struct slice message, uint8_t out[AUTH_PROOF_BYTES]);

/* What one side sends to prove that it knows the secret. */
void auth_prove(struct slice secret, enum auth_role role, const struct auth_facts *facts,
		uint8_t proof[AUTH_PROOF_BYTES]);

/* Whether a proof is the one that the role would send. Compares in constant time; false for
 * any other size and for an empty secret. */
bool auth_proves(struct slice secret, enum auth_role role, const struct auth_facts *facts,
		 struct slice proof);

/* The HELLO's auth field: the scheme and the agent's nonce. */
void auth_offer(const uint8_t nonce[AUTH_NONCE_BYTES], uint8_t offer[AUTH_OFFER_BYTES]);

/* Reads an offer. False: none, or of a scheme that is not ours; nonce is then unchanged. */
bool auth_take_offer(struct slice offer, uint8_t nonce[AUTH_NONCE_BYTES]);

/* Overwrites a secret that is not needed any more. */
void auth_wipe(void *bytes, size_t size);

#endif
