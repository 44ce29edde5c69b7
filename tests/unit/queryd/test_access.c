// SPDX-License-Identifier: Apache-2.0
#include "queryd/access.h"
#include "queryd/tokens.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium/utils.h>

#include <cmocka.h>

/* ---- tokens --------------------------------------------------------------------------------- */

static char token[2][TOKEN_SIZE];

static void load_two(struct tokens *t)
{
	static const uint8_t seeds[2][TOKEN_SEED_BYTES] = { { 1 }, { 2 } };
	char hash[2][TOKEN_HASH_SIZE], lines[400];

	tokens_make(seeds[0], token[0], hash[0]);
	tokens_make(seeds[1], token[1], hash[1]);
	(void)snprintf(lines, sizeof(lines), "acme = %s shop. b.\nroot = %s *\n", hash[0], hash[1]);
	assert_int_equal(tokens_load(t, lines), 0);
}

static const char *whose(const struct tokens *t, const char *header)
{
	static char name[32];
	const struct token *found = tokens_find(t, header);

	if (!found)
		return "nobody";
	(void)snprintf(name, sizeof(name), "%.*s", (int)found->name.size,
		       (const char *)found->name.ptr);
	return name;
}

/* The hash is what `printf TOKEN | b2sum -l 256` prints. */
static void a_token_is_hashed_as_b2sum_does(void **state)
{
	static const uint8_t seed[TOKEN_SEED_BYTES];
	char made[TOKEN_SIZE], hash[TOKEN_HASH_SIZE];

	(void)state;
	tokens_make(seed, made, hash);
	assert_string_equal(made, "hg_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
	assert_string_equal(hash, "e6344c7743942fc6deef8c38b270a4939accf92a6b2e9e72afc014f64adfb5cb");
}

static void a_token_is_found_by_bearer_and_basic(void **state)
{
	struct tokens t = { 0 };
	char header[300], pair[100], coded[200];

	(void)state;
	assert_false(tokens_any(&t));
	load_two(&t);
	assert_true(tokens_any(&t));
	(void)snprintf(header, sizeof(header), "Bearer %s", token[0]);
	assert_string_equal(whose(&t, header), "acme");
	(void)snprintf(header, sizeof(header), "bEARER   %s ", token[1]);
	assert_string_equal(whose(&t, header), "root");
	(void)snprintf(pair, sizeof(pair), "grafana:%s", token[0]);
	sodium_bin2base64(coded, sizeof(coded), (const uint8_t *)pair, strlen(pair),
			  sodium_base64_VARIANT_ORIGINAL);
	(void)snprintf(header, sizeof(header), "Basic %s", coded);
	assert_string_equal(whose(&t, header), "acme");
	tokens_release(&t);
	assert_string_equal(whose(&t, header), "nobody");
}

static void anything_else_is_nobody(void **state)
{
	static const char *const headers[] = {
		"", "Bearer", "Bearer ", "Bearer x", "Basic", "Basic !", "Basic eDp5", "Basic eHk=",
		"Basic Og==", "Digest x", "Token x", "Bearer hg_", "Bearer\t",
	};
	struct tokens t = { 0 };
	char header[1200], *end;
	size_t i;

	(void)state;
	load_two(&t);
	assert_string_equal(whose(&t, NULL), "nobody");
	for (i = 0; i < sizeof(headers) / sizeof(*headers); i++)
		assert_string_equal(whose(&t, headers[i]), "nobody");
	(void)snprintf(header, sizeof(header), "Bearer %s", token[0]);
	end = header + strlen(header);
	end[-1] ^= 1;
	assert_string_equal(whose(&t, header), "nobody");
	end[-1] ^= 1;
	strcpy(end, "a");
	assert_string_equal(whose(&t, header), "nobody");
	memset(header, 'A', sizeof(header) - 1);
	header[sizeof(header) - 1] = '\0';
	memcpy(header, "Basic ", 6);
	assert_string_equal(whose(&t, header), "nobody");
	memcpy(header, "Bearer ", 7);
	assert_string_equal(whose(&t, header), "nobody");
	tokens_release(&t);
}

static void a_line_that_is_wrong_is_refused(void **state)
{
	const char *hash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
	char line[200];

	(void)state;
	(void)snprintf(line, sizeof(line), "a = %s shop.", hash);
	assert_null(tokens_check(line));
	(void)snprintf(line, sizeof(line), "a = %s *", hash);
	assert_null(tokens_check(line));
	(void)snprintf(line, sizeof(line), "a = %s", hash);
	assert_non_null(tokens_check(line));
	(void)snprintf(line, sizeof(line), "a = %sshop.", hash);
	assert_non_null(tokens_check(line));
	(void)snprintf(line, sizeof(line), "a = %s shop.*", hash);
	assert_non_null(tokens_check(line));
	(void)snprintf(line, sizeof(line), "a = z%s *", hash + 1);
	assert_non_null(tokens_check(line));
	(void)snprintf(line, sizeof(line), "a = %s *", hash + 1);
	assert_non_null(tokens_check(line));
	assert_non_null(tokens_check("a = secret *"));
	assert_non_null(tokens_check(" = "));
}

/* ---- routes --------------------------------------------------------------------------------- */

static int judge(const char *path, const char *query, const char *prefixes)
{
	static struct route_request asked;
	struct route_refusal why = { 0 };
	struct scope scope;

	assert_null(scope_read(slice_text(prefixes), &scope));
	if (route_parse(slice_text(path), slice_text(query), 1763640000, &asked, &why) < 0)
		fail_msg("%s: %s", path, why.message);
	if (access_judge(&asked, &scope, &why) == 0)
		return 200;
	assert_string_equal(why.error, "not_allowed");
	return (int)why.status;
}

static void what_is_about_a_key_needs_its_prefix(void **state)
{
	static const char *const tails[] = {
		"/median/2025-11-20/13", "/median/2025-11-20", "/median", "", "/moving_average/5",
	};
	char path[100];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		(void)snprintf(path, sizeof(path), "/shop.a%s", tails[i]);
		assert_int_equal(judge(path, "from=-1h", "shop."), 200);
		assert_int_equal(judge(path, "from=-1h", "*"), 200);
		assert_int_equal(judge(path, "from=-1h", "bank. shop.b"), 403);
		(void)snprintf(path, sizeof(path), "/bank.a,k=shop.%s", tails[i]);
		assert_int_equal(judge(path, "from=-1h", "shop."), 403);
		(void)snprintf(path, sizeof(path), "/%%62ank.a%s", tails[i]);
		assert_int_equal(judge(path, "from=-1h", "shop."), 403);
		assert_int_equal(judge(path, "from=-1h", "bank."), 200);
	}
	assert_int_equal(judge("/v1/series", "key=bank.a&stat=median&from=-1h", "shop."), 403);
	assert_int_equal(judge("/v1/series", "key=shop.a&stat=median&from=-1h", "shop."), 200);
	assert_int_equal(judge("/v1/series", "key=shop.a&key=bank.a", "shop."), 200);
	assert_int_equal(judge("/hourglass.samples.received", "", "shop."), 403);
}

static void own_figures_need_their_prefix(void **state)
{
	(void)state;
	assert_int_equal(judge("/v1/ledger", "from=-1h", "shop."), 403);
	assert_int_equal(judge("/metrics", "", "shop. hourglass.samples."), 403);
	assert_int_equal(judge("/v1/ledger", "from=-1h", "hourglass."), 200);
	assert_int_equal(judge("/metrics", "", "*"), 200);
	assert_int_equal(judge("/v1/keys", "", "shop."), 200);
	assert_true(access_is_open(ROUTE_HEALTH) && access_is_open(ROUTE_READY));
	assert_true(access_is_open(ROUTE_PAGE) && !access_is_open(ROUTE_METRICS));
}

/* ---- hosts ---------------------------------------------------------------------------------- */

static bool knows(const char *header)
{
	return access_knows_host(header, "stats.local:8129", "a.example, B.example");
}

static void own_names_are_known(void **state)
{
	static const char *const good[] = {
		"localhost", "localhost:8129", "LOCALHOST.", "x.localhost", "127.0.0.1:1", "10.1.2.3",
		"[::1]:8129", "[2001:db8::1]", "stats.local", "STATS.local:9", "a.example:80",
		"b.example",
	};
	static const char *const bad[] = {
		"", "evil.example", "localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example",
		"[evil]", "a.example.evil", ":8129", "[", "]", "aa.example", "127.0.0.1@evil",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(knows(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(knows(bad[i]));
	assert_true(knows(NULL));
	assert_true(access_knows_host("evil.example", "127.0.0.1:1", "*"));
	assert_false(access_knows_host("evil.example", "127.0.0.1:1", ""));
	assert_null(access_check_hosts("a, b.c"));
	assert_null(access_check_hosts(""));
	assert_non_null(access_check_hosts("a:80"));
	assert_non_null(access_check_hosts("http://a"));
	assert_non_null(access_check_hosts("*.a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_hashed_as_b2sum_does),
		cmocka_unit_test(a_token_is_found_by_bearer_and_basic),
		cmocka_unit_test(anything_else_is_nobody),
		cmocka_unit_test(a_line_that_is_wrong_is_refused),
		cmocka_unit_test(what_is_about_a_key_needs_its_prefix),
		cmocka_unit_test(own_figures_need_their_prefix),
		cmocka_unit_test(own_names_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
