// SPDX-License-Identifier: Apache-2.0
#include "proto/auth.h"

#include "tests/lib/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* RFC 4231, test cases 1 to 4, 6 and 7 (5 is truncated, which is not used here). */
static const struct {
	const char *key, *message, *hmac;
} vectors[] = {
	{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
	  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "dddddddddddddddddddddddddddddddddddddddddddddddddd"
	  "dddddddddddddddddddddddddddddddddddddddddddddddddd",
	  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
	{ "0102030405060708090a0b0c0d0e0f10111213141516171819",
	  "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
	  "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
	{ NULL, /* 131 bytes of aa */
	  "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65"
	  "204b6579202d2048617368204b6579204669727374",
	  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	{ NULL,
	  "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d7369"
	  "7a65206b657920616e642061206c6172676572207468616e20626c6f636b2d73697a652064617461"
	  "2e20546865206b6579206e6565647320746f20626520686173686564206265666f726520626569"
	  "6e67207573656420627920746865"
	  "20484d414320616c676f726974686d2e",
	  "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
};

static void test_the_hmac_is_that_of_rfc_4231(void **state)
{
	uint8_t key[131], message[256], hmac[AUTH_PROOF_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct slice k = slice_of(memset(key, 0xaa, sizeof(key)), sizeof(key));

		if (vectors[i].key != NULL)
			k = bytes_of_hex(vectors[i].key, key, sizeof(key));
		auth_hmac(k, bytes_of_hex(vectors[i].message, message, sizeof(message)), hmac);
		bytes_assert_hex(slice_of(hmac, sizeof(hmac)), vectors[i].hmac);
	}
}

#define SECRET slice_text("correct-horse-battery-staple")

static struct auth_facts facts(void)
{
	struct auth_facts f = { .version_min = 1, .version_max = 2, .incarnation = 7,
				.cfg = 0x100000020 };

	memcpy(f.agent_id, "agent-0123456789", AUTH_AGENT_BYTES);
	for (uint8_t i = 0; i < AUTH_NONCE_BYTES; i++) {
		f.agent_nonce[i] = i;
		f.relay_nonce[i] = (uint8_t)(0x80 + i);
	}
	return f;
}

/* Both were computed by Python's hmac from the layout in BATCH.md. */
static void test_a_proof_has_the_documented_bytes(void **state)
{
	struct auth_facts f = facts();
	uint8_t proof[AUTH_PROOF_BYTES];

	(void)state;
	auth_prove(SECRET, AUTH_AGENT, &f, proof);
	bytes_assert_hex(slice_of(proof, sizeof(proof)), "4e384b778dc8c3de03104aea101e8e65715cce53cbf3751180749e52093e67fe");
	auth_prove(SECRET, AUTH_RELAY, &f, proof);
	bytes_assert_hex(slice_of(proof, sizeof(proof)), "abfbbc71e236dea4ac60f214077de57855765cf863720c922ed7e46739720037");
}

static void test_only_the_same_secret_proves(void **state)
{
	struct auth_facts f = facts();
	uint8_t proof[AUTH_PROOF_BYTES + 1] = { 0 };

	(void)state;
	auth_prove(SECRET, AUTH_AGENT, &f, proof);
	assert_true(auth_proves(SECRET, AUTH_AGENT, &f, slice_of(proof, AUTH_PROOF_BYTES)));
	assert_false(auth_proves(slice_text("correct-horse-battery-stapl"), AUTH_AGENT, &f,
				 slice_of(proof, AUTH_PROOF_BYTES)));
	assert_false(auth_proves(SECRET, AUTH_AGENT, &f, slice_of(proof, 0)));
	assert_false(auth_proves(SECRET, AUTH_AGENT, &f, slice_of(proof, AUTH_PROOF_BYTES - 1)));
	assert_false(auth_proves(SECRET, AUTH_AGENT, &f, slice_of(proof, AUTH_PROOF_BYTES + 1)));
	for (size_t bit = 0; bit < 8 * AUTH_PROOF_BYTES; bit++) {
		proof[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(auth_proves(SECRET, AUTH_AGENT, &f,
					 slice_of(proof, AUTH_PROOF_BYTES)));
		proof[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

/* Without a secret nothing is proven, not even by the right HMAC of an empty key. */
static void test_an_empty_secret_proves_nothing(void **state)
{
	struct auth_facts f = facts();
	uint8_t proof[AUTH_PROOF_BYTES];

	(void)state;
	auth_prove(slice_text(""), AUTH_AGENT, &f, proof);
	assert_false(auth_proves(slice_text(""), AUTH_AGENT, &f, slice_of(proof, sizeof(proof))));
}

static void test_a_proof_of_one_role_is_none_of_the_other(void **state)
{
	struct auth_facts f = facts();
	uint8_t proof[AUTH_PROOF_BYTES];

	(void)state;
	auth_prove(SECRET, AUTH_AGENT, &f, proof);
	assert_false(auth_proves(SECRET, AUTH_RELAY, &f, slice_of(proof, sizeof(proof))));
}

/* Every byte of the facts counts: none can be exchanged under a proof. */
static void test_a_proof_is_about_every_fact(void **state)
{
	struct auth_facts f = facts(), other;
	static const struct {
		size_t at, size;
	} members[] = {
#define MEMBER(name) { offsetof(struct auth_facts, name), sizeof(other.name) }
		MEMBER(version_min), MEMBER(version_max), MEMBER(agent_nonce), MEMBER(relay_nonce),
		MEMBER(agent_id),    MEMBER(incarnation), MEMBER(cfg),
	};
	uint8_t proof[AUTH_PROOF_BYTES];

	(void)state;
	auth_prove(SECRET, AUTH_AGENT, &f, proof);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		for (size_t byte = 0; byte < members[i].size; byte++) {
			other = f;
			((uint8_t *)&other)[members[i].at + byte] ^= 1;
			assert_false(auth_proves(SECRET, AUTH_AGENT, &other,
						 slice_of(proof, sizeof(proof))));
		}
}

static void test_an_offer_is_a_scheme_and_a_nonce(void **state)
{
	struct auth_facts f = facts();
	uint8_t offer[AUTH_OFFER_BYTES], nonce[AUTH_NONCE_BYTES] = { 0 };

	(void)state;
	auth_offer(f.agent_nonce, offer);
	assert_int_equal(offer[0], 1);
	assert_true(auth_take_offer(slice_of(offer, sizeof(offer)), nonce));
	assert_memory_equal(nonce, f.agent_nonce, sizeof(nonce));
	memset(nonce, 9, sizeof(nonce));
	assert_false(auth_take_offer(slice_of(offer, sizeof(offer) - 1), nonce));
	assert_false(auth_take_offer(slice_of(NULL, 0), nonce));
	offer[0] = 2;
	assert_false(auth_take_offer(slice_of(offer, sizeof(offer)), nonce));
	assert_int_equal(nonce[0], 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_hmac_is_that_of_rfc_4231),
		cmocka_unit_test(test_a_proof_has_the_documented_bytes),
		cmocka_unit_test(test_only_the_same_secret_proves),
		cmocka_unit_test(test_an_empty_secret_proves_nothing),
		cmocka_unit_test(test_a_proof_of_one_role_is_none_of_the_other),
		cmocka_unit_test(test_a_proof_is_about_every_fact),
		cmocka_unit_test(test_an_offer_is_a_scheme_and_a_nonce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
