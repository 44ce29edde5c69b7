// SPDX-License-Identifier: Apache-2.0
#include "agent/explain.h"

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* An answer repeats name and tags for each of a line's samples: 32,768 samples of a name of
 * 8,192 bytes would be half a GB. So much is kept in memory before it is written out. */
#define EXPLAIN_CHUNK_BYTES (1024 * 1024)

/* How much of a line that is too long is shown. */
#define EXPLAIN_CUT_BYTES 256

struct explain {
	struct line_parser parser;
	struct series series;
	struct buf buf;
	struct json json;
	FILE *out;
	struct slice line;
	bool begun; /* the line at hand has had a sample */
	int failed;
};

static void explain_flush(struct explain *e)
{
	if (e->failed == 0)
		e->failed = buf_status(&e->buf);
	if (e->failed == 0 && e->buf.size > 0 &&
	    fwrite(e->buf.data, 1, e->buf.size, e->out) != e->buf.size)
		e->failed = -EIO;
	buf_reset(&e->buf);
}

static void explain_tags(struct json *j, const struct series *series)
{
	json_key(j, "tags");
	json_object_open(j);
	for (size_t i = 0; i < series->tag_count; i++) {
		json_key_slice(j, series->tags[i].key);
		json_text_slice(j, series->tags[i].value);
	}
	json_object_close(j);
}

/* Opens the answer to a line that is accepted: known at its first sample, or at its end when
 * it has none. */
static void explain_accept(struct explain *e)
{
	if (e->begun)
		return;
	e->begun = true;
	json_object_open(&e->json);
	json_key(&e->json, "line");
	json_text_slice(&e->json, e->line);
	json_key(&e->json, "accepted");
	json_bool(&e->json, true);
	json_key(&e->json, "samples");
	json_array_open(&e->json);
}

static void explain_sample(void *arg, const struct line_sample *sample)
{
	struct explain *e = arg;
	struct json *j = &e->json;
	int r = series_parse(sample->series, &e->series);

	assert(r == 0);
	explain_accept(e);
	json_object_open(j);
	json_key(j, "series");
	json_text_slice(j, sample->series);
	json_key(j, "name");
	json_text_slice(j, e->series.name);
	json_key(j, "type");
	json_text(j, line_type_text(sample->type));
	json_key(j, "value");
	if (sample->kind == KIND_SET)
		json_text_slice(j, sample->member);
	else
		json_number(j, sample->value);
	json_key(j, "rate");
	json_number(j, sample->rate);
	explain_tags(j, &e->series);
	if (sample->gauge_delta) {
		json_key(j, "gauge_delta");
		json_bool(j, true);
	}
	if (sample->timestamp != LINE_NO_TIMESTAMP) {
		json_key(j, "ts");
		json_i64(j, sample->timestamp);
	}
	json_object_close(j);
	if (e->buf.size > EXPLAIN_CHUNK_BYTES)
		explain_flush(e);
}

static void explain_refuse(struct explain *e, int reason)
{
	struct json *j = &e->json;

	json_object_open(j);
	json_key(j, "line");
	json_text_slice(j, e->line);
	json_key(j, "accepted");
	json_bool(j, false);
	if (reason == ERR_EVENT || reason == ERR_SERVICE_CHECK) {
		json_key(j, "unsupported");
		json_bool(j, true);
	}
	json_key(j, "reason");
	json_text(j, err_name(reason));
	json_object_close(j);
}

/* One answer: of the parser, or too_large when the line was longer than could be read. */
static void explain_line(struct explain *e, struct slice line, bool cut)
{
	int r = ERR_TOO_LARGE;

	e->line = line;
	e->begun = false;
	e->json = json_begin(&e->buf);
	if (!cut)
		r = line_parse(&e->parser, line, explain_sample, e);
	if (r < 0) {
		explain_refuse(e, r);
	} else {
		explain_accept(e);
		json_array_close(&e->json);
		json_object_close(&e->json);
	}
	buf_put_u8(&e->buf, '\n');
	explain_flush(e);
}

static int explain_datagram(struct explain *e, FILE *in, uint8_t *bytes)
{
	size_t size = fread(bytes, 1, LIMIT_DATAGRAM_BYTES + 1, in);
	struct slice datagram = slice_of(bytes, size);
	struct slice line;

	if (size > LIMIT_DATAGRAM_BYTES) {
		fprintf(stderr, "explain: the input is larger than a datagram can be (%d bytes)\n",
			LIMIT_DATAGRAM_BYTES);
		return ERR_TOO_LARGE;
	}
	while (e->failed == 0 && line_split(&datagram, &line))
		explain_line(e, line, false);
	return e->failed;
}

/* Reads a line of at most LIMIT_DATAGRAM_BYTES; of a longer one the rest is read and thrown
 * away. Not fgets, which cannot tell a zero byte from the end. False at the end. */
static bool explain_read(FILE *in, uint8_t *bytes, size_t *size, bool *cut)
{
	int byte = getc_unlocked(in);

	*size = 0;
	*cut = false;
	if (byte == EOF)
		return false;
	for (; byte != EOF && byte != '\n'; byte = getc_unlocked(in)) {
		if (*size == LIMIT_DATAGRAM_BYTES)
			*cut = true;
		else
			bytes[(*size)++] = (uint8_t)byte;
	}
	return true;
}

static int explain_lines(struct explain *e, FILE *in, uint8_t *bytes)
{
	size_t size;
	bool cut;

	while (e->failed == 0 && explain_read(in, bytes, &size, &cut)) {
		explain_line(e, slice_of(bytes, cut ? EXPLAIN_CUT_BYTES : size), cut);
		/* A person at a terminal types one line and waits. */
		if (e->failed == 0 && fflush(e->out) != 0)
			e->failed = -EIO;
	}
	return e->failed;
}

int explain_run(FILE *in, FILE *out, bool datagram, const struct line_options *options)
{
	uint8_t *bytes = malloc(LIMIT_DATAGRAM_BYTES + 1);
	struct explain *e = malloc(sizeof(*e));
	int r = -ENOMEM;

	if (bytes == NULL || e == NULL)
		goto out;
	*e = (struct explain){ .out = out };
	line_parser_init(&e->parser, options);
	buf_init(&e->buf, 2 * (size_t)EXPLAIN_CHUNK_BYTES);
	r = datagram ? explain_datagram(e, in, bytes) : explain_lines(e, in, bytes);
	if (r == 0 && (ferror(in) || fflush(out) != 0))
		r = -EIO;
	buf_release(&e->buf);
out:
	free(e);
	free(bytes);
	return r;
}
