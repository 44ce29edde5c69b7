// SPDX-License-Identifier: Apache-2.0
#include "agent/spool.h"

#include "agent/spool_kind.h"

void spool_free(struct spool *s)
{
	if (s != NULL)
		s->kind->free(s);
}

bool spool_has_room(const struct spool *s, size_t bytes)
{
	return s->kind->has_room(s, bytes);
}

int spool_append(struct spool *s, const struct spool_record *record, struct slice batch,
		 uint64_t *id)
{
	return s->kind->append(s, record, batch, id);
}

int spool_view(struct spool *s, uint64_t id, struct slice *batch)
{
	return s->kind->view(s, id, batch);
}

void spool_drop(struct spool *s, uint64_t id)
{
	s->kind->drop(s, id);
}

unsigned spool_quarters(const struct spool *s)
{
	return s->kind->quarters(s);
}

size_t spool_bytes(const struct spool *s)
{
	return s->kind->bytes(s);
}

size_t spool_records(const struct spool *s)
{
	return s->kind->records(s);
}
