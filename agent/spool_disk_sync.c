// SPDX-License-Identifier: Apache-2.0
/*
 * spool_disk_sync.c - syncing off the loop, and the way back from memory to the disk.
 *
 * A round takes copies of the descriptors, so that files may be closed and removed while it waits
 * for the disk, and remembers how far each was filled when it began: only that much is safe when it
 * ends. What was appended meanwhile waits for the next round.
 */
#include "agent/spool_disk.h"

#include "agent/spool_disk_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct sync_file {
	uint64_t number;
	int fd; /* a copy: the spool may close its own meanwhile */
	size_t used;
	int status;
};

struct spool_sync {
	const struct spool_io *io;
	int folder; /* -1: nothing of the folder is to be synced */
	uint64_t folder_changes;
	int folder_status;
	size_t count;
	struct sync_file files[];
};

/* ---- out of memory, onto the disk again ---- */

/* Writes what is only in memory. 0, a negative errno: the rest stays there. */
static int sync_write_pending(struct disk *d)
{
	uint32_t id;

	while ((id = d->slots[DISK_PENDING].next) != DISK_PENDING) {
		struct disk_slot *slot = &d->slots[id];
		struct slice record;
		int status = spool_view(d->copies, slot->copy, &record);

		if (status == 0)
			status = disk_write(d, slot, record);
		if (status < 0)
			return status;
		disk_count_volatile(d, id, -1);
		disk_ring_move(d, id, DISK_UNSYNCED);
	}
	return 0;
}

static void sync_recover(struct disk *d)
{
	int status;

	if (d->capacity == 0 || (!d->state.degraded &&
				 d->slots[DISK_PENDING].next == DISK_PENDING))
		return;
	status = sync_write_pending(d);
	if (status < 0)
		disk_degrade(d, status);
	else
		d->state.degraded = false;
}

/* ---- one round ---- */

static bool sync_is_due(const struct disk_segment *s)
{
	return s->fd >= 0 && s->synced < s->used;
}

static size_t sync_count(const struct disk *d)
{
	size_t count = 0;

	for (const struct disk_segment *s = d->segments; s != NULL; s = s->next)
		count += sync_is_due(s);
	return count;
}

/* All unsynced slots are those of this round. */
static void sync_mark(struct disk *d)
{
	uint32_t id;

	while (d->capacity > 0 && (id = d->slots[DISK_UNSYNCED].next) != DISK_UNSYNCED)
		disk_ring_move(d, id, DISK_SYNCING);
}

bool spool_sync_is_due(const struct spool *s)
{
	const struct disk *d = (const struct disk *)s;

	return d->state.degraded || d->folder_changes != d->folder_synced || sync_count(d) > 0 ||
	       (d->capacity > 0 && d->slots[DISK_PENDING].next != DISK_PENDING);
}

struct spool_sync *spool_sync_begin(struct spool *s)
{
	struct disk *d = (struct disk *)s;
	struct spool_sync *sync;
	size_t count;

	sync_recover(d);
	count = sync_count(d);
	if (count == 0 && d->folder_changes == d->folder_synced)
		return NULL;
	sync = malloc(sizeof(*sync) + count * sizeof(sync->files[0]));
	if (sync == NULL)
		return NULL; /* the next round will do */
	*sync = (struct spool_sync){ .io = d->io, .folder = -1,
				     .folder_changes = d->folder_changes };
	if (d->folder_changes != d->folder_synced)
		sync->folder = d->io->copy(d->folder);
	for (struct disk_segment *at = d->segments; at != NULL; at = at->next)
		if (sync_is_due(at))
			sync->files[sync->count++] =
				(struct sync_file){ .number = at->number, .fd = d->io->copy(at->fd),
						    .used = at->used };
	sync_mark(d);
	return sync;
}

static int sync_one(const struct spool_io *io, int fd)
{
	int status;

	if (fd < 0)
		return -EAGAIN; /* no descriptor was to be had: not tried */
	do {
		status = io->sync(fd);
	} while (status < 0 && errno == EINTR);
	return status < 0 ? -errno : 0;
}

void spool_sync_run(struct spool_sync *sync)
{
	for (size_t i = 0; i < sync->count; i++)
		sync->files[i].status = sync_one(sync->io, sync->files[i].fd);
	/* After the files, so that the name of a file never speaks of less than it should. */
	sync->folder_status = sync_one(sync->io, sync->folder);
}

/* ---- what came of it ---- */

static struct disk_segment *sync_find(struct disk *d, uint64_t number)
{
	struct disk_segment *s = d->segments;

	while (s != NULL && s->number != number)
		s = s->next;
	return s;
}

/* What a ring has of a segment is only in memory from now on. */
static void sync_take_back(struct disk *d, struct disk_segment *segment, enum disk_ring ring)
{
	uint32_t next;

	for (uint32_t id = d->slots[ring].next; id != (uint32_t)ring; id = next) {
		next = d->slots[id].next;
		if (d->slots[id].segment != segment)
			continue;
		d->slots[id].segment = NULL;
		segment->records--;
		disk_count_volatile(d, id, 1);
		disk_ring_move(d, id, DISK_PENDING);
	}
}

/* After a failed sync the system has forgotten what it did not write: asking again would be
 * answered with a lie. What was not synced of the file is taken from memory once more and written
 * elsewhere. Where memory was too short for a copy the file stays as it is, and each record is
 * checked when it is read. */
static void sync_distrust(struct disk *d, struct disk_segment *segment, int reason)
{
	size_t from = segment->synced;

	if (segment == d->filling)
		d->filling = NULL;
	sync_take_back(d, segment, DISK_SYNCING);
	sync_take_back(d, segment, DISK_UNSYNCED);
	segment->synced = segment->used;
	if (!segment->bare && d->io->truncate(segment->fd, (off_t)from) == 0) {
		d->bytes -= segment->used - from;
		segment->used = segment->synced = from;
	}
	if (segment->records == 0)
		disk_segment_end(d, segment, true);
	disk_degrade(d, reason);
}

static void sync_note_file(struct disk *d, const struct sync_file *file)
{
	struct disk_segment *segment = sync_find(d, file->number);

	if (segment == NULL || segment->synced >= file->used || file->status == -EAGAIN)
		return;
	if (file->status < 0) {
		sync_distrust(d, segment, file->status);
		return;
	}
	segment->synced = file->used;
	if (segment->synced == segment->used)
		segment->bare = false;
}

/* Slots of the round whose bytes are safe lose their copies; the others wait for the next round. */
static void sync_settle_slots(struct disk *d)
{
	uint32_t id;

	while (d->capacity > 0 && (id = d->slots[DISK_SYNCING].next) != DISK_SYNCING) {
		const struct disk_slot *slot = &d->slots[id];

		if (slot->at < slot->segment->synced)
			disk_forget_copy(d, id);
		else
			disk_ring_move(d, id, DISK_UNSYNCED);
	}
}

void spool_sync_done(struct spool *s, struct spool_sync *sync)
{
	struct disk *d = (struct disk *)s;

	for (size_t i = 0; i < sync->count; i++) {
		if (d != NULL)
			sync_note_file(d, &sync->files[i]);
		if (sync->files[i].fd >= 0)
			sync->io->close(sync->files[i].fd);
	}
	if (d != NULL && sync->folder >= 0 && sync->folder_status == 0 &&
	    sync->folder_changes > d->folder_synced)
		d->folder_synced = sync->folder_changes;
	if (d != NULL)
		sync_settle_slots(d);
	if (sync->folder >= 0)
		sync->io->close(sync->folder);
	free(sync);
}

void spool_sync_now(struct spool *s)
{
	struct spool_sync *sync = spool_sync_begin(s);

	if (sync == NULL)
		return;
	spool_sync_run(sync);
	spool_sync_done(s, sync);
}
