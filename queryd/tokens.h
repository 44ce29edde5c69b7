/*
 * tokens.h - who may ask: tokens, of which only hashes are kept.
 *
 *     [tokens]
 *     acme = <64 hex digits> shop. checkout.        name = hash, then what it may see (scope.h)
 *
 * A token is `hg_` and 32 random bytes in base64url; its hash is BLAKE2b of 32 bytes, unsalted and
 * fast, which is enough for what nobody can guess. A token that is given is hashed and compared
 * with all hashes in constant time (libsodium). It comes as `Authorization: Bearer TOKEN`, or as the
 * password of Basic with any user, as Grafana and curl send it. Pure: randomness is an argument.
 */
#ifndef QUERYD_TOKENS_H
#define QUERYD_TOKENS_H

#include "queryd/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKENS_MAX       1000
#define TOKEN_SEED_BYTES 32
#define TOKEN_HASH_BYTES 32
#define TOKEN_SIZE       48 /* `hg_`, 43 characters, terminator */
#define TOKEN_HASH_SIZE  65 /* hex digits, terminator */

struct token {
	struct slice name; /* of who has it */
	uint8_t hash[TOKEN_HASH_BYTES];
	struct scope scope;
};

struct tokens {
	/* private */
	char *text; /* the lines, which names and scopes point into */
	struct token *list;
	size_t count;
};

/* For the configuration's table: what is wrong with a line, or NULL. */
const char *tokens_check(const char *line);

/* Reads lines that were checked, copied. 0; -ENOMEM (then *t is as it was). What *t held is
 * freed: begin with zeroes. */
int tokens_load(struct tokens *t, const char *lines) __attribute__((warn_unused_result));

/* Frees what it holds. */
void tokens_release(struct tokens *t);

/* Whether there are any: without, everybody may ask everything. */
bool tokens_any(const struct tokens *t);

/* Whose token an Authorization header (may be NULL) holds; NULL: nobody's. Borrowed until the next
 * load. */
const struct token *tokens_find(const struct tokens *t, const char *authorization);

/* Makes a token of random bytes, and the hash that stands for it in the configuration. */
void tokens_make(const uint8_t seed[TOKEN_SEED_BYTES], char token[TOKEN_SIZE],
		 char hash[TOKEN_HASH_SIZE]);

#endif
