// SPDX-License-Identifier: Apache-2.0
/*
 * survey_recall.c - a share of the cache, spent key by key.
 *
 * Both what is found and what is kept is taken off the share, so that a question that is asked
 * again spends it on the same keys and finds them, instead of pushing its own first ones out by
 * its last. Once it is spent the rest is read and not kept. A part asks Redis for those of its
 * members that were not found: `places` says which these are.
 */
#include "queryd/survey_private.h"

#include "queryd/recall.h"

#include <assert.h>

/* About what the cache takes for an entry beside key and value. */
#define ENTRY_BYTES 112

void survey_use_cache(struct survey *s, struct cache *cache)
{
	assert(s->main.part_count == 0);
	s->cache = cache;
	s->share_left = cache ? cache_limit(cache) / SURVEY_SHARE : 0;
}

static struct recall_key key_of(const struct survey *s, const struct survey_part *part,
				size_t member)
{
	const struct survey_member *m = &s->members[part->first + member];

	return (struct recall_key){
		.day = part->day,
		.kinds = 1u << plan_kind_index((enum kind)m->field[0]),
		.hour = part->hour,
		.series = slice_of(m->field + 1, m->size - 1),
	};
}

/* Takes an entry off the share; false, and the share is over, when it is too large for what is left. */
static bool spend(struct survey *s, const struct recall_key *key, size_t value_bytes)
{
	size_t bytes = ENTRY_BYTES + key->series.size + value_bytes;

	if (bytes > s->share_left) {
		s->share_left = 0;
		return false;
	}
	s->share_left -= bytes;
	return true;
}

/* 1 with the member's cell, if it has one; 0 when it is to be asked for; or what plan_fold_blob says. */
static int recall_member(struct survey *s, struct survey_part *part, size_t member)
{
	const struct recall_key key = key_of(s, part, member);
	struct slice found, blob;
	struct reader r;
	enum kind kind;
	int status = 0;

	if (!recall_find(s->cache, &key, &part->listed, &found))
		return 0;
	(void)spend(s, &key, found.size);
	r = reader_of(found);
	while (status == 0 && recall_next(&r, &kind, &blob))
		status = plan_fold_blob(&part->cells[member], kind, blob);
	return status < 0 ? status : 1;
}

int survey_recall(struct survey *s, struct survey_part *part)
{
	size_t member;
	int status = 0;

	part->asked = 0;
	for (member = 0; member < part->count && status >= 0; member++) {
		bool looks = part->kept && s->share_left > 0;
		if (s->cache && !looks)
			cache_pass(s->cache, 1);
		status = looks ? recall_member(s, part, member) : 0;
		if (status == 0)
			part->places[part->asked++] = (uint8_t)member;
	}
	return status < 0 ? status : 0;
}

void survey_recall_note(struct survey *s, struct survey_part *part, size_t member, struct slice blob)
{
	enum kind kind = (enum kind)s->members[part->first + member].field[0];

	if (part->kept && s->share_left > 0)
		recall_note(&part->kept[member], kind, blob);
}

void survey_recall_keep(struct survey *s, struct survey_part *part)
{
	size_t i;

	for (i = 0; part->kept && i < part->asked && s->share_left > 0; i++) {
		size_t member = part->places[i];
		const struct recall_key key = key_of(s, part, member);
		if (spend(s, &key, part->kept[member].size))
			recall_keep(s->cache, &key, &part->listed, &part->again,
				    &part->kept[member]);
	}
	survey_recall_forget(part);
}

void survey_recall_forget(struct survey_part *part)
{
	size_t i;

	for (i = 0; part->kept && i < part->count; i++)
		buf_release(&part->kept[i]);
}
