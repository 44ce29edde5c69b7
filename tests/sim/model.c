// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/model.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

void model_init(struct model *m, struct arena *arena, const struct rkey_tags *tags)
{
	*m = (struct model){ .arena = arena, .tags = tags, .count = tags->partitions };
	m->partitions = arena_alloc(arena, m->count * sizeof(*m->partitions));
	snprintf(m->cfg, sizeof(m->cfg), "%" PRIu64, hash_cfg(m->count));
}

void model_begin(struct model *m, struct model_partition *p, int64_t now_ms)
{
	struct model_entry *entry = arena_alloc(m->arena, sizeof(*entry));

	entry->at_ms = now_ms;
	entry->older = p->journal;
	p->journal = entry;
}

void model_save(struct model *m, struct model_partition *p, void *target, size_t size)
{
	struct model_undo *undo = arena_alloc(m->arena, sizeof(*undo) + size);

	undo->target = target;
	undo->size = size;
	memcpy(undo->before, target, size);
	undo->next = p->journal->undo;
	p->journal->undo = undo;
}

void model_set(struct model *m, struct model_partition *p, struct model_text *text,
	       struct slice value)
{
	assert(value.size < MODEL_STATE_SIZE);
	model_save(m, p, text, sizeof(*text));
	text->size = (uint8_t)value.size;
	if (value.size > 0)
		memcpy(text->bytes, value.ptr, value.size);
}

struct model_stream *model_stream(struct model *m, struct model_partition *p, struct slice id)
{
	struct model_stream *s;

	assert(id.size == STREAM_ID_BYTES);
	for (s = p->streams; s != NULL; s = s->next)
		if (memcmp(s->id.bytes, id.ptr, STREAM_ID_BYTES) == 0)
			return s;
	s = arena_alloc(m->arena, sizeof(*s));
	memcpy(s->id.bytes, id.ptr, STREAM_ID_BYTES);
	s->next = p->streams;
	p->streams = s;
	return s;
}

struct model_partial *model_partial(struct model *m, struct model_partition *p, int64_t hour,
				    struct slice pid)
{
	struct model_partial *partial;

	assert(pid.size == MODEL_VERSION_SIZE);
	for (partial = p->partials; partial != NULL; partial = partial->next)
		if (partial->hour == hour && slice_equal(model_view(&partial->pid), pid))
			return partial;
	partial = arena_alloc(m->arena, sizeof(*partial));
	partial->hour = hour;
	partial->pid.size = (uint8_t)pid.size;
	memcpy(partial->pid.bytes, pid.ptr, pid.size);
	partial->next = p->partials;
	p->partials = partial;
	return partial;
}

struct model_cell *model_cell(struct model *m, struct model_partial *partial, struct slice field)
{
	struct model_cell *cell;

	for (cell = partial->cells; cell != NULL; cell = cell->next)
		if (slice_equal(cell->field, field))
			return cell;
	cell = arena_alloc(m->arena, sizeof(*cell));
	cell->field = slice_of(arena_copy(m->arena, field.ptr, field.size), field.size);
	cell->next = partial->cells;
	partial->cells = cell;
	return cell;
}

size_t model_younger(const struct model_partition *p, int64_t than_ms)
{
	size_t count = 0;

	for (const struct model_entry *e = p->journal; e != NULL && e->at_ms > than_ms;
	     e = e->older)
		count++;
	return count;
}

void model_forget(struct model_partition *p, size_t count)
{
	for (; count > 0; count--) {
		struct model_entry *entry = p->journal;

		assert(entry != NULL);
		for (struct model_undo *u = entry->undo; u != NULL; u = u->next)
			memcpy(u->target, u->before, u->size);
		p->journal = entry->older;
	}
}
