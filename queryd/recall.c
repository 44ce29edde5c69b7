// SPDX-License-Identifier: Apache-2.0
/*
 * recall.c - cells of an hour as bytes of the cache, under the manifest's own bytes.
 *
 * The key says which hour of which series and which kinds were asked for; the stamp is the
 * manifest as it was read, versions included. Kept only if it was the same before and after,
 * for else the cells may be of neither.
 */
#include "queryd/recall.h"

#include "proto/limits.h"
#include "queryd/plan.h"

#include <string.h>

/* Day or hour, kinds, which. */
#define PREFIX_BYTES 10

static struct slice bytes_of(const struct recall_key *key,
			     uint8_t out[PREFIX_BYTES + LIMIT_SERIES_BYTES])
{
	out[0] = key->day;
	out[1] = (uint8_t)key->kinds;
	memcpy(out + 2, &key->hour, sizeof(key->hour));
	memcpy(out + PREFIX_BYTES, key->series.ptr, key->series.size);
	return slice_of(out, PREFIX_BYTES + key->series.size);
}

bool recall_find(struct cache *cache, const struct recall_key *key, const struct partials *listed,
		 struct slice *found)
{
	uint8_t bytes[PREFIX_BYTES + LIMIT_SERIES_BYTES];

	return cache_get(cache, bytes_of(key, bytes), partials_bytes(listed), found);
}

bool recall_next(struct reader *found, enum kind *kind, struct slice *blob)
{
	size_t size;

	if (reader_left(found) == 0)
		return false;
	*kind = plan_kind(reader_u8(found));
	size = reader_u32(found);
	*blob = reader_bytes(found, size);
	return true;
}

void recall_note(struct buf *kept, enum kind kind, struct slice blob)
{
	buf_put_u8(kept, (uint8_t)plan_kind_index(kind));
	buf_put_u32(kept, (uint32_t)blob.size);
	buf_put_slice(kept, blob);
}

void recall_keep(struct cache *cache, const struct recall_key *key, const struct partials *before,
		 const struct partials *after, struct buf *kept)
{
	uint8_t bytes[PREFIX_BYTES + LIMIT_SERIES_BYTES];

	if (buf_status(kept) == 0 && partials_equal(before, after))
		cache_put(cache, bytes_of(key, bytes), partials_bytes(before), buf_view(kept));
	buf_release(kept);
}
