/*
 * spool_segment.h - the bytes of a spool file: records one after the other (SPOOL.md).
 *
 *     | header 96 bytes: length, CRC32C, what a later start must know | batch | 0..7 zeros | ...
 *
 * A record begins at a multiple of 8. A file has no header of its own: every record says all of
 * itself, so any damage costs the records that it touches and no other. The scan walks over
 * whatever bytes it is given: what is not a whole record, with its checksum and its chain, is
 * passed over until the next one that is. Pure; borrows all bytes.
 */
#ifndef AGENT_SPOOL_SEGMENT_H
#define AGENT_SPOOL_SEGMENT_H

#include "agent/spool.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPOOL_SEGMENT_HEADER 96
#define SPOOL_SEGMENT_ALIGN  8

/* What a record of a batch takes in a file. */
size_t spool_segment_size(size_t batch_size);

/* Writes the header that stands before the batch. */
void spool_segment_put(uint8_t header[SPOOL_SEGMENT_HEADER], const struct spool_record *record,
		       struct slice batch);

/* Reads the record that bytes begin with; *batch borrows. 0; ERR_TRUNCATED, ERR_TOO_LARGE,
 * ERR_OUT_OF_RANGE, ERR_CHECKSUM, ERR_BAD_CHAIN. */
int spool_segment_read(struct slice bytes, struct spool_record *record, struct slice *batch)
	__attribute__((warn_unused_result));

struct spool_scan {
	struct slice bytes;
	size_t at;         /* where to look for the next record; in the end: where the last ended */
	size_t budget;     /* bytes that may yet be summed in vain */
	size_t holes;      /* stretches between records that are none */
	size_t hole_bytes;
	size_t torn_bytes; /* after the last record, up to the last that is not zero */
};

/* Begins at the start of a file's bytes. */
struct spool_scan spool_scan_start(struct slice bytes);

/* The next whole record: true, *at is where it stands, *batch borrows. False at the end. */
bool spool_scan_next(struct spool_scan *scan, struct spool_record *record, struct slice *batch,
		     size_t *at);

#endif
