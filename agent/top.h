/*
 * top.h - who sends most: prefixes by lines, keys and refused lines of the last minutes.
 *
 * A prefix is the first segment of a name. 1,024 of them are counted, in sets of eight by hash; a
 * new one takes the place of the least of its set, whose counts go to `others`. So a prefix that is
 * heavy stays, a flood of prefixes that come once passes by, and the sums are exact whatever
 * happens. Counts are of this window and the one before, 60 s each, so they speak of the last one
 * to two minutes; keys are the most that one seal interval had. Pure: time is an argument
 * (monotonic). 160 KiB, on first use. One thread at a time.
 */
#ifndef AGENT_TOP_H
#define AGENT_TOP_H

#include "proto/buf.h"
#include "proto/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOP_ENTRIES      1024
#define TOP_PREFIX_BYTES 64 /* longer ones are cut */
#define TOP_WINDOW_MS    60000

enum top_by {
	TOP_LINES,
	TOP_KEYS,
	TOP_REJECTS,
};

struct top_counts {
	uint64_t lines;
	uint64_t keys; /* most of one interval */
	uint64_t rejects;
	uint64_t overflowed; /* samples that went to the overflow series */
};

struct top_entry {
	uint64_t hash;
	struct top_counts now, before;
	uint64_t interval_keys; /* of the interval at hand */
	uint8_t size;
	uint8_t prefix[TOP_PREFIX_BYTES];
	bool used;
};

struct top {
	/* private */
	struct top_entry *entries;
	struct top_counts others_now, others_before;
	int64_t turn_ms; /* when the next window begins; INT64_MIN: nothing was counted */
	bool has_before;
};

/* Nothing was counted. Allocates nothing yet. */
void top_init(struct top *t);

/* Frees its memory. */
void top_release(struct top *t);

/* Adds what another has counted, to be read while that one goes on. 0, -ENOMEM. */
int top_merge(struct top *to, const struct top *from) __attribute__((warn_unused_result));

/* Adds to a prefix; keys are of the seal interval at hand. */
void top_add(struct top *t, struct slice prefix, const struct top_counts *counts, int64_t now_ms);

/* A seal interval is over: the keys counted from now on are another's. */
void top_end_interval(struct top *t);

/* `lines`, `keys`, `rejects`; false for another word. */
bool top_by_parse(struct slice word, enum top_by *by);

/* Appends the first n prefixes of two counts taken together, as JSON:
 * {"by":"lines","seconds":93,"prefixes":[{"prefix":"web","lines":9,"keys":1,"rejects":0,
 * "overflowed":0}],"others":{...}}. `seconds` is how long was counted. */
void top_render(struct top *a, struct top *b, enum top_by by, size_t n, int64_t now_ms,
		struct buf *out);

#endif
