// SPDX-License-Identifier: Apache-2.0
/*
 * All pairs of a relay and a partition are sorted by score, once, and walked twice: the first walk
 * gives each partition its first relay, the second fills in the others (ring_assign says why so).
 * Ties are broken by name and never by place in the list, so every builder sorts alike.
 */
#include "proto/ring.h"

#include "proto/hash.h"
#include "proto/le.h"
#include "proto/slice.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct ring {
	size_t relays;
	uint32_t partitions;
	uint32_t *order; /* partitions rows of `relays` indexes, the most preferred first */
};

/* A relay while the ring is built, sorted by name. */
struct ring_name {
	const char *text;
	uint64_t hash;
	uint32_t index; /* in the caller's list */
	uint32_t load;  /* partitions it is first for */
};

/* How much a relay likes a partition, and it the relay. */
struct ring_pair {
	uint64_t score;
	uint32_t name; /* its place among the sorted names, which breaks ties alike everywhere */
	uint32_t partition;
};

/* What is needed only while the ring is built. */
struct ring_build {
	struct ring_name *names; /* one a relay, by name */
	struct ring_pair *pairs; /* all of them, by falling score */
	size_t pair_count;
	uint32_t *filled; /* a partition: how much of its row is written */
	uint32_t spare;   /* relays that may still be first for one more than the others */
};

static int ring_name_compare(const void *a, const void *b)
{
	return strcmp(((const struct ring_name *)a)->text, ((const struct ring_name *)b)->text);
}

static int ring_pair_compare(const void *left, const void *right)
{
	const struct ring_pair *a = left;
	const struct ring_pair *b = right;

	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	if (a->name != b->name)
		return a->name < b->name ? -1 : 1;
	return a->partition < b->partition ? -1 : 1;
}

/* Rendezvous score of a relay for a partition: XXH3 of both, so that nothing about one
 * partition's order tells another's. */
static uint64_t ring_score(uint64_t name_hash, uint32_t partition)
{
	uint8_t bytes[12];

	le_put_u32(le_put_u64(bytes, name_hash), partition);
	return hash64(slice_of(bytes, sizeof(bytes)));
}

static void ring_build_release(struct ring_build *b)
{
	free(b->names);
	free(b->pairs);
	free(b->filled);
}

/* Fills in and sorts the names. False when one is there twice. */
static bool ring_sort_names(struct ring_build *b, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		b->names[i] = (struct ring_name){
			.text = names[i],
			.hash = hash64(slice_text(names[i])),
			.index = (uint32_t)i,
		};
	qsort(b->names, count, sizeof(*b->names), ring_name_compare);
	for (size_t i = 1; i < count; i++)
		if (strcmp(b->names[i - 1].text, b->names[i].text) == 0)
			return false;
	return true;
}

static void ring_sort_pairs(struct ring_build *b, const struct ring *r)
{
	struct ring_pair *pair = b->pairs;

	for (uint32_t p = 0; p < r->partitions; p++)
		for (uint32_t i = 0; i < r->relays; i++)
			*pair++ = (struct ring_pair){
				.score = ring_score(b->names[i].hash, p),
				.name = i,
				.partition = p,
			};
	qsort(b->pairs, b->pair_count, sizeof(*b->pairs), ring_pair_compare);
}

/* Takes a first place of a relay's, if it has one left: it is below its whole share, or at it and
 * one of the few that take the remainder. */
static bool ring_take_room(struct ring_build *b, const struct ring *r, struct ring_name *name)
{
	uint32_t share = r->partitions / (uint32_t)r->relays;

	if (name->load > share || (name->load == share && b->spare == 0))
		return false;
	b->spare -= name->load == share;
	name->load++;
	return true;
}

static void ring_append(struct ring_build *b, struct ring *r, const struct ring_pair *pair)
{
	size_t at = pair->partition * r->relays + b->filled[pair->partition]++;

	r->order[at] = b->names[pair->name].index;
}

/* The pairs are walked by falling score, twice. First each partition takes the first relay that
 * has room, as in a stable matching where both sides prefer the higher score: of the orders
 * tried (by partition, by each relay's own taste) this moves least when a relay comes or
 * goes. Room never comes back and adds up to the partitions, so each finds a relay. Then the
 * rows are filled with all others. */
static void ring_assign(struct ring_build *b, struct ring *r)
{
	b->spare = r->partitions % (uint32_t)r->relays;
	for (size_t i = 0; i < b->pair_count; i++) {
		const struct ring_pair *pair = b->pairs + i;

		if (b->filled[pair->partition] == 0 &&
		    ring_take_room(b, r, b->names + pair->name))
			ring_append(b, r, pair);
	}
	for (size_t i = 0; i < b->pair_count; i++) {
		const struct ring_pair *pair = b->pairs + i;

		if (r->order[pair->partition * r->relays] != b->names[pair->name].index)
			ring_append(b, r, pair);
	}
}

static bool ring_allocate(struct ring_build *b, struct ring *r)
{
	if (r->relays > SIZE_MAX / sizeof(*b->pairs) / r->partitions)
		return false;
	b->pair_count = r->relays * r->partitions;
	r->order = calloc(b->pair_count, sizeof(*r->order));
	b->names = calloc(r->relays, sizeof(*b->names));
	b->pairs = calloc(b->pair_count, sizeof(*b->pairs));
	b->filled = calloc(r->partitions, sizeof(*b->filled));
	return r->order && b->names && b->pairs && b->filled;
}

static int ring_fill(struct ring *r, const char *const *names)
{
	struct ring_build b = { 0 };
	int rc = 0;

	if (!ring_allocate(&b, r)) {
		rc = -ENOMEM;
	} else if (!ring_sort_names(&b, names, r->relays)) {
		rc = -EINVAL;
	} else {
		ring_sort_pairs(&b, r);
		ring_assign(&b, r);
	}
	ring_build_release(&b);
	return rc;
}

int ring_new(const char *const *names, size_t count, uint32_t partitions, struct ring **out)
{
	struct ring *r;
	int rc;

	if (partitions == 0 || count > UINT32_MAX)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->relays = count;
	r->partitions = partitions;
	rc = count > 0 ? ring_fill(r, names) : 0;
	if (rc < 0) {
		ring_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void ring_free(struct ring *r)
{
	if (r == NULL)
		return;
	free(r->order);
	free(r);
}

size_t ring_size(const struct ring *r)
{
	return r->relays;
}

size_t ring_at(const struct ring *r, uint32_t partition, size_t place)
{
	assert(partition < r->partitions && place < r->relays);
	return r->order[partition * r->relays + place];
}
