/*
 * image.h - what one relay holds of one partition: a partial of every hour it has written.
 *
 * Per hour: a name `pid` (64 random bits, drawn when the hour is born here), the version that Redis
 * last took of it, and cells, cumulative since birth. Merging a batch marks cells dirty; a commit
 * takes all dirty cells of all hours and clears the marks. A relay never reads an image back and
 * never writes under an old pid: whoever doubts, resets, and is born again under new names
 * (CONTRACT.md).
 *
 * A distribution that the configuration names (windows.h) has a second cell beside it, its window
 * of last elements: a field like any other, committed with the samples it holds, under no name of
 * its own.
 *
 * Pure: time and randomness are passed in. Cost: a map lookup a group; a commit walks only
 * what is dirty. Memory is counted (image_memory) and bounded by the caller through image_evict.
 */
#ifndef RELAY_IMAGE_H
#define RELAY_IMAGE_H

#include "proto/batch.h"
#include "proto/cell.h"
#include "proto/map.h"
#include "proto/slice.h"
#include "relay/windows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image_cell {
	struct cell *cell;
	struct image_cell *next_dirty;
	struct image_cell *window; /* of a distribution: its last elements; or NULL */
	uint32_t encoded_bytes; /* in its last commit; 0 before */
	uint32_t field_size;
	bool dirty;
	bool fresh; /* never committed: its name is new to this image */
	uint8_t field[]; /* kind byte + series */
};

struct image_hour {
	int64_t hour;
	uint64_t pid;
	bool stored;      /* Redis has taken a version of it */
	uint64_t version; /* that version */
	struct map cells; /* field -> struct image_cell */
	struct image_cell *dirty;
	size_t dirty_count;
	size_t fresh_count; /* of the dirty ones */
	size_t memory;
	size_t windows; /* cells that are one */
	int64_t born_ms;
	int64_t touched_ms;
};

struct image {
	/* private; read through the functions and image_hours */
	struct image_hour **hours; /* ascending by hour */
	size_t hour_count;
	size_t hour_capacity;
	size_t dirty_hours;
	size_t dirty_bytes;
	size_t memory;
	size_t cells;
	uint64_t (*random)(void *arg);
	void *random_arg;
	struct windows *windows;
};

/* What may be merged, and when it is. */
struct image_rules {
	int64_t floor_hour;    /* groups of older hours are rejected */
	int64_t latest_second; /* groups of later seconds are rejected */
	int64_t now_ms;
};

/* What was rejected, in samples as received. */
struct image_rejects {
	uint64_t too_old;
	uint64_t too_new;
};

/* An empty image. random draws pids. windows says which keys have one; borrowed, NULL: none. */
void image_init(struct image *im, uint64_t (*random)(void *arg), void *arg,
		struct windows *windows);

/* Frees everything: the image is empty, and hours born after this have new pids. */
void image_reset(struct image *im);

/* Merges a decoded batch whole, but for the groups that the rules reject. *rejects is always
 * set. 0; -ENOMEM or ERR_...: a part was merged and the image must be reset. */
int image_merge(struct image *im, const struct batch *batch, const struct image_rules *rules,
		struct image_rejects *rejects) __attribute__((warn_unused_result));

size_t image_memory(const struct image *im);      /* bytes held by all hours, nearly */
size_t image_cells(const struct image *im);       /* cells in all hours */
size_t image_dirty_bytes(const struct image *im); /* what a commit would be in bytes, nearly */
size_t image_dirty_hours(const struct image *im); /* hours with dirty cells */

/* Appends a cell's encoding for a commit. 0, -ENOMEM, -ENOBUFS. */
int image_cell_encode(struct image *im, struct image_hour *h, struct image_cell *cell,
		      struct buf *out) __attribute__((warn_unused_result));

/* Clears the marks of an hour whose dirty cells a commit has just encoded. */
void image_hour_taken(struct image *im, struct image_hour *h);

/* Redis has taken this version of the hour. An hour that is gone since is left alone. */
void image_set_version(struct image *im, int64_t hour, uint64_t pid, uint64_t version);

/* Whether the image has an hour under this name. */
bool image_holds(const struct image *im, int64_t hour, uint64_t pid);

/* Puts out clean hours: those over before hour `ended` and not touched since idle_before_ms, and,
 * while memory is above memory_max, the oldest ones born before idle_before_ms. Never while a
 * commit is under way. Returns how many. */
size_t image_evict(struct image *im, int64_t ended, int64_t idle_before_ms, size_t memory_max);

#endif
