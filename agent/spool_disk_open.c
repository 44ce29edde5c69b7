// SPDX-License-Identifier: Apache-2.0
/*
 * spool_disk_open.c - a start: reads all files, oldest first, and hands out what is whole.
 *
 * A file is read into memory as a whole, one after the other, and its records are handed out while
 * it is scanned: so a file of which none is wanted must outlive its own scan. A file that cannot be
 * opened is counted and left where it is; one that is torn is cut behind its last whole record.
 */
#include "agent/spool_disk.h"

#include "agent/spool_disk_private.h"
#include "agent/spool_segment.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define OPEN_PAGE_BYTES  4096
#define OPEN_FIRST_FILES 64
#define OPEN_MIN_SEGMENT ((size_t)64 * 1024)

/* A start in progress. */
struct opening {
	struct disk *d;
	spool_restore_fn restore;
	void *arg;
	struct spool_found *found;
	struct spool_record before; /* the record before, if has_before */
	bool has_before;
	bool damaged;               /* something between it and the next is not whole */
};

/* The files that are there. */
struct open_numbers {
	uint64_t *list;
	size_t count, capacity;
};

/* ---- the folder ---- */

static int open_compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static int open_note_number(struct open_numbers *n, uint64_t number)
{
	uint64_t *grown;

	if (n->count == n->capacity) {
		n->capacity = n->capacity ? 2 * n->capacity : OPEN_FIRST_FILES;
		grown = realloc(n->list, n->capacity * sizeof(*grown));
		if (grown == NULL)
			return -ENOMEM;
		n->list = grown;
	}
	n->list[n->count++] = number;
	return 0;
}

static int open_note_name(void *arg, const char *name)
{
	struct open_numbers *numbers = arg;
	uint64_t number;

	return spool_file_number(name, &number) ? open_note_number(numbers, number) : 0;
}

/* The numbers of all spool files in order; the list is the caller's. 0, a negative errno. */
static int open_list(const struct disk *d, struct open_numbers *numbers)
{
	int status = d->io->list(d->folder, open_note_name, numbers);

	if (numbers->count > 1)
		qsort(numbers->list, numbers->count, sizeof(*numbers->list), open_compare);
	return status;
}

/* ---- one file ---- */

/* Reads as much as the disk gives; pages that it does not give are zeros. */
static void open_read(struct opening *o, int fd, uint8_t *bytes, size_t size)
{
	bool whole = true;

	if (spool_file_read(o->d->io, fd, bytes, size, 0) == 0)
		return;
	for (size_t at = 0; at < size; at += OPEN_PAGE_BYTES) {
		size_t page = size - at < OPEN_PAGE_BYTES ? size - at : OPEN_PAGE_BYTES;

		if (spool_file_read(o->d->io, fd, bytes + at, page, at) == 0)
			continue;
		memset(bytes + at, 0, page);
		whole = false;
	}
	o->found->unreadable += !whole;
	o->damaged = o->damaged || !whole;
}

/* Samples that must have been between two records of a stream, where something is damaged. */
static void open_count_lost(struct opening *o, const struct spool_record *record)
{
	const struct spool_record *before = &o->before;

	if (o->damaged && o->has_before && record->total > before->total + record->samples &&
	    memcmp(before->stream.bytes, record->stream.bytes, STREAM_ID_BYTES) == 0)
		o->found->hole_samples += record->total - before->total - record->samples;
	o->before = *record;
	o->has_before = true;
	o->damaged = false;
}

/* Hands a record out. 0, -ENOMEM. */
static int open_restore(struct opening *o, struct disk_segment *segment,
			const struct spool_record *record, size_t size, size_t at)
{
	struct disk *d = o->d;
	uint32_t id;

	open_count_lost(o, record);
	if (disk_slot_take(d, &id) < 0)
		return -ENOMEM;
	d->slots[id].segment = segment;
	d->slots[id].at = (uint32_t)at;
	d->slots[id].size = (uint32_t)size;
	segment->stream = record->stream;
	segment->records++;
	o->found->last = record->stream;
	o->found->last_total = record->total;
	if (!o->restore(o->arg, &d->spool, record, size, id)) {
		segment->records++; /* outlives this file's scan */
		spool_drop(&d->spool, id);
		segment->records--;
		return 0;
	}
	o->found->records++;
	o->found->samples += record->samples;
	return 0;
}

static bool open_is_cut(const struct opening *o, const struct spool_record *record)
{
	const struct spool_cut *cut = o->d->options.cut;

	return cut != NULL && record->total > cut->total &&
	       memcmp(record->stream.bytes, cut->stream.bytes, STREAM_ID_BYTES) == 0;
}

/* Takes the records from a file's bytes. 0, -ENOMEM. */
static int open_scan(struct opening *o, struct disk_segment *segment, struct slice bytes)
{
	struct spool_scan scan = spool_scan_start(bytes);
	struct spool_record record;
	struct slice batch;
	size_t at, holes = 0, kept = 0, cut = o->found->cut;
	int status = 0;

	while (status == 0 && spool_scan_next(&scan, &record, &batch, &at)) {
		o->damaged = o->damaged || scan.holes > holes;
		holes = scan.holes;
		if (open_is_cut(o, &record)) {
			o->found->cut++;
			continue;
		}
		status = open_restore(o, segment, &record, batch.size, at);
		kept = scan.at;
	}
	o->found->holes += scan.holes;
	o->found->torn += scan.torn_bytes > 0;
	o->damaged = o->damaged || scan.torn_bytes > 0;
	segment->used = segment->synced = o->found->cut > cut ? kept : scan.at;
	o->d->bytes += segment->used;
	return status;
}

/* Reads a file. It is cut to what is whole in it, and removed if that is nothing. 0, -ENOMEM. */
static int open_file(struct opening *o, struct disk_segment *segment)
{
	const struct spool_io *io = o->d->io;
	int64_t there = io->size(segment->fd);
	uint8_t *bytes;
	size_t size;
	int status;

	if (there < 0) {
		o->found->unreadable++;
		disk_segment_end(o->d, segment, false);
		return 0;
	}
	size = there < (int64_t)SPOOL_FILE_MAX_BYTES ? (size_t)there : SPOOL_FILE_MAX_BYTES;
	bytes = malloc(size + 1);
	if (bytes == NULL)
		return -ENOMEM;
	open_read(o, segment->fd, bytes, size);
	status = open_scan(o, segment, slice_of(bytes, size));
	free(bytes);
	if (status < 0)
		return status;
	if (segment->records == 0) {
		disk_segment_end(o->d, segment, true);
		return 0;
	}
	if (segment->used < (size_t)there && io->truncate(segment->fd, (off_t)segment->used) < 0)
		o->d->state.faults++;
	/* The process before may have been killed before it synced: the system has the pages, and
	 * the disk, perhaps, not yet. A failure changes nothing: all was read a moment ago. */
	if (io->sync(segment->fd) < 0)
		o->d->state.faults++;
	io->close(segment->fd);
	segment->fd = -1;
	return 0;
}

/* A file that cannot be opened stays where it is: it may be readable another time. */
static int open_segment(struct opening *o, uint64_t number)
{
	struct disk_segment *segment;
	int fd = spool_file_open(o->d->io, o->d->folder, number);

	o->d->next_number = number + 1;
	o->found->files++;
	if (fd < 0) {
		o->found->unreadable++;
		o->damaged = true;
		return 0;
	}
	segment = disk_segment_add(o->d, number);
	if (segment == NULL) {
		o->d->io->close(fd);
		return -ENOMEM;
	}
	segment->fd = fd;
	return open_file(o, segment);
}

static int open_segments(struct opening *o)
{
	struct open_numbers numbers = { .list = NULL };
	int status = open_list(o->d, &numbers);

	for (size_t i = 0; i < numbers.count && status == 0; i++)
		status = open_segment(o, numbers.list[i]);
	free(numbers.list);
	return status;
}

/* ---- the spool ---- */

static int open_folder(struct disk *d, const char *path)
{
	d->folder = d->io->folder(path);
	d->folder_changes++;
	return d->folder < 0 ? -errno : 0;
}

static int open_init(struct disk *d, const struct spool_disk_options *options)
{
	d->spool.kind = &disk_kind;
	d->options = *options;
	d->io = options->io != NULL ? options->io : &spool_io_system;
	d->last = &d->segments;
	d->folder = -1;
	buf_init(&d->scratch, spool_segment_size(LIMIT_BATCH_BYTES));
	/* A spool of few files gives its room back too late. */
	if (d->options.segment_bytes > options->max_bytes / 4)
		d->options.segment_bytes = options->max_bytes / 4;
	if (d->options.segment_bytes < OPEN_MIN_SEGMENT)
		d->options.segment_bytes = OPEN_MIN_SEGMENT;
	if (d->options.segment_bytes > SPOOL_FILE_MAX_BYTES)
		d->options.segment_bytes = SPOOL_FILE_MAX_BYTES;
	return spool_new(options->memory_max, &d->copies);
}

int spool_disk_new(const char *path, const struct spool_disk_options *options,
		   spool_restore_fn restore, void *arg, struct spool_found *found,
		   struct spool **out)
{
	struct disk *d = calloc(1, sizeof(*d));
	struct opening o = { .d = d, .restore = restore, .arg = arg, .found = found };
	int status;

	*found = (struct spool_found){ 0 };
	if (d == NULL)
		return -ENOMEM;
	status = open_init(d, options);
	if (status == 0)
		status = open_folder(d, path);
	if (status == 0)
		status = open_segments(&o);
	d->options.cut = NULL;
	if (status < 0) {
		spool_free(&d->spool);
		return status;
	}
	*out = &d->spool;
	return 0;
}
