// SPDX-License-Identifier: Apache-2.0
/*
 * gate.c - HELLO to WELCOME, by way of CHALLENGE and PROOF where there is a secret.
 *
 * The bytes of a frame are gone when its handler returns, so the host's name is copied with what
 * the proof will be about. WELCOME is followed at once by what the agent must know: the relays,
 * whether to wait, whether Redis has room.
 */
#include "relay/gate.h"

#include "proto/auth.h"
#include "proto/err.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static_assert(AUTH_AGENT_BYTES == FRAME_AGENT_BYTES, "one agent id");

struct gate {
	struct auth_facts facts;
	struct frame_hello hello;
	uint8_t host[FRAME_TEXT_BYTES];
};

/* Our own proof, for this WELCOME. */
static void gate_prove(const struct gate *g, struct slice secret,
		       const struct frame_welcome *welcome, uint8_t proof[AUTH_PROOF_BYTES])
{
	struct auth_facts facts = g->facts;

	facts.version_min = facts.version_max = welcome->version;
	facts.cfg = welcome->cfg;
	auth_prove(secret, AUTH_RELAY, &facts, proof);
}

/* The agent may work with us from now on. gate: what it has proven, or NULL. */
static void gate_welcome(struct session *s, const struct frame_hello *hello,
			 const struct gate *gate, int64_t now_ms)
{
	struct session_hub *hub = s->hub;
	struct frame f = { .type = FRAME_WELCOME };
	uint8_t proof[AUTH_PROOF_BYTES];

	f.welcome = (struct frame_welcome){
		.version = hello->version_max < FRAME_VERSION_MAX ? hello->version_max
								  : FRAME_VERSION_MAX,
		.cfg = hub->cfg,
		.partitions = hub->partitions,
		.clock_ms = now_ms + *hub->unix_offset_ms,
		.name = slice_text(hub->name),
		.grace_ms = hub->grace_ms,
	};
	if (gate != NULL) {
		gate_prove(gate, hub->secret, &f.welcome, proof);
		f.welcome.auth = slice_of(proof, sizeof(proof));
	}
	s->state = SESSION_OPEN;
	hub->effects->greeted(hub->arg, s, hello);
	session_send(s, &f);
	session_tell_relays(s);
	session_tell_busy(s);
	session_tell_store(s);
}

/* Keeps what the proof will be about. */
static int gate_keep(const struct frame_hello *hello, struct gate **out)
{
	struct gate *g = malloc(sizeof(*g));

	if (g == NULL)
		return -ENOMEM;
	g->facts = (struct auth_facts){ .version_min = hello->version_min,
					.version_max = hello->version_max,
					.incarnation = hello->incarnation, .cfg = hello->cfg };
	memcpy(g->facts.agent_id, hello->agent_id, AUTH_AGENT_BYTES);
	if (!auth_take_offer(hello->auth, g->facts.agent_nonce)) {
		free(g);
		return ERR_BAD_AUTH;
	}
	assert(hello->host.size <= sizeof(g->host));
	g->hello = *hello;
	g->hello.auth = slice_of(NULL, 0);
	g->hello.host = slice_of(g->host, hello->host.size);
	if (hello->host.size > 0)
		memcpy(g->host, hello->host.ptr, hello->host.size);
	*out = g;
	return 0;
}

static int gate_challenge(struct session *s, const struct frame_hello *hello)
{
	struct frame f = { .type = FRAME_CHALLENGE };
	uint8_t *nonce;
	int rc = gate_keep(hello, &s->gate);

	if (rc < 0)
		return rc;
	nonce = s->gate->facts.relay_nonce;
	s->hub->effects->random(s->hub->arg, nonce, AUTH_NONCE_BYTES);
	s->state = SESSION_PROOF;
	f.auth = slice_of(nonce, AUTH_NONCE_BYTES);
	session_send(s, &f);
	return 0;
}

int gate_hello(struct session *s, const struct frame_hello *hello, int64_t now_ms)
{
	struct session_hub *hub = s->hub;

	if (hello->version_min > FRAME_VERSION_MAX || hello->version_max < FRAME_VERSION_MIN ||
	    hello->version_min > hello->version_max)
		return ERR_VERSION;
	if (hello->cfg != 0 && hello->cfg != hub->cfg)
		return ERR_FOREIGN_CONFIG;
	memcpy(s->agent_id, hello->agent_id, sizeof(s->agent_id));
	s->knows_store = (hello->capabilities & FRAME_KNOWS_STORE) != 0;
	if (hub->secret.size > 0)
		return gate_challenge(s, hello);
	gate_welcome(s, hello, NULL, now_ms);
	return 0;
}

int gate_proof(struct session *s, struct slice proof, int64_t now_ms)
{
	struct gate *g = s->gate;

	if (!auth_proves(s->hub->secret, AUTH_AGENT, &g->facts, proof))
		return ERR_BAD_AUTH;
	gate_welcome(s, &g->hello, g, now_ms);
	gate_release(s);
	return 0;
}

void gate_release(struct session *s)
{
	free(s->gate);
	s->gate = NULL;
}
