// SPDX-License-Identifier: Apache-2.0
/*
 * posts.c - requests that wait for the next seal, in an array.
 *
 * A body is judged in this order, and the first that refuses it answers: can it be sealed soon, is
 * its key good and new, is its JSON whole, is there memory for the key. Only then its lines are put
 * into the table; from there on it is answered by the seal, or when there will be none.
 */
#include "agent/posts.h"

#include "agent/framing.h"
#include "agent/post_json.h"
#include "proto/daemon/http.h"
#include "proto/daemon/life.h"
#include "proto/err.h"
#include "proto/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define POSTS_KEY_BYTES   255
#define POSTS_REPLY_BYTES 1024

void posts_init(struct posts *p, const struct posts_effects *effects, void *arg)
{
	p->effects = *effects;
	p->arg = arg;
}

void posts_set_posted(struct posts *p, struct posted *posted)
{
	p->posted = posted;
}

bool posts_is_waiting(const struct posts *p)
{
	return p->waiting_count > 0;
}

/* ---- answers ---- */

static void posts_reply(struct http_request *request, unsigned status, struct buf *body)
{
	struct http_header later = { .name = "Retry-After", .value = "1" };

	http_reply(request, status, "application/json", body, &later, status == 503);
	buf_release(body);
}

static void posts_refuse(struct http_request *request, unsigned status, const char *error,
			 const char *message)
{
	struct buf out;
	struct json j;

	buf_init(&out, POSTS_REPLY_BYTES);
	j = json_begin(&out);
	json_object_open(&j);
	json_key(&j, "error");
	json_text(&j, error);
	json_key(&j, "message");
	json_text(&j, message);
	json_object_close(&j);
	buf_put_text(&out, "\n");
	posts_reply(request, status, &out);
}

static void posts_accept(const struct posts_request *r, bool repeated)
{
	struct buf out;
	struct json j;

	buf_init(&out, POSTS_REPLY_BYTES);
	j = json_begin(&out);
	json_object_open(&j);
	if (repeated) {
		json_key(&j, "repeated");
		json_bool(&j, true);
	} else {
		json_key(&j, "lines");
		json_u64(&j, r->lines);
		json_key(&j, "samples");
		json_u64(&j, r->samples);
		json_key(&j, "refused");
		json_u64(&j, r->refused);
	}
	json_object_close(&j);
	buf_put_text(&out, "\n");
	posts_reply(r->request, 202, &out);
}

/* Answers a request whose key is not new. False when it is. */
static bool posts_is_known(struct posts *p, struct http_request *request, struct slice key,
			   int64_t now_ms)
{
	struct posts_request repeated = { .request = request };

	switch (posted_find(p->posted, key, http_body(request), now_ms)) {
	case POSTED_NEW:
		return false;
	case POSTED_SEALED:
		posts_accept(&repeated, true);
		return true;
	case POSTED_WAITING:
		posts_refuse(request, 409, "in_progress", "the first request with this key is "
			     "being sealed; ask again in a second");
		return true;
	case POSTED_PARTLY:
		posts_refuse(request, 409, "partly_counted", "the agent was killed while it "
			     "sealed the first request with this key: a part of it has counted");
		return true;
	case POSTED_OTHER:
		posts_refuse(request, 422, "key_reused", "this key came with another body "
			     "before");
		return true;
	}
	return false;
}

/* ---- bodies ---- */

static void posts_ingest(struct posts *p, struct slice text, struct posts_request *r)
{
	struct slice line;

	ingest_begin(&p->ingest, false);
	while (line_split(&text, &line))
		if (line.size > FRAMING_LINE_BYTES)
			ingest_refuse_line(&p->ingest, line, ERR_TOO_LARGE);
		else
			ingest_line(&p->ingest, line);
	ingest_end(&p->ingest);
	r->lines = p->ingest.lines;
	r->samples = p->ingest.taken;
	r->refused = p->ingest.refusals;
}

static bool posts_is_json(const struct http_request *request)
{
	const char *type = http_header(request, "Content-Type");

	return type != NULL && strncasecmp(type, "application/json", 16) == 0;
}

/* The body's lines: its own, or those that *made holds. False when it was refused. */
static bool posts_lines(struct http_request *request, struct buf *made, struct slice *lines)
{
	char message[256];
	const char *why;
	size_t index;
	int status;

	*lines = http_body(request);
	if (!posts_is_json(request))
		return true;
	status = post_json_lines(*lines, made, &index, &why);
	*lines = buf_view(made);
	if (status == 0)
		return true;
	snprintf(message, sizeof(message), "element %zu: %s", index, why ? why : "no memory");
	if (status == ERR_MALFORMED)
		posts_refuse(request, 400, "bad_json", message);
	else
		posts_refuse(request, 503, "no_memory", "there is no memory for it now");
	return false;
}

/* Whether there is a key to be kept; a wrong one is answered with false in *good. */
static bool posts_key(struct http_request *request, struct slice *key, bool *good)
{
	const char *text = http_header(request, "Idempotency-Key");

	*good = true;
	if (text == NULL)
		return false;
	*key = slice_text(text);
	*good = key->size > 0 && key->size <= POSTS_KEY_BYTES;
	if (!*good)
		posts_refuse(request, 400, "bad_key", "an Idempotency-Key has 1 to 255 bytes");
	return *good;
}

static void posts_take(struct posts *p, struct http_request *request, struct slice lines)
{
	struct posts_request *r = &p->waiting[p->waiting_count++];

	*r = (struct posts_request){ .request = request };
	posts_ingest(p, lines, r);
	p->waiting_bytes += lines.size;
	if (p->waiting_bytes >= POSTS_SEAL_BYTES)
		p->effects.seal(p->arg);
}

void posts_handle(struct posts *p, struct http_request *request)
{
	const char *unready = p->effects.unready(p->arg, http_body(request).size);
	int64_t now_ms = life_wall_ms();
	struct slice key, lines;
	struct buf made;
	bool good, keyed;

	if (unready != NULL || p->posted == NULL || p->waiting_count == POSTS_WAITING) {
		posts_refuse(request, 503, "not_now", unready ? unready : "too many are waiting");
		return;
	}
	keyed = posts_key(request, &key, &good);
	if (!good || (keyed && posts_is_known(p, request, key, now_ms)))
		return;
	/* A line is shorter than the element it is made of. */
	buf_init(&made, http_body(request).size + POSTS_REPLY_BYTES);
	if (posts_lines(request, &made, &lines)) {
		if (keyed && posted_add(p->posted, key, http_body(request), now_ms) < 0)
			posts_refuse(request, 503, "no_memory", "there is no memory for its key");
		else
			posts_take(p, request, lines);
	}
	buf_release(&made);
}

/* ---- a seal ---- */

void posts_sealing(struct posts *p, const struct stream_id *stream, uint64_t sealed,
		   uint64_t samples, bool sync)
{
	if (p->posted != NULL)
		posted_sealing(p->posted, stream, sealed, samples, sync);
}

void posts_sealed(struct posts *p, uint64_t lost, bool durable)
{
	if (p->posted == NULL)
		return;
	posted_sealed(p->posted, lost == 0);
	for (size_t i = 0; i < p->waiting_count; i++) {
		const struct posts_request *r = &p->waiting[i];

		if (lost > 0)
			posts_refuse(r->request, 500, "partly_counted",
				     "there was no memory to seal all of it");
		else if (!durable)
			posts_refuse(r->request, 503, "not_durable", "it is sealed, but only in "
				     "memory, as the disk fails; with a key, ask again");
		else
			posts_accept(r, false);
	}
	p->waiting_count = 0;
	p->waiting_bytes = 0;
}

void posts_abandon(struct posts *p)
{
	for (size_t i = 0; i < p->waiting_count; i++)
		posts_refuse(p->waiting[i].request, 503, "stopping",
			     "the agent stops, and could not seal it");
	p->waiting_count = 0;
	p->waiting_bytes = 0;
}
