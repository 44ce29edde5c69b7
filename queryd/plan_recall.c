// SPDX-License-Identifier: Apache-2.0
#include "queryd/plan_window.h"

#include "queryd/plan_fold.h"
#include "queryd/recall.h"

static struct recall_key key_of(const struct plan_window *w, const struct plan_hour *hour)
{
	return (struct recall_key){
		.day = w->days, .kinds = w->kinds, .hour = hour->hour, .series = w->key,
	};
}

int plan_recall(struct plan_window *w, struct plan_hour *hour)
{
	const struct recall_key key = key_of(w, hour);
	struct slice found, blob;
	struct reader r;
	enum kind kind;
	int status = 0;

	if (!w->cache || !recall_find(w->cache, &key, &hour->listed, &found))
		return 0;
	w->bytes += found.size;
	r = reader_of(found);
	while (status == 0 && recall_next(&r, &kind, &blob))
		status = plan_fold_blob(&hour->cells[plan_kind_index(kind)], kind, blob);
	return status < 0 ? status : 1;
}

void plan_recall_note(struct plan_window *w, struct plan_hour *hour, enum kind kind,
		      struct slice blob)
{
	if (w->cache)
		recall_note(&hour->kept, kind, blob);
}

void plan_recall_keep(struct plan_window *w, struct plan_hour *hour)
{
	const struct recall_key key = key_of(w, hour);

	if (w->cache)
		recall_keep(w->cache, &key, &hour->listed, &hour->again, &hour->kept);
}
