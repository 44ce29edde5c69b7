/*
 * limits.h - every ceiling of the formats, in one place.
 *
 * Input is hostile until it has been measured against these. A limit that an
 * operator may want to move is a configuration key with the value here as its
 * hard upper end; the others are part of the wire contract.
 */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

/* A line and its series (LINE.md). Names of 8,000 bytes and set members of 4,000 are in
 * the golden lines, because every peer takes what fits its packet; 8,192 holds the largest
 * packet such clients send. A canonical series also holds its tags. */
#define LIMIT_NAME_BYTES   8192
#define LIMIT_SERIES_BYTES 8192
#define LIMIT_TAGS         64
#define LIMIT_MEMBER_BYTES 8192

/* The largest datagram UDP can carry, and so the largest thing --explain takes
 * as one. */
#define LIMIT_DATAGRAM_BYTES 65536

/* A batch (BATCH.md). Groups may outnumber series: a series has one group a
 * second, and more when it is sampled. */
#define LIMIT_BATCH_SERIES 512
#define LIMIT_BATCH_GROUPS 4096
#define LIMIT_BATCH_BYTES  (256 * 1024)

/* A frame: a batch and its envelope, or a list of streams. */
#define LIMIT_FRAME_BYTES   (LIMIT_BATCH_BYTES + 4096)
#define LIMIT_FRAME_STREAMS 4096
#define LIMIT_FRAME_RELAYS  256
#define LIMIT_MSGPACK_DEPTH 4

/* A commit is closed when one of these is reached (CONTRACT.md). */
#define LIMIT_COMMIT_BYTES   (1024 * 1024)
#define LIMIT_COMMIT_STREAMS 4000
#define LIMIT_COMMIT_HOURS   64

/* Partitions of a fleet, fixed when its Redis is initialised. */
#define LIMIT_PARTITIONS   1024
#define DEFAULT_PARTITIONS 32

/* A sample may be this far ahead of the clock before it is refused. */
#define LIMIT_AHEAD_SECONDS 300

/* An encoded cell: a full exact sketch of 4,096 values, or a dense HyperLogLog,
 * fits with room to spare. */
#define LIMIT_CELL_BYTES (128 * 1024)

#endif
