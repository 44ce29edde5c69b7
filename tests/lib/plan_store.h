/*
 * plan_store.h - a Redis for plans: cells by hour and partial, manifests, names.
 *
 * Holds the cells of one key and answers a plan's commands from them, as queryd's fetch would
 * from Redis. A hook sees each round before it is answered and may change the store or answer
 * halves, which is how compaction in the midst of a read is played. All in the header: tests/lib
 * is linked to every test, and only queryd's know plans.
 */
#ifndef TESTS_LIB_PLAN_STORE_H
#define TESTS_LIB_PLAN_STORE_H

#include "proto/cell.h"
#include "proto/limits.h"
#include "queryd/plan.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PLAN_STORE_CELLS 10240

/* A day's cells lie at its first hour and so much. */
#define PLAN_STORE_DAY (INT64_C(1) << 40)

struct plan_store_cell {
	int64_t hour;
	uint64_t pid;
	enum kind kind;
	struct buf blob;
};

struct plan_store {
	struct plan_store_cell cells[PLAN_STORE_CELLS];
	size_t count;
	double first[STAT_KINDS], last[STAT_KINDS];
	bool known[STAT_KINDS];
	uint64_t version; /* of all partials */
	/* Called before a command is answered; may be NULL. */
	void (*hook)(struct plan_store *s, unsigned round, const struct plan_command *command);
	unsigned rounds, manifests; /* counted while running */
	size_t most_commands;       /* of a round */
};

static inline struct plan_store_cell *plan_store_add(struct plan_store *s, int64_t hour,
						     uint64_t pid, enum kind kind)
{
	struct plan_store_cell *c = &s->cells[s->count++];
	size_t i = plan_kind_index(kind);

	assert_true(s->count <= PLAN_STORE_CELLS);
	*c = (struct plan_store_cell){ .hour = hour, .pid = pid, .kind = kind };
	buf_init(&c->blob, LIMIT_CELL_BYTES);
	if (i >= STAT_KINDS) /* windows have no name */
		return c;
	if (!s->known[i] || (double)hour > s->last[i])
		s->last[i] = (double)hour;
	if (!s->known[i] || (double)hour * 3600 < s->first[i])
		s->first[i] = (double)hour * 3600;
	s->known[i] = true;
	return c;
}

/* Stores a cell, frees it, and notes its name. */
static inline void plan_store_put(struct plan_store *s, int64_t hour, uint64_t pid,
				  struct cell *cell)
{
	struct plan_store_cell *c = plan_store_add(s, hour, pid, cell_kind(cell));

	assert_int_equal(cell_encode(cell, &c->blob), 0);
	cell_free(cell);
}

/* The same as the cell of a day rolled up. */
static inline void plan_store_put_day(struct plan_store *s, int64_t first_hour, uint64_t pid,
				      struct cell *cell)
{
	plan_store_put(s, first_hour, pid, cell);
	s->cells[s->count - 1].hour += PLAN_STORE_DAY;
}

/* Stores bytes in the place of a cell. */
static inline void plan_store_put_blob(struct plan_store *s, int64_t hour, uint64_t pid,
				       enum kind kind, const void *bytes, size_t size)
{
	buf_put(&plan_store_add(s, hour, pid, kind)->blob, bytes, size);
}

/* Moves all cells of a partial to another name. */
static inline void plan_store_rename(struct plan_store *s, int64_t hour, uint64_t from,
				     uint64_t to)
{
	size_t i;

	for (i = 0; i < s->count; i++) {
		if (s->cells[i].hour == hour && s->cells[i].pid == from)
			s->cells[i].pid = to;
	}
}

static inline void plan_store_answer_manifest(struct plan_store *s, struct plan *plan,
					      size_t index, int64_t hour)
{
	size_t i, j;
	char text[24], version[24];

	s->manifests++;
	for (i = 0; i < s->count; i++) {
		bool seen = s->cells[i].hour != hour;
		for (j = 0; j < i; j++)
			seen |= s->cells[j].hour == hour && s->cells[j].pid == s->cells[i].pid;
		if (seen)
			continue;
		(void)snprintf(text, sizeof(text), "%016" PRIx64, s->cells[i].pid);
		(void)snprintf(version, sizeof(version), "%016" PRIx64, s->version);
		plan_put_pid(plan, index, slice_text(text), slice_text(version));
	}
}

static inline void plan_store_answer_cells(struct plan_store *s, struct plan *plan, size_t index,
					   const struct plan_command *command, int64_t hour)
{
	size_t i;

	for (i = 0; i < s->count; i++) {
		const struct plan_store_cell *c = &s->cells[i];
		if (c->hour == hour && c->pid == command->pid &&
		    command->kinds & 1u << plan_kind_index(c->kind))
			plan_put_cell(plan, index, c->kind, buf_view(&c->blob));
	}
}

static inline void plan_store_answer_one(struct plan_store *s, struct plan *plan, size_t index,
					 const struct plan_command *command)
{
	size_t kind = 0;

	while (command->kinds && !(command->kinds & 1u << kind))
		kind++;
	if (s->hook)
		s->hook(s, s->rounds, command);
	switch (command->ask) {
	case PLAN_MANIFEST:
		plan_store_answer_manifest(s, plan, index, command->hour);
		break;
	case PLAN_CELLS:
		plan_store_answer_cells(s, plan, index, command, command->hour);
		break;
	case PLAN_DAY:
		plan_store_answer_manifest(s, plan, index, command->hour + PLAN_STORE_DAY);
		break;
	case PLAN_DAY_CELLS:
		plan_store_answer_cells(s, plan, index, command, command->hour + PLAN_STORE_DAY);
		break;
	case PLAN_FIRST:
		if (s->known[kind])
			plan_put_score(plan, index, s->first[kind]);
		break;
	case PLAN_LAST:
		if (s->known[kind])
			plan_put_score(plan, index, s->last[kind]);
		break;
	}
}

/* Answers a plan's round. */
static inline void plan_store_answer(struct plan_store *s, struct plan *plan)
{
	size_t count, i;
	const struct plan_command *commands = plan_commands(plan, &count);

	assert_true(count > 0);
	s->most_commands = count > s->most_commands ? count : s->most_commands;
	for (i = 0; i < count; i++)
		plan_store_answer_one(s, plan, i, &commands[i]);
}

/* Runs a plan to its end. */
static inline enum plan_status plan_store_run(struct plan_store *s, struct plan *plan)
{
	enum plan_status status = PLAN_MORE;

	s->rounds = s->manifests = 0;
	s->most_commands = 0;
	while (status == PLAN_MORE) {
		plan_store_answer(s, plan);
		status = plan_step(plan);
		s->rounds++;
	}
	return status;
}

/* Frees the blobs; the store is empty again. */
static inline void plan_store_release(struct plan_store *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		buf_release(&s->cells[i].blob);
	memset(s, 0, sizeof(*s));
}

#endif
