// SPDX-License-Identifier: Apache-2.0
#include "agent/table.h"

#include <assert.h>

#define TABLE_NEAR 4
#define TABLE_NAME 24 /* bytes of one that is not long */

/* The series of a hash, if its slot is where it should be or not far from there. */
static const struct table_series *table_near(const struct table *t, uint64_t hash)
{
	for (size_t at = hash, end = hash + TABLE_NEAR; at < end; at++) {
		const struct table_series *s = t->series[at & (t->series_capacity - 1)];

		if (s == NULL || s->hash == hash)
			return s;
	}
	return NULL;
}

void table_warm(const struct table *t, const uint64_t *hashes, size_t count)
{
	const size_t mask = t->series_capacity - 1;

	assert(count <= TABLE_AHEAD && t->series_capacity > 0);
	for (size_t i = 0; i < count; i++) {
		const struct table_series *s = t->series[hashes[i] & mask];

		if (s == NULL)
			continue;
		__builtin_prefetch(&s->groups->second, 1);
		__builtin_prefetch(s->bytes, 1);
		__builtin_prefetch(s->bytes + TABLE_NAME, 1);
	}
	for (size_t i = 0; i < count; i++) {
		const struct table_series *s = table_near(t, hashes[i]);

		if (s != NULL && s->kind != KIND_GAUGE && s->groups->values.chunks != NULL)
			__builtin_prefetch(values_tail(&s->groups->values), 1);
	}
}
