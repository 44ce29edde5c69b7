// SPDX-License-Identifier: Apache-2.0
#include "relay/gate.h"

#include "proto/auth.h"
#include "tests/unit/relay/session_world.h"

#define SECRET "correct-horse-battery-staple"

static int guarded(void **state)
{
	int rc = setup(state);
	struct world *w = *state;

	w->hub.secret = slice_text(SECRET);
	return rc;
}

/* What the agent of hello() knows of this connection. */
static struct auth_facts facts;
static uint8_t offer[AUTH_OFFER_BYTES];

static struct frame offering_hello(void)
{
	struct frame f = hello();

	facts = (struct auth_facts){ .version_min = 1, .version_max = 1, .incarnation = 5,
				     .cfg = CFG };
	memset(facts.agent_id, AGENT, sizeof(facts.agent_id));
	memset(facts.agent_nonce, 0x33, sizeof(facts.agent_nonce));
	auth_offer(facts.agent_nonce, offer);
	f.hello.auth = slice_of(offer, sizeof(offer));
	return f;
}

/* Says hello and takes the challenge. */
static void challenged(struct world *w)
{
	struct frame f = offering_hello();
	struct slice nonce;

	hear(w, &f);
	nonce = next(w, FRAME_CHALLENGE)->auth;
	assert_int_equal(nonce.size, AUTH_NONCE_BYTES);
	memcpy(facts.relay_nonce, nonce.ptr, AUTH_NONCE_BYTES);
	assert_int_equal(w->read, w->count);
	assert_int_equal(w->s.state, SESSION_PROOF);
}

static void prove(struct world *w, const char *secret, enum auth_role role)
{
	uint8_t proof[AUTH_PROOF_BYTES];
	struct frame f = { .type = FRAME_PROOF, .auth = slice_of(proof, sizeof(proof)) };

	auth_prove(slice_text(secret), role, &facts, proof);
	hear(w, &f);
}

static void test_who_proves_the_secret_is_welcomed_and_shown_the_same(void **state)
{
	struct world *w = *state;
	const struct frame *welcome;
	struct frame ping = { .type = FRAME_PING };

	challenged(w);
	prove(w, SECRET, AUTH_AGENT);
	welcome = next(w, FRAME_WELCOME);
	facts.cfg = CFG;
	assert_true(auth_proves(slice_text(SECRET), AUTH_RELAY, &facts, welcome->welcome.auth));
	next(w, FRAME_RELAYS);
	hear(w, &ping);
	next(w, FRAME_PONG);
	assert_null(w->s.gate);
}

static void test_an_agent_that_knows_no_cfg_yet_is_shown_ours_under_the_proof(void **state)
{
	struct world *w = *state;
	struct frame f = offering_hello();
	const struct frame *welcome;

	f.hello.cfg = facts.cfg = 0;
	hear(w, &f);
	memcpy(facts.relay_nonce, next(w, FRAME_CHALLENGE)->auth.ptr, AUTH_NONCE_BYTES);
	prove(w, SECRET, AUTH_AGENT);
	welcome = next(w, FRAME_WELCOME);
	assert_false(auth_proves(slice_text(SECRET), AUTH_RELAY, &facts, welcome->welcome.auth));
	facts.cfg = CFG;
	assert_true(auth_proves(slice_text(SECRET), AUTH_RELAY, &facts, welcome->welcome.auth));
}

static void test_another_secret_is_refused_and_counted(void **state)
{
	struct world *w = *state;

	challenged(w);
	prove(w, "correct-horse-battery-stapler", AUTH_AGENT);
	expect_refused(w, ERR_BAD_AUTH);
	assert_int_equal(tally_get(&w->n.refusals_auth), 1);
}

static void test_no_offer_or_one_we_do_not_know_is_refused_before_any_challenge(void **state)
{
	struct world *w = *state;
	struct frame f = hello();

	hear(w, &f);
	expect_refused(w, ERR_BAD_AUTH);
	again(w);
	f = offering_hello();
	offer[0] = 2;
	hear(w, &f);
	expect_refused(w, ERR_BAD_AUTH);
	assert_int_equal(tally_get(&w->n.refusals_auth), 2);
}

/* A relay's own kind of proof, sent back to it. */
static void test_a_reflected_proof_is_refused(void **state)
{
	struct world *w = *state;

	challenged(w);
	prove(w, SECRET, AUTH_RELAY);
	expect_refused(w, ERR_BAD_AUTH);
}

static void test_a_replayed_proof_is_refused(void **state)
{
	struct world *w = *state;
	struct auth_facts heard;

	challenged(w);
	prove(w, SECRET, AUTH_AGENT);
	next(w, FRAME_WELCOME);
	next(w, FRAME_RELAYS);
	heard = facts;
	again(w);
	challenged(w);
	assert_memory_not_equal(facts.relay_nonce, heard.relay_nonce, AUTH_NONCE_BYTES);
	facts = heard;
	prove(w, SECRET, AUTH_AGENT);
	expect_refused(w, ERR_BAD_AUTH);
}

/* The proof is about the HELLO that was sent on this connection, not about another agent. */
static void test_a_proof_for_another_agent_is_refused(void **state)
{
	struct world *w = *state;

	challenged(w);
	facts.agent_id[3] ^= 1;
	prove(w, SECRET, AUTH_AGENT);
	expect_refused(w, ERR_BAD_AUTH);
}

static void test_nothing_but_the_proof_follows_a_challenge(void **state)
{
	struct world *w = *state;
	const struct frame said[] = { { .type = FRAME_PING }, { .type = FRAME_OPEN },
				      { .type = FRAME_WATERMARK }, offering_hello() };

	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		challenged(w);
		hear(w, &said[i]);
		expect_refused(w, ERR_PROTOCOL);
		again(w);
	}
}

static void test_a_proof_that_nobody_asked_for_is_refused(void **state)
{
	struct world *w = *state;

	offering_hello();
	prove(w, SECRET, AUTH_AGENT);
	expect_refused(w, ERR_PROTOCOL);
	again(w);
	challenged(w);
	prove(w, SECRET, AUTH_AGENT);
	next(w, FRAME_WELCOME);
	next(w, FRAME_RELAYS);
	prove(w, SECRET, AUTH_AGENT);
	expect_refused(w, ERR_PROTOCOL);
}

static void test_without_a_secret_an_offer_is_not_minded(void **state)
{
	struct world *w = *state;
	struct frame f = offering_hello();

	w->hub.secret = slice_text("");
	hear(w, &f);
	assert_int_equal(next(w, FRAME_WELCOME)->welcome.auth.size, 0);
}

static void test_silence_after_the_challenge_ends_the_session(void **state)
{
	struct world *w = *state;

	challenged(w);
	session_tick(&w->s, NOW + SESSION_HELLO_MS - 1);
	assert_false(w->closed);
	session_tick(&w->s, NOW + SESSION_HELLO_MS);
	expect_refused(w, -ETIMEDOUT);
	assert_int_equal(tally_get(&w->n.timeouts_hello), 1);
}

/* A large frame is refused by its first eight bytes, and the largest HELLO passes. */
static void test_who_is_not_known_costs_little(void **state)
{
	uint8_t large[] = { 0x01, 0x04, 0, 0, 1, FRAME_HELLO, 0, 0, 0x99 };
	uint8_t proof[] = { 0x01, 0x04, 0, 0, 1, FRAME_PROOF, 0, 0, 0x91 };
	uint8_t batch[] = { 0x10, 0, 0, 0, 1, FRAME_BATCH, 0, 0, 0x94 };
	struct world *w = *state;
	uint8_t auth[FRAME_AUTH_BYTES] = { 1 };
	char host[FRAME_TEXT_BYTES];
	struct frame f = hello();

	session_data(&w->s, slice_of(large, sizeof(large)), w->now);
	expect_refused(w, ERR_TOO_LARGE);
	again(w);
	session_data(&w->s, slice_of(batch, sizeof(batch)), w->now);
	expect_refused(w, ERR_PROTOCOL);
	again(w);
	challenged(w);
	session_data(&w->s, slice_of(proof, sizeof(proof)), w->now);
	expect_refused(w, ERR_TOO_LARGE);
	again(w);
	memset(host, 'h', sizeof(host));
	f.hello.host = slice_of(host, sizeof(host));
	f.hello.auth = slice_of(auth, sizeof(auth));
	f.hello.incarnation = f.hello.capabilities = UINT64_MAX;
	hear(w, &f);
	expect_refused(w, ERR_BAD_AUTH); /* it was read to its end */
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(test_##name, guarded, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_proves_the_secret_is_welcomed_and_shown_the_same),
		T(an_agent_that_knows_no_cfg_yet_is_shown_ours_under_the_proof),
		T(another_secret_is_refused_and_counted),
		T(no_offer_or_one_we_do_not_know_is_refused_before_any_challenge),
		T(a_reflected_proof_is_refused),
		T(a_replayed_proof_is_refused),
		T(a_proof_for_another_agent_is_refused),
		T(nothing_but_the_proof_follows_a_challenge),
		T(a_proof_that_nobody_asked_for_is_refused),
		T(without_a_secret_an_offer_is_not_minded),
		T(silence_after_the_challenge_ends_the_session),
		T(who_is_not_known_costs_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
