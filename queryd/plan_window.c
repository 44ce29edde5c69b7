// SPDX-License-Identifier: Apache-2.0
#include "queryd/plan_window.h"

#include "proto/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROUND_MAX 65536

int plan_round_add(struct plan_round *round, const struct plan_command *command)
{
	size_t capacity = round->capacity ? round->capacity * 2 : 16;
	struct plan_command *list;

	if (round->count == ROUND_MAX)
		return ERR_TOO_LARGE;
	if (round->count == round->capacity) {
		list = realloc(round->list, capacity * sizeof(*list));
		if (!list)
			return -ENOMEM;
		round->list = list;
		round->capacity = capacity;
	}
	round->list[round->count++] = *command;
	return 0;
}

static void free_cells(struct plan_hour *hour)
{
	size_t i;

	for (i = 0; i < STAT_KINDS; i++) {
		cell_free(hour->cells[i]);
		hour->cells[i] = NULL;
	}
}

void plan_window_release(struct plan_window *w)
{
	size_t i;

	for (i = 0; i < w->count; i++) {
		free_cells(&w->hours[i]);
		free(w->hours[i].listed.list);
		free(w->hours[i].again.list);
	}
	memset(w->hours, 0, sizeof(w->hours));
	w->count = 0;
}

static int ask_manifest(struct plan_window *w, size_t slot, struct plan_round *round)
{
	const struct plan_command command = {
		.ask = PLAN_MANIFEST,
		.hour = w->hours[slot].hour,
		.slot = slot,
	};

	w->hours[slot].again.count = 0;
	return plan_round_add(round, &command);
}

int plan_window_start(struct plan_window *w, int64_t from_hour, int64_t to_hour, unsigned kinds,
		      struct plan_round *round)
{
	int status = 0;

	plan_window_release(w);
	w->kinds = kinds;
	w->reading = false;
	for (; from_hour < to_hour && status == 0; from_hour++) {
		w->hours[w->count].hour = from_hour;
		status = ask_manifest(w, w->count++, round);
	}
	return status;
}

/* ---- answers -------------------------------------------------------------------------------- */

static int parse_pid(struct slice text, uint64_t *out)
{
	uint64_t value = 0;
	size_t i;

	if (text.size != 16)
		return ERR_MALFORMED;
	for (i = 0; i < 16; i++) {
		uint8_t c = text.ptr[i];
		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return ERR_MALFORMED;
	}
	*out = value;
	return 0;
}

static int push_pid(struct plan_pids *pids, uint64_t pid)
{
	size_t capacity = pids->capacity ? pids->capacity * 2 : 8;
	uint64_t *list;

	if (pids->count == PLAN_PIDS_MAX)
		return ERR_TOO_LARGE;
	if (pids->count == pids->capacity) {
		list = realloc(pids->list, capacity * sizeof(*list));
		if (!list)
			return -ENOMEM;
		pids->list = list;
		pids->capacity = capacity;
	}
	pids->list[pids->count++] = pid;
	return 0;
}

void plan_window_put_pid(struct plan_window *w, size_t slot, struct slice text)
{
	uint64_t pid;
	int status = parse_pid(text, &pid);

	if (status == 0)
		status = push_pid(&w->hours[slot].again, pid);
	if (status < 0)
		w->error = status;
}

static int merge_cell(struct plan_hour *hour, enum kind kind, struct slice blob)
{
	struct cell **have = &hour->cells[stat_kind_index(kind)];
	struct cell *cell;
	int status = cell_decode(blob, &cell);

	if (status < 0)
		return status;
	if (cell_kind(cell) != kind) {
		status = ERR_MALFORMED;
	} else if (!*have) {
		*have = cell;
		return 0;
	} else {
		status = cell_merge(*have, cell);
	}
	cell_free(cell);
	return status;
}

void plan_window_put_cell(struct plan_window *w, size_t slot, enum kind kind, struct slice blob)
{
	int status = merge_cell(&w->hours[slot], kind, blob);

	w->costs.cells++;
	w->costs.bytes += blob.size;
	if (status < 0)
		w->error = status;
}

/* ---- rounds --------------------------------------------------------------------------------- */

static int compare_pids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Redis lists a hash's fields in no particular order. */
static void sort_pids(struct plan_pids *pids)
{
	if (pids->count > 1)
		qsort(pids->list, pids->count, sizeof(*pids->list), compare_pids);
}

static bool same_pids(const struct plan_pids *a, const struct plan_pids *b)
{
	return a->count == b->count &&
	       (a->count == 0 || memcmp(a->list, b->list, a->count * sizeof(*a->list)) == 0);
}

/* Asks for the cells of the partials that are listed, and for the manifest after them. */
static int ask_cells(struct plan_window *w, size_t slot, struct plan_round *round)
{
	struct plan_hour *hour = &w->hours[slot];
	struct plan_command command = {
		.ask = PLAN_CELLS,
		.kinds = w->kinds,
		.hour = hour->hour,
		.slot = slot,
	};
	size_t i;
	int status = 0;

	for (i = 0; i < hour->listed.count && status == 0; i++) {
		command.pid = hour->listed.list[i];
		status = plan_round_add(round, &command);
	}
	return status ? status : ask_manifest(w, slot, round);
}

/* Judges one hour after a round. 1 when it must be read (again), 0 when it is settled. */
static int judge(struct plan_window *w, struct plan_hour *hour)
{
	struct plan_pids last = hour->listed;

	sort_pids(&hour->again);
	if (w->reading && same_pids(&hour->listed, &hour->again)) {
		hour->settled = true;
		return 0;
	}
	free_cells(hour);
	if (w->reading) {
		w->costs.retries++;
		if (++hour->tries == PLAN_TRIES)
			return -EAGAIN;
	}
	hour->listed = hour->again;
	hour->again = last;
	hour->settled = hour->listed.count == 0;
	return !hour->settled;
}

enum plan_status plan_window_step(struct plan_window *w, struct plan_round *round)
{
	enum plan_status result = PLAN_DONE;
	size_t i;

	for (i = 0; i < w->count && !w->error; i++) {
		int status = w->hours[i].settled ? 0 : judge(w, &w->hours[i]);
		if (status > 0) {
			status = ask_cells(w, i, round);
			result = PLAN_MORE;
		}
		if (status < 0)
			w->error = status;
	}
	w->reading = true;
	return w->error ? PLAN_FAILED : result;
}
