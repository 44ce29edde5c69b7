// SPDX-License-Identifier: Apache-2.0
/*
 * values.c - a list of chunks, each in one of four forms; only the newest is written.
 *
 *     SHORT  value, value...     SHORT_RUNS  (value, run)...     two bytes each
 *     LONG   double, double...   LONG_RUNS   (double, run)...    eight bytes each
 *
 * A form changes only with a new chunk, so a reader asks once a chunk. From short to long there is
 * no way back within a group; runs and singles of shorts are chosen anew when a chunk is full, by
 * what that one would have taken in the other form.
 */
#include "agent/values.h"

#include <assert.h>

#define VALUES_FIRST_BYTES 8
#define VALUES_FIRST_LONGS 4
#define VALUES_MAX_BYTES   (16 * 1024) /* of a chunk */

static_assert(VALUES_MAX_BYTES + sizeof(struct values_chunk) <= ARENA_PIECE_MAX,
	      "a chunk of values is a piece of the arena");
static_assert(VALUES_MAX_BYTES / sizeof(uint16_t) <= UINT16_MAX, "`used` counts all of it");

static uint16_t *values_shorts(struct values_chunk *chunk)
{
	return chunk->first[0].shorts;
}

static uint64_t *values_longs(struct values_chunk *chunk)
{
	return chunk->first[0].longs;
}

/* Bytes of a number. */
static size_t values_width(enum values_form form)
{
	bool narrow = form == VALUES_SHORT || form == VALUES_SHORT_RUNS;

	return narrow ? sizeof(uint16_t) : sizeof(uint64_t);
}

/* How many numbers make an entry. */
static uint16_t values_entry(enum values_form form)
{
	return form == VALUES_SHORT_RUNS || form == VALUES_LONG_RUNS ? 2 : 1;
}

/* Begins a chunk of twice the newest one's bytes. */
static bool values_grow(struct values *v, struct arena *arena, enum values_form form)
{
	size_t width = values_width(form);
	size_t least = width == sizeof(uint64_t) ? VALUES_FIRST_LONGS * width : 0;
	size_t bytes = VALUES_FIRST_BYTES;
	struct values_chunk *chunk;

	if (v->chunks != NULL)
		bytes = 2 * v->capacity * values_width((enum values_form)v->form);
	if (bytes > VALUES_MAX_BYTES)
		bytes = VALUES_MAX_BYTES;
	if (bytes < least)
		bytes = least;
	chunk = arena_take(arena, sizeof(*chunk) + bytes);
	if (chunk == NULL)
		return false;
	chunk->next = v->chunks;
	if (v->chunks != NULL) {
		v->chunks->used = v->used;
		v->chunks->form = v->form;
	}
	*v = (struct values){ .chunks = chunk, .form = (uint8_t)form,
			      .capacity = (uint16_t)(bytes / width) };
	return true;
}

/* Makes room for another entry of a form in the newest chunk, or a new one where it must be. */
static inline bool values_room(struct values *v, struct arena *arena, enum values_form form)
{
	if (v->form == form && v->capacity - v->used >= values_entry(form))
		return true;
	return values_grow(v, arena, form);
}

static bool values_add_long(struct values *v, struct arena *arena, uint64_t word)
{
	if (!values_room(v, arena, VALUES_LONG))
		return false;
	values_longs(v->chunks)[v->used++] = word;
	return true;
}

bool values_add_elsewhere(struct values *v, struct arena *arena, double value)
{
	uint64_t word;
	uint16_t small;

	if ((v->chunks == NULL || v->form == VALUES_SHORT) && values_is_short(value, &small)) {
		if (!values_room(v, arena, VALUES_SHORT))
			return false;
		values_shorts(v->chunks)[v->used++] = small;
		return true;
	}
	memcpy(&word, &value, sizeof(word));
	return values_add_long(v, arena, word);
}

/* Whether the newest chunk, of two bytes a number, would take less in the other form: of runs when
 * most values are alone, of single values when most are the one before. */
static bool values_is_misfit(const struct values *v)
{
	const uint16_t *shorts = v->chunks->first[0].shorts;
	uint32_t samples = 0, equal = 0;

	if (v->form == VALUES_SHORT_RUNS) {
		for (uint32_t at = 1; at < v->used; at += 2)
			samples += shorts[at];
		return samples < v->used;
	}
	for (uint32_t at = 1; at < v->used; at++)
		equal += shorts[at] == shorts[at - 1];
	return equal > v->used / 2;
}

/* The form of a counter's next small value; asked again when a chunk is full. */
static enum values_form values_run_form(const struct values *v)
{
	enum values_form form = (enum values_form)v->form;

	if (v->chunks == NULL)
		return VALUES_SHORT_RUNS;
	if (v->capacity - v->used >= values_entry(form) || !values_is_misfit(v))
		return form;
	return form == VALUES_SHORT ? VALUES_SHORT_RUNS : VALUES_SHORT;
}

static bool values_add_short_run(struct values *v, struct arena *arena, uint16_t value)
{
	enum values_form form = values_run_form(v);
	uint16_t *end;

	if (!values_room(v, arena, form))
		return false;
	end = values_shorts(v->chunks) + v->used;
	end[0] = value;
	if (form == VALUES_SHORT_RUNS)
		end[1] = 1;
	v->used = (uint16_t)(v->used + values_entry(form));
	return true;
}

static bool values_add_long_run(struct values *v, struct arena *arena, double value)
{
	uint64_t word, *end;

	memcpy(&word, &value, sizeof(word));
	if (v->chunks != NULL && v->form == VALUES_LONG_RUNS) {
		end = values_longs(v->chunks) + v->used;
		if (end[-2] == word) {
			end[-1]++;
			return true;
		}
	}
	if (!values_room(v, arena, VALUES_LONG_RUNS))
		return false;
	end = values_longs(v->chunks) + v->used;
	end[0] = word;
	end[1] = 1;
	v->used = (uint16_t)(v->used + 2);
	return true;
}

bool values_add_run_elsewhere(struct values *v, struct arena *arena, double value)
{
	bool narrow = v->chunks == NULL ||
		      values_width((enum values_form)v->form) == sizeof(uint16_t);
	uint16_t small;

	if (narrow && values_is_short(value, &small))
		return values_add_short_run(v, arena, small);
	return values_add_long_run(v, arena, value);
}

bool values_add_hash(struct values *v, struct arena *arena, uint64_t hash)
{
	return values_add_long(v, arena, hash);
}

/* Reads the entry at `at`, which is there. */
static void values_take(const struct values_reader *r, double *value, uint64_t *run)
{
	const uint16_t *shorts = r->chunk->first[0].shorts;
	const uint64_t *longs = r->chunk->first[0].longs;
	uint32_t at = r->at;

	*run = 1;
	switch ((enum values_form)r->form) {
	case VALUES_SHORT_RUNS:
		*run = shorts[at + 1];
		*value = shorts[at];
		break;
	case VALUES_SHORT:
		*value = shorts[at];
		break;
	case VALUES_LONG_RUNS:
		*run = longs[at + 1];
		memcpy(value, &longs[at], sizeof(*value));
		break;
	case VALUES_LONG:
		memcpy(value, &longs[at], sizeof(*value));
		break;
	}
}

bool values_next(struct values_reader *r, double *value, uint64_t *run)
{
	while (r->chunk != NULL && r->at == r->used) {
		r->chunk = r->chunk->next;
		r->at = 0;
		if (r->chunk != NULL) {
			r->used = r->chunk->used;
			r->form = r->chunk->form;
		}
	}
	if (r->chunk == NULL)
		return false;
	values_take(r, value, run);
	r->at += values_entry((enum values_form)r->form);
	return true;
}
