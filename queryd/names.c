// SPDX-License-Identifier: Apache-2.0
/*
 * names.c - a merge in three steps, of which the middle one may run in another thread.
 *
 * take() moves what waits, and a hold of the index, into a struct of its own; run() works on
 * that alone; done() puts the result in place of the index. What waits meanwhile is a new
 * batch, for the next merge. Anew, names that are met are marks on the present index, and
 * become the next one only when all were met: a pass that fails leaves what was known.
 */
#include "queryd/names.h"

#include <assert.h>

void names_init(struct names *n, size_t max)
{
	assert(max > 0);
	*n = (struct names){ .max = max };
}

void names_release(struct names *n)
{
	names_discard(n);
	names_index_drop(n->index);
	n->index = NULL;
}

int names_add(struct names *n, struct slice name, unsigned kinds)
{
	return names_batch_add(&n->waiting, name, kinds);
}

size_t names_waiting(const struct names *n)
{
	return n->waiting.count;
}

void names_merge_take(struct names *n, enum names_merge_how how, struct names_merge *m)
{
	*m = (struct names_merge){ .how = how, .batch = n->waiting, .max = n->max };
	n->waiting = (struct names_batch){ 0 };
	if (how == NAMES_ADD) {
		m->base = names_index_hold(n->index);
		return;
	}
	if (!n->anew)
		names_seen_init(&n->seen, n->index);
	n->anew = true;
	m->seen = n->seen;
	n->seen = (struct names_seen){ 0 };
}

static void meet(struct names_merge *m)
{
	uint64_t more = 0;

	m->status = names_seen_take(&m->seen, &m->batch, m->max, &m->dropped);
	if (m->how != NAMES_REPLACE || m->status < 0)
		return;
	m->status = names_seen_settle(&m->seen, m->max, &m->out, &more);
	m->dropped += more;
}

void names_merge_run(struct names_merge *m)
{
	if (m->how == NAMES_ADD) {
		m->status = names_index_merge(m->base, &m->batch, m->max, &m->out, &m->dropped);
		m->base = NULL;
	} else {
		meet(m);
	}
	/* Here, because a large batch takes its time to free. */
	names_batch_release(&m->batch);
}

int names_merge_done(struct names *n, struct names_merge *m)
{
	n->dropped += m->dropped;
	if (m->how == NAMES_ANEW) {
		n->seen = m->seen;
		m->seen = (struct names_seen){ 0 };
		return m->status;
	}
	n->anew &= m->how != NAMES_REPLACE;
	if (m->status < 0)
		return m->status;
	m->base = n->index;
	n->index = m->out;
	m->out = NULL;
	return 0;
}

void names_merge_release(struct names_merge *m)
{
	names_index_drop(m->base);
	names_index_drop(m->out);
	names_seen_release(&m->seen);
	*m = (struct names_merge){ 0 };
}

int names_settle(struct names *n)
{
	struct names_merge m;
	int status;

	names_merge_take(n, NAMES_ADD, &m);
	names_merge_run(&m);
	status = names_merge_done(n, &m);
	names_merge_release(&m);
	return status;
}

void names_discard(struct names *n)
{
	names_batch_release(&n->waiting);
	names_seen_release(&n->seen);
	n->anew = false;
}

void names_pin(const struct names *n, struct names *pinned)
{
	*pinned = (struct names){ .index = names_index_hold(n->index), .max = n->max };
}

size_t names_count(const struct names *n)
{
	return names_index_count(n->index);
}

uint64_t names_dropped(const struct names *n)
{
	return n->dropped;
}

bool names_full(const struct names *n)
{
	return names_index_full(n->index);
}

struct names_cursor names_seek(const struct names *n, struct slice name)
{
	return names_index_seek(n->index, name);
}

bool names_step(const struct names *n, struct names_cursor *at, struct slice *name, unsigned *kinds)
{
	return names_index_step(n->index, at, name, kinds);
}
