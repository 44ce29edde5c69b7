// SPDX-License-Identifier: Apache-2.0
/*
 * A proof is HMAC-SHA-256 over one flat block: label (16 bytes, the role), version range, both
 * nonces, agent id, incarnation, cfg. The label ends in a number, so that another layout of the
 * block can have another one and no proof of the old can pass for a proof of the new.
 */
#include "proto/auth.h"

#include "proto/le.h"

#include <sodium/crypto_auth_hmacsha256.h>
#include <sodium/utils.h>
#include <assert.h>

/* The first byte of an offer. Another way to authenticate takes another number, so that a side
 * that does not know it refuses with a reason instead of guessing. */
#define AUTH_SCHEME 1

#define AUTH_LABEL_BYTES 16
#define AUTH_FACTS_BYTES                                                                       \
	(AUTH_LABEL_BYTES + 2 + 2 * AUTH_NONCE_BYTES + AUTH_AGENT_BYTES + 2 * 8)

static_assert(AUTH_PROOF_BYTES == crypto_auth_hmacsha256_BYTES, "a proof is one HMAC");

/* sodium_init() chooses among implementations and readies randomness; neither HMAC-SHA-256 nor
 * the comparison has a choice to make, so a pure module needs no initialising. */
void auth_hmac(struct slice key, struct slice message, uint8_t out[AUTH_PROOF_BYTES])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key.ptr, key.size);
	crypto_auth_hmacsha256_update(&state, message.ptr, message.size);
	crypto_auth_hmacsha256_final(&state, out);
	sodium_memzero(&state, sizeof(state));
}

static uint8_t *auth_put(uint8_t *at, const void *bytes, size_t size)
{
	memcpy(at, bytes, size);
	return at + size;
}

/* Every member has a fixed size, so no two sets of facts are the same bytes. */
void auth_prove(struct slice secret, enum auth_role role, const struct auth_facts *facts,
		uint8_t proof[AUTH_PROOF_BYTES])
{
	static const char labels[2][AUTH_LABEL_BYTES + 1] = {
		[AUTH_AGENT] = "hourglass/agent1",
		[AUTH_RELAY] = "hourglass/relay1",
	};
	uint8_t bytes[AUTH_FACTS_BYTES];
	uint8_t *at = auth_put(bytes, labels[role], AUTH_LABEL_BYTES);

	*at++ = facts->version_min;
	*at++ = facts->version_max;
	at = auth_put(at, facts->agent_nonce, AUTH_NONCE_BYTES);
	at = auth_put(at, facts->relay_nonce, AUTH_NONCE_BYTES);
	at = auth_put(at, facts->agent_id, AUTH_AGENT_BYTES);
	at = le_put_u64(at, facts->incarnation);
	at = le_put_u64(at, facts->cfg);
	auth_hmac(secret, slice_of(bytes, (size_t)(at - bytes)), proof);
}

bool auth_proves(struct slice secret, enum auth_role role, const struct auth_facts *facts,
		 struct slice proof)
{
	uint8_t wanted[AUTH_PROOF_BYTES];
	bool same;

	if (secret.size == 0 || proof.size != AUTH_PROOF_BYTES)
		return false;
	auth_prove(secret, role, facts, wanted);
	same = sodium_memcmp(wanted, proof.ptr, AUTH_PROOF_BYTES) == 0;
	sodium_memzero(wanted, sizeof(wanted));
	return same;
}

void auth_offer(const uint8_t nonce[AUTH_NONCE_BYTES], uint8_t offer[AUTH_OFFER_BYTES])
{
	offer[0] = AUTH_SCHEME;
	memcpy(offer + 1, nonce, AUTH_NONCE_BYTES);
}

bool auth_take_offer(struct slice offer, uint8_t nonce[AUTH_NONCE_BYTES])
{
	if (offer.size != AUTH_OFFER_BYTES || offer.ptr[0] != AUTH_SCHEME)
		return false;
	memcpy(nonce, offer.ptr + 1, AUTH_NONCE_BYTES);
	return true;
}

void auth_wipe(void *bytes, size_t size)
{
	sodium_memzero(bytes, size);
}
