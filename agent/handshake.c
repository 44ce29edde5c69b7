// SPDX-License-Identifier: Apache-2.0
#include "agent/handshake.h"

#include "proto/err.h"

#include <assert.h>

static_assert(AUTH_AGENT_BYTES == FRAME_AGENT_BYTES, "one agent id");

void handshake_begin(struct handshake *h, struct slice secret, struct frame_hello *hello,
		     const uint8_t nonce[AUTH_NONCE_BYTES])
{
	*h = (struct handshake){ .secret = secret };
	if (secret.size == 0)
		return;
	h->facts = (struct auth_facts){ .version_min = hello->version_min,
					.version_max = hello->version_max,
					.incarnation = hello->incarnation, .cfg = hello->cfg };
	memcpy(h->facts.agent_id, hello->agent_id, AUTH_AGENT_BYTES);
	memcpy(h->facts.agent_nonce, nonce, AUTH_NONCE_BYTES);
	auth_offer(nonce, h->offer);
	hello->auth = slice_of(h->offer, sizeof(h->offer));
}

int handshake_challenge(struct handshake *h, struct slice nonce, struct slice *proof)
{
	if (h->secret.size == 0 || h->challenged || nonce.size != AUTH_NONCE_BYTES)
		return ERR_PROTOCOL;
	h->challenged = true;
	memcpy(h->facts.relay_nonce, nonce.ptr, AUTH_NONCE_BYTES);
	auth_prove(h->secret, AUTH_AGENT, &h->facts, h->proof);
	*proof = slice_of(h->proof, sizeof(h->proof));
	return 0;
}

int handshake_welcome(const struct handshake *h, const struct frame_welcome *welcome)
{
	struct auth_facts facts = h->facts;

	if (h->secret.size == 0)
		return 0;
	facts.version_min = facts.version_max = welcome->version;
	facts.cfg = welcome->cfg;
	if (!h->challenged || !auth_proves(h->secret, AUTH_RELAY, &facts, welcome->auth))
		return ERR_BAD_AUTH;
	return 0;
}

const char *handshake_hint(const struct handshake *h, bool by_us)
{
	if (by_us && !h->challenged)
		return "this relay has no fleet_secret: give it ours, or take ours away";
	if (by_us)
		return "this relay does not know our fleet_secret: is it one of ours?";
	if (h->secret.size == 0)
		return "this relay asks for a fleet_secret: set it here";
	return "our fleet_secret is not that of this relay";
}
