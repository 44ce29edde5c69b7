// SPDX-License-Identifier: Apache-2.0
/*
 * serve_keys.c - a page of names, at once if few are looked at.
 *
 * As many names as QUERYD_FEW_NAMES are looked at on the loop; when that does not fill the
 * page, it is begun anew in the thread beside it, with names and scope held as they are.
 */
#include "queryd/queryd_private.h"

#include "queryd/answer.h"

#include <errno.h>
#include <stdlib.h>

/* A page of names, while it is looked for. */
struct listing {
	struct aside_job job; /* first */
	struct queryd *queryd;
	struct http_request *request;
	struct scope_keys *keys;
	struct buf body;
	uint64_t begun_ns;
	struct route_request asked;
};

/* Writes the page down, unless it takes more looks (0: any number). False when it does. */
static bool put_page(const struct route_request *asked, const struct scope_keys *keys, size_t looks,
		     struct buf *body)
{
	struct slice found[ROUTE_LIMIT_MAX];
	struct names_page page = { .keys = found, .limit = asked->limit, .looks = looks };

	scope_page(keys, &asked->match, slice_of(asked->key, asked->key_size), &page);
	if (!page.cut)
		answer_keys(body, &page);
	return !page.cut;
}

static void list(struct aside_job *job)
{
	struct listing *l = (struct listing *)job;

	(void)put_page(&l->asked, l->keys, 0, &l->body);
}

static void on_listed(struct aside_job *job, bool late)
{
	struct listing *l = (struct listing *)job;
	struct queryd *q = l->queryd;
	unsigned sent;

	if (late) {
		buf_release(&l->body);
		sent = queryd_refuse_store(q, l->request, -EBUSY, NULL);
	} else {
		queryd_read_names(q, l->request);
		sent = respond_json(l->request, &q->responder, 200, &l->body);
	}
	queryd_count(q, ROUTE_KEYS, sent, l->begun_ns);
	scope_release(l->keys);
	free(l);
}

unsigned serve_keys(struct queryd *q, struct http_request *request,
		    const struct route_request *asked, const struct scope_keys *keys,
		    uint64_t begun_ns)
{
	struct listing *l;
	struct buf body;
	unsigned sent;

	if (!names_poll_loaded(&q->names_poll) && !queryd_knows_names(q, request, &sent))
		return sent;
	buf_init(&body, (size_t)q->config->max_answer);
	if (put_page(asked, keys, QUERYD_FEW_NAMES, &body)) {
		queryd_read_names(q, request);
		return respond_json(request, &q->responder, 200, &body);
	}
	l = calloc(1, sizeof(*l));
	if (l)
		l->keys = scope_hold(keys);
	if (!l || !l->keys) {
		free(l);
		return queryd_refuse_store(q, request, -ENOMEM, NULL);
	}
	l->job.run = list;
	l->job.done = on_listed;
	l->queryd = q;
	l->request = request;
	l->asked = *asked;
	l->begun_ns = begun_ns;
	l->body = body; /* nothing was put into it */
	aside_start(&q->looking, &l->job, queryd_deadline_ns(q, begun_ns));
	return 0;
}
