// SPDX-License-Identifier: Apache-2.0
#include "queryd/plan_window.h"

#include "proto/limits.h"
#include "queryd/plan_fold.h"

#include <string.h>

/* Days or hours, kinds, hour. */
#define PREFIX_BYTES 10


/* What is looked for: the question, not the answer. Who may ask it was judged before there was a plan, by
 * the key's spelling alone, so those who may share what they find. */
static struct slice key_of(const struct plan_window *w, const struct plan_hour *hour,
			   uint8_t out[PREFIX_BYTES + LIMIT_SERIES_BYTES])
{
	out[0] = w->days;
	out[1] = (uint8_t)w->kinds;
	memcpy(out + 2, &hour->hour, sizeof(hour->hour));
	memcpy(out + PREFIX_BYTES, w->key.ptr, w->key.size);
	return slice_of(out, PREFIX_BYTES + w->key.size);
}

int plan_recall(struct plan_window *w, struct plan_hour *hour)
{
	uint8_t key[PREFIX_BYTES + LIMIT_SERIES_BYTES];
	struct slice found;
	struct reader r;
	int status = 0;

	if (!w->cache ||
	    !cache_get(w->cache, key_of(w, hour, key), partials_bytes(&hour->listed), &found))
		return 0;
	r = reader_of(found);
	while (reader_left(&r) > 0 && status == 0) {
		size_t index = reader_u8(&r);
		size_t size = reader_u32(&r);
		status = plan_fold_blob(&hour->cells[index], plan_kind(index),
					reader_bytes(&r, size));
	}
	return status < 0 ? status : 1;
}

void plan_recall_note(struct plan_window *w, struct plan_hour *hour, enum kind kind,
		      struct slice blob)
{
	if (!w->cache)
		return;
	buf_put_u8(&hour->kept, (uint8_t)plan_kind_index(kind));
	buf_put_u32(&hour->kept, (uint32_t)blob.size);
	buf_put_slice(&hour->kept, blob);
}

void plan_recall_keep(struct plan_window *w, struct plan_hour *hour)
{
	uint8_t key[PREFIX_BYTES + LIMIT_SERIES_BYTES];

	if (w->cache && buf_status(&hour->kept) == 0 &&
	    partials_equal(&hour->listed, &hour->again))
		cache_put(w->cache, key_of(w, hour, key), partials_bytes(&hour->listed),
			  buf_view(&hour->kept));
	buf_release(&hour->kept);
}
