/*
 * spool_disk.h - a spool whose records a later start finds again.
 *
 *     append: copy in memory + pwrite(2) into the file being filled
 *        |-- synced within spool_fsync's interval, off the loop: the copy is dropped
 *        '-- disk full or broken: the copy is all there is (`degraded`); written again, into
 *            another file, as soon as one can be made
 *     drop: a file goes with its last record
 *
 * Files hold records as SPOOL.md says, one stream a file, and nothing else is kept on disk: a
 * start reads them all. What was not yet synced is also in memory, so a failed sync, after which
 * nobody knows what the disk has, is answered by writing elsewhere, never by asking again. Memory
 * is bounded by memory_max, with 128 bytes for each record on disk; RSS does not grow with bytes.
 * The disk may hold one file more than max_bytes. Reads of what is dropped from memory come from
 * the page cache or the disk, and are checked each time. One thread, but for spool_sync_run.
 */
#ifndef AGENT_SPOOL_DISK_H
#define AGENT_SPOOL_DISK_H

#include "agent/spool.h"
#include "agent/spool_file.h"
#include "proto/daemon/tally.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Records of a stream that a killed process wrote beyond a total, and did not finish as a whole.
 * None of them was sent. */
struct spool_cut {
	struct stream_id stream;
	uint64_t total;
};

struct spool_disk_options {
	size_t max_bytes;
	size_t segment_bytes; /* of a file, up to SPOOL_FILE_MAX_BYTES */
	size_t memory_max;
	const struct spool_io *io;  /* NULL: the system's */
	tally_count *volatile_samples; /* kept right: samples that are only in memory; or NULL */
	const struct spool_cut *cut;   /* the start, which borrows it, removes these; or NULL */
};

/* What a start found. */
struct spool_found {
	size_t files, records;
	uint64_t samples;
	size_t unreadable;     /* files that could not be read whole */
	size_t holes;          /* damaged stretches between good records */
	size_t torn;           /* files whose last write had not been finished */
	size_t cut;            /* records that were removed */
	uint64_t hole_samples; /* at most so many were in holes, as far as neighbours tell */
	struct stream_id last; /* of the last record: its stream and its total; records > 0 */
	uint64_t last_total;
};

/* Called with each record that is found, in the order of writing. Returns whether it is wanted;
 * otherwise it is forgotten. The spool may be noted, and used when all have been handed out. */
typedef bool (*spool_restore_fn)(void *arg, struct spool *s, const struct spool_record *record,
				 size_t size, uint64_t id);

/* Opens the folder (made if it is not there; the caller sees to it that nobody else uses it) and
 * hands out what is in it. *out: spool_free. 0, a negative errno. */
int spool_disk_new(const char *path, const struct spool_disk_options *options,
		   spool_restore_fn restore, void *arg, struct spool_found *found,
		   struct spool **out) __attribute__((warn_unused_result));

struct spool_disk_state {
	bool degraded;    /* what is appended is only in memory */
	int reason;       /* a negative errno: why, last */
	uint64_t faults;  /* writes, syncs and files that failed */
	uint64_t damaged; /* records that could not be read back */
	uint64_t volatile_samples;
};

/* How it fares. */
struct spool_disk_state spool_disk_state(const struct spool *s);

/* Whether the next sync has anything to do. */
bool spool_sync_is_due(const struct spool *s);

/* Time to sync has come: tries to leave memory, and returns what is to be synced; NULL when
 * nothing is. One at a time: give it to spool_sync_run, on any thread, then to spool_sync_done. */
struct spool_sync *spool_sync_begin(struct spool *s);

/* Does the syncing: waits for the disk. */
void spool_sync_run(struct spool_sync *sync);

/* Takes note of what came of it and frees it. s: NULL when the spool is gone. */
void spool_sync_done(struct spool *s, struct spool_sync *sync);

/* All of the above at once, here and now: after it what could be written is on disk. */
void spool_sync_now(struct spool *s);

#endif
