// SPDX-License-Identifier: Apache-2.0
/*
 * commit.c - measured in one walk, written in a second, hashed, never changed.
 *
 * Keys, arguments and hours are written in the order that commit.lua reads them, and each walk
 * passes over hours that are not dirty in the same way. The version stands in the bytes that it
 * hashes: its place is written last.
 */
#include "relay/commit.h"

#include "proto/hash.h"
#include "proto/hour.h"
#include "proto/rkey.h"
#include "proto/store/script.h"
#include "relay/resp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Arguments of the script (proto/store/scripts/commit.lua). */
#define COMMIT_KEYS_FIXED 4
#define COMMIT_ARGS_FIXED 7
#define COMMIT_ARGS_HOUR  5

/* What the counts of a commit come to; made in one walk before anything is written. */
struct commit_sizes {
	size_t hours;
	size_t days;
	size_t cells;
	size_t names;
	size_t streams;
	uint64_t lost;
};

static struct commit_sizes commit_measure(const struct image *im, const struct list *pending)
{
	struct commit_sizes n = { 0 };
	int64_t day = -1;

	for (size_t i = 0; i < im->hour_count; i++) {
		const struct image_hour *h = im->hours[i];

		if (h->dirty == NULL)
			continue;
		n.hours++;
		n.days += hour_day(h->hour) != day;
		day = hour_day(h->hour);
		n.cells += h->dirty_count;
		n.names += h->fresh_count;
	}
	for (const struct list *at = pending->next; at != pending; at = at->next) {
		n.streams++;
		n.lost += LIST_ENTRY(at, struct track, pending_link)->lost;
	}
	return n;
}

static void commit_put_keys(struct buf *out, const char *tag, const struct image *im)
{
	char key[RKEY_SIZE];
	int64_t day = -1;

	resp_text(out, rkey_meta(tag, key));
	resp_text(out, rkey_streams(tag, key));
	resp_text(out, rkey_names_first(tag, key));
	resp_text(out, rkey_names_last(tag, key));
	for (size_t i = 0; i < im->hour_count; i++) {
		const struct image_hour *h = im->hours[i];

		if (h->dirty == NULL)
			continue;
		resp_text(out, rkey_manifest(tag, h->hour, key));
		resp_text(out, rkey_cells(tag, h->hour, h->pid, key));
	}
	for (size_t i = 0; i < im->hour_count; i++) {
		const struct image_hour *h = im->hours[i];

		if (h->dirty == NULL || hour_day(h->hour) == day)
			continue;
		day = hour_day(h->hour);
		resp_text(out, rkey_day_manifest(tag, day, key));
	}
}

int64_t commit_expire_second(int64_t hour, int64_t retention_hours)
{
	int64_t day_end = (hour_day(hour) + 1) * DAY_HOURS;

	return (day_end + retention_hours + DAY_HOURS) * HOUR_SECONDS;
}

static void commit_put_hours(struct buf *out, const struct image *im, int64_t retention_hours)
{
	for (size_t i = 0; i < im->hour_count; i++) {
		const struct image_hour *h = im->hours[i];

		if (h->dirty == NULL)
			continue;
		resp_i64(out, h->hour);
		resp_hex(out, h->pid);
		if (h->stored)
			resp_hex(out, h->version);
		else
			resp_text(out, "");
		resp_i64(out, commit_expire_second(h->hour, retention_hours));
		resp_u64(out, h->dirty_count);
	}
}

static void commit_put_streams(struct buf *out, const struct list *pending)
{
	char text[STATE_TEXT_SIZE];

	for (const struct list *at = pending->next; at != pending; at = at->next) {
		const struct track *t = LIST_ENTRY(at, struct track, pending_link);

		resp_bytes(out, slice_of(t->id.bytes, STREAM_ID_BYTES));
		resp_bytes(out, state_format(&t->built_on, text));
		resp_bytes(out, state_format(&t->last, text));
	}
}

static int commit_put_cells(struct buf *out, struct image *im)
{
	struct buf blob;
	int rc = 0;

	buf_init(&blob, LIMIT_CELL_BYTES);
	for (size_t i = 0; rc == 0 && i < im->hour_count; i++) {
		struct image_hour *h = im->hours[i];

		for (struct image_cell *c = h->dirty; rc == 0 && c != NULL; c = c->next_dirty) {
			buf_reset(&blob);
			rc = image_cell_encode(im, h, c, &blob);
			resp_bytes(out, slice_of(c->field, c->field_size));
			resp_bytes(out, buf_view(&blob));
		}
	}
	buf_release(&blob);
	return rc;
}

static void commit_put_names(struct buf *out, const struct image *im)
{
	for (size_t i = 0; i < im->hour_count; i++) {
		const struct image_hour *h = im->hours[i];

		for (const struct image_cell *c = h->dirty; c != NULL; c = c->next_dirty) {
			if (!c->fresh)
				continue;
			resp_bytes(out, slice_of(c->field, c->field_size));
			resp_i64(out, h->hour);
		}
	}
}

/* Writes the command. The version hashes everything else, so it is written as zeros first. */
static int commit_write(struct commit *c, const struct commit_target *target, struct image *im,
			const struct list *pending, const struct commit_sizes *n)
{
	size_t keys = COMMIT_KEYS_FIXED + 2 * n->hours + n->days;
	size_t args = COMMIT_ARGS_FIXED + COMMIT_ARGS_HOUR * n->hours + 3 * n->streams +
		      2 * n->cells + 2 * n->names;
	struct buf *out = &c->resp;
	size_t version_at;
	int rc;

	resp_array(out, 3 + keys + args);
	resp_text(out, "EVALSHA");
	resp_text(out, script_sha(SCRIPT_COMMIT));
	resp_u64(out, keys);
	commit_put_keys(out, target->tag, im);
	resp_u64(out, target->cfg);
	resp_hex(out, 0);
	version_at = out->size - RESP_HEX_BYTES - 2;
	resp_u64(out, n->hours);
	resp_u64(out, n->streams);
	resp_u64(out, n->days);
	resp_u64(out, n->names);
	resp_u64(out, n->lost);
	commit_put_hours(out, im, target->retention_hours);
	commit_put_streams(out, pending);
	rc = commit_put_cells(out, im);
	commit_put_names(out, im);
	if (rc == 0)
		rc = buf_status(out);
	if (rc < 0)
		return rc;
	c->version = hash64(buf_view(out));
	resp_format_hex(c->version, out->data + version_at);
	return 0;
}

static void commit_take_hours(struct commit *c, struct image *im)
{
	for (size_t i = 0; i < im->hour_count; i++) {
		struct image_hour *h = im->hours[i];

		if (h->dirty == NULL)
			continue;
		c->hours[c->hour_count++] = (struct commit_hour){ .hour = h->hour, .pid = h->pid };
		c->cell_count += h->dirty_count;
		image_hour_taken(im, h);
	}
}

static void commit_take_streams(struct commit *c, struct list *pending)
{
	while (!list_empty(pending)) {
		struct track *t = LIST_ENTRY(pending->next, struct track, pending_link);

		assert(!t->in_flight);
		list_remove(&t->pending_link);
		c->streams[c->stream_count++] = (struct commit_stream){ t, t->last };
		c->held_bytes += t->pending_bytes;
		c->samples += t->pending_samples;
		t->pending = false;
		t->in_flight = true;
		t->pending_bytes = 0;
		t->pending_samples = 0;
		t->lost = 0;
	}
}

int commit_build(struct commit *out, const struct commit_target *target, struct image *im,
		 struct list *pending, size_t count)
{
	struct commit_sizes n = commit_measure(im, pending);
	int rc = -ENOMEM;

	assert(n.streams == count && count > 0 && script_sha(SCRIPT_COMMIT)[0] != '\0');
	*out = (struct commit){ 0 };
	buf_init(&out->resp, COMMIT_BYTES_MAX);
	out->hours = calloc(n.hours + 1, sizeof(*out->hours));
	out->streams = calloc(n.streams, sizeof(*out->streams));
	if (out->hours != NULL && out->streams != NULL)
		rc = commit_write(out, target, im, pending, &n);
	if (rc < 0) {
		commit_release(out);
		return rc;
	}
	commit_take_hours(out, im);
	commit_take_streams(out, pending);
	return 0;
}

void commit_release(struct commit *c)
{
	for (size_t i = 0; i < c->stream_count; i++)
		c->streams[i].track->in_flight = false;
	free(c->hours);
	free(c->streams);
	buf_release(&c->resp);
	*c = (struct commit){ 0 };
}
