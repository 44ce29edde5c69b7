// SPDX-License-Identifier: Apache-2.0
/*
 * local.c - a request without a client.
 *
 * It waits until all is known that a server knows a moment after its start, or LOCAL_WAIT_MS,
 * and is then served as any other: what it prints is what a server would answer. Only why Redis
 * cannot be reached is said at more length.
 */
#include "queryd/queryd_private.h"

#include <errno.h>
#include <stdio.h>

/* How long a Redis that cannot be reached, or a long list of names, is waited for. */
#define LOCAL_WAIT_MS 10000

static void on_replied(void *arg, unsigned status, struct slice body)
{
	struct queryd *q = arg;
	FILE *to = status == 200 ? stdout : stderr;
	size_t written = fwrite(body.ptr, 1, body.size, to);

	q->local_exit = status != 200 || written != body.size || fflush(to) != 0;
	q->local_done = true;
}

int local_start(struct queryd *q)
{
	q->local = http_request_local(q->config->get, on_replied, q);
	q->local_exit = 1;
	q->local_by_ms = life_monotonic_ms() + LOCAL_WAIT_MS;
	return q->local ? 0 : -ENOMEM;
}

/* Who can run --get has the configuration; clients of a server are not told where its Redis is. */
const char *local_problem(struct queryd *q)
{
	const char *trouble = redis_trouble(q->redis);
	bool tried = *trouble != '\0';

	(void)snprintf(q->local_problem, sizeof(q->local_problem), "Redis cannot be reached: %s%s",
		       tried ? trouble : redis_endpoint(q->redis), tried ? "" : ": no answer yet");
	return q->local_problem;
}

/* What a server knows a moment after its start. */
static bool knows_all(const struct queryd *q)
{
	return redis_is_up(q->redis) && fleet_is_known(&q->fleet) &&
	       names_poll_loaded(&q->names_poll) && agents_poll_loaded(&q->agents_poll);
}

void local_tick(struct queryd *q)
{
	struct http_request *request = q->local;

	/* Not at once: the answer may have come from within the connection to Redis. */
	if (q->local_done) {
		q->local_done = false;
		queryd_close(q);
	}
	if (!request || (!knows_all(q) && life_monotonic_ms() < q->local_by_ms))
		return;
	q->local = NULL;
	queryd_serve(q, request);
}
