/*
 * survey_store.h - a Redis for surveys: cells of many keys by hour and partial.
 *
 * Answers a survey's commands as queryd's fetch would from Redis. A hook sees each command before
 * it is answered and may change the store. All in the header, as plan_store.h.
 */
#ifndef TESTS_LIB_SURVEY_STORE_H
#define TESTS_LIB_SURVEY_STORE_H

#include "proto/cell.h"
#include "proto/hash.h"
#include "proto/limits.h"
#include "queryd/survey.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SURVEY_STORE_CELLS      20000
#define SURVEY_STORE_PARTITIONS 4

/* A day's cells lie at its first hour and so much. */
#define SURVEY_STORE_DAY        (INT64_C(1) << 40)

struct survey_store_cell {
	int64_t hour;
	uint64_t pid;
	char field[160];/* kind byte + key */
	struct buf blob;
};

struct survey_store {
	struct survey_store_cell *cells;
	size_t count;
	void (*hook)(struct survey_store *s, unsigned round, const struct survey_command *command);
	unsigned rounds, manifests, days; /* days: of the manifests */
	size_t most_cells; /* asked for in one round */
	size_t asked;      /* in all rounds */
	unsigned version;  /* of all partials: how often they were written */
};

/* Stores a cell of a key and frees it. */
static inline void survey_store_put(struct survey_store *s, int64_t hour, uint64_t pid,
				    const char *key, struct cell *cell)
{
	struct survey_store_cell *c;

	if (!s->cells)
		s->cells = calloc(SURVEY_STORE_CELLS, sizeof(*s->cells));
	c = &s->cells[s->count++];
	assert_true(s->count <= SURVEY_STORE_CELLS);
	*c = (struct survey_store_cell){ .hour = hour, .pid = pid };
	(void)snprintf(c->field, sizeof(c->field), "%c%s", (char)cell_kind(cell), key);
	buf_init(&c->blob, LIMIT_CELL_BYTES);
	assert_int_equal(cell_encode(cell, &c->blob), 0);
	cell_free(cell);
}

/* The same as the cell of a day rolled up. */
static inline void survey_store_put_day(struct survey_store *s, int64_t first_hour, uint64_t pid,
					const char *key, struct cell *cell)
{
	survey_store_put(s, first_hour + SURVEY_STORE_DAY, pid, key, cell);
}

/* Whether a command reads the hour or day that a cell is of. */
static inline bool survey_store_is_of(const struct survey_store_cell *c,
				      const struct survey_command *command)
{
	return c->hour == command->hour + (command->day ? SURVEY_STORE_DAY : 0);
}

static inline uint32_t survey_store_partition(const struct survey_store_cell *c)
{
	return hash_partition(slice_text(c->field + 1), SURVEY_STORE_PARTITIONS);
}

static inline void survey_store_manifest(struct survey_store *s, struct survey *survey,
					 size_t index, const struct survey_command *command)
{
	uint64_t last = UINT64_MAX;
	char text[24], version[24];
	size_t i;

	(void)snprintf(version, sizeof(version), "%016x", s->version);
	s->manifests++;
	s->days += command->day;
	/* Cells of one partial stand together in these tests. */
	for (i = 0; i < s->count; i++) {
		const struct survey_store_cell *c = &s->cells[i];
		if (!survey_store_is_of(c, command) ||
		    survey_store_partition(c) != command->partition || c->pid == last)
			continue;
		last = c->pid;
		(void)snprintf(text, sizeof(text), "%016" PRIx64, c->pid);
		survey_put_pid(survey, index, slice_text(text), slice_text(version));
	}
}

static inline void survey_store_cells(struct survey_store *s, struct survey *survey, size_t index,
				      const struct survey_command *command)
{
	size_t i, place;

	for (i = 0; i < s->count; i++) {
		const struct survey_store_cell *c = &s->cells[i];
		if (!survey_store_is_of(c, command) || c->pid != command->pid)
			continue;
		for (place = 0; place < command->count; place++) {
			if (slice_equal(survey_field(survey, command, place),
					slice_text(c->field)))
				survey_put_cell(survey, index, place, buf_view(&c->blob));
		}
	}
}

/* Answers a survey's round. */
static inline void survey_store_answer(struct survey_store *s, struct survey *survey)
{
	size_t count, cells, i;
	const struct survey_command *commands = survey_commands(survey, &count);

	for (cells = 0, i = 0; i < count; i++) {
		if (s->hook)
			s->hook(s, s->rounds, &commands[i]);
		if (commands[i].cells)
			survey_store_cells(s, survey, i, &commands[i]);
		else
			survey_store_manifest(s, survey, i, &commands[i]);
		cells += commands[i].count;
	}
	s->asked += cells;
	s->most_cells = cells > s->most_cells ? cells : s->most_cells;
}

/* Runs a survey to its end. */
static inline enum plan_status survey_store_run(struct survey_store *s, struct survey *survey)
{
	enum plan_status status = PLAN_MORE;

	s->rounds = s->manifests = s->days = 0;
	s->asked = 0;
	while (status == PLAN_MORE) {
		survey_store_answer(s, survey);
		status = survey_step(survey);
		s->rounds++;
	}
	return status;
}

/* Frees the blobs; the store is empty again. */
static inline void survey_store_release(struct survey_store *s)
{
	size_t i;

	for (i = 0; i < s->count; i++)
		buf_release(&s->cells[i].blob);
	free(s->cells);
	memset(s, 0, sizeof(*s));
}

#endif
