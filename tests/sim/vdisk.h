/*
 * vdisk.h - a disk in memory, and what a machine that crashes makes of it.
 *
 *     write, truncate --> what the system shows --sync--> what is safe
 *
 * Each agent has a folder of its own. What was not synced is shown as written for as long as the
 * machine runs; a crash keeps, sector by sector, the new bytes or the old ones, names of files that came or
 * went since the folder was synced are there or not, and so writes are torn anywhere. A sync that
 * fails has lost, from then on, what it did not write, and the next one says that all is well: as
 * Linux does it. A disk can be full, refuse writes or cut them short, and refuse to sync. A killed
 * process loses nothing; while its remains are put away the disk is `frozen` and nothing happens to it.
 */
#ifndef TESTS_SIM_VDISK_H
#define TESTS_SIM_VDISK_H

#include "agent/spool_file.h"
#include "tests/sim/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VDISK_DISKS  4
#define VDISK_SECTOR 512

struct vdisk_bytes {
	uint8_t *bytes;
	size_t size;
};

struct vdisk_file {
	struct vdisk_file *next;
	char name[SPOOL_FILE_NAME_SIZE];
	bool named, safe_named; /* in the folder, as shown and as safe */
	struct vdisk_bytes now, safe;
	uint8_t *dirty; /* a byte a sector: to be written by the next sync */
	size_t capacity;
};

struct vdisk {
	struct rng *rng;
	struct vdisk_file *files;
	size_t room; /* bytes; what is allocated more is refused */
	bool frozen, broken, unsyncable;
	bool asked_again; /* who syncs does it twice when it fails, and believes the second */
	uint64_t failed_syncs;
};

/* The calls, on the disk whose number a folder's path is: "0", "1"... One thread. */
extern const struct spool_io vdisk_io;

/* An empty disk under a number. It stays the caller's. */
void vdisk_init(struct vdisk *d, unsigned number, struct rng *rng);

/* Frees it. */
void vdisk_release(struct vdisk *d);

/* The machine loses power. */
void vdisk_crash(struct vdisk *d);

#endif
