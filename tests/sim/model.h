/*
 * model.h - a Redis in memory that can forget its last writes.
 *
 * Per partition: streams -> states, partials (hour, pid) with the version the manifest has of them
 * ("" = not listed) and their cells. Every script that writes is one entry of the partition's journal: what
 * the entry changed, as it was before. To forget is to undo the youngest entries, whole ones only:
 * a script is atomic in Redis' log too. Partitions may forget unevenly, as the masters of a cluster do.
 */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include "proto/hash.h"
#include "proto/rkey.h"
#include "proto/slice.h"
#include "tests/sim/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_STATE_SIZE   48
#define MODEL_VERSION_SIZE 16

/* A short text by value, so that the journal can copy it. */
struct model_text {
	uint8_t size;
	char bytes[MODEL_STATE_SIZE];
};

struct model_stream {
	struct model_stream *next;
	struct stream_id id;
	struct model_text state; /* size 0: absent */
};

struct model_cell {
	struct model_cell *next;
	struct slice field;
	struct slice blob; /* size 0: absent */
};

struct model_partial {
	struct model_partial *next;
	int64_t hour;
	struct model_text pid;
	struct model_text version; /* size 0: not in the manifest */
	struct model_cell *cells;
};

struct model_undo {
	struct model_undo *next;
	void *target;
	size_t size;
	uint8_t before[];
};

struct model_entry {
	struct model_entry *older;
	int64_t at_ms;
	struct model_undo *undo;
};

struct model_partition {
	struct model_stream *streams;
	struct model_partial *partials;
	uint64_t lost;          /* meta.lost */
	struct model_entry *journal; /* youngest first */
};

struct model {
	struct arena *arena;
	const struct rkey_tags *tags;
	struct model_partition *partitions;
	uint32_t count;
	char cfg[24];
	int64_t floor_hour;
};

/* An initialised store of a fleet. All memory is the arena's; tags are borrowed. */
void model_init(struct model *m, struct arena *arena, const struct rkey_tags *tags);

/* Begins a journal entry: what follows is undone with it. */
void model_begin(struct model *m, struct model_partition *p, int64_t now_ms);

/* Notes what size bytes at target are, before they are changed. */
void model_save(struct model *m, struct model_partition *p, void *target, size_t size);

/* Changes a text, in the journal. */
void model_set(struct model *m, struct model_partition *p, struct model_text *text,
	       struct slice value);

/* The stream, a new absent one if need be. */
struct model_stream *model_stream(struct model *m, struct model_partition *p, struct slice id);

/* The partial, a new unlisted one if need be. */
struct model_partial *model_partial(struct model *m, struct model_partition *p, int64_t hour,
				    struct slice pid);

/* The cell, a new absent one if need be. */
struct model_cell *model_cell(struct model *m, struct model_partial *partial, struct slice field);

/* How many entries of a partition are younger than a time. */
size_t model_younger(const struct model_partition *p, int64_t than_ms);

/* Undoes the youngest count entries. */
void model_forget(struct model_partition *p, size_t count);

static inline struct slice model_view(const struct model_text *text)
{
	return slice_of(text->bytes, text->size);
}

#endif
