/*
 * commit.h - one closed commit: its bytes, made once, and what its OK will mean.
 *
 * A commit holds *every* cell and stream changed since the last one and is never split.
 * Its bytes are a whole EVALSHA command, kept until Redis has answered, because an unknown
 * outcome is met by sending exactly the same again. The new version hashes all of those bytes, so that
 * an altered commit is never taken for a retry.
 */
#ifndef RELAY_COMMIT_H
#define RELAY_COMMIT_H

#include "proto/buf.h"
#include "relay/image.h"
#include "relay/list.h"
#include "relay/track.h"

#include <stddef.h>
#include <stdint.h>

/* Far above any commit that LIMIT_COMMIT_BYTES closes: one batch can add 512 full cells. */
#define COMMIT_BYTES_MAX ((size_t)256 * 1024 * 1024)

struct commit_hour {
	int64_t hour;
	uint64_t pid;
};

struct commit_stream {
	struct track *track;       /* kept alive by its in_flight */
	struct stream_state state; /* the stream's state once this is in */
};

struct commit {
	struct buf resp;
	uint64_t version;
	struct commit_hour *hours;
	size_t hour_count;
	struct commit_stream *streams;
	size_t stream_count;
	size_t cell_count;
	size_t held_bytes; /* of the batches in it */
	uint64_t samples;  /* in them, without those rejected */
};

/* What a commit is written for. */
struct commit_target {
	const char *tag; /* the partition's hash tag */
	uint64_t cfg;
	int64_t retention_hours;
};

/* Builds a commit of all dirty cells of the image and all tracks on the pending list (count
 * of them, at least one), clears their marks and moves the tracks to in_flight. *out is the
 * caller's. 0, -ENOMEM, -ENOBUFS: nothing is in *out, and the image's marks may be half
 * cleared: reset it. */
int commit_build(struct commit *out, const struct commit_target *target, struct image *im,
		 struct list *pending, size_t count) __attribute__((warn_unused_result));

/* When an hour's keys expire, in unix seconds: a day after the last hour of its day can no longer
 * be written, so that a day is never rolled up from a part of its hours. */
int64_t commit_expire_second(int64_t hour, int64_t retention_hours);

/* Frees it; the tracks are no longer in flight. An empty one is allowed. */
void commit_release(struct commit *c);

#endif
