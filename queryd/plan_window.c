// SPDX-License-Identifier: Apache-2.0
/*
 * plan_window.c - hours that settle one by one.
 *
 * A round asks for all hours that are not settled, each with its own cells and its own second
 * manifest; `listed` and `again` change places, so that what the second look found is what the
 * next try reads. Cells are merged as they come: an hour that must be read again throws its own
 * away and no other's. How wide the next window is follows from the bytes of this one.
 */
#include "queryd/plan_window.h"

#include "proto/err.h"
#include "proto/hash.h"
#include "proto/hour.h"
#include "queryd/plan_fold.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define ROUND_MAX  65536
#define KEPT_BYTES ((size_t)16 << 20) /* of an hour's cells, for the cache */

/* A light hour at most, by Redis' bytes (a full sketch takes 1,100) and by its partials, of which a
 * compacted one has one: a round may not ask for all of many. */
#define LIGHT_BYTES    2048
#define LIGHT_PARTIALS 16

enum kind plan_kind(size_t index)
{
	return index < STAT_KINDS ? stat_kinds[index] : KIND_WINDOW;
}

size_t plan_kind_index(enum kind kind)
{
	return kind == KIND_WINDOW ? STAT_KINDS : stat_kind_index(kind);
}

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

	for (i = 0; i < PLAN_KINDS; i++) {
		cell_free(hour->cells[i]);
		hour->cells[i] = NULL;
	}
	buf_release(&hour->kept);
}

void plan_window_init(struct plan_window *w, struct slice key, struct cache *cache)
{
	*w = (struct plan_window){ .key = key, .cache = cache };
}

void plan_window_release(struct plan_window *w)
{
	size_t i;

	for (i = 0; i < w->count; i++) {
		free_cells(&w->hours[i]);
		partials_release(&w->hours[i].listed);
		partials_release(&w->hours[i].again);
	}
	free(w->hours);
	w->hours = NULL;
	w->count = 0;
}

static int ask_manifest(struct plan_window *w, size_t slot, bool first, struct plan_round *round)
{
	const struct plan_command command = {
		.ask = w->days ? PLAN_DAY : PLAN_MANIFEST,
		.hour = w->hours[slot].hour,
		.first = first,
		.slot = slot,
	};

	w->hours[slot].again.count = 0;
	return plan_round_add(round, &command);
}

static int start(struct plan_window *w, int64_t from_hour, int64_t to_hour, int64_t step,
		 struct plan_round *round)
{
	size_t hours = (size_t)((to_hour - from_hour + step - 1) / step);
	int status = 0;

	assert(hours <= PLAN_WINDOW_MOST);
	w->reading = false;
	w->bytes = 0;
	w->hours = calloc(hours, sizeof(*w->hours));
	if (!w->hours && hours > 0)
		return -ENOMEM;
	for (; from_hour < to_hour && status == 0; from_hour += step) {
		w->hours[w->count].hour = from_hour;
		buf_init(&w->hours[w->count].kept, KEPT_BYTES);
		status = ask_manifest(w, w->count++, true, round);
	}
	return status;
}

int64_t plan_window_reach(const struct plan_window *w)
{
	return w->light ? PLAN_WINDOW_MOST : PLAN_WINDOW_HOURS;
}

int plan_window_start(struct plan_window *w, int64_t from_hour, int64_t to_hour, unsigned kinds,
		      struct plan_round *round)
{
	plan_window_release(w);
	w->kinds = kinds;
	w->days = false;
	return start(w, from_hour, to_hour, 1, round);
}

int plan_window_start_days(struct plan_window *w, int64_t from_hour, int64_t to_hour,
			   unsigned kinds, struct plan_round *round)
{
	plan_window_release(w);
	w->kinds = kinds;
	w->days = true;
	return start(w, from_hour, to_hour, DAY_HOURS, round);
}

/* ---- answers -------------------------------------------------------------------------------- */

void plan_window_put_pid(struct plan_window *w, size_t slot, struct slice pid,
			 struct slice version)
{
	int status = partials_add(&w->hours[slot].again, pid, version);

	if (status < 0)
		w->error = status;
}

void plan_window_put_cell(struct plan_window *w, size_t slot, enum kind kind, struct slice blob)
{
	struct plan_hour *hour = &w->hours[slot];
	int status = plan_fold_blob(&hour->cells[plan_kind_index(kind)], kind, blob);

	plan_recall_note(w, hour, kind, blob);
	w->costs.cells++;
	w->costs.bytes += blob.size;
	w->bytes += blob.size;
	if (status < 0)
		w->error = status;
}

/* ---- rounds --------------------------------------------------------------------------------- */

/* Asks for the cells of the partials that are listed, and for the manifest after them. */
static int ask_cells(struct plan_window *w, size_t slot, struct plan_round *round)
{
	struct plan_hour *hour = &w->hours[slot];
	struct plan_command command = {
		.ask = w->days ? PLAN_DAY_CELLS : PLAN_CELLS,
		.kinds = w->kinds,
		.hour = hour->hour,
		.slot = slot,
	};
	size_t i;
	int status = 0;

	for (i = 0; i < hour->listed.count && status == 0; i++) {
		command.pid = hour->listed.list[i].pid;
		status = plan_round_add(round, &command);
	}
	return status ? status : ask_manifest(w, slot, false, round);
}

/* Judges one hour after a round. 1 when it must be read (again), 0 when it is settled; -EAGAIN, what
 * plan_recall says. */
static int judge(struct plan_window *w, struct plan_hour *hour)
{
	struct partials last = hour->listed;
	int status;

	partials_sort(&hour->again);
	if (w->reading && partials_same(&hour->listed, &hour->again)) {
		hour->settled = true;
		plan_recall_keep(w, hour);
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
	status = hour->listed.count == 0 ? 1 : plan_recall(w, hour);
	if (status < 0)
		return status;
	hour->settled = status > 0;
	return !hour->settled;
}

enum plan_status plan_window_step(struct plan_window *w, struct plan_round *round)
{
	enum plan_status result = PLAN_DONE;
	size_t partials = 0, i;

	for (i = 0; i < w->count && !w->error; i++) {
		int status = w->hours[i].settled ? 0 : judge(w, &w->hours[i]);

		partials += w->hours[i].listed.count;
		if (status > 0) {
			status = ask_cells(w, i, round);
			result = PLAN_MORE;
		}
		if (status < 0)
			w->error = status;
	}
	w->reading = true;
	w->light = w->bytes <= w->count * LIGHT_BYTES &&
		   partials <= w->count * LIGHT_PARTIALS;
	return w->error ? PLAN_FAILED : result;
}

uint64_t plan_window_digest(const struct plan_window *w, uint64_t seed)
{
	size_t i;

	for (i = 0; i < w->count; i++) {
		const struct plan_hour *hour = &w->hours[i];
		seed = hash64_seeded(slice_of(&hour->hour, sizeof(hour->hour)), seed);
		seed = partials_digest(&hour->listed, seed);
	}
	return seed;
}
