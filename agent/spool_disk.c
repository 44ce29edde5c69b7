// SPDX-License-Identifier: Apache-2.0
/*
 * spool_disk.c - records: slots, the file being filled, and the functions of a spool.
 *
 * An id is the index of a slot, so it stays good until its record is dropped, although the array
 * moves as it grows. The first slots are the heads of the rings (spool_disk_private.h). The first
 * write that fails degrades the spool: from then on a record without a copy in memory is refused,
 * and one that has a copy waits in DISK_PENDING.
 */
#include "agent/spool_disk.h"

#include "agent/spool_disk_private.h"
#include "agent/spool_segment.h"
#include "proto/err.h"
#include "proto/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define DISK_FIRST_SLOTS  64
#define DISK_NOTE_BYTES   128 /* a slot, and the outbox's note of the record */
#define DISK_STREAM_AT    8   /* in a record (SPOOL.md) */
#define DISK_SAMPLES_AT   64

/* ---- slots ---- */

static int disk_grow(struct disk *d)
{
	uint32_t capacity = d->capacity ? 2 * d->capacity : DISK_FIRST_SLOTS;
	struct disk_slot *grown;

	if (capacity < d->capacity)
		return -ENOMEM;
	grown = realloc(d->slots, capacity * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	for (uint32_t i = d->capacity; i < capacity; i++)
		grown[i] = (struct disk_slot){ .copy = DISK_NO_COPY, .next = i + 1 };
	for (uint32_t i = d->capacity; i < DISK_RINGS; i++)
		grown[i].next = grown[i].previous = i;
	d->free = d->capacity > 0 ? d->capacity : DISK_RINGS;
	d->slots = grown;
	d->capacity = capacity;
	return 0;
}

int disk_slot_take(struct disk *d, uint32_t *id)
{
	if (d->free == d->capacity && disk_grow(d) < 0)
		return -ENOMEM;
	*id = d->free;
	d->free = d->slots[*id].next;
	d->slots[*id] = (struct disk_slot){ .copy = DISK_NO_COPY, .next = *id, .previous = *id };
	d->records++;
	return 0;
}

static void disk_slot_give(struct disk *d, uint32_t id)
{
	d->slots[id] = (struct disk_slot){ .copy = DISK_NO_COPY, .next = d->free };
	d->free = id;
	d->records--;
}

void disk_ring_move(struct disk *d, uint32_t id, enum disk_ring ring)
{
	struct disk_slot *slot = &d->slots[id], *head = &d->slots[ring];

	d->slots[slot->previous].next = slot->next;
	d->slots[slot->next].previous = slot->previous;
	slot->next = (uint32_t)ring;
	slot->previous = head->previous;
	d->slots[slot->previous].next = id;
	head->previous = id;
}

void disk_count_volatile(struct disk *d, uint32_t id, int sign)
{
	struct slice record;
	uint64_t samples;
	struct reader r;

	if (spool_view(d->copies, d->slots[id].copy, &record) < 0)
		return;
	r = reader_of(slice_of(record.ptr + DISK_SAMPLES_AT, 8));
	samples = reader_u64(&r);
	d->state.volatile_samples += sign > 0 ? samples : 0 - samples;
	if (d->options.volatile_samples != NULL)
		tally_set(d->options.volatile_samples, d->state.volatile_samples);
}

void disk_forget_copy(struct disk *d, uint32_t id)
{
	struct disk_slot *slot = &d->slots[id];

	if (slot->segment == NULL)
		disk_count_volatile(d, id, -1);
	d->slots[slot->previous].next = slot->next;
	d->slots[slot->next].previous = slot->previous;
	slot->next = slot->previous = id;
	spool_drop(d->copies, slot->copy);
	slot->copy = DISK_NO_COPY;
}

/* ---- segments ---- */

struct disk_segment *disk_segment_add(struct disk *d, uint64_t number)
{
	struct disk_segment *segment = malloc(sizeof(*segment));

	if (segment == NULL)
		return NULL;
	*segment = (struct disk_segment){ .number = number, .fd = -1 };
	*d->last = segment;
	d->last = &segment->next;
	return segment;
}

void disk_segment_end(struct disk *d, struct disk_segment *segment, bool remove)
{
	struct disk_segment **link = &d->segments;
	char name[SPOOL_FILE_NAME_SIZE];

	while (*link != segment)
		link = &(*link)->next;
	*link = segment->next;
	if (d->last == &segment->next)
		d->last = link;
	if (segment->fd >= 0)
		d->io->close(segment->fd);
	if (remove) {
		/* Should it stay, the next start finds it: its batches are known to Redis. */
		d->io->remove(d->folder, spool_file_name(segment->number, name));
		d->folder_changes++;
	}
	d->bytes -= segment->used;
	free(segment);
}

void disk_leave(struct disk *d, struct disk_segment *segment)
{
	segment->records--;
	if (segment->records == 0 && segment != d->filling)
		disk_segment_end(d, segment, true);
}

void disk_close_filling(struct disk *d)
{
	struct disk_segment *segment = d->filling;

	if (segment == NULL)
		return;
	d->filling = NULL;
	if (segment->records == 0) {
		disk_segment_end(d, segment, true);
		return;
	}
	/* Only gives back what was preallocated and not used. */
	if (d->io->truncate(segment->fd, (off_t)segment->used) < 0)
		d->state.faults++;
}

/* A new file to fill, for records of a stream. 0, a negative errno. */
static int disk_begin(struct disk *d, const uint8_t *stream, size_t size)
{
	struct disk_segment *segment;
	uint64_t number = d->next_number;
	int fd;

	if (size < d->options.segment_bytes)
		size = d->options.segment_bytes;
	fd = spool_file_create(d->io, d->folder, number, size);
	if (fd == -EEXIST)
		d->next_number++;
	if (fd < 0)
		return fd;
	d->next_number++;
	d->folder_changes++;
	segment = disk_segment_add(d, number);
	if (segment == NULL) {
		d->io->close(fd);
		return -ENOMEM; /* an empty file: the next start removes it */
	}
	segment->fd = fd;
	segment->size = size;
	memcpy(segment->stream.bytes, stream, STREAM_ID_BYTES);
	d->filling = segment;
	return 0;
}

int disk_write(struct disk *d, struct disk_slot *slot, struct slice record)
{
	const uint8_t *stream = record.ptr + DISK_STREAM_AT;
	struct disk_segment *segment = d->filling;
	int status;

	if (segment != NULL &&
	    (segment->size - segment->used < record.size ||
	     memcmp(segment->stream.bytes, stream, STREAM_ID_BYTES) != 0))
		disk_close_filling(d);
	if (d->filling == NULL) {
		status = disk_begin(d, stream, record.size);
		if (status < 0)
			return status;
	}
	segment = d->filling;
	status = spool_file_write(d->io, segment->fd, record, segment->used);
	if (status < 0)
		return status;
	slot->segment = segment;
	slot->at = (uint32_t)segment->used;
	segment->used += record.size;
	segment->records++;
	d->bytes += record.size;
	return 0;
}

void disk_degrade(struct disk *d, int reason)
{
	disk_close_filling(d);
	d->state.faults++;
	d->state.reason = reason;
	d->state.degraded = true;
}

/* ---- the spool's functions ---- */

static void disk_free(struct spool *s)
{
	struct disk *d = (struct disk *)s;

	disk_close_filling(d);
	while (d->segments != NULL)
		disk_segment_end(d, d->segments, false);
	spool_free(d->copies);
	buf_release(&d->scratch);
	free(d->slots);
	if (d->folder >= 0)
		d->io->close(d->folder);
	free(d);
}

static bool disk_has_room(const struct spool *s, size_t bytes)
{
	const struct disk *d = (const struct disk *)s;
	size_t notes = d->records * DISK_NOTE_BYTES;

	if (notes >= d->options.memory_max)
		return false;
	if (d->state.degraded && !spool_has_room(d->copies, bytes))
		return false;
	return d->bytes <= d->options.max_bytes && bytes <= d->options.max_bytes - d->bytes;
}

/* Makes the record's bytes in d->scratch. 0, -ENOMEM. */
static int disk_encode(struct disk *d, const struct spool_record *record, struct slice batch)
{
	size_t size = spool_segment_size(batch.size);
	uint8_t *bytes;

	buf_reset(&d->scratch);
	bytes = buf_extend(&d->scratch, size);
	if (bytes == NULL)
		return -ENOMEM;
	spool_segment_put(bytes, record, batch);
	memcpy(bytes + SPOOL_SEGMENT_HEADER, batch.ptr, batch.size);
	memset(bytes + SPOOL_SEGMENT_HEADER + batch.size, 0,
	       size - SPOOL_SEGMENT_HEADER - batch.size);
	return 0;
}

/* Keeps a copy of the encoded record, if there is room for it. */
static void disk_keep_copy(struct disk *d, uint32_t id)
{
	static const struct spool_record unused;
	uint64_t copy;

	if (!spool_has_room(d->copies, d->scratch.size) ||
	    spool_append(d->copies, &unused, buf_view(&d->scratch), &copy) < 0)
		return;
	d->slots[id].copy = (uint32_t)copy;
}

static int disk_append(struct spool *s, const struct spool_record *record, struct slice batch,
		       uint64_t *id)
{
	struct disk *d = (struct disk *)s;
	struct disk_slot *slot;
	uint32_t index;
	int status;

	assert(batch.size > 0 && batch.size <= LIMIT_BATCH_BYTES);
	if (disk_encode(d, record, batch) < 0 || disk_slot_take(d, &index) < 0)
		return -ENOMEM;
	slot = &d->slots[index];
	slot->size = (uint32_t)batch.size;
	disk_keep_copy(d, index);
	status = d->state.degraded ? d->state.reason :
				     disk_write(d, slot, buf_view(&d->scratch));
	if (status < 0 && !d->state.degraded)
		disk_degrade(d, status);
	if (slot->copy == DISK_NO_COPY && status < 0) {
		disk_slot_give(d, index);
		return ERR_SPOOL_FULL;
	}
	*id = index;
	if (slot->copy == DISK_NO_COPY) {
		slot->segment->bare = true;
		return 0;
	}
	disk_ring_move(d, index, status < 0 ? DISK_PENDING : DISK_UNSYNCED);
	if (status < 0)
		disk_count_volatile(d, index, 1);
	return 0;
}

/* Closes the descriptor that has not been read for longest, if too many are open. */
static void disk_close_some(struct disk *d)
{
	struct disk_segment *oldest = NULL;
	size_t open = 0;

	for (struct disk_segment *s = d->segments; s != NULL; s = s->next) {
		if (s->fd < 0 || s == d->filling || s->synced < s->used)
			continue;
		open++;
		if (oldest == NULL || s->touched < oldest->touched)
			oldest = s;
	}
	if (open < DISK_OPEN_FILES)
		return;
	d->io->close(oldest->fd);
	oldest->fd = -1;
}

/* 0, ERR_CHECKSUM; another negative error when it could not be tried. */
static int disk_read(struct disk *d, const struct disk_slot *slot, struct slice *batch)
{
	struct disk_segment *segment = slot->segment;
	size_t size = SPOOL_SEGMENT_HEADER + slot->size;
	struct spool_record record;
	uint8_t *bytes;

	if (segment->fd < 0) {
		disk_close_some(d);
		segment->fd = spool_file_open(d->io, d->folder, segment->number);
	}
	if (segment->fd < 0)
		return segment->fd == -ENOENT ? ERR_CHECKSUM : segment->fd;
	segment->touched = ++d->reads;
	buf_reset(&d->scratch);
	bytes = buf_extend(&d->scratch, size);
	if (bytes == NULL)
		return -ENOMEM;
	if (spool_file_read(d->io, segment->fd, bytes, size, slot->at) < 0 ||
	    spool_segment_read(buf_view(&d->scratch), &record, batch) < 0 ||
	    batch->size != slot->size)
		return ERR_CHECKSUM;
	return 0;
}

static int disk_view(struct spool *s, uint64_t id, struct slice *batch)
{
	struct disk *d = (struct disk *)s;
	const struct disk_slot *slot = &d->slots[id];
	struct slice record;
	int status;

	assert(id >= DISK_RINGS && id < d->capacity);
	assert(slot->segment != NULL || slot->copy != DISK_NO_COPY);
	if (slot->copy == DISK_NO_COPY) {
		status = disk_read(d, slot, batch);
		d->state.damaged += status == ERR_CHECKSUM;
		return status;
	}
	status = spool_view(d->copies, slot->copy, &record);
	*batch = slice_of(record.ptr + SPOOL_SEGMENT_HEADER, slot->size);
	return status;
}

static void disk_drop(struct spool *s, uint64_t id)
{
	struct disk *d = (struct disk *)s;
	struct disk_slot *slot = &d->slots[id];

	assert(id >= DISK_RINGS && id < d->capacity);
	assert(slot->segment != NULL || slot->copy != DISK_NO_COPY);
	if (slot->copy != DISK_NO_COPY)
		disk_forget_copy(d, (uint32_t)id);
	if (slot->segment != NULL)
		disk_leave(d, slot->segment);
	disk_slot_give(d, (uint32_t)id);
}

/* Of the disk or of the memory for notes, whichever is nearer its end. */
static unsigned disk_quarters(const struct spool *s)
{
	const struct disk *d = (const struct disk *)s;
	size_t bytes = d->bytes / (d->options.max_bytes / 4 + 1);
	size_t notes = d->records * DISK_NOTE_BYTES / (d->options.memory_max / 4 + 1);
	size_t quarters = bytes > notes ? bytes : notes;

	return quarters < 4 ? (unsigned)quarters : 4;
}

static size_t disk_bytes(const struct spool *s)
{
	const struct disk *d = (const struct disk *)s;

	return d->bytes + (d->state.degraded ? spool_bytes(d->copies) : 0);
}

static size_t disk_records(const struct spool *s)
{
	return ((const struct disk *)s)->records;
}

const struct spool_kind disk_kind = {
	.free = disk_free,
	.has_room = disk_has_room,
	.append = disk_append,
	.view = disk_view,
	.drop = disk_drop,
	.quarters = disk_quarters,
	.bytes = disk_bytes,
	.records = disk_records,
};

struct spool_disk_state spool_disk_state(const struct spool *s)
{
	return ((const struct disk *)s)->state;
}
