// SPDX-License-Identifier: Apache-2.0
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

void names_merge_take(struct names *n, bool anew, struct names_merge *m)
{
	*m = (struct names_merge){
		.base = names_index_hold(anew ? n->next : n->index),
		.batch = n->waiting,
		.max = n->max,
		.anew = anew,
	};
	n->waiting = (struct names_batch){ 0 };
}

void names_merge_run(struct names_merge *m)
{
	m->status = names_index_merge(m->base, &m->batch, m->max, &m->out, &m->dropped);
	/* Here, because a large batch takes its time to free. */
	names_batch_release(&m->batch);
}

int names_merge_done(struct names *n, struct names_merge *m)
{
	struct names_index **place = m->anew ? &n->next : &n->index;

	names_index_drop(m->base);
	if (m->status < 0)
		return m->status;
	names_index_drop(*place);
	*place = m->out;
	n->dropped += m->dropped;
	return 0;
}

int names_settle(struct names *n)
{
	struct names_merge m;

	names_merge_take(n, false, &m);
	names_merge_run(&m);
	return names_merge_done(n, &m);
}

void names_replace(struct names *n, struct names *old)
{
	*old = (struct names){ .index = n->index, .max = n->max };
	n->index = n->next;
	n->next = NULL;
}

void names_discard(struct names *n)
{
	names_batch_release(&n->waiting);
	names_index_drop(n->next);
	n->next = NULL;
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
