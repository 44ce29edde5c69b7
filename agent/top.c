// SPDX-License-Identifier: Apache-2.0
/*
 * top.c - a set-associative table: the least of eight leaves, and its counts stay in `others`.
 *
 * Windows turn for all entries at once, so `now` and `before` speak of the same times everywhere.
 * Lines and rejects of both windows weigh: a prefix that was heavy a minute ago is not pushed out
 * by one that has just come.
 */
#include "agent/top.h"

#include "proto/hash.h"
#include "proto/json.h"

#include <errno.h>
#include <stdlib.h>

#define TOP_WAYS 8

static const char *const top_words[] = { [TOP_LINES] = "lines", [TOP_KEYS] = "keys",
					 [TOP_REJECTS] = "rejects" };

void top_init(struct top *t)
{
	*t = (struct top){ .turn_ms = INT64_MIN };
}

void top_release(struct top *t)
{
	free(t->entries);
	top_init(t);
}

static uint64_t top_most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void top_sum(struct top_counts *to, const struct top_counts *more)
{
	to->lines += more->lines;
	to->keys = top_most(to->keys, more->keys);
	to->rejects += more->rejects;
	to->overflowed += more->overflowed;
}

static struct top_counts top_total(const struct top_counts *now, const struct top_counts *before)
{
	struct top_counts sum = *now;

	top_sum(&sum, before);
	return sum;
}

static uint64_t top_weight(const struct top_entry *e)
{
	return e->now.lines + e->before.lines + e->now.rejects + e->before.rejects +
	       e->now.keys + e->interval_keys;
}

/* A new window; what has not been heard of in the last one makes room. */
static void top_turn(struct top *t, int64_t now_ms)
{
	bool late = t->turn_ms != INT64_MIN && now_ms - t->turn_ms >= TOP_WINDOW_MS;

	t->has_before = t->turn_ms != INT64_MIN;
	t->turn_ms = now_ms + TOP_WINDOW_MS;
	t->others_before = late ? (struct top_counts){ 0 } : t->others_now;
	t->others_now = (struct top_counts){ 0 };
	for (size_t i = 0; t->entries != NULL && i < TOP_ENTRIES; i++) {
		struct top_entry *e = &t->entries[i];

		e->before = late ? (struct top_counts){ 0 } : e->now;
		e->now = (struct top_counts){ .keys = e->interval_keys };
		e->used = e->used && top_weight(e) > 0;
	}
}

static void top_pass(struct top *t, int64_t now_ms)
{
	if (now_ms >= t->turn_ms)
		top_turn(t, now_ms);
}

/* The least of a set leaves. */
static void top_evict(struct top *t, struct top_entry *e)
{
	top_sum(&t->others_now, &e->now);
	top_sum(&t->others_before, &e->before);
	*e = (struct top_entry){ 0 };
}

static struct top_entry *top_find(struct top *t, struct slice prefix)
{
	uint64_t hash = hash64(prefix);
	struct top_entry *set = &t->entries[hash % (TOP_ENTRIES / TOP_WAYS) * TOP_WAYS];
	struct top_entry *place = &set[0];

	for (size_t i = 0; i < TOP_WAYS; i++)
		if (set[i].used && set[i].hash == hash)
			return &set[i];
	for (size_t i = 0; i < TOP_WAYS && place->used; i++)
		if (!set[i].used || top_weight(&set[i]) < top_weight(place))
			place = &set[i];
	if (place->used)
		top_evict(t, place);
	*place = (struct top_entry){ .hash = hash, .size = (uint8_t)prefix.size, .used = true };
	if (prefix.size > 0)
		memcpy(place->prefix, prefix.ptr, prefix.size);
	return place;
}

static int top_copy(struct top *to, const struct top *from)
{
	*to = *from;
	if (from->entries == NULL)
		return 0;
	to->entries = malloc(TOP_ENTRIES * sizeof(*to->entries));
	if (to->entries == NULL)
		return -ENOMEM;
	memcpy(to->entries, from->entries, TOP_ENTRIES * sizeof(*to->entries));
	return 0;
}

int top_merge(struct top *to, const struct top *from)
{
	if (from->turn_ms == INT64_MIN)
		return 0;
	if (to->turn_ms == INT64_MIN)
		return top_copy(to, from);
	top_sum(&to->others_now, &from->others_now);
	top_sum(&to->others_before, &from->others_before);
	if (to->entries == NULL && from->entries != NULL)
		to->entries = calloc(TOP_ENTRIES, sizeof(*to->entries));
	if (to->entries == NULL)
		return from->entries == NULL ? 0 : -ENOMEM;
	for (size_t i = 0; from->entries != NULL && i < TOP_ENTRIES; i++) {
		const struct top_entry *e = &from->entries[i];
		struct top_entry *mine;

		if (!e->used)
			continue;
		mine = top_find(to, slice_of(e->prefix, e->size));
		top_sum(&mine->now, &e->now);
		top_sum(&mine->before, &e->before);
	}
	return 0;
}

void top_add(struct top *t, struct slice prefix, const struct top_counts *counts, int64_t now_ms)
{
	struct top_entry *e;

	if (prefix.size > TOP_PREFIX_BYTES)
		prefix.size = TOP_PREFIX_BYTES;
	top_pass(t, now_ms);
	if (t->entries == NULL)
		t->entries = calloc(TOP_ENTRIES, sizeof(*t->entries));
	if (t->entries == NULL) {
		top_sum(&t->others_now, counts);
		return;
	}
	e = top_find(t, prefix);
	e->now.lines += counts->lines;
	e->now.rejects += counts->rejects;
	e->now.overflowed += counts->overflowed;
	e->interval_keys += counts->keys;
	e->now.keys = top_most(e->now.keys, e->interval_keys);
}

void top_end_interval(struct top *t)
{
	for (size_t i = 0; t->entries != NULL && i < TOP_ENTRIES; i++)
		t->entries[i].interval_keys = 0;
}

bool top_by_parse(struct slice word, enum top_by *by)
{
	for (size_t i = 0; i < sizeof(top_words) / sizeof(top_words[0]); i++) {
		if (!slice_equal(word, slice_text(top_words[i])))
			continue;
		*by = (enum top_by)i;
		return true;
	}
	return false;
}

/* ---- the answer ---- */

struct top_line {
	struct slice prefix;
	struct top_counts counts;
	uint64_t key; /* what is sorted by */
};

static uint64_t top_key(const struct top_counts *counts, enum top_by by)
{
	if (by == TOP_KEYS)
		return counts->keys;
	return by == TOP_LINES ? counts->lines : counts->rejects;
}

static int top_compare(const void *left, const void *right)
{
	const struct top_line *a = left, *b = right;

	if (a->key != b->key)
		return a->key < b->key ? 1 : -1;
	return slice_compare(a->prefix, b->prefix);
}

/* Adds what one side has to the lines. */
static size_t top_collect(const struct top *t, struct top_line *lines, size_t count)
{
	size_t had = count;

	for (size_t i = 0; t->entries != NULL && i < TOP_ENTRIES; i++) {
		const struct top_entry *e = &t->entries[i];
		struct top_line line = { .prefix = slice_of(e->prefix, e->size),
					 .counts = top_total(&e->now, &e->before) };
		size_t at = 0;

		if (!e->used)
			continue;
		while (at < had && !slice_equal(lines[at].prefix, line.prefix))
			at++;
		if (at < had)
			top_sum(&lines[at].counts, &line.counts);
		else
			lines[count++] = line;
	}
	return count;
}

static void top_put_counts(struct json *j, const struct top_counts *counts)
{
	json_key(j, "lines");
	json_u64(j, counts->lines);
	json_key(j, "keys");
	json_u64(j, counts->keys);
	json_key(j, "rejects");
	json_u64(j, counts->rejects);
	json_key(j, "overflowed");
	json_u64(j, counts->overflowed);
}

static void top_put_lines(struct json *j, const struct top_line *lines, size_t count, size_t n)
{
	json_key(j, "prefixes");
	json_array_open(j);
	for (size_t i = 0; i < count && i < n && lines[i].key > 0; i++) {
		json_object_open(j);
		json_key(j, "prefix");
		json_text_slice(j, lines[i].prefix);
		top_put_counts(j, &lines[i].counts);
		json_object_close(j);
	}
	json_array_close(j);
}

/* How long was counted, in ms. */
static int64_t top_span(const struct top *t, int64_t now_ms)
{
	if (t->turn_ms == INT64_MIN)
		return 0;
	return now_ms - t->turn_ms + (t->has_before ? 2 : 1) * TOP_WINDOW_MS;
}

void top_render(struct top *a, struct top *b, enum top_by by, size_t n, int64_t now_ms,
		struct buf *out)
{
	struct top_line *lines = calloc(2 * (size_t)TOP_ENTRIES, sizeof(*lines));
	struct json j = json_begin(out);
	struct top_counts others;
	size_t count = 0;
	int64_t span;

	top_pass(a, now_ms);
	top_pass(b, now_ms);
	span = top_span(a, now_ms) > top_span(b, now_ms) ? top_span(a, now_ms) :
							   top_span(b, now_ms);
	others = top_total(&a->others_now, &a->others_before);
	top_sum(&others, &b->others_now);
	top_sum(&others, &b->others_before);
	if (lines != NULL)
		count = top_collect(b, lines, top_collect(a, lines, 0));
	for (size_t i = 0; i < count; i++)
		lines[i].key = top_key(&lines[i].counts, by);
	if (count > 1)
		qsort(lines, count, sizeof(*lines), top_compare);
	json_object_open(&j);
	json_key(&j, "by");
	json_text(&j, top_words[by]);
	json_key(&j, "seconds");
	json_number(&j, (double)(span / 100) / 10);
	top_put_lines(&j, lines, count, n);
	json_key(&j, "others");
	json_object_open(&j);
	top_put_counts(&j, &others);
	json_object_close(&j);
	json_object_close(&j);
	buf_put_u8(out, '\n');
	free(lines);
}
