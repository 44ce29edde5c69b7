// SPDX-License-Identifier: Apache-2.0
/*
 * image.c - hours in an array, cells in a map each, dirty cells in a list each.
 *
 * A relay holds few hours, so they are found by bisection. What a commit would weigh is estimated
 * while cells are marked and groups merged (`dirty_bytes`), never encoded to find out. Memory is a
 * running sum: whoever changes a cell asks for its size before and after.
 */
#include "relay/image.h"

#include "proto/err.h"
#include "proto/group.h"
#include "proto/hash.h"
#include "proto/hour.h"
#include "proto/le.h"
#include "proto/rkey.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* What a cell costs in the commit beside field and blob: lengths, separators, its name. */
#define IMAGE_CELL_FRAMING 32

/* What a cell costs in memory beside its contents: two allocations and a map slot. */
#define IMAGE_CELL_OVERHEAD 96

void image_init(struct image *im, uint64_t (*random)(void *arg), void *arg,
		struct windows *windows)
{
	*im = (struct image){ .random = random, .random_arg = arg, .windows = windows };
}

static void image_hour_free(struct image *im, struct image_hour *h)
{
	size_t cursor = 0;
	void *value;

	if (h->windows > 0)
		windows_give(im->windows, h->windows);
	while (map_next(&h->cells, &cursor, NULL, &value)) {
		struct image_cell *cell = value;

		cell_free(cell->cell);
		free(cell);
	}
	map_release(&h->cells);
	free(h);
}

void image_reset(struct image *im)
{
	for (size_t i = 0; i < im->hour_count; i++)
		image_hour_free(im, im->hours[i]);
	free(im->hours);
	image_init(im, im->random, im->random_arg, im->windows);
}

/* The place of the first hour that is not before `hour`. */
static size_t image_place(const struct image *im, int64_t hour)
{
	size_t low = 0, high = im->hour_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (im->hours[middle]->hour < hour)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int image_make_room(struct image *im)
{
	size_t capacity = im->hour_capacity ? 2 * im->hour_capacity : 4;
	struct image_hour **hours;

	if (im->hour_count < im->hour_capacity)
		return 0;
	hours = realloc(im->hours, capacity * sizeof(struct image_hour *));
	if (hours == NULL)
		return -ENOMEM;
	im->hours = hours;
	im->hour_capacity = capacity;
	return 0;
}

static struct image_hour *image_hour_find(const struct image *im, int64_t hour)
{
	size_t at = image_place(im, hour);

	return at < im->hour_count && im->hours[at]->hour == hour ? im->hours[at] : NULL;
}

/* The hour, born now if need be; NULL without memory. */
static struct image_hour *image_hour_get(struct image *im, int64_t hour, int64_t now_ms)
{
	size_t at = image_place(im, hour);
	struct image_hour *h;

	if (at < im->hour_count && im->hours[at]->hour == hour)
		return im->hours[at];
	if (image_make_room(im) < 0)
		return NULL;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	h->hour = hour;
	h->pid = im->random(im->random_arg);
	h->born_ms = now_ms;
	h->memory = sizeof(*h);
	im->memory += h->memory;
	map_init(&h->cells);
	memmove(im->hours + at + 1, im->hours + at,
		(im->hour_count - at) * sizeof(struct image_hour *));
	im->hours[at] = h;
	im->hour_count++;
	return h;
}

/* Takes the contents, also when there is no memory for the cell. */
static struct image_cell *image_cell_new(struct cell *contents, struct slice field)
{
	struct image_cell *cell = contents ? malloc(sizeof(*cell) + field.size) : NULL;

	if (cell == NULL) {
		cell_free(contents);
		return NULL;
	}
	*cell = (struct image_cell){ .cell = contents, .field_size = (uint32_t)field.size,
				     .fresh = cell_kind(contents) != KIND_WINDOW };
	memcpy(cell->field, field.ptr, field.size);
	return cell;
}

/* A new cell of an hour, with these contents, which are taken; NULL without memory. */
static struct image_cell *image_cell_put(struct image *im, struct image_hour *h,
					 struct cell *contents, struct slice field)
{
	struct image_cell *cell = image_cell_new(contents, field);
	size_t memory;

	if (cell == NULL)
		return NULL;
	if (map_put(&h->cells, field, cell) < 0) {
		cell_free(cell->cell);
		free(cell);
		return NULL;
	}
	memory = 2 * field.size + IMAGE_CELL_OVERHEAD + cell_memory(cell->cell);
	h->memory += memory;
	im->memory += memory;
	im->cells++;
	return cell;
}

/* Gives a new distribution's cell its window, if its key has one. 0, -ENOMEM. */
static int image_window_put(struct image *im, struct image_hour *h, struct image_cell *cell)
{
	struct slice series = slice_of(cell->field + 1, cell->field_size - 1);
	uint32_t elements = im->windows ? windows_take(im->windows, series) : 0;
	uint8_t storage[RKEY_FIELD_SIZE];

	if (elements == 0)
		return 0;
	h->windows++;
	cell->window = image_cell_put(im, h, cell_new_window(elements),
				      rkey_field(KIND_WINDOW, series, storage));
	return cell->window ? 0 : -ENOMEM;
}

/* The cell of a field, made if need be; NULL without memory. */
static struct image_cell *image_cell_get(struct image *im, struct image_hour *h, enum kind kind,
					 struct slice field)
{
	struct image_cell *cell = map_get(&h->cells, field);

	if (cell != NULL)
		return cell;
	cell = image_cell_put(im, h, cell_new(kind), field);
	if (cell != NULL && kind == KIND_DISTRIBUTION && image_window_put(im, h, cell) < 0)
		return NULL;
	return cell;
}

static void image_mark(struct image *im, struct image_hour *h, struct image_cell *cell)
{
	if (cell->dirty)
		return;
	if (h->dirty == NULL)
		im->dirty_hours++;
	cell->dirty = true;
	cell->next_dirty = h->dirty;
	h->dirty = cell;
	h->dirty_count++;
	h->fresh_count += cell->fresh;
	im->dirty_bytes += cell->encoded_bytes + IMAGE_CELL_FRAMING +
			   cell->field_size * (cell->fresh ? 2U : 1U);
}

/* A cell has changed and grown by so much, from a group of so many bytes. */
static void image_changed(struct image *im, struct image_hour *h, struct image_cell *cell,
			  size_t before, size_t bytes)
{
	size_t after = cell_memory(cell->cell);

	h->memory += after - before;
	im->memory += after - before;
	image_mark(im, h, cell);
	im->dirty_bytes += bytes;
}

/* draw names the group. */
static int image_merge_group(struct image *im, const struct batch_group *group, uint64_t draw,
			     int64_t now_ms)
{
	uint32_t second = (uint32_t)(group->second % HOUR_SECONDS);
	uint8_t storage[RKEY_FIELD_SIZE];
	struct image_hour *h = image_hour_get(im, hour_of_second(group->second), now_ms);
	struct image_cell *cell = NULL;
	size_t before;
	int rc;

	if (h != NULL)
		cell = image_cell_get(im, h, group->kind,
				      rkey_field(group->kind, group->series, storage));
	if (cell == NULL)
		return -ENOMEM;
	before = cell_memory(cell->cell);
	rc = cell_add_group(cell->cell, second, group->bytes);
	if (rc < 0)
		return rc;
	h->touched_ms = now_ms;
	image_changed(im, h, cell, before, group->bytes.size);
	if (cell->window == NULL)
		return 0;
	before = cell_memory(cell->window->cell);
	rc = cell_add_elements(cell->window->cell, second, draw, group->bytes);
	if (rc == 0)
		image_changed(im, h, cell->window, before, group->bytes.size);
	return rc;
}

/* A number that names a group, the same wherever and however often its batch is merged. */
static uint64_t image_draw(const struct batch *batch, size_t index)
{
	uint8_t name[16];

	le_put_u64(le_put_u64(name, batch->header.seq), index);
	return hash64_seeded(slice_of(name, sizeof(name)), batch->header.chain_before);
}

int image_merge(struct image *im, const struct batch *batch, const struct image_rules *rules,
		struct image_rejects *rejects)
{
	*rejects = (struct image_rejects){ 0 };
	for (size_t i = 0; i < batch->group_count; i++) {
		const struct batch_group *group = &batch->groups[i];
		bool old = group->second < rules->floor_hour * HOUR_SECONDS;
		uint64_t samples;
		int rc;

		if (old || group->second > rules->latest_second) {
			rc = group_check(group->kind, group->bytes, &samples);
			if (rc == 0)
				*(old ? &rejects->too_old : &rejects->too_new) += samples;
		} else {
			rc = image_merge_group(im, group, image_draw(batch, i), rules->now_ms);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

size_t image_memory(const struct image *im)
{
	return im->memory;
}

size_t image_cells(const struct image *im)
{
	return im->cells;
}

size_t image_dirty_bytes(const struct image *im)
{
	return im->dirty_bytes;
}

size_t image_dirty_hours(const struct image *im)
{
	return im->dirty_hours;
}

int image_cell_encode(struct image *im, struct image_hour *h, struct image_cell *cell,
		      struct buf *out)
{
	size_t before = cell_memory(cell->cell), at = out->size;
	int rc = cell_encode(cell->cell, out);

	/* Encoding may compress a sketch where it lies. */
	h->memory += cell_memory(cell->cell) - before;
	im->memory += cell_memory(cell->cell) - before;
	if (rc == 0)
		cell->encoded_bytes = (uint32_t)(out->size - at);
	return rc;
}

void image_hour_taken(struct image *im, struct image_hour *h)
{
	struct image_cell *cell = h->dirty;

	if (cell == NULL)
		return;
	while (cell != NULL) {
		struct image_cell *next = cell->next_dirty;

		cell->dirty = cell->fresh = false;
		cell->next_dirty = NULL;
		cell = next;
	}
	h->dirty = NULL;
	h->dirty_count = h->fresh_count = 0;
	/* All dirty hours are taken together, so the estimate ends with the last of them. */
	if (--im->dirty_hours == 0)
		im->dirty_bytes = 0;
}

void image_set_version(struct image *im, int64_t hour, uint64_t pid, uint64_t version)
{
	struct image_hour *h = image_hour_find(im, hour);

	if (h == NULL || h->pid != pid)
		return;
	h->stored = true;
	h->version = version;
}

bool image_holds(const struct image *im, int64_t hour, uint64_t pid)
{
	const struct image_hour *h = image_hour_find(im, hour);

	return h != NULL && h->pid == pid;
}

size_t image_evict(struct image *im, int64_t ended, int64_t idle_before_ms, size_t memory_max)
{
	size_t kept = 0, evicted = 0;

	for (size_t i = 0; i < im->hour_count; i++) {
		struct image_hour *h = im->hours[i];
		bool idle = h->hour < ended && h->touched_ms < idle_before_ms;
		bool over = im->memory > memory_max && h->born_ms < idle_before_ms;

		if (h->dirty != NULL || !(idle || over)) {
			im->hours[kept++] = h;
			continue;
		}
		im->memory -= h->memory;
		im->cells -= map_count(&h->cells);
		image_hour_free(im, h);
		evicted++;
	}
	im->hour_count = kept;
	return evicted;
}
