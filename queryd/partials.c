// SPDX-License-Identifier: Apache-2.0
#include "queryd/partials.h"

#include "proto/err.h"
#include "proto/hash.h"
#include "proto/hex.h"

#include <errno.h>
#include <stdlib.h>

int partials_add(struct partials *p, struct slice pid, struct slice version)
{
	size_t capacity = p->capacity ? p->capacity * 2 : 8;
	struct partials_one one, *list;

	if (hex_read_u64(pid, &one.pid) < 0 || hex_read_u64(version, &one.version) < 0)
		return ERR_MALFORMED;
	if (p->count == PARTIALS_MAX)
		return ERR_TOO_LARGE;
	if (p->count == p->capacity) {
		list = realloc(p->list, capacity * sizeof(*list));
		if (!list)
			return -ENOMEM;
		p->list = list;
		p->capacity = capacity;
	}
	p->list[p->count++] = one;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct partials_one *)a)->pid;
	uint64_t y = ((const struct partials_one *)b)->pid;

	return (x > y) - (x < y);
}

void partials_sort(struct partials *p)
{
	if (p->count > 1)
		qsort(p->list, p->count, sizeof(*p->list), compare);
}

bool partials_same(const struct partials *a, const struct partials *b)
{
	size_t i;

	for (i = 0; a->count == b->count && i < a->count; i++) {
		if (a->list[i].pid != b->list[i].pid)
			return false;
	}
	return a->count == b->count;
}

bool partials_equal(const struct partials *a, const struct partials *b)
{
	return slice_equal(partials_bytes(a), partials_bytes(b));
}

uint64_t partials_digest(const struct partials *p, uint64_t seed)
{
	return hash64_seeded(partials_bytes(p), seed);
}

void partials_release(struct partials *p)
{
	free(p->list);
	*p = (struct partials){ 0 };
}
