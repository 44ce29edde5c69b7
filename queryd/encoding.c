// SPDX-License-Identifier: Apache-2.0
/*
 * encoding.c - Accept-Encoding as weights, then one pass of zlib.
 *
 * Several header lines are one list, so wishes are gathered first and judged once. `*` speaks
 * for what was not named, identity is allowed unless it was refused. The room grows with what
 * comes out, for JSON shrinks to a fraction, and is bounded by what zlib says that it can
 * become.
 */
#include "queryd/encoding.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define GZIP_LEVEL  1
#define GZIP_WINDOW (MAX_WBITS + 16) /* the 16 asks for gzip's frame instead of zlib's */
#define GZIP_MEMORY 8                /* zlib's default: 256 KiB while it works */

#define GZIP_PIECE  ((size_t)4096)
#define GZIP_MOST   ((size_t)1 << 30)

#define UNNAMED (-1)
#define WHOLE   1000 /* q=1 */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t skip_blanks(const char *text, size_t at, size_t size)
{
	while (at < size && is_blank(text[at]))
		at++;
	return at;
}

/* `0.8` as thousandths (RFC 9110, 12.4.2: at most three decimals, at most 1); 0 for anything else. */
static int read_weight(const char *text, size_t size)
{
	int value = 0, unit = WHOLE;
	size_t i;

	while (size > 0 && is_blank(text[size - 1]))
		size--;
	if (size == 0 || size > 5 || (size > 1 && text[1] != '.'))
		return 0;
	for (i = 0; i < size; i++) {
		if (i == 1)
			continue;
		if (text[i] < '0' || text[i] > '9')
			return 0;
		value += (text[i] - '0') * unit;
		unit /= 10;
	}
	return value <= WHOLE ? value : 0;
}

/* What stands behind a coding's semicolon. */
static int read_parameter(const char *text, size_t size)
{
	size_t at = skip_blanks(text, 0, size);

	if (at + 2 > size || strncasecmp(text + at, "q=", 2) != 0)
		return 0;
	return read_weight(text + at + 2, size - at - 2);
}

static bool is_word(const char *text, size_t size, const char *word)
{
	return strlen(word) == size && strncasecmp(text, word, size) == 0;
}

/* One member of the list, without its comma. */
static void read_member(struct encoding_wishes *wishes, const char *text, size_t size)
{
	const char *semicolon = memchr(text, ';', size);
	size_t name = semicolon ? (size_t)(semicolon - text) : size;
	int weight = semicolon ? read_parameter(semicolon + 1, size - name - 1) : WHOLE;

	while (name > 0 && is_blank(text[name - 1]))
		name--;
	if (is_word(text, name, "gzip") || is_word(text, name, "x-gzip"))
		wishes->gzip = weight;
	else if (is_word(text, name, "identity"))
		wishes->identity = weight;
	else if (is_word(text, name, "*"))
		wishes->any = weight;
}

void encoding_accept(struct encoding_wishes *wishes, const char *line)
{
	while (*line) {
		size_t size;

		line += strspn(line, ", \t");
		size = strcspn(line, ",");
		read_member(wishes, line, size);
		line += size;
	}
}

bool encoding_is_gzip(const struct encoding_wishes *wishes, size_t size)
{
	int gzip = wishes->gzip == UNNAMED ? wishes->any : wishes->gzip;
	bool plain_refused = wishes->identity == 0 ||
			     (wishes->identity == UNNAMED && wishes->any == 0);

	if (size == 0 || gzip <= 0 || gzip < wishes->identity)
		return false;
	return plain_refused || size >= ENCODING_LEAST;
}

/* Compresses all that the stream has been given, into room that grows with what comes out. */
static void deflate_all(z_stream *stream, struct buf *out)
{
	int status = Z_OK;

	while (status != Z_STREAM_END) {
		stream->next_out = buf_extend(out, GZIP_PIECE);
		stream->avail_out = GZIP_PIECE;
		if (!stream->next_out)
			return;
		status = deflate(stream, Z_FINISH);
		assert(status == Z_OK || status == Z_STREAM_END);
	}
	buf_truncate(out, (size_t)stream->total_out);
}

int encoding_gzip(struct buf *body)
{
	z_stream stream = { .next_in = body->data, .avail_in = (uInt)body->size };
	struct buf packed;

	assert(body->size <= GZIP_MOST);
	if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	/* What cannot be compressed becomes longer. */
	buf_init(&packed, deflateBound(&stream, (uLong)body->size) + GZIP_PIECE);
	buf_reserve(&packed, body->size / 8 + GZIP_PIECE);
	deflate_all(&stream, &packed);
	(void)deflateEnd(&stream);
	if (buf_status(&packed) < 0) {
		buf_release(&packed);
		return -ENOMEM;
	}
	buf_release(body);
	*body = packed;
	return 0;
}
