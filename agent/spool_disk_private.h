/*
 * spool_disk_private.h - what spool_disk.c, spool_disk_open.c and spool_disk_sync.c share.
 *
 * A record is a slot. A slot has a place in a segment, a copy in memory, or both; slots with a
 * copy are in one of three rings, whose heads are the first slots.
 */
#ifndef AGENT_SPOOL_DISK_PRIVATE_H
#define AGENT_SPOOL_DISK_PRIVATE_H

#include "agent/spool_disk.h"
#include "agent/spool_kind.h"
#include "proto/buf.h"

#define DISK_NO_COPY UINT32_MAX
#define DISK_OPEN_FILES 16 /* kept open for reading */

enum disk_ring {
	DISK_PENDING,  /* only in memory */
	DISK_UNSYNCED, /* also written */
	DISK_SYNCING,  /* also written, and being synced */
	DISK_RINGS,
};

struct disk_segment {
	struct disk_segment *next; /* younger */
	uint64_t number;
	struct stream_id stream;
	int fd; /* -1: not open */
	uint64_t touched;
	size_t size, used;
	size_t synced; /* up to here it was synced */
	size_t records;
	bool bare; /* holds records that are neither synced nor in memory */
};

struct disk_slot {
	struct disk_segment *segment; /* NULL: only a copy, or free */
	uint32_t at, size;            /* in the segment; of the batch */
	uint32_t copy;                /* in memory, or DISK_NO_COPY */
	uint32_t next, previous;      /* in a ring; next of a free slot: the next free one */
};

struct disk {
	struct spool spool;
	struct spool_disk_options options;
	const struct spool_io *io;
	int folder;
	uint64_t next_number;
	struct disk_segment *segments; /* the oldest first */
	struct disk_segment **last;    /* where the next is hung */
	struct disk_segment *filling;  /* NULL: the next append makes one */
	struct spool *copies;          /* of whole records, headers too */
	struct disk_slot *slots;
	uint32_t capacity, free; /* the first free slot; capacity: none */
	size_t records, bytes;
	uint64_t reads;
	uint64_t folder_changes, folder_synced;
	struct buf scratch; /* a record */
	struct spool_disk_state state;
};

extern const struct spool_kind disk_kind;

/* Frees a file's last descriptor, its memory and, if it is to be removed, its name. */
void disk_segment_end(struct disk *d, struct disk_segment *segment, bool remove);

/* Hangs a segment behind the others. NULL without memory. */
struct disk_segment *disk_segment_add(struct disk *d, uint64_t number);

/* A free slot in *id. 0, -ENOMEM. */
int disk_slot_take(struct disk *d, uint32_t *id) __attribute__((warn_unused_result));

/* Ends the file being filled: cuts it to what it holds. */
void disk_close_filling(struct disk *d);

/* Writes a whole record, padded, for a slot into the file being filled, or a new one. 0, a negative
 * errno. */
int disk_write(struct disk *d, struct disk_slot *slot, struct slice record)
	__attribute__((warn_unused_result));

/* Moves a slot that has a copy to the end of a ring. */
void disk_ring_move(struct disk *d, uint32_t id, enum disk_ring ring);

/* Gives a slot's copy up. */
void disk_forget_copy(struct disk *d, uint32_t id);

/* One record less in a segment, which goes with its last one. */
void disk_leave(struct disk *d, struct disk_segment *segment);

/* The disk failed: goes on in memory. */
void disk_degrade(struct disk *d, int reason);

/* Counts a slot that is only in memory; sign: 1 or -1. */
void disk_count_volatile(struct disk *d, uint32_t id, int sign);

#endif
