// SPDX-License-Identifier: Apache-2.0
#include "agent/handshake.h"

#include "proto/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define SECRET slice_text("correct-horse-battery-staple")
#define CFG    0x100000020

static const uint8_t agent_nonce[AUTH_NONCE_BYTES] = { 1, 2, 3 };
static const uint8_t relay_nonce[AUTH_NONCE_BYTES] = { 4, 5, 6 };

static struct frame_hello hello(void)
{
	return (struct frame_hello){ .version_min = 1, .version_max = 1, .agent_id = { 7 },
				     .incarnation = 8 };
}

/* What an honest relay would know after the exchange. */
static struct auth_facts facts_of(uint8_t version_min, uint8_t version_max, uint64_t cfg)
{
	struct auth_facts f = { .version_min = version_min, .version_max = version_max,
				.agent_id = { 7 }, .incarnation = 8, .cfg = cfg };

	memcpy(f.agent_nonce, agent_nonce, sizeof(agent_nonce));
	memcpy(f.relay_nonce, relay_nonce, sizeof(relay_nonce));
	return f;
}

static struct handshake begun(struct slice secret, struct frame_hello *h)
{
	struct handshake hs;

	*h = hello();
	handshake_begin(&hs, secret, h, agent_nonce);
	h->auth.ptr = NULL; /* it borrows from what is copied now */
	return hs;
}

static struct handshake challenged(void)
{
	struct frame_hello h;
	struct handshake hs = begun(SECRET, &h);
	struct slice proof;

	assert_int_equal(handshake_challenge(&hs, slice_of(relay_nonce, sizeof(relay_nonce)), &proof),
			 0);
	return hs;
}

static int welcome(const struct handshake *hs, struct slice secret, enum auth_role role,
		   const struct auth_facts *facts)
{
	uint8_t proof[AUTH_PROOF_BYTES];
	struct frame_welcome w = { .version = 1, .cfg = CFG, .auth = slice_of(proof, sizeof(proof)) };

	auth_prove(secret, role, facts, proof);
	return handshake_welcome(hs, &w);
}

static void test_the_offer_and_the_proof_are_what_a_relay_expects(void **state)
{
	struct auth_facts facts = facts_of(1, 1, 0);
	uint8_t nonce[AUTH_NONCE_BYTES];
	struct frame_hello h = hello();
	struct handshake hs;
	struct slice proof;

	(void)state;
	handshake_begin(&hs, SECRET, &h, agent_nonce);
	assert_true(auth_take_offer(h.auth, nonce));
	assert_memory_equal(nonce, agent_nonce, sizeof(nonce));
	assert_int_equal(handshake_challenge(&hs, slice_of(relay_nonce, sizeof(relay_nonce)), &proof),
			 0);
	assert_true(auth_proves(SECRET, AUTH_AGENT, &facts, proof));
}

static void test_a_relay_that_proves_the_secret_is_trusted(void **state)
{
	struct auth_facts facts = facts_of(1, 1, CFG);
	struct handshake hs = challenged();

	(void)state;
	assert_int_equal(welcome(&hs, SECRET, AUTH_RELAY, &facts), 0);
}

static void test_a_relay_that_does_not_is_refused(void **state)
{
	struct auth_facts facts = facts_of(1, 1, CFG), other = facts_of(1, 1, CFG + 1);
	struct handshake hs = challenged();
	struct frame_welcome bare = { .version = 1, .cfg = CFG };
	struct frame_hello h;

	(void)state;
	assert_int_equal(handshake_welcome(&hs, &bare), ERR_BAD_AUTH);
	assert_int_equal(welcome(&hs, slice_text("another-secret-of-16"), AUTH_RELAY, &facts),
			 ERR_BAD_AUTH);
	assert_int_equal(welcome(&hs, SECRET, AUTH_AGENT, &facts), ERR_BAD_AUTH);
	assert_int_equal(welcome(&hs, SECRET, AUTH_RELAY, &other), ERR_BAD_AUTH);
	other = facts;
	other.agent_nonce[0] ^= 1; /* replayed from another connection */
	assert_int_equal(welcome(&hs, SECRET, AUTH_RELAY, &other), ERR_BAD_AUTH);
	/* Welcomed without a challenge: even a right proof for an empty nonce is none. */
	hs = begun(SECRET, &h);
	memset(facts.relay_nonce, 0, sizeof(facts.relay_nonce));
	assert_int_equal(welcome(&hs, SECRET, AUTH_RELAY, &facts), ERR_BAD_AUTH);
}

static void test_a_challenge_comes_once_and_only_to_who_offered(void **state)
{
	struct slice nonce = slice_of(relay_nonce, sizeof(relay_nonce)), proof;
	struct handshake hs = challenged();
	struct frame_hello h;

	(void)state;
	assert_int_equal(handshake_challenge(&hs, nonce, &proof), ERR_PROTOCOL);
	hs = begun(slice_text(""), &h);
	assert_int_equal(h.auth.size, 0);
	assert_int_equal(handshake_challenge(&hs, nonce, &proof), ERR_PROTOCOL);
	hs = begun(SECRET, &h);
	nonce.size--;
	assert_int_equal(handshake_challenge(&hs, nonce, &proof), ERR_PROTOCOL);
}

static void test_without_a_secret_any_relay_will_do(void **state)
{
	struct frame_welcome bare = { .version = 1, .cfg = CFG };
	struct frame_hello h;
	struct handshake hs = begun(slice_text(""), &h);

	(void)state;
	assert_int_equal(handshake_welcome(&hs, &bare), 0);
}

static void test_hints_tell_who_lacks_what(void **state)
{
	struct frame_hello h;
	struct handshake with = begun(SECRET, &h), without = begun(slice_text(""), &h);
	struct handshake asked = challenged();

	(void)state;
	assert_non_null(strstr(handshake_hint(&without, false), "set it here"));
	assert_non_null(strstr(handshake_hint(&asked, false), "is not that of this relay"));
	assert_non_null(strstr(handshake_hint(&with, true), "has no fleet_secret"));
	assert_non_null(strstr(handshake_hint(&asked, true), "does not know our"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_offer_and_the_proof_are_what_a_relay_expects),
		cmocka_unit_test(test_a_relay_that_proves_the_secret_is_trusted),
		cmocka_unit_test(test_a_relay_that_does_not_is_refused),
		cmocka_unit_test(test_a_challenge_comes_once_and_only_to_who_offered),
		cmocka_unit_test(test_without_a_secret_any_relay_will_do),
		cmocka_unit_test(test_hints_tell_who_lacks_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
