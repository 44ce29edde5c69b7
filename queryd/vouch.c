// SPDX-License-Identifier: Apache-2.0
/*
 * vouch.c - verdicts bound to the server that they were read from.
 *
 * A verdict is made before the data is asked for and carries the generation of the server whose
 * watermarks it is of; data that came from another one takes it back. So an hour is never
 * called complete by one server's watermarks and answered from another's cells.
 */
#include "queryd/queryd_private.h"

#include "proto/hour.h"

#include <inttypes.h>
#include <stdio.h>

static const char stale_header[] = "Hourglass-Stale";

struct queryd_vouch queryd_vouch(struct queryd *q, int64_t to_hour, const uint64_t *names)
{
	struct queryd_vouch vouch = { .generation = redis_view(q->redis).generation };

	if (!agents_poll_loaded(&q->agents_poll))
		return vouch;
	vouch.verdict = agents_judge(&q->agents, to_hour * HOUR_SECONDS * 1000, life_wall_ms(),
				     q->config->agent_gone_after_ms);
	vouch.verdict.complete &= !names || *names == vouch.generation;
	return vouch;
}

/* Whole seconds, rounded up. */
static void put_age(const struct queryd *q, struct http_request *request, struct redis_view read)
{
	int64_t age_ms = (int64_t)uv_now(&q->loop) - read.fresh_ms;
	char text[HTTP_ADDED_SIZE];

	(void)snprintf(text, sizeof(text), "%" PRId64, (age_ms + 999) / 1000);
	http_add_header(request, stale_header, text);
}

void queryd_read(struct queryd *q, struct http_request *request, struct queryd_vouch *vouch)
{
	struct redis_view read = fetches_read(&q->fetches);

	if (vouch && vouch->generation != read.generation)
		*vouch = (struct queryd_vouch){ .generation = read.generation };
	if (!read.replica)
		return;
	put_age(q, request, read);
	tally_add(&q->metrics.stale, 1);
}

void queryd_read_names(struct queryd *q, struct http_request *request)
{
	struct redis_view read = redis_view(q->redis);

	if (read.replica)
		put_age(q, request, read);
}
