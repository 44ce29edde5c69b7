/*
 * posts.h - POST /v1/samples: a body of lines, or of JSON, that is answered when it is sealed.
 *
 *     body -> lines -> ingest -> an intake of its own -> the next seal -> 202
 *
 * A body is taken whole or, before anything of it has counted, refused. Its samples are sealed with
 * the next seal, at once when POSTS_SEAL_BYTES are waiting; 202 means that they are in the spool,
 * as durable as that promises. An Idempotency-Key makes a retry count once (posted.h). The lines of
 * a body are judged one by one, as everywhere, and the answer says how many were refused.
 *
 * Bounded: requests that wait (connections of the admin port), bytes of one body and of all
 * bodies (admin.c), the time a body may take (http.h). Gauges of a body are sealed as they come, and
 * not held back for their second's order: the answer must not wait for it. The loop's thread.
 */
#ifndef AGENT_POSTS_H
#define AGENT_POSTS_H

#include "agent/ingest.h"
#include "agent/posted.h"

#include <stdbool.h>
#include <stddef.h>

#define POSTS_WAITING    64
#define POSTS_SEAL_BYTES (1024 * 1024)

struct http_request;

struct posts_effects {
	/* NULL when a body of so many bytes can be sealed soon; else why not, as a sentence. */
	const char *(*unready)(void *arg, size_t bytes);
	/* Much is waiting: seal now. */
	void (*seal)(void *arg);
};

struct posts_request {
	struct http_request *request;
	uint64_t lines, samples, refused;
};

struct posts {
	struct ingest ingest;
	/* private */
	struct posted *posted; /* NULL: keys are not known yet */
	struct posts_effects effects;
	void *arg;
	struct posts_request waiting[POSTS_WAITING];
	size_t waiting_count;
	size_t waiting_bytes;
};

/* Readies it over an intake (borrowed) that nothing else fills; ingest is to be readied by the
 * caller (inputs.h). */
void posts_init(struct posts *p, const struct posts_effects *effects, void *arg);

/* Which keys have counted (borrowed). */
void posts_set_posted(struct posts *p, struct posted *posted);

/* Takes a request, and replies to it now or at the next seal. */
void posts_handle(struct posts *p, struct http_request *request);

/* Whether a seal is being waited for. */
bool posts_is_waiting(const struct posts *p);

/* Its table is about to be sealed: samples in it, after `sealed` ones of the stream. */
void posts_sealing(struct posts *p, const struct stream_id *stream, uint64_t sealed,
		   uint64_t samples, bool sync);

/* It was; lost: samples for which there was no memory. durable: the spool has them. Replies. */
void posts_sealed(struct posts *p, uint64_t lost, bool durable);

/* There will be no seal any more: replies to all that wait. */
void posts_abandon(struct posts *p);

#endif
