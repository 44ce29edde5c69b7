// SPDX-License-Identifier: Apache-2.0
/*
 * tokens.c - hashes of tokens, compared to the end.
 *
 * A token has 256 bits from the kernel, so one plain hash is enough, and slow ones would be a
 * gift to who floods. All are compared, and each in the same time, whichever it is. A reload
 * builds the whole list before it takes the place of the old one; scopes borrow the text of the
 * lines, which lives as long.
 */
#include "queryd/tokens.h"

#include <assert.h>
#include <errno.h>
#include <sodium/crypto_generichash.h>
#include <sodium/utils.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXPECTED_LINE "NAME = 64 hex digits and prefixes of names, or `*`: hourglass-queryd --token makes one"

/* Of an Authorization header: a token, or `user:token` in base64. */
#define CREDENTIALS_BYTES 512

/* ---- configuration -------------------------------------------------------------------------- */

static const char *read_line(struct slice line, struct token *out)
{
	const size_t digits = TOKEN_HASH_BYTES * 2;
	const uint8_t *equals = memmem(line.ptr, line.size, " = ", 3);
	size_t before = equals ? (size_t)(equals - line.ptr) : 0, hashed;
	struct slice rest;

	if (before == 0 || line.size - before - 3 < digits)
		return EXPECTED_LINE;
	rest = slice_of(equals + 3, line.size - before - 3);
	if (sodium_hex2bin(out->hash, sizeof(out->hash), (const char *)rest.ptr, digits, NULL,
			   &hashed, NULL) != 0 ||
	    hashed != sizeof(out->hash))
		return EXPECTED_LINE;
	out->name = slice_of(line.ptr, before);
	rest = slice_of(rest.ptr + digits, rest.size - digits);
	if (rest.size > 0 && *rest.ptr != ' ')
		return EXPECTED_LINE;
	return scope_read(rest, &out->scope);
}

const char *tokens_check(const char *line)
{
	struct token token;

	return read_line(slice_text(line), &token);
}

static size_t count_lines(const char *text)
{
	size_t count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

int tokens_load(struct tokens *t, const char *lines)
{
	struct tokens fresh = { .text = strdup(lines) };
	const char *at;

	fresh.list = calloc(count_lines(lines) + 1, sizeof(*fresh.list));
	if (!fresh.text || !fresh.list) {
		tokens_release(&fresh);
		return -ENOMEM;
	}
	for (at = fresh.text; *at;) {
		size_t size = strcspn(at, "\n");
		const char *wrong = read_line(slice_of(at, size), &fresh.list[fresh.count++]);
		assert(!wrong);
		(void)wrong;
		at += size + (at[size] == '\n');
	}
	tokens_release(t);
	*t = fresh;
	return 0;
}

void tokens_release(struct tokens *t)
{
	free(t->text);
	free(t->list);
	*t = (struct tokens){ 0 };
}

bool tokens_any(const struct tokens *t)
{
	return t->count > 0;
}

/* ---- who asks ------------------------------------------------------------------------------- */

/* What follows a scheme's name and blanks, or NULL. */
static const char *after_scheme(const char *header, const char *scheme)
{
	size_t size = strlen(scheme);

	if (strncasecmp(header, scheme, size) != 0 || header[size] != ' ')
		return NULL;
	return header + size + strspn(header + size, " ");
}

/* The token of a header, into out. False: there is none. */
static bool read_header(const char *header, uint8_t out[CREDENTIALS_BYTES], struct slice *token)
{
	const char *bearer = after_scheme(header, "Bearer");
	const char *basic = after_scheme(header, "Basic");
	const uint8_t *colon;
	size_t size;

	if (bearer) {
		size = strlen(bearer);
		while (size > 0 && bearer[size - 1] == ' ')
			size--;
		*token = slice_of(bearer, size);
		return size > 0 && size <= CREDENTIALS_BYTES;
	}
	if (!basic || sodium_base642bin(out, CREDENTIALS_BYTES, basic, strlen(basic), " ", &size,
					NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		return false;
	colon = memchr(out, ':', size);
	if (!colon)
		return false;
	*token = slice_of(colon + 1, size - (size_t)(colon + 1 - out));
	return true;
}

static void hash_token(struct slice token, uint8_t hash[TOKEN_HASH_BYTES])
{
	(void)crypto_generichash(hash, TOKEN_HASH_BYTES, token.ptr, token.size, NULL, 0);
}

const struct token *tokens_find(const struct tokens *t, const char *authorization)
{
	uint8_t room[CREDENTIALS_BYTES], hash[TOKEN_HASH_BYTES];
	const struct token *found = NULL;
	struct slice token;
	size_t i;

	if (!authorization || !read_header(authorization, room, &token))
		return NULL;
	hash_token(token, hash);
	sodium_memzero(room, sizeof(room));
	/* To the end, so that the time does not tell which one it was. */
	for (i = 0; i < t->count; i++) {
		if (sodium_memcmp(hash, t->list[i].hash, sizeof(hash)) == 0)
			found = &t->list[i];
	}
	return found;
}

void tokens_make(const uint8_t seed[TOKEN_SEED_BYTES], char token[TOKEN_SIZE],
		 char hash[TOKEN_HASH_SIZE])
{
	uint8_t hashed[TOKEN_HASH_BYTES];

	memcpy(token, "hg_", 3);
	sodium_bin2base64(token + 3, TOKEN_SIZE - 3, seed, TOKEN_SEED_BYTES,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	hash_token(slice_text(token), hashed);
	sodium_bin2hex(hash, TOKEN_HASH_SIZE, hashed, sizeof(hashed));
}
